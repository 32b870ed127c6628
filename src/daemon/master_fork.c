/* SPDX-License-Identifier: ISC */
/*
 * The master's forks.  Each child runs one function from here on: it closes
 * what is not its own, walks into its sandbox, does its work and ends; it
 * never comes back into the master's code.
 */
#include "config.h"
#include "daemon/master.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/title.h"
#include "daemon/checker.h"
#include "daemon/children.h"
#include "daemon/clerk.h"
#include "daemon/detach.h"
#include "daemon/logger.h"
#include "daemon/resolver.h"
#include "daemon/spares.h"
#include "daemon/worker.h"

#define FORK_PAUSE_MAX_MS	1000
#define SAY_AGAIN_MS	10000	/* what goes on failing is said this often */

/* --- workers --------------------------------------------------------------- */

static unsigned
spare_min(const struct master *m, const struct pool *p)
{
	const struct conf_listener *l = &m->gen->conf->listener[p->listener];
	unsigned n = l->protocol == CONF_STATS && m->gen->conf->spare_min > 2 ? 2 : m->gen->conf->spare_min;

	return n < l->max_connections ? n : l->max_connections;
}

/* Who serves clients, or reads what they wrote, says nothing about servers. */
static int
seal(const struct master *m)
{
	if (shared_seal(&m->shared) == 0)
		return 0;
	log_err("cannot make shared memory read-only");
	return -1;
}

static _Noreturn void
worker_child(struct master *m, const struct pool *p, uint32_t slot, pid_t master)
{
	static struct proxy proxy;
	static struct worker w;
	bool dials = m->gen->conf->listener[p->listener].protocol != CONF_STATS;
	const struct sandbox_need need = {
		.kind = dials ? SANDBOX_WORKER : SANDBOX_STATS,
		.port = m->gen->ports[p->listener].port,
		.nport = dials ? m->gen->ports[p->listener].n : 0,
		.death_signal = SIGUSR1,
		.master = master,
	};
	int keep[] = { p->fd, m->wake_fd, dials ? m->hint_fd : -1, m->log_pipe[1],
	    m->sandbox.empty_dir };

	child_begin(keep, 5);
	detach_worker();
	memset(&proxy, 0, sizeof(proxy));
	proxy.conf = m->gen->conf;
	proxy.route = m->gen->route;
	proxy.balance = m->gen->balance;
	proxy.shared = &m->shared;
	proxy.map = m->gen->map;
	proxy.listener_index = p->listener;
	proxy.listener = &m->gen->conf->listener[p->listener];
	proxy.listener_slot = m->gen->map->listener[p->listener];
	proxy.counters = &m->shared.listener_use[proxy.listener_slot].c;
	proxy.pool = &m->shared.pool[p->slot];
	proxy.pool_use = &m->shared.pool_use[p->slot];
	proxy.slot = &m->shared.worker[slot];
	proxy.checker_fd = dials ? m->hint_fd : -1;
	proxy.client_fd = proxy.server_fd = -1;
	w.proxy = &proxy;
	w.listen_fd = p->fd;
	w.master_fd = m->wake_fd;
	w.spare_min = spare_min(m, p);
	worker_signals(&w);
	if (seal(m) != 0 || sandbox_enter(&m->sandbox, &need) != 0)
		_exit(EX_CONFIG);
	_exit(worker_run(&w));
}

/* 0, -1 where it could not be forked. */
static int
fork_worker(struct master *m, struct pool *p)
{
	uint32_t listener = m->gen->map->listener[p->listener];
	bool is_stats = m->gen->conf->listener[p->listener].protocol == CONF_STATS;
	int slot = shared_take_worker(&m->shared);
	struct worker_post *post;
	pid_t master = getpid(), pid;

	if (slot < 0)
		return -1;
	post = &m->shared.post[slot];
	atomic_store(&post->generation, m->generation);
	atomic_store(&post->master, master);
	atomic_store(&post->end, 0);
	post->listener = listener;
	post->pool = p->slot;
	atomic_fetch_add(&m->shared.pool_use[p->slot].idle, 1);
	if (is_stats)
		conf_share_secrets(m->gen->conf, true);
	if ((pid = fork()) == 0)
		worker_child(m, p, (uint32_t)slot, master);
	if (is_stats)
		conf_share_secrets(m->gen->conf, false);
	if (pid < 0 || children_add(pid, CHILD_WORKER, (uint32_t)slot) != 0) {
		if (pid > 0)
			kill(pid, SIGKILL);	/* no memory to know it by */
		atomic_fetch_sub(&m->shared.pool_use[p->slot].idle, 1);
		shared_bury_worker(&m->shared, (unsigned)slot);
		return -1;
	}
	atomic_store(&post->pid, pid);
	children_find(pid)->listener = listener;
	children_find(pid)->pool = p->slot;
	m->listener_workers[listener]++;
	m->pool_workers[p->slot]++;
	if (!is_stats) {
		children_find(pid)->counts = true;
		m->workers++;
	}
	counter_add(&m->shared.head->workers_started, 1);
	return 0;
}

