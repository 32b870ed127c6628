/* SPDX-License-Identifier: ISC */
/*
 * The master's loop: signals (taken with signalfd, so no work is done in
 * handlers), wake-ups from workers, questions from the clerk, and a look
 * around once a second.
 */
#include "config.h"
#include "daemon/master.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/descriptor.h"
#include "base/log.h"
#include "base/title.h"
#include "daemon/children.h"
#include "daemon/clerk.h"
#include "daemon/detach.h"
#include "daemon/logger.h"
#include "daemon/notify.h"
#include "daemon/users.h"
#include "report/page.h"

#define TICK_MS		1000

/* --- start --------------------------------------------------------------------- */

static int
open_signals(struct master *m)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return -1;
	signal(SIGPIPE, SIG_IGN);
	m->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return m->signal_fd < 0 ? -1 : 0;
}

static int
open_log_pipe(struct master *m)
{
	if (pipe2(m->log_pipe, O_CLOEXEC) != 0)
		return -1;
	if ((m->log_pipe[1] = descriptor_share(m->log_pipe[1])) < 0)
		return -1;
	/* writers never wait; the logger may */
	fcntl(m->log_pipe[1], F_SETFL, O_NONBLOCK);
	fcntl(m->log_pipe[1], F_SETPIPE_SZ, 1 << 20);
	return 0;
}

static void
say_error(void *arg, const char *message)
{
	(void)arg;
	log_errx("%s", message);
}

static void
say_warning(void *arg, const char *message)
{
	(void)arg;
	log_warnx("%s", message);
}

