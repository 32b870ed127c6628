/* SPDX-License-Identifier: ISC */
/*
 * One client, from accepted to ended: what TLS and HTTP have in common.  In a
 * worker.  session_run is the whole life; there is no other way out of it.
 */
#include "config.h"
#include "proxy/session.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/title.h"
#include "proxy/dial.h"
#include "proxy/peer.h"
#include "report/access.h"
#include "state/nets.h"

#define LISTENER_NAP_MS	50
#define STRESS_SLICE_MS	250	/* how soon a waiting worker sees that workers run short */

_Alignas(4096) static uint8_t head_buffer[SESSION_HEAD];

static void
set_state(struct session *s, enum worker_state state)
{
	atomic_store_explicit(&s->p->slot->state, state, memory_order_relaxed);
}

void
session_code(struct session *s, char cause, char phase)
{
	if (s->code.cause != 0)
		return;
	s->code.cause = cause;
	s->code.phase = phase;
}

void
session_reject(struct session *s, enum reject why, char cause, char phase)
{
	struct counters *c = s->p->counters;

	if (s->rejected < 0)
		s->rejected = (int)why;
	counter_add(&c->rejects[why], 1);
	if (why == REJECT_DENIED || why == REJECT_LIMIT || why == REJECT_CRASH)
		counter_add(&c->denied, 1);
	if (why == REJECT_MALFORMED || why == REJECT_DEADLINE)
		counter_add(&c->request_errors, 1);
	if (s->backend >= 0)
		counter_add(&s->p->shared->backend_use[s->p->map->backend[s->backend]].c.rejects[why], 1);
	session_code(s, cause, phase);
}

const char *
session_backend_name(const struct session *s)
{
	return s->backend >= 0 ? s->p->conf->backend[s->backend].name : s->p->listener->name;
}

const char *
session_server_name(const struct session *s)
{
	if (s->p->listener->protocol == CONF_STATS)
		return "<STATS>";
	if (s->backend < 0 || s->server < 0)
		return "<NOSRV>";
	return s->p->conf->backend[s->backend].server[s->server].name;
}

void
session_title(const struct session *s)
{
	char from[ADDR_STRLEN], title[1024];
	struct text t = text_in(title, sizeof(title));

	text_add(&t, s->p->listener->name);
	text_char(&t, ' ');
	text_add(&t, addr_format(&s->from, true, from));
	text_char(&t, ' ');
	if (s->backend < 0) {
		text_add(&t, s->host);
	} else {
		text_add(&t, s->host_len > 0 ? s->host : "-");
		text_char(&t, ' ');
		text_add(&t, session_backend_name(s));
		text_char(&t, '/');
		text_add(&t, session_server_name(s));
	}
	title_set(title);
}

/* --- reading --------------------------------------------------------------- */

/*
 * When workers run short, those who have not yet said whom they want get a
 * fifth of their time (a second at least), as Postfix does under stress.
 */
static int64_t
deadline_now(const struct session *s)
{
	int64_t full, given, start = s->accept_us / 1000;

	if (s->deadline_ms == CLOCK_NEVER || atomic_load_explicit(&s->p->pool->stress, memory_order_relaxed) == 0)
		return s->deadline_ms;
	full = s->deadline_ms - start;
	given = full / 5 > 1000 ? full / 5 : 1000;
	return given < full ? start + given : s->deadline_ms;
}

/*
 * Nothing came with the connection: then the kernel has kept it to itself for
 * a while, and that is part of its time.  (Not where it answered a flood with
 * SYN cookies; so a fifth is left in any case.)
 */
static void
count_deferral(struct session *s)
{
	int64_t full = s->deadline_ms - s->accept_us / 1000;
	int64_t left = full - peer_defer_s(s->p->listener) * INT64_C(1000);

	s->deferral_counted = true;
	if (s->deadline_ms == CLOCK_NEVER || s->peer.family == ADDR_NONE)
		return;
	s->deadline_ms -= full - (left > full / 5 ? left : full / 5);
}

bool
session_wait_client(struct session *s)
{
	struct pollfd pfd = { s->client, POLLIN, 0 };
	int left;

	session_title(s);
	for (;;) {
		if (s->p->stop >= PROXY_KILLED)
			return false;
		left = clock_left(deadline_now(s), clock_ms());
		if (left == 0)
			return false;
		if (left < 0 || left > STRESS_SLICE_MS)
			left = STRESS_SLICE_MS;
		if (poll(&pfd, 1, left) > 0)
			return s->p->stop < PROXY_KILLED;
	}
}

ssize_t
session_read_head(struct session *s, bool *timed_out)
{
	ssize_t n;

	*timed_out = false;
	for (;;) {
		n = recv(s->client, s->head + s->head_len, SESSION_HEAD - s->head_len, MSG_DONTWAIT);
		if (n > 0) {
			s->deferral_counted = true;
			s->head_len += (size_t)n;
			return n;
		}
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			return n;
		if (!s->deferral_counted)
			count_deferral(s);
		/* one who sends a byte at a time has no longer */
		if (!session_wait_client(s)) {
			*timed_out = s->p->stop < PROXY_KILLED;
			return -1;
		}
	}
}

