/* SPDX-License-Identifier: ISC */
/*
 * The checker's loop: a fixed grid of probes for each server, one epoll for
 * all of them, the health table, and a line in the log for each change.
 *
 * It takes the table as it finds it: one that was killed and forked again
 * changes nobody's state.
 */
#include "config.h"
#include "daemon/checker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <syslog.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/probe.h"
#include "daemon/probe_https.h"
#include "daemon/rise_fall.h"

#define GRAIN_MS	10

struct target {			/* a server to probe */
	struct probe probe;
	unsigned backend, server;	/* indexes in conf */
	struct server_slot *slot;
	struct server_use *use;
	int64_t next_ms;	/* the grid's next point */
	int64_t deadline_ms;	/* of the probe under way */
	struct addr asked;	/* by it: what the slot said when it began */
};

struct probes {
	const struct checker *c;
	struct target *target;
	unsigned n;
	int epoll;
};

/* --- what to probe --------------------------------------------------------------- */

/* The name a client of this service would ask for: the first exact one. */
static const char *
first_host(const struct conf_service *s)
{
	unsigned i;

	for (i = 0; i < s->nhost; i++)
		if (s->host[i].text[0] != '*' && s->host[i].text[0] != '~')
			return s->host[i].text;
	return "";
}

static void *
tls_context(const struct conf_check *check)
{
	char error[HEALTH_INFO_MAX] = "";
	void *ctx;

	if (probe_https_ops == NULL && probe_https_load() == NULL)
		return NULL;
	if ((ctx = probe_https_ops->context(check->ca_file, error, sizeof(error))) == NULL)
		log_errx("\"https\" checks with ca-file %s: %s", check->ca_file, error);
	return ctx;
}

static void
init_target(struct target *t, const struct checker *c, unsigned b, unsigned k, void *ctx)
{
	const struct conf_backend *cb = &c->conf->backend[b];

	t->backend = b;
	t->server = k;
	t->slot = &c->shared->server[c->map->server[b][k]];
	t->use = &c->shared->server_use[c->map->server[b][k]];
	t->probe.check = &cb->check;
	t->probe.sni = cb->check.host[0] != '\0' ? cb->check.host : first_host(cb->service);
	t->probe.host = cb->server[k].address;
	t->probe.tls_context = ctx;
	/* another port is another program, which expects no such header */
	t->probe.proxy = cb->check.port == 0 ? cb->service->send_proxy : CONF_PROXY_OFF;
	t->probe.fd = -1;
}

struct probes *
checker_open(const struct checker *c)
{
	struct probes *p = calloc(1, sizeof(*p));
	unsigned b, k, n = 0;

	if (p == NULL)
		return NULL;
	p->c = c;
	for (b = 0; b < c->conf->nbackend; b++)
		if (c->conf->backend[b].check.type != CONF_CHECK_NONE)
			n += c->conf->backend[b].nserver;
	p->target = calloc(n + 1, sizeof(*p->target));
	p->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (p->target == NULL || p->epoll < 0)
		return NULL;
	for (b = 0; b < c->conf->nbackend; b++) {
		const struct conf_check *check = &c->conf->backend[b].check;
		void *ctx = check->type == CONF_CHECK_HTTPS ? tls_context(check) : NULL;

		if (check->type == CONF_CHECK_NONE)
			continue;
		for (k = 0; k < c->conf->backend[b].nserver; k++)
			init_target(&p->target[p->n++], c, b, k, ctx);
	}
	return p;
}

/* The first probes are spread over one interval, a second at most, so that a
 * thousand servers are not asked in the same millisecond; those of the same
 * GRAIN_MS go together, for each turn looks at every server. */
static void
lay_grid(struct probes *p, int64_t now)
{
	unsigned i;

	for (i = 0; i < p->n; i++) {
		int interval = p->target[i].probe.check->interval_ms;
		int spread = interval < 1000 ? interval : 1000;

		p->target[i].next_ms = now + (int64_t)spread * i / p->n / GRAIN_MS * GRAIN_MS;
	}
}

/* --- what came out ----------------------------------------------------------------- */

