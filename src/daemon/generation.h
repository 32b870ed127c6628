/* SPDX-License-Identifier: ISC */
/*
 * A generation: one configuration in service, with its sockets and pools.
 * A reload opens the next one whole, and only then lets the old one go.
 */
#ifndef DURWARD_GENERATION_H
#define DURWARD_GENERATION_H

#include <stdbool.h>

#include "daemon/ports.h"
#include "state/balance.h"
#include "state/conf.h"
#include "state/route.h"
#include "state/shared.h"

struct pool {			/* the workers of one socket */
	unsigned listener, bind;	/* indexes in conf */
	int fd;				/* the listening socket */
	uint32_t slot;			/* in shared memory */
	int batch;			/* see spares.h */
	int pause_ms;			/* workers died at birth: the pause now */
	int fork_pause_ms;		/* fork failed: the pause now */
	int64_t fork_said_ms;		/* clock_ms: when that was last said */
	int64_t not_before;		/* clock_ms of the next fork */
};

struct generation {
	struct conf *conf;
	struct route *route;
	struct balance *balance;
	struct shared_map *map;
	struct pool *pool;
	unsigned npool;
	struct ports *ports;		/* of the servers of conf.listener[i] */
	struct ports check_ports;
};

/* A socket that is open already, by the text of its bind (old generation, or
 * inherited from an older executable); -1 none. */
typedef int generation_find_fd(void *arg, const char *bind_text);

struct generation_from {
	generation_find_fd *find;	/* NULL: nothing is open */
	conf_report *error;		/* NULL: errors go to the log */
	void *arg;			/* for both */
};

/*
 * Open everything that c needs.  Takes c over.  NULL where something fails:
 * it was said, c is freed, and nothing old was touched.
 */
struct generation *generation_open(struct conf *c, struct shared *s, const struct generation_from *from);

/* The open socket for this bind; -1 none. */
int generation_fd(const struct generation *g, const char *bind_text);

/* Remove the paths of sockets that are closed already (fd -1). */
void generation_unlink(const struct generation *g);

/* Close sockets that next (NULL: nobody) does not use, for every process that
 * holds them, and free all. */
void generation_free(struct generation *g, const struct generation *next);

#endif
