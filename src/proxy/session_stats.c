/* SPDX-License-Identifier: ISC */
/*
 * A client of a stats listener: HTTP/1.1, GET and HEAD, and every answer our
 * own.  In a worker.  It only reads what the others share; the one thing it
 * may never do is keep much memory: an answer's is given back when it is sent.
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>

#include "base/clock.h"
#include "base/log.h"
#include "proxy/admit.h"
#include "proxy/session.h"
#include "report/access.h"
#include "proxy/stats_answer.h"

#define LAST_WORD_MS	300

/* --- sending ------------------------------------------------------------------- */

static bool
send_all(struct session *s, const char *p, size_t len)
{
	struct pollfd pfd = { s->client, POLLOUT, 0 };
	int ms = s->p->listener->timeouts.client;
	ssize_t n;

	while (len > 0) {
		n = send(s->client, p, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n > 0) {
			p += n;
			len -= (size_t)n;
			s->bytes_out += (uint64_t)n;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0 || errno != EAGAIN || s->p->stop >= PROXY_KILLED)
			return false;
		if (poll(&pfd, 1, ms > 0 ? ms : -1) == 0)
			return false;
	}
	return true;
}

static bool
send_answer(struct stats_exchange *x)
{
	struct session *s = x->s;
	bool small = !x->is_head && x->body.len <= 1024;

	if (small)	/* one packet */
		out_bytes(&x->head, x->body.p, x->body.len);
	return !x->head.failed && send_all(s, x->head.p, x->head.len) &&
	    (x->is_head || small || send_all(s, x->body.p, x->body.len));
}

/* HAProxy's httplog, for its internal <STATS> server. */
static void
log_exchange(struct stats_exchange *x, uint64_t bytes, const char *code)
{
	struct session *s = x->s;
	struct http_request *r = &x->request;
	const int64_t head_ms = (x->read_us - x->began_us) / 1000, all_ms = (clock_us() - x->began_us) / 1000;
	const int64_t times[] = { head_ms, 0, 0, 0, all_ms };
	const char *reason = session_log_reason(s);
	char line[2048], method[64], target[1024], version[32];
	struct text t = text_in(line, sizeof(line));

	if (!log_enabled(LOG_INFO))
		return;
	session_log_head(s, x->wall_ms, &t);
	text_char(&t, ' ');
	access_times(&t, times, 5);
	text_char(&t, ' ');
	text_int(&t, x->status != 0 ? (int)x->status : -1);
	text_char(&t, ' ');
	text_uint(&t, bytes);
	text_add(&t, " - - ");
	text_add(&t, code);
	text_char(&t, ' ');
	session_log_counts(s, &t);
	if (reason[0] != '\0') {
		text_add(&t, " {} {");
		text_add(&t, reason);
		text_char(&t, '}');
	}
	log_escape(method, sizeof(method), r->method.p, r->method.len);
	log_escape(target, sizeof(target), r->target.p, r->target.len);
	log_escape(version, sizeof(version), r->version.p, r->version.p != NULL ? r->version.len : 0);
	text_add(&t, " \"");
	if (r->method.len == 0 || r->target.len == 0) {
		text_add(&t, "<BADREQ>");
	} else {
		text_add(&t, method);
		text_char(&t, ' ');
		text_add(&t, target);
		text_add(&t, version[0] != '\0' ? " " : "");
		text_add(&t, version);
	}
	text_char(&t, '"');
	log_line(LOG_INFO, line, text_len(&t));
}

static void
count_exchange(struct stats_exchange *x)
{
	struct counters *c = x->s->p->counters;

	counters_request(c, clock_ms());
	counter_add(&c->status[x->status / 100 - 1], 1);
}

/* --- reading ------------------------------------------------------------------- */

/* A request that cannot be answered as one. */
static void
refuse(struct stats_exchange *x, enum http_verdict v)
{
	struct session *s = x->s;

	x->close = true;
	session_reject(s, REJECT_MALFORMED, 'P', 'R');
	if (v == HTTP_IS_TLS) {
		static const uint8_t alert[7] = { 21, 3, 3, 0, 2, 2, 10 };	/* unexpected_message */

		x->status = 400;
		session_last_word(s, alert, sizeof(alert), LAST_WORD_MS);
	} else {
		stats_answer_plain(x, v == HTTP_TOO_LARGE ? 431 : v == HTTP_BAD_VERSION ? 505 : 400,
		    "This is no request that could be answered.", "");
		out_bytes(&x->head, x->body.p, x->body.len);
		session_last_word(s, x->head.p, x->head.len, LAST_WORD_MS);
	}
	count_exchange(x);
	log_exchange(x, s->bytes_out, "PR--");
}

