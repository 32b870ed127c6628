/* SPDX-License-Identifier: ISC */
/*
 * Sums up what the workers' slots say they hold, and compares.  In the master.
 * Must never hold up a worker, nor believe a sum that was taken while one of
 * them moved; and leaves no memory behind that every fork would copy.
 */
#include "config.h"
#include "state/audit.h"

#include <string.h>
#include <sys/mman.h>

/* Every count there is, in a row. */
enum {
	AT_CONNECTIONS,
	AT_PERMIT_WAITERS,
	AT_IDLE,
	AT_LISTENER = AT_IDLE + SHARED_POOLS,
	AT_BACKEND = AT_LISTENER + SHARED_LISTENERS,
	AT_QUEUED = AT_BACKEND + SHARED_BACKENDS,
	AT_WAITERS = AT_QUEUED + SHARED_BACKENDS,
	AT_SERVER = AT_WAITERS + SHARED_BACKENDS,
	AT_SOURCE = AT_SERVER + SHARED_SERVERS,
	COUNTS = AT_SOURCE + SOURCES_CELLS
};

/* What of a slot says that its worker stood still: what it holds, and what
 * changes with every client and every byte. */
struct still {
	int64_t since_ms;
	uint64_t bytes;
	int32_t pid, backend, server;
	uint32_t state, holds, source, listener, pool;
};

/* For the time of one look. */
struct view {
	int32_t sum[COUNTS];
	struct still still[SHARED_WORKERS];
};

static void
look_at(const struct shared *s, unsigned i, struct still *v)
{
	const struct worker_slot *w = &s->worker[i];

	memset(v, 0, sizeof(*v));
	if ((v->pid = atomic_load(&s->post[i].pid)) == 0)
		return;
	v->since_ms = atomic_load(&w->since_ms);
	v->bytes = atomic_load(&w->bytes_in) + atomic_load(&w->bytes_out);
	v->backend = atomic_load(&w->backend);
	v->server = atomic_load(&w->server);
	v->state = atomic_load(&w->state);
	v->holds = atomic_load(&w->holds);
	v->source = atomic_load(&w->source);
	v->listener = s->post[i].listener;
	v->pool = s->post[i].pool;
}

/* Numbers that a worker wrote are no indexes before they were looked at. */
static void
add(struct view *v, uint32_t first, uint32_t n, int64_t at)
{
	if (at >= 0 && at < n)
		v->sum[first + (uint32_t)at]++;
}

static void
sum_up(struct view *v, const struct still *w)
{
	uint32_t holds = worker_holds(w->state, w->holds);

	if (w->pid == 0)
		return;
	if (w->state == WORKER_STARTING || w->state == WORKER_IDLE)
		add(v, AT_IDLE, SHARED_POOLS, w->pool);
	if (holds & HOLDS_PERMIT)
		v->sum[AT_CONNECTIONS]++;
	if (holds & HOLDS_WAIT)
		v->sum[AT_PERMIT_WAITERS]++;
	if (holds & HOLDS_LISTENER)
		add(v, AT_LISTENER, SHARED_LISTENERS, w->listener);
	if (holds & HOLDS_SOURCE)
		add(v, AT_SOURCE, SOURCES_CELLS, w->source);
	if (holds & HOLDS_BACKEND)
		add(v, AT_BACKEND, SHARED_BACKENDS, w->backend);
	if (holds & HOLDS_SERVER)
		add(v, AT_SERVER, SHARED_SERVERS, w->server);
	if (holds & HOLDS_QUEUE) {
		add(v, AT_QUEUED, SHARED_BACKENDS, w->backend);
		add(v, AT_WAITERS, SHARED_BACKENDS, w->backend);
	}
}

