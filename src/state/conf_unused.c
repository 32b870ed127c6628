/* SPDX-License-Identifier: ISC */
/*
 * Warnings about keys that stand where nothing reads them: timeouts of a
 * service that count before there is one, and what a check of another type
 * would ask for.
 */
#include "config.h"
#include "state/conf_priv.h"

#include <string.h>

#define BIT(t)		(1u << (t))
#define ASKS		(BIT(CONF_CHECK_HTTP) | BIT(CONF_CHECK_HTTPS))

static const struct conf_node *
child(const struct conf_node *parent, const char *key)
{
	const struct conf_entry *e = conf_entry(parent, key);

	return e->n == 0 ? NULL : &e->node[0];
}

static void
unused_timeouts(struct conf_load *l, const struct conf_node *service)
{
	static const char *const before[] = { "handshake", "request", "keep-alive" };
	const struct conf_node *node = child(service, "timeouts");

	for (unsigned i = 0; node != NULL && i < sizeof(before) / sizeof(before[0]); i++) {
		const struct conf_entry *e = conf_entry(node, before[i]);

		if (e->given)
			conf_warn(l, e->where, "%s does nothing in a service: when it counts, no service is "
			    "known; it may stand in a listener, or outside of sections", before[i]);
	}
}

/* types: of all the checks that this section has a say in.  Who has turned
 * checks off for a while need not take out what they said. */
static void
unused_in_check(struct conf_load *l, const struct conf_node *parent, unsigned types)
{
	static const struct { const char *key; unsigned types; } uses[] = {
		{ "path", ASKS }, { "status", ASKS }, { "host", ASKS | BIT(CONF_CHECK_TLS) },
		{ "ca-file", BIT(CONF_CHECK_HTTPS) }
	};
	const struct conf_node *node = child(parent, "check");
	unsigned n, type = 0;
	const struct conf_key *k = conf_keys(CONF_SEC_CHECK, &n);

	types &= ~BIT(CONF_CHECK_NONE);
	if (node == NULL || types == 0)
		return;
	while ((types & BIT(type)) == 0)
		type++;
	for (unsigned i = 0; i < sizeof(uses) / sizeof(uses[0]); i++) {
		int key = conf_key_find(CONF_SEC_CHECK, uses[i].key, strlen(uses[i].key));
		const struct conf_entry *e = &node->entry[key];

		/* -T prints every default */
		if (e->given && (types & uses[i].types) == 0 && strcmp(e->item[0].text, k[key].def) != 0)
			conf_warn(l, e->where, "%s = \"%s\": a \"%s\" check has no use for it", uses[i].key,
			    e->item[0].text, conf_check_name((enum conf_check_type)type));
	}
}

void
conf_unused_all(struct conf_load *l)
{
	const struct conf *c = l->conf;
	unsigned *service = conf_array(&l->mem, c->nservice, sizeof(*service));
	unsigned *listener = conf_array(&l->mem, c->nlistener, sizeof(*listener));

	for (unsigned i = 0; i < c->nlistener; i++)
		listener[i] = BIT(c->listener[i].check.type);
	for (unsigned i = 0; i < c->nbackend; i++) {
		const struct conf_backend *b = &c->backend[i];

		service[b->service - c->service] |= BIT(b->check.type);
		listener[b->listener] |= BIT(b->check.type);
	}
	for (unsigned i = 0; i < c->nlistener; i++)
		unused_in_check(l, l->listener_node[i], listener[i]);
	for (unsigned i = 0; i < c->nservice; i++) {
		unused_in_check(l, l->service_node[i], service[i]);
		unused_timeouts(l, l->service_node[i]);
	}
}
