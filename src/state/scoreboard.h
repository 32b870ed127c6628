/* SPDX-License-Identifier: ISC */
/*
 * The scoreboard: a post and a slot a worker, in shared memory.  The post is
 * what the master says of it, the slot what it says itself.
 *
 * The slot says what `ps`, durwardctl and the stats page show, and what the worker
 * holds, so that the master can give back exactly that when the worker dies
 * badly.  The worker writes "holds" only after it has the thing, and clears it
 * before it gives the thing back.
 */
#ifndef DURWARD_SCOREBOARD_H
#define DURWARD_SCOREBOARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/addr.h"

/* In the order of life: anything below WORKER_READING has no client. */
enum worker_state {
	WORKER_DEAD,		/* slot free */
	WORKER_STARTING,	/* forked, not yet at accept */
	WORKER_IDLE,		/* in accept */
	WORKER_WAITING,		/* has a client, waits for max-connections */
	WORKER_READING,		/* reads the hello or the request head */
	WORKER_QUEUED,		/* waits for a server below its max-connections */
	WORKER_DIALING,
	WORKER_RELAYING,
	WORKER_KEEPALIVE,	/* HTTP: between two requests */
};

/* What a worker holds, as bits of `holds`. */
#define HOLDS_PERMIT	0x01u	/* one of max-connections */
#define HOLDS_LISTENER	0x02u	/* counted in its listener's current */
#define HOLDS_SOURCE	0x04u	/* counted at `source` */
#define HOLDS_BACKEND	0x08u	/* counted in backend's current */
#define HOLDS_SERVER	0x10u	/* counted in server's current */
#define HOLDS_QUEUE	0x20u	/* counted in backend's queued and waiters */
#define HOLDS_WAIT	0x40u	/* counted among those who wait for a permit */

/* Who a worker serves. */
struct worker_text {
	struct addr client;
	char host[256];				/* canonical; "" not known (yet) */
};

/* The master's, which writes it before the fork, and pid after; but for end, which
 * is a newer master's. */
struct worker_post {
	_Atomic int32_t pid;			/* 0: free */
	_Atomic uint32_t generation;
	_Atomic int32_t master;			/* whose child it is */
	_Atomic int32_t end;			/* pid, where its client was to be ended */
	uint32_t listener;			/* index of the listener's slot */
	uint32_t pool;				/* index of its pool's slot */
};

/* The worker's.  Nothing in it is to be believed: its worker may have been taken
 * over, or another one, for they can all write to all of these. */
struct worker_slot {
	_Alignas(64) _Atomic uint32_t state;	/* enum worker_state */
	_Atomic uint32_t holds;
	_Atomic uint32_t source;		/* place in the sources table */
	_Atomic int32_t backend, server;	/* slots; -1 none */
	_Atomic uint32_t served;		/* clients so far */
	_Atomic int64_t since_ms;		/* clock_ms of accept, or of becoming idle */
	_Atomic int64_t last_ms;		/* clock_ms of the last byte either way */
	_Atomic uint64_t bytes_in, bytes_out;	/* of this client so far; HTTP: of this request */
	_Atomic uint64_t before_in, before_out;	/* of its earlier requests: counted already */
	/* of this session or request, for the line that it might not live to write:
	 * clock_ms of its begin, then what is known of it in ms, -1 not yet */
	_Atomic int64_t began_ms;
	_Atomic int32_t head_ms, queue_ms, connect_ms, answer_ms;
	_Atomic int32_t status;			/* of the answer; -1 none yet */
	_Atomic uint32_t text_seq;		/* text[text_seq % 2] is the one that counts */
	struct worker_text text[2];		/* the other is written, then they change places */
};

static inline bool
worker_has_client(uint32_t state)
{
	return state > WORKER_IDLE;
}

/* What a slot in this state can hold.  Without a client that is nothing, whatever
 * was scribbled there: nobody would give it back. */
static inline uint32_t
worker_holds(uint32_t state, uint32_t holds)
{
	return worker_has_client(state) && state <= WORKER_KEEPALIVE ? holds : 0;
}

/* For the worker: it has this now; it gives this back (false: it had it not). */
static inline void
scoreboard_hold(struct worker_slot *w, uint32_t what)
{
	atomic_fetch_or_explicit(&w->holds, what, memory_order_relaxed);
}

static inline bool
scoreboard_let_go(struct worker_slot *w, uint32_t what)
{
	return (atomic_fetch_and_explicit(&w->holds, ~what, memory_order_relaxed) & what) != 0;
}

/* For the worker: a session, or the next request of it, begins; nothing is known. */
void scoreboard_begin(struct worker_slot *w, int64_t now_ms);

/* For the worker: one of the times is known. */
static inline void
scoreboard_spent(_Atomic int32_t *ms, int64_t us)
{
	atomic_store_explicit(ms, (int32_t)(us / 1000), memory_order_relaxed);
}

/* For the worker: these bytes of a request that is over stand in the counters. */
void scoreboard_counted(struct worker_slot *w, uint64_t in, uint64_t out);

/* For the worker: who it serves.  host may be NULL. */
void scoreboard_set_client(struct worker_slot *w, const struct addr *client);
void scoreboard_set_host(struct worker_slot *w, const char *host);

/* For whoever makes the slot anew: no client, no host. */
void scoreboard_clear_text(struct worker_slot *w);

/* For readers: a copy of the slot's texts as they stood at one time, also of
 * a worker that was stopped or killed in the middle of writing new ones. */
void scoreboard_text(const struct worker_slot *w, struct addr *client, char host[256]);

/* "idle", "reading", ... for people. */
const char *worker_state_name(enum worker_state s);

#endif
