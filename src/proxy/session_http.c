/* SPDX-License-Identifier: ISC */
/*
 * A client of an HTTP listener: request after request, each read, checked,
 * routed by its own Host, served and logged.  In a worker.
 *
 * The first request has `request` from accept on; a later one has
 * `keep-alive` until its first byte, and `request` from there.
 */
#include "config.h"
#include "proxy/session_http.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "proxy/admit.h"
#include "proxy/dial.h"
#include "proxy/http_exchange.h"
#include "proxy/http_kept.h"
#include "proxy/session.h"
#include "report/access.h"
#include "wire/hostname.h"
#include "wire/http_head.h"

#define KEPT_LOOK_MS	2500	/* between requests, how often kept connections are seen to */
#define LINE_MAX_LOGGED	1024	/* of method, target and version */

static char request_line[LINE_MAX_LOGGED];	/* escaped, for the log */

/* --- the log ------------------------------------------------------------------- */

static void
keep_request_line(const struct http_request *r)
{
	char *p = request_line, *end = request_line + sizeof(request_line) - 16;

	if (r->version.p == NULL) {	/* no request line, to HAProxy neither */
		strcpy(request_line, "<BADREQ>");
		return;
	}
	p += log_escape(p, (size_t)(end - p), r->method.p, r->method.len);
	*p++ = ' ';
	p += log_escape(p, (size_t)(end - p), r->target.p, r->target.len);
	*p++ = ' ';
	log_escape(p, 15, r->version.p, r->version.len);
}

static int64_t
span_ms(int64_t from, int64_t to)
{
	return from > 0 && to > 0 ? (to - from) / 1000 : -1;
}

/* HAProxy's httplog.  Where it has what was captured from the request's head
 * stands the host, and in the answer's place a word more on why the client was
 * turned away. */
static void
log_request(struct session *s, const struct http_exchange *x)
{
	const int64_t times[] = {
		span_ms(x->start_us, x->head_us), session_queue_ms(s), session_connect_ms(s),
		span_ms(x->sent_us, x->answer_us), span_ms(x->start_us, clock_us()),
	};
	const char *reason = session_log_reason(s);
	char line[2560];
	struct text t = text_in(line, sizeof(line));

	if (!log_enabled(LOG_INFO))
		return;
	session_log_head(s, x->start_wall_ms, &t);
	text_char(&t, ' ');
	access_times(&t, times, 5);
	text_char(&t, ' ');
	text_int(&t, x->status);
	text_char(&t, ' ');
	text_uint(&t, s->bytes_out);
	text_add(&t, " - - ");
	text_char(&t, s->code.cause);
	text_char(&t, s->code.phase);
	text_add(&t, "-- ");
	session_log_counts(s, &t);
	if (s->host[0] != '\0' || reason[0] != '\0') {
		text_add(&t, " {");
		text_add(&t, s->host);
		text_char(&t, '}');
	}
	if (reason[0] != '\0') {
		text_add(&t, " {");
		text_add(&t, reason);
		text_char(&t, '}');
	}
	text_add(&t, " \"");
	text_add(&t, request_line);
	text_char(&t, '"');
	log_line(LOG_INFO, line, text_len(&t));
}

/* --- one request --------------------------------------------------------------- */

static void
begin_request(struct session *s, struct http_exchange *x)
{
	memset(x, 0, offsetof(struct http_exchange, req));
	x->s = s;
	http_request_init(&x->req);
	memset(&x->body, 0, offsetof(struct http_exchange, resp) - offsetof(struct http_exchange, body));
	http_response_init(&x->resp);
	x->body.done = true;
	x->status = -1;
	s->backend = s->server = -1;
	s->host[0] = '\0';
	s->host_len = 0;
	s->queue_us = s->connect_us = -1;
	s->retries = 0;
	s->redispatched = false;
	s->rejected = -1;
	s->code.cause = s->code.phase = 0;
	s->bytes_in = s->bytes_out = 0;
}

static void
refuse(struct session *s, struct http_exchange *x, unsigned status, enum reject why, char cause)
{
	session_reject(s, why, cause, 'R');
	x->body.done = false;	/* whatever follows is not to be trusted */
	http_own_answer(x, status, true);
}

