/* SPDX-License-Identifier: ISC */
/*
 * What the fields of a head mean.  In workers; pure.
 *
 * The rule behind the rules: whoever reads the message after us (a server, a
 * client, another proxy) must find the same host in it and the same end.
 * Where RFC 9110 or 9112 leaves a choice between repairing and refusing, a
 * repeated or listed Content-Length, even of identical values, is refused.
 */
#include "config.h"
#include "wire/http_rules.h"

#include <string.h>

#include "wire/http_target.h"
#include "wire/http_text.h"

#define OPTIONS_MAX	HTTP_REQUEST_FIELDS	/* names in Connection */

/* What Connection asks for. */
struct options {
	bool close, keep_alive, upgrade;
	unsigned count;
};

static uint32_t
bit(enum http_field_id id)
{
	return UINT32_C(1) << id;
}

static bool
has(const struct http_head *h, enum http_field_id id)
{
	return (h->seen & bit(id)) != 0;
}

/* RFC 9112, 6.3: digits and nothing else, below 2^63. */
static enum http_verdict
length_parse(struct http_head *h, struct http_span value)
{
	uint64_t n = 0;
	size_t i;
	unsigned digit;

	if (value.len == 0 || has(h, HTTP_FIELD_TRANSFER_ENCODING))
		return HTTP_MALFORMED;
	for (i = 0; i < value.len; i++) {
		if (!http_is_digit(value.p[i]))
			return HTTP_MALFORMED;
		digit = (unsigned)(value.p[i] - '0');
		if (n > ((uint64_t)INT64_MAX - digit) / 10)
			return HTTP_MALFORMED;
		n = n * 10 + digit;
	}
	h->content_length = n;
	return HTTP_OK;
}

/* RFC 9112, 6.1: one coding that we know, and not from a 1.0 peer. */
static enum http_verdict
coding_check(const struct http_head *h, struct http_span value)
{
	if (has(h, HTTP_FIELD_CONTENT_LENGTH) || h->minor == 0 ||
	    !http_span_is(value, "chunked"))
		return HTTP_MALFORMED;
	return HTTP_OK;
}

/* RFC 9112, 3.2; an absolute target names the same host or the request could
 * be read as two. */
static enum http_verdict
host_check(struct http_request *r, struct http_span value)
{
	struct http_authority host, target;

	if (!http_authority_parse(value, &host))
		return HTTP_MALFORMED;
	if (r->form != HTTP_ABSOLUTE)
		r->host = value;
	else if (!http_authority_parse(r->host, &target) ||
	    !http_authority_same(&host, &target, http_target_port(r)))
		return HTTP_MALFORMED;
	return HTTP_OK;
}

/* A scheme that logs a connection in, and not a request, is among these
 * challenges, or the one of these credentials. */
static bool
binds(struct http_span value)
{
	struct http_span item, scheme;

	while (http_list_next(&value, &item)) {
		scheme.p = item.p;
		scheme.len = http_skip_token(item.p, 0, item.len);
		if (http_span_is(scheme, "ntlm") || http_span_is(scheme, "negotiate"))
			return true;
	}
	return false;
}

enum http_verdict
http_rules_field(struct http_head *h, struct http_field *f, struct http_request *r)
{
	const enum http_field_id id = http_field_find(f->name);
	const bool again = id != HTTP_FIELD_OTHER && has(h, id);

	f->id = (uint8_t)id;
	f->hop = false;
	h->seen |= bit(id);
	switch (id) {
	case HTTP_FIELD_CONTENT_LENGTH:
		return again ? HTTP_MALFORMED : length_parse(h, f->value);
	case HTTP_FIELD_TRANSFER_ENCODING:
		return again ? HTTP_MALFORMED : coding_check(h, f->value);
	case HTTP_FIELD_HOST:
		if (r == NULL)
			return HTTP_OK;
		return again ? HTTP_MALFORMED : host_check(r, f->value);
	case HTTP_FIELD_AUTHENTICATE:
		h->bound |= binds(f->value);
		return HTTP_OK;
	case HTTP_FIELD_CONNECTION:
	case HTTP_FIELD_KEEP_ALIVE:
	case HTTP_FIELD_PROXY_CONNECTION:
		f->hop = true;
		return HTTP_OK;
	case HTTP_FIELD_TE:
		/* The one thing a proxy that streams can pass on. */
		f->hop = !http_span_is(f->value, "trailers");
		return HTTP_OK;
	case HTTP_FIELD_OTHER:
	case HTTP_FIELD_EXPECT:
	case HTTP_FIELD_TRAILER:
	case HTTP_FIELD_UPGRADE:
	case HTTP_FIELD_X_FORWARDED_FOR:
		return HTTP_OK;
	}
	return HTTP_OK;
}

/* Connection names a field: it goes no further (RFC 9110, 7.6.1).  But what
 * frames or routes a message is not the client's to strip: who tries wants
 * two readings.  Servers do name Transfer-Encoding, and mean no harm. */
static enum http_verdict
option_name(struct http_head *h, struct http_span name, bool request)
{
	const enum http_field_id id = http_field_find(name);
	unsigned i;

	if (id == HTTP_FIELD_CONTENT_LENGTH || id == HTTP_FIELD_HOST)
		return HTTP_MALFORMED;
	if (id == HTTP_FIELD_TRANSFER_ENCODING)
		return request ? HTTP_MALFORMED : HTTP_OK;
	if (id == HTTP_FIELD_X_FORWARDED_FOR || id == HTTP_FIELD_TE)
		return HTTP_OK;
	for (i = 0; i < h->nfields; i++)
		if (http_span_same(h->fields[i].name, name))
			h->fields[i].hop = true;
	return HTTP_OK;
}