void
session_limit(int fd, int which, int ms)
{
	struct timeval tv = { ms / 1000, (ms % 1000) * 1000 };

	setsockopt(fd, SOL_SOCKET, which, &tv, sizeof(tv));
}

bool
session_route(struct session *s)
{
	const struct conf_service *service;
	int b;

	/* an odd name in its escaped form could be somebody's */
	b = s->host_is_odd ? route_find(s->p->route, s->p->listener_index, "?", 1, NULL) :
	    route_find(s->p->route, s->p->listener_index, s->host, s->host_len, NULL);
	if (b < 0) {
		session_reject(s, s->host_len > 0 ? REJECT_UNKNOWN_NAME : REJECT_NO_NAME, 'S', 'C');
		return false;
	}
	service = s->p->conf->backend[b].service;
	s->backend = b;
	if (!nets_allow(&service->allow, &service->deny, &s->from)) {
		session_reject(s, REJECT_DENIED, 'P', 'R');
		return false;
	}
	scoreboard_set_host(s->p->slot, s->host);
	return true;
}

/* --- the end ----------------------------------------------------------------- */

void
session_last_word(struct session *s, const void *bytes, size_t len, int ms)
{
	int64_t end = clock_ms() + ms;
	struct pollfd pfd = { s->client, POLLIN, 0 };
	char trash[4096];
	ssize_t n;
	int left;

	if (len > 0 && send(s->client, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return;
	s->bytes_out += len;
	shutdown(s->client, SHUT_WR);
	/* a close with bytes unread would be a reset, and could overtake them */
	for (;;) {
		n = recv(s->client, trash, sizeof(trash), MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			return;
		if (n > 0)
			continue;
		left = clock_left(end, clock_ms());
		if (left == 0 || s->p->stop >= PROXY_KILLED || poll(&pfd, 1, left) <= 0)
			return;
	}
}

void
session_log_head(const struct session *s, int64_t wall_ms, struct text *t)
{
	access_head(t, &s->from, wall_ms, s->p->listener->name, session_backend_name(s),
	    session_server_name(s));
}

int64_t
session_queue_ms(const struct session *s)
{
	return s->queue_us < 0 || (s->server < 0 && s->code.phase != 'Q') ? -1 : s->queue_us / 1000;
}

int64_t
session_connect_ms(const struct session *s)
{
	return s->connect_us < 0 ? -1 : s->connect_us / 1000;
}

void
session_log_counts(const struct session *s, struct text *t)
{
	const struct shared *sh = s->p->shared;
	struct access_counts c = {
		.all = atomic_load(&sh->use->connections),
		.listener = atomic_load(&s->p->counters->current),
		.retries = s->retries,
		.redispatched = s->redispatched,
		.queued = s->queue_us > 0,
	};

	if (s->backend >= 0)
		c.backend = atomic_load(&sh->backend_use[s->p->map->backend[s->backend]].c.current);
	if (s->backend >= 0 && s->server >= 0)
		c.server = atomic_load(&sh->server_use[s->p->map->server[s->backend][s->server]].c.current);
	access_counts(t, &c);
}

void
session_count_times(const struct session *s, int64_t answer_us, int64_t total_us)
{
	const int64_t us[SPANS] = {
		[SPAN_QUEUE] = s->queue_us > 0 ? s->queue_us : 0,
		[SPAN_CONNECT] = s->connect_us,
		[SPAN_ANSWER] = answer_us,
		[SPAN_TOTAL] = total_us,
	};

	if (s->backend < 0 || s->server < 0 || s->connect_us < 0)
		return;
	counters_spent(&s->p->shared->backend_use[s->p->map->backend[s->backend]].c, us);
	counters_spent(&s->p->shared->server_use[s->p->map->server[s->backend][s->server]].c, us);
}

const char *
session_log_reason(const struct session *s)
{
	return s->rejected >= 0 && s->code.cause == 'P' ? reject_name((enum reject)s->rejected) : "";
}

enum places { PLACES_TAKEN, PLACES_ALL_FULL, PLACES_LISTENER_FULL };

/* One of all connections, and one of the listener's: both or none.  Its workers are
 * no more than it may have connections, but those of an older generation count. */
static enum places
take_places(struct session *s)
{
	struct shared_use *h = s->p->shared->use;
	int32_t n = atomic_fetch_add(&h->connections, 1);
	bool all_full = n >= (int32_t)s->p->conf->max_connections;

	if (all_full || !counters_take(s->p->counters, s->p->listener->max_connections)) {
		atomic_fetch_sub(&h->connections, 1);
		return all_full ? PLACES_ALL_FULL : PLACES_LISTENER_FULL;
	}
	scoreboard_hold(s->p->slot, HOLDS_PERMIT | HOLDS_LISTENER);
	counters_count(s->p->counters, clock_ms());
	if (n >= atomic_load_explicit(&h->max_connections, memory_order_relaxed))
		atomic_store_explicit(&h->max_connections, n + 1, memory_order_relaxed);
	return PLACES_TAKEN;
}

static void
begin_waiting(struct session *s)
{
	atomic_fetch_add(&s->p->shared->use->permit_waiters, 1);
	scoreboard_hold(s->p->slot, HOLDS_WAIT);
}

static void
end_waiting(struct session *s)
{
	if (scoreboard_let_go(s->p->slot, HOLDS_WAIT))
		atomic_fetch_sub(&s->p->shared->use->permit_waiters, 1);
}

/* A full listener has one that waits for each of its sockets, after a reload: a look
 * now and then is enough.  The wake-up that brought us here is somebody else's. */
static void
await_listener(struct session *s, bool woken)
{
	end_waiting(s);
	if (woken)
		shared_wake(&s->p->shared->use->permit_word, &s->p->shared->use->permit_waiters);
	poll(NULL, 0, LISTENER_NAP_MS);
}

/* Past a max-connections a client waits, accepted but unread: to it the same as
 * waiting in the backlog. */
static bool
take_permit(struct session *s)
{
	struct shared_use *h = s->p->shared->use;
	bool waiting = false, shown = false;
	enum places places = PLACES_ALL_FULL;

	while (s->p->stop < PROXY_KILLED) {
		uint32_t seen = atomic_load(&h->permit_word);

		if ((places = take_places(s)) == PLACES_TAKEN)
			break;
		if (!shown) {
			shown = true;
			set_state(s, WORKER_WAITING);
			session_title(s);
		}
		if (places == PLACES_LISTENER_FULL) {
			await_listener(s, waiting);
			waiting = false;
		} else if (!waiting) {
			waiting = true;
			begin_waiting(s);
		} else {
			shared_sleep(&h->permit_word, seen, 1000);
		}
	}
	end_waiting(s);
	return places == PLACES_TAKEN;
}

/* An operator must see the statistics of a daemon that is full. */
static bool
take_viewer(struct session *s)
{
	counters_open(s->p->counters, clock_ms());
	scoreboard_hold(s->p->slot, HOLDS_LISTENER);
	return true;
}

static void
session_begin(struct session *s, struct proxy *p, int fd, const struct addr *peer)
{
	struct worker_slot *w = p->slot;

	memset(s, 0, sizeof(*s));
	s->p = p;
	s->client = fd;
	s->peer = s->from = *peer;
	s->backend = s->server = -1;
	s->rejected = -1;
	s->queue_us = s->connect_us = -1;
	s->head = head_buffer;
	p->client_fd = fd;
	p->server_fd = -1;
	s->accept_us = clock_us();
	s->accept_wall_ms = clock_wall_ms();
	/* an idle one holds nothing, whatever was scribbled there */
	atomic_store_explicit(&w->holds, 0, memory_order_relaxed);
	atomic_store_explicit(&w->since_ms, s->accept_us / 1000, memory_order_relaxed);
	atomic_store_explicit(&w->last_ms, s->accept_us / 1000, memory_order_relaxed);
	atomic_store_explicit(&w->bytes_in, 0, memory_order_relaxed);
	atomic_store_explicit(&w->bytes_out, 0, memory_order_relaxed);
	atomic_store_explicit(&w->before_in, 0, memory_order_relaxed);
	atomic_store_explicit(&w->before_out, 0, memory_order_relaxed);
	scoreboard_begin(w, s->accept_us / 1000);
	scoreboard_set_client(w, peer);
	set_state(s, WORKER_READING);
}

static void
session_end(struct session *s)
{
	struct worker_slot *w = s->p->slot;

	s->p->client_fd = -1;
	if (s->client >= 0)
		close(s->client);
	atomic_store_explicit(&w->bytes_in, 0, memory_order_relaxed);
	atomic_store_explicit(&w->bytes_out, 0, memory_order_relaxed);
	if (scoreboard_let_go(s->p->slot, HOLDS_SOURCE))
		sources_leave(s->p->shared->sources, atomic_load(&w->source));
	if (scoreboard_let_go(s->p->slot, HOLDS_LISTENER))
		counters_close(s->p->counters);
	if (scoreboard_let_go(s->p->slot, HOLDS_PERMIT)) {
		atomic_fetch_sub(&s->p->shared->use->connections, 1);
		shared_wake(&s->p->shared->use->permit_word, &s->p->shared->use->permit_waiters);
	}
}

void
session_run(struct proxy *p, int fd, const struct addr *peer)
{
	static struct session session;
	struct session *s = &session;
	int ms = p->listener->protocol == CONF_TLS ?
	    p->listener->timeouts.handshake : p->listener->timeouts.request;

	session_begin(s, p, fd, peer);
	if (p->listener->protocol == CONF_STATS ? take_viewer(s) : take_permit(s)) {
		s->deadline_ms = clock_deadline(clock_ms(), ms);
		switch (p->listener->protocol) {
		case CONF_TLS:
			session_tls(s);
			session_count_times(s, 0, clock_us() - s->accept_us);
			break;
		case CONF_HTTP:
			session_http(s);
			break;
		case CONF_STATS:
			session_stats(s);
			break;
		}
	}
	session_end(s);
}
