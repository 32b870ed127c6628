/* SPDX-License-Identifier: ISC */
/*
 * Maps the shared segment and hands out its slots.  All but shared_map runs
 * in the master only, which is the one writer of identities; it must never
 * move or resize what a child has mapped.
 */
#include "config.h"
#include "state/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"

#define MAGIC	UINT64_C(0x647572776172640a)	/* "durward\n" */
#define LAYOUT	5u
#define PAGE	4096u
#define SHORTAGE_AGAIN_MS	10000

struct layout {
	size_t head, listener, pool, backend, sources, holdoff, server, worker, end;
};

static size_t
page_up(size_t n)
{
	return (n + PAGE - 1) & ~(size_t)(PAGE - 1);
}

/* What every worker touches stands close together: fewer page tables. */
static void
lay_out(struct layout *l)
{
	l->head = 0;
	l->listener = page_up(sizeof(struct shared_head));
	l->pool = l->listener + page_up(SHARED_LISTENERS * sizeof(struct listener_slot));
	l->sources = l->pool + page_up(SHARED_POOLS * sizeof(struct pool_slot));
	l->holdoff = l->sources + page_up(sizeof(struct sources));
	l->backend = l->holdoff + page_up(sizeof(struct holdoff));
	l->server = l->backend + page_up(SHARED_BACKENDS * sizeof(struct backend_slot));
	l->worker = l->server + page_up(SHARED_SERVERS * sizeof(struct server_slot));
	l->end = l->worker + page_up(SHARED_WORKERS * sizeof(struct worker_slot));
}

static void
sizes(uint32_t size_of[5])
{
	size_of[0] = sizeof(struct listener_slot);
	size_of[1] = sizeof(struct pool_slot);
	size_of[2] = sizeof(struct backend_slot);
	size_of[3] = sizeof(struct server_slot);
	size_of[4] = sizeof(struct worker_slot);
}

/* So that nobody can aim at one place of a table. */
static int
random_seeds(struct shared *s)
{
	uint64_t seed[2];

	if (getrandom(seed, sizeof(seed), 0) != sizeof(seed))
		return -1;
	s->sources->seed = seed[0];
	s->holdoff->seed = seed[1];
	return 0;
}

