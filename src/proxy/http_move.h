/* SPDX-License-Identifier: ISC */
/*
 * What an exchange's own files share: what is on its way, in which direction.
 * http_exchange.c moves it, http_server.c finds the server that it goes to,
 * http_own.c answers in the server's place.  Nobody else includes this.
 */
#ifndef DURWARD_HTTP_MOVE_H
#define DURWARD_HTTP_MOVE_H

#include <sys/uio.h>

#include "proxy/http_exchange.h"

#define HTTP_PATIENCE_MS	1000	/* a server silent for longer: see the client leave, too */

struct http_bytes {			/* not yet sent */
	const char *p;
	size_t len;
};

struct server {			/* the connection in use */
	int fd;
	uint32_t slot;
	struct addr addr;
	bool reused;		/* it was kept: may turn out to be closed */
	bool own, login;	/* see http_kept.h */
};

struct exchange {		/* what is moving */
	struct http_exchange *x;
	struct session *s;
	const struct conf_backend *backend;
	struct server server;
	struct http_bytes up[3];	/* to the server: PROXY header, head, body so far */
	struct http_bytes down[2];	/* to the client: head, body so far */
	struct http_bytes first;	/* of the body: what came with the head */
	bool repeatable;	/* safe, and all of it still at hand */
	bool holds_back;	/* the client sends its body after a 100 */
	size_t in_len;		/* of answer_in */
	struct http_body answer;
	bool up_broken;		/* the server takes no more of the request */
	bool server_eof;
	bool server_fin;	/* after its whole answer: it may still read the request's body */
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

/* --- the counters and the end, as both directions need them ------------------- */

static inline struct counters *
http_backend_counters(const struct session *s)
{
	return &s->p->shared->backend_use[s->p->map->backend[s->backend]].c;
}

static inline struct counters *
http_server_counters(const struct session *s)
{
	return &s->p->shared->server_use[s->p->map->server[s->backend][s->server]].c;
}

static inline bool
http_stopped(const struct session *s)
{
	return s->p->stop >= PROXY_KILLED;
}

/* --- bytes that wait ---------------------------------------------------------- */

/* Is there anything in these n? */
bool http_bytes_wait(const struct http_bytes *b, int n);

/* The first `sent` bytes of them have gone. */
void http_bytes_took(struct http_bytes *b, int n, size_t sent);

/* As sendmsg wants them; returns how many pieces. */
int http_bytes_iov(const struct http_bytes *b, int n, struct iovec *iov);

/* Send what the socket takes, and take it off; as sendmsg returns. */
ssize_t http_bytes_send(int fd, struct http_bytes *b, int n, int flags);

/* --- http_server.c -------------------------------------------------------------- */

/* Find a server and send it what there is (head, and body so far).  False:
 * there is none; the client has its answer, the code is set. */
bool http_server_reach(struct exchange *e);

/* A kept connection turned out to be closed, and not a byte of an answer came:
 * once more on a fresh one, where that is safe.  STEP_ON, STEP_ANSWERED where
 * no other server took it, else STEP_SERVER_GONE. */
enum step http_server_again(struct exchange *e);

/* Close the connection, if there is one. */
void http_server_drop(struct exchange *e);

/* --- http_end.c ------------------------------------------------------------------- */

/* Once nothing moves any more: what the last step means for the client, for the
 * counts and the log, and for the server's connection, which may be kept. */
void http_end(struct exchange *e, enum step step);

/* --- http_own.c ------------------------------------------------------------------- */

/* Count an answer's status for listener, backend and server. */
void http_own_count(struct session *s, int status);

/* All of a few bytes: false where the client takes them not in time. */
bool http_own_send(struct session *s, const char *p, size_t len);

#endif
