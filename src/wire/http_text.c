/* SPDX-License-Identifier: ISC */
/*
 * The letters HTTP is written in.  In every process that reads HTTP; pure.
 *
 * A table says what each byte may be part of.  Long runs (targets, values)
 * are looked at eight bytes at a time; where one of the eight is special, the
 * table decides byte by byte.  The words need no alignment and no byte order,
 * for they are only asked whether any byte is special, never which.
 */
#include "config.h"
#include "wire/http_text.h"

#include <string.h>

#define T	HTTP_KIND_TOKEN
#define G	HTTP_KIND_TARGET
#define V	HTTP_KIND_VALUE
#define ALL	(T | G | V)

const uint8_t http_kinds[256] = {
	['\t'] = V,
	[' '] = V,
	['!'] = ALL,
	['"'] = G | V,
	['#'] = T | V,		/* begins a fragment, which is never sent */
	['$' ... '\''] = ALL,
	['(' ... ')'] = G | V,
	['*' ... '+'] = ALL,
	[','] = G | V,
	['-' ... '.'] = ALL,
	['/'] = G | V,
	['0' ... '9'] = ALL,
	[':' ... '@'] = G | V,
	['A' ... 'Z'] = ALL,
	['[' ... ']'] = G | V,
	['^' ... 'z'] = ALL,
	['{'] = G | V,
	['|'] = ALL,
	['}'] = G | V,
	['~'] = ALL,
	[0x80 ... 0xff] = V,	/* obs-text */
};

int
http_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The same byte eight times. */
#define EIGHT(b)	(UINT64_C(0x0101010101010101) * (b))

/* Is any of the eight bytes below n (at most 128)?  Is any equal to b? */
static uint64_t
any_below(uint64_t x, unsigned n)
{
	return (x - EIGHT(n)) & ~x & EIGHT(0x80);
}

static uint64_t
any_equal(uint64_t x, unsigned b)
{
	return any_below(x ^ EIGHT(b), 1);
}

size_t
http_skip_token(const char *buf, size_t i, size_t end)
{
	while (i < end && http_is_token(buf[i]))
		i++;
	return i;
}

size_t
http_skip_target(const char *buf, size_t i, size_t end)
{
	uint64_t x;

	for (; end - i >= sizeof x; i += sizeof x) {
		memcpy(&x, buf + i, sizeof x);
		if (any_below(x, 0x21) | any_equal(x, '#') | any_equal(x, 0x7f) |
		    (x & EIGHT(0x80)))
			break;
	}
	while (i < end && (http_kinds[(unsigned char)buf[i]] & G) != 0)
		i++;
	return i;
}

size_t
http_skip_value(const char *buf, size_t i, size_t end)
{
	uint64_t x;

	for (; end - i >= sizeof x; i += sizeof x) {
		memcpy(&x, buf + i, sizeof x);
		if (any_below(x, 0x20) | any_equal(x, 0x7f))
			break;
	}
	while (i < end && http_is_value(buf[i]))
		i++;
	return i;
}

bool
http_span_is(struct http_span s, const char *word)
{
	size_t i;

	for (i = 0; i < s.len && word[i] != '\0'; i++)
		if (http_lower(s.p[i]) != word[i])
			return false;
	return i == s.len && word[i] == '\0';
}

bool
http_span_same(struct http_span a, struct http_span b)
{
	size_t i;

	if (a.len != b.len)
		return false;
	for (i = 0; i < a.len; i++)
		if (http_lower(a.p[i]) != http_lower(b.p[i]))
			return false;
	return true;
}

bool
http_list_next(struct http_span *list, struct http_span *item)
{
	const char *p = list->p, *end = list->p + list->len;

	while (p < end && (*p == ',' || http_is_blank(*p)))
		p++;
	item->p = p;
	while (p < end && *p != ',')
		p++;
	list->p = p;
	list->len = (size_t)(end - p);
	while (p > item->p && http_is_blank(p[-1]))
		p--;
	item->len = (size_t)(p - item->p);
	return item->len > 0;
}

/* Their lengths tell nearly all of them apart, so few are ever compared. */
enum http_field_id
http_field_find(struct http_span name)
{
	switch (name.len) {
	case 2:
		return http_span_is(name, "te") ? HTTP_FIELD_TE : HTTP_FIELD_OTHER;
	case 4:
		return http_span_is(name, "host") ? HTTP_FIELD_HOST : HTTP_FIELD_OTHER;
	case 6:
		return http_span_is(name, "expect") ? HTTP_FIELD_EXPECT :
		    HTTP_FIELD_OTHER;
	case 7:
		if (http_span_is(name, "upgrade"))
			return HTTP_FIELD_UPGRADE;
		return http_span_is(name, "trailer") ? HTTP_FIELD_TRAILER :
		    HTTP_FIELD_OTHER;
	case 10:
		if (http_span_is(name, "connection"))
			return HTTP_FIELD_CONNECTION;
		return http_span_is(name, "keep-alive") ? HTTP_FIELD_KEEP_ALIVE :
		    HTTP_FIELD_OTHER;
	case 13:
		return http_span_is(name, "authorization") ? HTTP_FIELD_AUTHENTICATE :
		    HTTP_FIELD_OTHER;
	case 14:
		return http_span_is(name, "content-length") ?
		    HTTP_FIELD_CONTENT_LENGTH : HTTP_FIELD_OTHER;
	case 15:
		return http_span_is(name, "x-forwarded-for") ?
		    HTTP_FIELD_X_FORWARDED_FOR : HTTP_FIELD_OTHER;
	case 16:
		if (http_span_is(name, "www-authenticate"))
			return HTTP_FIELD_AUTHENTICATE;
		return http_span_is(name, "proxy-connection") ?
		    HTTP_FIELD_PROXY_CONNECTION : HTTP_FIELD_OTHER;
	case 17:
		return http_span_is(name, "transfer-encoding") ?
		    HTTP_FIELD_TRANSFER_ENCODING : HTTP_FIELD_OTHER;
	case 18:
		return http_span_is(name, "proxy-authenticate") ?
		    HTTP_FIELD_AUTHENTICATE : HTTP_FIELD_OTHER;
	case 19:
		return http_span_is(name, "proxy-authorization") ?
		    HTTP_FIELD_AUTHENTICATE : HTTP_FIELD_OTHER;
	}
	return HTTP_FIELD_OTHER;
}
