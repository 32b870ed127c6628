/* SPDX-License-Identifier: ISC */
/*
 * The text of a configuration file on its way to libconfuse.
 *
 * libconfuse 3.3 counts three lines for each comment, takes a comment inside a
 * list for a syntax error, drops characters that it does not know, merges
 * sections of one name in silence, stops at the first unknown key, and after
 * an unterminated string misreads the next file.  So this walks over the
 * statements first, without judging values: it blanks comments, names each
 * unknown and each repeated key and blanks it too, and moves the name of a
 * section inside it, as the key "@", so that it has a line like any value.
 * Line numbers stay true.  What is no statement at all is left for libconfuse
 * to complain about.
 */
#include "config.h"
#include "state/conf_scan.h"

#include <string.h>

/* Past the brace that closes the one just read. */
static bool
skip_braces(struct conf_scan *s, char open, char close)
{
	for (int depth = 1; depth > 0;) {
		int t = conf_scan_next(s);

		if (t == CONF_TOKEN_END)
			return false;
		depth += t == open ? 1 : t == close ? -1 : 0;
	}
	return true;
}

/* What follows the name of a key, whatever it is. */
static bool
skip_statement(struct conf_scan *s)
{
	int t = conf_scan_next(s);

	if (t == '=' || t == '+')
		return (t = conf_scan_next(s)) == CONF_TOKEN_STRING ||
		    (t == '{' && skip_braces(s, '{', '}'));
	if (t == '(')
		return skip_braces(s, '(', ')');
	if (t == CONF_TOKEN_STRING)
		t = conf_scan_next(s);
	return t == '{' && skip_braces(s, '{', '}');
}

static void
put(struct conf_scan *s, const char *p, size_t len)
{
	memcpy(s->out + s->out_len, p, len);
	s->out_len += len;
}

static void
put_upto(struct conf_scan *s, size_t end)
{
	put(s, s->text + s->copied, end - s->copied);
	s->copied = end;
}

/* The mark of a section, right behind its brace. */
static void
put_mark(struct conf_scan *s, const char *title, size_t len)
{
	put_upto(s, s->pos);
	put(s, " @=", 3);
	if (len == 0)
		put(s, "\"\"", 2);
	for (size_t i = 0; i < len; i++)
		put(s, title[i] == '\n' ? "?" : title + i, 1);
	put(s, " ", 1);
}

static bool scan_section(struct conf_scan *s, enum conf_section section, struct conf_seen *seen);

static bool
repeated(struct conf_scan *s, struct conf_seen *seen, int key, const char *name)
{
	struct conf_where *first = &seen->where[key];

	if (first->line == 0) {
		*first = s->where;
		return false;
	}
	conf_error(s->load, s->where, "%s is given twice, first on %s", name,
	    conf_where_text(s->load, *first, s->where));
	return true;
}

/* A section's name, brace and contents.  A section that may stand only once
 * and stands twice is read like the first, for the errors in it. */
static bool
scan_child(struct conf_scan *s, const struct conf_key *k, int key, struct conf_seen *seen)
{
	struct conf_seen inner = { .where = { { .line = 0 } } };
	struct conf_where begin = s->where;
	char *title = NULL;
	size_t len = 0;
	bool titled = conf_section_is_titled(k->child);

	if (!titled)
		repeated(s, seen, key, k->name);
	if (conf_scan_next(s) == CONF_TOKEN_STRING && titled) {
		len = s->pos - s->start;
		title = conf_strndup(&s->load->mem, s->text + s->start, len);
		conf_scan_blank(s, s->start, s->pos);
		conf_scan_next(s);
	}
	if (titled && s->token == '{' && (len == 0 || (len == 2 && strchr("\"'", *title) != NULL)))
		conf_error(s->load, begin, "%s: a name is missing, as in %s \"a\" { ... }",
		    k->name, k->name);
	if (s->token != '{')
		return false;
	put_mark(s, title, len);
	if (!scan_section(s, k->child, &inner))
		return false;
	if (s->token == '}')
		return true;
	conf_error(s->load, begin, "%s: its closing brace is missing", k->name);
	s->broken = true;
	return false;
}

static bool
scan_value(struct conf_scan *s, const struct conf_key *k, int key, struct conf_seen *seen)
{
	size_t begin = s->start;
	struct conf_where where = s->where;
	bool list = k->type == CONF_T_NETS || k->type == CONF_T_LIST;
	int t = conf_scan_next(s);

	if (t == '=') {
		struct conf_where at = s->where;

		s->where = where;
		repeated(s, seen, key, k->name);
		s->where = at;
	} else if (t != '+') {
		return false;
	}
	if ((t = conf_scan_next(s)) == CONF_TOKEN_STRING)
		return true;
	if (t != '{' || !skip_braces(s, '{', '}'))
		return false;
	if (!list) {
		conf_error(s->load, where, "%s takes one value, not a list", k->name);
		conf_scan_blank(s, begin, s->pos);
	}
	return true;
}

