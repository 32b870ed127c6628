/* SPDX-License-Identifier: ISC */
/*
 * The letters HTTP is written in (RFC 9110, 5.6), for the parsers of heads
 * and bodies.
 */
#ifndef DURWARD_HTTP_TEXT_H
#define DURWARD_HTTP_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/http_head.h"

enum http_kind {
	HTTP_KIND_TOKEN = 1,
	HTTP_KIND_TARGET = 2,	/* visible ASCII but '#' */
	HTTP_KIND_VALUE = 4	/* of a field */
};

/* What each byte may be part of. */
extern const uint8_t http_kinds[256];

static inline bool
http_is_token(char c)
{
	return (http_kinds[(unsigned char)c] & HTTP_KIND_TOKEN) != 0;
}

static inline bool
http_is_value(char c)
{
	return (http_kinds[(unsigned char)c] & HTTP_KIND_VALUE) != 0;
}

static inline bool
http_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* SP or HTAB */
static inline bool
http_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* ASCII lower case. */
static inline char
http_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* The value of a hexadecimal digit, -1 for another character. */
int http_hex(char c);

/* The first index from i on, below end, whose byte is not of the kind: a
 * token's, a target's (visible ASCII but '#'), a field value's; else end. */
size_t http_skip_token(const char *buf, size_t i, size_t end);
size_t http_skip_target(const char *buf, size_t i, size_t end);
size_t http_skip_value(const char *buf, size_t i, size_t end);

/* Is s this word?  Case-insensitive; word is in lower case. */
bool http_span_is(struct http_span s, const char *word);

/* Are these the same word?  Case-insensitive. */
bool http_span_same(struct http_span a, struct http_span b);

/* Take the next element off a comma-separated list (RFC 9110, 5.6.1): empty
 * ones are passed over, white space is taken off.  False at the end. */
bool http_list_next(struct http_span *list, struct http_span *item);

/* Which field that means something to a proxy this name is. */
enum http_field_id http_field_find(struct http_span name);

#endif
