/* SPDX-License-Identifier: ISC */
/*
 * What a worker has to serve clients with: made by the master before the
 * fork, the same for all workers of a generation but for slot and listener.
 */
#ifndef DURWARD_PROXY_H
#define DURWARD_PROXY_H

#include <signal.h>
#include <stdint.h>

#include "state/balance.h"
#include "state/conf.h"
#include "state/route.h"
#include "state/shared.h"

/* Why a signal asked this worker to end; set in its signal handler. */
enum proxy_stop {
	PROXY_GO_ON,
	PROXY_FINISH,		/* this client to its end, then no more (USR1) */
	PROXY_KILLED,		/* end this connection now (TERM) */
	PROXY_SERVER_DOWN	/* the same, for its server went down (USR2) */
};

struct proxy {
	const struct conf *conf;
	const struct route *route;
	const struct balance *balance;
	const struct shared *shared;
	const struct shared_map *map;
	const struct conf_listener *listener;	/* whose clients we take */
	unsigned listener_index;
	uint32_t listener_slot;
	struct counters *counters;	/* of the listener */
	const struct pool_slot *pool;
	struct pool_use *pool_use;
	struct worker_slot *slot;
	int checker_fd;		/* eventfd: a server failed us, look at it now */

	/* for the signal handler: it shuts these down, so that whatever call
	 * waits on them returns; -1 none.  See daemon/worker.c. */
	volatile sig_atomic_t stop;		/* enum proxy_stop */
	volatile sig_atomic_t client_fd, server_fd;
	volatile sig_atomic_t client_idle;	/* statistics, between requests: PROXY_FINISH ends it */
};

#endif