static void
count_servers(const struct checker *c, unsigned b, unsigned *active, unsigned *backup)
{
	const struct conf_backend *cb = &c->conf->backend[b];
	unsigned k;

	*active = *backup = 0;
	for (k = 0; k < cb->nserver; k++) {
		if (!health_usable(&c->shared->server[c->map->server[b][k]]))
			continue;
		if (cb->server[k].backup)
			++*backup;
		else
			++*active;
	}
}

static void
say_change(const struct probes *p, const struct target *t, enum health_state state, int64_t us)
{
	const struct conf_backend *cb = &p->c->conf->backend[t->backend];
	const struct probe *q = &t->probe;
	unsigned active, backup;
	char code[32] = "", info[HEALTH_INFO_MAX + 16] = "", tail[96];
	int queued = atomic_load(&p->c->shared->backend_use[p->c->map->backend[t->backend]].c.queued);

	count_servers(p->c, t->backend, &active, &backup);
	if (q->code != 0)
		snprintf(code, sizeof(code), ", code: %d", q->code);
	if (q->info[0] != '\0')
		snprintf(info, sizeof(info), ", info: \"%s\"", q->info);
	if (state == HEALTH_UP)
		snprintf(tail, sizeof(tail), "0 sessions requeued, %d total in queue", queued);
	else
		snprintf(tail, sizeof(tail), "%d sessions active, 0 requeued, %d remaining in queue",
		    atomic_load(&t->use->c.current), queued);
	log_at(LOG_NOTICE, "Server %s/%s is %s, reason: %s%s%s, check duration: %lldms. "
	    "%u active and %u backup servers %s.%s %s.",
	    cb->name, cb->server[t->server].name, state == HEALTH_UP ? "UP" : "DOWN",
	    health_result_text(q->result), code, info, (long long)us / 1000, active, backup,
	    state == HEALTH_UP ? "online" : "left",
	    active == 0 && backup > 0 ? " Running on backup." : "", tail);
	if (state == HEALTH_DOWN && active == 0 && backup == 0)
		log_errx("backend %s has no server available!", cb->name);
}

static void
change_state(const struct probes *p, struct target *t, enum health_state state, int64_t us)
{
	struct server_slot *v = t->slot;
	int64_t now = clock_ms(), since = atomic_load(&v->since_ms);
	uint64_t one = 1;

	atomic_store(&v->state, state);
	atomic_store(&v->since_ms, now);
	if (state == HEALTH_UP)
		atomic_fetch_add(&v->downtime_ms, now - since);
	else
		counter_add(&v->downs, 1);
	/* the master ends sessions where on-down says so, and watches the backend */
	if (write(p->c->master_fd, &one, sizeof(one)) < 0)
		log_debug("the master has enough to do");
	say_change(p, t, state, us);
}

/* Its address is another by now, a newer configuration's or a newer look-up's:
 * what was heard from the old one says nothing about it. */
static bool
has_moved(const struct target *t)
{
	struct addr now;

	health_addr(t->slot, &now);
	return !addr_equal(&now, &t->asked);
}

static void
record(struct probes *p, struct target *t)
{
	struct probe *q = &t->probe;
	struct server_slot *v = t->slot;
	int64_t us = clock_us() - q->started_us;
	struct rise_fall r = { (enum health_state)atomic_load(&v->state), atomic_load(&v->streak) };
	bool changed;

	if (has_moved(t))
		return;
	/* before its first probe a server that does not resolve is down already */
	changed = rise_fall_add(&r, probe_good(q),
	    atomic_load(&v->last_check_ms) == 0 ? 1 : q->check->rise, q->check->fall);
	atomic_store(&v->result, q->result);
	atomic_store(&v->code, q->code);
	atomic_store(&v->check_us, (int32_t)(us > INT32_MAX ? INT32_MAX : us));
	atomic_store(&v->streak, r.streak);
	atomic_store(&v->last_check_ms, clock_ms());
	counter_add(&v->probes, 1);
	if (!probe_good(q))
		counter_add(&v->probe_failures, 1);
	health_set_info(v, q->info);
	atomic_store(&t->use->hint, 0);
	if (changed)
		change_state(p, t, r.state, us);
}

