/* SPDX-License-Identifier: ISC */
/*
 * One request and its answer.  In a worker.
 *
 * The common case, a request that is all there, takes few calls: the head came
 * with one recv, a look at the kept connection, one send, the answer comes with
 * one recv and goes with one send.  Only while both sides may speak (a body on
 * its way up and an answer coming down), or one takes its time, is there a
 * poll.  No body is ever kept: what one side does not take is not read from
 * the other.
 */
#include "config.h"
#include "proxy/http_move.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "proxy/peer.h"
#include "wire/http_write.h"

_Alignas(4096) static char answer_in[HTTP_RESPONSE_MAX + 4096];	/* as it comes */
_Alignas(4096) static char answer_head[HTTP_RESPONSE_MAX + 2048];	/* as it goes */

/* The body that came with the head. */
static bool
first_body(struct exchange *e)
{
	struct http_exchange *x = e->x;
	struct session *s = e->s;
	size_t have = s->head_len - x->req.head.len, used = 0;
	char *p = (char *)s->head + x->req.head.len;
	enum http_verdict v = HTTP_OK;

	if (!x->body.done)
		v = http_body_feed(&x->body, p, have, &used);
	e->first.p = p;
	e->first.len = used;
	e->up[2] = e->first;
	e->repeatable = x->is_safe && x->body.done;
	e->holds_back = x->req.expect_continue && !x->body.done;
	e->bytes_in = x->req.head.len + used;
	x->extra = p + used;
	x->extra_len = have - used;
	return v == HTTP_OK || v == HTTP_MORE;
}

/* --- towards the client -------------------------------------------------------------- */

static bool
may_keep(const struct exchange *e)
{
	const struct session *s = e->s;
	bool sent = e->x->body.done && !http_bytes_wait(e->up, 3) && !e->up_broken;

	return sent && e->x->req.head.keep_alive && s->p->stop == PROXY_GO_ON &&
	    e->x->resp.head.framing != HTTP_UNTIL_CLOSE &&
	    atomic_load_explicit(&s->p->shared->head->draining, memory_order_relaxed) == 0;
}

/* Queue the answer's head for the client. */
static bool
pass_head(struct exchange *e)
{
	struct http_exchange *x = e->x;
	enum http_connection c;
	ssize_t n;

	x->keep_client = may_keep(e);
	c = x->keep_client ? HTTP_CONNECTION_KEEP : HTTP_CONNECTION_CLOSE;
	if (x->resp.head.framing == HTTP_TUNNEL)
		c = HTTP_CONNECTION_UPGRADE;
	n = http_write_response(&x->resp, x->req.head.minor, c, answer_head, sizeof(answer_head));
	if (n < 0)
		return false;
	e->down[0].p = answer_head;
	e->down[0].len = (size_t)n;
	return true;
}

/* An interim answer goes on at once (RFC 9110, 15.2), but not to HTTP/1.0. */
static bool
pass_interim(struct exchange *e)
{
	ssize_t n;

	e->holds_back = false;
	if (e->x->req.head.minor == 0)
		return true;
	n = http_write_response(&e->x->resp, 1, HTTP_CONNECTION_KEEP, answer_head, sizeof(answer_head));
	if (n < 0 || !http_own_send(e->s, answer_head, (size_t)n))
		return false;
	e->bytes_out += (size_t)n;
	return true;
}

/* Until the client takes more. */
static enum step
wait_client(struct exchange *e)
{
	struct pollfd pfd = { e->s->client, POLLOUT, 0 };
	int ms = e->backend->timeouts.client;

	return poll(&pfd, 1, ms > 0 ? ms : -1) == 0 ? STEP_SLOW_CLIENT : STEP_ON;
}

static enum step
write_client(struct exchange *e, bool wait)
{
	ssize_t n = http_bytes_send(e->s->client, e->down, 2, MSG_DONTWAIT);

	if (http_stopped(e->s))
		return STEP_STOPPED;
	if (n < 0 && errno == EAGAIN)
		return wait ? wait_client(e) : STEP_ON;
	if (n < 0)
		return errno == EINTR ? STEP_ON : STEP_CLIENT_GONE;
	e->x->began = true;
	e->bytes_out += (uint64_t)n;
	atomic_fetch_add_explicit(&e->s->p->slot->bytes_out, (uint64_t)n, memory_order_relaxed);
	return STEP_ON;
}

/* A tunnel opens once its 101 has gone. */
static enum step
flush_client(struct exchange *e)
{
	enum step step = STEP_ON;

	while (step == STEP_ON && http_bytes_wait(e->down, 1))
		step = write_client(e, true);
	return step == STEP_ON ? STEP_DONE : step;
}

