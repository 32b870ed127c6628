/* SPDX-License-Identifier: ISC */
/* Opening and closing generations.  In the master. */
#include "config.h"
#include "daemon/generation.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/listener.h"

static int
take_pool_slot(struct shared *s)
{
	unsigned i;

	for (i = 0; i < SHARED_POOLS; i++) {
		struct pool_slot *p = &s->pool[i];

		if (atomic_load(&p->used))
			continue;
		memset(&s->pool_use[i], 0, sizeof(s->pool_use[i]));
		atomic_store(&p->stress, 0);
		atomic_store(&p->used, 1);
		return (int)i;
	}
	return -1;
}

static void __attribute__((format(printf, 2, 3)))
fail(const struct generation_from *from, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (from->error != NULL)
		from->error(from->arg, text);
	else
		log_errx("%s", text);
}

static int
open_pool(struct generation *g, struct shared *s, unsigned l, unsigned b, const struct generation_from *from)
{
	const struct conf_listener *cl = &g->conf->listener[l];
	struct pool *p = &g->pool[g->npool];
	int slot;

	memset(p, 0, sizeof(*p));
	p->listener = l;
	p->bind = b;
	p->fd = from->find != NULL ? from->find(from->arg, cl->bind[b].text) : -1;
	if (p->fd < 0)
		p->fd = listener_open(g->conf, cl, &cl->bind[b], from->find != NULL ? 0 : LISTENER_PATIENCE);
	if (p->fd < 0) {
		/* the three that stand without being written have no line */
		if (cl->where.line > 0)
			fail(from, "%s:%d: listener \"%s\": cannot bind %s: %s", cl->where.file,
			    cl->where.line, cl->name, cl->bind[b].text, strerror(errno));
		else
			fail(from, "%s: default listener \"%s\": cannot bind %s: %s", g->conf->path,
			    cl->name, cl->bind[b].text, strerror(errno));
		return -1;
	}
	g->npool++;
	if ((slot = take_pool_slot(s)) < 0) {
		fail(from, "too many listening sockets (old generations included): at most %u", SHARED_POOLS);
		return -1;
	}
	p->slot = (uint32_t)slot;
	return 0;
}

/* Undo: what was opened here and not found elsewhere is closed. */
static void
abandon(struct generation *g, struct shared *s, const struct generation_from *from)
{
	unsigned i;

	for (i = 0; i < g->npool; i++) {
		const struct conf_listener *cl = &g->conf->listener[g->pool[i].listener];

		atomic_store(&s->pool[g->pool[i].slot].used, 0);
		if (from->find == NULL ||
		    from->find(from->arg, cl->bind[g->pool[i].bind].text) != g->pool[i].fd) {
			close(g->pool[i].fd);
			if (cl->bind[g->pool[i].bind].path != NULL)
				unlink(cl->bind[g->pool[i].bind].path);
		}
	}
	g->npool = 0;
}

static int
find_ports(struct generation *g)
{
	unsigned l;

	if ((g->ports = calloc(g->conf->nlistener + 1, sizeof(*g->ports))) == NULL)
		return -1;
	for (l = 0; l < g->conf->nlistener; l++)
		if (ports_of_listener(g->conf, l, &g->ports[l]) != 0)
			return -1;
	return ports_of_checks(g->conf, &g->check_ports);
}

struct generation *
generation_open(struct conf *c, struct shared *s, const struct generation_from *from)
{
	struct generation *g = calloc(1, sizeof(*g));
	unsigned l, b, n = 0;

	if (g == NULL) {
		conf_free(c);
		return NULL;
	}
	g->conf = c;
	conf_share_secrets(c, false);	/* whoever needs them is forked with them */
	for (l = 0; l < c->nlistener; l++)
		n += c->listener[l].nbind;
	g->pool = calloc(n + 1, sizeof(*g->pool));
	g->route = route_new(c);
	if (g->pool == NULL || g->route == NULL || find_ports(g) != 0) {
		fail(from, "cannot build the routes: %s", strerror(errno));
		goto undo;
	}
	for (l = 0; l < c->nlistener; l++)
		for (b = 0; b < c->listener[l].nbind; b++)
			if (open_pool(g, s, l, b, from) != 0)
				goto undo;
	if ((g->map = shared_bind(s, c)) == NULL) {
		fail(from, "more listeners, backends or servers than the shared memory holds "
		    "(%u, %u, %u)", SHARED_LISTENERS, SHARED_BACKENDS, SHARED_SERVERS);
		goto undo;
	}
	if ((g->balance = balance_new(c, s, g->map)) == NULL) {
		fail(from, "cannot build the tables of servers: %s", strerror(errno));
		goto undo;
	}
	for (l = 0; l < g->npool; l++)
		listener_tune(g->pool[l].fd, c, &c->listener[g->pool[l].listener],
		    &c->listener[g->pool[l].listener].bind[g->pool[l].bind]);
	return g;
undo:
	abandon(g, s, from);
	generation_free(g, NULL);
	return NULL;
}

int
generation_fd(const struct generation *g, const char *bind_text)
{
	unsigned i;

	for (i = 0; g != NULL && i < g->npool; i++) {
		const struct pool *p = &g->pool[i];

		if (strcmp(g->conf->listener[p->listener].bind[p->bind].text, bind_text) == 0)
			return p->fd;
	}
	return -1;
}

void
generation_unlink(const struct generation *g)
{
	unsigned i;

	for (i = 0; i < g->npool; i++) {
		const char *path = g->conf->listener[g->pool[i].listener].bind[g->pool[i].bind].path;

		if (g->pool[i].fd < 0 && path != NULL)
			unlink(path);
	}
}

void
generation_free(struct generation *g, const struct generation *next)
{
	unsigned i;

	if (g == NULL)
		return;
	for (i = 0; i < g->npool; i++) {
		const struct conf_bind *b = &g->conf->listener[g->pool[i].listener].bind[g->pool[i].bind];

		if (g->pool[i].fd >= 0 && generation_fd(next, b->text) != g->pool[i].fd) {
			/* also for workers that are about to leave: the address may be
			 * bound again at once */
			shutdown(g->pool[i].fd, SHUT_RDWR);
			close(g->pool[i].fd);
			if (b->path != NULL)
				unlink(b->path);
		}
	}
	balance_free(g->balance);
	shared_map_free(g->map, g->conf);
	route_free(g->route);
	free(g->pool);
	for (i = 0; g->ports != NULL && i < g->conf->nlistener; i++)
		ports_free(&g->ports[i]);
	free(g->ports);
	ports_free(&g->check_ports);
	conf_free(g->conf);
	free(g);
}