/* --- the loop ---------------------------------------------------------------------- */

/* One call a probe: edges of both kinds.  Closing it takes it out. */
static bool
watch(struct probes *p, struct target *t)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLET };

	ev.data.u32 = (uint32_t)(t - p->target);
	return epoll_ctl(p->epoll, EPOLL_CTL_ADD, t->probe.fd, &ev) == 0;
}

static void
begin(struct probes *p, struct target *t, int64_t now)
{
	const struct conf_server *cs = &p->c->conf->backend[t->backend].server[t->server];
	struct addr a;

	health_addr(t->slot, &a);
	if (a.family == ADDR_NONE) {	/* down already; its first address gets the first probe */
		health_set_info(t->slot, "its name does not resolve");
		return;
	}
	/* a reload is at hand: the next checker will look */
	if (a.port != cs->addr.port || (!cs->is_dns && !addr_equal(&a, &cs->addr)))
		return;
	t->asked = a;
	if (t->probe.check->port != 0)
		a.port = t->probe.check->port;
	t->deadline_ms = now + t->probe.check->timeout_ms;
	if (!probe_start(&t->probe, &a)) {
		if (t->probe.result != HEALTH_UNKNOWN)
			record(p, t);
		else if (shared_may_say_shortage(p->c->shared, SHORTAGE_PROBE))
			log_warnx("cannot probe servers, their states stay as they are: %s",
			    t->probe.info);
	} else if (!watch(p, t)) {
		log_warn("checker: epoll");	/* the deadline ends it */
	}
}

static void
go_on(struct probes *p, struct target *t)
{
	if (t->probe.phase != PROBE_IDLE && !probe_step(&t->probe))
		record(p, t);
}

/* Everything that is due; returns when the next thing is. */
static int64_t
turn(struct probes *p, int64_t now, bool hinted)
{
	int64_t next = now + 1000;
	unsigned i;

	for (i = 0; i < p->n; i++) {
		struct target *t = &p->target[i];
		bool maint = atomic_load_explicit(&t->slot->admin, memory_order_relaxed) == HEALTH_MAINT;
		bool due = now >= t->next_ms;

		if (t->probe.phase != PROBE_IDLE && now >= t->deadline_ms) {
			probe_timeout(&t->probe);
			record(p, t);
		}
		if (due)	/* keep the grid: a point that was missed is not made up for */
			t->next_ms += (now - t->next_ms) / t->probe.check->interval_ms *
			    t->probe.check->interval_ms + t->probe.check->interval_ms;
		if (hinted && atomic_exchange(&t->use->hint, 0) != 0)
			due = true;
		if (due && !maint && t->probe.phase == PROBE_IDLE)
			begin(p, t, now);
		if (t->next_ms < next)
			next = t->next_ms;
		if (t->probe.phase != PROBE_IDLE && t->deadline_ms < next)
			next = t->deadline_ms;
	}
	return next;
}

void
checker_run(const struct checker *c, struct probes *p)
{
	struct epoll_event ev[64], hint = { .events = EPOLLIN, .data = { .u32 = UINT32_MAX } };
	int64_t now = clock_ms(), next = now;
	bool hinted = true;	/* what was hinted while nobody looked */
	uint64_t count;
	int i, n;

	if (epoll_ctl(p->epoll, EPOLL_CTL_ADD, c->hint_fd, &hint) != 0) {
		log_err("checker: epoll");
		return;
	}
	lay_grid(p, now);
	for (;;) {
		if (now >= next || hinted)
			next = turn(p, now, hinted);
		hinted = false;
		n = epoll_wait(p->epoll, ev, 64, clock_left(next, clock_ms()));
		for (i = 0; i < n; i++) {
			if (ev[i].data.u32 != UINT32_MAX)
				go_on(p, &p->target[ev[i].data.u32]);
			else if (read(c->hint_fd, &count, sizeof(count)) > 0)
				hinted = true;
		}
		now = clock_ms();
	}
}
