/* SPDX-License-Identifier: ISC */
/*
 * A client of a TLS listener: its hello is read whole, the name in it routed,
 * a server dialled, the hello passed on to the last byte as it came, and then
 * bytes run both ways.  In a worker.  Nothing is decrypted, nothing added but
 * a PROXY header where the service asks for one.
 */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "proxy/admit.h"
#include "proxy/dial.h"
#include "proxy/relay.h"
#include "proxy/send_proxy.h"
#include "proxy/session.h"
#include "report/access.h"
#include "wire/hostname.h"
#include "wire/tls_hello.h"

#define LAST_WORD_MS	300	/* for a client that may still be sending */

/* RFC 8446, 6: alerts are fatal here. */
enum alert { ALERT_DECODE_ERROR = 50, ALERT_INTERNAL_ERROR = 80, ALERT_UNRECOGNIZED_NAME = 112 };

static void
send_alert(struct session *s, enum alert description, int ms)
{
	uint8_t record[7] = { 21, 3, 3, 0, 2, 2, (uint8_t)description };

	session_last_word(s, record, sizeof(record), ms);
}

static void
answer_http(struct session *s)
{
	static const char answer[] =
	    "HTTP/1.1 400 Bad Request\r\n"
	    "Content-Type: text/plain\r\n"
	    "Content-Length: 60\r\n"
	    "Connection: close\r\n"
	    "\r\n"
	    "This port speaks TLS, and the request came in plain HTTP.\r\n\n";

	session_last_word(s, answer, sizeof(answer) - 1, LAST_WORD_MS);
}

/* The name in its one spelling; one that no host can have is kept escaped, for the
 * log, and is for "*" or the default alone. */
static void
take_name(struct session *s, const struct tls_hello *h)
{
	int n = hostname_canon(h->name, h->name_len, s->host);

	s->ech = h->ech;
	s->host_is_odd = n <= 0;
	s->host_len = n > 0 ? (size_t)n : log_escape(s->host, sizeof(s->host), h->name, h->name_len);
}

/* Read until the hello is whole and its name known.  False: the client has
 * got its answer. */
static bool
read_hello(struct session *s)
{
	struct tls_hello h;
	bool timed_out;
	ssize_t n;

	for (;;) {
		switch (tls_hello_parse(s->head, s->head_len, &h)) {
		case TLS_HELLO_FOUND:
			take_name(s, &h);
			return true;
		case TLS_HELLO_NO_NAME:
			s->ech = h.ech;
			return true;
		case TLS_HELLO_MALFORMED:
			session_reject(s, REJECT_MALFORMED, 'P', 'R');
			send_alert(s, ALERT_DECODE_ERROR, LAST_WORD_MS);
			return false;
		case TLS_HELLO_HTTP:
			session_reject(s, REJECT_MALFORMED, 'P', 'R');
			answer_http(s);
			return false;
		case TLS_HELLO_NOT_TLS:
			session_reject(s, REJECT_MALFORMED, 'P', 'R');
			return false;
		case TLS_HELLO_MORE:
			break;
		}
		n = session_read_head(s, &timed_out);
		if (n > 0)
			continue;
		if (timed_out)
			session_reject(s, REJECT_DEADLINE, 'c', 'R');
		else if (s->p->stop >= PROXY_KILLED)
			session_code(s, 'K', 'R');
		else
			session_code(s, 'C', 'R');
		return false;
	}
}

/* Dial; false where no server took the client, who then has got its answer. */
static bool
reach_server(struct session *s, struct dial *d, uint8_t *proxy, size_t proxy_len)
{
	struct iovec first[2] = {
		{ proxy, proxy_len },
		{ s->head, s->head_len },
	};
	enum dial_verdict v;

	v = dial_run(s, first + (proxy_len == 0), proxy_len == 0 ? 1 : 2, false, NULL, NULL, d);
	if (v == DIAL_OK && d->sent < proxy_len) {
		/* a fresh socket takes more than that; this one is not to be trusted */
		s->p->server_fd = -1;
		close(d->fd);
		v = DIAL_NO_SERVER;
	}
	switch (v) {
	case DIAL_OK:
		return true;
	case DIAL_NO_SERVER:
		session_reject(s, REJECT_NO_SERVER, 'S', 'C');
		break;
	case DIAL_NO_ANSWER:
		session_reject(s, REJECT_NO_SERVER, 's', 'C');
		break;
	case DIAL_QUEUE_TIMEOUT:
		session_reject(s, REJECT_NO_SERVER, 's', 'Q');
		break;
	case DIAL_CLIENT_GONE:
		session_code(s, 'C', 'Q');
		return false;
	case DIAL_STOPPED:
		session_code(s, s->p->stop == PROXY_SERVER_DOWN ? 'D' : 'K', dial_in_queue(s) ? 'Q' : 'C');
		return false;
	}
	send_alert(s, ALERT_INTERNAL_ERROR, 0);
	return false;
}

