/* SPDX-License-Identifier: ISC */
/*
 * Every live client, for durwardctl connections.  In the clerk.  Reads the
 * scoreboard while workers write it: a worker that changes clients meanwhile
 * may be shown with the old client's name and the new one's bytes.
 */
#include "config.h"
#include "report/status.h"

#include <inttypes.h>

#include "state/scoreboard.h"

struct live {
	int pid;
	uint32_t state;
	const char *listener, *backend, *server;	/* "" not known (yet) */
	char client[ADDR_STRLEN], host[256];
	int64_t age, idle;	/* seconds */
	uint64_t in, out;
};

/* A canonical name stays as it is; what a worker wrote there that was taken over
 * must not drive a terminal, nor be JSON that is none. */
static void
make_printable(char *s)
{
	for (; *s != '\0'; s++)
		if (*s <= ' ' || *s >= 0x7f)
			*s = '?';
}

/* False: no client there. */
static bool
look(const struct report *r, unsigned i, struct live *l)
{
	const struct worker_post *p = &r->shared->post[i];
	const struct worker_slot *w = &r->shared->worker[i];
	int32_t b = atomic_load(&w->backend), v = atomic_load(&w->server);
	struct addr from;

	l->pid = atomic_load(&p->pid);
	l->state = atomic_load(&w->state);
	/* one that leaves, or has its client wait for max-connections, holds none */
	if (l->pid <= 0 || !worker_has_client(l->state) || !(atomic_load(&w->holds) & HOLDS_LISTENER))
		return false;
	scoreboard_text(w, &from, l->host);
	make_printable(l->host);
	addr_format(&from, true, l->client);
	l->listener = p->listener < SHARED_LISTENERS ? r->shared->listener[p->listener].name : "";
	l->backend = b >= 0 && b < (int32_t)SHARED_BACKENDS ? r->shared->backend[b].name : "";
	l->server = v >= 0 && v < (int32_t)SHARED_SERVERS ? r->shared->server[v].name : "";
	l->age = report_age(r, atomic_load(&w->since_ms));
	l->idle = report_age(r, atomic_load(&w->last_ms));
	l->in = atomic_load(&w->before_in) + atomic_load(&w->bytes_in);
	l->out = atomic_load(&w->before_out) + atomic_load(&w->bytes_out);
	return true;
}

static void
live_json(const struct live *l, struct out *o)
{
	out_printf(o, "{\"pid\":%d,\"listener\":", l->pid);
	out_json(o, l->listener);
	out_text(o, ",\"client\":");
	out_json(o, l->client);
	out_text(o, ",\"host\":");
	out_json(o, l->host);
	out_text(o, ",\"backend\":");
	out_json(o, l->backend);
	out_text(o, ",\"server\":");
	out_json(o, l->server);
	out_printf(o, ",\"age\":%" PRId64 ",\"idle\":%" PRId64 ",\"bytes_in\":%" PRIu64
	    ",\"bytes_out\":%" PRIu64 "}", l->age, l->idle, l->in, l->out);
}

void
connections_json(const struct report *r, struct out *o)
{
	unsigned i, found = 0, n = shared_workers(r->shared);
	struct live l;

	out_text(o, "[");
	for (i = 0; i < n; i++)
		if (look(r, i, &l)) {
			out_text(o, found++ > 0 ? ",\n " : "\n ");
			live_json(&l, o);
		}
	out_text(o, found > 0 ? "\n]\n" : "]\n");
}

static void
live_line(const struct live *l, struct out *o)
{
	char age[REPORT_WORDS], idle[REPORT_WORDS], in[REPORT_WORDS], out[REPORT_WORDS];

	out_printf(o, "%d\t", l->pid);
	out_field(o, l->listener);
	out_printf(o, "\t%s\t", l->client);
	out_field(o, l->host[0] != '\0' ? l->host : "-");
	out_text(o, "\t");
	/* who has no server yet says what it waits for */
	if (l->backend[0] == '\0')
		out_printf(o, "(%s)", worker_state_name((enum worker_state)l->state));
	else {
		out_field(o, l->backend);
		out_text(o, "/");
		out_field(o, l->server[0] != '\0' ? l->server : "-");
	}
	out_printf(o, "\t%s\t%s\t%s\t%s\n", report_span(l->age, age), report_span(l->idle, idle),
	    report_size(l->in, in), report_size(l->out, out));
}

void
connections_table(const struct report *r, struct out *o)
{
	unsigned i, n = shared_workers(r->shared);
	struct live l;

	out_text(o, ">PID\tLISTENER\tCLIENT\tHOST\tBACKEND/SERVER\t>AGE\t>IDLE\t>IN\t>OUT\n");
	for (i = 0; i < n; i++)
		if (look(r, i, &l))
			live_line(&l, o);
}
