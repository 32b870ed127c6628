/* SPDX-License-Identifier: ISC */
/*
 * Request heads.  However the bytes are split, the answer is one; and what is
 * written for the server parses to the same request, with nothing behind it.
 */
#include "config.h"
#include "wire/http_write.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/http_text.h"

#define MUST(x)	do { if (!(x)) abort(); } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct http_request whole, pieces, again;

static bool
same(struct http_span a, struct http_span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

static unsigned
count(const struct http_request *r, enum http_field_id id)
{
	unsigned i, n = 0;

	for (i = 0; i < r->head.nfields; i++)
		n += r->head.fields[i].id == id;
	return n;
}

static void
same_in_pieces(const char *buf, size_t size, size_t step, enum http_verdict verdict)
{
	enum http_verdict v = HTTP_MORE;
	size_t len;

	http_request_init(&pieces);
	for (len = 0; v == HTTP_MORE && len < size; len += step)
		v = http_request_parse(&pieces, buf, len, HTTP_REQUEST_MAX);
	if (v == HTTP_MORE)
		v = http_request_parse(&pieces, buf, size, HTTP_REQUEST_MAX);
	MUST(v == verdict);
	if (v != HTTP_OK)
		return;
	MUST(pieces.head.len == whole.head.len && pieces.head.nfields == whole.head.nfields);
	MUST(pieces.head.framing == whole.head.framing && same(pieces.host, whole.host));
}

/* Written with this change, it is the same request. */
static void
same_when_written(const struct http_request_change *change)
{
	static char out[2 * HTTP_REQUEST_MAX];
	const ssize_t len = http_write_request(&whole, change, out,
	    whole.head.len + 512 + change->name.len + change->value.len + change->client.len);

	MUST(len > 0);
	http_request_init(&again);
	/* Up to three fields more than came: what we add is ours to add. */
	if (whole.head.nfields + 3 > HTTP_FIELDS_MAX)
		return;
	MUST(http_request_parse(&again, out, (size_t)len, sizeof out) == HTTP_OK);
	MUST(again.head.len == (size_t)len && again.form != HTTP_ABSOLUTE);
	MUST(again.head.framing == whole.head.framing);
	MUST(again.head.content_length == whole.head.content_length);
	MUST(again.head.minor == whole.head.minor && same(again.method, whole.method));
	MUST(count(&again, HTTP_FIELD_HOST) <= 1);
	MUST(count(&again, HTTP_FIELD_CONNECTION) <= 1);
	MUST(count(&again, HTTP_FIELD_CONTENT_LENGTH) +
	    count(&again, HTTP_FIELD_TRANSFER_ENCODING) <= 1);
	MUST(count(&again, HTTP_FIELD_KEEP_ALIVE) + count(&again, HTTP_FIELD_PROXY_CONNECTION) == 0);
	if (change->client.len > 0)
		MUST(count(&again, HTTP_FIELD_X_FORWARDED_FOR) == 1);
	if (!http_span_is(change->name, "host") &&
	    (whole.form == HTTP_ABSOLUTE ? count(&whole, HTTP_FIELD_HOST) == 0 : true))
		MUST(same(again.host, whole.host));
	MUST(again.upgrade == (whole.upgrade && change->connection == HTTP_CONNECTION_UPGRADE));
	MUST(again.head.keep_alive == (change->connection != HTTP_CONNECTION_CLOSE));
	if (again.expect_continue)
		MUST(whole.expect_continue);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct http_request_change changes[] = {
		{ .connection = HTTP_CONNECTION_KEEP },
		{ .connection = HTTP_CONNECTION_UPGRADE, .client = { "2001:db8::1", 11 } },
		{ .connection = HTTP_CONNECTION_CLOSE, .client = { "192.0.2.1", 9 },
		    .name = { "X-Server", 8 }, .value = { "compute0", 8 } },
		{ .connection = HTTP_CONNECTION_UPGRADE, .name = { "Host", 4 },
		    .value = { "compute0", 8 } },
	};
	const char *buf = (const char *)data;
	enum http_verdict v;
	size_t i;

	http_request_init(&whole);
	v = http_request_parse(&whole, buf, size, HTTP_REQUEST_MAX);
	same_in_pieces(buf, size, 1, v);
	same_in_pieces(buf, size, 2 + size % 31, v);
	if (v != HTTP_OK)
		return 0;
	MUST(whole.head.len <= size);
	for (i = 0; i < sizeof changes / sizeof changes[0]; i++)
		same_when_written(&changes[i]);
	return 0;
}
