/* SPDX-License-Identifier: ISC */
/*
 * Reading a ClientHello.  Pure, in a worker; must never read a byte behind
 * len, whatever the lengths inside say.
 *
 * The handshake message may lie in any number of records (RFC 8446, 5.1), and
 * nothing is copied to join them: a walk over the record headers tells how
 * much of the message is there, and then a cursor that steps over those
 * headers reads what there is.  So a length that cannot be is told as soon as
 * it has come, and nobody waits for the rest of a hello that is past mending.
 */
#include "config.h"
#include "wire/tls_hello.h"

#include <string.h>

#define RECORD_HEADER	5u
#define RECORD_MAX	16384u	/* RFC 8446, 5.1 */
#define MESSAGE_HEADER	4u
#define RANDOM_SIZE	32u
#define SESSION_ID_MAX	32u

enum { TYPE_CHANGE_CIPHER = 20, TYPE_HANDSHAKE = 22, TYPE_APPLICATION = 23 };
enum { MESSAGE_CLIENT_HELLO = 1 };
enum { EXTENSION_SERVER_NAME = 0, EXTENSION_ECH = 0xfe0d };
enum { NAME_HOST = 0 };

/* --- not TLS at all --------------------------------------------------------- */

static const char *const methods[] = {
	"GET ", "POST ", "HEAD ", "PUT ", "DELETE ", "OPTIONS ", "PATCH ",
	"CONNECT ", "TRACE ", "PRI ", "PROPFIND ", "PROPPATCH ", "MKCOL ", "COPY ",
	"MOVE ", "LOCK ", "UNLOCK ", "REPORT ", "SEARCH ", "M-SEARCH ", "PURGE ", "QUERY "
};

static enum tls_hello_verdict
judge_other(const uint8_t *buf, size_t len)
{
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		size_t n = strlen(methods[i]);

		if (memcmp(buf, methods[i], len < n ? len : n) == 0)
			return len < n ? TLS_HELLO_MORE : TLS_HELLO_HTTP;
	}
	return TLS_HELLO_NOT_TLS;
}

/* --- the records ------------------------------------------------------------ */

/* What the walk over the records has found of the message. */
struct message {
	size_t size;		/* with its header; 0 while that is not there */
	size_t have;		/* bytes of it that are in the buffer */
	size_t claimed;		/* bytes of it that the records so far hold or will hold */
	size_t end;		/* where the last of those records ends */
};

/* The record header at buf[at], as far as it is there: FOUND with the length
 * of its fragment, MORE or MALFORMED. */
static enum tls_hello_verdict
read_record_header(const uint8_t *buf, size_t len, size_t at, size_t *fragment)
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
	/* a handshake fragment is never empty (RFC 8446, 5.1) */
	return *fragment == 0 || *fragment > RECORD_MAX ? TLS_HELLO_MALFORMED : TLS_HELLO_FOUND;
}

/*
 * Take note of the here bytes of a fragment at p; the message's own header may
 * be split as well.  False where it is another message, or one that is longer
 * than any that we take.
 */
static bool
note_fragment(struct message *m, const uint8_t *p, size_t here)
{
	for (size_t i = 0; i < here && m->have + i < MESSAGE_HEADER; i++) {
		size_t done = m->have + i;

		if (done == 0) {
			if (p[i] != MESSAGE_CLIENT_HELLO)
				return false;
			continue;
		}
		/* 24 bits, the highest first: those to come are added as zero */
		m->size |= (size_t)p[i] << 8 * (MESSAGE_HEADER - 1 - done);
		if (m->size >= TLS_HELLO_MAX)
			return false;
		if (done == MESSAGE_HEADER - 1)
			m->size += MESSAGE_HEADER;
	}
	m->have += here;
	return true;
}

/* Whether the message runs over its records, or past what we take even if
 * the rest of it comes in the fewest records. */
static bool
cannot_end(const struct message *m)
{
	size_t rest;

	if (m->have < MESSAGE_HEADER)
		return false;
	if (m->claimed > m->size)
		return true;	/* another message behind it, where keys change (RFC 8446, 5.1) */
	rest = m->size - m->claimed;
	return m->end + rest + (rest + RECORD_MAX - 1) / RECORD_MAX * RECORD_HEADER > TLS_HELLO_MAX;
}

