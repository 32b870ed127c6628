/* SPDX-License-Identifier: ISC */
/*
 * Heads as durward sends them on, and its own answers.  In workers; pure.
 *
 * Written afresh field by field, so that nothing reaches the other side that
 * the parser did not understand: no odd white space, no second framing field,
 * no hop-by-hop field, however it was spelled.
 */
#include "config.h"
#include "wire/http_write.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "wire/http_text.h"

/* A buffer that is filled from the front; too little room is remembered. */
struct out {
	char *buf;
	size_t len, size;
	bool full;
};

static void
put(struct out *o, const char *p, size_t len)
{
	if (o->full || len > o->size - o->len) {
		o->full = true;
		return;
	}
	if (len > 0)
		memcpy(o->buf + o->len, p, len);
	o->len += len;
}

static void
put_text(struct out *o, const char *text)
{
	put(o, text, strlen(text));
}

static void
put_span(struct out *o, struct http_span s)
{
	put(o, s.p, s.len);
}

static void
put_field(struct out *o, struct http_span name, struct http_span value)
{
	put_span(o, name);
	put_text(o, ": ");
	put_span(o, value);
	put_text(o, "\r\n");
}

static void
put_number(struct out *o, uint64_t n)
{
	char digits[20];
	size_t i = sizeof digits;

	do
		digits[--i] = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	put(o, digits + i, sizeof digits - i);
}

static ssize_t
out_len(const struct out *o)
{
	return o->full ? -1 : (ssize_t)o->len;
}

static bool
has(const struct http_head *h, enum http_field_id id)
{
	return (h->seen >> id & 1) != 0;
}

/* As the parser understood it, not as it was spelled ("0005"). */
static void
put_length(struct out *o, const struct http_head *h)
{
	put_text(o, "Content-Length: ");
	put_number(o, h->content_length);
	put_text(o, "\r\n");
}

static void
put_target(struct out *o, const struct http_request *r)
{
	const bool options = r->method.len == 7 && memcmp(r->method.p, "OPTIONS", 7) == 0;

	if (r->form == HTTP_ABSOLUTE && r->path.len == 0) {
		put_text(o, options ? "*" : "/");	/* RFC 9112, 3.2.4 */
		return;
	}
	if (r->form == HTTP_ABSOLUTE && r->path.p[0] == '?')
		put_text(o, "/");
	put_span(o, r->path);
}

/* The fields that came, joined in their order, and the client behind them. */
static void
put_forwarded_for(struct out *o, const struct http_head *h, struct http_span client)
{
	unsigned i;

	put_text(o, "X-Forwarded-For: ");
	for (i = 0; has(h, HTTP_FIELD_X_FORWARDED_FOR) && i < h->nfields; i++) {
		if (h->fields[i].id != HTTP_FIELD_X_FORWARDED_FOR ||
		    h->fields[i].value.len == 0)
			continue;
		put_span(o, h->fields[i].value);
		put_text(o, ", ");
	}
	put_span(o, client);
	put_text(o, "\r\n");
}

/* Connection, with one word or two; none where both are NULL. */
static void
put_connection(struct out *o, const char *word, const char *other)
{
	if (word == NULL && other == NULL)
		return;
	put_text(o, "Connection: ");
	if (word != NULL)
		put_text(o, word);
	if (word != NULL && other != NULL)
		put_text(o, ", ");
	if (other != NULL)
		put_text(o, other);
	put_text(o, "\r\n");
}

/* NULL where the version says it already. */
static const char *
connection_word(enum http_connection connection, unsigned minor)
{
	switch (connection) {
	case HTTP_CONNECTION_KEEP:
		return minor == 0 ? "keep-alive" : NULL;
	case HTTP_CONNECTION_CLOSE:
		return "close";
	case HTTP_CONNECTION_UPGRADE:
		return "upgrade";
	}
	return NULL;
}

/* Fields that are neither dropped nor written elsewhere. */
static void
put_request_fields(struct out *o, const struct http_request *r,
    const struct http_request_change *c, bool upgrade, bool *te)
{
	const struct http_head *h = &r->head;
	const struct http_field *f;

	for (f = h->fields; f < h->fields + h->nfields; f++) {
		if (f->hop || (f->id == HTTP_FIELD_UPGRADE && !upgrade) ||
		    (f->id == HTTP_FIELD_X_FORWARDED_FOR && c->client.len > 0) ||
		    (c->name.len > 0 && http_span_same(f->name, c->name)))
			continue;
		if (f->id == HTTP_FIELD_CONTENT_LENGTH) {
			put_length(o, h);
			continue;
		}
		*te |= f->id == HTTP_FIELD_TE;
		put_field(o, f->name, f->value);
	}
}

