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
#include "proxy/http_exchange.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "proxy/dial.h"
#include "proxy/http_kept.h"
#include "proxy/relay.h"
#include "proxy/send_proxy.h"
#include "proxy/session_http.h"
#include "wire/http_write.h"

#define LAST_WORD_MS	1000	/* for our answer to reach one who still sends */
#define PATIENCE_MS	1000	/* a server silent for longer: see the client leave, too */

_Alignas(4096) static char request_head[HTTP_REQUEST_MAX + 2048];
_Alignas(4096) static char answer_in[HTTP_RESPONSE_MAX + 4096];	/* as it comes */
_Alignas(4096) static char answer_head[HTTP_RESPONSE_MAX + 2048];	/* as it goes */

struct bytes {			/* not yet sent */
	const char *p;
	size_t len;
};

struct server {			/* the connection in use */
	int fd;
	uint32_t slot;
	struct addr addr;
	bool reused;		/* it was kept: may turn out to be closed */
	bool ours;		/* it began with a PROXY header: for this client alone */
};

struct exchange {		/* what is moving */
	struct http_exchange *x;
	struct session *s;
	const struct conf_backend *backend;
	struct server server;
	struct bytes up[3];	/* to the server: PROXY header, head, body so far */
	struct bytes down[2];	/* to the client: head, body so far */
	struct bytes first;	/* of the body: what came with the head */
	bool repeatable;	/* safe, and all of it still at hand */
	bool holds_back;	/* the client sends its body after a 100 */
	size_t in_len;		/* of answer_in */
	struct http_body answer;
	bool up_broken;		/* the server takes no more of the request */
	bool server_eof;
	uint64_t bytes_in, bytes_out;
};

enum step {
	STEP_ON,
	STEP_DONE,
	STEP_ANSWERED,		/* by us, in the server's place */
	STEP_BAD_ANSWER,
	STEP_SERVER_GONE,
	STEP_CLIENT_GONE,
	STEP_SLOW_SERVER,
	STEP_SLOW_CLIENT,
	STEP_BAD_REQUEST,
	STEP_STOPPED
};

static struct counters *
backend_counters(const struct session *s)
{
	return &s->p->shared->backend[s->p->map->backend[s->backend]].c;
}

static struct counters *
server_counters(const struct session *s)
{
	return &s->p->shared->server[s->p->map->server[s->backend][s->server]].c;
}

static bool
stopped(const struct session *s)
{
	return s->p->stop >= PROXY_KILLED;
}

static void
set_limit(int fd, int which, int ms)
{
	struct timeval tv = { ms / 1000, (ms % 1000) * 1000 };

	setsockopt(fd, SOL_SOCKET, which, &tv, sizeof(tv));
}

/* --- answers of our own -------------------------------------------------------- */

static void
count_status(struct session *s, int status)
{
	int class = status >= 100 && status < 600 ? status / 100 - 1 : 5;

	counter_add(&s->p->listener_slot->c.status[class], 1);
	if (s->backend >= 0)
		counter_add(&backend_counters(s)->status[class], 1);
	if (s->backend >= 0 && s->server >= 0)
		counter_add(&server_counters(s)->status[class], 1);
}

/* All of a few bytes: false where the client takes them not in time. */
static bool
send_whole(struct session *s, const char *p, size_t len)
{
	struct pollfd pfd = { s->client, POLLOUT, 0 };
	int ms = s->p->listener->timeouts.client;
	ssize_t n;

	while (len > 0) {
		n = send(s->client, p, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN && poll(&pfd, 1, ms > 0 ? ms : -1) == 0)
			return false;
		else if ((errno != EAGAIN && errno != EINTR) || stopped(s))
			return false;
	}
	return true;
}

void
http_exchange_answer(struct http_exchange *x, unsigned status, bool close_after)
{
	struct session *s = x->s;
	char buf[HTTP_ERROR_MAX];
	ssize_t n;

	/* a body that we did not read would be taken for the next request */
	if (!x->body.done || !x->req.head.keep_alive || s->p->stop != PROXY_GO_ON)
		close_after = true;
	n = http_write_error(status, x->req.head.minor, close_after, x->is_head, buf, sizeof(buf));
	x->status = (int)status;
	x->keep_client = !close_after;
	count_status(s, x->status);
	if (n <= 0)
		return;
	if (close_after) {
		session_last_word(s, buf, (size_t)n, LAST_WORD_MS);
		return;
	}
	if (!send_whole(s, buf, (size_t)n))
		x->keep_client = false;
	s->bytes_out += (size_t)n;
}

