/* SPDX-License-Identifier: ISC */
/*
 * Heads of HTTP/1 messages.  In workers; pure.
 *
 * A machine of small steps: each takes what it can of the bytes that are
 * there and either says HTTP_OK (go on), HTTP_MORE (all bytes are used) or a
 * final verdict.  Where it stands is kept in http_scan between calls, so each
 * byte is looked at once, and the answer can't depend on how they came.
 * Lines end in CRLF only: a bare LF or CR, a fold, a NUL is malformed.
 * What the fields mean is http_rules' business.
 */
#include "config.h"
#include "wire/http_head.h"

#include "wire/http_rules.h"
#include "wire/http_target.h"
#include "wire/http_text.h"

#define BLANK_LINES_MAX	4	/* before a request line (RFC 9112, 2.2) */
#define VERSION_LEN	8	/* HTTP/1.1 */
#define TLS_HANDSHAKE	0x16

enum state {
	AT_START,		/* of a request, or after an empty line */
	AT_TLS,
	AT_BLANK_LF,
	IN_METHOD,
	AT_TARGET,
	IN_TARGET,
	IN_VERSION,
	AT_VERSION_END,
	IN_STATUS,
	AT_REASON,
	IN_REASON,
	AT_LINE_LF,
	AT_FIELD,		/* or the line that ends the head */
	IN_NAME,
	AT_VALUE,
	IN_VALUE,
	AT_FIELD_LF,
	AT_HEAD_LF,
	DONE
};

/* One call of the parser. */
struct parse {
	const char *buf;
	size_t end;
	struct http_scan *scan;
	struct http_head *head;
	struct http_request *request;	/* one of both is NULL */
	struct http_response *response;
};

static struct http_span
span_from(const struct parse *p, size_t from, size_t to)
{
	struct http_span s = { p->buf + from, to - from };

	return s;
}

static bool
more(const struct parse *p)
{
	return p->scan->pos < p->end;
}

/* Take the one byte that must stand here. */
static enum http_verdict
take(struct parse *p, char c, enum state next)
{
	if (p->buf[p->scan->pos] != c)
		return HTTP_MALFORMED;
	p->scan->pos++;
	p->scan->mark = p->scan->pos;
	p->scan->state = (uint8_t)next;
	return HTTP_OK;
}

/* Set *s to what was skipped since the mark, now that the byte behind it has
 * come; it must be c. */
static enum http_verdict
finish(struct parse *p, size_t pos, char c, enum state next, struct http_span *s)
{
	struct http_scan *scan = p->scan;

	scan->pos = pos;
	if (pos == p->end)
		return HTTP_MORE;
	if (p->buf[pos] != c)
		return HTTP_MALFORMED;
	*s = span_from(p, scan->mark, pos);
	scan->pos = scan->mark = pos + 1;
	scan->state = (uint8_t)next;
	return HTTP_OK;
}

static enum http_verdict
step_start(struct parse *p)
{
	struct http_scan *scan = p->scan;
	const char c = p->buf[scan->pos];

	if (c == '\r' && scan->blank_lines++ < BLANK_LINES_MAX)
		return take(p, '\r', AT_BLANK_LF);
	if (c == TLS_HANDSHAKE && scan->pos == 0)
		return take(p, TLS_HANDSHAKE, AT_TLS);
	if (!http_is_token(c))
		return HTTP_MALFORMED;
	scan->mark = scan->pos;
	scan->state = IN_METHOD;
	return HTTP_OK;
}

static enum http_verdict
step_method(struct parse *p)
{
	return finish(p, http_skip_token(p->buf, p->scan->pos, p->end), ' ', AT_TARGET,
	    &p->request->method);
}

static enum http_verdict
step_at_target(struct parse *p)
{
	p->scan->state = IN_TARGET;
	return p->buf[p->scan->pos] == ' ' ? HTTP_MALFORMED : HTTP_OK;
}

static enum http_verdict
step_target(struct parse *p)
{
	return finish(p, http_skip_target(p->buf, p->scan->pos, p->end), ' ', IN_VERSION,
	    &p->request->target);
}

