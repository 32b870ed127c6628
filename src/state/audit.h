/* SPDX-License-Identifier: ISC */
/*
 * Counts held against what the workers' slots say.
 *
 * A slot names what its worker holds, and the dead give back exactly that; but
 * counting and writing it down are two steps, and a worker can be killed
 * between them.  So the master compares every count with the slots, at moments
 * when nothing moved, and puts right what is off by the same at two of them.
 */
#ifndef DURWARD_AUDIT_H
#define DURWARD_AUDIT_H

#include <stdint.h>

#include "state/shared.h"

/* What one death leaves off is three counts at most; what a worker scribbled that
 * was taken over, all: then the counts that everybody needs are of the first. */
#define AUDIT_FINDINGS	1024

struct audit {			/* what the last look found; begins as zeros */
	unsigned n;
	struct audit_finding {
		uint32_t count;		/* which */
		int32_t off;		/* what is missing there */
	} found[AUDIT_FINDINGS];
};

enum audit_verdict {
	AUDIT_MOVED,	/* something moved while we looked, or no memory: no finding */
	AUDIT_CLEAN,	/* all counts are right */
	AUDIT_OFF,	/* some are off: look again, a while later */
	AUDIT_MENDED	/* some were off by the same at the last look, and are right now */
};

/* One look (master only).  It takes a pass over all slots in use. */
enum audit_verdict audit_look(struct audit *a, const struct shared *s);

#endif