static enum tls_hello_verdict
walk_records(const uint8_t *buf, size_t len, struct message *m)
{
	memset(m, 0, sizeof(*m));
	for (;;) {
		size_t at = m->end + RECORD_HEADER, fragment;
		enum tls_hello_verdict v = read_record_header(buf, len, m->end, &fragment);

		if (v != TLS_HELLO_FOUND)
			return v;
		if (!note_fragment(m, buf + at, fragment < len - at ? fragment : len - at))
			return TLS_HELLO_MALFORMED;
		m->claimed += fragment;
		m->end = at + fragment;
		if (cannot_end(m))
			return TLS_HELLO_MALFORMED;
		if (m->end > len)
			return TLS_HELLO_MORE;
		if (m->have >= MESSAGE_HEADER && m->claimed == m->size)
			return TLS_HELLO_FOUND;
	}
}

/* --- the message -------------------------------------------------------------- */

/*
 * Where we read.  left is what the message still owes by its own length, have
 * how much of that is in the buffer; they run down together.  Each take_ and
 * skip returns false with the verdict set: MALFORMED where what is asked for
 * cannot come any more, MORE where it may.
 */
struct cursor {
	const uint8_t *buf;
	size_t at;		/* next byte in the buffer */
	size_t in_record;	/* bytes left in this record */
	size_t left;
	size_t have;
	enum tls_hello_verdict verdict;
};

static bool
malformed(struct cursor *c)
{
	c->verdict = TLS_HELLO_MALFORMED;
	return false;
}

static bool
is_there(struct cursor *c, size_t n)
{
	if (n > c->left)
		return malformed(c);
	c->verdict = TLS_HELLO_MORE;
	return n <= c->have;
}

/* Go on by at most n bytes, within one record; returns by how many. */
static size_t
advance(struct cursor *c, size_t n)
{
	if (c->in_record == 0) {
		c->in_record = (size_t)c->buf[c->at + 3] << 8 | c->buf[c->at + 4];
		c->at += RECORD_HEADER;
	}
	if (n > c->in_record)
		n = c->in_record;
	c->at += n;
	c->in_record -= n;
	c->left -= n;
	c->have -= n;
	return n;
}

static uint8_t
next_byte(struct cursor *c)
{
	advance(c, 1);
	return c->buf[c->at - 1];
}

/* A number of size bytes, the highest first. */
static bool
take_number(struct cursor *c, unsigned size, size_t *n)
{
	if (!is_there(c, size))
		return false;
	for (*n = 0; size > 0; size--)
		*n = *n << 8 | next_byte(c);
	return true;
}

static bool
skip(struct cursor *c, size_t n)
{
	if (!is_there(c, n))
		return false;
	while (n > 0)
		n -= advance(c, n);
	return true;
}

/* Longer than any host name can be, it is cut, and is none that way too. */
static bool
take_name(struct cursor *c, size_t n, struct tls_hello *out)
{
	size_t most = sizeof(out->name) - 1;

	if (n == 0 || out->name_len > 0)
		return malformed(c);
	if (!is_there(c, n))
		return false;
	out->name_len = n < most ? n : most;
	for (size_t i = 0; i < out->name_len; i++)
		out->name[i] = (char)next_byte(c);
	return skip(c, n - out->name_len);
}

/* The size bytes of a server_name (RFC 6066, 3): a host_name at most once;
 * names of another type begin with their length as well. */
static bool
take_server_name(struct cursor *c, size_t size, struct tls_hello *out)
{
	size_t list, type, n;

	if (size < 2)
		return malformed(c);
	if (!take_number(c, 2, &list))
		return false;
	if (list == 0 || list != size - 2)
		return malformed(c);
	while (list > 0) {
		if (list < 3)
			return malformed(c);
		if (!take_number(c, 1, &type) || !take_number(c, 2, &n))
			return false;
		if (n > list - 3)
			return malformed(c);
		list -= 3 + n;
		if (!(type == NAME_HOST ? take_name(c, n, out) : skip(c, n)))
			return false;
	}
	return true;
}

