/* SPDX-License-Identifier: ISC */
/*
 * Warnings: what is no error, but seldom meant.  Only what can be decided is
 * said: a regex is compared with names as text where it is one name or one
 * label before a suffix, and tried on the names of other clusters.
 */
#include "config.h"
#include "state/conf_priv.h"

#include <ctype.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define SLOW_MS		30000		/* OpenShift asks that a dead API server is left by then */
#define MAX_TRIALS	200000		/* of a regex on a name: some 50 ms */

struct pattern {
	const struct conf_service *service;
	const struct conf_host *host;
};

struct survey {				/* the patterns of one listener */
	struct conf_load *load;
	unsigned listener;
	struct pattern *pattern;	/* in the file's order */
	size_t n, nregex;
	struct conf_set by_text;	/* to struct pattern */
};

static bool
is_exact(const char *text)
{
	return *text != '~' && *text != '*';
}

static bool
same_cluster(const struct pattern *a, const struct pattern *b)
{
	return strcmp(a->service->cluster, b->service->cluster) == 0;
}

/* ---- names inside another cluster's wildcard ---------------------------- */

static const struct pattern *
find_text(const struct survey *s, const char *stars, const char *suffix)
{
	char text[300];

	snprintf(text, sizeof(text), "%s%s", stars, suffix);
	return conf_set_find(&s->by_text, 0, text);
}

/* The most specific wildcard that covers the names below suffix: "*." (where
 * one is asked for) or "**." of it, or a "**." of what it ends in. */
static const struct pattern *
covering(const struct survey *s, const char *suffix, bool one)
{
	while (suffix != NULL) {
		const struct pattern *p = one ? find_text(s, "*.", suffix) : NULL;

		if (p == NULL)
			p = find_text(s, "**.", suffix);
		if (p != NULL)
			return p;
		one = false;
		suffix = strchr(suffix, '.');
		if (suffix != NULL)
			suffix++;
	}
	return NULL;
}

static const char *
parent(const char *name)
{
	const char *dot = strchr(name, '.');

	return dot == NULL ? NULL : dot + 1;
}

static void
warn_taken(const struct survey *s, const struct pattern *p, const struct pattern *from)
{
	conf_warn(s->load, p->host->where, "hosts = \"%s\": on listener \"%s\" cluster \"%s\" takes this "
	    "from \"%s\" of cluster \"%s\" (%s)", p->host->text,
	    s->load->conf->listener[s->listener].name, p->service->cluster, from->host->text,
	    from->service->cluster, conf_where_text(s->load, from->host->where, p->host->where));
}

static void
warn_inside(const struct survey *s, const struct pattern *p)
{
	const char *text = p->host->text;
	const struct pattern *from;

	if (*text == '~' || strcmp(text, "*") == 0)
		return;
	if (strncmp(text, "**.", 3) == 0)
		from = covering(s, parent(text + 3), false);
	else
		from = covering(s, parent(text), *text != '*');
	if (from != NULL && !same_cluster(from, p))
		warn_taken(s, p, from);
}

/* ---- regexes -------------------------------------------------------------- */

/* The plain text that a regex spells up to a final "$": letters, digits, "-",
 * "_" and quoted dots.  False where it is anything else. */
static bool
plain_text(const char *re, char *out, size_t size)
{
	size_t n = 0;

	for (; *re != '\0' && strcmp(re, "$") != 0; re++) {
		if (strncmp(re, "[.]", 3) == 0)
			re += 2, out[n++] = '.';
		else if (strncmp(re, "\\.", 2) == 0)
			re += 1, out[n++] = '.';
		else if (isalnum((unsigned char)*re) || *re == '-' || *re == '_')
			out[n++] = (char)tolower((unsigned char)*re);
		else
			return false;
		if (n + 1 >= size)
			return false;
	}
	out[n] = '\0';
	return *re == '$' && n > 0;
}

/* What gets every name that this regex could get, NULL where nothing does for
 * sure. */
static const struct pattern *
hiding(const struct survey *s, const char *re)
{
	static const char *const one_label[] = { "^[^.]+\\.", "^[^\\.]+\\.", "^[^.]+[.]", "^[^.]*\\." };
	const struct pattern *p;
	char text[256];

	if (*re == '^' && plain_text(re + 1, text, sizeof(text))) {
		p = find_text(s, "", text);
		return p != NULL ? p : covering(s, parent(text), true);
	}
	for (size_t i = 0; i < sizeof(one_label) / sizeof(one_label[0]); i++) {
		size_t len = strlen(one_label[i]);

		if (strncmp(re, one_label[i], len) == 0 && plain_text(re + len, text, sizeof(text)))
			return covering(s, text, true);
	}
	return NULL;
}

