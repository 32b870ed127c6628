/* SPDX-License-Identifier: ISC */
/*
 * Reading a ClientHello.  Pure; must never read a byte behind len, whatever
 * the lengths inside say.
 *
 * The handshake message may lie in any number of records (RFC 8446, 5.1), so
 * nothing here touches the buffer but a cursor that steps over the record
 * headers.  A first pass over the headers alone tells whether the message is
 * whole; only then is it read, once.
 */
#include "wire/tls_hello.h"

#include <string.h>

#define RECORD_HEADER	5u
#define RECORD_MAX	16384u	/* RFC 8446, 5.1 */
#define MESSAGE_HEADER	4u

enum { TYPE_CHANGE_CIPHER = 20, TYPE_HANDSHAKE = 22, TYPE_APPLICATION = 23 };
enum { MESSAGE_CLIENT_HELLO = 1 };
enum { EXTENSION_SERVER_NAME = 0, EXTENSION_ECH = 0xfe0d };
enum { NAME_HOST = 0 };

/* --- not TLS at all --------------------------------------------------------- */

static const char *const methods[] = {
	"GET ", "POST ", "HEAD ", "PUT ", "DELETE ", "OPTIONS ", "PATCH ",
	"CONNECT ", "TRACE ", "PRI "
};

static enum tls_hello_verdict
not_tls(const uint8_t *buf, size_t len)
{
	size_t i, n;

	for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		n = strlen(methods[i]);
		if (memcmp(buf, methods[i], len < n ? len : n) == 0)
			return len < n ? TLS_HELLO_MORE : TLS_HELLO_HTTP;
	}
	return TLS_HELLO_NOT_TLS;
}

/* --- the records --------------------------------------------------------------- */

/* What is known after a walk over the record headers. */
struct records {
	size_t have;		/* bytes of handshake messages so far */
	size_t body;		/* of the ClientHello, from its header; valid when have >= 4 */
	size_t end;		/* where it ends in the buffer; 0: not yet */
};

/*
 * One record header at buf[at..], as far as it is there.  MORE or MALFORMED,
 * or FOUND with its length.
 */
static enum tls_hello_verdict
record_header(const uint8_t *buf, size_t len, size_t at, size_t *fragment)
{
	if (at < len && buf[at] != TYPE_HANDSHAKE)
		return TLS_HELLO_MALFORMED;
	if (at + 1 < len && buf[at + 1] != 3)
		return TLS_HELLO_MALFORMED;
	if (at + 3 < len && buf[at + 3] > RECORD_MAX >> 8)
		return TLS_HELLO_MALFORMED;
	if (at + RECORD_HEADER > len)
		return TLS_HELLO_MORE;
	*fragment = (size_t)buf[at + 3] << 8 | buf[at + 4];
	if (*fragment == 0 || *fragment > RECORD_MAX)
		return TLS_HELLO_MALFORMED;
	return TLS_HELLO_FOUND;
}

/* The least number of buffer bytes that a message of body bytes can take,
 * if have of its bytes lie in the first at bytes already. */
static bool
cannot_fit(size_t at, size_t have, size_t body)
{
	size_t rest = body + MESSAGE_HEADER - have;

	return rest > 0 && at + rest + (rest + RECORD_MAX - 1) / RECORD_MAX * RECORD_HEADER > TLS_HELLO_MAX;
}

static enum tls_hello_verdict
walk_records(const uint8_t *buf, size_t len, struct records *r)
{
	size_t at = 0, fragment, i, take;
	enum tls_hello_verdict v;

	r->have = r->body = r->end = 0;
	for (;;) {
		v = record_header(buf, len, at, &fragment);
		if (v != TLS_HELLO_FOUND)
			return v;
		at += RECORD_HEADER;
		/* the message's own header, a byte at a time: it may be split too */
		for (i = 0; i < fragment && r->have < MESSAGE_HEADER; i++) {
			if (at + i >= len)
				return TLS_HELLO_MORE;
			if (r->have == 0 && buf[at + i] != MESSAGE_CLIENT_HELLO)
				return TLS_HELLO_MALFORMED;
			if (r->have > 0)
				r->body = r->body << 8 | buf[at + i];
			r->have++;
		}
		if (r->have < MESSAGE_HEADER) {
			at += fragment;
			if (at >= TLS_HELLO_MAX)
				return TLS_HELLO_MALFORMED;
			continue;
		}
		take = fragment - i;
		if (take > r->body + MESSAGE_HEADER - r->have)
			return TLS_HELLO_MALFORMED;	/* another message behind it */
		r->have += take;
		at += fragment;
		if (at > TLS_HELLO_MAX || cannot_fit(at, r->have, r->body))
			return TLS_HELLO_MALFORMED;
		if (at > len)
			return TLS_HELLO_MORE;
		if (r->have == r->body + MESSAGE_HEADER) {
			r->end = at;
			return TLS_HELLO_FOUND;
		}
	}
}

/* --- the message ----------------------------------------------------------------- */

/* Where we read: steps over record headers by itself.  `left` is what the
 * innermost container still holds; reading past it fails. */
struct cursor {
	const uint8_t *buf;
	size_t at;		/* next byte in the buffer */
	size_t in_record;	/* bytes left in this record */
	size_t left;		/* bytes left in the message */
};

