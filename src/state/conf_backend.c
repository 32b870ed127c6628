/* SPDX-License-Identifier: ISC */
/*
 * Backends: each service on each of its listeners, and the services that a
 * listener's default and no-name ask for.
 */
#include "config.h"
#include "state/conf_priv.h"

#include <string.h>

/* The servers of a backend: the service's, each with a port. */
static void
fill_servers(struct conf_load *l, struct conf_backend *b)
{
	const struct conf_service *s = b->service;
	const struct conf_listener *ls = &l->conf->listener[b->listener];
	uint16_t port = ls->nbind > 0 ? ls->bind[0].addr.port : 0;

	b->nserver = s->nserver;
	b->server = conf_array(l->conf->memory, s->nserver, sizeof(*b->server));
	for (unsigned i = 0; i < s->nserver; i++) {
		b->server[i] = s->server[i];
		if (b->server[i].addr.port != 0)
			continue;
		b->server[i].addr.port = port;
		if (port == 0 && ls->nbind > 0)
			conf_error(l, s->server[i].where, "server \"%s\" needs a port: listener \"%s\" is a "
			    "unix socket and has none", s->server[i].name, ls->name);
	}
}

static struct conf_backend *
add_backend(struct conf_load *l, const struct conf_service *s, unsigned listener, char *name)
{
	struct conf_backend *b = &l->conf->backend[l->conf->nbackend++];
	const struct conf_listener *ls = &l->conf->listener[listener];

	b->name = name;
	b->service = s;
	b->listener = listener;
	b->balance = s->has_balance ? s->balance : ls->balance;
	b->timeouts = ls->timeouts;
	conf_timeouts_overlay(&b->timeouts, &s->timeouts, s->timeouts_given);
	b->check = ls->check;
	conf_check_overlay(&b->check, &s->check, s->check_given);
	fill_servers(l, b);
	return b;
}

static char *
backend_name(struct conf_load *l, const struct conf_service *s, unsigned listener)
{
	return conf_printf(l->conf->memory, "%s.%s.%s", s->cluster, s->name,
	    l->conf->listener[listener].name);
}

/* The backend that the key of a listener names; -1 where it names none. */
static int
named_backend(struct conf_load *l, struct conf_set *names, unsigned listener, const char *key)
{
	const struct conf_entry *e = conf_entry(l->listener_node[listener], key);
	const char *text = e->n > 0 ? e->item[0].text : "";
	const struct conf_service *s;
	struct conf_backend *b;
	const void *there;
	char *name;

	if (*text == '\0')
		return -1;
	s = conf_set_find(&l->services, 0, text);
	if (s == NULL) {
		conf_error(l, e->where, "%s = \"%s\": there is no such CLUSTER.SERVICE", key, text);
		return -1;
	}
	name = backend_name(l, s, listener);
	there = conf_set_find(names, 0, name);
	if (there != NULL)
		return (int)((const struct conf_backend *)there - l->conf->backend);
	b = add_backend(l, s, listener, name);
	b->fallback_only = true;
	conf_set_add(names, 0, name, b);
	return (int)(b - l->conf->backend);
}

void
conf_build_backends(struct conf_load *l)
{
	struct conf *c = l->conf;
	struct conf_set names;
	size_t total = (size_t)c->nlistener * 2;

	for (unsigned i = 0; i < c->nservice; i++)
		total += c->service[i].nlistener;
	c->backend = conf_array(c->memory, total, sizeof(*c->backend));
	conf_set_init(&names, &l->mem, total);
	for (unsigned i = 0; i < c->nservice; i++)
		for (unsigned k = 0; k < c->service[i].nlistener; k++) {
			unsigned listener = c->service[i].listener[k];
			char *name = backend_name(l, &c->service[i], listener);

			conf_set_add(&names, 0, name, add_backend(l, &c->service[i], listener, name));
		}
	for (unsigned i = 0; i < c->nlistener; i++) {
		struct conf_listener *ls = &c->listener[i];

		ls->default_backend = named_backend(l, &names, i, "default");
		ls->no_name_backend = named_backend(l, &names, i, "no-name");
		if (*ls->no_name_service == '\0')
			ls->no_name_backend = ls->default_backend;
	}
}
