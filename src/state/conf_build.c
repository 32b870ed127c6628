/* SPDX-License-Identifier: ISC */
/*
 * From the tree of text to struct conf: global keys, listeners, and the list
 * of clusters and their services.  What one value means is judged here; what
 * several must agree on, in conf_check.c.
 */
#include "config.h"
#include "state/conf_priv.h"

#include <string.h>
#include <sys/un.h>

/* ---- names ----------------------------------------------------------- */

/* Take the name of a section into *name: its spelling, and that no other of
 * its kind (label) in this space has it. */
bool
conf_take_name(struct conf_load *l, const struct conf_node *node, struct conf_set *taken,
    unsigned space, const char *label, bool dots, char **name)
{
	const struct conf_where *first;
	const char *text = node->title.text;

	*name = conf_strdup(l->conf->memory, text);
	if (*text == '\0')
		return false;	/* said before, while reading */
	if (!conf_is_name(text, dots)) {
		conf_error(l, node->title.where,
		    "%s \"%s\": a name is made of letters, digits, \"-\"%s and \"_\", 63 at most", label,
		    text, dots ? ", \".\"" : "");
		return false;
	}
	first = conf_set_add(taken, space, *name, &node->title.where);
	if (first != NULL)
		conf_error(l, node->title.where, "%s \"%s\" is there twice, first on %s", label, text,
		    conf_where_text(l, *first, node->title.where));
	return first == NULL;
}

/* ---- global keys ------------------------------------------------------ */

static void
build_log(struct conf_load *l)
{
	const struct conf_entry *e = conf_entry(l->root, "log");
	const char *why;

	if (!e->given) {
		conf_parse_log(l->conf->memory, "syslog:local2", &l->conf->log, &why);
		return;
	}
	l->conf->log_given = true;
	if (!conf_parse_log(l->conf->memory, e->item[0].text, &l->conf->log, &why))
		conf_error(l, e->where, "log = \"%s\": %s", e->item[0].text, why);
	if (l->conf->log.kind == CONF_LOG_FILE) {
		l->conf->log.path = conf_path(l, e->where, l->conf->log.path);
		l->conf->log.text = conf_printf(l->conf->memory, "file:%s", l->conf->log.path);
	}
}

static void
build_spare(struct conf_load *l)
{
	const struct conf_entry *e = conf_entry(l->root, "spare-workers");
	struct conf *c = l->conf;

	conf_fill_defaults(l, CONF_SEC_SPARE, c);
	if (e->n == 0)
		return;
	conf_fill(l, &e->node[0], c);
	if (c->spare_min > c->spare_max)
		conf_error(l, e->where, "spare-workers: min = %u is more than max = %u", c->spare_min,
		    c->spare_max);
}

static void
check_paths(struct conf_load *l)
{
	const size_t most = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;
	const struct conf_entry *pid = conf_entry(l->root, "pid-file");
	const struct conf_entry *control = conf_entry(l->root, "control");

	l->conf->pid_file = conf_path(l, pid->where, l->conf->pid_file);
	l->conf->control = conf_path(l, control->where, l->conf->control);
	if (l->conf->pid_file[0] == '\0')
		conf_error(l, pid->where, "pid-file = \"\": a path is missing");
	if (l->conf->control[0] == '\0')
		conf_error(l, control->where, "control = \"\": a path is missing");
	else if (strlen(l->conf->control) > most)
		conf_error(l, control->where, "control = \"%s\": a socket's path has %zu bytes at most",
		    l->conf->control, most);
}

static struct conf_where
where_given(const struct conf_load *l, const char *key)
{
	const struct conf_entry *e = conf_entry(l->root, key);

	return e->given ? e->where : (struct conf_where){ .file = l->conf->path };
}

static void
build_global(struct conf_load *l)
{
	struct conf *c = l->conf;
	const struct conf_entry *keepalive = conf_entry(l->root, "tcp-keepalive");

	conf_fill_defaults(l, CONF_SEC_ROOT, c);
	conf_fill_defaults(l, CONF_SEC_TIMEOUTS, &c->timeouts);
	conf_fill(l, l->root, c);
	conf_build_timeouts(l, l->root, &c->timeouts, NULL);
	if (c->tcp_keepalive_ms % 1000 != 0)
		conf_error(l, keepalive->where, "tcp-keepalive = \"%s\": the kernel counts whole seconds",
		    keepalive->item[0].text);
	c->user_where = where_given(l, "user");
	c->group_where = where_given(l, "group");
	check_paths(l);
	build_spare(l);
	build_log(l);
}

/* ---- listeners --------------------------------------------------------- */

static void
build_binds(struct conf_load *l, const struct conf_node *node, struct conf_listener *ls)
{
	const struct conf_entry *e = conf_entry(node, "bind");
	const char *why;

	if (e->n == 0)
		conf_error(l, e->where, "listener \"%s\": bind is missing", ls->name);
	ls->bind = conf_array(l->conf->memory, e->n, sizeof(*ls->bind));
	for (unsigned i = 0; i < e->n; i++) {
		const char *text = e->item[i].text;

		if (strncmp(text, "unix:", 5) == 0)
			text = conf_printf(&l->mem, "unix:%s", conf_path(l, e->item[i].where, text + 5));
		if (conf_parse_bind(l->conf->memory, text, &ls->bind[ls->nbind], &why))
			ls->nbind++;
		else
			conf_error(l, e->item[i].where, "bind = \"%s\": %s", text, why);
	}
}