static void
relay_bytes(struct session *s, struct dial *d, size_t proxy_len)
{
	size_t done = d->sent > proxy_len ? d->sent - proxy_len : 0;
	struct relay r = {
		.client = s->client,
		.server = d->fd,
		.idle_ms = s->p->conf->backend[s->backend].timeouts.idle,
		.keepalive_ms = s->p->conf->tcp_keepalive_ms,
		.to_server = s->head + done,
		.to_server_len = s->head_len - done,
		.head = s->head,
		.bytes_in = &s->bytes_in,
		.bytes_out = &s->bytes_out,
		.p = s->p,
	};
	struct session_end_code end;

	s->bytes_in = done;
	atomic_store_explicit(&s->p->slot->bytes_in, done, memory_order_relaxed);
	atomic_store_explicit(&s->p->slot->state, WORKER_RELAYING, memory_order_relaxed);
	session_title(s);
	end = relay_run(&r);
	session_code(s, end.cause, end.phase);
	s->p->server_fd = -1;
	close(d->fd);
}

/* HAProxy's tcplog; "ech" where there was one, a word more where the letters do
 * not tell why; and at its end the name asked for, in braces. */
static void
log_session(struct session *s)
{
	int64_t total = clock_us() - s->accept_us;
	const int64_t times[] = { session_queue_ms(s), session_connect_ms(s), total / 1000 };
	const char *reason = session_log_reason(s);
	char line[1536];
	struct text t = text_in(line, sizeof(line));

	if (!log_enabled(LOG_INFO))
		return;
	session_log_head(s, s->accept_wall_ms, &t);
	text_char(&t, ' ');
	access_times(&t, times, 3);
	text_char(&t, ' ');
	text_uint(&t, s->bytes_out);
	text_char(&t, ' ');
	text_char(&t, s->code.cause);
	text_char(&t, s->code.phase);
	text_char(&t, ' ');
	session_log_counts(s, &t);
	if (s->ech)
		text_add(&t, " ech");
	if (reason[0] != '\0') {
		text_add(&t, " (");
		text_add(&t, reason);
		text_char(&t, ')');
	}
	text_add(&t, " {");
	text_add(&t, s->host);
	text_char(&t, '}');
	log_line(LOG_INFO, line, text_len(&t));
}

static void
count_session(struct session *s)
{
	struct counters *l = s->p->counters;
	int64_t total = clock_us() - s->accept_us;

	counter_add(&l->bytes_in, s->bytes_in);
	counter_add(&l->bytes_out, s->bytes_out);
	counters_duration(l, total);
	if (s->backend >= 0) {
		struct counters *b = &s->p->shared->backend_use[s->p->map->backend[s->backend]].c;

		counters_duration(b, total);
		if (s->code.cause == 'C' && s->code.phase == 'D')
			counter_add(&b->client_aborts, 1);
		if (s->code.cause == 'S' && s->code.phase == 'D')
			counter_add(&b->server_aborts, 1);
	}
	if (s->backend >= 0 && s->server >= 0) {
		struct counters *v = &s->p->shared->server_use[s->p->map->server[s->backend][s->server]].c;

		if (s->code.cause == 'C' && s->code.phase == 'D')
			counter_add(&v->client_aborts, 1);
		if (s->code.cause == 'S' && s->code.phase == 'D')
			counter_add(&v->server_aborts, 1);
	}
}

/* The whole way; the first step that fails has said why. */
static void
serve(struct session *s)
{
	uint8_t proxy[SEND_PROXY_MAX];
	size_t proxy_len;
	struct dial d;

	if (!admit_client(s) || !read_hello(s))
		return;
	if (!session_route(s)) {
		if (s->code.cause == 'S')
			send_alert(s, ALERT_UNRECOGNIZED_NAME, 0);
		return;
	}
	proxy_len = send_proxy_format(s, proxy);
	if (!reach_server(s, &d, proxy, proxy_len))
		return;
	relay_bytes(s, &d, proxy_len);
}

void
session_tls(struct session *s)
{
	serve(s);
	session_code(s, '-', '-');
	count_session(s);
	log_session(s);
	dial_release(s, s->bytes_in, s->bytes_out);
}
