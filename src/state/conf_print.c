/* SPDX-License-Identifier: ISC */
/*
 * -T: the effective configuration as a file that reads back to the same, with
 * every default filled in.  Timeouts and checks of listeners are complete; a
 * service shows what it says itself, for the rest is its listeners', and they
 * may differ.  No clear password is ever here to be printed.
 */
#include "config.h"
#include "state/conf_priv.h"

#include <string.h>

struct print {
	FILE *out;
	int depth;
};

static void
indent(const struct print *p)
{
	for (int i = 0; i < p->depth; i++)
		fputs("    ", p->out);
}

/* A string as libconfuse reads it back: quote, backslash, "${" and control
 * characters escaped. */
static void
put_string(const struct print *p, const char *s)
{
	putc('"', p->out);
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (c < 0x20 || c == 0x7f)
			fprintf(p->out, "\\x%02x", c);
		else if (c == '"' || c == '\\' || (c == '$' && s[1] == '{'))
			fprintf(p->out, "\\%c", c);
		else
			putc(c, p->out);
	}
	putc('"', p->out);
}

static void
put_key(const struct print *p, const char *key)
{
	indent(p);
	fprintf(p->out, "%s = ", key);
}

static void
put_text(const struct print *p, const char *key, const char *value)
{
	put_key(p, key);
	put_string(p, value);
	putc('\n', p->out);
}

static void
put_duration(const struct print *p, const char *key, int ms)
{
	char buf[CONF_DURATION_LEN];

	put_key(p, key);
	fprintf(p->out, "\"%s\"\n", conf_duration_text(buf, ms));
}

static void
put_list(const struct print *p, const char *key, char *const *text, unsigned n)
{
	put_key(p, key);
	putc('{', p->out);
	for (unsigned i = 0; i < n; i++) {
		fputs(i == 0 ? "" : ", ", p->out);
		put_string(p, text[i]);
	}
	fputs("}\n", p->out);
}

static void
open_section(struct print *p, const char *name, const char *title)
{
	indent(p);
	fputs(name, p->out);
	if (title != NULL) {
		putc(' ', p->out);
		put_string(p, title);
	}
	fputs(" {\n", p->out);
	p->depth++;
}

static void
close_section(struct print *p)
{
	p->depth--;
	indent(p);
	fputs("}\n", p->out);
}

/* ---- the plain keys, by the table -------------------------------------- */

static void
put_plain(const struct print *p, const struct conf_key *k, const void *field)
{
	const struct conf_nets *nets;

	switch (k->type) {
	case CONF_T_TEXT:
		put_text(p, k->name, *(char *const *)field);
		break;
	case CONF_T_DURATION:
		put_duration(p, k->name, *(const int *)field);
		break;
	case CONF_T_COUNT:
		put_key(p, k->name);
		fprintf(p->out, "%u\n", *(const unsigned *)field);
		break;
	case CONF_T_INT:
		put_key(p, k->name);
		fprintf(p->out, "%d\n", *(const int *)field);
		break;
	case CONF_T_BOOL:
		put_key(p, k->name);
		fprintf(p->out, "%s\n", *(const bool *)field ? "true" : "false");
		break;
	case CONF_T_WORD:
		put_text(p, k->name, k->words[*(const int *)field - (int)k->min]);
		break;
	case CONF_T_NETS:
		nets = field;
		put_list(p, k->name, nets->text, nets->n);
		break;
	case CONF_T_SPECIAL:
	case CONF_T_LIST:
	case CONF_T_SECTION:
	case CONF_T_CALL:
		break;
	}
}

#define ALL	UINT32_MAX

/* The keys of a section whose bits are in which. */
static void
put_keys(const struct print *p, enum conf_section section, const void *from, unsigned which)
{
	unsigned n;
	const struct conf_key *k = conf_keys(section, &n);

	for (unsigned i = 0; i < n; i++)
		if ((which & 1u << i) != 0)
			put_plain(p, &k[i], (const char *)from + k[i].offset);
}

static unsigned
bit_of(enum conf_section section, const char *key)
{
	return 1u << conf_key_find(section, key, strlen(key));
}

/* ---- sections ------------------------------------------------------------ */

static void
put_timeouts(struct print *p, const struct conf_timeouts *t, unsigned which)
{
	if (which == 0)
		return;
	open_section(p, "timeouts", NULL);
	put_keys(p, CONF_SEC_TIMEOUTS, t, which);
	close_section(p);
}

static void
put_check(struct print *p, const struct conf_check *c, unsigned which)
{
	if (which == 0)
		return;
	open_section(p, "check", NULL);
	put_keys(p, CONF_SEC_CHECK, c, which);
	if ((which & bit_of(CONF_SEC_CHECK, "port")) != 0) {
		put_key(p, "port");
		fprintf(p->out, "%u\n", c->port);
	}
	if ((which & bit_of(CONF_SEC_CHECK, "status")) != 0)
		put_text(p, "status", c->status_text);
	close_section(p);
}