/* The count itself; NULL for one of the sources. */
static gauge *
gauge_at(const struct shared *s, uint32_t i)
{
	if (i == AT_CONNECTIONS)
		return &s->use->connections;
	if (i == AT_PERMIT_WAITERS)
		return &s->use->permit_waiters;
	if (i < AT_LISTENER)
		return &s->pool_use[i - AT_IDLE].idle;
	if (i < AT_BACKEND)
		return &s->listener_use[i - AT_LISTENER].c.current;
	if (i < AT_QUEUED)
		return &s->backend_use[i - AT_BACKEND].c.current;
	if (i < AT_WAITERS)
		return &s->backend_use[i - AT_QUEUED].c.queued;
	if (i < AT_SERVER)
		return &s->backend_use[i - AT_WAITERS].waiters;
	if (i < AT_SOURCE)
		return &s->server_use[i - AT_SERVER].c.current;
	return NULL;
}

static void
change(const struct shared *s, const struct audit_finding *f)
{
	gauge *g = gauge_at(s, f->count);

	if (g != NULL)
		atomic_fetch_add(g, f->off);
	else
		sources_correct(s->sources, f->count - AT_SOURCE, f->off);
}

/* Compare one run of counts; what is off goes into *now. */
static void
compare(const struct view *v, const struct shared *s, struct audit *now, uint32_t first, uint32_t n)
{
	uint32_t i;

	for (i = first; i < first + n && now->n < AUDIT_FINDINGS; i++) {
		const gauge *g = gauge_at(s, i);
		int32_t is = g != NULL ? atomic_load(g) :
		    (int32_t)sources_held(s->sources, i - AT_SOURCE);

		if (v->sum[i] == is)
			continue;
		now->found[now->n].count = i;
		/* what was scribbled there may be anything: round and round, like the counts */
		now->found[now->n++].off = (int32_t)((uint32_t)v->sum[i] - (uint32_t)is);
	}
}

/* What was never used is not even read, for reading would give it memory. */
static void
compare_all(const struct view *v, const struct shared *s, struct audit *now)
{
	uint32_t nbackend = atomic_load(&s->head->nbackend), nserver = atomic_load(&s->head->nserver);

	now->n = 0;
	compare(v, s, now, AT_CONNECTIONS, AT_BACKEND);
	compare(v, s, now, AT_BACKEND, nbackend);
	compare(v, s, now, AT_QUEUED, nbackend);
	compare(v, s, now, AT_WAITERS, nbackend);
	compare(v, s, now, AT_SERVER, nserver);
	if (sources_used(s->sources))
		compare(v, s, now, AT_SOURCE, SOURCES_CELLS);
}

/* Read the slots, the counts, and the slots again.  False: something moved. */
static bool
look(struct view *v, const struct shared *s, struct audit *now)
{
	unsigned i, n = shared_workers(s);
	struct still again;

	for (i = 0; i < n; i++) {
		look_at(s, i, &v->still[i]);
		sum_up(v, &v->still[i]);
	}
	compare_all(v, s, now);
	for (i = 0; i < n; i++) {
		look_at(s, i, &again);
		if (memcmp(&v->still[i], &again, sizeof(again)) != 0)
			return false;
	}
	return true;
}

static enum audit_verdict
judge(struct audit *a, const struct shared *s, const struct audit *now)
{
	enum audit_verdict verdict = now->n == 0 ? AUDIT_CLEAN : AUDIT_OFF;
	unsigned i, k;

	for (i = 0; i < now->n; i++)
		for (k = 0; k < a->n; k++)
			if (memcmp(&now->found[i], &a->found[k], sizeof(now->found[i])) == 0) {
				change(s, &now->found[i]);
				verdict = AUDIT_MENDED;
			}
	*a = *now;
	if (verdict == AUDIT_MENDED)
		a->n = 0;	/* what is off yet must show twice again */
	return verdict;
}

enum audit_verdict
audit_look(struct audit *a, const struct shared *s)
{
	struct view *v = mmap(NULL, sizeof(*v), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	enum audit_verdict verdict = AUDIT_MOVED;
	struct audit now;

	if (v == MAP_FAILED)
		return AUDIT_MOVED;
	memset(&now, 0, sizeof(now));
	if (look(v, s, &now))
		verdict = judge(a, s, &now);
	munmap(v, sizeof(*v));
	return verdict;
}
