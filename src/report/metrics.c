/* SPDX-License-Identifier: ISC */
/*
 * The counters for Prometheus.  In a worker of a stats listener.  Reads shared
 * memory only.  Each family stands in one piece, as the format wants: so the
 * tables below are of families, and the loops over listeners, backends and
 * servers are inside.
 */
#include "config.h"
#include "report/metrics.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "base/clock.h"
#include "state/scoreboard.h"

/* What a family is counted for. */
enum subject { LISTENER, BACKEND, SERVER };

static const char *const prefix[] = { "listener", "backend", "server" };

static void
family(struct out *o, const char *name, const char *type, const char *help)
{
	out_printf(o, "# HELP durward_%s %s\n# TYPE durward_%s %s\n", name, help, name, type);
}

static void
single(struct out *o, const char *name, const char *type, const char *help, double value)
{
	family(o, name, type, help);
	out_printf(o, "durward_%s %.17g\n", name, value);
}

/* --- labels ---------------------------------------------------------------------- */

static void
label(struct out *o, const char *name, const char *value)
{
	out_printf(o, "%s=\"", name);
	out_label(o, value);
	out_text(o, "\"");
}

/* Labels of listener i, backend i, or server k of backend i, without braces. */
static void
labels(const struct report *r, enum subject of, unsigned i, unsigned k, struct out *o)
{
	const struct conf_backend *be;

	if (of == LISTENER) {
		label(o, "listener", r->conf->listener[i].name);
		return;
	}
	be = &r->conf->backend[i];
	label(o, "cluster", be->service->cluster);
	out_text(o, ",");
	label(o, "service", be->service->name);
	out_text(o, ",");
	label(o, "listener", r->conf->listener[be->listener].name);
	if (of == SERVER) {
		out_text(o, ",");
		label(o, "server", be->server[k].name);
	}
}

/* --- one loop over all subjects of a kind ---------------------------------------- */

struct one {
	enum subject of;
	unsigned i, k;
	const struct counters *c;
	bool http;
};

typedef void visit(const struct report *r, const struct one *one, const void *what, struct out *o);

static bool
is_http(const struct report *r, unsigned l)
{
	return r->conf->listener[l].protocol != CONF_TLS;
}

static void
each(const struct report *r, enum subject of, visit *fn, const void *what, struct out *o)
{
	struct one one = { of, 0, 0, NULL, false };

	if (of == LISTENER) {
		for (one.i = 0; one.i < r->conf->nlistener; one.i++) {
			one.c = report_listener(r, one.i);
			one.http = is_http(r, one.i);
			fn(r, &one, what, o);
		}
		return;
	}
	for (one.i = 0; one.i < r->conf->nbackend; one.i++) {
		unsigned n = of == BACKEND ? 1 : r->conf->backend[one.i].nserver;

		one.http = is_http(r, r->conf->backend[one.i].listener);
		for (one.k = 0; one.k < n; one.k++) {
			one.c = of == BACKEND ? report_backend(r, one.i) :
			    report_counters(r, one.i, one.k);
			fn(r, &one, what, o);
		}
	}
}

/* --- plain counters and gauges, by their place in struct counters ---------------- */

#define ON_LISTENER	1
#define ON_BACKEND	2
#define ON_SERVER	4
#define ON_ALL		7

struct plain {
	const char *name;
	size_t offset;
	int on;
	bool gauge, http_only;
	const char *help;
};

#define FIELD(f) offsetof(struct counters, f)

static const struct plain plains[] = {
	{ "connections", FIELD(current), ON_ALL, true, false,
	    "Connections now (HTTP servers and backends: requests)." },
	{ "connections_peak", FIELD(max_current), ON_ALL, true, false, "The most at one time." },
	{ "connections_total", FIELD(sessions), ON_ALL, false, false,
	    "Connections so far (HTTP servers and backends: requests)." },
	{ "requests_total", FIELD(requests), ON_LISTENER, false, true, "HTTP requests." },
	{ "received_bytes_total", FIELD(bytes_in), ON_ALL, false, false,
	    "Bytes from clients, counted when a connection ends." },
	{ "sent_bytes_total", FIELD(bytes_out), ON_ALL, false, false,
	    "Bytes to clients, counted when a connection ends." },
	{ "request_errors_total", FIELD(request_errors), ON_LISTENER, false, false,
	    "Malformed hellos and requests, and those that came too late." },
	{ "connect_errors_total", FIELD(connect_errors), ON_BACKEND | ON_SERVER, false, false,
	    "Tries to connect that failed." },
	{ "response_errors_total", FIELD(response_errors), ON_BACKEND | ON_SERVER, false, true,
	    "Servers that left, or did not speak HTTP, before their answer." },
	{ "retries_total", FIELD(retries), ON_BACKEND | ON_SERVER, false, false, "Tries after the first." },
	{ "redispatches_total", FIELD(redispatches), ON_BACKEND | ON_SERVER, false, false,
	    "Clients that a retry put on another server." },
	{ "chosen_total", FIELD(chosen), ON_SERVER, false, false, "Times the balance chose it." },
	{ "reused_total", FIELD(reused), ON_SERVER, false, true,
	    "Requests on a server connection that was open." },
	{ "queued", FIELD(queued), ON_BACKEND, true, false,
	    "Clients that wait for a server below its max-connections." },
};

