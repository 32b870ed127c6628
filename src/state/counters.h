/* SPDX-License-Identifier: ISC */
/*
 * What is counted for each listener, backend and server, in shared memory.
 *
 * Counters only grow (monotonic across reloads and worker deaths); gauges
 * (current, queued) are given back by the worker, or by the master for a
 * worker that died.  Any worker may write; each write is one atomic step.
 */
#ifndef DURWARD_COUNTERS_H
#define DURWARD_COUNTERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef _Atomic uint64_t counter;
typedef _Atomic int32_t gauge;

/* Why a client was turned away before a server saw it. */
enum reject {
	REJECT_UNKNOWN_NAME,	/* a name that matches nothing */
	REJECT_NO_NAME,		/* no name, and no default */
	REJECT_MALFORMED,	/* not the protocol, or ambiguous */
	REJECT_DEADLINE,	/* hello or head not complete in time */
	REJECT_DENIED,		/* allow and deny */
	REJECT_LIMIT,		/* connections per source */
	REJECT_NO_SERVER,	/* none up, none reachable, queue timeout */
	REJECT_CRASH,		/* its source crashed workers again and again */
	REJECT_KINDS
};

/* Upper bounds, in ms, of the histogram buckets; the last is "more".
 * connect: 1 2 5 10 25 50 100 250 1000 5000 10000 +
 * duration: 10 100 1000 5 s 30 s 2 min 10 min 1 h 6 h 1 d 7 d + */
#define COUNTERS_BUCKETS 12
extern const int64_t counters_connect_ms[COUNTERS_BUCKETS - 1];
extern const int64_t counters_duration_ms[COUNTERS_BUCKETS - 1];

struct histogram {
	counter bucket[COUNTERS_BUCKETS];	/* not cumulative */
	counter sum_us;
};

/* Where the time of what a server answered went: sessions, or HTTP requests. */
enum span { SPAN_QUEUE, SPAN_CONNECT, SPAN_ANSWER, SPAN_TOTAL, SPANS };

struct spent {
	_Atomic int64_t sum_us;		/* of the last COUNTERS_WINDOW, as HAProxy does it */
	gauge max_ms;
};

/* Sessions a second: the second they were counted in, and the one before. */
struct rate {
	_Atomic uint32_t second;
	_Atomic uint32_t count, last, max;
};

struct counters {
	/* line 0: every session touches these */
	gauge current;		/* sessions now */
	gauge max_current;
	counter sessions;	/* TLS connections, HTTP: connections on a listener, requests on backend and server */
	counter bytes_in;	/* from clients */
	counter bytes_out;	/* to clients */
	_Atomic int64_t last_session_ms;	/* clock_ms */
	struct rate rate;
	/* HTTP */
	counter requests;
	struct rate request_rate;
	counter status[6];	/* answers to clients: 1xx .. 5xx, other */
	/* errors and what became of sessions */
	counter connect_errors;	/* tries to connect that failed */
	counter response_errors;	/* server gone or not HTTP before its answer */
	counter request_errors;	/* malformed, timed out, client gone before its request was whole */
	counter denied;
	counter retries;	/* tries after the first */
	counter redispatches;	/* sessions that a retry put on another server */
	counter client_aborts, server_aborts;
	counter chosen;		/* times the balance chose it */
	counter reused;		/* HTTP: requests on a server connection that was open */
	gauge queued, max_queued;
	counter rejects[REJECT_KINDS];
	struct histogram connect, duration;
	counter timed;		/* those in spent */
	struct spent spent[SPANS];
};

/* One more session: current, its maximum, total, rate, time.  now is clock_ms. */
void counters_open(struct counters *c, int64_t now);

/* The same in two steps: a place first (false where current is at max already;
 * max 0 is no limit), the rest once the session stands. */
bool counters_take(struct counters *c, unsigned max);
void counters_count(struct counters *c, int64_t now);

/* One less. */
void counters_close(struct counters *c);

/* One more HTTP request; now is clock_ms. */
void counters_request(struct counters *c, int64_t now);

/* What rate_... say for this second: the last whole second's count. */
uint32_t counters_rate(const struct rate *r, int64_t now);

/* Add a measured time to a histogram. */
void counters_connect_time(struct counters *c, int64_t us);
void counters_duration(struct counters *c, int64_t us);

/* One that a server answered has ended: where its time went.  The mean of the
 * last ones, in ms; 0 where there was none. */
#define COUNTERS_WINDOW	1024
void counters_spent(struct counters *c, const int64_t us[SPANS]);
int64_t counters_mean_ms(const struct counters *c, enum span which);

static inline void
counter_add(counter *c, uint64_t n)
{
	atomic_fetch_add_explicit(c, n, memory_order_relaxed);
}

static inline uint64_t
counter_get(const counter *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}

/* The word for logs, metrics and JSON: "unknown name", ... */
const char *reject_name(enum reject r);

#endif
