/* SPDX-License-Identifier: ISC */
/*
 * Reading and writing the health table.  Every process may read; the header
 * names each field's writer.  Never blocks, and never waits for a writer that
 * was put aside or died in the middle.
 */
#include "config.h"
#include "state/health.h"

#include <string.h>

#define TRIES	1000

/* Copy the len bytes that count: the copy at an even or an odd number.  It is
 * whole unless the number rose meanwhile, that is: twice is what it takes. */
static void
latch_read(const _Atomic uint32_t *seq, void *dst, const void *even, const void *odd, size_t len)
{
	uint32_t before;
	int tries;

	for (tries = 0; tries < TRIES; tries++) {
		before = atomic_load_explicit(seq, memory_order_acquire);
		memcpy(dst, (before & 1) == 0 ? even : odd, len);
		atomic_thread_fence(memory_order_acquire);
		if (before == atomic_load_explicit(seq, memory_order_relaxed))
			return;
	}
}

/* One writer only.  One that stops half-way, for a while or for ever, leaves
 * what counts as it was. */
static void
latch_write(_Atomic uint32_t *seq, void *even, void *odd, const void *src, size_t len)
{
	uint32_t next = atomic_load_explicit(seq, memory_order_relaxed) + 1;

	/* the number's last step is seen before any byte of this one */
	atomic_thread_fence(memory_order_release);
	memcpy((next & 1) == 0 ? even : odd, src, len);
	atomic_store_explicit(seq, next, memory_order_release);
}

void
health_addr(const struct server_slot *s, struct addr *out)
{
	latch_read(&s->addr_seq, out, &s->addr[0], &s->addr[1], sizeof(*out));
}

void
health_set_addr(struct server_slot *s, const struct addr *a)
{
	latch_write(&s->addr_seq, &s->addr[0], &s->addr[1], a, sizeof(*a));
}

void
health_info(const struct server_slot *s, char out[HEALTH_INFO_MAX])
{
	latch_read(&s->info_seq, out, s->info[0], s->info[1], HEALTH_INFO_MAX);
	out[HEALTH_INFO_MAX - 1] = '\0';
}

void
health_set_info(struct server_slot *s, const char *info)
{
	char text[HEALTH_INFO_MAX];

	memset(text, 0, sizeof(text));
	strncpy(text, info, sizeof(text) - 1);
	latch_write(&s->info_seq, s->info[0], s->info[1], text, sizeof(text));
}

const char *
health_word(const struct server_slot *s)
{
	switch ((enum health_admin)atomic_load(&s->admin)) {
	case HEALTH_DRAIN:
		return "DRAIN";
	case HEALTH_MAINT:
		return "MAINT";
	case HEALTH_READY:
		break;
	}
	if (atomic_load(&s->state) == HEALTH_DOWN)
		return "DOWN";
	return atomic_load(&s->checked) ? "UP" : "NO CHECK";
}

static const struct {
	const char *name, *text;
} results[] = {
	[HEALTH_UNKNOWN] = { "UNK", "Unknown" },
	[HEALTH_INI] = { "INI", "Initializing" },
	[HEALTH_SOCKERR] = { "SOCKERR", "Socket error" },
	[HEALTH_L4OK] = { "L4OK", "Layer4 check passed" },
	[HEALTH_L4TOUT] = { "L4TOUT", "Layer4 timeout" },
	[HEALTH_L4CON] = { "L4CON", "Layer4 connection problem" },
	[HEALTH_L6OK] = { "L6OK", "Layer6 check passed" },
	[HEALTH_L6TOUT] = { "L6TOUT", "Layer6 timeout" },
	[HEALTH_L6RSP] = { "L6RSP", "Layer6 invalid response" },
	[HEALTH_L7OK] = { "L7OK", "Layer7 check passed" },
	[HEALTH_L7TOUT] = { "L7TOUT", "Layer7 timeout" },
	[HEALTH_L7RSP] = { "L7RSP", "Layer7 invalid response" },
	[HEALTH_L7STS] = { "L7STS", "Layer7 wrong status" },
};

const char *
health_result_name(enum health_result r)
{
	return (unsigned)r < sizeof(results) / sizeof(results[0]) ? results[r].name : "UNK";
}

const char *
health_result_text(enum health_result r)
{
	return (unsigned)r < sizeof(results) / sizeof(results[0]) ? results[r].text : "Unknown";
}