static void
plain_sample(const struct report *r, const struct one *one, const void *what, struct out *o)
{
	const struct plain *p = what;
	const char *at = (const char *)one->c + p->offset;

	if (p->http_only && !one->http)
		return;
	out_printf(o, "durward_%s_%s{", prefix[one->of], p->name);
	labels(r, one->of, one->i, one->k, o);
	if (p->gauge)
		out_printf(o, "} %d\n", atomic_load((const gauge *)(const void *)at));
	else
		out_printf(o, "} %" PRIu64 "\n", counter_get((const counter *)(const void *)at));
}

static void
write_plain(const struct report *r, struct out *o)
{
	char name[96];
	size_t i;
	int of;

	for (i = 0; i < sizeof(plains) / sizeof(plains[0]); i++)
		for (of = LISTENER; of <= SERVER; of++) {
			if (!(plains[i].on & 1 << of))
				continue;
			snprintf(name, sizeof(name), "%s_%s", prefix[of], plains[i].name);
			family(o, name, plains[i].gauge ? "gauge" : "counter", plains[i].help);
			each(r, (enum subject)of, plain_sample, &plains[i], o);
		}
}

/* --- with one more label --------------------------------------------------------- */

static void
sample(const struct report *r, const struct one *one, const char *name, const char *key,
    const char *value, uint64_t n, struct out *o)
{
	out_printf(o, "durward_%s_%s{", prefix[one->of], name);
	labels(r, one->of, one->i, one->k, o);
	if (key != NULL) {
		out_text(o, ",");
		label(o, key, value);
	}
	out_printf(o, "} %" PRIu64 "\n", n);
}

static void
reject_samples(const struct report *r, const struct one *one, const void *what, struct out *o)
{
	int i;

	(void)what;
	for (i = 0; i < REJECT_KINDS; i++)
		sample(r, one, "rejects_total", "reason", reject_name((enum reject)i),
		    counter_get(&one->c->rejects[i]), o);
}

static void
status_samples(const struct report *r, const struct one *one, const void *what, struct out *o)
{
	static const char *const code[] = { "1xx", "2xx", "3xx", "4xx", "5xx", "other" };
	int i;

	(void)what;
	for (i = 0; one->http && i < 6; i++)
		sample(r, one, "responses_total", "code", code[i], counter_get(&one->c->status[i]), o);
}

static void
abort_samples(const struct report *r, const struct one *one, const void *what, struct out *o)
{
	(void)what;
	sample(r, one, "aborts_total", "side", "client", counter_get(&one->c->client_aborts), o);
	sample(r, one, "aborts_total", "side", "server", counter_get(&one->c->server_aborts), o);
}

static void
limit_sample(const struct report *r, const struct one *one, const void *what, struct out *o)
{
	(void)what;
	sample(r, one, "connections_limit", NULL, NULL, r->conf->listener[one->i].max_connections, o);
}

static void
write_labelled(const struct report *r, struct out *o)
{
	family(o, "listener_rejects_total", "counter", "Clients turned away before a server saw them.");
	each(r, LISTENER, reject_samples, NULL, o);
	family(o, "backend_rejects_total", "counter", "The same, where the backend was known already.");
	each(r, BACKEND, reject_samples, NULL, o);
	family(o, "listener_responses_total", "counter", "HTTP answers to clients.");
	each(r, LISTENER, status_samples, NULL, o);
	family(o, "backend_responses_total", "counter", "HTTP answers to clients.");
	each(r, BACKEND, status_samples, NULL, o);
	family(o, "server_responses_total", "counter", "HTTP answers to clients.");
	each(r, SERVER, status_samples, NULL, o);
	family(o, "backend_aborts_total", "counter", "Connections that one side broke off.");
	each(r, BACKEND, abort_samples, NULL, o);
	family(o, "server_aborts_total", "counter", "Connections that one side broke off.");
	each(r, SERVER, abort_samples, NULL, o);
	family(o, "listener_connections_limit", "gauge", "max-connections.");
	each(r, LISTENER, limit_sample, NULL, o);
}

