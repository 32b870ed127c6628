/* SPDX-License-Identifier: ISC */
/*
 * The master's children: fork, tell apart, find again.
 *
 * Workers are kept by pid with their scoreboard slot; the few others are
 * named by role.
 */
#ifndef DURWARD_CHILDREN_H
#define DURWARD_CHILDREN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum child_role { CHILD_WORKER, CHILD_CHECKER, CHILD_CLERK, CHILD_LOGGER, CHILD_RESOLVER, CHILD_UPGRADE };

struct child {
	pid_t pid;
	enum child_role role;
	uint32_t slot;		/* CHILD_WORKER: scoreboard slot */
	uint32_t listener, pool;	/* its slots: kept here, where no worker can write */
	int64_t started_ms;
	bool counts;		/* a worker that counts for max-connections */
	bool old;		/* told to finish: of a generation that is over */
};

/* Remember a child; -1 where out of memory. */
int children_add(pid_t pid, enum child_role role, uint32_t slot);

/* The child with this pid; NULL if none.  children_forget when it was reaped. */
struct child *children_find(pid_t pid);
void children_forget(struct child *c);

/* Call f for each; f may not add or forget. */
void children_each(void (*f)(struct child *c, void *arg), void *arg);
unsigned children_count(enum child_role role);

/* First thing in a child: default signals, nothing open but keep[0..n) (any
 * order; -1 ignored) and 0 to 2. */
void child_begin(const int *keep, unsigned n);

#endif
