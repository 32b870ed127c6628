/* SPDX-License-Identifier: ISC */
/*
 * Bytes both ways.  In a worker, for a TLS session or an upgraded HTTP one.
 *
 * Two flows, each from one socket to the other.  A flow reads a chunk and
 * sends it at once; what the receiver did not take waits, and until it is
 * gone nothing more is read: backpressure.  A flow that fills its buffer
 * twice in a row has become bulky and moves on through a pipe (splice), so
 * that its bytes never come up into user space.
 */
#include "config.h"
#include "proxy/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "proxy/peer.h"

#define CHUNK		32768	/* a whole TLS record and its header fit */
#define BULKY		2	/* full chunks in a row */
#define PIPE_SIZE	(1 << 20)
#define PIPE_LEAST	(1 << 16)	/* rationed below this: not worth it */
#define QUIET_MS	2000	/* then buffers and pipes are given back */

struct flow {
	int from, to;
	uint8_t *buf;		/* CHUNK bytes, touched only when used */
	const uint8_t *rest;	/* what the receiver has yet to take */
	size_t rest_len;
	int pipe[2];		/* -1: none */
	size_t piped;		/* bytes in it */
	int full;		/* full chunks in a row */
	bool no_pipe;		/* rationed: do not ask again */
	bool eof;		/* the sender has closed */
	bool done;		/* and the receiver knows */
	uint64_t *bytes;
	_Atomic uint64_t *shown;	/* the same, in the scoreboard */
};

enum step { STEP_OK, STEP_FROM_FAILED, STEP_TO_FAILED };

_Alignas(4096) static uint8_t chunk[2][CHUNK];

static void
count(struct flow *f, size_t n)
{
	*f->bytes += n;
	atomic_store_explicit(f->shown, *f->bytes, memory_order_relaxed);
}

static void
flow_close_pipe(struct flow *f)
{
	if (f->pipe[0] < 0)
		return;
	close(f->pipe[0]);
	close(f->pipe[1]);
	f->pipe[0] = f->pipe[1] = -1;
}

static bool
flow_open_pipe(struct flow *f)
{
	if (f->no_pipe || pipe2(f->pipe, O_NONBLOCK | O_CLOEXEC) != 0) {
		f->pipe[0] = f->pipe[1] = -1;
		return false;
	}
	if (fcntl(f->pipe[1], F_SETPIPE_SZ, PIPE_SIZE) < 0 &&
	    fcntl(f->pipe[1], F_GETPIPE_SZ) < PIPE_LEAST) {
		flow_close_pipe(f);
		f->no_pipe = true;
		return false;
	}
	return true;
}