/* The deadline passed, or the client left, or we were told to stop. */
static void
give_up(struct stats_exchange *x, bool timed_out)
{
	struct session *s = x->s;

	if (!timed_out || s->head_len == 0) {
		session_code(s, timed_out ? 'c' : 'C', 'R');
		return;
	}
	session_reject(s, REJECT_DEADLINE, 'c', 'R');
	x->read_us = clock_us();	/* as far as it came: never before its first byte */
	x->close = true;
	stats_answer_plain(x, 408, "The request did not come in time.", "");
	out_bytes(&x->head, x->body.p, x->body.len);
	session_last_word(s, x->head.p, x->head.len, LAST_WORD_MS);
	count_exchange(x);
	log_exchange(x, s->bytes_out, "cR--");
}

/* Read a request's head.  False: there is none, all is said. */
static bool
read_request(struct stats_exchange *x, bool first)
{
	struct session *s = x->s;
	bool timed_out = false;
	ssize_t n;

	for (;;) {
		enum http_verdict v = http_request_parse(&x->request, (const char *)s->head, s->head_len,
		    HTTP_REQUEST_MAX);

		if (v == HTTP_OK)
			break;
		if (v != HTTP_MORE) {
			refuse(x, v);
			return false;
		}
		/* between two requests there is nothing to finish */
		s->p->client_idle = !first && s->head_len == 0;
		if (s->p->client_idle && s->p->stop >= PROXY_FINISH)
			return false;
		n = session_read_head(s, &timed_out);
		s->p->client_idle = 0;
		if (n <= 0) {
			give_up(x, timed_out);
			return false;
		}
		if (s->head_len == (size_t)n) {
			x->began_us = clock_us();
			x->wall_ms = clock_wall_ms();
			if (!first)
				s->deadline_ms = clock_deadline(clock_ms(), s->p->listener->timeouts.request);
		}
	}
	x->read_us = clock_us();
	return true;
}

static void
set_state(struct session *s, enum worker_state state)
{
	atomic_store_explicit(&s->p->slot->state, state, memory_order_relaxed);
	atomic_store_explicit(&s->p->slot->last_ms, clock_ms(), memory_order_relaxed);
	atomic_store_explicit(&s->p->slot->bytes_out, s->bytes_out, memory_order_relaxed);
	atomic_store_explicit(&s->p->slot->bytes_in, s->bytes_in, memory_order_relaxed);
}

/* Its own answers wait for nobody. */
static void
show_times(const struct stats_exchange *x)
{
	struct worker_slot *w = x->s->p->slot;

	scoreboard_begin(w, x->began_us / 1000);
	scoreboard_spent(&w->head_ms, x->read_us - x->began_us);
	scoreboard_spent(&w->queue_ms, 0);
	scoreboard_spent(&w->connect_ms, 0);
	scoreboard_spent(&w->answer_ms, 0);
}

static void
exchange_init(struct stats_exchange *x, struct session *s, bool first)
{
	x->s = s;
	http_request_init(&x->request);
	out_init(&x->body);
	out_init(&x->head);
	x->view = VIEW_NONE;
	x->refresh = x->is_head = x->close = false;
	x->status = 0;
	x->began_us = x->read_us = first ? s->accept_us : clock_us();
	x->wall_ms = first ? s->accept_wall_ms : clock_wall_ms();
}

/* One request, one answer.  False: the connection ends. */
static bool
exchange(struct session *s, bool first)
{
	_Alignas(4096) static struct stats_exchange x;
	uint64_t before = s->bytes_out;
	bool ok;

	exchange_init(&x, s, first);
	ok = read_request(&x, first);
	if (ok) {
		set_state(s, WORKER_RELAYING);
		show_times(&x);
		ok = stats_answer(&x) && send_answer(&x);
		s->bytes_in += x.request.head.len;
		count_exchange(&x);
		log_exchange(&x, s->bytes_out - before, ok ? "LR--" : "CD--");
		ok = ok && !x.close;
		s->head_len -= x.request.head.len;
		memmove(s->head, s->head + x.request.head.len, s->head_len);
	}
	out_free(&x.head);
	out_free(&x.body);
	return ok;
}

/* Turned away before it could ask for anything. */
static void
log_refused(struct session *s)
{
	_Alignas(4096) static struct stats_exchange x;

	exchange_init(&x, s, true);
	log_exchange(&x, 0, s->code.cause == 'c' ? "cR--" : s->code.cause == 'C' ? "CR--" : "PR--");
}

void
session_stats(struct session *s)
{
	struct counters *c = s->p->counters;
	bool first = true;

	if (admit_client(s)) {
		session_title(s);
		while (exchange(s, first)) {
			first = false;
			set_state(s, WORKER_KEEPALIVE);
			s->deadline_ms = clock_deadline(clock_ms(), s->p->listener->timeouts.keep_alive);
		}
		if (s->code.cause == 0)
			session_last_word(s, NULL, 0, LAST_WORD_MS);
	} else if (s->rejected >= 0)
		log_refused(s);
	session_code(s, '-', '-');
	counter_add(&c->bytes_in, s->bytes_in);
	counter_add(&c->bytes_out, s->bytes_out);
	counters_duration(c, clock_us() - s->accept_us);
}
