/* SPDX-License-Identifier: ISC */
/*
 * One client, from accepted to ended.
 *
 * session_run is the whole life; session_tls and session_http are its middle.
 * There is one exit: session_end, which closes, gives back what was held and
 * logs.  One session a worker at a time; the struct is reused.
 */
#ifndef DURWARD_SESSION_H
#define DURWARD_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/addr.h"
#include "base/text.h"
#include "proxy/proxy.h"
#include "state/counters.h"

/*
 * How a session or request ended, as HAProxy's two letters: who or what ended
 * it, and in which phase.  See "Session state at disconnection" there.
 */
struct session_end_code {
	char cause;	/* '-' C S P R D K c s L I */
	char phase;	/* '-' R Q C H D L */
};

struct session {
	struct proxy *p;
	int client;			/* socket; the server's belongs to what relays */
	struct addr peer;		/* who connected */
	struct addr from;		/* the client: the peer, or what its PROXY header said */
	struct addr to;			/* where it connected to; family 0: not asked yet */
	int64_t accept_wall_ms;		/* for the log's date */
	int64_t accept_us;		/* clock_us of accept */
	int64_t deadline_ms;		/* clock_ms by which hello or head must be whole */
	bool deferral_counted;		/* its time in the kernel, see session.c */

	/* what was found out; -1 and "" until then */
	int backend;			/* index in conf.backend */
	int server;			/* index in that backend */
	char host[256];			/* canonical name asked for */
	size_t host_len;
	bool host_is_odd;		/* no host can have this name; escaped */
	bool ech;

	/* for the log and the counters; times in us since the phase began, -1 not reached */
	int64_t queue_us, connect_us;
	uint64_t bytes_in, bytes_out;
	unsigned retries;
	bool redispatched;
	struct session_end_code code;
	int rejected;			/* enum reject, once turned away; -1 not */

	/* what was read from the client and not yet passed on; the buffer is
	 * one a process, touched only as far as it is filled */
	uint8_t *head;			/* SESSION_HEAD bytes */
	size_t head_len;
};

#define SESSION_HEAD	65536u

/* Serve one accepted client (socket fd, its address peer), to its end.  For a
 * TLS listener the socket is non-blocking, for HTTP it blocks. */
void session_run(struct proxy *p, int fd, const struct addr *peer);

/* --- for session_tls and session_http ------------------------------------ */

/* A client that is turned away before a server saw it: counts why. */
void session_reject(struct session *s, enum reject why, char cause, char phase);

/* Set how it ended, if nothing did before. */
void session_code(struct session *s, char cause, char phase);

/* Route and the lists: sets s->backend for the name in s->host, s->host_len
 * (0: no name).  False where there is no route, or the service denies this
 * client: rejected and counted, with the code set. */
bool session_route(struct session *s);

/* The backend's and server's words for the log, "-" style placeholders as
 * HAProxy has them. */
const char *session_backend_name(const struct session *s);
const char *session_server_name(const struct session *s);

/* The process title of a worker with a client. */
void session_title(const struct session *s);

/* Read more of the head: what is there now, else after a wait.  > 0 bytes that
 * came, 0 the client closed, -1 the deadline or an error passed (code and
 * counters are the caller's business; *timed_out tells which). */
ssize_t session_read_head(struct session *s, bool *timed_out);

/* A blocking socket's own limit: which is SO_RCVTIMEO or SO_SNDTIMEO; 0 none. */
void session_limit(int fd, int which, int ms);

/* Send a last word and close in a way that it arrives: what the client still
 * sends is read and thrown away, for at most ms. */
void session_last_word(struct session *s, const void *bytes, size_t len, int ms);

/* The access log's line up to the backend and server:
 * "IP:PORT [DATE] LISTENER BACKEND/SERVER". */
void session_log_head(const struct session *s, int64_t wall_ms, struct text *t);

/* How long it waited in the queue and for the server, ms; -1 it did not come so far. */
int64_t session_queue_ms(const struct session *s);
int64_t session_connect_ms(const struct session *s);

/* "ACT/FE/BE/SRV/RETRIES SQ/BQ", as HAProxy counts them. */
void session_log_counts(const struct session *s, struct text *t);

/* A server answered, and that is over: where the time went, for its server and its
 * backend.  answer_us is HTTP's, else 0. */
void session_count_times(const struct session *s, int64_t answer_us, int64_t total_us);

/* Why it was turned away, in the words of the metrics, where HAProxy's letters do
 * not tell: PR is malformed, denied and over the limit alike.  Else "". */
const char *session_log_reason(const struct session *s);

/* Wait until s->client can be read; false at the deadline (or when the master
 * shortens it because workers run short), or where we were told to stop. */
bool session_wait_client(struct session *s);

void session_tls(struct session *s);
void session_http(struct session *s);
void session_stats(struct session *s);

#endif
