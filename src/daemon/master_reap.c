/* SPDX-License-Identifier: ISC */
/*
 * Children that ended: what they held is given back, what it means is said.
 * A worker's slot is the worker's to write, and the worker may have been
 * somebody else's by then: nothing in it is an index into the master's own
 * memory, and texts are escaped.
 */
#include "config.h"
#include "daemon/master.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/children.h"
#include "daemon/spares.h"
#include "report/access.h"
#include "wire/cidr.h"

#define HOPELESS_MS	1600	/* births fail with pauses up to this: who waits for us may know */

/* A worker that a signal ended, with what it was doing. */
static void
say_crash(struct master *m, const struct worker_slot *w, const struct child *c, int sig)
{
	char from[ADDR_STRLEN], host[256], safe[512];
	const char *listener = m->shared.listener[c->listener].name;
	struct addr client;

	counter_add(&m->shared.head->workers_crashed, 1);
	scoreboard_text(w, &client, host);
	if (!worker_has_client(atomic_load(&w->state))) {
		log_warnx("worker %ld of %.127s was killed by signal %d (%s) while idle", (long)c->pid,
		    listener, sig, strsignal(sig));
		return;
	}
	log_escape(safe, sizeof(safe), host, strlen(host));
	log_warnx("worker %ld of %.127s was killed by signal %d (%s) while %s %s %s: %llu bytes in, %llu out",
	    (long)c->pid, listener, sig, strsignal(sig),
	    worker_state_name(atomic_load(&w->state)), addr_format(&client, true, from),
	    safe[0] != '\0' ? safe : "-", (unsigned long long)atomic_load(&w->bytes_in),
	    (unsigned long long)atomic_load(&w->bytes_out));
}

/* What the configuration says of the listener in this slot; NULL where it is
 * gone from it. */
static const struct conf_listener *
listener_of(const struct master *m, uint32_t slot)
{
	const struct conf *c = m->gen->conf;
	unsigned l;

	for (l = 0; l < c->nlistener; l++)
		if (m->gen->map->listener[l] == slot)
			return &c->listener[l];
	return NULL;
}

/* A listener that is gone spoke TLS as far as its last lines go. */
static enum access_kind
kind_of(const struct master *m, uint32_t slot)
{
	const struct conf_listener *l = listener_of(m, slot);

	if (l != NULL)
		switch (l->protocol) {
		case CONF_TLS:
			return ACCESS_TLS;
		case CONF_HTTP:
			return ACCESS_HTTP;
		case CONF_STATS:
			return ACCESS_STATS;
		}
	return ACCESS_TLS;
}

/*
 * The client of a worker that died has its line and its place in the counters
 * all the same: internal error, or killed where it was KILL, which is sent.
 */
static void
end_client(struct master *m, const struct worker_slot *w, const struct child *c, int sig)
{
	int32_t b = atomic_load(&w->backend);
	int64_t now = clock_ms(), began, us;
	char line[LOG_LINE_MAX];
	size_t n;

	n = access_last_line(&m->shared, w, c->listener, kind_of(m, c->listener),
	    sig == SIGKILL ? 'K' : 'I', now, clock_wall_ms(), line, sizeof(line));
	if (n == 0)
		return;
	began = atomic_load(&w->began_ms);
	us = began > 0 && began < now ? (now - began) * 1000 : 0;
	counters_duration(&m->shared.listener_use[c->listener].c, us);
	if ((atomic_load(&w->holds) & HOLDS_BACKEND) && b >= 0 && b < (int32_t)SHARED_BACKENDS)
		counters_duration(&m->shared.backend_use[b].c, us);
	log_line(LOG_INFO, line, n);
}

/* By its own doing, and nobody's TERM, KILL, or lack of memory. */
static bool
is_crash(int sig)
{
	return sig == SIGSEGV || sig == SIGBUS || sig == SIGILL || sig == SIGFPE || sig == SIGABRT ||
	    sig == SIGSYS;
}

/* Who stands before us for many clients is not to blame for one of them: the
 * slot still has its address where its PROXY header was not read. */
static bool
is_go_between(const struct master *m, uint32_t listener, const struct addr *a)
{
	const struct conf_listener *l = listener_of(m, listener);

	return l != NULL && cidr_match_any(l->accept_proxy.net, l->accept_proxy.n, a->ip);
}

static void
hold_off(struct master *m, const struct worker_slot *w, const struct child *c)
{
	char from[ADDR_IP_STRLEN], host[256];
	struct addr client;
	uint32_t crashes;
	int ms;

	scoreboard_text(w, &client, host);
	if ((client.family != ADDR_IPV4 && client.family != ADDR_IPV6) || is_go_between(m, c->listener, &client))
		return;
	ms = holdoff_add(m->shared.holdoff, &client, clock_ms(), &crashes);
	if (ms > 0)
		log_warnx("%s has crashed %u workers: it is refused for %d s",
		    addr_format_ip(&client, from), crashes, ms / 1000);
}