static enum http_verdict
options_field(struct http_head *h, struct http_span list, bool request,
    struct options *o)
{
	struct http_span item;

	while (http_list_next(&list, &item)) {
		if (http_skip_token(item.p, 0, item.len) != item.len ||
		    o->count++ == OPTIONS_MAX)
			return HTTP_MALFORMED;
		if (http_span_is(item, "close"))
			o->close = true;
		else if (http_span_is(item, "keep-alive"))
			o->keep_alive = true;
		else if (http_span_is(item, "upgrade"))
			o->upgrade = true;
		else if (option_name(h, item, request) != HTTP_OK)
			return HTTP_MALFORMED;
	}
	return HTTP_OK;
}

static enum http_verdict
options_read(struct http_head *h, bool request, struct options *o)
{
	unsigned i;

	memset(o, 0, sizeof *o);
	for (i = 0; has(h, HTTP_FIELD_CONNECTION) && i < h->nfields; i++)
		if (h->fields[i].id == HTTP_FIELD_CONNECTION &&
		    options_field(h, h->fields[i].value, request, o) != HTTP_OK)
			return HTTP_MALFORMED;
	h->keep_alive = !o->close && (h->minor == 1 || o->keep_alive);
	return HTTP_OK;
}

/* Is any of the protocols asked for HTTP again?  In an h2c tunnel requests
 * would go past the router unseen. */
static bool
upgrade_is_http(const struct http_head *h)
{
	struct http_span list, item, word;
	unsigned i;

	for (i = 0; i < h->nfields; i++) {
		if (h->fields[i].id != HTTP_FIELD_UPGRADE)
			continue;
		list = h->fields[i].value;
		while (http_list_next(&list, &item)) {
			word = item;
			word.len = item.len < 4 ? item.len : 4;
			if (http_span_is(word, "http"))
				return true;
			word.len = item.len < 2 ? item.len : 2;
			if (http_span_is(word, "h2"))
				return true;
		}
	}
	return false;
}

static void
hop_set(struct http_head *h, enum http_field_id id)
{
	unsigned i;

	for (i = 0; i < h->nfields; i++)
		if (h->fields[i].id == id)
			h->fields[i].hop = true;
}

static bool
expects_continue(const struct http_head *h)
{
	unsigned i;

	if (!has(h, HTTP_FIELD_EXPECT) || h->minor == 0)
		return false;
	for (i = 0; i < h->nfields; i++)
		if (h->fields[i].id == HTTP_FIELD_EXPECT && !h->fields[i].hop &&
		    http_span_is(h->fields[i].value, "100-continue"))
			return true;
	return false;
}

static uint8_t
request_framing(const struct http_head *h)
{
	if (has(h, HTTP_FIELD_TRANSFER_ENCODING))
		return HTTP_CHUNKED;
	return has(h, HTTP_FIELD_CONTENT_LENGTH) ? HTTP_LENGTH : HTTP_NO_BODY;
}

enum http_verdict
http_rules_request(struct http_request *r)
{
	struct http_head *h = &r->head;
	struct options o;

	if (h->minor == 1 && !has(h, HTTP_FIELD_HOST))
		return HTTP_MALFORMED;
	if (options_read(h, true, &o) != HTTP_OK)
		return HTTP_MALFORMED;
	h->framing = request_framing(h);
	r->expect_continue = expects_continue(h);
	if (has(h, HTTP_FIELD_UPGRADE)) {
		/* With a body yet to come, where the tunnel begins would be a
		 * matter of opinion; a HEAD has no tunnel to answer with. */
		r->upgrade = o.upgrade && h->minor == 1 &&
		    h->framing != HTTP_CHUNKED && h->content_length == 0 &&
		    !(r->method.len == 4 && memcmp(r->method.p, "HEAD", 4) == 0) &&
		    !upgrade_is_http(h);
		if (!r->upgrade)
			hop_set(h, HTTP_FIELD_UPGRADE);
	}
	return HTTP_OK;
}

/* RFC 9112, 6.3, and 9110, 15: 1xx and 204 have no body and must not claim
 * one; a Content-Length of zero claims nothing. */
static enum http_verdict
response_framing(struct http_response *r, bool is_head, bool upgrade)
{
	struct http_head *h = &r->head;

	h->framing = HTTP_NO_BODY;
	if (r->status < 200 || r->status == 204) {
		if (has(h, HTTP_FIELD_TRANSFER_ENCODING) || h->content_length > 0)
			return HTTP_MALFORMED;
		if (r->status != 101)
			return HTTP_OK;
		h->framing = HTTP_TUNNEL;
		return upgrade && h->minor == 1 ? HTTP_OK : HTTP_MALFORMED;
	}
	if (r->status == 304 || is_head)
		return HTTP_OK;
	h->framing = request_framing(h);
	if (h->framing == HTTP_NO_BODY)
		h->framing = HTTP_UNTIL_CLOSE;
	return HTTP_OK;
}

enum http_verdict
http_rules_response(struct http_response *r, bool is_head, bool upgrade)
{
	struct http_head *h = &r->head;
	struct options o;

	if (options_read(h, false, &o) != HTTP_OK ||
	    response_framing(r, is_head, upgrade) != HTTP_OK)
		return HTTP_MALFORMED;
	if (h->framing == HTTP_UNTIL_CLOSE || h->framing == HTTP_TUNNEL)
		h->keep_alive = false;
	/* 426 says which protocol the server would rather speak. */
	if (r->status != 101 && r->status != 426)
		hop_set(h, HTTP_FIELD_UPGRADE);
	return HTTP_OK;
}
