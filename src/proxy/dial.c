/* SPDX-License-Identifier: ISC */
/*
 * To a server.  In a worker.  No client sees a server that refuses or times
 * out while another would serve it, for not a byte has gone out then.
 */
#include "config.h"
#include "proxy/dial.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define NAP_MS	250	/* in the queue; a place that is given back ends it */

static const struct conf_backend *
backend_of(const struct session *s)
{
	return &s->p->conf->backend[s->backend];
}

static struct server_use *
server_use(const struct session *s, unsigned k)
{
	return &s->p->shared->server_use[s->p->map->server[s->backend][k]];
}

static struct backend_use *
backend_use(const struct session *s)
{
	return &s->p->shared->backend_use[s->p->map->backend[s->backend]];
}

/* --- a place at a server -------------------------------------------------- */

static void
release_server(struct session *s)
{
	struct server_use *v;

	if (s->server < 0)
		return;
	v = server_use(s, (unsigned)s->server);
	if (!scoreboard_let_go(s->p->slot, HOLDS_SERVER))
		return;
	counters_close(&v->c);
	if (backend_of(s)->server[s->server].max_connections != 0)
		shared_wake(&backend_use(s)->queue_word, &backend_use(s)->waiters);
}

/* Of a server's places as many are not to be had as others wait for one. */
static bool
reserve_server(struct session *s, unsigned k, unsigned others)
{
	struct server_use *v = server_use(s, k);
	unsigned max = backend_of(s)->server[k].max_connections;

	if (max != 0 && others >= max)
		return false;
	if (!counters_take(&v->c, max != 0 ? max - others : 0))
		return false;
	s->server = (int)k;
	atomic_store_explicit(&s->p->slot->server,
	    (int32_t)s->p->map->server[s->backend][k], memory_order_relaxed);
	scoreboard_hold(s->p->slot, HOLDS_SERVER);
	return true;
}

