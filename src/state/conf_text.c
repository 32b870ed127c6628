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
#include "state/conf_priv.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

struct scan {
	struct conf_load *load;
	struct conf_where where;	/* of the last token */
	char *text;
	size_t len, pos;
	int line;			/* at pos */
	size_t start;			/* the last token: [start, pos) */
	int token;			/* see below */
	bool broken;			/* no use in handing it to libconfuse */
	char *out;
	size_t out_len, copied;
};

/* Tokens: a punctuation character, '+' for "+=", or one of these. */
enum { TOKEN_END = 0, TOKEN_STRING = 's' };

static bool
is_word(char c)
{
	return strchr(" #\"'\t\n\r={}()+,*", c) == NULL;
}

static void
blank(struct scan *s, size_t from, size_t to)
{
	for (; from < to; from++)
		if (s->text[from] != '\n')
			s->text[from] = ' ';
}

static int
complain(struct scan *s, const char *what)
{
	conf_error(s->load, s->where, "%s", what);
	s->broken = true;
	s->pos = s->len;
	return TOKEN_END;
}

/* The closing brace of "${" at i, 0 if there is none. */
static size_t
variable_end(const struct scan *s, size_t i)
{
	const char *e;

	if (i + 1 >= s->len || s->text[i] != '$' || s->text[i + 1] != '{')
		return 0;
	e = memchr(s->text + i, '}', s->len - i);
	return e == NULL ? 0 : (size_t)(e - s->text);
}

static int
take_quoted(struct scan *s)
{
	char quote = s->text[s->pos];
	size_t i = s->pos + 1, end;

	for (; i < s->len && s->text[i] != quote; i++) {
		if (s->text[i] == '\\' && i + 1 < s->len)
			i++;
		else if (quote == '"' && (end = variable_end(s, i)) != 0)
			i = end;
		if (s->text[i] == '\n')
			s->line++;
	}
	if (i >= s->len)
		return complain(s, "a string that begins here does not end");
	s->pos = i + 1;
	return s->token = TOKEN_STRING;
}

static int
take_word(struct scan *s)
{
	size_t end = variable_end(s, s->pos);

	if (end != 0) {
		s->pos = end + 1;
		return s->token = TOKEN_STRING;
	}
	while (s->pos < s->len && is_word(s->text[s->pos]))
		s->pos++;
	return s->token = TOKEN_STRING;
}

/* Blank the comment at pos if there is one. */
static bool
skip_comment(struct scan *s)
{
	const char *p = s->text + s->pos, *e;
	size_t left = s->len - s->pos;
	size_t end;

	if (*p == '#' || (left > 1 && p[0] == '/' && p[1] == '/')) {
		e = memchr(p, '\n', left);
		end = e == NULL ? s->len : (size_t)(e - s->text);
	} else if (left > 1 && p[0] == '/' && p[1] == '*') {
		e = left > 2 ? memmem(p + 2, left - 2, "*/", 2) : NULL;
		if (e == NULL) {
			s->where.line = s->line;
			complain(s, "a comment that begins here does not end");
			return true;
		}
		end = (size_t)(e - s->text) + 2;
		for (const char *c = p; c < e; c++)
			s->line += *c == '\n';
	} else {
		return false;
	}
	blank(s, s->pos, end);
	s->pos = end;
	return true;
}

static void
drop_stray(struct scan *s)
{
	unsigned char c = (unsigned char)s->text[s->pos];

	s->where.line = s->line;
	if (isprint(c))
		conf_error(s->load, s->where, "\"%c\" has no meaning here; is a quote missing?", c);
	else
		conf_error(s->load, s->where, "a byte 0x%02x has no meaning here", c);
	s->text[s->pos++] = ' ';
}

static int
next_token(struct scan *s)
{
	while (s->pos < s->len) {
		char c = s->text[s->pos];

		if (c == '\n') {
			s->line++;
			s->pos++;
		} else if (c == ' ' || c == '\t' || c == '\r') {
			s->pos++;
		} else if (skip_comment(s)) {
			continue;
		} else {
			s->start = s->pos;
			s->where.line = s->line;
			if (c == '"' || c == '\'')
				return s->token = take_quoted(s);
			if (c == '+' && s->pos + 1 < s->len && s->text[s->pos + 1] == '=') {
				s->pos += 2;
				return s->token = '+';
			}
			if (strchr("{}()=,", c) != NULL && c != '\0') {
				s->pos++;
				return s->token = c;
			}
			if (c != '\0' && is_word(c))
				return take_word(s);
			drop_stray(s);
		}
	}
	s->start = s->pos;
	s->where.line = s->line;
	return s->token = TOKEN_END;
}

/* The text of the last token, without quotes. */
static const char *
token_text(const struct scan *s, size_t *len)
{
	const char *p = s->text + s->start;

	*len = s->pos - s->start;
	if (*len >= 2 && (*p == '"' || *p == '\'')) {
		p++;
		*len -= 2;
	}
	return p;
}

/* Past the brace that closes the one just read. */
static bool
skip_braces(struct scan *s, char open, char close)
{
	for (int depth = 1; depth > 0;) {
		int t = next_token(s);

		if (t == TOKEN_END)
			return false;
		depth += t == open ? 1 : t == close ? -1 : 0;
	}
	return true;
}