/* A TLS client on a plain port: it understands an alert (unexpected_message). */
static void
answer_tls(struct session *s, struct http_exchange *x)
{
	static const uint8_t alert[7] = { 21, 3, 3, 0, 2, 2, 10 };

	session_reject(s, REJECT_MALFORMED, 'P', 'R');
	x->keep_client = false;
	session_last_word(s, alert, sizeof(alert), 300);
}

/* What the client gets for a head that is no good. */
static void
answer_verdict(struct session *s, struct http_exchange *x, enum http_verdict v)
{
	switch (v) {
	case HTTP_TOO_LARGE:
		refuse(s, x, 431, REJECT_MALFORMED, 'P');
		break;
	case HTTP_BAD_VERSION:
		refuse(s, x, 505, REJECT_MALFORMED, 'P');
		break;
	case HTTP_IS_TLS:
		answer_tls(s, x);
		break;
	case HTTP_MALFORMED:
	case HTTP_MORE:
	case HTTP_OK:
		refuse(s, x, 400, REJECT_MALFORMED, 'P');
		break;
	}
}

/* The client stopped before its head was whole.  Returns whether there is
 * something to log. */
static bool
cut_short(struct session *s, struct http_exchange *x, bool timed_out)
{
	x->keep_client = false;
	if (s->head_len == 0) {
		if (timed_out)
			session_reject(s, REJECT_DEADLINE, 'c', 'R');
		session_code(s, 'C', 'R');
		return timed_out;
	}
	if (timed_out)
		refuse(s, x, 408, REJECT_DEADLINE, 'c');
	else if (s->p->stop >= PROXY_KILLED)
		session_code(s, 'K', 'R');
	else
		refuse(s, x, 400, REJECT_MALFORMED, 'C');
	return true;
}

/* Read until the head is whole and good.  False: it is not, and the client
 * has its answer; *log tells whether that is worth a line. */
static bool
read_request(struct session *s, struct http_exchange *x, bool *log)
{
	enum http_verdict v;
	bool timed_out;

	*log = true;
	for (;;) {
		v = s->head_len > 0 ? http_request_parse(&x->req, (const char *)s->head,
		    s->head_len, HTTP_REQUEST_MAX) : HTTP_MORE;
		if (v == HTTP_OK)
			return true;
		if (v != HTTP_MORE) {
			keep_request_line(&x->req);
			answer_verdict(s, x, v);
			return false;
		}
		if (session_read_head(s, &timed_out) > 0)
			continue;
		strcpy(request_line, "<BADREQ>");
		*log = cut_short(s, x, timed_out);
		return false;
	}
}

static bool
method_is(const struct http_request *r, const char *name)
{
	return r->method.len == strlen(name) && memcmp(r->method.p, name, r->method.len) == 0;
}

/* False: its host is no name that there could be; answered, and kept, escaped,
 * for the log. */
static bool
take_request(struct session *s, struct http_exchange *x)
{
	const struct http_request *r = &x->req;
	int n;

	x->head_us = clock_us();
	scoreboard_spent(&s->p->slot->head_ms, x->head_us - x->start_us);
	keep_request_line(r);
	x->is_head = method_is(r, "HEAD");
	x->is_safe = x->is_head || method_is(r, "GET") || method_is(r, "OPTIONS") ||
	    method_is(r, "TRACE") || method_is(r, "PUT") || method_is(r, "DELETE");
	http_body_init(&x->body, &r->head);
	n = hostname_from_host_field(r->host.p, r->host.len, s->host);
	if (n < 0) {
		log_escape(s->host, sizeof(s->host), r->host.p, r->host.len);
		answer_verdict(s, x, HTTP_MALFORMED);
		return false;
	}
	s->host_len = (size_t)n;
	return true;
}

static void
serve_request(struct session *s, struct http_exchange *x)
{
	counters_request(s->p->counters, clock_ms());
	if (session_route(s)) {
		http_exchange_run(x);
		return;
	}
	/* the next request lies behind this head, if it has no body */
	x->extra = (const char *)s->head + x->req.head.len;
	x->extra_len = s->head_len - x->req.head.len;
	s->bytes_in = x->req.head.len;
	if (s->code.cause == 'P') {
		x->keep_client = false;	/* denied: closed at once */
		return;
	}
	http_own_answer(x, 404, false);
}