/* --- towards the server ----------------------------------------------------------- */

/* The head as this server gets it. */
static void
write_head(void *arg, unsigned server)
{
	struct exchange *e = arg;
	const struct conf_service *service = e->backend->service;
	const char *name = e->backend->server[server].name;
	struct http_request_change change;
	char from[ADDR_IP_STRLEN];
	ssize_t n;

	memset(&change, 0, sizeof(change));
	change.connection = e->x->req.upgrade ? HTTP_CONNECTION_UPGRADE : HTTP_CONNECTION_KEEP;
	/* a client of a unix: socket has no address to tell */
	if (service->forwarded_for && e->s->from.family != ADDR_UNIX) {
		change.client.p = addr_format_ip(&e->s->from, from);
		change.client.len = strlen(from);
	}
	if (service->server_name_header[0] != '\0') {
		change.name.p = service->server_name_header;
		change.name.len = strlen(service->server_name_header);
		change.value.p = name;
		change.value.len = strlen(name);
	}
	n = http_write_request(&e->x->req, &change, request_head, sizeof(request_head));
	e->up[1].p = request_head;
	e->up[1].len = n > 0 ? (size_t)n : 0;
}

static bool
waits(const struct bytes *b, int n)
{
	while (n-- > 0)
		if (b[n].len > 0)
			return true;
	return false;
}

static void
took(struct bytes *b, int n, size_t sent)
{
	int i;

	for (i = 0; i < n && sent > 0; i++) {
		size_t k = sent < b[i].len ? sent : b[i].len;

		b[i].p += k;
		b[i].len -= k;
		sent -= k;
	}
}

static int
to_iov(const struct bytes *b, int n, struct iovec *iov)
{
	int i, k = 0;

	for (i = 0; i < n; i++) {
		if (b[i].len == 0)
			continue;
		iov[k].iov_base = (char *)(uintptr_t)b[i].p;
		iov[k].iov_len = b[i].len;
		k++;
	}
	return k;
}

static ssize_t
send_bytes(int fd, struct bytes *b, int n, int flags)
{
	struct iovec iov[3];
	struct msghdr m = { .msg_iov = iov };
	ssize_t sent;

	m.msg_iovlen = (size_t)to_iov(b, n, iov);
	sent = sendmsg(fd, &m, MSG_NOSIGNAL | flags);
	if (sent > 0)
		took(b, n, (size_t)sent);
	return sent;
}

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

static void
use_server(struct exchange *e, int fd, bool reused)
{
	e->server.fd = fd;
	e->server.reused = reused;
	e->s->p->server_fd = fd;
}

static void
drop_server(struct exchange *e)
{
	e->s->p->server_fd = -1;
	if (e->server.fd >= 0)
		close(e->server.fd);
	e->server.fd = -1;
}

/* A kept connection to the chosen server, if there is one worth trying. */
static bool
try_kept(struct exchange *e)
{
	struct session *s = e->s;
	struct bytes up[3];
	int fd;

	if (e->backend->service->send_proxy != CONF_PROXY_OFF)
		return false;
	e->server.slot = s->p->map->server[s->backend][s->server];
	health_addr(&s->p->shared->server[e->server.slot], &e->server.addr);
	while ((fd = http_kept_take(e->server.slot, &e->server.addr)) >= 0) {
		/* closed, or there is an answer in it that nobody asked for? */
		if (!http_kept_stale(fd)) {
			memcpy(up, e->up, sizeof(up));
			if (send_bytes(fd, e->up, 3, MSG_DONTWAIT) > 0) {
				use_server(e, fd, true);
				counter_add(&server_counters(s)->reused, 1);
				counters_count(server_counters(s), clock_ms());
				s->connect_us = 0;
				return true;
			}
			memcpy(e->up, up, sizeof(up));
		}
		close(fd);
	}
	return false;
}

static bool
no_server(struct exchange *e, enum dial_verdict v)
{
	struct session *s = e->s;

	switch (v) {
	case DIAL_OK:
		return true;
	case DIAL_NO_SERVER:
		session_reject(s, REJECT_NO_SERVER, 'S', 'C');
		http_exchange_answer(e->x, 503, false);
		return false;
	case DIAL_QUEUE_TIMEOUT:
		session_reject(s, REJECT_NO_SERVER, 's', 'Q');
		http_exchange_answer(e->x, 503, false);
		return false;
	case DIAL_CLIENT_GONE:
		session_code(s, 'C', 'Q');
		break;
	case DIAL_STOPPED:
		session_code(s, s->p->stop == PROXY_SERVER_DOWN ? 'D' : 'K', 'C');
		break;
	}
	e->x->keep_client = false;
	return false;
}