/* --- histograms ------------------------------------------------------------------ */

struct histo {
	const char *name;
	size_t offset;
	const int64_t *bounds;
	const char *help;
	enum subject of;
};

static void
histogram_samples(const struct report *r, const struct one *one, const void *what, struct out *o)
{
	const struct histo *h = what;
	const struct histogram *v = (const void *)((const char *)one->c + h->offset);
	uint64_t n = 0;
	int i;

	for (i = 0; i < COUNTERS_BUCKETS; i++) {
		n += counter_get(&v->bucket[i]);
		out_printf(o, "durward_%s_%s_bucket{", prefix[one->of], h->name);
		labels(r, one->of, one->i, one->k, o);
		if (i < COUNTERS_BUCKETS - 1)
			out_printf(o, ",le=\"%g\"} %" PRIu64 "\n", (double)h->bounds[i] / 1000, n);
		else
			out_printf(o, ",le=\"+Inf\"} %" PRIu64 "\n", n);
	}
	out_printf(o, "durward_%s_%s_sum{", prefix[one->of], h->name);
	labels(r, one->of, one->i, one->k, o);
	out_printf(o, "} %.6f\ndurward_%s_%s_count{", (double)counter_get(&v->sum_us) / 1e6,
	    prefix[one->of], h->name);
	labels(r, one->of, one->i, one->k, o);
	out_printf(o, "} %" PRIu64 "\n", n);
}

static void
write_histograms(const struct report *r, struct out *o)
{
	static const struct histo histos[] = {
		{ "connect_seconds", FIELD(connect), counters_connect_ms,
		    "Time to connect to a server.", BACKEND },
		{ "duration_seconds", FIELD(duration), counters_duration_ms,
		    "How long connections lasted (HTTP: requests).", BACKEND },
		{ "duration_seconds", FIELD(duration), counters_duration_ms,
		    "How long connections lasted (HTTP: requests).", LISTENER },
	};
	char name[96];
	size_t i;

	for (i = 0; i < sizeof(histos) / sizeof(histos[0]); i++) {
		snprintf(name, sizeof(name), "%s_%s", prefix[histos[i].of], histos[i].name);
		family(o, name, "histogram", histos[i].help);
		each(r, histos[i].of, histogram_samples, &histos[i], o);
	}
}

/* --- health ---------------------------------------------------------------------- */

enum fact {
	FACT_UP, FACT_USABLE, FACT_DRAINED, FACT_MAINT, FACT_WEIGHT, FACT_CHECKS, FACT_FAILED, FACT_DOWNS,
	FACT_DOWNTIME, FACT_CHECK_TIME
};

static const struct {
	enum fact fact;
	const char *name, *type, *help;
} facts[] = {
	{ FACT_UP, "up", "gauge", "1 where its checks say that it is up, or where there are none." },
	{ FACT_USABLE, "usable", "gauge", "1 where new clients may be sent to it." },
	{ FACT_DRAINED, "drained", "gauge", "1 in DRAIN." },
	{ FACT_MAINT, "maintenance", "gauge", "1 in MAINT." },
	{ FACT_WEIGHT, "weight", "gauge", "Its weight." },
	{ FACT_CHECKS, "checks_total", "counter", "Health checks." },
	{ FACT_FAILED, "check_failures_total", "counter", "Health checks that failed." },
	{ FACT_DOWNS, "downs_total", "counter", "Times that it went down." },
	{ FACT_DOWNTIME, "down_seconds_total", "counter", "Time that it was down." },
	{ FACT_CHECK_TIME, "check_duration_seconds", "gauge", "How long the last check took." },
};

static double
fact_value(const struct report *r, const struct one *one, enum fact fact)
{
	const struct server_slot *s = report_server(r, one->i, one->k);
	uint32_t admin = atomic_load(&s->admin);

	switch (fact) {
	case FACT_UP:		return atomic_load(&s->state) == HEALTH_UP;
	case FACT_USABLE:	return health_usable(s);
	case FACT_DRAINED:	return admin == HEALTH_DRAIN;
	case FACT_MAINT:	return admin == HEALTH_MAINT;
	case FACT_WEIGHT:	return r->conf->backend[one->i].server[one->k].weight;
	case FACT_CHECKS:	return (double)counter_get(&s->probes);
	case FACT_FAILED:	return (double)counter_get(&s->probe_failures);
	case FACT_DOWNS:	return (double)counter_get(&s->downs);
	case FACT_DOWNTIME:	return (double)report_downtime(r, s);
	case FACT_CHECK_TIME:	return (double)atomic_load(&s->check_us) / 1e6;
	}
	return 0;
}

