/* SPDX-License-Identifier: ISC */
/*
 * Lines of the access log: the parts that all have, in workers, and the whole
 * of a line that a worker could not write any more, in the master.  Formats
 * only; must never trust what a dead worker left in its slot.
 */
#include "config.h"
#include "report/access.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/log.h"

#define NAME	256	/* of a listener, a backend, a server */

static size_t
clamp(int n, size_t size)
{
	return n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;
}

size_t
access_head(const struct addr *from, int64_t wall_ms, const char *listener,
    const char *backend, const char *server, char *buf, size_t size)
{
	static time_t said;	/* the date is made once a second */
	static char date[32];
	char text[ADDR_STRLEN];
	time_t t = (time_t)(wall_ms / 1000);

	if (t != said) {
		struct tm tm;

		localtime_r(&t, &tm);
		strftime(date, sizeof(date), "%d/%b/%Y:%H:%M:%S", &tm);
		said = t;
	}
	return clamp(snprintf(buf, size, "%s [%s.%03d] %s %s/%s", addr_format(from, false, text), date,
	    (int)(wall_ms % 1000), listener, backend, server), size);
}

size_t
access_counts(const struct access_counts *c, char *buf, size_t size)
{
	return clamp(snprintf(buf, size, "%d/%d/%d/%d/%s%u 0/%d", c->all, c->listener, c->backend, c->server,
	    c->redispatched ? "+" : "", c->retries, c->queued ? 1 : 0), size);
}

/* --- the last line of a worker that died ----------------------------------- */

/* HAProxy's second letter; '\0' where no line is due. */
static char
phase_of(const struct worker_slot *w, enum access_kind kind)
{
	switch (atomic_load(&w->state)) {
	case WORKER_READING:
		return 'R';
	case WORKER_QUEUED:
		return 'Q';
	case WORKER_DIALING:
		return 'C';
	case WORKER_RELAYING:
		return kind == ACCESS_HTTP && atomic_load(&w->bytes_out) == 0 ? 'H' : 'D';
	}
	return '\0';
}

struct last {
	char listener[4 * NAME], backend[4 * NAME], server[4 * NAME];
	struct access_counts count;
};

/* Names are the configuration's, but from memory that more than one process
 * can write. */
static void
copy_name(char dst[4 * NAME], const char *name, size_t size)
{
	log_escape(dst, 4 * NAME, name, strnlen(name, size));
}

static void
last_look(const struct shared *s, const struct worker_slot *w, uint32_t listener, struct last *l)
{
	int32_t b = atomic_load(&w->backend), v = atomic_load(&w->server);

	memset(l, 0, sizeof(*l));
	copy_name(l->listener, s->listener[listener].name, sizeof(s->listener[listener].name));
	strcpy(l->backend, l->listener);
	strcpy(l->server, "<NOSRV>");
	l->count.all = atomic_load(&s->use->connections);
	l->count.listener = atomic_load(&s->listener_use[listener].c.current);
	if (b < 0 || b >= (int32_t)SHARED_BACKENDS)
		return;
	copy_name(l->backend, s->backend[b].name, sizeof(s->backend[b].name));
	l->count.backend = atomic_load(&s->backend_use[b].c.current);
	if (v < 0 || v >= (int32_t)SHARED_SERVERS)
		return;
	copy_name(l->server, s->server[v].name, sizeof(s->server[v].name));
	l->count.server = atomic_load(&s->server_use[v].c.current);
}

/* A time that the whole leaves room for; else it is not known. */
static int
spent(const _Atomic int32_t *ms, int64_t whole)
{
	int32_t n = atomic_load(ms);

	return n >= 0 && n <= whole ? n : -1;
}

/* An answer that there could be. */
static int
status_of(const struct worker_slot *w)
{
	int32_t n = atomic_load(&w->status);

	return n >= 100 && n <= 999 ? n : -1;
}

size_t
access_last_line(const struct shared *s, const struct worker_slot *w, uint32_t listener,
    enum access_kind kind, char cause, int64_t now_ms, int64_t wall_ms, char *buf, size_t size)
{
	char phase = phase_of(w, kind), host[256], safe[1024];
	unsigned long long out = atomic_load(&w->bytes_out);
	int64_t began = atomic_load(&w->began_ms), age = began > 0 && began < now_ms ? now_ms - began : 0;
	int queue = spent(&w->queue_ms, age), connect = spent(&w->connect_ms, age);
	struct addr client;
	struct last l;
	size_t n;

	if (phase == '\0' || !(atomic_load(&w->holds) & HOLDS_LISTENER) || listener >= SHARED_LISTENERS)
		return 0;
	scoreboard_text(w, &client, host);
	log_escape(safe, sizeof(safe), host, strlen(host));
	last_look(s, w, listener, &l);
	n = access_head(&client, wall_ms - age, l.listener, l.backend,
	    kind == ACCESS_STATS ? "<STATS>" : l.server, buf, size);
	if (kind == ACCESS_TLS)
		n += clamp(snprintf(buf + n, size - n, " %d/%d/%lld %llu %c%c ", queue, connect,
		    (long long)age, out, cause, phase), size - n);
	else
		n += clamp(snprintf(buf + n, size - n, " %d/%d/%d/%d/%lld %d %llu - - %c%c-- ",
		    spent(&w->head_ms, age), queue, connect, spent(&w->answer_ms, age), (long long)age,
		    status_of(w), out, cause, phase), size - n);
	n += access_counts(&l.count, buf + n, size - n);
	n += clamp(snprintf(buf + n, size - n, " {%s}%s", safe, kind == ACCESS_TLS ? "" : " \"<BADREQ>\""),
	    size - n);
	return n;
}
