/* SPDX-License-Identifier: ISC */
/*
 * Fills HAProxy's columns from the counters.  In a worker of a stats
 * listener.  Reads shared memory only.
 */
#include "config.h"
#include "report/row.h"

#include <stdio.h>
#include <string.h>

#define ROW_NAME(name) #name,
const char *const row_names[ROW_WIDTH] = {
	ROW_COLUMNS(ROW_NAME)
	"-",
	ROW_MODULES(ROW_NAME)
};

enum row_type { TYPE_FRONTEND, TYPE_BACKEND, TYPE_SERVER };

static void
put(struct row *w, enum row_column c, int64_t n)
{
	w->cell[c].kind = ROW_NUMBER;
	w->cell[c].is.number = n;
}

static void
put_counter(struct row *w, enum row_column c, const counter *n)
{
	put(w, c, (int64_t)counter_get(n));
}

static void
put_text(struct row *w, enum row_column c, const char *text)
{
	w->cell[c].kind = ROW_TEXT;
	w->cell[c].is.text = text;
}

/* What all three kinds have. */
static void
put_common(struct row *w, const struct report *r, const struct counters *c, enum row_type type,
    bool http)
{
	static const char *const mode[] = { "tcp", "http" };
	int i;

	put(w, ROW_type, type);
	put(w, ROW_pid, 1);
	put(w, ROW_scur, atomic_load(&c->current));
	put(w, ROW_smax, atomic_load(&c->max_current));
	put_counter(w, ROW_stot, &c->sessions);
	put_counter(w, ROW_bin, &c->bytes_in);
	put_counter(w, ROW_bout, &c->bytes_out);
	put(w, ROW_dresp, 0);
	put(w, ROW_rate, counters_rate(&c->rate, r->now));
	put(w, ROW_rate_max, atomic_load(&c->rate.max));
	for (i = 0; http && i < 6; i++)
		put_counter(w, (enum row_column)(ROW_hrsp_1xx + i), &c->status[i]);
	put(w, ROW_wrew, 0);
	put_text(w, ROW_mode, mode[http]);
	put_text(w, ROW_dash, "-");
}

/* What servers and backends have. */
static void
put_served(struct row *w, const struct report *r, const struct counters *c)
{
	int64_t last = atomic_load(&c->last_session_ms);
	int i;

	put(w, ROW_qcur, atomic_load(&c->queued));
	put(w, ROW_qmax, atomic_load(&c->max_queued));
	put_counter(w, ROW_econ, &c->connect_errors);
	put_counter(w, ROW_eresp, &c->response_errors);
	put_counter(w, ROW_wretr, &c->retries);
	put_counter(w, ROW_wredis, &c->redispatches);
	put_counter(w, ROW_cli_abrt, &c->client_aborts);
	put_counter(w, ROW_srv_abrt, &c->server_aborts);
	put(w, ROW_lastsess, last > 0 ? report_age(r, last) : -1);
	for (i = 0; i < SPANS; i++) {
		put(w, (enum row_column)(ROW_qtime + i), counters_mean_ms(c, (enum span)i));
		put(w, (enum row_column)(ROW_qtime_max + i), atomic_load(&c->spent[i].max_ms));
	}
}

static bool
is_http(const struct conf_listener *l)
{
	return l->protocol != CONF_TLS;
}

static void
fill_listener(struct row *w, const struct report *r, unsigned l)
{
	const struct conf_listener *cl = &r->conf->listener[l];
	const struct counters *c = report_listener(r, l);
	bool closed = atomic_load(&r->shared->head->draining) == SHARED_CLOSED && cl->protocol != CONF_STATS;

	put_common(w, r, c, TYPE_FRONTEND, is_http(cl));
	put_text(w, ROW_pxname, cl->name);
	put_text(w, ROW_svname, "FRONTEND");
	put_text(w, ROW_status, closed ? "STOP" : "OPEN");
	put(w, ROW_iid, l + 1);
	put(w, ROW_sid, 0);
	put(w, ROW_slim, cl->max_connections);
	put_counter(w, ROW_dreq, &c->denied);
	put_counter(w, ROW_ereq, &c->request_errors);
	put(w, ROW_rate_lim, 0);
	put(w, ROW_conn_rate, counters_rate(&c->rate, r->now));
	put(w, ROW_conn_rate_max, atomic_load(&c->rate.max));
	put_counter(w, ROW_conn_tot, &c->sessions);
	put(w, ROW_req_rate, counters_rate(&c->request_rate, r->now));
	put(w, ROW_req_rate_max, atomic_load(&c->request_rate.max));
	put_counter(w, ROW_req_tot, &c->requests);
	put(w, ROW_dcon, 0);
	put(w, ROW_dses, 0);
	if (cl->protocol == CONF_STATS)
		put_counter(w, ROW_intercepted, &c->requests);
	else if (cl->protocol == CONF_HTTP)
		put(w, ROW_intercepted, 0);
}

const char *
row_server_status(const struct report *r, unsigned b, unsigned k, char buf[ROW_STATUS])
{
	const struct server_slot *s = report_server(r, b, k);
	const struct conf_check *check = &r->conf->backend[b].check;
	const char *word = health_word(s);
	int streak = atomic_load(&s->streak);

	if (strcmp(word, "UP") == 0 && streak < 0 && -streak < check->fall)
		snprintf(buf, ROW_STATUS, "UP %d/%d", check->fall + streak, check->fall);
	else if (strcmp(word, "DOWN") == 0 && streak > 0 && streak < check->rise)
		snprintf(buf, ROW_STATUS, "DOWN %d/%d", streak, check->rise);
	else
		snprintf(buf, ROW_STATUS, "%s", strcmp(word, "NO CHECK") == 0 ? "no check" : word);
	return buf;
}