/* What follows the name of a key, whatever it is. */
static bool
skip_statement(struct scan *s)
{
	int t = next_token(s);

	if (t == '=' || t == '+')
		return (t = next_token(s)) == TOKEN_STRING ||
		    (t == '{' && skip_braces(s, '{', '}'));
	if (t == '(')
		return skip_braces(s, '(', ')');
	if (t == TOKEN_STRING)
		t = next_token(s);
	return t == '{' && skip_braces(s, '{', '}');
}

static void
put(struct scan *s, const char *p, size_t len)
{
	memcpy(s->out + s->out_len, p, len);
	s->out_len += len;
}

static void
put_upto(struct scan *s, size_t end)
{
	put(s, s->text + s->copied, end - s->copied);
	s->copied = end;
}

/* The mark of a section, right behind its brace. */
static void
put_mark(struct scan *s, const char *title, size_t len)
{
	put_upto(s, s->pos);
	put(s, " @=", 3);
	if (len == 0)
		put(s, "\"\"", 2);
	for (size_t i = 0; i < len; i++)
		put(s, title[i] == '\n' ? "?" : title + i, 1);
	put(s, " ", 1);
}

static bool scan_section(struct scan *s, enum conf_section section, struct conf_seen *seen);

static bool
repeated(struct scan *s, struct conf_seen *seen, int key, const char *name)
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
scan_child(struct scan *s, const struct conf_key *k, int key, struct conf_seen *seen)
{
	struct conf_seen inner = { .where = { { .line = 0 } } };
	struct conf_where begin = s->where;
	char *title = NULL;
	size_t len = 0;
	bool titled = conf_section_is_titled(k->child);

	if (!titled)
		repeated(s, seen, key, k->name);
	if (next_token(s) == TOKEN_STRING && titled) {
		len = s->pos - s->start;
		title = conf_strndup(&s->load->mem, s->text + s->start, len);
		blank(s, s->start, s->pos);
		next_token(s);
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
scan_value(struct scan *s, const struct conf_key *k, int key, struct conf_seen *seen)
{
	size_t begin = s->start;
	struct conf_where where = s->where;
	bool list = k->type == CONF_T_NETS || k->type == CONF_T_LIST;
	int t = next_token(s);

	if (t == '=') {
		struct conf_where at = s->where;

		s->where = where;
		repeated(s, seen, key, k->name);
		s->where = at;
	} else if (t != '+') {
		return false;
	}
	if ((t = next_token(s)) == TOKEN_STRING)
		return true;
	if (t != '{' || !skip_braces(s, '{', '}'))
		return false;
	if (!list) {
		conf_error(s->load, where, "%s takes one value, not a list", k->name);
		blank(s, begin, s->pos);
	}
	return true;
}

static void
unknown_key(struct scan *s, enum conf_section section, const char *name, size_t len)
{
	const char *where = conf_section_name(section);

	if (conf_key_find(CONF_SEC_ROOT, name, len) >= 0)
		conf_error(s->load, s->where, "%.*s does not belong inside a %s section", (int)len, name,
		    where);
	else if (section == CONF_SEC_ROOT)
		conf_error(s->load, s->where, "unknown key \"%.*s\"", (int)len, name);
	else
		conf_error(s->load, s->where, "unknown key \"%.*s\" in a %s section", (int)len, name,
		    where);
}

/* One statement whose first token has been read. */
static bool
scan_statement(struct scan *s, enum conf_section section, struct conf_seen *seen)
{
	unsigned n;
	const struct conf_key *k = conf_keys(section, &n);
	size_t begin = s->start, len;
	const char *name = token_text(s, &len);
	int key = conf_key_find(section, name, len);

	if (key < 0) {
		unknown_key(s, section, name, len);
		if (!skip_statement(s))
			return false;
		blank(s, begin, s->pos);
		return true;
	}
	k += key;
	if (k->type == CONF_T_SECTION)
		return scan_child(s, k, key, seen);
	if (k->type == CONF_T_CALL)
		return next_token(s) == '(' && skip_braces(s, '(', ')');
	return scan_value(s, k, key, seen);
}

/* Statements up to a closing brace or the end; false at what is none. */
static bool
scan_section(struct scan *s, enum conf_section section, struct conf_seen *seen)
{
	for (;;) {
		int t = next_token(s);

		if (t == TOKEN_END || t == '}')
			return !s->broken;
		if (t != TOKEN_STRING || !scan_statement(s, section, seen))
			return false;
	}
}

bool
conf_text_prepare(struct conf_load *l, const char *file, char *text, size_t len,
    struct conf_seen *top, char **out, size_t *out_len)
{
	struct scan s = { .load = l, .text = text, .len = len, .line = 1, .where.file = file };
	size_t opened = 0;

	/* A mark takes its name's length and six bytes more. */
	for (size_t i = 0; i < len; i++)
		opened += text[i] == '{';
	s.out = conf_alloc(&l->mem, len * 2 + opened * 8 + 2);
	scan_section(&s, CONF_SEC_ROOT, top);
	if (s.broken)
		return false;
	/* Where the walk stopped short, comments may stand in the rest. */
	while (next_token(&s) != TOKEN_END)
		;
	if (s.broken)
		return false;
	put_upto(&s, len);
	put(&s, "\n", 1);
	*out = s.out;
	*out_len = s.out_len;
	return true;
}
