/* SPDX-License-Identifier: ISC */
/*
 * Reading and writing the health table.  Every process may read; the header
 * names each field's writer.  Never blocks: a reader that meets a writer
 * tries again, and a writer that died in the middle is waited for only so long.
 */
#include "config.h"
#include "state/health.h"

#include <string.h>

#define TRIES	1000

/* Copy len bytes from src, guarded by seq. */
static void
seq_read(const _Atomic uint32_t *seq, void *dst, const void *src, size_t len)
{
	uint32_t before;
	int tries;

	for (tries = 0; tries < TRIES; tries++) {
		before = atomic_load_explicit(seq, memory_order_acquire);
		memcpy(dst, src, len);
		atomic_thread_fence(memory_order_acquire);
		if ((before & 1) == 0 &&
		    before == atomic_load_explicit(seq, memory_order_relaxed))
			return;
	}
}

/* One writer only.  "| 1" so that a writer that died half-way heals here. */
static void
seq_write(_Atomic uint32_t *seq, void *dst, const void *src, size_t len)
{
	uint32_t n = atomic_load_explicit(seq, memory_order_relaxed) | 1;

	atomic_store_explicit(seq, n, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	memcpy(dst, src, len);
	atomic_store_explicit(seq, n + 1, memory_order_release);
}

void
health_addr(const struct server_slot *s, struct addr *out)
{
	seq_read(&s->addr_seq, out, &s->addr, sizeof(*out));
}

void
health_set_addr(struct server_slot *s, const struct addr *a)
{
	seq_write(&s->addr_seq, &s->addr, a, sizeof(*a));
}

void
health_info(const struct server_slot *s, char out[HEALTH_INFO_MAX])
{
	seq_read(&s->info_seq, out, s->info, HEALTH_INFO_MAX);
	out[HEALTH_INFO_MAX - 1] = '\0';
}

void
health_set_info(struct server_slot *s, const char *info)
{
	char text[HEALTH_INFO_MAX];

	memset(text, 0, sizeof(text));
	strncpy(text, info, sizeof(text) - 1);
	seq_write(&s->info_seq, s->info, text, sizeof(text));
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
	[HEALTH_UNKNOWN] = { "UNK", "unknown" },
	[HEALTH_INI] = { "INI", "initializing" },
	[HEALTH_SOCKERR] = { "SOCKERR", "socket error" },
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
	return (unsigned)r < sizeof(results) / sizeof(results[0]) ? results[r].text : "unknown";
}