static struct pool *
pool_of(struct master *m, const struct child *c)
{
	unsigned i;

	for (i = 0; i < m->gen->npool; i++)
		if (m->gen->pool[i].slot == c->pool)
			return &m->gen->pool[i];
	return NULL;	/* of an older generation */
}

/* Died at birth of its own trouble: somebody's TERM or KILL is no sickness. */
static bool
is_sick(const struct worker_slot *w, int status)
{
	if (atomic_load(&w->served) > 0)
		return false;
	if (WIFSIGNALED(status))
		return WTERMSIG(status) != SIGKILL && WTERMSIG(status) != SIGTERM &&
		    !worker_has_client(atomic_load(&w->state));
	return WEXITSTATUS(status) != 0;
}

/* Those that were forked together die together: one pause for all of them. */
static void
pause_births(struct master *m, struct pool *p, int status)
{
	int64_t now = clock_ms();

	if (now < p->not_before)
		return;
	p->pause_ms = spares_pause(p->pause_ms);
	p->not_before = now + p->pause_ms;
	log_errx("a worker of %s died at birth (%s %d), trying again in %d ms",
	    m->gen->conf->listener[p->listener].name, WIFSIGNALED(status) ? "signal" : "status",
	    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), p->pause_ms);
	if (p->pause_ms >= HOPELESS_MS && !m->ready)
		m->hopeless = true;
}

static void
reap_worker(struct master *m, const struct child *c, int status)
{
	struct worker_slot *w = &m->shared.worker[c->slot];
	uint32_t state = atomic_load(&w->state);
	struct pool *p = pool_of(m, c);

	if (WIFSIGNALED(status)) {
		say_crash(m, w, c, WTERMSIG(status));
		end_client(m, w, c, WTERMSIG(status));
		m->audit_due = true;
		if (is_crash(WTERMSIG(status)) && worker_has_client(state))
			hold_off(m, w, c);
	}
	if (state == WORKER_STARTING || state == WORKER_IDLE)
		atomic_fetch_sub(&m->shared.pool_use[c->pool].idle, 1);
	m->listener_workers[c->listener]--;
	if (c->counts)
		m->workers--;
	/* nobody forks for a pool of an older generation, or of an older master */
	if (--m->pool_workers[c->pool] == 0 && (p == NULL || m->retired))
		atomic_store(&m->shared.pool[c->pool].used, 0);
	if (p != NULL && is_sick(w, status))
		pause_births(m, p, status);
	else if (p != NULL && atomic_load(&w->served) > 0)
		p->pause_ms = 0;
	shared_bury_worker(&m->shared, c->slot);
}

void
master_free_pools(struct master *m, const struct generation *g)
{
	unsigned i;

	for (i = 0; i < g->npool; i++)
		if (m->pool_workers[g->pool[i].slot] == 0)
			atomic_store(&m->shared.pool[g->pool[i].slot].used, 0);
}

static void
say_helper(const char *name, int status)
{
	if (WIFSIGNALED(status))
		log_warnx("the %s was killed by signal %d (%s); starting another", name,
		    WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) != 0)
		log_warnx("the %s ended with status %d; starting another", name, WEXITSTATUS(status));
}

static void
reap_one(struct master *m, struct child *c, int status)
{
	bool leaving = m->stopping || m->retired;

	switch (c->role) {
	case CHILD_WORKER:
		reap_worker(m, c, status);
		break;
	case CHILD_CHECKER:
		if (c->pid == m->checker) {
			m->checker = 0;
			if (!leaving)
				say_helper("checker", status);
		}
		break;
	case CHILD_CLERK:
		if (c->pid == m->clerk) {
			m->clerk = 0;
			if (!leaving)
				say_helper("clerk", status);
		}
		break;
	case CHILD_LOGGER:
		if (c->pid == m->logger) {
			m->logger = 0;
			/* one that dies at once, time and again, is no loop of ours */
			if (clock_ms() - c->started_ms < MASTER_AGAIN_MS)
				m->logger_after = clock_ms() + MASTER_AGAIN_MS;
			if (!leaving)
				say_helper("logger", status);
		}
		break;
	case CHILD_RESOLVER:
		if (c->pid == m->resolver)
			m->resolver = 0;
		break;
	case CHILD_UPGRADE:
		/* what it had to say came, or comes, through upgrade_fd */
		if (c->pid == m->upgrade)
			m->upgrade = 0;
		break;
	}
}

void
master_reap(struct master *m)
{
	struct child *c;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if ((c = children_find(pid)) == NULL)
			continue;
		reap_one(m, c, status);
		children_forget(c);
	}
}
