/* SPDX-License-Identifier: ISC */
/*
 * Request heads: no split of the bytes changes the verdict, the most
 * forgiving reader finds in a good one what we found, and what is written to
 * the server is one request that means the same.
 */
#include "config.h"
#include "wire/http_write.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lenient.h"

#define SHORT	48		/* a limit that many inputs pass */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct http_request whole, pieces, again;

static enum http_verdict
parse(struct http_request *r, const char *text, size_t len, size_t max)
{
	http_request_init(r);
	return http_request_parse(r, text, len, max);
}

static bool
same_span(struct http_span a, struct http_span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

static bool
is(struct http_span s, const char *text)
{
	return s.len == strlen(text) && memcmp(s.p, text, s.len) == 0;
}

static void
check_same(const struct http_request *a, const struct http_request *b)
{
	unsigned i;

	MUST(same_span(a->method, b->method) && same_span(a->target, b->target) &&
	    same_span(a->version, b->version) && same_span(a->host, b->host) &&
	    same_span(a->path, b->path));
	MUST(a->form == b->form && a->expect_continue == b->expect_continue &&
	    a->upgrade == b->upgrade);
	MUST(a->head.len == b->head.len && a->head.nfields == b->head.nfields &&
	    a->head.seen == b->head.seen && a->head.framing == b->head.framing &&
	    a->head.content_length == b->head.content_length &&
	    a->head.minor == b->head.minor && a->head.keep_alive == b->head.keep_alive);
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
	http_request_init(&pieces);
	while ((v = http_request_parse(&pieces, buf, i, HTTP_REQUEST_MAX)) == HTTP_MORE &&
	    i < len) {
		n = len - i < step ? len - i : step;
		memcpy(buf + i, text + i, n);
		i += n;
	}
	MUST(v == verdict);
	if (v == HTTP_OK) {
		MUST(i >= whole.head.len && i < whole.head.len + step);
		check_same(&pieces, &whole);
	}
	free(buf);
}

static void
check_limit(const char *text, size_t len, enum http_verdict verdict)
{
	const enum http_verdict v = parse(&again, text, len, SHORT);

	if (verdict == HTTP_OK)
		MUST(v == (whole.head.len <= SHORT ? HTTP_OK : HTTP_TOO_LARGE));
	else
		MUST(v == verdict || v == HTTP_TOO_LARGE);
	MUST(v != HTTP_MORE || len < SHORT);
}

static void
check_lenient(const struct http_request *r, const char *text, size_t len)
{
	const struct lenient l = lenient_read(text, len);
	const struct http_head *h = &r->head;

	MUST(l.len == h->len && !l.odd && l.lines == h->nfields);
	MUST(l.hosts <= 1 && l.lengths + l.codings <= 1);
	MUST(l.hosts == 1 || h->minor == 0);
	MUST((h->framing == HTTP_LENGTH) == (l.lengths == 1));
	MUST((h->framing == HTTP_CHUNKED) == (l.codings == 1));
	MUST(h->framing != HTTP_LENGTH || l.length == h->content_length);
	MUST(h->content_length <= INT64_MAX);
}

/* Nothing that a router, a log or a server could take for more than a name. */
static void
check_host(struct http_span host)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "0123456789-._:[]";
	size_t i;

	for (i = 0; i < host.len; i++)
		MUST(host.p[i] != '\0' && strchr(allowed, host.p[i]) != NULL);
}

/* Fields that go on do so in their order; the rest is gone. */
static void
check_fields(const struct http_request *from, const struct http_request *to,
    const struct http_request_change *c)
{
	const struct http_field *f = from->head.fields, *g = to->head.fields;
	const struct http_field *end = f + from->head.nfields;
	const struct http_field *stop = g + to->head.nfields;

	for (; f < end; f++) {
		if (f->hop || f->id != HTTP_FIELD_OTHER || (c->name.len == f->name.len &&
		    strncasecmp(c->name.p, f->name.p, c->name.len) == 0))
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

/* One X-Forwarded-For, and it ends in the client. */
static void
check_client(const struct http_request *r, struct http_span client)
{
	const struct http_field *f, *end = r->head.fields + r->head.nfields;
	unsigned n = 0;

	for (f = r->head.fields; f < end; f++) {
		if (f->id != HTTP_FIELD_X_FORWARDED_FOR)
			continue;
		n++;
		MUST(f->value.len >= client.len && memcmp(f->value.p + f->value.len -
		    client.len, client.p, client.len) == 0);
	}
	MUST(n == 1);
}

static void
check_meaning(const struct http_request *r, const struct http_request_change *c)
{
	const bool upgrade = c->connection == HTTP_CONNECTION_UPGRADE && r->upgrade;

	MUST(same_span(again.method, r->method) && again.head.minor == r->head.minor);
	MUST(again.head.framing == r->head.framing &&
	    again.head.content_length == r->head.content_length);
	MUST(again.form != HTTP_ABSOLUTE && again.upgrade == upgrade &&
	    again.expect_continue == r->expect_continue);
	MUST(again.head.keep_alive == (c->connection != HTTP_CONNECTION_CLOSE));
	MUST(is(c->name, "Host") ? is(again.host, "server") :
	    again.host.len > 0 || r->host.len == 0);
	if (r->form != HTTP_ABSOLUTE)
		MUST(same_span(again.target, r->target));
	if (r->form != HTTP_ABSOLUTE && !is(c->name, "Host"))
		MUST(same_span(again.host, r->host));
}

/* Writes r; what is written is one request, and is written alike again. */
static void
check_written(const struct http_request *r, const struct http_request_change *c)
{
	static char out[2 * HTTP_REQUEST_MAX], twice[sizeof out];
	struct http_request_change same = *c;
	const ssize_t n = http_write_request(r, c, out, sizeof out);

	MUST(n > 0 && (size_t)n <= r->head.len + 512 + c->client.len + c->name.len +
	    c->value.len);
	MUST(http_write_request(r, c, twice, (size_t)n) == n);
	MUST(http_write_request(r, c, twice, (size_t)n - 1) == -1);
	if (r->head.nfields + 3 > HTTP_REQUEST_FIELDS)	/* ours come on top */
		return;
	MUST(parse(&again, out, (size_t)n, sizeof out) == HTTP_OK);
	MUST(again.head.len == (size_t)n);
	check_lenient(&again, out, (size_t)n);
	check_meaning(r, c);
	check_fields(r, &again, c);
	if (c->client.len > 0)
		check_client(&again, c->client);
	same.client.len = 0;
	MUST(http_write_request(&again, &same, twice, sizeof twice) == n);
	MUST(memcmp(out, twice, (size_t)n) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct http_span client = { "192.0.2.1", 9 }, none = { "", 0 },
	    names[] = { { "", 0 }, { "Host", 4 }, { "X-Server", 8 } },
	    server = { "server", 6 };
	const char *text = (const char *)data;
	struct http_request_change c;
	enum http_verdict v;
	unsigned i;

	v = parse(&whole, text, size, HTTP_REQUEST_MAX);
	check_pieces(text, size, 1, v);
	check_pieces(text, size, 2 + size % 31, v);
	check_limit(text, size, v);
	if (v != HTTP_OK)
		return 0;
	check_lenient(&whole, text, size);
	check_host(whole.host);
	for (i = 0; i < 6; i++) {
		c.connection = (enum http_connection)(i % 3);
		c.client = i % 2 ? client : none;
		c.name = names[(i + size) % 3];
		c.value = server;
		check_written(&whole, &c);
	}
	return 0;
}