/* server-name-header: the head differs from server to server. */
struct name_server {
	struct exchange *e;
	struct iovec *iov;
};

static void
name_server(void *arg, unsigned server)
{
	struct name_server *ns = arg;

	write_head(ns->e, server);
	to_iov(ns->e->up, 3, ns->iov);
}

/* How long a read from a server waits before wait_server does. */
static int
first_wait(int ms)
{
	return ms > 0 && ms < PATIENCE_MS ? ms : PATIENCE_MS;
}

/* A fresh connection: the next server in order where one refuses. */
static bool
dial_fresh(struct exchange *e)
{
	bool named = e->backend->service->server_name_header[0] != '\0';
	static uint8_t proxy[SEND_PROXY_MAX];
	struct session *s = e->s;
	struct iovec iov[3];
	struct name_server ns = { e, iov };
	struct dial d;
	int n;

	e->up[0].p = (const char *)proxy;
	e->up[0].len = send_proxy_format(s, proxy);
	e->server.ours = e->up[0].len > 0;
	n = to_iov(e->up, 3, iov);
	if (!no_server(e, dial_run(s, iov, n, true, named ? name_server : NULL, &ns, &d)))
		return false;
	took(e->up, 3, d.sent);
	use_server(e, d.fd, false);
	e->server.slot = s->p->map->server[s->backend][s->server];
	health_addr(&s->p->shared->server[e->server.slot], &e->server.addr);
	set_limit(d.fd, SO_RCVTIMEO, first_wait(e->backend->timeouts.server));
	return true;
}

static bool
reach_server(struct exchange *e)
{
	struct session *s = e->s;

	s->server = -1;
	if (!no_server(e, dial_choose(s)))
		return false;
	write_head(e, (unsigned)s->server);
	if (e->up[1].len == 0) {
		session_code(s, 'I', 'R');
		http_exchange_answer(e->x, 431, true);
		return false;
	}
	if (!try_kept(e) && !dial_fresh(e))
		return false;
	e->x->sent_us = clock_us();
	return true;
}

/* A kept connection turned out to be closed, and not a byte of an answer came:
 * once more on a fresh one, where that is safe. */
static enum step
try_again(struct exchange *e)
{
	if (!e->server.reused || !e->repeatable || stopped(e->s))
		return STEP_SERVER_GONE;
	drop_server(e);
	e->up_broken = e->server_eof = false;
	write_head(e, (unsigned)e->s->server);
	e->up[2] = e->first;
	return dial_fresh(e) ? STEP_ON : STEP_ANSWERED;
}

/* --- towards the client -------------------------------------------------------------- */

