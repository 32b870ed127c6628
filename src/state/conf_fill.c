/* SPDX-License-Identifier: ISC */
/*
 * The plain keys of a section, from its text into its struct, as the table of
 * keys says.  Keys with a parser of their own are conf_build's business.
 */
#include "config.h"
#include "state/conf_priv.h"

#include <stdlib.h>
#include <string.h>

const struct conf_entry *
conf_entry(const struct conf_node *node, const char *key)
{
	int i = conf_key_find(node->section, key, strlen(key));

	if (i < 0)
		abort();	/* a name that is not in the table: a mistake in this program */
	return &node->entry[i];
}

static bool
in_range(struct conf_load *l, const struct conf_key *k, struct conf_where w, const char *text, long n)
{
	char min[CONF_DURATION_LEN], max[CONF_DURATION_LEN];

	if (n >= k->min && n <= k->max)
		return true;
	if (k->type == CONF_T_DURATION)
		conf_error(l, w, "%s = \"%s\": it must lie between %s and %s", k->name, text,
		    conf_duration_text(min, k->min), conf_duration_text(max, k->max));
	else
		conf_error(l, w, "%s = \"%s\": it must lie between %ld and %ld", k->name, text, k->min,
		    k->max);
	return false;
}

static void
fill_number(struct conf_load *l, const struct conf_key *k, struct conf_where w, const char *text,
    void *field)
{
	const char *why = NULL;
	long n = 0;
	bool ok = k->type == CONF_T_DURATION ? conf_parse_duration(text, &n, &why) :
	    conf_parse_count(text, &n, &why);

	if (!ok)
		conf_error(l, w, "%s = \"%s\": %s", k->name, text, why);
	if (!ok || !in_range(l, k, w, text, n))
		return;
	if (k->type == CONF_T_COUNT)
		*(unsigned *)field = (unsigned)n;
	else
		*(int *)field = (int)n;
}

static void
fill_word(struct conf_load *l, const struct conf_key *k, struct conf_where w, const char *text,
    void *field)
{
	int i = conf_parse_word(text, k->words);

	if (i < 0)
		conf_error(l, w, "%s = \"%s\": expected %s", k->name, text,
		    conf_words_text(&l->mem, k->words));
	else
		*(int *)field = (int)k->min + i;	/* an enum, or a level of syslog */
}

static void
fill_value(struct conf_load *l, const struct conf_key *k, struct conf_where w, const char *text,
    void *field)
{
	switch (k->type) {
	case CONF_T_TEXT:
		*(char **)field = conf_strdup(l->conf->memory, text);
		break;
	case CONF_T_DURATION:
	case CONF_T_COUNT:
	case CONF_T_INT:
		fill_number(l, k, w, text, field);
		break;
	case CONF_T_BOOL:
		if (!conf_parse_bool(text, field))
			conf_error(l, w, "%s = \"%s\": expected true or false", k->name, text);
		break;
	case CONF_T_WORD:
		fill_word(l, k, w, text, field);
		break;
	case CONF_T_NETS:
	case CONF_T_SPECIAL:
	case CONF_T_LIST:
	case CONF_T_SECTION:
	case CONF_T_CALL:
		break;
	}
}

static void
fill_nets(struct conf_load *l, const struct conf_key *k, const struct conf_entry *e,
    struct conf_nets *nets)
{
	nets->net = conf_array(l->conf->memory, e->n, sizeof(*nets->net));
	nets->text = conf_array(l->conf->memory, e->n, sizeof(*nets->text));
	nets->n = 0;
	for (unsigned i = 0; i < e->n; i++) {
		const char *text = e->item[i].text;
		const char *why;

		if (!cidr_parse(text, strlen(text), &nets->net[nets->n], &why)) {
			conf_error(l, e->item[i].where, "%s = \"%s\": %s", k->name, text, why);
			continue;
		}
		nets->text[nets->n++] = conf_strdup(l->conf->memory, text);
	}
}

void
conf_fill_defaults(struct conf_load *l, enum conf_section section, void *into)
{
	struct conf_where none = { .file = l->conf->path, .line = 0 };
	unsigned n;
	const struct conf_key *k = conf_keys(section, &n);

	for (unsigned i = 0; i < n; i++)
		if (k[i].def != NULL)
			fill_value(l, &k[i], none, k[i].def, (char *)into + k[i].offset);
}

void
conf_fill(struct conf_load *l, const struct conf_node *node, void *into)
{
	unsigned n;
	const struct conf_key *k = conf_keys(node->section, &n);

	for (unsigned i = 0; i < n; i++) {
		const struct conf_entry *e = &node->entry[i];
		void *field = (char *)into + k[i].offset;

		if (k[i].type == CONF_T_NETS)
			fill_nets(l, &k[i], e, field);
		else if (e->n > 0 && k[i].type != CONF_T_SECTION)
			fill_value(l, &k[i], e->where, e->item[0].text, field);
	}
}