/* in_len bytes lie at answer_in, before its head is whole. */
static enum step
take_head(struct exchange *e)
{
	struct http_exchange *x = e->x;
	enum http_verdict v;
	size_t used = 0, body;

	for (;;) {
		v = http_response_parse(&x->resp, answer_in, e->in_len, HTTP_RESPONSE_MAX,
		    x->is_head, x->req.upgrade);
		if (v == HTTP_MORE)
			return STEP_ON;
		if (v != HTTP_OK)
			return STEP_BAD_ANSWER;
		if (x->resp.status >= 200 || x->resp.head.framing == HTTP_TUNNEL)
			break;
		if (!pass_interim(e))
			return STEP_CLIENT_GONE;
		e->in_len -= x->resp.head.len;
		memmove(answer_in, answer_in + x->resp.head.len, e->in_len);
		http_response_init(&x->resp);
	}
	if (x->resp.head.framing == HTTP_CHUNKED && x->req.head.minor == 0)
		return STEP_BAD_ANSWER;		/* a 1.0 client would take the sizes for the body */
	x->answered = true;
	x->answer_us = clock_us();
	x->status = (int)x->resp.status;
	scoreboard_spent(&e->s->p->slot->answer_ms, x->answer_us - x->sent_us);
	atomic_store_explicit(&e->s->p->slot->status, x->status, memory_order_relaxed);
	http_own_count(e->s, x->status);
	http_body_init(&e->answer, &x->resp.head);
	if (!pass_head(e))
		return STEP_BAD_ANSWER;
	body = e->in_len - x->resp.head.len;
	if (x->resp.head.framing == HTTP_TUNNEL) {
		e->down[1].p = answer_in + x->resp.head.len;
		e->down[1].len = body;
		return flush_client(e);
	}
	if (!e->answer.done && http_body_feed(&e->answer, answer_in + x->resp.head.len, body, &used) == HTTP_MALFORMED)
		e->server_eof = true;	/* what was good goes on; then the client is cut off */
	e->down[1].p = answer_in + x->resp.head.len;
	e->down[1].len = used;
	if (used < body)
		x->resp.head.keep_alive = false;	/* more than was asked for */
	return STEP_ON;
}

static enum step
take_body(struct exchange *e, size_t n)
{
	size_t used = 0;
	enum http_verdict v = http_body_feed(&e->answer, answer_in, n, &used);

	e->down[1].p = answer_in;
	e->down[1].len = used;
	if (used < n)
		e->x->resp.head.keep_alive = false;
	if (v == HTTP_MALFORMED)
		e->server_eof = true;
	return STEP_ON;
}

static enum step
server_closed(struct exchange *e, bool reset)
{
	e->server_eof = true;
	e->x->resp.head.keep_alive = false;
	if (!e->x->answered)
		return STEP_SERVER_GONE;
	if (!reset && http_body_eof(&e->answer))
		return STEP_ON;
	return STEP_SERVER_GONE;
}

/* The server takes its time: wait on for it, but see the client leave. */
static enum step
wait_server(struct exchange *e)
{
	struct pollfd pfd[2] = {
		{ e->s->client, POLLRDHUP, 0 },
		{ e->server.fd, POLLIN, 0 },
	};
	int ms = e->backend->timeouts.server, n;

	peer_keepalive(e->server.fd, e->s->p->conf->tcp_keepalive_ms);	/* it may have vanished */
	n = poll(pfd, 2, ms <= 0 ? -1 : ms > HTTP_PATIENCE_MS ? ms - HTTP_PATIENCE_MS : 0);
	if (http_stopped(e->s))
		return STEP_STOPPED;
	if (n == 0)
		return STEP_SLOW_SERVER;
	return n < 0 || pfd[1].revents != 0 ? STEP_ON : STEP_CLIENT_GONE;
}