static void
build_password(struct conf_load *l, const struct conf_node *node, struct conf_listener *ls)
{
	const struct conf_entry *e = conf_entry(node, "password");
	const char *why;

	ls->password = conf_strdup(l->conf->memory, "");
	if (e->given && !conf_parse_password(l->conf->memory, e->item[0].text, &ls->password, &why))
		conf_error(l, e->where, "password: %s", why);
}

static void
build_listener(struct conf_load *l, const struct conf_node *node, struct conf_set *names,
    struct conf_listener *ls)
{
	ls->where = node->title.where;
	ls->default_backend = ls->no_name_backend = -1;
	conf_take_name(l, node, names, 0, "listener", false, &ls->name);
	conf_fill_defaults(l, CONF_SEC_LISTENER, ls);
	conf_fill(l, node, ls);
	if (!conf_entry(node, "protocol")->given)
		conf_error(l, ls->where, "listener \"%s\": protocol is missing", ls->name);
	if (!conf_entry(node, "balance")->given)
		ls->balance = ls->protocol == CONF_HTTP ? CONF_HOST : CONF_SOURCE;
	build_binds(l, node, ls);
	build_password(l, node, ls);
	ls->timeouts = l->conf->timeouts;
	conf_build_timeouts(l, node, &ls->timeouts, NULL);
	conf_check_defaults(l, &ls->check);
	ls->check.type = ls->protocol == CONF_HTTP ? CONF_CHECK_TCP : CONF_CHECK_TLS;
	conf_build_check(l, node, &ls->check, NULL);
}

/* A listener as if the file had said so. */
static void
invent_listener(struct conf_load *l, struct conf_node *node, const char *name, const char *bind,
    const char *protocol)
{
	const char *key[] = { "bind", "protocol" }, *text[] = { bind, protocol };
	struct conf_where where = { .file = l->conf->path };
	unsigned n;

	conf_keys(CONF_SEC_LISTENER, &n);
	node->section = CONF_SEC_LISTENER;
	node->title = (struct conf_item){ .where = where, .text = conf_strdup(&l->mem, name) };
	node->entry = conf_array(&l->mem, n, sizeof(*node->entry));
	for (unsigned i = 0; i < 2; i++) {
		int k = conf_key_find(CONF_SEC_LISTENER, key[i], strlen(key[i]));

		node->entry[k].item = conf_alloc(&l->mem, sizeof(struct conf_item));
		node->entry[k].item[0].where = where;
		node->entry[k].item[0].text = conf_strdup(&l->mem, text[i]);
		node->entry[k].n = 1;
		node->entry[k].given = true;
		node->entry[k].where = where;
	}
}

static void
build_listeners(struct conf_load *l)
{
	const struct conf_entry *e = conf_entry(l->root, "listener");
	struct conf_node *node = e->node;
	struct conf_set names;
	struct conf *c = l->conf;

	c->nlistener = e->n;
	if (e->n == 0) {
		c->nlistener = 3;
		node = conf_array(&l->mem, 3, sizeof(*node));
		invent_listener(l, &node[0], "api", "*:6443", "tls");
		invent_listener(l, &node[1], "https", "*:443", "tls");
		invent_listener(l, &node[2], "http", "*:80", "http");
	}
	conf_set_init(&names, &l->mem, c->nlistener);
	c->listener = conf_array(c->memory, c->nlistener, sizeof(*c->listener));
	l->listener_node = conf_array(&l->mem, c->nlistener, sizeof(*l->listener_node));
	for (unsigned i = 0; i < c->nlistener; i++) {
		l->listener_node[i] = &node[i];
		build_listener(l, &node[i], &names, &c->listener[i]);
	}
}

/* ---- clusters ---------------------------------------------------------- */

static void
build_cluster(struct conf_load *l, const struct conf_node *node, const char *cluster)
{
	const struct conf_entry *e = conf_entry(node, "service");
	struct conf_set names;
	struct conf *c = l->conf;

	conf_set_init(&names, &l->mem, e->n);
	for (unsigned i = 0; i < e->n; i++) {
		struct conf_service *s = &c->service[c->nservice];

		l->service_node[c->nservice++] = &e->node[i];
		conf_take_name(l, &e->node[i], &names, 0, "service", false, &s->name);
		conf_build_service(l, &e->node[i], cluster, s);
		conf_set_add(&l->services, 0, conf_printf(&l->mem, "%s.%s", cluster, s->name), s);
	}
}

static void
build_clusters(struct conf_load *l)
{
	const struct conf_entry *e = conf_entry(l->root, "cluster");
	struct conf_set names;
	unsigned total = 0;

	for (unsigned i = 0; i < e->n; i++)
		total += conf_entry(&e->node[i], "service")->n;
	l->conf->service = conf_array(l->conf->memory, total, sizeof(*l->conf->service));
	l->service_node = conf_array(&l->mem, total, sizeof(*l->service_node));
	conf_set_init(&l->services, &l->mem, total);
	conf_set_init(&names, &l->mem, e->n);
	for (unsigned i = 0; i < e->n; i++) {
		char *name;

		conf_take_name(l, &e->node[i], &names, 0, "cluster", false, &name);
		build_cluster(l, &e->node[i], name);
	}
}

void
conf_build(struct conf_load *l)
{
	build_global(l);
	build_listeners(l);
	build_clusters(l);
}
