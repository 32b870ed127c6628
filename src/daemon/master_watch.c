/* SPDX-License-Identifier: ISC */
/*
 * What the master looks after once a second: counts that drifted, workers
 * that nobody reaped, sessions on servers that went down, backends without any.
 */
#include "config.h"
#include "daemon/master.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/children.h"
#include "daemon/spares.h"
#include "state/audit.h"

#define AUDIT_TRIES	3

/* Sessions that a death between two steps of their accounting left counted.
 * On a busy machine something always moves: a few tries, then in a second. */
static void
look_over(struct master *m)
{
	_Alignas(4096) static struct audit audit;
	enum audit_verdict verdict = AUDIT_MOVED;
	int tries;

	if (!m->audit_due)
		return;
	for (tries = 0; tries < AUDIT_TRIES && verdict == AUDIT_MOVED; tries++)
		verdict = audit_look(&audit, &m->shared);
	switch (verdict) {
	case AUDIT_MENDED:
		log_notice("counts that a killed worker left wrong were put right");
		break;
	case AUDIT_CLEAN:
		m->audit_due = false;
		break;
	case AUDIT_MOVED:
	case AUDIT_OFF:
		break;
	}
}

/* Workers of a master that was killed, whose slots nobody else will free. */
static void
bury_orphans(struct master *m)
{
	unsigned i, n = shared_workers(&m->shared);

	for (i = 0; i < n; i++) {
		pid_t pid = atomic_load(&m->shared.post[i].pid);

		if (pid > 0 && children_find(pid) == NULL && kill(pid, 0) != 0 && errno == ESRCH)
			shared_bury_worker(&m->shared, i);
	}
}

struct hunt {
	struct master *m;
	int64_t server;		/* slot */
	unsigned n;
};

static void
end_session(struct child *c, void *arg)
{
	struct hunt *h = arg;
	const struct worker_slot *w;

	if (c->role != CHILD_WORKER)
		return;
	w = &h->m->shared.worker[c->slot];
	if (atomic_load(&w->server) == h->server && (atomic_load(&w->holds) & HOLDS_SERVER)) {
		kill(c->pid, SIGUSR2);
		h->n++;
	}
}

void
master_end_sessions_on_down(struct master *m)
{
	const struct conf *c = m->gen->conf;
	unsigned b, k;

	for (b = 0; b < c->nbackend; b++) {
		if (!c->backend[b].service->on_down_close)
			continue;
		for (k = 0; k < c->backend[b].nserver; k++) {
			const struct server_slot *v = &m->shared.server[m->gen->map->server[b][k]];
			struct hunt h = { m, m->gen->map->server[b][k], 0 };

			if (atomic_load(&m->shared.server_use[h.server].c.current) <= 0 ||
			    (atomic_load(&v->state) == HEALTH_UP && atomic_load(&v->admin) != HEALTH_MAINT))
				continue;
			children_each(end_session, &h);
			if (h.n > 0)
				log_notice("ended %u connections to %s/%s, which is %s", h.n,
				    c->backend[b].name, c->backend[b].server[k].name, health_word(v));
		}
	}
}

static bool
backend_usable(const struct master *m, unsigned b)
{
	const struct conf_backend *cb = &m->gen->conf->backend[b];
	unsigned k;

	for (k = 0; k < cb->nserver; k++)
		if (cb->server[k].weight > 0 && health_usable(&m->shared.server[m->gen->map->server[b][k]]))
			return true;
	return false;
}

void
master_watch_backends(struct master *m, int64_t now)
{
	unsigned b;

	/* by its own configuration, a newer one says it from its start on */
	if (atomic_load(&m->shared.head->master_pid) != getpid())
		return;
	for (b = 0; b < m->gen->conf->nbackend; b++) {
		struct backend_slot *s = &m->shared.backend[m->gen->map->backend[b]];
		enum health_state is = backend_usable(m, b) ? HEALTH_UP : HEALTH_DOWN;

		if (atomic_load(&s->state) == (uint32_t)is)
			continue;
		if (is == HEALTH_UP)
			atomic_fetch_add(&s->downtime_ms, now - atomic_load(&s->since_ms));
		else
			counter_add(&s->downs, 1);
		atomic_store(&s->since_ms, now);
		atomic_store(&s->state, is);
	}
}

