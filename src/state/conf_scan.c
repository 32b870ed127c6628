/* SPDX-License-Identifier: ISC */
/*
 * Tokens of a configuration file: strings, words, punctuation; comments and
 * what has no meaning are blanked on the way.  Strings are judged here, for
 * libconfuse hands them on without saying what it dropped.
 */
#include "config.h"
#include "state/conf_scan.h"

#include <ctype.h>
#include <string.h>

static bool
is_word(char c)
{
	return strchr(" #\"'\t\n\r={}()+,*", c) == NULL;
}

void
conf_scan_blank(struct conf_scan *s, size_t from, size_t to)
{
	for (; from < to; from++)
		if (s->text[from] != '\n')
			s->text[from] = ' ';
}

static int
complain(struct conf_scan *s, const char *what)
{
	conf_error(s->load, s->where, "%s", what);
	s->broken = true;
	s->pos = s->len;
	return CONF_TOKEN_END;
}

/* The closing brace of "${" at i, 0 if there is none. */
static size_t
variable_end(const struct conf_scan *s, size_t i)
{
	const char *e;

	if (i + 1 >= s->len || s->text[i] != '$' || s->text[i + 1] != '{')
		return 0;
	e = memchr(s->text + i, '}', s->len - i);
	return e == NULL ? 0 : (size_t)(e - s->text);
}

/* How many digits stand at i, most at most, and their value. */
static size_t
number_at(const struct conf_scan *s, size_t i, size_t most, bool hex, unsigned *value)
{
	static const char all[] = "0123456789abcdef0123456789ABCDEF";
	size_t n;

	*value = 0;
	for (n = 0; n < most && i + n < s->len; n++) {
		const char *digit = memchr(all, s->text[i + n], hex ? sizeof(all) - 1 : 8);

		if (digit == NULL)
			break;
		*value = *value * (hex ? 16 : 8) + (unsigned)(digit - all) % 16;
	}
	return n;
}

/* Whether the backslash at i, which is not the last byte, begins an escape that
 * libconfuse knows.  A NUL would end the value. */
static bool
is_escape(const struct conf_scan *s, size_t i)
{
	char c = s->text[i + 1], next = i + 2 < s->len ? s->text[i + 2] : '\0';
	unsigned value;
	size_t n;

	if (c == '$')		/* how "${" is written that is no variable */
		return next == '{';
	if (c == '{')
		return s->text[i - 1] == '$';
	if (c == 'x')
		return number_at(s, i + 2, 2, true, &value) > 0 && value > 0;
	if (!isdigit((unsigned char)c))
		return strchr("abefnrtv\\\"'\n", c) != NULL;
	n = number_at(s, i + 1, 3, false, &value);
	return value > 0 && value <= 0xff &&
	    (i + 1 + n == s->len || !isdigit((unsigned char)s->text[i + 1 + n]));
}

/* The backslash at i begins no escape: what is meant must be written otherwise,
 * for libconfuse would leave it out and say nothing. */
static void
refuse_escape(struct conf_scan *s, size_t i)
{
	struct conf_where w = { .file = s->where.file, .line = s->line };
	unsigned char c = (unsigned char)s->text[i + 1];

	if (c < 0x80 && isgraph(c))
		conf_error(s->load, w, "\"\\%c\" is no escape between double quotes: write \"\\\\%c\" for a "
		    "backslash, or put the whole between single quotes", c, c);
	else
		conf_error(s->load, w, "a backslash before byte 0x%02x is no escape between double quotes: "
		    "write \"\\\\\", or put the whole between single quotes", c);
	if (isdigit(c))		/* where libconfuse would stop reading */
		s->text[i] = '?';
}

static int
take_quoted(struct conf_scan *s)
{
	char quote = s->text[s->pos];
	size_t i = s->pos + 1, end;

	for (; i < s->len && s->text[i] != quote; i++) {
		if (s->text[i] == '\\' && i + 1 < s->len) {
			if (quote == '"' && !is_escape(s, i))
				refuse_escape(s, i);
			i++;
		} else if (quote == '"' && (end = variable_end(s, i)) != 0) {
			i = end;
		}
		if (s->text[i] == '\n')
			s->line++;
	}
	if (i >= s->len)
		return complain(s, "a string that begins here does not end");
	s->pos = i + 1;
	return s->token = CONF_TOKEN_STRING;
}

static int
take_word(struct conf_scan *s)
{
	size_t end = variable_end(s, s->pos);

	if (end != 0) {
		s->pos = end + 1;
		return s->token = CONF_TOKEN_STRING;
	}
	while (s->pos < s->len && is_word(s->text[s->pos]))
		s->pos++;
	return s->token = CONF_TOKEN_STRING;
}

/* Blank the comment at pos if there is one. */
static bool
skip_comment(struct conf_scan *s)
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
	conf_scan_blank(s, s->pos, end);
	s->pos = end;
	return true;
}

static void
drop_stray(struct conf_scan *s)
{
	unsigned char c = (unsigned char)s->text[s->pos];

	s->where.line = s->line;
	if (isprint(c))
		conf_error(s->load, s->where, "\"%c\" has no meaning here; is a quote missing?", c);
	else
		conf_error(s->load, s->where, "a byte 0x%02x has no meaning here", c);
	s->text[s->pos++] = ' ';
}

int
conf_scan_next(struct conf_scan *s)
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
	return s->token = CONF_TOKEN_END;
}

const char *
conf_scan_text(const struct conf_scan *s, size_t *len)
{
	const char *p = s->text + s->start;

	*len = s->pos - s->start;
	if (*len >= 2 && (*p == '"' || *p == '\'')) {
		p++;
		*len -= 2;
	}
	return p;
}