ssize_t
http_write_request(const struct http_request *r,
    const struct http_request_change *c, char *buf, size_t size)
{
	static const struct http_span host = { "Host", 4 };
	const struct http_head *h = &r->head;
	struct out o = { .buf = buf, .size = size };
	enum http_connection connection = c->connection;
	bool te = false;

	if (connection == HTTP_CONNECTION_UPGRADE && !r->upgrade)
		connection = HTTP_CONNECTION_KEEP;
	put_span(&o, r->method);
	put_text(&o, " ");
	put_target(&o, r);
	put_text(&o, h->minor == 1 ? " HTTP/1.1\r\n" : " HTTP/1.0\r\n");
	if (r->form == HTTP_ABSOLUTE && !has(h, HTTP_FIELD_HOST) &&
	    !(c->name.len > 0 && http_span_same(host, c->name)))
		put_field(&o, host, r->host);
	put_request_fields(&o, r, c, connection == HTTP_CONNECTION_UPGRADE, &te);
	if (c->client.len > 0)
		put_forwarded_for(&o, h, c->client);
	if (c->name.len > 0)
		put_field(&o, c->name, c->value);
	/* Whoever sends TE says so in Connection (RFC 9110, 10.1.4). */
	put_connection(&o, connection_word(connection, h->minor), te ? "TE" : NULL);
	put_text(&o, "\r\n");
	return out_len(&o);
}

/* A status that has no body has no framing field either, but for 304, which
 * tells the length that a 200 would have. */
static bool
response_has_framing(unsigned status)
{
	return status >= 200 && status != 204;
}

static void
put_response_fields(struct out *o, const struct http_response *r, bool upgrade)
{
	const struct http_head *h = &r->head;
	const struct http_field *f;
	bool framing;

	for (f = h->fields; f < h->fields + h->nfields; f++) {
		framing = f->id == HTTP_FIELD_CONTENT_LENGTH ||
		    f->id == HTTP_FIELD_TRANSFER_ENCODING;
		if (f->hop || (f->id == HTTP_FIELD_UPGRADE && !upgrade) ||
		    (framing && !response_has_framing(r->status)))
			continue;
		if (f->id == HTTP_FIELD_CONTENT_LENGTH)
			put_length(o, h);
		else
			put_field(o, f->name, f->value);
	}
}

ssize_t
http_write_response(const struct http_response *r, unsigned client_minor,
    enum http_connection connection, char *buf, size_t size)
{
	const bool interim = r->status < 200 && r->status != 101;
	const bool upgrade_required = r->status == 426 &&
	    has(&r->head, HTTP_FIELD_UPGRADE);
	struct out o = { .buf = buf, .size = size };

	put_text(&o, "HTTP/1.1 ");
	put_number(&o, r->status);
	put_text(&o, " ");
	put_span(&o, r->reason);
	put_text(&o, "\r\n");
	put_response_fields(&o, r, upgrade_required ||
	    connection == HTTP_CONNECTION_UPGRADE);
	if (!interim)
		put_connection(&o, connection_word(connection, client_minor),
		    upgrade_required ? "upgrade" : NULL);
	put_text(&o, "\r\n");
	return out_len(&o);
}

bool
http_write_name_ok(const char *name, size_t len)
{
	const struct http_span s = { name, len };
	const enum http_field_id id = http_field_find(s);

	return len > 0 && http_skip_token(name, 0, len) == len &&
	    (id == HTTP_FIELD_OTHER || id == HTTP_FIELD_HOST);
}

static const struct {
	unsigned status;
	const char *reason, *says;
} errors[] = {
	{ 400, "Bad Request", "Your browser sent an invalid request." },
	{ 404, "Not Found", "Nothing is served here under this name." },
	{ 408, "Request Timeout", "Your browser did not send a complete request in time." },
	{ 431, "Request Header Fields Too Large",
	    "Your browser sent too large a request head." },
	{ 502, "Bad Gateway", "The server returned an invalid or incomplete answer." },
	{ 503, "Service Unavailable", "No server is available to handle this request." },
	{ 504, "Gateway Timeout", "The server did not answer in time." },
	{ 505, "HTTP Version Not Supported", "Only HTTP/1.0 and HTTP/1.1 are spoken here." },
};

#define NERRORS	(sizeof errors / sizeof errors[0])

const char *
http_reason(unsigned status)
{
	size_t i;

	for (i = 0; i < NERRORS; i++)
		if (errors[i].status == status)
			return errors[i].reason;
	return "";
}

ssize_t
http_write_error(unsigned status, unsigned client_minor, bool close, bool is_head,
    char *buf, size_t size)
{
	const enum http_connection connection = close ? HTTP_CONNECTION_CLOSE :
	    HTTP_CONNECTION_KEEP;
	struct out o = { .buf = buf, .size = size };
	char body[256], head[160];
	size_t i;
	int body_len;

	for (i = 0; i < NERRORS && errors[i].status != status; i++)
		;
	if (i == NERRORS)
		return -1;
	body_len = snprintf(body, sizeof body,
	    "<html><head><title>%u %s</title></head>\n"
	    "<body><h1>%u %s</h1>\n%s\n</body></html>\n",
	    status, errors[i].reason, status, errors[i].reason, errors[i].says);
	snprintf(head, sizeof head, "HTTP/1.1 %u %s\r\nContent-Length: %d\r\n"
	    "Cache-Control: no-cache\r\nContent-Type: text/html\r\n",
	    status, errors[i].reason, body_len);
	put_text(&o, head);
	put_connection(&o, connection_word(connection, client_minor), NULL);
	put_text(&o, "\r\n");
	if (!is_head)
		put_text(&o, body);
	return out_len(&o);
}