static bool
client_gone(const struct session *s)
{
	char c;
	ssize_t n = recv(s->client, &c, 1, MSG_PEEK | MSG_DONTWAIT);

	return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

/* others: how many wait, of whom this one is none, and comes behind them. */
static enum dial_verdict
reserve_next(struct session *s, struct balance_key key, const uint16_t *tried, unsigned ntried, unsigned others)
{
	int k;

	for (;;) {
		k = balance_next(s->p->balance, (unsigned)s->backend, key, tried, ntried);
		if (k == BALANCE_NONE)
			return DIAL_NO_SERVER;
		if (k == BALANCE_FULL)
			return DIAL_QUEUE_TIMEOUT;
		if (reserve_server(s, (unsigned)k, others))
			return DIAL_OK;
		if (others > 0)
			return DIAL_QUEUE_TIMEOUT;
	}
}

static unsigned
waiters(const struct session *s)
{
	int32_t n = atomic_load_explicit(&backend_use(s)->waiters, memory_order_relaxed);

	return n > 0 ? (unsigned)n : 0;
}

/* All are at their max-connections, or what is free others wait for: wait for a place. */
static enum dial_verdict
queue_wait(struct session *s, struct balance_key key, const uint16_t *tried, unsigned ntried)
{
	struct backend_use *b = backend_use(s);
	int64_t start = clock_us(), end = clock_deadline(clock_ms(), backend_of(s)->timeouts.queue);
	enum dial_verdict v = DIAL_QUEUE_TIMEOUT;
	int32_t n = (int32_t)((uint32_t)atomic_fetch_add(&b->c.queued, 1) + 1);
	unsigned others = waiters(s);

	atomic_fetch_add(&b->waiters, 1);
	scoreboard_hold(s->p->slot, HOLDS_QUEUE);
	if (n > atomic_load(&b->c.max_queued))
		atomic_store(&b->c.max_queued, n);
	atomic_store(&s->p->slot->state, WORKER_QUEUED);
	session_title(s);
	for (;;) {
		uint32_t seen = atomic_load(&b->queue_word);
		int left = clock_left(end, clock_ms());

		/* who is not there any more takes no place */
		if (s->p->stop >= PROXY_KILLED) {
			v = DIAL_STOPPED;
			break;
		}
		if (client_gone(s)) {
			v = DIAL_CLIENT_GONE;
			break;
		}
		/* one that is free just now may be for somebody who is about to wake */
		v = reserve_next(s, key, tried, ntried, others);
		if (v != DIAL_QUEUE_TIMEOUT || left == 0)
			break;
		/* short naps, for a client that leaves wakes nobody */
		shared_sleep(&b->queue_word, seen, left < 0 || left > NAP_MS ? NAP_MS : left);
		others = 0;
	}
	if (scoreboard_let_go(s->p->slot, HOLDS_QUEUE)) {
		atomic_fetch_sub(&b->waiters, 1);
		atomic_fetch_sub(&b->c.queued, 1);
	}
	s->queue_us = clock_us() - start;
	return v;
}

bool
dial_in_queue(const struct session *s)
{
	return atomic_load_explicit(&s->p->slot->state, memory_order_relaxed) == WORKER_QUEUED;
}

static struct balance_key
session_key(const struct session *s)
{
	return balance_key(backend_of(s)->balance, &s->from, s->host, s->host_len);
}

static enum dial_verdict
choose(struct session *s, const uint16_t *tried, unsigned ntried)
{
	struct balance_key key = session_key(s);
	enum dial_verdict v = reserve_next(s, key, tried, ntried, waiters(s));

	if (v == DIAL_QUEUE_TIMEOUT)
		v = queue_wait(s, key, tried, ntried);
	if (v == DIAL_OK) {
		counter_add(&server_use(s, (unsigned)s->server)->c.chosen, 1);
		scoreboard_spent(&s->p->slot->queue_ms, s->queue_us);
	}
	return v;
}

static void
open_backend(struct session *s)
{
	if (atomic_load_explicit(&s->p->slot->holds, memory_order_relaxed) & HOLDS_BACKEND)
		return;
	atomic_store_explicit(&s->p->slot->backend,
	    (int32_t)s->p->map->backend[s->backend], memory_order_relaxed);
	counters_open(&backend_use(s)->c, clock_ms());
	scoreboard_hold(s->p->slot, HOLDS_BACKEND);
}

enum dial_verdict
dial_choose(struct session *s)
{
	open_backend(s);
	s->queue_us = 0;
	return choose(s, NULL, 0);
}

void
dial_release(struct session *s, uint64_t bytes_in, uint64_t bytes_out)
{
	if (s->server >= 0) {
		struct counters *c = &server_use(s, (unsigned)s->server)->c;

		counter_add(&c->bytes_in, bytes_in);
		counter_add(&c->bytes_out, bytes_out);
		release_server(s);
	}
	if (s->backend >= 0 && scoreboard_let_go(s->p->slot, HOLDS_BACKEND)) {
		struct counters *c = &backend_use(s)->c;

		counter_add(&c->bytes_in, bytes_in);
		counter_add(&c->bytes_out, bytes_out);
		counters_close(c);
	}
	atomic_store_explicit(&s->p->slot->server, -1, memory_order_relaxed);
	atomic_store_explicit(&s->p->slot->backend, -1, memory_order_relaxed);
}

void
dial_suspect(struct session *s, unsigned server)
{
	uint64_t one = 1;

	if (atomic_fetch_add(&server_use(s, server)->hint, 1) == 0 &&
	    s->p->checker_fd >= 0 && write(s->p->checker_fd, &one, sizeof(one)) < 0)
		return;		/* the checker looks anyway, on its grid */
}

/* --- one try -------------------------------------------------------------- */

static int
start_connect(const struct addr *a)
{
	int fd, on = 1, off = 0;
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(a, &ss);

	if (len == 0) {
		errno = EADDRNOTAVAIL;	/* a name that does not resolve */
		return -1;
	}
	if ((fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) < 0)
		return -1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	/* let the handshake's last ACK travel with the first bytes */
	setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof(off));
	if (connect(fd, (struct sockaddr *)&ss, len) != 0 && errno != EINPROGRESS) {
		close(fd);
		return -1;
	}
	return fd;
}

/*
 * Send without waiting for the connection first: near servers are connected
 * by now, and a far one says EAGAIN, which costs one call on a slow path.
 */
static ssize_t
send_first(struct session *s, int fd, struct iovec *first, int n, int64_t end)
{
	struct msghdr m = { .msg_iov = first, .msg_iovlen = (size_t)n };
	struct pollfd pfd = { fd, POLLOUT, 0 };
	ssize_t sent;
	int left;

	for (;;) {
		sent = sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent >= 0 || (errno != EAGAIN && errno != EINTR))
			return sent;
		if (s->p->stop >= PROXY_KILLED)
			return -1;
		left = clock_left(end, clock_ms());
		if (left == 0) {
			errno = ETIMEDOUT;
			return -1;
		}
		poll(&pfd, 1, left);
	}
}

/*
 * Where the server is.  By our own configuration, which no other process can
 * have written.  A name's address is there alone; so is a
 * newer one, for a worker that finishes after a reload.  The port never is:
 * the kernel holds us to those that our configuration named (Landlock).
 */