static uint8_t
next_byte(struct cursor *c)
{
	if (c->in_record == 0) {
		c->in_record = (size_t)c->buf[c->at + 3] << 8 | c->buf[c->at + 4];
		c->at += RECORD_HEADER;
	}
	c->in_record--;
	c->left--;
	return c->buf[c->at++];
}

/* A number of n bytes; false where fewer are left. */
static bool
take_number(struct cursor *c, unsigned n, size_t *out)
{
	if (c->left < n)
		return false;
	for (*out = 0; n > 0; n--)
		*out = *out << 8 | next_byte(c);
	return true;
}

static bool
skip(struct cursor *c, size_t n)
{
	if (c->left < n)
		return false;
	while (n > 0) {
		size_t step;

		if (c->in_record == 0) {
			next_byte(c);
			n--;
			continue;
		}
		step = n < c->in_record ? n : c->in_record;
		c->at += step;
		c->in_record -= step;
		c->left -= step;
		n -= step;
	}
	return true;
}

/* RFC 6066, 3: one host_name at most; other types are skipped by their length. */
static bool
take_server_name(struct cursor *c, size_t size, struct tls_hello *out)
{
	size_t list, type, n, i;

	if (size < 2 || !take_number(c, 2, &list) || list != size - 2 || list == 0)
		return false;
	while (list > 0) {
		if (list < 3 || !take_number(c, 1, &type) || !take_number(c, 2, &n) ||
		    n > list - 3 || n == 0)
			return false;
		list -= 3 + n;
		if (type != NAME_HOST) {
			if (!skip(c, n))
				return false;
			continue;
		}
		if (out->name_len > 0)
			return false;
		/* no host name is longer: the rest only tells that it is none */
		for (i = 0; i < n; i++) {
			uint8_t b = next_byte(c);

			if (i < sizeof(out->name) - 1)
				out->name[i] = (char)b;
		}
		out->name_len = n < sizeof(out->name) - 1 ? n : sizeof(out->name) - 1;
		out->name[out->name_len] = '\0';
	}
	return true;
}

/* Extension types seen, to find a second one of a kind (RFC 8446, 4.2). */
struct seen {
	uint64_t bit[1024];
};

static bool
seen_before(struct seen *s, size_t type)
{
	uint64_t bit = UINT64_C(1) << type % 64;
	bool before = (s->bit[type / 64] & bit) != 0;

	s->bit[type / 64] |= bit;
	return before;
}

static bool
take_extensions(struct cursor *c, struct tls_hello *out)
{
	struct seen seen;
	size_t size, type, n;

	if (c->left == 0)
		return true;		/* TLS 1.2 may leave them out */
	if (!take_number(c, 2, &size) || size != c->left)
		return false;
	memset(&seen, 0, sizeof(seen));
	while (c->left > 0) {
		if (!take_number(c, 2, &type) || !take_number(c, 2, &n) || n > c->left ||
		    seen_before(&seen, type))
			return false;
		if (type == EXTENSION_SERVER_NAME) {
			if (!take_server_name(c, n, out))
				return false;
			continue;
		}
		if (type == EXTENSION_ECH)
			out->ech = true;
		if (!skip(c, n))
			return false;
	}
	return true;
}

static bool
take_hello(struct cursor *c, struct tls_hello *out)
{
	size_t version, n;

	if (!skip(c, MESSAGE_HEADER) || !take_number(c, 2, &version) || version >> 8 != 3)
		return false;
	if (!skip(c, 32))				/* random */
		return false;
	if (!take_number(c, 1, &n) || n > 32 || !skip(c, n))	/* session id */
		return false;
	if (!take_number(c, 2, &n) || n < 2 || n % 2 != 0 || !skip(c, n))	/* cipher suites */
		return false;
	if (!take_number(c, 1, &n) || n < 1 || !skip(c, n))	/* compression */
		return false;
	return take_extensions(c, out);
}

enum tls_hello_verdict
tls_hello_parse(const uint8_t *buf, size_t len, struct tls_hello *out)
{
	enum tls_hello_verdict v;
	struct records r;
	struct cursor c;

	if (len == 0)
		return TLS_HELLO_MORE;
	if (buf[0] < TYPE_CHANGE_CIPHER || buf[0] > TYPE_APPLICATION)
		return not_tls(buf, len);
	if (len >= 2 && buf[1] != 3)
		return TLS_HELLO_NOT_TLS;
	if (len >= 2 && buf[0] != TYPE_HANDSHAKE)
		return TLS_HELLO_MALFORMED;
	if (len == 1)
		return TLS_HELLO_MORE;
	v = walk_records(buf, len, &r);
	if (v != TLS_HELLO_FOUND)
		return v;
	memset(out, 0, sizeof(*out));
	out->len = r.end;
	c.buf = buf;
	c.at = 0;
	c.in_record = 0;
	c.left = r.body + MESSAGE_HEADER;
	if (!take_hello(&c, out))
		return TLS_HELLO_MALFORMED;
	return out->name_len > 0 ? TLS_HELLO_FOUND : TLS_HELLO_NO_NAME;
}
