/* SPDX-License-Identifier: ISC */
/*
 * The server of one exchange: a kept connection where there is one worth
 * trying, else a fresh one, to the next server in order where one refuses.
 * In a worker.
 */
#include "config.h"
#include "proxy/http_move.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "proxy/dial.h"
#include "proxy/http_kept.h"
#include "proxy/send_proxy.h"
#include "wire/http_write.h"

_Alignas(4096) static char request_head[HTTP_REQUEST_MAX + 2048];

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

static void
use_server(struct exchange *e, struct kept k, bool reused)
{
	e->server.fd = k.fd;
	e->server.own = k.own;
	e->server.login = k.login;
	e->server.reused = reused;
	e->s->p->server_fd = k.fd;
}

void
http_server_drop(struct exchange *e)
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
	struct http_bytes up[3];
	struct kept k;

	e->server.slot = s->p->map->server[s->backend][s->server];
	health_addr(&s->p->shared->server[e->server.slot], &e->server.addr);
	/* a server may close what it kept just as a request is on its way; one
	 * that must not be sent twice (RFC 9110, 9.2.2) would be lost then */
	if (!e->repeatable && !http_kept_login(e->server.slot, &e->server.addr))
		return false;
	while (http_kept_take(e->server.slot, &e->server.addr, &k)) {
		/* closed, or there is an answer in it that nobody asked for? */
		if (!http_kept_stale(k.fd)) {
			memcpy(up, e->up, sizeof(up));
			if (http_bytes_send(k.fd, e->up, 3, MSG_DONTWAIT) > 0) {
				use_server(e, k, true);
				counter_add(&http_server_counters(s)->reused, 1);
				counters_count(http_server_counters(s), clock_ms());
				s->connect_us = 0;
				scoreboard_spent(&s->p->slot->connect_ms, 0);
				return true;
			}
			memcpy(e->up, up, sizeof(up));
		}
		close(k.fd);
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
		http_own_answer(e->x, 503, false);
		return false;
	case DIAL_NO_ANSWER:
		session_reject(s, REJECT_NO_SERVER, 's', 'C');
		http_own_answer(e->x, 503, false);
		return false;
	case DIAL_QUEUE_TIMEOUT:
		session_reject(s, REJECT_NO_SERVER, 's', 'Q');
		http_own_answer(e->x, 503, false);
		return false;
	case DIAL_CLIENT_GONE:
		session_code(s, 'C', 'Q');
		break;
	case DIAL_STOPPED:
		session_code(s, s->p->stop == PROXY_SERVER_DOWN ? 'D' : 'K', dial_in_queue(s) ? 'Q' : 'C');
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
	http_bytes_iov(ns->e->up, 3, ns->iov);
}

/* How long a read from a server waits before wait_server does. */
static int
first_wait(int ms)
{
	return ms > 0 && ms < HTTP_PATIENCE_MS ? ms : HTTP_PATIENCE_MS;
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
	struct kept fresh = { -1, false, false };
	struct dial d;
	int n;

	e->up[0].p = (const char *)proxy;
	e->up[0].len = send_proxy_format(s, proxy);
	fresh.own = e->up[0].len > 0;
	n = http_bytes_iov(e->up, 3, iov);
	if (!no_server(e, dial_run(s, iov, n, true, named ? name_server : NULL, &ns, &d)))
		return false;
	http_bytes_took(e->up, 3, d.sent);
	fresh.fd = d.fd;
	use_server(e, fresh, false);
	e->server.slot = s->p->map->server[s->backend][s->server];
	health_addr(&s->p->shared->server[e->server.slot], &e->server.addr);
	session_limit(d.fd, SO_RCVTIMEO, first_wait(e->backend->timeouts.server));
	return true;
}

bool
http_server_reach(struct exchange *e)
{
	struct session *s = e->s;

	s->server = -1;
	if (!no_server(e, dial_choose(s)))
		return false;
	write_head(e, (unsigned)s->server);
	if (e->up[1].len == 0) {
		session_code(s, 'I', 'R');
		http_own_answer(e->x, 431, true);
		return false;
	}
	if (!try_kept(e) && !dial_fresh(e))
		return false;
	e->x->sent_us = clock_us();
	return true;
}

enum step
http_server_again(struct exchange *e)
{
	if (!e->server.reused || !e->repeatable || http_stopped(e->s))
		return STEP_SERVER_GONE;
	http_server_drop(e);
	e->up_broken = e->server_eof = false;
	write_head(e, (unsigned)e->s->server);
	e->up[2] = e->first;
	return dial_fresh(e) ? STEP_ON : STEP_ANSWERED;
}