/* Spares beyond what is to be kept, in one pool. */
struct surplus {
	struct master *m;
	uint32_t pool;
	int n;
};

static void
let_go(struct child *c, void *arg)
{
	struct surplus *s = arg;

	if (s->n > 0 && c->role == CHILD_WORKER && c->pool == s->pool &&
	    atomic_load(&s->m->shared.worker[c->slot].state) == WORKER_IDLE) {
		kill(c->pid, SIGUSR1);	/* one that has a client by now finishes it first */
		s->n--;
	}
}

/* Once a second, not at once: a load that comes in waves would otherwise cost
 * a fork for every few connections. */
static void
retire_spares(struct master *m)
{
	unsigned i;

	for (i = 0; i < m->gen->npool; i++) {
		struct surplus s = { m, m->gen->pool[i].slot, 0 };
		int max = (int)m->gen->conf->spare_max;

		s.n = master_idle(m, s.pool) -
		    (max > (int)m->gen->conf->spare_min ? max : (int)m->gen->conf->spare_min);
		if (s.n > 0)
			children_each(let_go, &s);
	}
}

/* Births that went well for a while: the next that fails is a first one. */
static void
forget_pauses(struct master *m, int64_t now)
{
	unsigned i;

	for (i = 0; i < m->gen->npool; i++) {
		struct pool *p = &m->gen->pool[i];

		if (p->pause_ms > 0 && now - p->not_before > SPARES_PAUSE_MAX_MS)
			p->pause_ms = 0;
	}
}

struct announce {
	int sig;
	bool old_only, stats_too;
};

static void
signal_worker(struct child *c, void *arg)
{
	struct announce *a = arg;

	if (c->role == CHILD_WORKER && (!a->old_only || c->old) && (a->stats_too || c->counts))
		kill(c->pid, a->sig);
}

void
master_signal_workers(struct master *m, int sig, bool old_only, bool stats_too)
{
	struct announce a = { sig, old_only, stats_too };

	(void)m;
	children_each(signal_worker, &a);
}

/* A newer master was asked to end it. */
static void
end_asked(struct child *c, void *arg)
{
	struct master *m = arg;
	_Atomic int32_t *end = &m->shared.post[c->slot].end;

	if (c->role != CHILD_WORKER || atomic_load(end) != c->pid)
		return;
	atomic_store(end, 0);
	kill(c->pid, SIGTERM);
}

/* Do those that write by another configuration live: a place that ours does not
 * name is not to be taken from them.  A new executable takes some before it has
 * a worker. */
static bool
has_other_writers(const struct master *m)
{
	return m->upgrade_fd >= 0 || children_count(CHILD_CHECKER) > (m->checker > 0) ||
	    children_count(CHILD_RESOLVER) > (m->resolver > 0) ||
	    children_count(CHILD_CLERK) > (m->clerk > 0);
}

void
master_tick(struct master *m, int64_t now)
{
	static int64_t orphans_at;

	children_each(end_asked, m);
	master_end_sessions_on_down(m);
	if (m->retired) {
		if (atomic_load(&m->shared.head->log_opened) != m->log_opened)
			master_reopen_logs(m);
		return;
	}
	look_over(m);
	forget_pauses(m, now);
	retire_spares(m);
	holdoff_tidy(m->shared.holdoff, now);
	master_watch_backends(m, now);
	if (now >= orphans_at) {
		orphans_at = now + 10000;
		m->audit_due = true;
		bury_orphans(m);
		if (!has_other_writers(m))
			shared_sweep(&m->shared, m->gen->map, m->gen->conf, m->generation);
	}
}