int
master_start(struct master *m, struct conf *c)
{
	struct generation_from from = { NULL, NULL, m };
	struct users u = { 0, 0 };
	int64_t now = clock_ms();

	m->clerk_sock = m->logger_sock = m->sink.fd = -1;
	m->control_fd = -1;
	m->upgrade_fd = -1;
	upgrade_inherit(m);
	if (m->shared.head == NULL && shared_map(&m->shared, -1) != 0) {
		log_err("cannot map the shared memory");
		return -1;
	}
	m->log_opened = atomic_load(&m->shared.head->log_opened);
	if ((geteuid() == 0 && users_find(c, &u, say_error, say_warning, NULL) != 0) ||
	    sandbox_prepare(&m->sandbox, u.uid, u.gid) != 0)
		return -1;
	from.find = m->inherited != NULL ? upgrade_find_fd : NULL;
	m->gen = generation_open(c, &m->shared, &from);
	if (m->gen == NULL)
		return -1;
	if (m->control_fd < 0 && master_open_control(m, c) != 0)
		return -1;
	m->wake_fd = descriptor_share(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	m->hint_fd = descriptor_share(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	if (m->wake_fd < 0 || m->hint_fd < 0 || open_signals(m) != 0 || open_log_pipe(m) != 0) {
		log_err("cannot start");
		return -1;
	}
	sandbox_bound(&m->sandbox);	/* all has been opened that may want more */
	master_open_log(m, c);
	if (m->sink.kind == LOG_SINK_FILE && m->sink.fd < 0)
		return -1;
	/* before the pid file: whoever reads that may TERM the old master at once */
	atomic_store(&m->shared.head->master_pid, getpid());
	if (detach_write_pid(master_pid_path(m)) != 0) {
		log_err("pid file %s", master_pid_path(m));
		if (m->sandbox.root)
			return -1;
	}
	if (master_start_logger(m) != 0) {
		log_err("cannot start the logger");
		return -1;
	}
	log_use_pipe(m->log_pipe[1], &m->shared.use->log_lost);
	atomic_store(&m->shared.head->draining, SHARED_OPEN);
	m->generation = atomic_fetch_add(&m->shared.head->generation, 1) + 1;
	atomic_store(&m->shared.head->reloaded_ms, now);
	title_set("master");
	page_init();
	log_notice("durward %s starts: %u listeners, %u backends", PACKAGE_VERSION,
	    m->gen->conf->nlistener, m->gen->conf->nbackend);
	sandbox_say(&m->sandbox);
	m->tick = now + TICK_MS;
	return 0;
}

/* Every pool has a worker at accept: whoever started us may know. */
static void
look_ready(struct master *m)
{
	unsigned i, k, n = shared_workers(&m->shared);

	for (i = 0; i < m->gen->npool; i++) {
		for (k = 0; k < n; k++) {
			const struct worker_post *post = &m->shared.post[k];

			if (atomic_load(&post->pid) > 0 && post->pool == m->gen->pool[i].slot &&
			    atomic_load(&m->shared.worker[k].state) >= WORKER_IDLE)
				break;
		}
		if (k == n)
			return;
	}
	m->ready = true;
	if (m->inherited == NULL)	/* else the old master says who it is now */
		notify_ready("in service");
	upgrade_ready(m);
	if (m->detach_fd >= 0)
		detach_done(m->detach_fd);
	m->detach_fd = -1;
	log_notice("ready");
}

/* --- giving up ----------------------------------------------------------------- */

/* What the log would have said, to whom we tell that we give up: what hinders
 * workers may hinder the logger. */
static void
say_unheard(struct master *m)
{
	struct log_sink here = m->sink;
	struct pollfd pfd = { m->log_pipe[0], POLLIN, 0 };
	static char buf[16384];
	ssize_t n;

	here.kind = LOG_SINK_STDERR;
	/* only where a logger died: a living one takes it all */
	if (m->logger_after != 0 && poll(&pfd, 1, 0) > 0 && (n = read(m->log_pipe[0], buf, sizeof(buf))) > 0)
		logger_take(&here, buf, (size_t)n);
}

/*
 * Workers die at birth, and somebody waits to hear that we serve: they hear
 * that we do not.  In the foreground nobody waits, and we go on trying.
 * True: leave, with an error.
 */
static bool
give_up(struct master *m)
{
	unsigned i;

	if (m->stopping || m->ready || (m->detach_fd < 0 && m->inherited == NULL)) {
		m->hopeless = false;
		return false;
	}
	say_unheard(m);
	dprintf(STDERR_FILENO, "durward: no worker survives its birth; the log says why\n");
	log_errx("no worker survives its birth: giving up");
	if (m->inherited == NULL) {
		master_begin_stop(m, "giving up");
		return false;	/* in order, by leave */
	}
	/* all else is the older master's, which goes on */
	for (i = 0; i < m->gen->npool; i++)
		atomic_store(&m->shared.pool[m->gen->pool[i].slot].used, 0);
	return true;
}

/* --- events -------------------------------------------------------------------- */

void
master_reopen_logs(struct master *m)
{
	int fd;

	/* older masters have loggers of their own */
	if (!m->retired)
		atomic_fetch_add(&m->shared.head->log_opened, 1);
	m->log_opened = atomic_load(&m->shared.head->log_opened);
	if (m->sink.kind != LOG_SINK_FILE)
		return;
	if ((fd = log_sink_open_file(m->gen->conf->log.path)) < 0) {
		log_err("log file %s: the old one stays open", m->gen->conf->log.path);
		return;
	}
	if (logger_send_file(m->logger_sock, fd) != 0)
		log_warn("cannot hand the logger its new file");
	if (m->sink.fd >= 0)
		close(m->sink.fd);
	m->sink.fd = fd;
	log_notice("log file opened anew");
}

static void
take_signals(struct master *m)
{
	struct signalfd_siginfo si;

	while (read(m->signal_fd, &si, sizeof(si)) == sizeof(si)) {
		switch (si.ssi_signo) {
		case SIGCHLD:
			break;		/* reaped in every turn */
		case SIGTERM:
			master_begin_stop(m, "TERM");
			break;
		case SIGINT:
			master_begin_stop(m, "INT");
			break;
		case SIGQUIT:
			master_begin_drain(m);
			break;
		case SIGHUP:
			if (!m->draining && !m->stopping && !m->retired)
				master_reload(m, NULL, 0);
			break;
		case SIGUSR1:
			master_reopen_logs(m);
			break;
		case SIGUSR2:
			if (!m->draining && !m->stopping && !m->retired)
				upgrade_begin(m);
			break;
		}
	}
}

/* An older master's: whether the pid is still its worker's, it alone knows, and
 * looks once a second (master_tick). */
static void
kill_older(struct master *m, pid_t pid, struct clerk_reply *r)
{
	unsigned i, n = shared_workers(&m->shared);

	for (i = 0; i < n; i++) {
		struct worker_post *p = &m->shared.post[i];

		if (atomic_load(&p->pid) != pid ||
		    !worker_has_client(atomic_load(&m->shared.worker[i].state)))
			continue;
		if (kill(atomic_load(&p->master), 0) == 0) {
			atomic_store(&p->end, pid);
			r->ok = 1;
		} else
			strcpy(r->text, "the master of this worker was killed: it ends with its client");
		return;
	}
}

static void
kill_worker(struct master *m, pid_t pid, struct clerk_reply *r)
{
	const struct child *c = children_find(pid);

	strcpy(r->text, "no worker with a client has this pid");
	if (c == NULL)
		kill_older(m, pid, r);
	else if (c->role == CHILD_WORKER &&
	    worker_has_client(atomic_load(&m->shared.worker[c->slot].state)))
		r->ok = kill(pid, SIGTERM) == 0;
}

static void
answer_clerk(struct master *m)
{
	struct clerk_request q;
	struct clerk_reply r;
	ssize_t n = recv(m->clerk_sock, &q, sizeof(q), MSG_DONTWAIT);
	int sock;

	if (n == 0) {
		close(m->clerk_sock);
		m->clerk_sock = -1;
		return;
	}
	/* a reload forks another clerk, on another socket: this one still waits */
	if (n != sizeof(q) || (sock = fcntl(m->clerk_sock, F_DUPFD_CLOEXEC, 0)) < 0)
		return;
	memset(&r, 0, sizeof(r));
	switch ((enum clerk_op)q.op) {
	case CLERK_RELOAD:
		if (m->retired)
			strcpy(r.text, "a new executable has taken over just now: please ask again");
		else if (m->draining || m->stopping)
			strcpy(r.text, "durward is stopping");
		else
			r.ok = master_reload(m, r.text, sizeof(r.text)) == 0;
		break;
	case CLERK_STOP:
		r.ok = 1;
		break;
	case CLERK_DRAIN_ALL:
		master_begin_drain(m);
		r.ok = 1;
		break;
	case CLERK_KILL:
		kill_worker(m, q.pid, &r);
		break;
	case CLERK_SERVERS_CHANGED:
		master_end_sessions_on_down(m);
		master_watch_backends(m, clock_ms());
		r.ok = 1;
		break;
	}
	send(sock, &r, sizeof(r), MSG_NOSIGNAL | MSG_DONTWAIT);
	close(sock);
	if (q.op == CLERK_STOP)
		master_begin_stop(m, "durwardctl stop");
}

static void
not_later(int64_t *next, int64_t than, int64_t now)
{
	if (than > now && than < *next)
		*next = than;
}

/* How long there is nothing to do, unless something happens. */
static int
pause_ms(const struct master *m, int64_t now)
{
	int64_t next = m->tick;
	unsigned i;

	if (!m->ready)
		return 5;
	if (m->draining && !m->closed && m->drain_end < next)
		next = m->drain_end;
	/* who died or could not be forked is due again */
	if (m->checker == 0)
		not_later(&next, m->checker_after, now);
	if (m->clerk == 0)
		not_later(&next, m->clerk_after, now);
	if (m->logger == 0)
		not_later(&next, m->logger_after, now);
	for (i = 0; i < m->gen->npool; i++)
		not_later(&next, m->gen->pool[i].not_before, now);
	return clock_left(next, now);
}

int
master_run(struct master *m)
{
	int64_t now = clock_ms();
	uint64_t woken;

	master_fill(m, now);
	for (;;) {
		struct pollfd pfd[] = {
			{ m->signal_fd, POLLIN, 0 },
			{ m->wake_fd, POLLIN, 0 },
			{ m->clerk_sock, POLLIN, 0 },
			{ m->upgrade_fd, POLLIN, 0 },
		};

		poll(pfd, 4, pause_ms(m, now));
		now = clock_ms();
		if (pfd[0].revents != 0)
			take_signals(m);
		/* after it: a SIGCHLD that was read is of a child that is reaped now */
		master_reap(m);
		if (pfd[1].revents != 0 && read(m->wake_fd, &woken, sizeof(woken)) > 0) {
			master_end_sessions_on_down(m);
			master_watch_backends(m, clock_ms());
		}
		if (pfd[2].fd == m->clerk_sock && pfd[2].revents != 0)
			answer_clerk(m);
		if (pfd[3].revents != 0) {
			upgrade_heard(m);
			if (m->upgrade_fd == -2) {
				m->upgrade_fd = -1;
				if (!m->stopping)
					master_begin_retire(m);
			}
		}
		if (!m->ready && !m->stopping)
			look_ready(m);
		if (m->hopeless && give_up(m))
			return 1;
		if (master_look_stop(m, now))
			return master_leave(m);
		if (now >= m->tick) {
			m->tick = now + TICK_MS;
			master_tick(m, now);
		}
		master_fill(m, now);
	}
}