static bool
may_keep(const struct exchange *e)
{
	const struct session *s = e->s;
	bool sent = e->x->body.done && !waits(e->up, 3) && !e->up_broken;

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
	if (n < 0 || !send_whole(e->s, answer_head, (size_t)n))
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
	ssize_t n = send_bytes(e->s->client, e->down, 2, MSG_DONTWAIT);

	if (stopped(e->s))
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

	while (step == STEP_ON && waits(e->down, 1))
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
	count_status(e->s, x->status);
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

	n = poll(pfd, 2, ms <= 0 ? -1 : ms > PATIENCE_MS ? ms - PATIENCE_MS : 0);
	if (stopped(e->s))
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
		if (stopped(e->s))
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

	if (stopped(s))
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
	ssize_t n = send_bytes(e->server.fd, e->up, 3, MSG_DONTWAIT);

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
	bool up = waits(e->up, 3), down = waits(e->down, 2);
	bool more = !e->x->body.done && !up && !e->up_broken;
	bool hear = !down && !e->server_eof && !(e->x->answered && e->answer.done);
	struct pollfd pfd[2] = {
		{ e->s->client, (short)((more ? POLLIN : 0) | (down ? POLLOUT : 0)), 0 },
		{ e->server.fd, (short)((hear ? POLLIN : 0) | (up ? POLLOUT : 0)), 0 },
	};
	bool client_owes = down || (more && !e->holds_back);
	enum step step = STEP_ON;
	int wait = client_owes ? e->backend->timeouts.client : e->backend->timeouts.server, n;

	if (pfd[0].events == 0)
		pfd[0].fd = -1;
	if (pfd[1].events == 0)
		pfd[1].fd = -1;
	n = poll(pfd, 2, wait > 0 ? wait : -1);
	if (stopped(e->s))
		return STEP_STOPPED;
	if (n < 0)
		return STEP_ON;
	if (n == 0)
		return client_owes ? STEP_SLOW_CLIENT : STEP_SLOW_SERVER;
	if (pfd[1].revents & (POLLOUT | POLLERR | POLLHUP) && up)
		step = write_server(e);
	if (step == STEP_ON && hear && pfd[1].revents & (POLLIN | POLLERR | POLLHUP))
		step = read_server(e, false);
	if (step == STEP_ON && waits(e->down, 2))
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
		bool asked = (e->x->body.done || e->up_broken) && !waits(e->up, 3);

		if (e->x->answered && !waits(e->down, 2)) {
			/* an early answer: the body still goes where it was sent */
			if (e->answer.done && (asked || e->server_eof))
				return STEP_DONE;
			if (e->server_eof && !e->answer.done)
				return STEP_SERVER_GONE;
		}
		if (!asked)
			step = turn(e);
		else if (waits(e->down, 2))
			step = write_client(e, true);
		else
			step = read_server(e, true);
		if (step == STEP_SERVER_GONE)
			step = try_again(e);
	}
	/* one who has the answer need not send the rest of its body */
	if ((step == STEP_CLIENT_GONE || step == STEP_SLOW_CLIENT) && e->x->answered &&
	    e->answer.done && !waits(e->down, 2))
		return STEP_DONE;
	return step;
}

/* --- the end ---------------------------------------------------------------------------- */

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
	http_exchange_answer(e->x, status, false);
}

static void
finish(struct exchange *e, enum step step)
{
	struct http_exchange *x = e->x;
	struct session *s = e->s;

	switch (step) {
	case STEP_DONE:
		if (x->resp.head.framing == HTTP_TUNNEL)
			tunnel(e);
		else if (!x->keep_client && (x->req.head.keep_alive || !x->body.done))
			/* it may send on: the answer must arrive all the same */
			session_last_word(s, NULL, 0, LAST_WORD_MS);
		break;
	case STEP_ANSWERED:
		break;
	case STEP_BAD_ANSWER:
		counter_add(&backend_counters(s)->response_errors, 1);
		counter_add(&server_counters(s)->response_errors, 1);
		fail(e, 502, 'P', 'H');
		break;
	case STEP_SERVER_GONE:
		counter_add(&backend_counters(s)->server_aborts, 1);
		counter_add(&server_counters(s)->server_aborts, 1);
		if (!x->answered) {
			counter_add(&backend_counters(s)->response_errors, 1);
			counter_add(&server_counters(s)->response_errors, 1);
		}
		fail(e, 502, 'S', 'H');
		break;
	case STEP_SLOW_SERVER:
		counter_add(&backend_counters(s)->response_errors, 1);
		counter_add(&server_counters(s)->response_errors, 1);
		fail(e, 504, 's', 'H');
		break;
	case STEP_CLIENT_GONE:
		counter_add(&backend_counters(s)->client_aborts, 1);
		counter_add(&server_counters(s)->client_aborts, 1);
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
		abort_client(e, s->p->stop == PROXY_SERVER_DOWN ? 'D' : 'K', x->answered ? 'D' : 'H');
		break;
	case STEP_ON:
		break;
	}
	if (step == STEP_DONE && x->resp.head.keep_alive && x->resp.head.framing != HTTP_TUNNEL &&
	    x->body.done && !e->up_broken && !e->server.ours && s->p->stop == PROXY_GO_ON) {
		s->p->server_fd = -1;
		http_kept_put(e->server.fd, e->server.slot, &e->server.addr, clock_ms());
		e->server.fd = -1;
	}
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
		http_exchange_answer(x, 400, true);
	} else if (reach_server(&e)) {
		counters_request(backend_counters(s), clock_ms());
		session_title(s);
		atomic_store_explicit(&s->p->slot->state, WORKER_RELAYING, memory_order_relaxed);
		finish(&e, move(&e));
		drop_server(&e);
	}
	s->bytes_in += e.bytes_in;
	s->bytes_out += e.bytes_out;
}
