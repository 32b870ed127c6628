/* SPDX-License-Identifier: ISC */
/*
 * Where a message's body ends.  In workers; pure.
 *
 * The chunked coding goes on to the other side as it came, so whatever this
 * decoder lets pass the next one must read alike: sizes of up to 16 digits
 * below 2^63, no white space around them, extensions of tokens and quoted
 * strings, CRLF and nothing else at the end of a line.  A trailer may not be
 * a field that frames, routes or authenticates (RFC 9110, 6.5.1): a server
 * that joins trailers to the head would find it there.
 */
#include "config.h"
#include "wire/http_body.h"

#include <string.h>

#include "wire/http_text.h"

#define DIGITS_MAX	16

enum state {			/* all zeroes is where a decoder begins */
	AT_SIZE,
	EXTENSION,		/* after ";" */
	EXTENSION_NAME,
	EXTENSION_VALUE,	/* after "=" */
	EXTENSION_TOKEN,
	EXTENSION_QUOTED,
	EXTENSION_ESCAPE,
	EXTENSION_END,
	SIZE_LF,
	DATA,
	DATA_CR,
	DATA_LF,
	TRAILER,		/* or the line that ends the message */
	TRAILER_NAME,
	TRAILER_VALUE,
	TRAILER_LF,
	LAST_LF,
	DONE
};

static bool
go(struct http_chunked *c, enum state next)
{
	c->state = (uint8_t)next;
	return true;
}

/* One byte that must be the one wanted. */
static bool
want(struct http_chunked *c, char got, char wanted, enum state next)
{
	return got == wanted && go(c, next);
}

/* What may follow a size, and an extension. */
static bool
size_end(struct http_chunked *c, char byte)
{
	if (byte == ';')
		return go(c, EXTENSION);
	return want(c, byte, '\r', SIZE_LF);
}

static bool
size_digit(struct http_chunked *c, char byte)
{
	const int digit = http_hex(byte);

	if (digit < 0)
		return c->digits > 0 && size_end(c, byte);
	if (c->digits++ == DIGITS_MAX || c->left > (uint64_t)INT64_MAX >> 4)
		return false;
	c->left = c->left << 4 | (uint64_t)digit;
	return true;
}

static bool
extension_name(struct http_chunked *c, char byte)
{
	if (http_is_token(byte))
		return go(c, EXTENSION_NAME);
	return byte == '=' ? go(c, EXTENSION_VALUE) : size_end(c, byte);
}

static bool
extension_value(struct http_chunked *c, char byte)
{
	if (byte == '"')
		return go(c, EXTENSION_QUOTED);
	return http_is_token(byte) && go(c, EXTENSION_TOKEN);
}

static bool
extension_quoted(struct http_chunked *c, char byte)
{
	if (byte == '"')
		return go(c, EXTENSION_END);
	if (byte == '\\')
		return go(c, EXTENSION_ESCAPE);
	return http_is_value(byte);
}

/* The size is complete; zero is the last chunk. */
static bool
size_lf(struct http_chunked *c, char byte)
{
	c->seen = 0;
	c->digits = 0;
	return want(c, byte, '\n', c->left > 0 ? DATA : TRAILER);
}

static bool
data_lf(struct http_chunked *c, char byte)
{
	c->seen = 0;
	return want(c, byte, '\n', AT_SIZE);
}

static bool
trailer_begin(struct http_chunked *c, char byte)
{
	if (byte == '\r')
		return go(c, LAST_LF);
	if (!http_is_token(byte) || c->ntrailers++ == HTTP_REQUEST_FIELDS)
		return false;
	c->name[0] = byte;
	c->name_len = 1;
	return go(c, TRAILER_NAME);
}

static bool
trailer_allowed(const struct http_chunked *c)
{
	const struct http_span name = { c->name, c->name_len };

	return http_field_find(name) == HTTP_FIELD_OTHER &&
	    !http_span_is(name, "authorization") && !http_span_is(name, "cookie");
}

/* A name that does not fit is longer than any that is not allowed. */
static bool
trailer_name(struct http_chunked *c, char byte)
{
	if (byte == ':')
		return trailer_allowed(c) && go(c, TRAILER_VALUE);
	if (c->name_len < sizeof c->name)
		c->name[c->name_len++] = byte;
	return http_is_token(byte);
}

