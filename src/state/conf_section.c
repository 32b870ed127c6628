/* SPDX-License-Identifier: ISC */
/*
 * The sections that stand in several places and inherit: timeouts and check.
 * Each place keeps what it says itself and a bit for each key said; a backend
 * has the service's over the listener's.
 */
#include "config.h"
#include "state/conf_priv.h"

#include <string.h>

#include "wire/hostname.h"

/* The only section under this key in parent, NULL if there is none. */
static const struct conf_node *
only_child(const struct conf_node *parent, const char *key)
{
	const struct conf_entry *e = conf_entry(parent, key);

	return e->n == 0 ? NULL : &e->node[e->n - 1];
}

static unsigned
given_bits(const struct conf_node *node)
{
	unsigned n, bits = 0;

	conf_keys(node->section, &n);
	for (unsigned i = 0; i < n; i++)
		if (node->entry[i].given)
			bits |= 1u << i;
	return bits;
}

void
conf_build_timeouts(struct conf_load *l, const struct conf_node *parent, struct conf_timeouts *t,
    unsigned *given)
{
	const struct conf_node *node = only_child(parent, "timeouts");

	if (node == NULL)
		return;
	conf_fill(l, node, t);
	if (given != NULL)
		*given = given_bits(node);
}

static void
check_strings(struct conf_load *l, const struct conf_node *node, struct conf_check *c)
{
	const struct conf_entry *path = conf_entry(node, "path"), *host = conf_entry(node, "host");
	const struct conf_entry *ca = conf_entry(node, "ca-file");
	const char *why;
	char canon[256];

	if (path->given && (*c->path != '/' || strpbrk(c->path, " \t\r\n#") != NULL))
		conf_error(l, path->where, "path = \"%s\": it begins with / and has no white space",
		    c->path);
	if (host->given && *c->host != '\0' &&
	    hostname_from_host_field(c->host, strlen(c->host), canon) <= 0)
		conf_error(l, host->where, "host = \"%s\": not a host name", c->host);
	if (!ca->given || *c->ca_file == '\0')
		return;
	c->ca_file = conf_path(l, ca->where, c->ca_file);
	if ((why = conf_path_no_certificate(c->ca_file)) != NULL)
		conf_error(l, ca->where, "ca-file = \"%s\": %s", c->ca_file, why);
}

static void
check_special(struct conf_load *l, const struct conf_node *node, struct conf_check *c)
{
	const struct conf_entry *port = conf_entry(node, "port");
	const struct conf_entry *status = conf_entry(node, "status");
	const char *why;

	if (port->given && strcmp(port->item[0].text, "0") != 0 &&
	    !conf_parse_port(port->item[0].text, strlen(port->item[0].text), &c->port))
		conf_error(l, port->where, "port = \"%s\": a port is a number from 1 to 65535",
		    port->item[0].text);
	if (status->given &&
	    !conf_parse_status(l->conf->memory, status->item[0].text, c, &why))
		conf_error(l, status->where, "status = \"%s\": %s", status->item[0].text, why);
}

void
conf_build_check(struct conf_load *l, const struct conf_node *parent, struct conf_check *c,
    unsigned *given)
{
	const struct conf_node *node = only_child(parent, "check");

	if (node == NULL)
		return;
	conf_fill(l, node, c);
	check_special(l, node, c);
	check_strings(l, node, c);
	if (given != NULL)
		*given = given_bits(node);
}

void
conf_check_defaults(struct conf_load *l, struct conf_check *c)
{
	unsigned n;
	const struct conf_key *k = conf_keys(CONF_SEC_CHECK, &n);
	const char *why;

	conf_fill_defaults(l, CONF_SEC_CHECK, c);
	conf_parse_status(l->conf->memory,
	    k[conf_key_find(CONF_SEC_CHECK, "status", strlen("status"))].def, c, &why);
}

static size_t
field_size(const struct conf_key *k)
{
	return k->type == CONF_T_TEXT ? sizeof(char *) : sizeof(int);
}

/* Copy the plain keys that are given. */
static void
overlay(enum conf_section section, void *into, const void *over, unsigned given)
{
	unsigned n;
	const struct conf_key *k = conf_keys(section, &n);

	for (unsigned i = 0; i < n; i++)
		if ((given & 1u << i) != 0 && k[i].type != CONF_T_SPECIAL)
			memcpy((char *)into + k[i].offset, (const char *)over + k[i].offset,
			    field_size(&k[i]));
}

void
conf_timeouts_overlay(struct conf_timeouts *t, const struct conf_timeouts *over, unsigned given)
{
	overlay(CONF_SEC_TIMEOUTS, t, over, given);
}

void
conf_check_overlay(struct conf_check *c, const struct conf_check *over, unsigned given)
{
	overlay(CONF_SEC_CHECK, c, over, given);
	if ((given & 1u << conf_key_find(CONF_SEC_CHECK, "port", strlen("port"))) != 0)
		c->port = over->port;
	if ((given & 1u << conf_key_find(CONF_SEC_CHECK, "status", strlen("status"))) != 0) {
		c->status = over->status;
		c->nstatus = over->nstatus;
		c->status_text = over->status_text;
	}
}