/* How many workers this pool may still get. */
static int
room(const struct master *m, const struct pool *p)
{
	const struct conf *c = m->gen->conf;
	const struct conf_listener *l = &c->listener[p->listener];
	uint32_t have = m->listener_workers[m->gen->map->listener[p->listener]];
	int n = (int)l->max_connections - (int)have, all;

	if (l->protocol != CONF_STATS) {
		/* spares of the other listeners must not eat up what one may have */
		all = (int)(c->max_connections + m->gen->npool * c->spare_min) - (int)m->workers;
		if (all < n)
			n = all;
	}
	/* every socket has one worker at least */
	return n > 0 || m->pool_workers[p->slot] > 0 ? n : 1;
}

/* Said at once, and then now and again: short of processes is short for long.
 * It is no sickness of the workers, so the pauses stay short. */
static void
fork_failed(struct master *m, struct pool *p, int64_t now)
{
	p->fork_pause_ms = spares_pause(p->fork_pause_ms);
	if (p->fork_pause_ms > FORK_PAUSE_MAX_MS)
		p->fork_pause_ms = FORK_PAUSE_MAX_MS;
	p->not_before = now + p->fork_pause_ms;
	if (clock_due(&p->fork_said_ms, now, SAY_AGAIN_MS))
		log_warn("listener %s: cannot fork a worker; trying again, clients may have to wait",
		    m->gen->conf->listener[p->listener].name);
}

static void
fork_went_well(struct master *m, struct pool *p)
{
	if (p->fork_pause_ms == 0)
		return;
	log_notice("listener %s: workers can be forked again",
	    m->gen->conf->listener[p->listener].name);
	p->fork_pause_ms = 0;
}

static void
fill_pool(struct master *m, struct pool *p, int64_t now)
{
	struct pool_slot *slot = &m->shared.pool[p->slot];
	struct spares s;
	int n, i;

	if (now < p->not_before)
		return;
	atomic_store(&m->shared.pool_use[p->slot].short_of, 0);
	s.idle = master_idle(m, p->slot);
	s.min = (int)spare_min(m, p);
	s.room = room(m, p);
	s.batch = p->batch;
	n = spares_plan(&s);
	if (p->batch != n)	/* a page that nobody writes is every worker's */
		p->batch = n;
	for (i = 0; i < n; i++) {
		if (fork_worker(m, p) != 0) {
			fork_failed(m, p, now);
			break;
		}
		fork_went_well(m, p);
	}
	/* none idle, and not many more to be had: those who dawdle get less time */
	atomic_store(&slot->stress, i < n || (s.idle <= 0 &&
	    s.room <= (int)m->gen->conf->listener[p->listener].max_connections / 2));
}

void
master_fill(struct master *m, int64_t now)
{
	unsigned i;

	if (m->stopping || m->retired)
		return;
	for (i = 0; i < m->gen->npool; i++)
		if (!m->closed ||
		    m->gen->conf->listener[m->gen->pool[i].listener].protocol == CONF_STATS)
			fill_pool(m, &m->gen->pool[i], now);
	if (m->logger == 0 && now >= m->logger_after && master_start_logger(m) != 0)
		m->logger_after = now + MASTER_AGAIN_MS;
	if (m->checker == 0 && now >= m->checker_after) {
		m->checker_after = now + MASTER_AGAIN_MS;
		master_start_checker(m);
	}
	if (m->clerk == 0 && m->control_fd >= 0 && now >= m->clerk_after) {
		m->clerk_after = now + MASTER_AGAIN_MS;
		master_start_clerk(m);
	}
	if (m->resolver == 0 && now >= m->resolve_after) {
		m->resolve_after = now + m->gen->conf->resolve_interval_ms;
		master_start_resolver(m);
	}
}

/* --- the others -------------------------------------------------------------- */

static enum sandbox_kind
logger_kind(const struct log_sink *s)
{
	switch (s->kind) {
	case LOG_SINK_SYSLOG:
		return SANDBOX_LOGGER_SYSLOG;
	case LOG_SINK_UDP:
		return SANDBOX_LOGGER_UDP;
	case LOG_SINK_STDERR:
	case LOG_SINK_FILE:
		break;
	}
	return SANDBOX_LOGGER;
}

