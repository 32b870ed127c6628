/* SPDX-License-Identifier: ISC */
/*
 * How a master ends: at once (TERM), when its clients have left (QUIT), or when
 * a newer one serves (USR2).  What masters share, it touches only while it is
 * its own to speak for.
 */
#include "config.h"
#include "daemon/master.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/children.h"
#include "daemon/detach.h"
#include "daemon/notify.h"

#define STOP_MS		3000	/* then those who did not leave are killed */
#define NO_MASTER	0	/* the last one was told to stop: older ones stop as well */

/* What masters share, memory and sockets with a path, is a newer one's from its
 * start on, which is before we hear that it serves. */
static bool
is_superseded(const struct master *m)
{
	return m->retired || atomic_load(&m->shared.head->master_pid) != getpid();
}

void
master_begin_stop(struct master *m, const char *why)
{
	if (m->stopping)
		return;
	log_notice("%s: stopping at once", why);
	/* whoever stops us by our pid file means durward, not this executable: an
	 * older master that took us for a failure would go on, with sockets that
	 * we have shut */
	if (!m->ready)
		upgrade_ready(m);
	/* and the other way round: the one that is about to take over goes too */
	if (!m->retired)
		upgrade_stop(m);
	m->stopping = true;
	m->drain_end = clock_ms() + STOP_MS;
	if (!is_superseded(m)) {
		atomic_store(&m->shared.head->draining, SHARED_CLOSED);
		notify_stopping("stopping", m->drain_end);
	}
	master_signal_workers(m, SIGTERM, false, true);
}

static void
say_draining(const struct master *m, const char *what)
{
	int ms = m->gen->conf->drain_timeout_ms;

	if (ms == 0)
		log_notice("%s, however long they take", what);
	else
		log_notice("%s within %g s", what, ms / 1000.0);
}

static void
say_unfinished(unsigned n)
{
	if (n > 0)
		log_warnx("%u connections did not finish in time", n);
}

static void
close_listeners(struct master *m)
{
	unsigned i;

	say_draining(m, "draining: no new connections, those there are may finish");
	m->closed = true;
	atomic_store(&m->shared.head->draining, SHARED_CLOSED);
	m->drain_end = clock_deadline(clock_ms(), m->gen->conf->drain_timeout_ms);
	notify_stopping("draining: connections may finish", m->drain_end);
	for (i = 0; i < m->gen->npool; i++) {
		struct pool *p = &m->gen->pool[i];

		if (m->gen->conf->listener[p->listener].protocol == CONF_STATS)
			continue;
		close(p->fd);
		p->fd = -1;
	}
	/* now: at the end they may be another durward's.  One that starts in our place
	 * has these sockets open (new_one_failed) */
	if (!is_superseded(m) && m->upgrade_fd < 0)
		generation_unlink(m->gen);
	master_signal_workers(m, SIGUSR1, false, false);
}

/* Whoever sends us clients (keepalived, a router) needs a moment to notice that
 * ping fails and to send them elsewhere: until then they find us here. */
void
master_begin_drain(struct master *m)
{
	int delay = m->gen->conf->drain_delay_ms;

	if (m->draining || m->stopping || m->retired)
		return;
	m->draining = true;
	if (delay == 0) {
		close_listeners(m);
		return;
	}
	log_notice("draining: new connections are taken for another %g s", delay / 1000.0);
	atomic_store(&m->shared.head->draining, SHARED_LEAVING);
	m->drain_end = clock_ms() + delay;
	notify_stopping("draining: new connections are still taken", m->drain_end);
}

/* A newer executable serves: our workers finish, and then we leave without
 * touching what is its now. */
void
master_begin_retire(struct master *m)
{
	unsigned i;

	log_notice("a new executable serves; this one leaves when its connections have ended");
	m->retired = true;
	master_free_pools(m, m->gen);
	if (m->upgrade > 0)
		notify_main_pid(m->upgrade);
	master_end_checker(m);
	master_end_resolver(m);
	if (m->clerk > 0)
		kill(m->clerk, SIGUSR1);
	master_signal_workers(m, SIGUSR1, false, true);
	/* what the new one closes, in a reload, must be closed */
	for (i = 0; i < m->gen->npool; i++) {
		close(m->gen->pool[i].fd);
		m->gen->pool[i].fd = -1;
	}
	if (m->control_fd >= 0)
		close(m->control_fd);
	m->control_fd = -1;
}

/* A clerk that is asked first passes on what we answered. */
static void
end_helper(struct child *c, void *arg)
{
	int *sig = arg;

	if (c->role != CHILD_LOGGER && c->role != CHILD_UPGRADE)
		kill(c->pid, c->role == CHILD_CLERK && *sig == SIGTERM ? SIGUSR1 : *sig);
}

/* The last things: all but the logger are gone or killed. */
int
master_leave(struct master *m)
{
	char *pid_file = strdup(master_pid_path(m));
	int sig = SIGTERM, tries;

	children_each(end_helper, &sig);
	if (m->clerk_sock >= 0)
		close(m->clerk_sock);
	m->clerk_sock = -1;
	if (!is_superseded(m)) {
		if (m->control_fd >= 0) {
			close(m->control_fd);
			unlink(m->gen->conf->control);
		}
		generation_free(m->gen, NULL);
		/* after QUIT theirs may finish as well */
		if (!m->draining)
			atomic_store(&m->shared.head->master_pid, NO_MASTER);
	}
	log_notice("ended");
	/* the logger ends when nobody is left to write; wait for it, not long */
	log_use_pipe(-1, NULL);
	log_set_level(-1);
	close(m->log_pipe[1]);
	for (tries = 0; tries < 200; tries++) {
		poll(NULL, 0, 5);
		master_reap(m);
		if (children_count(CHILD_LOGGER) == 0)
			break;
		sig = SIGKILL;
		if (tries == 100)
			children_each(end_helper, &sig);
	}
	/* last of all: who sees it gone takes us for gone, and may start another;
	 * that of a newer master is not ours to remove, and is not removed */
	if (pid_file != NULL)
		detach_remove_pid(pid_file);
	free(pid_file);
	return m->hopeless ? 1 : 0;
}

/* A newer master was told to stop or to drain: so were we, for who told it means
 * durward, not this executable. */
static void
follow_newer(struct master *m, int64_t now)
{
	if (atomic_load(&m->shared.head->master_pid) == NO_MASTER) {
		master_begin_stop(m, "the newer one was stopped");
	} else if (m->drain_end == 0 && atomic_load(&m->shared.head->draining) == SHARED_CLOSED) {
		say_draining(m, "the newer one drains: our connections may finish");
		m->drain_end = clock_deadline(now, m->gen->conf->drain_timeout_ms);
	} else if (m->drain_end != 0 && now >= m->drain_end) {
		say_unfinished(children_count(CHILD_WORKER));
		master_begin_stop(m, "drained");
	}
}

/* True: it is time to leave. */
bool
master_look_stop(struct master *m, int64_t now)
{
	unsigned left = children_count(CHILD_WORKER);

	if (m->retired && !m->stopping)
		follow_newer(m, now);
	if (m->retired && left == 0)
		return true;
	if (m->draining && !m->closed && !m->stopping && now >= m->drain_end)
		close_listeners(m);
	if (m->closed && !m->stopping && (m->workers == 0 || now >= m->drain_end)) {
		say_unfinished(m->workers);
		master_begin_stop(m, "drained");
	}
	if (!m->stopping)
		return false;
	if (left > 0 && now >= m->drain_end)
		master_signal_workers(m, SIGKILL, false, true);
	return left == 0;
}
