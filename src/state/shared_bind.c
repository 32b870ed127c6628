/* SPDX-License-Identifier: ISC */
/*
 * Slots by name: which listener, backend and server of a configuration counts
 * where in the shared segment, over reloads and upgrades.  In the master only,
 * which is the one writer of identities.
 */
#include "config.h"
#include "state/shared.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL	/* no library to map into every worker */
#include <xxhash.h>

#include "base/clock.h"

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
	return (uint32_t)XXH3_64bits_withSeed(name, strlen(name), owner);
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
	memset(&s->listener_use[spare], 0, sizeof(s->listener_use[0]));
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
	memset(&s->backend_use[i], 0, sizeof(s->backend_use[i]));
	strcpy(b->name, name);
	b->listener = listener;
	atomic_store(&b->since_ms, clock_ms());
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
	memset(&s->server_use[i], 0, sizeof(s->server_use[i]));
	strcpy(v->name, name);
	v->backend = backend;
	atomic_store(&v->since_ms, clock_ms());
	atomic_store(&v->used, 1);
	if (s->head->nserver <= i)
		s->head->nserver = i + 1;
	return i;
}

/* A server whose address changed, or whose checks did, starts anew: up until
 * its first probe has failed, or down until its name resolves.  Administrative
 * states stay. */
static void
renew_health(struct server_slot *v, bool checked, enum health_state state)
{
	atomic_store(&v->state, state);
	atomic_store(&v->result, checked ? HEALTH_INI : HEALTH_UNKNOWN);
	atomic_store(&v->streak, 0);
	atomic_store(&v->last_check_ms, 0);
	atomic_store(&v->since_ms, clock_ms());
	health_set_info(v, "");
}

/* Upper and lower case are one name. */
uint64_t
shared_dns(const struct conf_server *cs)
{
	char lower[256];	/* a name in DNS is shorter (RFC 1035, 3.1) */
	uint64_t h;
	size_t n;

	if (!cs->is_dns)
		return 0;
	for (n = 0; cs->address[n] != '\0' && n < sizeof(lower); n++)
		lower[n] = (char)tolower((unsigned char)cs->address[n]);
	h = XXH3_64bits(lower, n);
	return h != 0 ? h : 1;
}

/* An empty slot is of no name and no address, so all that is new has changed. */
static void
settle_server(struct server_slot *v, const struct conf_server *cs, const struct conf_check *check)
{
	bool checked = check->type != CONF_CHECK_NONE;
	bool anew = atomic_exchange(&v->checked, checked) != checked;
	uint64_t dns = shared_dns(cs);
	struct addr was, a = cs->addr;

	health_addr(v, &was);
	if (atomic_load(&v->dns) != dns || was.port != a.port ||
	    (!cs->is_dns && !addr_equal(&was, &a))) {
		anew = true;
		if (cs->is_dns) {	/* nobody is to go there, until it resolves */
			a = (struct addr){ .family = ADDR_NONE, .port = a.port };
			atomic_store(&v->state, HEALTH_DOWN);
		}
		atomic_store(&v->dns, dns);
		atomic_store(&v->unresolved, 0);
		health_set_addr(v, &a);
		was = a;
	}
	if (anew)
		renew_health(v, checked, was.family == ADDR_NONE ? HEALTH_DOWN : HEALTH_UP);
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

			if (v < 0)
				v = take_server(s, m->backend[b], cb->server[k].name, &from);
			if (v < 0)
				return -1;
			m->server[b][k] = (uint32_t)v;
		}
	}
	return 0;
}

/* Only where all have a place: what is refused changes nothing. */
static void
settle(struct shared *s, const struct conf *c, const struct shared_map *m)
{
	unsigned b, k;

	for (b = 0; b < c->nbackend; b++)
		for (k = 0; k < c->backend[b].nserver; k++)
			settle_server(&s->server[m->server[b][k]], &c->backend[b].server[k],
			    &c->backend[b].check);
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
		return NULL;
	}
	settle(s, c, m);
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
shared_sweep(struct shared *s, const struct shared_map *m, const struct conf *c, uint32_t generation)
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
	/* another generation's workers count in theirs */
	for (i = 0; i < shared_workers(s); i++) {
		const struct worker_post *p = &s->post[i];

		if (atomic_load(&p->pid) == 0)
			continue;
		if (atomic_load(&p->generation) != generation)
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