/* "HTTP/" DIGIT "." DIGIT, as far as it is there. */
static enum http_verdict
step_version(struct parse *p)
{
	static const char shape[] = "HTTP/0.0";
	struct http_scan *scan = p->scan;
	size_t i;
	char c;

	for (; scan->pos < p->end; scan->pos++) {
		i = scan->pos - scan->mark;
		if (i == VERSION_LEN) {
			scan->state = AT_VERSION_END;
			return HTTP_OK;
		}
		c = p->buf[scan->pos];
		if (shape[i] == '0' ? !http_is_digit(c) : c != shape[i])
			return HTTP_MALFORMED;
	}
	return HTTP_MORE;
}

/* What follows the version tells HTTP/1.11 from HTTP/1.1, so it is asked
 * before the version is judged. */
static enum http_verdict
step_version_end(struct parse *p)
{
	const char *v = p->buf + p->scan->mark;
	const char after = p->buf[p->scan->pos];

	if (after != (p->request != NULL ? '\r' : ' '))
		return HTTP_MALFORMED;
	if (p->request != NULL)
		p->request->version = span_from(p, p->scan->mark, p->scan->pos);
	if (v[5] != '1')
		return HTTP_BAD_VERSION;
	/* a later minor version is read as the last we know (RFC 9110, 2.5) */
	p->head->minor = v[7] != '0';
	if (p->request == NULL)
		return take(p, ' ', IN_STATUS);
	if (!http_target_sort(p->request))
		return HTTP_MALFORMED;
	return take(p, '\r', AT_LINE_LF);
}

static enum http_verdict
step_status(struct parse *p)
{
	struct http_scan *scan = p->scan;
	char c;

	for (; scan->pos < p->end && scan->pos < scan->mark + 3; scan->pos++) {
		c = p->buf[scan->pos];
		if (!http_is_digit(c) || (c == '0' && scan->pos == scan->mark))
			return HTTP_MALFORMED;
		p->response->status = p->response->status * 10 + (unsigned)(c - '0');
	}
	if (scan->pos == scan->mark + 3)
		scan->state = AT_REASON;
	return HTTP_OK;
}

/* The space before an empty reason is due (RFC 9112, 4), but many leave it
 * out, and nothing can be read into that. */
static enum http_verdict
step_at_reason(struct parse *p)
{
	if (p->buf[p->scan->pos] == '\r')
		return take(p, '\r', AT_LINE_LF);
	return take(p, ' ', IN_REASON);
}

static enum http_verdict
step_reason(struct parse *p)
{
	return finish(p, http_skip_value(p->buf, p->scan->pos, p->end), '\r', AT_LINE_LF,
	    &p->response->reason);
}

/*
 * A field's steps, the last first: each goes straight on to the next where it
 * can.  A common head is mostly fields, and to be sent round the switch for
 * each of their parts cost a sixth of the time.
 */
static enum http_verdict
step_field_lf(struct parse *p)
{
	struct http_head *h = p->head;
	enum http_verdict v;

	if ((v = take(p, '\n', AT_FIELD)) != HTTP_OK)
		return v;
	return http_rules_field(h, &h->fields[h->nfields++], p->request);
}

static enum http_verdict
step_value(struct parse *p)
{
	struct http_span *value = &p->head->fields[p->head->nfields].value;
	enum http_verdict v;

	v = finish(p, http_skip_value(p->buf, p->scan->pos, p->end), '\r', AT_FIELD_LF,
	    value);
	if (v != HTTP_OK)
		return v;
	while (value->len > 0 && http_is_blank(value->p[value->len - 1]))
		value->len--;
	return more(p) ? step_field_lf(p) : HTTP_OK;
}

static enum http_verdict
step_at_value(struct parse *p)
{
	struct http_scan *scan = p->scan;

	while (more(p) && http_is_blank(p->buf[scan->pos]))
		scan->pos++;
	scan->mark = scan->pos;
	if (!more(p))
		return HTTP_OK;
	scan->state = IN_VALUE;
	return step_value(p);
}

static enum http_verdict
step_name(struct parse *p)
{
	enum http_verdict v;

	v = finish(p, http_skip_token(p->buf, p->scan->pos, p->end), ':', AT_VALUE,
	    &p->head->fields[p->head->nfields].name);
	return v == HTTP_OK && more(p) ? step_at_value(p) : v;
}