static bool
matches_all(const char *re)
{
	static const char *const all[] = { "", ".*", "^.*", ".*$", "^.*$", ".+", "^.+$", "^", "$", "." };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (strcmp(re, all[i]) == 0)
			return true;
	return false;
}

static void
warn_regex_names(const struct survey *s, const struct pattern *rule)
{
	regex_t re;

	if (s->n * s->nregex > MAX_TRIALS ||
	    regcomp(&re, rule->host->text + 1, REG_EXTENDED | REG_ICASE | REG_NOSUB) != 0)
		return;
	for (size_t i = 0; i < s->n; i++) {
		const struct pattern *p = &s->pattern[i];

		if (is_exact(p->host->text) && !same_cluster(p, rule) &&
		    regexec(&re, p->host->text, 0, NULL, 0) == 0)
			warn_taken(s, p, rule);
	}
	regfree(&re);
}

static void
warn_regexes(const struct survey *s)
{
	const struct pattern *all = NULL, *by;

	for (size_t i = 0; i < s->n; i++) {
		const struct pattern *p = &s->pattern[i];

		if (*p->host->text != '~')
			continue;
		by = all != NULL ? all : hiding(s, p->host->text + 1);
		if (by != NULL)
			conf_warn(s->load, p->host->where, "hosts = \"%s\": on listener \"%s\" no name gets "
			    "here, for \"%s\" of cluster \"%s\" (%s) comes first", p->host->text,
			    s->load->conf->listener[s->listener].name, by->host->text,
			    by->service->cluster, conf_where_text(s->load, by->host->where, p->host->where));
		else if (matches_all(p->host->text + 1))
			all = p;
		else
			warn_regex_names(s, p);
	}
}

/* ---- certificates ---------------------------------------------------------- */

/* Two clusters with names under one parent: a certificate for *.parent is
 * good for both, and a browser that has a connection to one will reuse it for
 * the other (RFC 9113 9.1.1). */
static void
warn_certificates(const struct survey *s)
{
	struct conf_set parents, told;

	conf_set_init(&parents, &s->load->mem, s->n);
	conf_set_init(&told, &s->load->mem, 16);
	for (size_t i = 0; i < s->n; i++) {
		const struct pattern *p = &s->pattern[i], *first;
		const char *dot = strchr(p->host->text, '.');

		if ((!is_exact(p->host->text) && strncmp(p->host->text, "*.", 2) != 0) ||
		    dot == NULL || strchr(dot + 1, '.') == NULL)
			continue;	/* nobody signs a wildcard for a whole top level */
		first = conf_set_add(&parents, 0, dot + 1, p);
		if (first == NULL || same_cluster(first, p) ||
		    conf_set_add(&told, 0, dot + 1, p) != NULL)
			continue;
		conf_warn(s->load, p->host->where, "hosts = \"%s\": one certificate for \"*%s\" would cover "
		    "cluster \"%s\" and, with \"%s\" (%s), cluster \"%s\"; browsers would then send "
		    "requests for both on one connection", p->host->text, dot, p->service->cluster,
		    first->host->text, conf_where_text(s->load, first->host->where, p->host->where),
		    first->service->cluster);
	}
}

/* ---- the listener's patterns ------------------------------------------------ */

static void
survey_listener(struct survey *s, const size_t *total)
{
	const struct conf *c = s->load->conf;

	s->pattern = conf_array(&s->load->mem, total[s->listener], sizeof(*s->pattern));
	conf_set_init(&s->by_text, &s->load->mem, total[s->listener]);
	for (unsigned b = 0; b < c->nbackend; b++) {
		const struct conf_service *sv = c->backend[b].service;

		if (c->backend[b].fallback_only || c->backend[b].listener != s->listener)
			continue;
		for (unsigned h = 0; h < sv->nhost; h++) {
			struct pattern *p = &s->pattern[s->n++];

			*p = (struct pattern){ .service = sv, .host = &sv->host[h] };
			s->nregex += *p->host->text == '~';
			conf_set_add(&s->by_text, 0, p->host->text, p);
		}
	}
}

static void
warn_names(struct conf_load *l)
{
	const struct conf *c = l->conf;
	size_t *total = conf_array(&l->mem, c->nlistener, sizeof(*total));

	for (unsigned b = 0; b < c->nbackend; b++)
		total[c->backend[b].listener] += c->backend[b].service->nhost;
	for (unsigned i = 0; i < c->nlistener; i++) {
		struct survey s = { .load = l, .listener = i };

		survey_listener(&s, total);
		for (size_t k = 0; k < s.n; k++)
			warn_inside(&s, &s.pattern[k]);
		warn_regexes(&s);
		if (c->listener[i].protocol == CONF_TLS)
			warn_certificates(&s);
	}
}