/* Read what the server has to say; waits for it (its limit) where wait. */
static enum step
read_server(struct exchange *e, bool wait)
{
	size_t room = e->x->answered ? HTTP_RESPONSE_MAX : HTTP_RESPONSE_MAX + 1 - e->in_len;
	char *at = e->x->answered ? answer_in : answer_in + e->in_len;
	ssize_t n;

	if (room == 0)
		return STEP_BAD_ANSWER;
	do {
		n = recv(e->server.fd, at, room, wait ? 0 : MSG_DONTWAIT);
		if (http_stopped(e->s))
			return STEP_STOPPED;
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return wait ? wait_server(e) : STEP_ON;
	if (n <= 0)
		return server_closed(e, n < 0);
	e->server.reused = false;	/* it lives */
	atomic_store_explicit(&e->s->p->slot->last_ms, clock_ms(), memory_order_relaxed);
	if (e->x->answered)
		return take_body(e, (size_t)n);
	e->in_len += (size_t)n;
	return take_head(e);
}

/* More of the request's body. */
static enum step
read_client(struct exchange *e)
{
	struct http_exchange *x = e->x;
	struct session *s = e->s;
	enum http_verdict v;
	size_t used = 0;
	ssize_t n = recv(s->client, s->head, SESSION_HEAD, MSG_DONTWAIT);

	if (http_stopped(s))
		return STEP_STOPPED;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return STEP_ON;
	if (n <= 0)
		return STEP_CLIENT_GONE;
	e->repeatable = e->holds_back = false;
	v = http_body_feed(&x->body, (char *)s->head, (size_t)n, &used);
	e->up[2].p = (char *)s->head;
	e->up[2].len = used;
	e->bytes_in += used;
	atomic_fetch_add_explicit(&s->p->slot->bytes_in, used, memory_order_relaxed);
	x->extra = (char *)s->head + used;
	x->extra_len = (size_t)n - used;
	return v == HTTP_OK || v == HTTP_MORE ? STEP_ON : STEP_BAD_REQUEST;
}

static enum step
write_server(struct exchange *e)
{
	ssize_t n = http_bytes_send(e->server.fd, e->up, 3, MSG_DONTWAIT);

	if (n >= 0 || errno == EAGAIN || errno == EINTR)
		return STEP_ON;
	/* it may have answered before it closed: hear that first */
	e->up_broken = true;
	memset(e->up, 0, sizeof(e->up));
	return STEP_ON;
}

/* Both sides may speak: one turn of poll. */
static enum step
turn(struct exchange *e)
{
	bool up = http_bytes_wait(e->up, 3), down = http_bytes_wait(e->down, 2);
	bool more = !e->x->body.done && !up && !e->up_broken;
	bool over = !down && e->x->answered && e->answer.done;	/* but for the request's body */
	bool hear = !down && !e->server_eof && !over;
	struct pollfd pfd[2] = {
		{ e->s->client, (short)((more ? POLLIN : 0) | (down ? POLLOUT : 0)), 0 },
		{ e->server.fd, (short)((hear ? POLLIN : 0) | (up ? POLLOUT : 0) | (over && !e->server_fin ? POLLRDHUP : 0)), 0 },
	};
	bool client_owes = down || (more && !e->holds_back);
	enum step step = STEP_ON;
	int wait = client_owes ? e->backend->timeouts.client : e->backend->timeouts.server, n;

	if (over && e->server_fin)
		wait = HTTP_LAST_WORD_MS;
	if (pfd[0].events == 0)
		pfd[0].fd = -1;
	if (pfd[1].events == 0)
		pfd[1].fd = -1;
	n = poll(pfd, 2, wait > 0 ? wait : -1);
	if (http_stopped(e->s))
		return STEP_STOPPED;
	if (n < 0)
		return STEP_ON;
	if (n == 0)
		return client_owes ? STEP_SLOW_CLIENT : STEP_SLOW_SERVER;
	if (over && pfd[1].revents & (POLLRDHUP | POLLERR | POLLHUP)) {
		e->server_fin = true;
		e->server_eof = (pfd[1].revents & (POLLERR | POLLHUP)) != 0;
		e->x->resp.head.keep_alive = false;
	}
	if (pfd[1].revents & (POLLOUT | POLLERR | POLLHUP) && up)
		step = write_server(e);
	if (step == STEP_ON && hear && pfd[1].revents & (POLLIN | POLLERR | POLLHUP))
		step = read_server(e, false);
	if (step == STEP_ON && http_bytes_wait(e->down, 2))
		step = write_client(e, false);
	if (step == STEP_ON && more && pfd[0].revents & (POLLIN | POLLERR | POLLHUP))
		step = read_client(e);
	return step;
}

static enum step
move(struct exchange *e)
{
	enum step step = STEP_ON;

	while (step == STEP_ON) {
		bool asked = (e->x->body.done || e->up_broken) && !http_bytes_wait(e->up, 3);

		if (e->x->answered && !http_bytes_wait(e->down, 2)) {
			/* an early answer: the body still goes where it was sent,
			 * but one that was to come after a 100 does not come */
			if (e->answer.done && (asked || e->server_eof || e->holds_back))
				return STEP_DONE;
			if (e->server_eof && !e->answer.done)
				return STEP_SERVER_GONE;
		}
		if (!asked)
			step = turn(e);
		else if (http_bytes_wait(e->down, 2))
			step = write_client(e, true);
		else
			step = read_server(e, true);
		if (step == STEP_SERVER_GONE)
			step = http_server_again(e);
	}
	/* one who has the answer need not send the rest of its body, nor its server take it */
	if ((step == STEP_CLIENT_GONE || step == STEP_SLOW_CLIENT || step == STEP_SLOW_SERVER) && e->x->answered &&
	    e->answer.done && !http_bytes_wait(e->down, 2))
		return STEP_DONE;
	return step;
}

void
http_exchange_run(struct http_exchange *x)
{
	struct exchange e;
	struct session *s = x->s;

	memset(&e, 0, sizeof(e));
	e.x = x;
	e.s = s;
	e.backend = &s->p->conf->backend[s->backend];
	e.server.fd = -1;
	http_response_init(&x->resp);
	if (!first_body(&e)) {
		session_reject(s, REJECT_MALFORMED, 'P', 'R');
		http_own_answer(x, 400, true);
	} else if (http_server_reach(&e)) {
		counters_request(http_backend_counters(s), clock_ms());
		atomic_store_explicit(&s->p->slot->bytes_in, e.bytes_in, memory_order_relaxed);
		session_title(s);
		atomic_store_explicit(&s->p->slot->state, WORKER_RELAYING, memory_order_relaxed);
		http_end(&e, move(&e));
		http_server_drop(&e);
	}
	s->bytes_in += e.bytes_in;
	s->bytes_out += e.bytes_out;
}