static void
end_request(struct session *s, const struct http_exchange *x)
{
	struct counters *l = s->p->counters;
	int64_t us = clock_us() - x->start_us;

	session_code(s, '-', '-');
	counter_add(&l->bytes_in, s->bytes_in);
	counter_add(&l->bytes_out, s->bytes_out);
	counters_duration(l, us);
	if (s->backend >= 0)
		counters_duration(&s->p->shared->backend_use[s->p->map->backend[s->backend]].c, us);
	if (x->answer_us > 0)
		session_count_times(s, x->answer_us - x->sent_us, us);
	log_request(s, x);
	dial_release(s, s->bytes_in, s->bytes_out);
	scoreboard_counted(s->p->slot, s->bytes_in, s->bytes_out);
}

static bool
draining(const struct session *s)
{
	return atomic_load_explicit(&s->p->shared->head->draining, memory_order_relaxed) != 0;
}

/* --- between requests ----------------------------------------------------------- */

/* What came behind the last request is the next one's beginning. */
static void
keep_extra(struct session *s, const struct http_exchange *x)
{
	size_t n = x->extra_len;

	memmove(s->head, x->extra, n);
	s->head_len = n;
}

/* How long a wait for the next request sleeps at a time. */
static int
look_ms(const struct session *s)
{
	int ms = s->p->listener->timeouts.keep_alive;

	return ms > 0 && ms < KEPT_LOOK_MS ? ms : KEPT_LOOK_MS;
}

/*
 * Wait for the next request's first byte, at most the keep-alive timeout, and
 * see to the kept server connections meanwhile.  Who was told that another
 * request is welcome may send it also after a reload, and is told then; only
 * where we drain do we leave at once.  False: the client left, or its time is
 * over.
 */
static bool
wait_next(struct session *s)
{
	int64_t end = clock_deadline(clock_ms(), s->p->listener->timeouts.keep_alive);
	struct pollfd pfd = { s->client, POLLIN, 0 };
	int left, flags = 0;
	ssize_t n;

	if (s->head_len > 0)
		return true;
	atomic_store_explicit(&s->p->slot->state, WORKER_KEEPALIVE, memory_order_relaxed);
	for (;;) {
		n = recv(s->client, s->head, SESSION_HEAD, flags);
		if (n >= 0 || (errno != EINTR && errno != EAGAIN))
			break;
		left = clock_left(end, clock_ms());
		if (s->p->stop >= PROXY_KILLED || draining(s) || left == 0)
			return false;
		session_http_tidy(clock_ms());
		/* what is left is less than recv would wait */
		if (left > 0 && left < look_ms(s)) {
			poll(&pfd, 1, left);
			flags = MSG_DONTWAIT;
		}
	}
	if (n <= 0)
		return false;
	s->head_len = (size_t)n;
	atomic_store_explicit(&s->p->slot->state, WORKER_READING, memory_order_relaxed);
	return true;
}

static void
start_clock(struct session *s, struct http_exchange *x, bool first)
{
	x->start_us = first ? s->accept_us : clock_us();
	x->start_wall_ms = first ? s->accept_wall_ms : clock_wall_ms();
	if (first)
		return;
	scoreboard_begin(s->p->slot, x->start_us / 1000);
	atomic_store_explicit(&s->p->slot->last_ms, x->start_us / 1000, memory_order_relaxed);
	s->accept_us = x->start_us;	/* for the part of it that is left under stress */
	s->deadline_ms = clock_deadline(x->start_us / 1000, s->p->listener->timeouts.request);
}

static void
serve_client(struct session *s)
{
	_Alignas(4096) static struct http_exchange x;
	bool first = true, log;

	begin_request(s, &x);
	if (!admit_client(s)) {
		x.start_us = s->accept_us;
		x.start_wall_ms = s->accept_wall_ms;
		strcpy(request_line, "<BADREQ>");
		log_request(s, &x);
		return;
	}
	for (;;) {
		begin_request(s, &x);
		start_clock(s, &x, first);
		log = true;
		if (read_request(s, &x, &log) && take_request(s, &x))
			serve_request(s, &x);
		if (log)
			end_request(s, &x);
		/* when nothing of it is held or counted any more */
		if (x.linger)
			session_last_word(s, NULL, 0, HTTP_LAST_WORD_MS);
		if (!x.keep_client)
			return;
		keep_extra(s, &x);
		if (first)
			session_limit(s->client, SO_RCVTIMEO, look_ms(s));
		first = false;
		if (!wait_next(s))
			return;
	}
}

void
session_http(struct session *s)
{
	serve_client(s);
	http_kept_client_left();
}
