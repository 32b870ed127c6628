/* SPDX-License-Identifier: ISC */
/*
 * The clerk: answers durwardctl on the control socket, from shared memory.
 * A process of its own, as `user`; what only the master may do (reload, stop,
 * end a worker) it asks of the master over a socketpair.
 */
#ifndef DURWARD_CLERK_H
#define DURWARD_CLERK_H

#include <stdint.h>

#include "state/balance.h"
#include "state/conf.h"
#include "state/route.h"
#include "state/shared.h"

/* What the clerk asks the master for; one packet each way (SOCK_SEQPACKET).
 * The clerk may have one question under way at a time. */
enum clerk_op { CLERK_RELOAD = 1, CLERK_STOP, CLERK_DRAIN_ALL, CLERK_KILL, CLERK_SERVERS_CHANGED };

struct clerk_request {
	uint32_t op;			/* enum clerk_op */
	int32_t pid;			/* CLERK_KILL: the worker's */
};

struct clerk_reply {
	int32_t ok;			/* 1 done, 0 not */
	char text[1020];		/* why not, or what was done; may have several lines */
};

struct clerk {
	const struct conf *conf;
	const struct route *route;
	const struct balance *balance;
	const struct shared *shared;
	const struct shared_map *map;
	int listen_fd;			/* the control socket, listening */
	int master_fd;			/* end of the socketpair to the master */
	volatile int *finish;		/* set by a signal: answer who is being served, then return */
};

/* Serve until *finish (a newer clerk has the socket then) or the master has
 * gone (end-of-file on master_fd). */
void clerk_run(struct clerk *c);

#endif
