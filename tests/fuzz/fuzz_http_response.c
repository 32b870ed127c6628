/* SPDX-License-Identifier: ISC */
/*
 * Heads of answers.  The first byte says what they answer: bit 0 a HEAD, bit
 * 1 an upgrade, bit 2 a client of HTTP/1.1.  No split of the bytes changes
 * the verdict, the most forgiving reader finds the same framing, and what is
 * written to the client is one answer that means the same.
 */
#include "config.h"
#include "wire/http_write.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lenient.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct http_response whole, other;
static bool is_head, upgrade;
static unsigned client_minor;

static enum http_verdict
parse(struct http_response *r, const char *text, size_t len)
{
	http_response_init(r);
	return http_response_parse(r, text, len, HTTP_RESPONSE_MAX, is_head, upgrade);
}

static bool
same_span(struct http_span a, struct http_span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

static bool
same_end(const struct http_response *a, const struct http_response *b)
{
	return a->status == b->status && a->head.framing == b->head.framing &&
	    a->head.content_length == b->head.content_length;
}

static void
check_same(const struct http_response *a, const struct http_response *b)
{
	unsigned i;

	MUST(same_end(a, b) && same_span(a->reason, b->reason));
	MUST(a->head.len == b->head.len && a->head.nfields == b->head.nfields &&
	    a->head.seen == b->head.seen && a->head.minor == b->head.minor &&
	    a->head.keep_alive == b->head.keep_alive);
	for (i = 0; i < a->head.nfields; i++)
		MUST(same_span(a->head.fields[i].name, b->head.fields[i].name) &&
		    same_span(a->head.fields[i].value, b->head.fields[i].value) &&
		    a->head.fields[i].id == b->head.fields[i].id &&
		    a->head.fields[i].hop == b->head.fields[i].hop);
}

/* Some bytes more each time, with rubbish where the next ones will be. */
static void
check_pieces(const char *text, size_t len, size_t step, enum http_verdict verdict)
{
	char *buf = malloc(len + 1);
	enum http_verdict v;
	size_t i = 0, n;

	MUST(buf != NULL);
	memset(buf, 0xff, len + 1);
	http_response_init(&other);
	while ((v = http_response_parse(&other, buf, i, HTTP_RESPONSE_MAX, is_head,
	    upgrade)) == HTTP_MORE && i < len) {
		n = len - i < step ? len - i : step;
		memcpy(buf + i, text + i, n);
		i += n;
	}
	MUST(v == verdict);
	if (v == HTTP_OK) {
		MUST(i >= whole.head.len && i < whole.head.len + step);
		check_same(&other, &whole);
	}
	free(buf);
}

static void
check_lenient(const struct http_response *r, const char *text, size_t len)
{
	const struct lenient l = lenient_read(text, len);
	const struct http_head *h = &r->head;

	MUST(l.len == h->len && !l.odd && l.lines == h->nfields);
	MUST(l.lengths + l.codings <= 1);
	MUST(h->framing != HTTP_LENGTH || (l.lengths == 1 && l.length == h->content_length));
	MUST(h->framing != HTTP_CHUNKED || l.codings == 1);
	MUST(h->framing != HTTP_UNTIL_CLOSE || l.lengths + l.codings == 0);
	MUST(h->content_length <= INT64_MAX);
	if (is_head || r->status < 200 || r->status == 204 || r->status == 304)
		MUST(h->framing == HTTP_NO_BODY || r->status == 101);
	if (r->status < 200 || r->status == 204)	/* whoever looks only there */
		MUST(l.length == 0 && l.codings == 0);
}

/* Fields that go on do so in their order; the rest is gone. */
static void
check_fields(const struct http_response *from, const struct http_response *to)
{
	const struct http_field *f = from->head.fields, *g = to->head.fields;
	const struct http_field *end = f + from->head.nfields;
	const struct http_field *stop = g + to->head.nfields;

	for (; f < end; f++) {
		if (f->hop || f->id != HTTP_FIELD_OTHER)
			continue;
		while (g < stop && !(same_span(f->name, g->name) &&
		    same_span(f->value, g->value)))
			g++;
		MUST(g++ < stop);
	}
	for (g = to->head.fields; g < stop; g++)
		MUST((!g->hop || g->id == HTTP_FIELD_CONNECTION) &&
		    g->id != HTTP_FIELD_KEEP_ALIVE && g->id != HTTP_FIELD_PROXY_CONNECTION);
}

static bool
lives_on(const struct http_response *r, enum http_connection connection)
{
	if (r->head.framing == HTTP_UNTIL_CLOSE || r->head.framing == HTTP_TUNNEL)
		return false;
	return connection == HTTP_CONNECTION_KEEP || r->status < 200;
}

static void
check_written(const struct http_response *r, enum http_connection connection)
{
	static char out[2 * HTTP_RESPONSE_MAX], twice[sizeof out];
	const ssize_t n = http_write_response(r, client_minor, connection, out, sizeof out);

	MUST(n > 0 && (size_t)n <= r->head.len + 512);
	MUST(http_write_response(r, client_minor, connection, twice, (size_t)n - 1) == -1);
	if (r->head.nfields + 1 > HTTP_RESPONSE_FIELDS)	/* ours comes on top */
		return;
	MUST(parse(&other, out, (size_t)n) == HTTP_OK);
	MUST(other.head.len == (size_t)n && other.head.minor == 1);
	check_lenient(&other, out, (size_t)n);
	MUST(same_end(&other, r) && same_span(other.reason, r->reason));
	MUST(other.head.keep_alive == lives_on(r, connection));
	check_fields(r, &other);
	MUST(http_write_response(&other, client_minor, connection, twice, sizeof twice) == n);
	MUST(memcmp(out, twice, (size_t)n) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data + 1;
	enum http_verdict v;

	if (size-- == 0)
		return 0;
	is_head = data[0] & 1;
	upgrade = (data[0] & 2) != 0;
	client_minor = (data[0] & 4) != 0;
	v = parse(&whole, text, size);
	MUST(v != HTTP_IS_TLS);
	check_pieces(text, size, 1, v);
	check_pieces(text, size, 2 + size % 31, v);
	if (v != HTTP_OK)
		return 0;
	check_lenient(&whole, text, size);
	if (whole.head.framing == HTTP_TUNNEL) {
		check_written(&whole, HTTP_CONNECTION_UPGRADE);
		return 0;
	}
	check_written(&whole, HTTP_CONNECTION_CLOSE);
	check_written(&whole, HTTP_CONNECTION_KEEP);
	return 0;
}