/* ---- checks -------------------------------------------------------------------- */

/* From a server's death just after a good probe to DOWN, in milliseconds.
 * Probes start on a grid of interval; one that is still running when its turn
 * comes again lets that turn pass. */
static long
detection_ms(const struct conf_check *c)
{
	long interval = c->interval_ms;
	long step = (c->timeout_ms + interval - 1) / interval * interval;

	if (step < interval)
		step = interval;
	return interval + (c->fall - 1) * step + c->timeout_ms;
}

static void
warn_slow(struct conf_load *l)
{
	const struct conf_service *told = NULL;

	for (unsigned b = 0; b < l->conf->nbackend; b++) {
		const struct conf_backend *be = &l->conf->backend[b];
		long ms = detection_ms(&be->check);

		if (be->check.type == CONF_CHECK_NONE || ms <= SLOW_MS || told == be->service)
			continue;
		told = be->service;
		conf_warn(l, be->service->where, "backend \"%s\": it can take %ld s until a dead server counts "
		    "as DOWN (interval, timeout and fall of its check); Kubernetes installers ask for 30 s "
		    "at most", be->name, (ms + 999) / 1000);
	}
}

static void
warn_host_header(struct conf_load *l)
{
	for (unsigned i = 0; i < l->conf->nservice; i++)
		if (strcasecmp(l->conf->service[i].server_name_header, "Host") == 0)
			conf_warn(l, conf_entry(l->service_node[i], "server-name-header")->where,
			    "server-name-header = \"Host\": it replaces the name that the client asked "
			    "for, so an ingress router will know no route for it");
}

/* ---- what serves nobody -------------------------------------------------------- */

static bool
has_weight(const struct conf_service *s)
{
	for (unsigned i = 0; i < s->nserver; i++)
		if (s->server[i].weight > 0)
			return true;
	return false;
}

static void
warn_nobody(struct conf_load *l)
{
	const struct conf_entry *e = conf_entry(l->root, "cluster");
	const struct conf *c = l->conf;

	if (e->n == 0)
		conf_warn(l, (struct conf_where){ .file = c->path }, "there is no service: every client is "
		    "turned away");
	for (unsigned i = 0; i < e->n; i++)
		if (conf_entry(&e->node[i], "service")->n == 0)
			conf_warn(l, e->node[i].title.where, "cluster \"%s\" has no service",
			    e->node[i].title.text);
	for (unsigned i = 0; i < c->nservice; i++)
		if (!has_weight(&c->service[i]))
			conf_warn(l, c->service[i].where, "service \"%s\": each of its servers has weight 0, "
			    "so no client gets one", c->service[i].name);
}

/* ---- addresses ------------------------------------------------------------------ */

/* An IPv6 address without brackets whose end looks like a port. */
static void
warn_port(struct conf_load *l, const struct conf_item *item, const char *key)
{
	const char *eq = strchr(item->text, '='), *text = eq == NULL ? item->text : eq + 1;
	const char *colon = strrchr(text, ':');
	struct addr a;
	uint16_t port;
	char *head;

	if (*text == '[' || colon == NULL || !conf_parse_port(colon + 1, strlen(colon + 1), &port))
		return;
	head = conf_strndup(&l->mem, text, (size_t)(colon - text));
	if (strchr(head, ':') != NULL && addr_parse_ip(head, &a) && addr_parse_ip(text, &a))
		conf_warn(l, item->where, "%s = \"%s\": this is all an address; with a port write \"[%s]:%u\", "
		    "without one \"[%s]\"", key, item->text, head, port, text);
}

static void
warn_ports(struct conf_load *l)
{
	for (unsigned i = 0; i < l->conf->nservice; i++) {
		const struct conf_entry *list = conf_entry(l->service_node[i], "servers");
		const struct conf_entry *e = conf_entry(l->service_node[i], "server");

		for (unsigned k = 0; k < list->n; k++)
			warn_port(l, &list->item[k], "servers");
		for (unsigned k = 0; k < e->n; k++)
			warn_port(l, conf_entry(&e->node[k], "address")->item, "address");
	}
}

static void
warn_root(struct conf_load *l)
{
	if (strcmp(l->conf->user, "root") == 0)
		conf_warn(l, l->conf->user_where, "user = \"root\": every process that meets a client is "
		    "root's then");
}

void
conf_warn_all(struct conf_load *l)
{
	warn_root(l);
	warn_names(l);
	warn_slow(l);
	warn_host_header(l);
	warn_nobody(l);
	warn_ports(l);
}