static void
put_global(struct print *p, const struct conf *c)
{
	put_keys(p, CONF_SEC_ROOT, c, ALL);
	put_text(p, "log", c->log.text);
	open_section(p, "spare-workers", NULL);
	put_keys(p, CONF_SEC_SPARE, c, ALL);
	close_section(p);
	put_timeouts(p, &c->timeouts, ALL);
}

static unsigned
keys_of_protocol(enum conf_protocol protocol)
{
	unsigned n, which = 0;
	const struct conf_key *k = conf_keys(CONF_SEC_LISTENER, &n);

	for (unsigned i = 0; i < n; i++)
		if (k[i].protocols == 0 || (k[i].protocols & 1u << protocol) != 0)
			which |= 1u << i;
	return which;
}

static void
put_listener(struct print *p, const struct conf_listener *ls)
{
	open_section(p, "listener", ls->name);
	put_key(p, "bind");
	for (unsigned i = 0; i < ls->nbind; i++) {
		fputs(i == 0 ? "{" : ", ", p->out);
		put_string(p, ls->bind[i].text);
	}
	fputs("}\n", p->out);
	put_keys(p, CONF_SEC_LISTENER, ls, keys_of_protocol(ls->protocol));
	if (ls->protocol == CONF_STATS)
		put_text(p, "password", ls->password);
	put_timeouts(p, &ls->timeouts, ALL);
	if (ls->protocol != CONF_STATS)
		put_check(p, &ls->check, ALL);
	close_section(p);
}

/* The long form, for it has room for all; the order is kept. */
static void
put_server(struct print *p, const struct conf_server *sv)
{
	open_section(p, "server", sv->name);
	put_key(p, "address");
	if (sv->addr.port == 0)	/* in brackets its end is no port, for sure */
		fprintf(p->out, strchr(sv->address, ':') != NULL ? "\"[%s]\"\n" : "\"%s\"\n", sv->address);
	else
		fprintf(p->out, strchr(sv->address, ':') != NULL ? "\"[%s]:%u\"\n" : "\"%s:%u\"\n",
		    sv->address, sv->addr.port);
	put_keys(p, CONF_SEC_SERVER, sv, ALL);
	close_section(p);
}

static unsigned
keys_of_service(const struct conf *c, const struct conf_service *s)
{
	unsigned which = ALL;
	bool http = false;

	for (unsigned i = 0; i < s->nlistener; i++)
		http |= c->listener[s->listener[i]].protocol == CONF_HTTP;
	if (!http)
		which &= ~(bit_of(CONF_SEC_SERVICE, "forwarded-for") |
		    bit_of(CONF_SEC_SERVICE, "server-name-header"));
	if (!s->has_balance)
		which &= ~bit_of(CONF_SEC_SERVICE, "balance");
	return which;
}

static void
put_service(struct print *p, const struct conf *c, const struct conf_service *s)
{
	open_section(p, "service", s->name);
	put_key(p, "listeners");
	for (unsigned i = 0; i < s->nlistener; i++) {
		fputs(i == 0 ? "{" : ", ", p->out);
		put_string(p, c->listener[s->listener[i]].name);
	}
	fputs("}\n", p->out);
	put_key(p, "hosts");
	for (unsigned i = 0; i < s->nhost; i++) {
		fputs(i == 0 ? "{" : ", ", p->out);
		put_string(p, s->host[i].text);
	}
	fputs("}\n", p->out);
	put_keys(p, CONF_SEC_SERVICE, s, keys_of_service(c, s));
	put_text(p, "on-down", s->on_down_close ? "close" : "keep");
	put_timeouts(p, &s->timeouts, s->timeouts_given);
	put_check(p, &s->check, s->check_given);
	for (unsigned i = 0; i < s->nserver; i++)
		put_server(p, &s->server[i]);
	close_section(p);
}

int
conf_print(const struct conf *c, FILE *out)
{
	struct print p = { .out = out };

	put_global(&p, c);
	for (unsigned i = 0; i < c->nlistener; i++)
		put_listener(&p, &c->listener[i]);
	for (unsigned i = 0; i < c->nservice; i++) {
		if (i == 0 || strcmp(c->service[i].cluster, c->service[i - 1].cluster) != 0)
			open_section(&p, "cluster", c->service[i].cluster);
		put_service(&p, c, &c->service[i]);
		if (i + 1 == c->nservice || strcmp(c->service[i].cluster, c->service[i + 1].cluster) != 0)
			close_section(&p);
	}
	return ferror(out) ? -1 : 0;
}
