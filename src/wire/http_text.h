/* SPDX-License-Identifier: ISC */
/*
 * The letters HTTP is written in (RFC 9110, 5.6), for the parsers of heads
 * and bodies.
 */
#ifndef DURWARD_HTTP_TEXT_H
#define DURWARD_HTTP_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "wire/http_head.h"

bool http_is_token(char c);
bool http_is_digit(char c);
bool http_is_blank(char c);	/* SP or HTAB */
bool http_is_value(char c);	/* may stand in a field's value */

/* The value of a hexadecimal digit, -1 for another character. */
int http_hex(char c);

/* ASCII lower case. */
char http_lower(char c);

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