/*
 * No extension comes twice (RFC 8446, 4.2).  Real hellos have some twenty, so
 * a short list does; for one that has more, a map of all types, which a
 * worker's stack had better not pay for each time.
 */
#define FEW	64u

struct seen {
	unsigned n;		/* goes on counting past FEW */
	uint16_t type[FEW];
};

static bool
seen_before(struct seen *s, size_t type)
{
	for (unsigned i = 0; i < s->n && i < FEW; i++)
		if (s->type[i] == type)
			return true;
	if (s->n < FEW)
		s->type[s->n] = (uint16_t)type;
	s->n++;
	return false;
}

static bool __attribute__((noinline))
has_repeats(struct cursor c)
{
	uint64_t map[65536 / 64] = { 0 };
	size_t type, n;

	while (c.left > 0 && take_number(&c, 2, &type)) {
		uint64_t bit = UINT64_C(1) << type % 64;

		if ((map[type / 64] & bit) != 0)
			return true;
		map[type / 64] |= bit;
		if (!take_number(&c, 2, &n) || !skip(&c, n))
			break;
	}
	return false;
}

static bool
take_extension(struct cursor *c, struct seen *seen, struct tls_hello *out)
{
	size_t type, n;

	if (!take_number(c, 2, &type))
		return false;
	if (seen_before(seen, type))
		return malformed(c);
	if (!take_number(c, 2, &n))
		return false;
	if (n > c->left)
		return malformed(c);
	if (type == EXTENSION_SERVER_NAME)
		return take_server_name(c, n, out);
	out->ech |= type == EXTENSION_ECH;
	return skip(c, n);
}

static bool
take_extensions(struct cursor *c, struct tls_hello *out)
{
	struct cursor start;
	struct seen seen = { .n = 0 };
	bool good = true;
	size_t size;

	if (c->left == 0)
		return true;		/* up to TLS 1.2 there may be none (RFC 5246, 7.4.1.2) */
	if (!take_number(c, 2, &size))
		return false;
	if (size != c->left)
		return malformed(c);
	start = *c;
	while (good && c->left > 0)
		good = take_extension(c, &seen, out);
	if (seen.n > FEW && has_repeats(start))
		return malformed(c);
	return good;
}

/* RFC 8446, 4.1.2.  A vector with its length in size bytes. */
static bool
skip_vector(struct cursor *c, unsigned size, size_t least, size_t most, size_t unit)
{
	size_t n;

	if (!take_number(c, size, &n))
		return false;
	if (n < least || n > most || n % unit != 0)
		return malformed(c);
	return skip(c, n);
}

static bool
take_hello(struct cursor *c, struct tls_hello *out)
{
	size_t major;

	if (!skip(c, MESSAGE_HEADER) || !take_number(c, 1, &major))
		return false;
	if (major != 3)
		return malformed(c);
	return skip(c, 1 + RANDOM_SIZE) &&
	    skip_vector(c, 1, 0, SESSION_ID_MAX, 1) &&
	    skip_vector(c, 2, 2, 0xfffe, 2) &&		/* cipher suites */
	    skip_vector(c, 1, 1, 0xff, 1) &&		/* compression methods */
	    take_extensions(c, out);
}

enum tls_hello_verdict
tls_hello_parse(const uint8_t *buf, size_t len, struct tls_hello *out)
{
	enum tls_hello_verdict v;
	struct message m;
	struct cursor c;

	if (len == 0)
		return TLS_HELLO_MORE;
	if (buf[0] < TYPE_CHANGE_CIPHER || buf[0] > TYPE_APPLICATION)
		return judge_other(buf, len);
	if (len == 1)
		return TLS_HELLO_MORE;
	if (buf[1] != 3)
		return TLS_HELLO_NOT_TLS;
	v = walk_records(buf, len, &m);
	if (v == TLS_HELLO_MALFORMED || m.have < MESSAGE_HEADER)
		return v;
	memset(out, 0, sizeof(*out));
	out->len = m.end;
	c = (struct cursor){ .buf = buf, .left = m.size, .have = m.have };
	if (!take_hello(&c, out))
		return c.verdict;
	return out->name_len > 0 ? TLS_HELLO_FOUND : TLS_HELLO_NO_NAME;
}
