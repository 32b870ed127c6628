/* SPDX-License-Identifier: ISC */
/*
 * What several values of a configuration must agree on: keys with the
 * protocol, patterns with each other, addresses with each other.
 */
#include "config.h"
#include "state/conf_priv.h"

#include <string.h>
#include <strings.h>

static void
check_listener_keys(struct conf_load *l, const struct conf_node *node,
    const struct conf_listener *ls)
{
	unsigned n;
	const struct conf_key *k = conf_keys(CONF_SEC_LISTENER, &n);

	if (!conf_entry(node, "protocol")->given)
		return;
	for (unsigned i = 0; i < n; i++)
		if (node->entry[i].given && k[i].protocols != 0 &&
		    (k[i].protocols & 1u << ls->protocol) == 0)
			conf_error(l, node->entry[i].where, "%s: a %s listener has no such key", k[i].name,
			    conf_protocol_name(ls->protocol));
}

static bool
bind_is_private(const struct conf_bind *b)
{
	static const uint8_t loopback6[16] = { [15] = 1 };

	if (b->addr.family == ADDR_IPV4)
		return b->addr.ip[12] == 127;
	return b->path != NULL || (!b->any && memcmp(b->addr.ip, loopback6, 16) == 0);
}

/* Statistics tell a stranger much: without a password only this host gets them. */
static void
check_stats(struct conf_load *l, const struct conf_node *node, const struct conf_listener *ls)
{
	const struct conf_entry *uri = conf_entry(node, "uri"), *user = conf_entry(node, "user");

	if (ls->protocol != CONF_STATS)
		return;
	if (*ls->uri != '/' || strpbrk(ls->uri, " \t\r\n#;") != NULL)
		conf_error(l, uri->where, "uri = \"%s\": it begins with / and has no white space, # or ;",
		    ls->uri);
	else if (strcmp(ls->uri, "/metrics") == 0 || strcmp(ls->uri, "/healthz") == 0 ||
	    strncmp(ls->uri, "/metrics?", 9) == 0 || strncmp(ls->uri, "/healthz?", 9) == 0)
		conf_error(l, uri->where, "uri = \"%s\": something else is there, so nobody could reach the page",
		    ls->uri);
	if (strchr(ls->user, ':') != NULL)
		conf_error(l, user->where, "user = \"%s\": HTTP Basic authentication allows no colon",
		    ls->user);
	if (*ls->password != '\0' && *ls->user == '\0')
		conf_error(l, ls->where, "listener \"%s\": a password without a user", ls->name);
	if (*ls->password == '\0' && *ls->user != '\0')
		conf_error(l, user->where, "listener \"%s\": a user without a password", ls->name);
	for (unsigned i = 0; *ls->password == '\0' && i < ls->nbind; i++)
		if (!bind_is_private(&ls->bind[i])) {
			conf_error(l, ls->where, "listener \"%s\": without user and password, statistics "
			    "may be bound to 127.0.0.1, [::1] or a unix socket only, not \"%s\"",
			    ls->name, ls->bind[i].text);
			return;
		}
}

/* The build decides what checks there are. */
static void
check_types(struct conf_load *l)
{
#ifdef HAVE_OPENSSL
	(void)l;
#else
	for (unsigned b = 0; b < l->conf->nbackend; b++)
		if (l->conf->backend[b].check.type == CONF_CHECK_HTTPS)
			conf_error(l, l->conf->backend[b].service->where, "backend \"%s\": this durward "
			    "was built without OpenSSL, so it has no \"https\" check",
			    l->conf->backend[b].name);
#endif
}

/* The names under which conf_set holds what listens on a port already: any
 * address of a family, or all of it. */
static const char *const some_of[] = { "some IPv4", "some IPv6" };
static const char *const all_of[] = { "all IPv4", "all IPv6" };

/* The kernel lets nobody listen on all addresses of a port beside somebody who
 * listens on one of them. */
static const struct conf_listener *
overlapping(struct conf_set *seen, const struct conf_bind *b, const struct conf_listener *ls)
{
	static const uint8_t zero[16];
	const struct conf_listener *first = NULL, *other;
	bool all;

	if (b->path != NULL)
		return NULL;
	all = memcmp(b->addr.ip + 12, zero, 4) == 0 &&
	    (b->addr.family == ADDR_IPV4 || memcmp(b->addr.ip, zero, 12) == 0);
	for (unsigned f = 0; f < 2; f++) {
		if (!b->any && (b->addr.family == ADDR_IPV6) != (f == 1))
			continue;
		other = conf_set_find(seen, b->addr.port, all ? some_of[f] : all_of[f]);
		first = first == NULL ? other : first;
		conf_set_add(seen, b->addr.port, some_of[f], ls);
		if (all)
			conf_set_add(seen, b->addr.port, all_of[f], ls);
	}
	return first;
}