static void
fact_sample(const struct report *r, const struct one *one, const void *what, struct out *o)
{
	size_t i = *(const size_t *)what;

	out_printf(o, "durward_server_%s{", facts[i].name);
	labels(r, SERVER, one->i, one->k, o);
	out_printf(o, "} %.17g\n", fact_value(r, one, facts[i].fact));
}

static void
usable_sample(const struct report *r, const struct one *one, const void *what, struct out *o)
{
	struct report_usable u = report_usable(r, one->i);

	(void)what;
	sample(r, one, "usable_servers", NULL, NULL, u.active + u.backup, o);
}

static void
write_health(const struct report *r, struct out *o)
{
	char name[96];
	size_t i;

	for (i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
		snprintf(name, sizeof(name), "server_%s", facts[i].name);
		family(o, name, facts[i].type, facts[i].help);
		each(r, SERVER, fact_sample, &i, o);
	}
	family(o, "backend_usable_servers", "gauge", "Servers that new clients may be sent to.");
	each(r, BACKEND, usable_sample, NULL, o);
}

/* --- the whole ------------------------------------------------------------------- */

static void
write_workers(const struct report *r, struct out *o)
{
	unsigned count[WORKER_KEEPALIVE + 1], i, l, n = shared_workers(r->shared);

	family(o, "workers", "gauge", "Worker processes by what they do.");
	for (l = 0; l < r->conf->nlistener; l++) {
		memset(count, 0, sizeof(count));
		for (i = 0; i < n; i++) {
			const struct worker_post *p = &r->shared->post[i];
			uint32_t state = atomic_load(&r->shared->worker[i].state);

			if (atomic_load(&p->pid) > 0 && p->listener == r->map->listener[l] &&
			    state <= WORKER_KEEPALIVE)
				count[state]++;
		}
		for (i = WORKER_STARTING; i <= WORKER_KEEPALIVE; i++) {
			out_text(o, "durward_workers{");
			label(o, "listener", r->conf->listener[l].name);
			out_text(o, ",");
			label(o, "state", worker_state_name((enum worker_state)i));
			out_printf(o, "} %u\n", count[i]);
		}
	}
}

/* Seconds since 1970 of an instant in clock_ms. */
static double
wall(const struct report *r, int64_t then)
{
	return (double)((clock_wall_ms() - (r->now - then)) / 1000);
}

static void
write_daemon(const struct report *r, bool hide_version, struct out *o)
{
	const struct shared_head *h = r->shared->head;
	const struct shared_use *u = r->shared->use;

	family(o, "build_info", "gauge", "Always 1; says which durward this is.");
	out_printf(o, "durward_build_info{version=\"%s\"} 1\n", hide_version ? "" : PACKAGE_VERSION);
	single(o, "start_time_seconds", "gauge", "When it started, in seconds since 1970.",
	    wall(r, atomic_load(&h->started_ms)));
	single(o, "last_reload_time_seconds", "gauge", "When the configuration in service was read.",
	    wall(r, atomic_load(&h->reloaded_ms)));
	single(o, "reloads_total", "counter", "Reloads.", (double)atomic_load(&h->reloads));
	single(o, "generation", "gauge", "The configuration's generation.", atomic_load(&h->generation));
	single(o, "draining", "gauge", "1 where new connections are to go elsewhere.",
	    atomic_load(&h->draining) != SHARED_OPEN);
	single(o, "accepting", "gauge", "1 where new connections are welcome on every listener.",
	    report_accepting(r));
	single(o, "connections", "gauge", "Connections now, all listeners but stats.",
	    atomic_load(&u->connections));
	single(o, "connections_peak", "gauge", "The most at one time.", atomic_load(&u->max_connections));
	single(o, "connections_limit", "gauge", "max-connections.", r->conf->max_connections);
	single(o, "log_lines_lost_total", "counter", "Log lines that could not be written.",
	    (double)counter_get(&u->log_lost));
	single(o, "workers_started_total", "counter", "Worker processes started.",
	    (double)counter_get(&h->workers_started));
	single(o, "workers_crashed_total", "counter", "Worker processes that crashed.",
	    (double)counter_get(&h->workers_crashed));
}

void
metrics_write(const struct report *r, bool hide_version, struct out *o)
{
	write_daemon(r, hide_version, o);
	write_workers(r, o);
	write_plain(r, o);
	write_labelled(r, o);
	write_histograms(r, o);
	write_health(r, o);
}