static bool
trailer_value(struct http_chunked *c, char byte)
{
	return byte == '\r' ? go(c, TRAILER_LF) : http_is_value(byte);
}

/* Take one byte that is not a chunk's data; false where it can't stand here. */
static bool
step(struct http_chunked *c, char byte)
{
	if (c->seen++ == (c->state < DATA ? HTTP_CHUNK_LINE_MAX : HTTP_TRAILER_MAX))
		return false;
	switch ((enum state)c->state) {
	case AT_SIZE:
		return size_digit(c, byte);
	case EXTENSION:
		return http_is_token(byte) && go(c, EXTENSION_NAME);
	case EXTENSION_NAME:
		return extension_name(c, byte);
	case EXTENSION_VALUE:
		return extension_value(c, byte);
	case EXTENSION_TOKEN:
		return http_is_token(byte) || size_end(c, byte);
	case EXTENSION_QUOTED:
		return extension_quoted(c, byte);
	case EXTENSION_ESCAPE:
		return http_is_value(byte) && go(c, EXTENSION_QUOTED);
	case EXTENSION_END:
		return size_end(c, byte);
	case SIZE_LF:
		return size_lf(c, byte);
	case DATA_CR:
		return want(c, byte, '\r', DATA_LF);
	case DATA_LF:
		return data_lf(c, byte);
	case TRAILER:
		return trailer_begin(c, byte);
	case TRAILER_NAME:
		return trailer_name(c, byte);
	case TRAILER_VALUE:
		return trailer_value(c, byte);
	case TRAILER_LF:
		return want(c, byte, '\n', TRAILER);
	case LAST_LF:
		return want(c, byte, '\n', DONE);
	case DATA:
	case DONE:
		break;
	}
	return false;
}

enum http_verdict
http_chunked_feed(struct http_chunked *c, const char *buf, size_t len, size_t *used)
{
	size_t i = 0, n;

	while (i < len && c->state != DONE) {
		if (c->state != DATA) {
			if (!step(c, buf[i])) {
				*used = i;
				return HTTP_MALFORMED;
			}
			i++;
			continue;
		}
		n = len - i < c->left ? len - i : (size_t)c->left;
		i += n;
		c->left -= n;
		if (c->left == 0)
			c->state = DATA_CR;
	}
	*used = i;
	return c->state == DONE ? HTTP_OK : HTTP_MORE;
}

void
http_body_init(struct http_body *b, const struct http_head *h)
{
	memset(b, 0, sizeof *b);
	b->framing = h->framing;
	if (h->framing == HTTP_LENGTH)
		b->left = h->content_length;
	b->done = h->framing == HTTP_NO_BODY ||
	    (h->framing == HTTP_LENGTH && b->left == 0);
}

void
http_body_skip(struct http_body *b, uint64_t n)
{
	b->left -= n;
	b->done = b->left == 0;
}

static enum http_verdict
length_feed(struct http_body *b, size_t len, size_t *used)
{
	*used = len < b->left ? len : (size_t)b->left;
	http_body_skip(b, *used);
	return b->done ? HTTP_OK : HTTP_MORE;
}

enum http_verdict
http_body_feed(struct http_body *b, const char *buf, size_t len, size_t *used)
{
	enum http_verdict v;

	*used = 0;
	if (b->done)
		return HTTP_OK;
	switch ((enum http_framing)b->framing) {
	case HTTP_NO_BODY:
		return HTTP_OK;
	case HTTP_LENGTH:
		return length_feed(b, len, used);
	case HTTP_CHUNKED:
		v = http_chunked_feed(&b->chunked, buf, len, used);
		b->done = v == HTTP_OK;
		return v;
	case HTTP_UNTIL_CLOSE:
	case HTTP_TUNNEL:
		*used = len;
		return HTTP_MORE;
	}
	return HTTP_MALFORMED;
}

bool
http_body_eof(struct http_body *b)
{
	if (b->framing == HTTP_UNTIL_CLOSE || b->framing == HTTP_TUNNEL)
		b->done = true;
	return b->done;
}
