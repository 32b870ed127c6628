/* SPDX-License-Identifier: ISC */
/*
 * The master: binds, forks, reaps, reloads, stops.  It never reads a byte
 * from the network, never sleeps, and never dies of a child's trouble.
 */
#ifndef DURWARD_MASTER_H
#define DURWARD_MASTER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/log_sink.h"
#include "daemon/generation.h"
#include "daemon/sandbox.h"

struct master {
	/* what main found out */
	const char *conf_path;
	const char *pid_override;	/* -p; NULL */
	const char *executable;		/* to replace ourselves by (USR2) */
	char **argv;
	bool foreground;
	int detach_fd;			/* who started us waits here; -1 */

	struct generation *gen;
	uint32_t generation;		/* its number: a newer executable may have taken the next */
	struct shared shared;
	struct sandbox sandbox;
	struct log_sink sink;
	int wake_fd;			/* eventfd: workers and checker wake us */
	int hint_fd;			/* eventfd: workers wake the checker */
	int signal_fd;
	int log_pipe[2];
	int logger_sock;		/* to the logger: new log files */
	int control_fd;			/* the control socket, listening; -1 none */
	int clerk_sock;			/* to the clerk */
	pid_t checker, clerk, logger, resolver, upgrade;
	int64_t checker_after, clerk_after, logger_after, resolve_after;	/* clock_ms: not before */
	int upgrade_fd;			/* the new executable's word; -1 */
	int *inherited;			/* see upgrade.c */

	bool ready;			/* each pool has a worker: who started us knows */
	bool hopeless;			/* not ready, and workers die at birth time and again */
	bool draining;			/* QUIT: finish, then leave */
	bool closed;			/* draining, and nobody listens any more */
	bool retired;			/* a newer executable has taken over */
	bool stopping;			/* TERM: leave now */
	int64_t drain_end;		/* clock_ms: of the delay; when closed, of it all */
	int64_t tick;			/* clock_ms of the next housekeeping */
	uint32_t log_opened;		/* what the shared number was when we opened ours */
	bool audit_due;			/* a worker was killed: are the counts right? */
	uint32_t listener_workers[SHARED_LISTENERS];	/* living, all generations */
	uint32_t pool_workers[SHARED_POOLS];
	unsigned workers;		/* of listeners that count (all but stats) */
};

/* Everything up to serving: sockets, shared memory, log, children.  0, or -1
 * after saying why. */
int master_start(struct master *m, struct conf *c);

/* Serve until told to stop.  Returns the exit status. */
int master_run(struct master *m);

/* Before a process other than a worker, that died, is forked again. */
#define MASTER_AGAIN_MS	1000

/* --- between the master's own files ---------------------------------------- */

/* master_fork.c: make sure that every process that should be there is. */
void master_fill(struct master *m, int64_t now);
int master_start_logger(struct master *m);
void master_start_checker(struct master *m);
void master_start_clerk(struct master *m);
void master_start_resolver(struct master *m);
/* At once, stopped or not: what they write is a newer configuration's by then. */
void master_end_checker(struct master *m);
void master_end_resolver(struct master *m);

/* master_reap.c: who died, what they held, what that means. */
void master_reap(struct master *m);

/* Nobody is forked for g any more: pools without a worker give their places back,
 * the others with their last one. */
void master_free_pools(struct master *m, const struct generation *g);

/* master_reload.c: the next generation in service; 0, or -1 with the reasons
 * (lines) in why. */
int master_reload(struct master *m, char *why, size_t size);
int master_open_control(struct master *m, const struct conf *c);
void master_open_log(struct master *m, const struct conf *c);

/* master_stop.c: begin to end, each of them once; why is for the log. */
void master_begin_stop(struct master *m, const char *why);
void master_begin_drain(struct master *m);
void master_begin_retire(struct master *m);
bool master_look_stop(struct master *m, int64_t now);	/* true: it is time to leave */
int master_leave(struct master *m);			/* the last things; the exit status */

static inline const char *
master_pid_path(const struct master *m)
{
	return m->pid_override != NULL ? m->pid_override : m->gen->conf->pid_file;
}

/* Idle workers of a pool, as they count themselves: no fewer than none, and no
 * more than there are. */
static inline int
master_idle(const struct master *m, uint32_t pool)
{
	int32_t n = atomic_load(&m->shared.pool_use[pool].idle);

	return n <= 0 ? 0 : (uint32_t)n < m->pool_workers[pool] ? n : (int32_t)m->pool_workers[pool];
}

/* master_watch.c: once a second: what was asked of us, on-down; and where we are
 * not retired, counts put right, spares, orphans. */
void master_tick(struct master *m, int64_t now);

/* master.c: after logrotate. */
void master_reopen_logs(struct master *m);
void master_end_sessions_on_down(struct master *m);

/* Servers may have changed: which backends went down or came up by it. */
void master_watch_backends(struct master *m, int64_t now);
void master_signal_workers(struct master *m, int sig, bool old_only, bool stats_too);

/* upgrade.c: USR2. */
void upgrade_begin(struct master *m);
void upgrade_stop(struct master *m);		/* TERM to one that is not ready yet */
void upgrade_heard(struct master *m);		/* upgrade_fd can be read */
bool upgrade_inherit(struct master *m);		/* in the new one; false: not one */
int upgrade_stderr(const struct master *m);	/* until it is ready: ours is the old one's; -1 */
int upgrade_find_fd(void *arg, const char *bind_text);
void upgrade_ready(struct master *m);

#endif