static void
put_check(struct row *w, const struct server_slot *s, const struct conf_check *check)
{
	enum health_result result = (enum health_result)atomic_load(&s->result);
	int streak = atomic_load(&s->streak), health;

	if (!atomic_load(&s->checked))
		return;
	health = atomic_load(&s->state) == HEALTH_UP ?
	    check->rise + check->fall - 1 + (streak < 0 ? streak : 0) : streak > 0 ? streak : 0;
	put_text(w, ROW_check_status, health_result_name(result));
	put(w, ROW_check_rise, check->rise);
	put(w, ROW_check_fall, check->fall);
	put(w, ROW_check_health, health < 0 ? 0 : health);
	put_counter(w, ROW_chkfail, &s->probe_failures);
	put_counter(w, ROW_chkdown, &s->downs);
	if (result <= HEALTH_INI)
		return;
	if (atomic_load(&s->code) != 0)
		put(w, ROW_check_code, atomic_load(&s->code));
	put(w, ROW_check_duration, atomic_load(&s->check_us) / 1000);
	put_text(w, ROW_check_desc, health_result_text(result));
	health_info(s, w->last_chk);
	put_text(w, ROW_last_chk, w->last_chk);
}

static void
fill_server(struct row *w, const struct report *r, unsigned b, unsigned k)
{
	const struct conf_backend *be = &r->conf->backend[b];
	const struct conf_server *cs = &be->server[k];
	const struct server_slot *s = report_server(r, b, k);
	const struct counters *c = report_counters(r, b, k);

	put_common(w, r, c, TYPE_SERVER, is_http(&r->conf->listener[be->listener]));
	put_served(w, r, c);
	put_check(w, s, &be->check);
	put_text(w, ROW_pxname, be->name);
	put_text(w, ROW_svname, cs->name);
	put_text(w, ROW_status, row_server_status(r, b, k, w->status));
	put(w, ROW_iid, r->conf->nlistener + b + 1);
	put(w, ROW_sid, k + 1);
	if (cs->max_connections > 0)
		put(w, ROW_slim, cs->max_connections);
	put(w, ROW_weight, cs->weight);
	put(w, ROW_uweight, cs->weight);
	put(w, ROW_act, !cs->backup);
	put(w, ROW_bck, cs->backup);
	put(w, ROW_lastchg, report_since(r, s));
	put(w, ROW_downtime, report_downtime(r, s));
	put_counter(w, ROW_lbtot, &c->chosen);
	if (is_http(&r->conf->listener[be->listener]))
		put_counter(w, ROW_req_tot, &c->sessions);
	put_counter(w, ROW_reuse, &c->reused);
	put(w, ROW_connect, (int64_t)(counter_get(&c->sessions) - counter_get(&c->reused)));
}

static void
fill_backend(struct row *w, const struct report *r, unsigned b)
{
	const struct conf_backend *be = &r->conf->backend[b];
	const struct conf_listener *cl = &r->conf->listener[be->listener];
	const struct counters *c = report_backend(r, b);
	struct report_usable u = report_usable(r, b);
	bool up = u.active + u.backup > 0;
	uint64_t chosen = 0, reused = 0, sessions = 0;
	unsigned k;

	for (k = 0; k < be->nserver; k++) {
		const struct counters *v = report_counters(r, b, k);

		chosen += counter_get(&v->chosen);
		reused += counter_get(&v->reused);
		sessions += counter_get(&v->sessions);
	}
	put_common(w, r, c, TYPE_BACKEND, is_http(cl));
	put_served(w, r, c);
	put_text(w, ROW_pxname, be->name);
	put_text(w, ROW_svname, "BACKEND");
	put_text(w, ROW_status, up ? "UP" : "DOWN");
	put(w, ROW_iid, r->conf->nlistener + b + 1);
	put(w, ROW_sid, 0);
	put(w, ROW_slim, cl->max_connections);
	put(w, ROW_weight, u.weight);
	put(w, ROW_uweight, u.weight);
	put(w, ROW_act, u.active);
	put(w, ROW_bck, u.backup);
	put_counter(w, ROW_dreq, &c->rejects[REJECT_DENIED]);
	put(w, ROW_lbtot, (int64_t)chosen);
	put(w, ROW_reuse, (int64_t)reused);
	put(w, ROW_connect, (int64_t)(sessions - reused));
	/* tries that failed, and clients for whom there was no server to try */
	put(w, ROW_econ, (int64_t)(counter_get(&c->connect_errors) +
	    counter_get(&c->rejects[REJECT_NO_SERVER])));
	put_counter(w, ROW_chkdown, &r->shared->backend[r->map->backend[b]].downs);
	put(w, ROW_lastchg, report_backend_since(r, b));
	put(w, ROW_downtime, report_backend_downtime(r, b));
	if (is_http(cl))
		put_counter(w, ROW_req_tot, &c->requests);
}

void
row_each(const struct report *r, row_visit *visit, void *arg)
{
	struct row w;
	unsigned b, k, l;

	for (l = 0; l < r->conf->nlistener; l++) {
		memset(&w, 0, sizeof(w));
		fill_listener(&w, r, l);
		visit(&w, arg);
	}
	for (b = 0; b < r->conf->nbackend; b++) {
		for (k = 0; k < r->conf->backend[b].nserver; k++) {
			memset(&w, 0, sizeof(w));
			fill_server(&w, r, b, k);
			visit(&w, arg);
		}
		memset(&w, 0, sizeof(w));
		fill_backend(&w, r, b);
		visit(&w, arg);
	}
}
