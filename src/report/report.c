/* SPDX-License-Identifier: ISC */
/*
 * Questions that several reports ask of shared memory.  In the clerk and in
 * workers of a stats listener.  Reads only.
 */
#include "config.h"
#include "report/report.h"

#include <stdio.h>
#include <string.h>

#include "state/scoreboard.h"

const struct server_slot *
report_server(const struct report *r, unsigned b, unsigned k)
{
	return &r->shared->server[r->map->server[b][k]];
}

const struct counters *
report_counters(const struct report *r, unsigned b, unsigned k)
{
	return &r->shared->server_use[r->map->server[b][k]].c;
}

const struct counters *
report_backend(const struct report *r, unsigned b)
{
	return &r->shared->backend_use[r->map->backend[b]].c;
}

const struct counters *
report_listener(const struct report *r, unsigned l)
{
	return &r->shared->listener_use[r->map->listener[l]].c;
}

/* Each of its sockets is a pool, and each pool needs a worker at accept or
 * with a client.  After a reload one on its way there will do: the socket
 * listens, and a monitor must not take a new listener for a failure. */
static bool
listener_accepts(const struct report *r, unsigned l)
{
	uint32_t least = atomic_load(&r->shared->head->reloads) > 0 ? WORKER_STARTING : WORKER_IDLE;
	unsigned i, pools = 0, n = shared_workers(r->shared);
	bool seen[SHARED_POOLS] = { false };

	for (i = 0; i < n && pools < r->conf->listener[l].nbind; i++) {
		const struct worker_post *p = &r->shared->post[i];
		uint32_t pool = p->pool;	/* once: it may change under us */

		if (atomic_load(&p->pid) == 0 || atomic_load(&r->shared->worker[i].state) < least ||
		    p->listener != r->map->listener[l] || pool >= SHARED_POOLS || seen[pool])
			continue;
		seen[pool] = true;
		pools++;
	}
	return pools >= r->conf->listener[l].nbind;
}

bool
report_accepting(const struct report *r)
{
	unsigned l;

	if (atomic_load(&r->shared->head->draining))
		return false;
	for (l = 0; l < r->conf->nlistener; l++)
		if (!listener_accepts(r, l))
			return false;
	return true;
}

struct report_usable
report_usable(const struct report *r, unsigned b)
{
	struct report_usable u = { 0, 0, 0 };
	unsigned k, weight[2] = { 0, 0 };

	for (k = 0; k < r->conf->backend[b].nserver; k++) {
		const struct conf_server *c = &r->conf->backend[b].server[k];

		if (!health_usable(report_server(r, b, k)) || c->weight == 0)
			continue;
		weight[c->backup] += c->weight;
		if (c->backup)
			u.backup++;
		else
			u.active++;
	}
	u.weight = u.active > 0 ? weight[0] : weight[1];
	return u;
}

int64_t
report_age(const struct report *r, int64_t then)
{
	return then > 0 && then < r->now ? (r->now - then) / 1000 : 0;
}

int64_t
report_since(const struct report *r, const struct server_slot *s)
{
	int64_t then = atomic_load(&s->since_ms);
	int64_t admin = atomic_load(&s->admin_since_ms);

	/* READY again: what is shown is the checker's word, but since then only */
	if (atomic_load(&s->admin) != HEALTH_READY || admin > then)
		then = admin;
	if (then == 0)
		then = atomic_load(&r->shared->head->started_ms);
	return report_age(r, then);
}

int64_t
report_downtime(const struct report *r, const struct server_slot *s)
{
	int64_t ms = atomic_load(&s->downtime_ms), since = atomic_load(&s->since_ms);

	if (atomic_load(&s->state) == HEALTH_DOWN && since > 0 && since < r->now)
		ms += r->now - since;
	return ms / 1000;
}

static const struct backend_slot *
backend_slot(const struct report *r, unsigned b)
{
	return &r->shared->backend[r->map->backend[b]];
}

int64_t
report_backend_since(const struct report *r, unsigned b)
{
	return report_age(r, atomic_load(&backend_slot(r, b)->since_ms));
}

int64_t
report_backend_downtime(const struct report *r, unsigned b)
{
	const struct backend_slot *s = backend_slot(r, b);
	int64_t ms = atomic_load(&s->downtime_ms), since = atomic_load(&s->since_ms);

	if (atomic_load(&s->state) == HEALTH_DOWN && since > 0 && since < r->now)
		ms += r->now - since;
	return ms / 1000;
}

const char *
report_address(const struct report *r, unsigned b, unsigned k, char buf[REPORT_ADDRESS])
{
	const struct conf_server *c = &r->conf->backend[b].server[k];
	char text[ADDR_STRLEN];
	struct addr a;

	health_addr(report_server(r, b, k), &a);
	if (a.family == ADDR_NONE)
		snprintf(buf, REPORT_ADDRESS, "%.255s:%u", c->address, c->addr.port);
	else
		snprintf(buf, REPORT_ADDRESS, "%s", addr_format(&a, true, text));
	return buf;
}

const char *
report_check(const struct server_slot *s, char buf[REPORT_CHECK])
{
	enum health_result result = (enum health_result)atomic_load(&s->result);
	char info[HEALTH_INFO_MAX];

	buf[0] = '\0';
	if (!atomic_load(&s->checked) || result == HEALTH_UNKNOWN)
		return buf;
	health_info(s, info);
	snprintf(buf, REPORT_CHECK, "%s%s%s", health_result_name(result),
	    info[0] != '\0' ? ": " : "", info);
	return buf;
}

const char *
report_size(uint64_t bytes, char buf[REPORT_WORDS])
{
	static const char unit[] = "BkMGTPE";
	double n = (double)bytes;
	unsigned u = 0;

	while (n >= 999.5 && u < sizeof(unit) - 2) {
		n /= 1000;
		u++;
	}
	if (u == 0)
		snprintf(buf, REPORT_WORDS, "%u", (unsigned)bytes);
	else
		snprintf(buf, REPORT_WORDS, "%.*f%c", n < 9.95 ? 1 : 0, n, unit[u]);
	return buf;
}

const char *
report_span(int64_t s, char buf[REPORT_WORDS])
{
	if (s < 60)
		snprintf(buf, REPORT_WORDS, "%ds", (int)s);
	else if (s < 3600)
		snprintf(buf, REPORT_WORDS, "%dm%02ds", (int)(s / 60), (int)(s % 60));
	else if (s < 86400)
		snprintf(buf, REPORT_WORDS, "%dh%02dm", (int)(s / 3600), (int)(s / 60 % 60));
	else
		snprintf(buf, REPORT_WORDS, "%dd%02dh", (int)(s / 86400), (int)(s / 3600 % 24));
	return buf;
}

const char *
report_micros(int64_t us, char buf[REPORT_WORDS])
{
	if (us < 9950)
		snprintf(buf, REPORT_WORDS, "%.1fms", (double)us / 1000);
	else if (us < 999500)
		snprintf(buf, REPORT_WORDS, "%.0fms", (double)us / 1000);
	else
		snprintf(buf, REPORT_WORDS, "%.1fs", (double)us / 1e6);
	return buf;
}
