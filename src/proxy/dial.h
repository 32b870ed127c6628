/* SPDX-License-Identifier: ISC */
/*
 * To a server: choose, connect, send the first bytes; the next in order where
 * one refuses or times out, as long as not a byte went out.
 */
#ifndef DURWARD_DIAL_H
#define DURWARD_DIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "proxy/session.h"

enum dial_verdict {
	DIAL_OK,
	DIAL_NO_SERVER,		/* none up, or none reachable in retries + 1 tries */
	DIAL_NO_ANSWER,		/* the same, and the last one tried was silent for `connect` */
	DIAL_QUEUE_TIMEOUT,	/* all at their max-connections for `queue` */
	DIAL_CLIENT_GONE,	/* the client left while it waited in the queue */
	DIAL_STOPPED		/* a signal told us to end */
};

struct dial {
	int fd;			/* the server's socket, non-blocking if asked; -1 */
	size_t sent;		/* bytes of the first ones that are on their way */
};

/* Called before each try, once the server is chosen: may set what to send
 * first (HTTP: the server's name goes into the head).  NULL: not needed. */
typedef void dial_prepare(void *arg, unsigned server);

/*
 * Find a server of s->backend and send it first[0..n) (at least one byte of
 * it).  Sets s->server, s->connect_us, s->queue_us, s->retries,
 * s->redispatched; holds the server's place (dial_release gives it back).
 * The socket is blocking if blocking, else non-blocking.
 */
enum dial_verdict dial_run(struct session *s, struct iovec *first, int n, bool blocking,
    dial_prepare *prepare, void *arg, struct dial *d);

/* After DIAL_STOPPED: was it in the queue, and not yet at a server? */
bool dial_in_queue(const struct session *s);

/* HTTP: choose and reserve a server without connecting, so that an open
 * connection to it can be used again: sets s->server.  dial_run afterwards
 * tries that one first. */
enum dial_verdict dial_choose(struct session *s);

/* Give back the places in server and backend, add the session's bytes to
 * them; called once for each DIAL_OK (or reserved) by whoever ends the
 * session or request. */
void dial_release(struct session *s, uint64_t bytes_in, uint64_t bytes_out);

/* Tell the checker that this server failed us. */
void dial_suspect(struct session *s, unsigned server);

#endif
