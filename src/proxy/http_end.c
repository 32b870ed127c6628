/* SPDX-License-Identifier: ISC */
/*
 * How an exchange ended: what the client is told, what is counted, and what
 * becomes of the server's connection.  In a worker.
 */
#include "config.h"
#include "proxy/http_move.h"

#include <fcntl.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "proxy/http_kept.h"
#include "proxy/relay.h"
#include "proxy/session_http.h"

#define AT_ONCE	14600		/* bytes that are on their way at once (RFC 6928) */

static void
tunnel(struct exchange *e)
{
	struct session *s = e->s;
	struct relay r = {
		.client = s->client,
		.server = e->server.fd,
		.idle_ms = e->backend->timeouts.idle,
		.keepalive_ms = s->p->conf->tcp_keepalive_ms,
		.to_server = (const uint8_t *)e->x->extra,
		.to_server_len = e->x->extra_len,
		.head = s->head,
		.to_client = (const uint8_t *)e->down[1].p,
		.to_client_len = e->down[1].len,
		.bytes_in = &e->bytes_in,
		.bytes_out = &e->bytes_out,
		.p = s->p,
	};
	struct session_end_code end;

	session_http_close();	/* it may be long: others' connections would grow stale */
	fcntl(s->client, F_SETFL, O_NONBLOCK);
	fcntl(e->server.fd, F_SETFL, O_NONBLOCK);
	atomic_store_explicit(&s->p->slot->state, WORKER_RELAYING, memory_order_relaxed);
	end = relay_run(&r);
	session_code(s, end.cause, end.phase);
	e->x->keep_client = false;
	e->x->extra_len = 0;
}

static void
abort_client(struct exchange *e, char cause, char phase)
{
	session_code(e->s, cause, phase);
	e->x->keep_client = false;
}

/* An own answer where nothing of the server's went out yet; else the client
 * is cut off, so that it can not take the part for the whole. */
static void
fail(struct exchange *e, unsigned status, char cause, char phase)
{
	session_code(e->s, cause, e->x->began ? 'D' : phase);
	if (e->x->began) {
		e->x->keep_client = false;
		relay_reset(e->s->client);
		return;
	}
	http_own_answer(e->x, status, false);
}

/* Something came that nobody will read: closing would be a reset. */
static bool
has_more(const struct session *s)
{
	char c;

	return recv(s->client, &c, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

void
http_end(struct exchange *e, enum step step)
{
	struct http_exchange *x = e->x;
	struct session *s = e->s;

	switch (step) {
	case STEP_DONE:
		if (x->resp.head.framing == HTTP_TUNNEL)
			tunnel(e);
		else if (!x->keep_client && (x->req.head.keep_alive || !x->body.done ||
		    e->bytes_out > AT_ONCE || has_more(s)))
			x->linger = true;
		break;
	case STEP_ANSWERED:
		break;
	case STEP_BAD_ANSWER:
		counter_add(&http_backend_counters(s)->response_errors, 1);
		counter_add(&http_server_counters(s)->response_errors, 1);
		fail(e, 502, 'P', 'H');
		break;
	case STEP_SERVER_GONE:
		counter_add(&http_backend_counters(s)->server_aborts, 1);
		counter_add(&http_server_counters(s)->server_aborts, 1);
		if (!x->answered) {
			counter_add(&http_backend_counters(s)->response_errors, 1);
			counter_add(&http_server_counters(s)->response_errors, 1);
		}
		fail(e, 502, 'S', 'H');
		break;
	case STEP_SLOW_SERVER:
		counter_add(&http_backend_counters(s)->response_errors, 1);
		counter_add(&http_server_counters(s)->response_errors, 1);
		fail(e, 504, 's', 'H');
		break;
	case STEP_CLIENT_GONE:
		counter_add(&http_backend_counters(s)->client_aborts, 1);
		counter_add(&http_server_counters(s)->client_aborts, 1);
		abort_client(e, 'C', x->answered ? 'D' : 'H');
		break;
	case STEP_SLOW_CLIENT:
		fail(e, 408, 'c', 'H');
		x->keep_client = false;
		break;
	case STEP_BAD_REQUEST:
		session_reject(s, REJECT_MALFORMED, 'P', x->began ? 'D' : 'H');
		fail(e, 400, 'P', 'H');
		x->keep_client = false;
		break;
	case STEP_STOPPED:
		if (s->p->stop == PROXY_SERVER_DOWN) {
			fail(e, 502, 'D', 'H');
			break;
		}
		abort_client(e, 'K', x->answered ? 'D' : 'H');
		if (x->began)
			relay_reset(s->client);
		break;
	case STEP_ON:
		break;
	}
	if (step == STEP_DONE && x->resp.head.keep_alive && x->resp.head.framing != HTTP_TUNNEL &&
	    x->body.done && !e->up_broken && s->p->stop == PROXY_GO_ON) {
		struct kept k = { e->server.fd, e->server.own,
		    e->server.login || x->req.head.bound || x->resp.head.bound };

		s->p->server_fd = -1;
		http_kept_put(k, e->server.slot, &e->server.addr, clock_ms());
		e->server.fd = -1;
	}
}
