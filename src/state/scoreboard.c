/* SPDX-License-Identifier: ISC */
/*
 * A worker's slot.  Written by its worker, read by the master, the clerk and
 * stats workers.  Never blocks.
 */
#include "config.h"
#include "state/scoreboard.h"

#include <string.h>

static uint32_t
text_begin(struct worker_slot *w)
{
	uint32_t n = atomic_load_explicit(&w->text_seq, memory_order_relaxed) | 1;

	atomic_store_explicit(&w->text_seq, n, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	return n + 1;
}

void
scoreboard_set_client(struct worker_slot *w, const struct addr *client)
{
	uint32_t n = text_begin(w);

	w->client = *client;
	w->host[0] = '\0';
	atomic_store_explicit(&w->text_seq, n, memory_order_release);
}

void
scoreboard_set_host(struct worker_slot *w, const char *host)
{
	uint32_t n = text_begin(w);
	size_t len = strnlen(host, sizeof(w->host) - 1);

	memcpy(w->host, host, len);
	w->host[len] = '\0';
	atomic_store_explicit(&w->text_seq, n, memory_order_release);
}

void
scoreboard_text(const struct worker_slot *w, struct addr *client, char host[256])
{
	uint32_t before;
	int tries;

	for (tries = 0; tries < 1000; tries++) {
		before = atomic_load_explicit(&w->text_seq, memory_order_acquire);
		*client = w->client;
		memcpy(host, w->host, sizeof(w->host));
		atomic_thread_fence(memory_order_acquire);
		if ((before & 1) == 0 &&
		    before == atomic_load_explicit(&w->text_seq, memory_order_relaxed))
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