/* Send what waits; STEP_OK also where the receiver takes no more for now. */
static enum step
flow_push(struct flow *f)
{
	ssize_t n;

	while (f->rest_len > 0) {
		n = send(f->to, f->rest, f->rest_len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? STEP_OK : STEP_TO_FAILED;
		f->rest += n;
		f->rest_len -= (size_t)n;
		count(f, (size_t)n);
	}
	while (f->piped > 0) {
		n = splice(f->pipe[0], NULL, f->to, NULL, f->piped, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? STEP_OK : STEP_TO_FAILED;
		f->piped -= (size_t)n;
		count(f, (size_t)n);
	}
	return STEP_OK;
}

static enum step
flow_splice(struct flow *f)
{
	ssize_t n = splice(f->from, NULL, f->pipe[1], NULL, PIPE_SIZE, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? STEP_OK : STEP_FROM_FAILED;
	if (n == 0)
		f->eof = true;
	f->piped = (size_t)n;
	return flow_push(f);
}

static enum step
flow_copy(struct flow *f)
{
	ssize_t n = recv(f->from, f->buf, CHUNK, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? STEP_OK : STEP_FROM_FAILED;
	if (n == 0) {
		f->eof = true;
		return STEP_OK;
	}
	f->full = n == CHUNK ? f->full + 1 : 0;
	f->rest = f->buf;
	f->rest_len = (size_t)n;
	return flow_push(f);
}

static bool
flow_waits(const struct flow *f)
{
	return f->rest_len > 0 || f->piped > 0;
}

/* One turn after poll: push what waits, then read more. */
static enum step
flow_turn(struct flow *f, bool readable, bool writable)
{
	enum step step = STEP_OK;

	if (flow_waits(f)) {
		if (writable)
			step = flow_push(f);
	} else if (readable && !f->eof) {
		if (f->pipe[0] >= 0 || (f->full >= BULKY && flow_open_pipe(f)))
			step = flow_splice(f);
		else
			step = flow_copy(f);
	}
	return step;
}

/* Pass the sender's half-close on, once all its bytes are through.  The last
 * one is left to close(), which says the same. */
static void
flow_finish(struct flow *f, bool last)
{
	if (!f->eof || f->done || flow_waits(f))
		return;
	if (!last)
		shutdown(f->to, SHUT_WR);
	f->done = true;
}

void
relay_reset(int fd)
{
	struct linger hard = { 1, 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
}

static void
flow_init(struct flow *f, int from, int to, uint8_t *buf, const uint8_t *rest, size_t len)
{
	f->from = from;
	f->to = to;
	f->buf = buf;
	f->rest = rest;
	f->rest_len = len;
	f->pipe[0] = f->pipe[1] = -1;
	f->piped = 0;
	f->full = 0;
	f->no_pipe = f->eof = f->done = false;
}

static struct session_end_code
code(char cause, char phase)
{
	struct session_end_code c = { cause, phase };

	return c;
}

/* Its pages, where it fills them whole. */
static void
give_back(void *buf, size_t size)
{
	if (size % (size_t)sysconf(_SC_PAGESIZE) == 0)
		madvise(buf, size, MADV_DONTNEED);
}

/* Nothing moves: make this connection cheap to keep. */
static void
relay_quiet(struct relay *r, struct flow f[2])
{
	int i;

	peer_keepalive(r->server, r->keepalive_ms);
	for (i = 0; i < 2; i++) {
		f[i].full = 0;
		if (f[i].piped == 0)
			flow_close_pipe(&f[i]);
		if (f[i].rest_len == 0)
			give_back(f[i].buf, CHUNK);
	}
	if (f[0].rest_len == 0)
		give_back(r->head, SESSION_HEAD);
}

/* What to wait for on one socket: its own flow's bytes, the other's room. */
static short
wanted(const struct flow *reads, const struct flow *writes)
{
	short events = 0;

	if (!reads->eof && !flow_waits(reads))
		events |= POLLIN;
	if (flow_waits(writes))
		events |= POLLOUT;
	return events;
}

/* When to do what, where no byte comes; each of them clock_ms. */
struct times {
	int64_t now;		/* since the last poll or so */
	int64_t quiet;		/* give things back; CLOCK_NEVER: done */
	int64_t look;		/* see whether the peers are there */
	int64_t idle;		/* end it */
};

static void
times_moved(struct times *t, const struct relay *r)
{
	t->quiet = t->now + QUIET_MS;
	t->idle = clock_deadline(t->now, r->idle_ms);
	if (t->look == CLOCK_NEVER && r->keepalive_ms > 0)
		t->look = t->now + peer_interval_ms(r->keepalive_ms);
}

static int
times_left(const struct times *t)
{
	int64_t first = t->quiet < t->idle ? t->quiet : t->idle;

	return clock_left(t->look < first ? t->look : first, t->now);
}

static struct session_end_code
relay_broken(struct relay *r, bool client)
{
	relay_reset(r->client);
	relay_reset(r->server);
	return code(client ? 'C' : 'S', 'D');
}

/* Bytes may wait for one that vanished, also while the other one is busy.
 * Where no one is owed a byte, the kernel finds out by itself. */
static struct session_end_code
relay_look(struct relay *r, struct times *t)
{
	enum peer client = peer_look(r->client, r->keepalive_ms);
	enum peer server = peer_look(r->server, r->keepalive_ms);

	if (client == PEER_GONE || server == PEER_GONE)
		return relay_broken(r, client == PEER_GONE);
	t->look = CLOCK_NEVER;
	if (client == PEER_OWES || server == PEER_OWES || t->quiet != CLOCK_NEVER)
		t->look = t->now + peer_interval_ms(r->keepalive_ms);
	return code(0, 0);
}

/* What is due by the clock; a code where the relay is over. */
static struct session_end_code
relay_due(struct relay *r, struct flow f[2], struct times *t)
{
	if (t->now >= t->idle)
		return code('s', 'D');
	if (t->now >= t->quiet) {
		relay_quiet(r, f);
		t->quiet = CLOCK_NEVER;
	}
	return t->now >= t->look ? relay_look(r, t) : code(0, 0);
}

static struct session_end_code
relay_stopped(const struct relay *r)
{
	if (r->p->stop == PROXY_KILLED)
		return code('K', 'D');
	if (r->p->stop == PROXY_SERVER_DOWN)
		return code('D', 'D');
	return code(0, 0);
}

/* Its receiver takes no more, and what waits goes nowhere.  The other flow may still
 * have that one's last words, read by nobody yet. */
static void
flow_give_up(struct flow *f)
{
	f->rest_len = 0;
	f->piped = 0;
	flow_close_pipe(f);
	f->eof = f->done = true;
}

/* Both flows, by what poll said. */
static struct session_end_code
relay_turn(struct relay *r, struct flow f[2], const struct pollfd pfd[2])
{
	int i;

	for (i = 0; i < 2; i++) {
		short in = pfd[i].fd >= 0 ? pfd[i].revents : 0;
		short out = pfd[!i].fd >= 0 ? pfd[!i].revents : 0;
		enum step step = flow_turn(&f[i], in & (POLLIN | POLLHUP | POLLERR),
		    out & (POLLOUT | POLLHUP | POLLERR));

		if (step != STEP_OK && r->p->stop < PROXY_KILLED) {
			bool client = (step == STEP_FROM_FAILED) == (i == 0);
			bool reset = step == STEP_TO_FAILED && (errno == EPIPE || errno == ECONNRESET);

			if (r->broken || !reset || f[!i].eof)
				return relay_broken(r, r->broken ? r->by_client : client);
			r->broken = true;
			r->by_client = client;
			flow_give_up(&f[i]);
		}
		flow_finish(&f[i], f[!i].done);
	}
	return code(0, 0);
}

static struct session_end_code
relay_loop(struct relay *r, struct flow f[2])
{
	struct pollfd pfd[2] = { { r->client, 0, 0 }, { r->server, 0, 0 } };
	struct times t = { .now = clock_ms(), .look = CLOCK_NEVER };
	struct session_end_code end;
	int n;

	times_moved(&t, r);
	while (!f[0].done || !f[1].done) {
		pfd[0].events = wanted(&f[0], &f[1]);
		pfd[1].events = wanted(&f[1], &f[0]);
		/* a socket we want nothing of would only report its hang-up */
		pfd[0].fd = pfd[0].events != 0 ? r->client : -1;
		pfd[1].fd = pfd[1].events != 0 ? r->server : -1;
		n = poll(pfd, 2, times_left(&t));
		t.now = clock_ms();
		end = relay_stopped(r);
		if (end.cause == 0 && n > 0) {
			end = relay_turn(r, f, pfd);
			times_moved(&t, r);
			atomic_store_explicit(&r->p->slot->last_ms, t.now, memory_order_relaxed);
		}
		if (end.cause == 0)
			end = relay_due(r, f, &t);
		if (end.cause != 0)
			return end;
	}
	return r->broken ? relay_broken(r, r->by_client) : code('-', '-');
}

struct session_end_code
relay_run(struct relay *r)
{
	struct session_end_code end;
	struct flow f[2];

	flow_init(&f[0], r->client, r->server, chunk[0], r->to_server, r->to_server_len);
	flow_init(&f[1], r->server, r->client, chunk[1], r->to_client, r->to_client_len);
	f[0].bytes = r->bytes_in;
	f[0].shown = &r->p->slot->bytes_in;
	f[1].bytes = r->bytes_out;
	f[1].shown = &r->p->slot->bytes_out;
	end = relay_loop(r, f);
	flow_close_pipe(&f[0]);
	flow_close_pipe(&f[1]);
	return end;
}
