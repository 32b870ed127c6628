/* SPDX-License-Identifier: ISC */
/*
 * One service section: its listeners, host patterns and servers.
 */
#include "config.h"
#include "state/conf_priv.h"

#include <string.h>

/* The listener of this name for the service, added once. */
static void
add_listener(struct conf_load *l, struct conf_service *s, const char *name, struct conf_where w)
{
	int i = conf_find_listener(l->conf, name);

	if (i < 0) {
		if (!l->incomplete)
			conf_error(l, w, "listeners = \"%s\": there is no listener of this name", name);
		return;
	}
	if (l->conf->listener[i].protocol == CONF_STATS) {
		conf_error(l, w, "listeners = \"%s\": a stats listener serves no service", name);
		return;
	}
	for (unsigned k = 0; k < s->nlistener; k++)
		if (s->listener[k] == (unsigned)i) {
			conf_error(l, w, "listeners: \"%s\" is there twice", name);
			return;
		}
	s->listener[s->nlistener++] = (unsigned)i;
}

static void
build_listeners(struct conf_load *l, const struct conf_node *node, struct conf_service *s)
{
	const struct conf_entry *e = conf_entry(node, "listeners");

	s->listener = conf_array(l->conf->memory, e->n + 1, sizeof(*s->listener));
	for (unsigned i = 0; i < e->n; i++)
		add_listener(l, s, e->item[i].text, e->item[i].where);
	if (e->given && e->n == 0)
		conf_error(l, e->where, "service \"%s\": an empty list of listeners", s->name);
	if (e->given || *s->name == '\0' || l->incomplete)
		return;
	if (conf_find_listener(l->conf, s->name) >= 0)
		add_listener(l, s, s->name, s->where);
	else
		conf_error(l, s->where,
		    "service \"%s\": there is no listener of this name, and no \"listeners\" key says another",
		    s->name);
}

static void
build_hosts(struct conf_load *l, const struct conf_node *node, struct conf_service *s)
{
	const struct conf_entry *e = conf_entry(node, "hosts");
	const char *why;

	if (e->n == 0)
		conf_error(l, s->where, "service \"%s\" has no hosts", s->name);
	s->host = conf_array(l->conf->memory, e->n, sizeof(*s->host));
	for (unsigned i = 0; i < e->n; i++) {
		struct conf_host *h = &s->host[s->nhost];

		h->where = e->item[i].where;
		if (conf_parse_host(l->conf->memory, e->item[i].text, &h->text, &why))
			s->nhost++;
		else
			conf_error(l, h->where, "hosts = \"%s\": %s", e->item[i].text, why);
	}
}

static void
take_server(struct conf_load *l, struct conf_service *s, struct conf_set *names)
{
	struct conf_server *sv = &s->server[s->nserver++];
	const struct conf_where *first = conf_set_add(names, 0, sv->name, &sv->where);

	if (first != NULL)
		conf_error(l, sv->where, "server \"%s\" is there twice, first on %s", sv->name,
		    conf_where_text(l, *first, sv->where));
}

static void
build_short(struct conf_load *l, const struct conf_item *item, struct conf_service *s,
    struct conf_set *names)
{
	struct conf_server *sv = &s->server[s->nserver];
	const char *why;

	sv->where = item->where;
	conf_fill_defaults(l, CONF_SEC_SERVER, sv);
	if (conf_parse_server(l->conf->memory, item->text, true, sv, &why))
		take_server(l, s, names);
	else
		conf_error(l, item->where, "servers = \"%s\": %s", item->text, why);
}

static void
build_long(struct conf_load *l, const struct conf_node *node, struct conf_service *s,
    struct conf_set *names)
{
	struct conf_server *sv = &s->server[s->nserver];
	const struct conf_entry *e = conf_entry(node, "address");
	const char *name = node->title.text;
	struct addr a;
	const char *why;

	sv->where = node->title.where;
	sv->name = conf_strdup(l->conf->memory, name);
	conf_fill_defaults(l, CONF_SEC_SERVER, sv);
	conf_fill(l, node, sv);
	if (*name == '\0')
		return;
	/* An IPv6 address is no name, but may be a server's: the short form does so. */
	if (!conf_is_name(name, true) && !addr_parse_ip(name, &a)) {
		conf_error(l, sv->where, "server \"%s\": a name is made of letters, digits, \"-\", "
		    "\"_\" and \".\", 63 at most", name);
		return;
	}
	if (!e->given || *e->item[0].text == '\0')
		conf_error(l, e->where, "server \"%s\": address is missing", name);
	else if (!conf_parse_server(l->conf->memory, e->item[0].text, false, sv, &why))
		conf_error(l, e->where, "address = \"%s\": %s", e->item[0].text, why);
	take_server(l, s, names);
}

static void
build_servers(struct conf_load *l, const struct conf_node *node, struct conf_service *s)
{
	const struct conf_entry *list = conf_entry(node, "servers"), *e = conf_entry(node, "server");
	struct conf_set names;

	if (list->n + e->n == 0)
		conf_error(l, s->where, "service \"%s\" has no servers", s->name);
	conf_set_init(&names, &l->mem, list->n + e->n);
	s->server = conf_array(l->conf->memory, list->n + e->n, sizeof(*s->server));
	for (unsigned i = 0; i < list->n; i++)
		build_short(l, &list->item[i], s, &names);
	for (unsigned i = 0; i < e->n; i++)
		build_long(l, &e->node[i], s, &names);
}

static void
build_on_down(struct conf_load *l, const struct conf_node *node, struct conf_service *s)
{
	static const char *const words[] = { "keep", "close", NULL };
	const struct conf_entry *e = conf_entry(node, "on-down");
	int word = e->given ? conf_parse_word(e->item[0].text, words) : 0;

	if (word < 0)
		conf_error(l, e->where, "on-down = \"%s\": expected %s", e->item[0].text,
		    conf_words_text(&l->mem, words));
	s->on_down_close = word == 1;
}

void
conf_build_service(struct conf_load *l, const struct conf_node *node, const char *cluster,
    struct conf_service *s)
{
	s->where = node->title.where;
	s->cluster = conf_strdup(l->conf->memory, cluster);
	conf_fill_defaults(l, CONF_SEC_SERVICE, s);
	conf_fill(l, node, s);
	s->has_balance = conf_entry(node, "balance")->given;
	build_listeners(l, node, s);
	build_hosts(l, node, s);
	build_servers(l, node, s);
	build_on_down(l, node, s);
	conf_build_timeouts(l, node, &s->timeouts, &s->timeouts_given);
	conf_build_check(l, node, &s->check, &s->check_given);
}