static void
check_bind(struct conf_load *l, struct conf_set *seen, const struct conf_listener *ls,
    const struct conf_bind *b, struct conf_where w)
{
	char buf[ADDR_STRLEN];
	const char *key = b->path != NULL ? b->text : addr_format(&b->addr, true, buf);
	const struct conf_listener *same, *part;

	same = conf_set_add(seen, 0, conf_strdup(&l->mem, key), ls);
	part = overlapping(seen, b, ls);
	if (same != NULL)
		conf_error(l, w, "bind = \"%s\": listener \"%s\" (%s) has this address already",
		    b->text, same->name, conf_where_text(l, same->where, w));
	else if (part != NULL)
		conf_error(l, w, "bind = \"%s\": listener \"%s\" (%s) is on this port already, and one "
		    "of the two is on every address", b->text, part->name,
		    conf_where_text(l, part->where, w));
}

static void
check_binds(struct conf_load *l)
{
	struct conf_set seen;

	conf_set_init(&seen, &l->mem, 16);
	for (unsigned i = 0; i < l->conf->nlistener; i++)
		for (unsigned k = 0; k < l->conf->listener[i].nbind; k++)
			check_bind(l, &seen, &l->conf->listener[i], &l->conf->listener[i].bind[k],
			    conf_entry(l->listener_node[i], "bind")->item[k].where);
}

/* The same pattern twice on one listener has no winner. */
static void
check_patterns(struct conf_load *l)
{
	const struct conf *c = l->conf;
	struct conf_set seen;
	size_t total = 0;

	for (unsigned i = 0; i < c->nservice; i++)
		total += (size_t)c->service[i].nhost * c->service[i].nlistener;
	conf_set_init(&seen, &l->mem, total);
	for (unsigned i = 0; i < c->nservice; i++)
		for (unsigned h = 0; h < c->service[i].nhost; h++)
			for (unsigned k = 0; k < c->service[i].nlistener; k++) {
				const struct conf_host *host = &c->service[i].host[h], *first;
				unsigned listener = c->service[i].listener[k];

				first = conf_set_add(&seen, listener, host->text, host);
				if (first == NULL)
					continue;
				conf_error(l, host->where, "hosts = \"%s\": listener \"%s\" has this pattern "
				    "on %s already", host->text, c->listener[listener].name,
				    conf_where_text(l, first->where, host->where));
			}
}

/* Keys of a service that only HTTP can honour. */
static void
check_http_only(struct conf_load *l, const struct conf_node *node, const struct conf_service *s)
{
	static const char *const keys[] = { "forwarded-for", "server-name-header" };

	if (s->nlistener == 0)
		return;
	for (unsigned i = 0; i < s->nlistener; i++)
		if (l->conf->listener[s->listener[i]].protocol == CONF_HTTP)
			return;
	for (unsigned i = 0; i < 2; i++) {
		const struct conf_entry *e = conf_entry(node, keys[i]);

		if (e->given)
			conf_error(l, e->where, "%s: service \"%s\" has no http listener, and TLS is not "
			    "opened here", keys[i], s->name);
	}
}

static bool
is_field_name(const char *text)
{
	return text[strspn(text, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ")] == '\0';
}

static void
check_server_name_header(struct conf_load *l, const struct conf_node *node,
    const struct conf_service *s)
{
	/* a server's name in one of these would make two messages of one */
	static const char *const framing[] = { "Content-Length", "Transfer-Encoding", "Connection",
	    "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Upgrade" };
	const struct conf_entry *e = conf_entry(node, "server-name-header");

	for (unsigned i = 0; i < sizeof(framing) / sizeof(*framing); i++)
		if (strcasecmp(s->server_name_header, framing[i]) == 0)
			conf_error(l, e->where, "server-name-header = \"%s\": that field says where a "
			    "message ends, or for whom it is", s->server_name_header);
	if (!is_field_name(s->server_name_header))
		conf_error(l, e->where, "server-name-header = \"%s\": not a name of an HTTP field (RFC 9110 5.1)",
		    s->server_name_header);
}

void
conf_check_all(struct conf_load *l)
{
	for (unsigned i = 0; i < l->conf->nlistener; i++) {
		check_listener_keys(l, l->listener_node[i], &l->conf->listener[i]);
		check_stats(l, l->listener_node[i], &l->conf->listener[i]);
	}
	for (unsigned i = 0; i < l->conf->nservice; i++) {
		check_http_only(l, l->service_node[i], &l->conf->service[i]);
		check_server_name_header(l, l->service_node[i], &l->conf->service[i]);
	}
	check_types(l);
	check_binds(l);
	check_patterns(l);
}