int
shared_map(struct shared *s, int fd)
{
	uint32_t size_of[5];
	struct layout l;
	struct stat st;
	bool fresh = fd < 0;
	char *base;

	memset(s, 0, sizeof(*s));
	lay_out(&l);
	if (fresh && (fd = memfd_create("durward", MFD_CLOEXEC)) < 0)
		return -1;
	if (fresh && ftruncate(fd, (off_t)l.end) != 0)
		goto fail;
	if (!fresh && (fstat(fd, &st) != 0 || st.st_size != (off_t)l.end)) {
		errno = EPROTO;
		return -1;
	}
	base = mmap(NULL, l.end, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (base == MAP_FAILED)
		goto fail;
	s->fd = fd;
	s->head = (void *)(base + l.head);
	s->listener = (void *)(base + l.listener);
	s->pool = (void *)(base + l.pool);
	s->sources = (void *)(base + l.sources);
	s->holdoff = (void *)(base + l.holdoff);
	s->backend = (void *)(base + l.backend);
	s->server = (void *)(base + l.server);
	s->worker = (void *)(base + l.worker);
	sizes(size_of);
	if (fresh) {
		s->head->magic = MAGIC;
		s->head->layout = LAYOUT;
		memcpy(s->head->size_of, size_of, sizeof(size_of));
		atomic_store(&s->head->started_ms, clock_ms());
		return random_seeds(s);
	}
	if (s->head->magic != MAGIC || s->head->layout != LAYOUT ||
	    memcmp(s->head->size_of, size_of, sizeof(size_of)) != 0) {
		munmap(base, l.end);
		errno = EPROTO;
		return -1;
	}
	return 0;
fail:
	if (fresh)
		close(fd);
	return -1;
}

/* --- slots by name ------------------------------------------------------ */

/*
 * Names to slots while a configuration is bound: one pass over what is used,
 * so that thousands of servers cost no square.
 */
struct finder {
	uint32_t *cell;		/* slot + 1; 0 empty */
	uint32_t size;		/* a power of two */
};

static uint32_t
name_hash(const char *name, uint32_t owner)
{
	uint32_t h = 2166136261u ^ owner;

	while (*name != '\0')
		h = (h ^ (uint8_t)*name++) * 16777619u;
	return h ^ h >> 15;
}

static int
finder_init(struct finder *f, unsigned slots)
{
	for (f->size = 64; f->size < slots * 2; f->size *= 2)
		;
	f->cell = calloc(f->size, sizeof(*f->cell));
	return f->cell != NULL ? 0 : -1;
}

static void
finder_add(struct finder *f, const char *name, uint32_t owner, uint32_t slot)
{
	uint32_t i = name_hash(name, owner) & (f->size - 1);

	while (f->cell[i] != 0)
		i = (i + 1) & (f->size - 1);
	f->cell[i] = slot + 1;
}

static int64_t
find_backend(const struct finder *f, const struct shared *s, const char *name)
{
	uint32_t i;

	for (i = name_hash(name, 0) & (f->size - 1); f->cell[i] != 0; i = (i + 1) & (f->size - 1))
		if (strcmp(s->backend[f->cell[i] - 1].name, name) == 0)
			return f->cell[i] - 1;
	return -1;
}

static int64_t
find_server(const struct finder *f, const struct shared *s, uint32_t backend, const char *name)
{
	uint32_t i;

	for (i = name_hash(name, backend + 1) & (f->size - 1); f->cell[i] != 0;
	    i = (i + 1) & (f->size - 1)) {
		const struct server_slot *v = &s->server[f->cell[i] - 1];

		if (v->backend == backend && strcmp(v->name, name) == 0)
			return f->cell[i] - 1;
	}
	return -1;
}

static int64_t
take_listener(struct shared *s, const char *name)
{
	int64_t spare = -1;
	unsigned i;

	for (i = 0; i < SHARED_LISTENERS; i++) {
		if (!atomic_load(&s->listener[i].used)) {
			if (spare < 0)
				spare = i;
		} else if (strcmp(s->listener[i].name, name) == 0) {
			return i;
		}
	}
	if (spare < 0 || strlen(name) >= sizeof(s->listener[0].name))
		return -1;
	memset(&s->listener[spare], 0, sizeof(s->listener[0]));
	strcpy(s->listener[spare].name, name);
	atomic_store(&s->listener[spare].used, 1);
	return spare;
}

static int64_t
take_backend(struct shared *s, const char *name, uint32_t listener)
{
	struct backend_slot *b;
	unsigned i;

	for (i = 0; i < SHARED_BACKENDS && atomic_load(&s->backend[i].used); i++)
		;
	if (i == SHARED_BACKENDS || strlen(name) >= sizeof(b->name))
		return -1;
	b = &s->backend[i];
	memset(b, 0, sizeof(*b));
	strcpy(b->name, name);
	b->listener = listener;
	atomic_store(&b->used, 1);
	if (s->head->nbackend <= i)
		s->head->nbackend = i + 1;
	return i;
}

static int64_t
take_server(struct shared *s, uint32_t backend, const char *name, unsigned *from)
{
	struct server_slot *v;
	unsigned i;

	for (i = *from; i < SHARED_SERVERS && atomic_load(&s->server[i].used); i++)
		;
	*from = i;
	if (i == SHARED_SERVERS || strlen(name) >= sizeof(v->name))
		return -1;
	v = &s->server[i];
	memset(v, 0, sizeof(*v));
	strcpy(v->name, name);
	v->backend = backend;
	atomic_store(&v->since_ms, clock_ms());
	atomic_store(&v->used, 1);
	if (s->head->nserver <= i)
		s->head->nserver = i + 1;
	return i;
}

/* A server whose address changed, or whose checks did, starts anew: up until
 * its first probe has failed.  Administrative states stay. */
static void
renew_health(struct server_slot *v, bool checked)
{
	atomic_store(&v->state, HEALTH_UP);
	atomic_store(&v->result, checked ? HEALTH_INI : HEALTH_UNKNOWN);
	atomic_store(&v->streak, 0);
	atomic_store(&v->last_check_ms, 0);
	atomic_store(&v->since_ms, clock_ms());
	health_set_info(v, "");
}

static void
settle_server(struct server_slot *v, const struct conf_server *cs, const struct conf_check *check, bool is_new)
{
	bool checked = check->type != CONF_CHECK_NONE;
	struct addr was, a = cs->addr;

	health_addr(v, &was);
	if (atomic_exchange(&v->checked, checked) != checked)
		renew_health(v, checked);
	if (!cs->is_dns) {
		if (is_new || !addr_equal(&was, &a)) {
			health_set_addr(v, &a);
			renew_health(v, checked);
		}
		return;
	}
	if (is_new || was.port != a.port) {
		was = (struct addr){ .family = ADDR_NONE, .port = a.port };
		health_set_addr(v, &was);
		renew_health(v, checked);
	}
	if (was.family == ADDR_NONE)
		atomic_store(&v->state, HEALTH_DOWN);	/* until it resolves */
}

static int
bind_backends(struct shared *s, const struct conf *c, struct shared_map *m,
    const struct finder *fb, const struct finder *fs)
{
	unsigned b, k, from = 0;

	for (b = 0; b < c->nbackend; b++) {
		const struct conf_backend *cb = &c->backend[b];
		int64_t at = find_backend(fb, s, cb->name);

		if (at < 0)
			at = take_backend(s, cb->name, m->listener[cb->listener]);
		if (at < 0)
			return -1;
		m->backend[b] = (uint32_t)at;
		m->server[b] = calloc(cb->nserver, sizeof(**m->server));
		if (m->server[b] == NULL)
			return -1;
		for (k = 0; k < cb->nserver; k++) {
			int64_t v = find_server(fs, s, m->backend[b], cb->server[k].name);
			bool is_new = v < 0;

			if (is_new)
				v = take_server(s, m->backend[b], cb->server[k].name, &from);
			if (v < 0)
				return -1;
			m->server[b][k] = (uint32_t)v;
			settle_server(&s->server[v], &cb->server[k], &cb->check, is_new);
		}
	}
	return 0;
}

struct shared_map *
shared_bind(struct shared *s, const struct conf *c)
{
	struct finder fb = { NULL, 0 }, fs = { NULL, 0 };
	struct shared_map *m = calloc(1, sizeof(*m));
	bool ok = false;
	unsigned i;

	if (m == NULL)
		return NULL;
	m->listener = calloc(c->nlistener + 1, sizeof(*m->listener));
	m->backend = calloc(c->nbackend + 1, sizeof(*m->backend));
	m->server = calloc(c->nbackend + 1, sizeof(*m->server));
	if (m->listener == NULL || m->backend == NULL || m->server == NULL ||
	    finder_init(&fb, s->head->nbackend) != 0 || finder_init(&fs, s->head->nserver) != 0)
		goto out;
	for (i = 0; i < s->head->nbackend; i++)
		if (atomic_load(&s->backend[i].used))
			finder_add(&fb, s->backend[i].name, 0, i);
	for (i = 0; i < s->head->nserver; i++)
		if (atomic_load(&s->server[i].used))
			finder_add(&fs, s->server[i].name, s->server[i].backend + 1, i);
	errno = ENOSPC;
	for (i = 0; i < c->nlistener; i++) {
		int64_t at = take_listener(s, c->listener[i].name);

		if (at < 0)
			goto out;
		m->listener[i] = (uint32_t)at;
	}
	ok = bind_backends(s, c, m, &fb, &fs) == 0;
out:
	free(fb.cell);
	free(fs.cell);
	if (!ok) {
		shared_map_free(m, c);
		m = NULL;
	}
	return m;
}

void
shared_map_free(struct shared_map *m, const struct conf *c)
{
	unsigned i;

	if (m == NULL)
		return;
	for (i = 0; m->server != NULL && i < c->nbackend; i++)
		free(m->server[i]);
	free(m->server);
	free(m->backend);
	free(m->listener);
	free(m);
}

void
shared_sweep(struct shared *s, const struct shared_map *m, const struct conf *c)
{
	uint8_t *backend = calloc(SHARED_BACKENDS, 1), *server = calloc(SHARED_SERVERS, 1);
	uint8_t *listener = calloc(SHARED_LISTENERS, 1);
	unsigned i, k;

	if (backend == NULL || server == NULL || listener == NULL)
		goto out;
	for (i = 0; i < c->nlistener; i++)
		listener[m->listener[i]] = 1;
	for (i = 0; i < c->nbackend; i++) {
		backend[m->backend[i]] = 1;
		for (k = 0; k < c->backend[i].nserver; k++)
			server[m->server[i][k]] = 1;
	}
	/* an older generation's workers still count in theirs */
	for (i = 0; i < shared_workers(s); i++) {
		const struct worker_slot *w = &s->worker[i];

		if (atomic_load(&w->pid) == 0)
			continue;
		if (atomic_load(&w->generation) != atomic_load(&s->head->generation))
			goto out;
	}
	for (i = 0; i < s->head->nserver; i++)
		if (!server[i])
			atomic_store(&s->server[i].used, 0);
	for (i = 0; i < s->head->nbackend; i++)
		if (!backend[i])
			atomic_store(&s->backend[i].used, 0);
	for (i = 0; i < SHARED_LISTENERS; i++)
		if (!listener[i])
			atomic_store(&s->listener[i].used, 0);
out:
	free(backend);
	free(server);
	free(listener);
}

/* --- shortage ----------------------------------------------------------- */

bool
shared_is_shortage(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

bool
shared_may_say_shortage(const struct shared *s, enum shortage what)
{
	int64_t now = clock_ms(), said = atomic_load(&s->head->shortage_said_ms[what]);

	return (said == 0 || now - said >= SHORTAGE_AGAIN_MS) &&
	    atomic_compare_exchange_strong(&s->head->shortage_said_ms[what], &said, now);
}

/* --- workers ------------------------------------------------------------ */

int
shared_take_worker(struct shared *s)
{
	unsigned n;

	/* the lowest, for whoever scans; ten thousand taken ones are not looked
	 * at again for each */
	for (n = 0; n < SHARED_WORKERS; n++) {
		unsigned i = (s->free_from + n) % SHARED_WORKERS;
		struct worker_slot *w = &s->worker[i];
		int32_t none = 0;

		if (atomic_load_explicit(&w->pid, memory_order_relaxed) != 0 ||
		    !atomic_compare_exchange_strong(&w->pid, &none, -1))
			continue;
		atomic_store(&w->state, WORKER_STARTING);
		atomic_store(&w->holds, 0);
		atomic_store(&w->backend, -1);
		atomic_store(&w->server, -1);
		atomic_store(&w->served, 0);
		atomic_store(&w->bytes_in, 0);
		atomic_store(&w->bytes_out, 0);
		atomic_store(&w->since_ms, clock_ms());
		scoreboard_clear_text(w);
		if (s->head->nworker <= i)
			s->head->nworker = i + 1;
		s->free_from = i + 1;
		return (int)i;
	}
	errno = ENOSPC;
	return -1;
}

void
shared_bury_worker(struct shared *s, struct worker_slot *w)
{
	uint32_t holds = atomic_exchange(&w->holds, 0);
	uint64_t in = atomic_exchange(&w->bytes_in, 0), out = atomic_exchange(&w->bytes_out, 0);
	int32_t b = atomic_load(&w->backend), v = atomic_load(&w->server);
	uint32_t l = w->listener;

	/* a worker that was taken over may have written anything here */
	if (b >= (int32_t)SHARED_BACKENDS)
		b = -1;
	if (v >= (int32_t)SHARED_SERVERS)
		v = -1;
	if ((holds & HOLDS_LISTENER) && l < SHARED_LISTENERS) {
		struct counters *c = &s->listener[l].c;

		counters_close(c);
		counter_add(&c->bytes_in, in);
		counter_add(&c->bytes_out, out);
	}
	if (holds & HOLDS_SOURCE)
		sources_leave(s->sources, atomic_load(&w->source));
	if ((holds & HOLDS_QUEUE) && b >= 0) {
		atomic_fetch_sub(&s->backend[b].c.queued, 1);
		atomic_fetch_sub(&s->backend[b].waiters, 1);
	}
	if ((holds & HOLDS_SERVER) && v >= 0) {
		counters_close(&s->server[v].c);
		counter_add(&s->server[v].c.bytes_in, in);
		counter_add(&s->server[v].c.bytes_out, out);
	}
	if ((holds & HOLDS_BACKEND) && b >= 0) {
		counters_close(&s->backend[b].c);
		counter_add(&s->backend[b].c.bytes_in, in);
		counter_add(&s->backend[b].c.bytes_out, out);
		shared_wake(&s->backend[b].queue_word, &s->backend[b].waiters);
	}
	if (holds & HOLDS_WAIT)
		atomic_fetch_sub(&s->head->permit_waiters, 1);
	if (holds & HOLDS_PERMIT) {
		atomic_fetch_sub(&s->head->connections, 1);
		shared_wake(&s->head->permit_word, &s->head->permit_waiters);
	}
	atomic_store(&w->state, WORKER_DEAD);
	atomic_store(&w->pid, 0);
	if ((unsigned)(w - s->worker) < s->free_from)
		s->free_from = (unsigned)(w - s->worker);
}

void
shared_sleep(_Atomic uint32_t *word, uint32_t seen, int ms)
{
	struct timespec ts = { ms / 1000, (long)(ms % 1000) * 1000000 };

	syscall(SYS_futex, word, FUTEX_WAIT, seen, &ts, NULL, 0);
}

void
shared_wake(_Atomic uint32_t *word, gauge *waiters)
{
	if (atomic_load(waiters) <= 0)
		return;
	atomic_fetch_add(word, 1);
	syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}
