/* SPDX-License-Identifier: ISC */
/*
 * Sources whose connections crashed workers, in shared memory.
 *
 * A worker that dies takes one connection with it, and costs a fork; a client
 * that found out how to do it must not go on at any rate.  The first crash is
 * only remembered; from the second on the source is refused for a time that
 * doubles with each, and all is forgotten after a quiet while.  A source is an
 * IPv4 address or an IPv6 /64, on all listeners together.
 *
 * Written by the master alone, when it reaps; workers look.
 */
#ifndef DURWARD_HOLDOFF_H
#define DURWARD_HOLDOFF_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

#define HOLDOFF_CELLS		1024u
#define HOLDOFF_FIRST_MS	1000		/* at the second crash */
#define HOLDOFF_MOST_MS		(5 * 60000)
#define HOLDOFF_FORGET_MS	(10 * 60000)	/* since the last crash, or the end of its time */

struct holdoff_cell {
	_Atomic uint64_t tag;		/* of the source; 0 free */
	_Atomic int64_t until_ms;	/* clock_ms; 0 not held */
	int64_t last_ms;		/* of its last crash; the master's own */
	uint32_t crashes;
};

struct holdoff {
	uint64_t seed;
	_Atomic int64_t until_ms;	/* the latest of all; 0 nobody is held */
	struct holdoff_cell cell[HOLDOFF_CELLS];
};

/* A worker that served this client has crashed.  Returns for how long it is
 * held from now on, in ms; 0 for a first crash.  *crashes counts them. */
int holdoff_add(struct holdoff *h, const struct addr *client, int64_t now, uint32_t *crashes);

/* For how many ms this client is held yet; 0 not at all. */
int holdoff_left(const struct holdoff *h, const struct addr *client, int64_t now);

/* Now and then: where nobody is held any more, nobody needs to look. */
void holdoff_tidy(struct holdoff *h, int64_t now);

/* The only question where nothing ever crashed. */
static inline bool
holdoff_any(const struct holdoff *h)
{
	return atomic_load_explicit(&h->until_ms, memory_order_relaxed) != 0;
}

#endif
