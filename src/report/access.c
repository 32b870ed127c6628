/* SPDX-License-Identifier: ISC */
/*
 * Lines of the access log: the parts that all have, in workers, and the whole
 * of a line that a worker could not write any more, in the master.  Formats
 * only; must never trust what a dead worker left in its slot.
 */
#include "config.h"
#include "report/access.h"

#include <string.h>
#include <time.h>

#include "base/log.h"

#define NAME	256	/* of a listener, a backend, a server */

void
access_head(struct text *t, const struct addr *from, int64_t wall_ms, const char *listener,
    const char *backend, const char *server)
{
	static time_t said;	/* the date is made once a second */
	static char date[32];
	char client[ADDR_STRLEN];
	time_t now = (time_t)(wall_ms / 1000);

	if (now != said) {
		struct tm tm;

		localtime_r(&now, &tm);
		strftime(date, sizeof(date), "%d/%b/%Y:%H:%M:%S", &tm);
		said = now;
	}
	text_add(t, addr_format(from, false, client));
	text_add(t, " [");
	text_add(t, date);
	text_char(t, '.');
	text_digits(t, (uint64_t)(wall_ms % 1000), 3);
	text_add(t, "] ");
	text_add(t, listener);
	text_char(t, ' ');
	text_add(t, backend);
	text_char(t, '/');
	text_add(t, server);
}

void
access_times(struct text *t, const int64_t *ms, unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		if (i > 0)
			text_char(t, '/');
		text_int(t, ms[i] < 0 ? -1 : ms[i]);
	}
}

void
access_counts(struct text *t, const struct access_counts *c)
{
	text_int(t, c->all);
	text_char(t, '/');
	text_int(t, c->listener);
	text_char(t, '/');
	text_int(t, c->backend);
	text_char(t, '/');
	text_int(t, c->server);
	text_add(t, c->redispatched ? "/+" : "/");
	text_uint(t, c->retries);
	text_add(t, c->queued ? " 0/1" : " 0/0");
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
static int64_t
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
	uint64_t out = atomic_load(&w->bytes_out);
	int64_t began = atomic_load(&w->began_ms), age = began > 0 && began < now_ms ? now_ms - began : 0;
	int64_t queue = spent(&w->queue_ms, age), connect = spent(&w->connect_ms, age);
	const int64_t tls[] = { queue, connect, age };
	const int64_t http[] = { spent(&w->head_ms, age), queue, connect, spent(&w->answer_ms, age), age };
	struct text t = text_in(buf, size);
	struct addr client;
	struct last l;

	if (phase == '\0' || !(atomic_load(&w->holds) & HOLDS_LISTENER) || listener >= SHARED_LISTENERS)
		return 0;
	scoreboard_text(w, &client, host);
	log_escape(safe, sizeof(safe), host, strlen(host));
	last_look(s, w, listener, &l);
	access_head(&t, &client, wall_ms - age, l.listener, l.backend,
	    kind == ACCESS_STATS ? "<STATS>" : l.server);
	text_char(&t, ' ');
	if (kind == ACCESS_TLS) {
		access_times(&t, tls, 3);
	} else {
		access_times(&t, http, 5);
		text_char(&t, ' ');
		text_int(&t, status_of(w));
	}
	text_char(&t, ' ');
	text_uint(&t, out);
	text_add(&t, kind == ACCESS_TLS ? " " : " - - ");
	text_char(&t, cause);
	text_char(&t, phase);
	text_add(&t, kind == ACCESS_TLS ? " " : "-- ");
	access_counts(&t, &l.count);
	text_add(&t, " {");
	text_add(&t, safe);
	text_add(&t, kind == ACCESS_TLS ? "}" : "} \"<BADREQ>\"");
	return text_len(&t);
}