static void
server_addr(const struct session *s, struct addr *a)
{
	const struct conf_server *cs = &backend_of(s)->server[s->server];

	health_addr(&s->p->shared->server[s->p->map->server[s->backend][s->server]], a);
	if (cs->is_dns)
		a->port = cs->addr.port;
	else if (s->p->stop == PROXY_GO_ON || a->port != cs->addr.port)
		*a = cs->addr;
}

static int
try_server(struct session *s, struct iovec *first, int n, bool blocking, size_t *sent)
{
	int64_t start = clock_us(), end;
	struct addr a;
	ssize_t got;
	int fd;

	server_addr(s, &a);
	if ((fd = start_connect(&a)) < 0)
		return -1;
	s->p->server_fd = fd;
	end = clock_deadline(start / 1000, backend_of(s)->timeouts.connect);
	if ((got = send_first(s, fd, first, n, end)) < 0) {
		s->p->server_fd = -1;
		close(fd);
		return -1;
	}
	if (blocking)
		fcntl(fd, F_SETFL, 0);
	s->connect_us = clock_us() - start;
	scoreboard_spent(&s->p->slot->connect_ms, s->connect_us);
	*sent = (size_t)got;
	return fd;
}

/* A try that failed: what everybody is told. */
static void
try_failed(struct session *s)
{
	struct server_use *v = server_use(s, (unsigned)s->server);
	bool our_own = shared_is_shortage(errno);
	char text[ADDR_STRLEN];
	struct addr a;

	if (our_own && shared_may_say_shortage(s->p->shared, SHORTAGE_CONNECT))
		log_warn("%s: cannot make a connection to a server", backend_of(s)->name);
	server_addr(s, &a);
	log_debug("no connection to %s/%s at %s: %s", backend_of(s)->name,
	    backend_of(s)->server[s->server].name, addr_format(&a, true, text), strerror(errno));
	counter_add(&v->c.connect_errors, 1);
	counter_add(&backend_use(s)->c.connect_errors, 1);
	if (!our_own)
		dial_suspect(s, (unsigned)s->server);
	release_server(s);
}

/* Another try, for the one at `failed` came to nothing. */
static void
count_retry(struct session *s, unsigned failed, unsigned ntried)
{
	s->retries = ntried;
	counter_add(&server_use(s, failed)->c.retries, 1);
	counter_add(&backend_use(s)->c.retries, 1);
}

enum dial_verdict
dial_run(struct session *s, struct iovec *first, int n, bool blocking,
    dial_prepare *prepare, void *arg, struct dial *d)
{
	unsigned ntried = 0, failed = 0, most = (unsigned)backend_of(s)->service->retries + 1;
	bool reserved = s->server >= 0, silent = false;
	uint16_t tried[BALANCE_TRIED];
	enum dial_verdict v;

	d->fd = -1;
	d->sent = 0;
	if (most > BALANCE_TRIED)
		most = BALANCE_TRIED;
	open_backend(s);
	if (!reserved)
		s->queue_us = 0;
	for (;;) {
		if (!reserved && (v = choose(s, tried, ntried)) != DIAL_OK)
			break;
		reserved = false;
		if (ntried > 0)
			count_retry(s, failed, ntried);
		atomic_store_explicit(&s->p->slot->state, WORKER_DIALING, memory_order_relaxed);
		if (prepare != NULL)
			prepare(arg, (unsigned)s->server);
		d->fd = try_server(s, first, n, blocking, &d->sent);
		if (d->fd >= 0) {
			struct server_use *use = server_use(s, (unsigned)s->server);

			counters_count(&use->c, clock_ms());
			counters_connect_time(&use->c, s->connect_us);
			counters_connect_time(&backend_use(s)->c, s->connect_us);
			if (ntried > 0) {
				s->redispatched = true;
				counter_add(&use->c.redispatches, 1);
				counter_add(&backend_use(s)->c.redispatches, 1);
			}
			return DIAL_OK;
		}
		silent = errno == ETIMEDOUT;
		if (s->p->stop >= PROXY_KILLED) {
			release_server(s);
			v = DIAL_STOPPED;
			break;
		}
		failed = (unsigned)s->server;
		tried[ntried++] = (uint16_t)s->server;
		try_failed(s);
		if (ntried >= most) {
			v = DIAL_NO_SERVER;
			break;
		}
	}
	if (v == DIAL_QUEUE_TIMEOUT && ntried > 0 && s->queue_us < 0)
		v = DIAL_NO_SERVER;
	return v == DIAL_NO_SERVER && silent ? DIAL_NO_ANSWER : v;
}