static enum http_verdict
step_field(struct parse *p)
{
	const char c = p->buf[p->scan->pos];

	if (c == '\r')
		return take(p, '\r', AT_HEAD_LF);
	if (!http_is_token(c))		/* a fold, too (RFC 9112, 5.2) */
		return HTTP_MALFORMED;
	if (p->head->nfields == (p->request != NULL ? HTTP_REQUEST_FIELDS : HTTP_RESPONSE_FIELDS))
		return HTTP_TOO_LARGE;
	p->scan->mark = p->scan->pos;
	p->scan->state = IN_NAME;
	return step_name(p);
}

static enum http_verdict
step(struct parse *p)
{
	switch ((enum state)p->scan->state) {
	case AT_START:
		return step_start(p);
	case AT_TLS:
		return p->buf[p->scan->pos] == 0x03 ? HTTP_IS_TLS : HTTP_MALFORMED;
	case AT_BLANK_LF:
		return take(p, '\n', AT_START);
	case IN_METHOD:
		return step_method(p);
	case AT_TARGET:
		return step_at_target(p);
	case IN_TARGET:
		return step_target(p);
	case IN_VERSION:
		return step_version(p);
	case AT_VERSION_END:
		return step_version_end(p);
	case IN_STATUS:
		return step_status(p);
	case AT_REASON:
		return step_at_reason(p);
	case IN_REASON:
		return step_reason(p);
	case AT_LINE_LF:
		return take(p, '\n', AT_FIELD);
	case AT_FIELD:
		return step_field(p);
	case IN_NAME:
		return step_name(p);
	case AT_VALUE:
		return step_at_value(p);
	case IN_VALUE:
		return step_value(p);
	case AT_FIELD_LF:
		return step_field_lf(p);
	case AT_HEAD_LF:
		return take(p, '\n', DONE);
	case DONE:
		break;
	}
	return HTTP_OK;
}

/* len bytes are there; what lies past max is never looked at. */
static enum http_verdict
run(struct parse *p, size_t len, size_t max)
{
	enum http_verdict v = HTTP_OK;

	p->end = len < max ? len : max;
	while (v == HTTP_OK && p->scan->state != DONE)
		v = more(p) ? step(p) : HTTP_MORE;
	if (v == HTTP_MORE && len >= max)
		return HTTP_TOO_LARGE;
	p->head->len = p->scan->pos;
	return v;
}

/* The fields are set as they come: clearing all of them would cost more than
 * parsing a common head. */
static void
head_init(struct http_head *h, enum state state)
{
	h->scan = (struct http_scan){ .state = (uint8_t)state };
	h->len = 0;
	h->content_length = 0;
	h->seen = 0;
	h->framing = HTTP_NO_BODY;
	h->minor = 0;
	h->keep_alive = h->bound = false;
	h->nfields = 0;
}

void
http_request_init(struct http_request *r)
{
	const struct http_span none = { NULL, 0 };

	r->method = r->target = r->version = r->host = r->path = none;
	r->form = HTTP_ORIGIN;
	r->expect_continue = r->upgrade = false;
	head_init(&r->head, AT_START);
}

void
http_response_init(struct http_response *r)
{
	r->status = 0;
	r->reason = (struct http_span){ NULL, 0 };
	head_init(&r->head, IN_VERSION);
}

enum http_verdict
http_request_parse(struct http_request *r, const char *buf, size_t len, size_t max)
{
	struct parse p = {
		.buf = buf, .scan = &r->head.scan, .head = &r->head, .request = r
	};
	const enum http_verdict v = run(&p, len, max);

	return v == HTTP_OK ? http_rules_request(r) : v;
}

enum http_verdict
http_response_parse(struct http_response *r, const char *buf, size_t len, size_t max,
    bool is_head, bool upgrade)
{
	struct parse p = {
		.buf = buf, .scan = &r->head.scan, .head = &r->head, .response = r
	};
	const enum http_verdict v = run(&p, len, max);

	return v == HTTP_OK ? http_rules_response(r, is_head, upgrade) : v;
}