/* "a listener or a service section": where this key has a meaning; NULL where in none. */
static const char *
homes(struct conf_scan *s, const char *name, size_t len)
{
	enum conf_section home[CONF_NSECTIONS];
	const char *text = NULL;
	unsigned n = 0;

	for (unsigned i = CONF_SEC_ROOT + 1; i < CONF_NSECTIONS; i++)
		if (conf_key_find((enum conf_section)i, name, len) >= 0)
			home[n++] = (enum conf_section)i;
	for (unsigned i = 0; i < n; i++)
		text = conf_printf(&s->load->mem, "%s%sa %s%s", i == 0 ? "" : text,
		    i == 0 ? "" : i + 1 < n ? ", " : " or ", conf_section_name(home[i]),
		    i + 1 < n ? "" : " section");
	return text;
}

static void
unknown_key(struct conf_scan *s, enum conf_section section, const char *name, size_t len)
{
	const char *where = conf_section_name(section), *home = homes(s, name, len);

	if (section == CONF_SEC_ROOT && home != NULL)
		conf_error(s->load, s->where, "%.*s belongs inside %s", (int)len, name, home);
	else if (conf_key_find(CONF_SEC_ROOT, name, len) < 0 && home != NULL)
		conf_error(s->load, s->where, "%.*s does not belong inside a %s section, but inside %s",
		    (int)len, name, where, home);
	else if (conf_key_find(CONF_SEC_ROOT, name, len) >= 0)
		conf_error(s->load, s->where, "%.*s does not belong inside a %s section", (int)len, name,
		    where);
	else if (section == CONF_SEC_ROOT)
		conf_error(s->load, s->where, "unknown key \"%.*s\"", (int)len, name);
	else
		conf_error(s->load, s->where, "unknown key \"%.*s\" in a %s section", (int)len, name,
		    where);
}

static bool
scan_known(struct conf_scan *s, const struct conf_key *k, int key, struct conf_seen *seen)
{
	if (k->type == CONF_T_SECTION)
		return scan_child(s, k, key, seen);
	if (k->type == CONF_T_CALL)
		return conf_scan_next(s) == '(' && skip_braces(s, '(', ')');
	return scan_value(s, k, key, seen);
}

/* One statement whose first token has been read. */
static bool
scan_statement(struct conf_scan *s, enum conf_section section, struct conf_seen *seen)
{
	unsigned n;
	const struct conf_key *k = conf_keys(section, &n);
	size_t begin = s->start, len;
	const char *name = conf_scan_text(s, &len);
	int key = conf_key_find(section, name, len);
	struct conf_where where = s->where;
	bool whole;

	if (key < 0) {
		unknown_key(s, section, name, len);
		whole = skip_statement(s);
		conf_scan_blank(s, begin, s->pos);
	} else {
		whole = scan_known(s, &k[key], key, seen);
	}
	if (whole || s->token != CONF_TOKEN_END || s->broken)
		return whole;
	/* libconfuse would blame a line behind the last */
	if (key >= 0)
		conf_error(s->load, where, "%s: the file ends in the middle of this", k[key].name);
	s->broken = true;
	return false;
}

/* Statements up to a closing brace or the end; false at what is none. */
static bool
scan_section(struct conf_scan *s, enum conf_section section, struct conf_seen *seen)
{
	for (;;) {
		int t = conf_scan_next(s);

		if (t == CONF_TOKEN_END || t == '}')
			return !s->broken;
		if (t != CONF_TOKEN_STRING || !scan_statement(s, section, seen))
			return false;
	}
}

bool
conf_text_prepare(struct conf_load *l, const char *file, char *text, size_t len,
    struct conf_seen *top, char **out, size_t *out_len)
{
	struct conf_scan s = { .load = l, .text = text, .len = len, .line = 1, .where.file = file };
	static const char bom[] = "\xef\xbb\xbf";	/* how some editors begin a text */
	size_t opened = 0;

	if (len >= strlen(bom) && memcmp(text, bom, strlen(bom)) == 0)
		conf_scan_blank(&s, 0, strlen(bom));
	/* A mark takes its name's length and six bytes more. */
	for (size_t i = 0; i < len; i++)
		opened += text[i] == '{';
	s.out = conf_alloc(&l->mem, len * 2 + opened * 8 + 2);
	scan_section(&s, CONF_SEC_ROOT, top);
	if (s.broken)
		return false;
	/* Where the walk stopped short, comments may stand in the rest. */
	while (conf_scan_next(&s) != CONF_TOKEN_END)
		;
	if (s.broken)
		return false;
	put_upto(&s, len);
	put(&s, "\n", 1);
	*out = s.out;
	*out_len = s.out_len;
	return true;
}