int
master_start_logger(struct master *m)
{
	const struct sandbox_need need = { .kind = logger_kind(&m->sink) };
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return -1;
	if ((pid = fork()) == 0) {
		int keep[] = { m->log_pipe[0], pair[1], m->sink.fd, m->sandbox.empty_dir };

		/* an upgrade's first words go to the old master, the log does not */
		if (upgrade_stderr(m) >= 0)
			dup2(upgrade_stderr(m), STDERR_FILENO);
		child_begin(keep, 4);
		if (m->sink.kind != LOG_SINK_STDERR)
			detach_child();
		title_set("logger");
		/* it must outlive all others: it ends when nobody is left to write */
		signal(SIGTERM, SIG_IGN);
		/* a complaint to a stderr that is a file may be more than its jail
		 * allows: then nobody hears it, and the log goes on */
		signal(SIGXFSZ, SIG_IGN);
		log_use_pipe(-1, NULL);
		if (seal(m) != 0 || sandbox_enter(&m->sandbox, &need) != 0)
			_exit(EX_CONFIG);
		logger_run(m->log_pipe[0], pair[1], &m->sink);
		_exit(EX_OK);
	}
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return -1;
	}
	if (m->logger_sock >= 0)
		close(m->logger_sock);
	m->logger_sock = pair[0];
	m->logger = pid;
	children_add(pid, CHILD_LOGGER, 0);
	return 0;
}

void
master_start_checker(struct master *m)
{
	static int64_t said_ms;
	struct checker c = { m->gen->conf, &m->shared, m->gen->map, m->hint_fd, m->wake_fd };
	const struct sandbox_need need = { SANDBOX_CHECKER, m->gen->check_ports.port,
	    m->gen->check_ports.n, SIGTERM, getpid() };
	pid_t pid = fork();

	if (pid == 0) {
		int keep[] = { m->hint_fd, m->wake_fd, m->log_pipe[1], m->sandbox.empty_dir };
		struct probes *p;

		child_begin(keep, 4);
		detach_child();
		title_set("checker");
		if ((p = checker_open(&c)) == NULL ||
		    sandbox_enter(&m->sandbox, &need) != 0)
			_exit(EX_CONFIG);
		checker_run(&c, p);
		_exit(EX_TEMPFAIL);
	}
	if (pid < 0) {
		if (clock_due(&said_ms, clock_ms(), SAY_AGAIN_MS))
			log_warn("cannot fork the checker");
		return;
	}
	m->checker = pid;
	children_add(pid, CHILD_CHECKER, 0);
}

void
master_end_checker(struct master *m)
{
	if (m->checker > 0)
		kill(m->checker, SIGKILL);
	m->checker = 0;
	m->checker_after = 0;
}

static volatile int clerk_finish;

static void
on_clerk_finish(int sig)
{
	(void)sig;
	clerk_finish = 1;
}

static _Noreturn void
clerk_child(struct master *m, int sock, pid_t master)
{
	struct clerk c = { m->gen->conf, m->gen->route, m->gen->balance, &m->shared,
	    m->gen->map, m->control_fd, sock, &clerk_finish };
	const struct sandbox_need need = {
		.kind = SANDBOX_CLERK, .death_signal = SIGTERM, .master = master };
	int keep[] = { m->control_fd, sock, m->log_pipe[1], m->sandbox.empty_dir };
	struct sigaction sa;

	child_begin(keep, 4);
	detach_child();
	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = on_clerk_finish;	/* poll returns, and sees it */
	sigaction(SIGUSR1, &sa, NULL);
	title_set("clerk");
	if (sandbox_enter(&m->sandbox, &need) != 0)
		_exit(EX_CONFIG);
	clerk_run(&c);
	_exit(EX_OK);
}

void
master_start_clerk(struct master *m)
{
	static int64_t said_ms;
	pid_t master = getpid(), pid;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
		if (clock_due(&said_ms, clock_ms(), SAY_AGAIN_MS))
			log_warn("cannot make the clerk's socket");
		return;
	}
	if ((pid = fork()) == 0)
		clerk_child(m, pair[1], master);
	close(pair[1]);
	if (pid < 0) {
		if (clock_due(&said_ms, clock_ms(), SAY_AGAIN_MS))
			log_warn("cannot fork the clerk");
		close(pair[0]);
		return;
	}
	if (m->clerk_sock >= 0)
		close(m->clerk_sock);
	m->clerk_sock = pair[0];
	m->clerk = pid;
	children_add(pid, CHILD_CLERK, 0);
}

void
master_start_resolver(struct master *m)
{
	static const uint16_t dns = 53;		/* over TCP, where an answer is long */
	const struct sandbox_need need = { SANDBOX_RESOLVER, &dns, 1, SIGTERM, getpid() };
	pid_t pid;

	if (!resolver_needed(m->gen->conf))
		return;
	if ((pid = fork()) == 0) {
		int keep[] = { m->hint_fd, m->log_pipe[1], m->sandbox.empty_dir };

		child_begin(keep, 3);
		detach_child();
		title_set("resolver");
		if (sandbox_enter(&m->sandbox, &need) != 0)
			_exit(EX_CONFIG);
		resolver_run(m->gen->conf, &m->shared, m->gen->map, m->hint_fd);
		_exit(EX_OK);
	}
	if (pid < 0)
		return;
	m->resolver = pid;
	children_add(pid, CHILD_RESOLVER, 0);
}

void
master_end_resolver(struct master *m)
{
	if (m->resolver > 0)
		kill(m->resolver, SIGKILL);
	m->resolver = 0;
	m->resolve_after = 0;
}
