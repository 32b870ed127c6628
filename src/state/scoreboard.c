/* SPDX-License-Identifier: ISC */
/*
 * A worker's slot.  Written by its worker, read by the master, the clerk and
 * stats workers.  Never blocks.
 */
#include "config.h"
#include "state/scoreboard.h"

#include <string.h>

/*
 * A worker may be stopped (a debugger, SIGSTOP, the scheduler) at any
 * instruction, and readers must neither wait for it nor show half a name: so
 * what counts is never written to, only replaced.
 */
static struct worker_text *
text_spare(struct worker_slot *w)
{
	return &w->text[(atomic_load_explicit(&w->text_seq, memory_order_relaxed) + 1) % 2];
}

static void
text_publish(struct worker_slot *w)
{
	uint32_t n = atomic_load_explicit(&w->text_seq, memory_order_relaxed) + 1;

	atomic_store_explicit(&w->text_seq, n, memory_order_release);
	/* the next text must not show before its readers see that this one counts */
	atomic_thread_fence(memory_order_seq_cst);
}

void
scoreboard_begin(struct worker_slot *w, int64_t now_ms)
{
	atomic_store_explicit(&w->began_ms, now_ms, memory_order_relaxed);
	atomic_store_explicit(&w->head_ms, -1, memory_order_relaxed);
	atomic_store_explicit(&w->queue_ms, -1, memory_order_relaxed);
	atomic_store_explicit(&w->connect_ms, -1, memory_order_relaxed);
	atomic_store_explicit(&w->answer_ms, -1, memory_order_relaxed);
	atomic_store_explicit(&w->status, -1, memory_order_relaxed);
}

void
scoreboard_counted(struct worker_slot *w, uint64_t in, uint64_t out)
{
	atomic_store_explicit(&w->bytes_in, 0, memory_order_relaxed);
	atomic_store_explicit(&w->bytes_out, 0, memory_order_relaxed);
	atomic_fetch_add_explicit(&w->before_in, in, memory_order_relaxed);
	atomic_fetch_add_explicit(&w->before_out, out, memory_order_relaxed);
}

void
scoreboard_set_client(struct worker_slot *w, const struct addr *client)
{
	struct worker_text *t = text_spare(w);

	t->client = *client;
	t->host[0] = '\0';
	text_publish(w);
}

void
scoreboard_set_host(struct worker_slot *w, const char *host)
{
	const struct worker_text *now = &w->text[atomic_load_explicit(&w->text_seq, memory_order_relaxed) % 2];
	struct worker_text *t = text_spare(w);
	size_t len = strnlen(host, sizeof(t->host) - 1);

	t->client = now->client;
	memcpy(t->host, host, len);
	t->host[len] = '\0';
	text_publish(w);
}

void
scoreboard_clear_text(struct worker_slot *w)
{
	memset(w->text, 0, sizeof(w->text));
	atomic_store_explicit(&w->text_seq, 0, memory_order_release);
}

/* Only one that writes twice while a copy is made can make it worth another
 * try; one that does so without end is no worker of ours any more. */
void
scoreboard_text(const struct worker_slot *w, struct addr *client, char host[256])
{
	uint32_t before;
	int tries;

	for (tries = 0; tries < 1000; tries++) {
		before = atomic_load_explicit(&w->text_seq, memory_order_acquire);
		*client = w->text[before % 2].client;
		memcpy(host, w->text[before % 2].host, sizeof(w->text[0].host));
		atomic_thread_fence(memory_order_acquire);
		if (before == atomic_load_explicit(&w->text_seq, memory_order_relaxed))
			break;
	}
	host[255] = '\0';
}

const char *
worker_state_name(enum worker_state s)
{
	switch (s) {
	case WORKER_DEAD:	return "dead";
	case WORKER_STARTING:	return "starting";
	case WORKER_IDLE:	return "idle";
	case WORKER_WAITING:	return "waiting";
	case WORKER_READING:	return "reading";
	case WORKER_QUEUED:	return "queued";
	case WORKER_DIALING:	return "dialing";
	case WORKER_RELAYING:	return "relaying";
	case WORKER_KEEPALIVE:	return "keep-alive";
	}
	return "?";
}
