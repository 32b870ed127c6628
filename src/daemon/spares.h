/* SPDX-License-Identifier: ISC */
/* How many workers to fork now: policy alone, pure. */
#ifndef DURWARD_SPARES_H
#define DURWARD_SPARES_H

#include <stdint.h>

#define SPARES_BATCH_MAX	256	/* forks between two looks at signals */
#define SPARES_PAUSE_MIN_MS	100
#define SPARES_PAUSE_MAX_MS	10000

struct spares {			/* what is known of one pool */
	int idle;		/* workers without a client */
	int min;		/* spares to keep */
	int room;		/* workers that may still be added (limits) */
	int batch;		/* how many the last look asked for */
};

/*
 * Workers to fork.  What is missing; and while a pool was found empty time
 * and again, twice as many as the last time.
 */
int spares_plan(const struct spares *s);

/* The pause after a worker that died at birth: doubles up to the ceiling. */
int spares_pause(int last_ms);

#endif
