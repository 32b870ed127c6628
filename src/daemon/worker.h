/* SPDX-License-Identifier: ISC */
/*
 * A worker: one client at a time, for one socket; between clients it blocks
 * in accept.  A process of its own, as `user`, in a sandbox.
 */
#ifndef DURWARD_WORKER_H
#define DURWARD_WORKER_H

#include "proxy/proxy.h"

struct worker {
	struct proxy *proxy;
	int listen_fd;
	int master_fd;		/* eventfd: spares are running low */
	unsigned spare_min;	/* below it the master is woken */
};

/* Take the signals that end a worker or its client; before the sandbox. */
void worker_signals(struct worker *w);

/* Serve until told to leave.  Returns the process's exit status. */
int worker_run(struct worker *w);

#endif
