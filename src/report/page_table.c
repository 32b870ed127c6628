/* SPDX-License-Identifier: ISC */
/*
 * The page's tables: one of listeners, and that of a backend with a row a
 * server.  In a worker of a stats listener.  Every name is escaped; numbers
 * are short for the eye, and exact in a title.
 */
#include "config.h"
#include "report/page.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "report/row.h"
#include "state/scoreboard.h"

/* --- cells ------------------------------------------------------------------------ */

/* A count; `bad` ones are marked unless 0.  hide: not on a phone. */
static void
cell_count(struct out *o, uint64_t n, bool bad, bool hide)
{
	char short_form[REPORT_WORDS];
	const char *mark = n == 0 ? " zero" : bad ? " hot" : "";

	out_printf(o, "<td class=\"n%s%s\"", hide ? " x" : "", mark);
	if (n >= 100000)
		out_printf(o, " title=\"%" PRIu64 "\">%s</td>", n, report_size(n, short_form));
	else
		out_printf(o, ">%" PRIu64 "</td>", n);
}

static void
cell_size(struct out *o, uint64_t n)
{
	char short_form[REPORT_WORDS];

	out_printf(o, "<td class=\"n%s\" title=\"%" PRIu64 " bytes\">%s</td>", n == 0 ? " zero" : "", n,
	    report_size(n, short_form));
}

/* A count, and how many of them were special. */
static void
cell_pair(struct out *o, uint64_t n, const char *what, uint64_t special)
{
	out_printf(o, "<td class=\"n x%s\">%" PRIu64, n == 0 ? " zero" : "", n);
	if (special > 0)
		out_printf(o, "<small>%" PRIu64 " %s</small>", special, what);
	out_text(o, "</td>");
}

/* Now, and what it can be at most; what it was at most. */
static void
cell_current(struct out *o, const struct counters *c, unsigned max)
{
	out_printf(o, "<td class=\"n\">%d", atomic_load(&c->current));
	if (max > 0)
		out_printf(o, " of %u", max);
	out_printf(o, "<small>peak %d</small></td>", atomic_load(&c->max_current));
}

static void
cell_rate(struct out *o, const struct rate *rate, int64_t now)
{
	out_printf(o, "<td class=\"n x\">%u<small>peak %u</small></td>", counters_rate(rate, now),
	    atomic_load(&rate->max));
}

/* ">" a column of numbers, "~" one that is not for phones, "<" a text that
 * is not. */
static void
head_cells(struct out *o, const char *const *head)
{
	out_text(o, "<thead><tr>");
	for (; *head != NULL; head++) {
		const char *h = *head;
		const char *class = "";

		if (*h == '<') {
			class = " class=\"x\"";
			h++;
		}
		if (*h == '>') {
			class = " class=\"n\"";
			h++;
		}
		if (*h == '~') {
			class = " class=\"n x\"";
			h++;
		}
		out_printf(o, "<th scope=\"col\"%s>%s</th>", class, h);
	}
	out_text(o, "</tr></thead>\n");
}

/* --- listeners -------------------------------------------------------------------- */

static void
turned_away(struct out *o, const struct counters *c)
{
	uint64_t all = 0, n;
	const char *sep = "<small>";
	int i;

	for (i = 0; i < REJECT_KINDS; i++)
		all += counter_get(&c->rejects[i]);
	out_printf(o, "<td class=\"why%s\">%" PRIu64, all == 0 ? " zero" : "", all);
	for (i = 0; i < REJECT_KINDS; i++) {
		if ((n = counter_get(&c->rejects[i])) == 0)
			continue;
		out_printf(o, "%s%" PRIu64 " %s", sep, n, reject_name((enum reject)i));
		sep = ", ";
	}
	out_text(o, all > 0 ? "</small></td>" : "</td>");
}

static void
workers_of(const struct report *r, unsigned l, unsigned *all, unsigned *idle)
{
	unsigned i, n = shared_workers(r->shared);

	*all = *idle = 0;
	for (i = 0; i < n; i++) {
		const struct worker_post *p = &r->shared->post[i];

		if (atomic_load(&p->pid) <= 0 || p->listener != r->map->listener[l])
			continue;
		++*all;
		*idle += !worker_has_client(atomic_load(&r->shared->worker[i].state));
	}
}

static void
answers(struct out *o, const struct counters *c, bool http)
{
	if (!http) {
		out_text(o, "<td class=\"n x zero\">\xe2\x80\x93</td><td class=\"n x zero\">\xe2\x80\x93</td>"
		    "<td class=\"n x zero\">\xe2\x80\x93</td>");
		return;
	}
	cell_count(o, counter_get(&c->requests), false, true);
	cell_count(o, counter_get(&c->status[3]), false, true);
	cell_count(o, counter_get(&c->status[4]), true, true);
}

static void
listener_row(const struct report *r, unsigned l, struct out *o)
{
	const struct conf_listener *cl = &r->conf->listener[l];
	const struct counters *c = report_listener(r, l);
	unsigned i, all, idle;

	out_text(o, "<tr><th scope=\"row\">");
	out_html(o, cl->name);
	out_printf(o, "</th><td>%s</td><td class=\"x\">", conf_protocol_name(cl->protocol));
	for (i = 0; i < cl->nbind; i++) {
		out_text(o, i > 0 ? "<br>" : "");
		out_html(o, cl->bind[i].text);
	}
	out_text(o, "</td>");
	cell_current(o, c, cl->max_connections);
	cell_count(o, counter_get(&c->sessions), false, false);
	cell_rate(o, &c->rate, r->now);
	cell_size(o, counter_get(&c->bytes_in));
	cell_size(o, counter_get(&c->bytes_out));
	answers(o, c, cl->protocol != CONF_TLS);
	turned_away(o, c);
	workers_of(r, l, &all, &idle);
	out_printf(o, "<td class=\"n x\">%u<small>%u idle</small></td></tr>\n", all, idle);
}

void
page_listeners(const struct report *r, struct out *o)
{
	static const char *const head[] = { "Listener", "Protocol", "<Addresses", ">Now",
	    ">Connections", "~Per second", ">In", ">Out", "~Requests", "~4xx", "~5xx", "Turned away",
	    "~Workers", NULL };
	unsigned l;

	out_text(o, "<section id=\"listeners\" aria-labelledby=\"lh\"><h2 id=\"lh\">Listeners</h2>\n"
	    "<div class=\"frame\" role=\"region\" aria-labelledby=\"lh\" tabindex=\"0\"><table>"
	    "<caption>Listeners: connections, bytes, clients turned away</caption>\n");
	head_cells(o, head);
	out_text(o, "<tbody>\n");
	for (l = 0; l < r->conf->nlistener; l++)
		listener_row(r, l, o);
	out_text(o, "</tbody></table></div></section>\n");
}

/* --- backends --------------------------------------------------------------------- */

void
page_badge(struct out *o, enum page_grade grade, unsigned up, unsigned of)
{
	static const char *const class[] = { "ok", "warn", "bad" };
	static const char *const sign[] = { "\xe2\x97\x8f", "\xe2\x96\xb2", "\xe2\x9c\x96" };

	out_printf(o, " <span class=\"s %s\"><span aria-hidden=\"true\">%s</span> %u of %u up</span>",
	    class[grade], sign[grade], up, of);
}

/* A state, in colour, with a sign and a word. */
static const char *
state_class(const char *status)
{
	if (strcmp(status, "UP") == 0)
		return "ok";
	if (strncmp(status, "DOWN", 4) == 0)
		return "bad";
	return strcmp(status, "no check") == 0 ? "idle" : "warn";
}

static void
badge(struct out *o, const char *status)
{
	const char *class = state_class(status);
	const char *sign = strcmp(class, "ok") == 0 ? "\xe2\x97\x8f" : strcmp(class, "bad") == 0 ?
	    "\xe2\x9c\x96" : strcmp(class, "warn") == 0 ? "\xe2\x96\xb2" : "\xe2\x97\x8b";

	out_printf(o, "<span class=\"s %s\"><span aria-hidden=\"true\">%s</span> %s</span>", class, sign,
	    status);
}

static void
check_cell(const struct report *r, const struct server_slot *s, struct out *o)
{
	char check[REPORT_CHECK], took[REPORT_WORDS], ago[REPORT_WORDS];
	int64_t then = atomic_load(&s->last_check_ms);

	if (report_check(s, check)[0] == '\0' || then == 0) {
		out_text(o, "<td class=\"why zero\">none</td>");
		return;
	}
	out_text(o, "<td class=\"why\">");
	out_html(o, check);
	out_printf(o, "<small>in %s, %s ago</small></td>", report_micros(atomic_load(&s->check_us), took),
	    report_span(report_age(r, then), ago));
}

/* What servers and backends have both. */
static void
served_cells(const struct report *r, const struct counters *c, unsigned max, bool http, struct out *o)
{
	cell_current(o, c, max);
	cell_count(o, counter_get(&c->sessions), false, false);
	cell_rate(o, &c->rate, r->now);
	cell_size(o, counter_get(&c->bytes_in));
	cell_size(o, counter_get(&c->bytes_out));
	cell_count(o, counter_get(&c->connect_errors), true, false);
	if (http) {
		cell_count(o, counter_get(&c->response_errors), true, true);
		cell_count(o, counter_get(&c->status[4]), true, true);
	}
	cell_pair(o, counter_get(&c->retries), "moved", counter_get(&c->redispatches));
	cell_pair(o, counter_get(&c->client_aborts) + counter_get(&c->server_aborts), "by the server",
	    counter_get(&c->server_aborts));
}

static void
server_row(const struct report *r, unsigned b, unsigned k, struct out *o)
{
	const struct conf_backend *be = &r->conf->backend[b];
	const struct conf_server *cs = &be->server[k];
	const struct server_slot *s = report_server(r, b, k);
	char status[ROW_STATUS], address[REPORT_ADDRESS], span[REPORT_WORDS];
	const char *class;

	class = state_class(row_server_status(r, b, k, status));
	out_printf(o, "<tr class=\"%s\"><th scope=\"row\">", class);
	out_html(o, cs->name);
	out_text(o, "</th><td class=\"x\">");
	out_html(o, report_address(r, b, k, address));
	out_printf(o, "<small>weight %u%s</small></td><td>", cs->weight, cs->backup ? ", backup" : "");
	badge(o, status);
	out_printf(o, "<small>for %s</small></td>", report_span(report_since(r, s), span));
	check_cell(r, s, o);
	served_cells(r, report_counters(r, b, k), cs->max_connections,
	    r->conf->listener[be->listener].protocol == CONF_HTTP, o);
	out_printf(o, "<td class=\"n x\">%s<small>%" PRIu64 " time%s</small></td></tr>\n",
	    report_span(report_downtime(r, s), span), counter_get(&s->downs),
	    counter_get(&s->downs) == 1 ? "" : "s");
}

static void
backend_row(const struct report *r, unsigned b, struct out *o)
{
	const struct conf_backend *be = &r->conf->backend[b];
	const struct counters *c = report_backend(r, b);
	int queued = atomic_load(&c->queued);

	out_text(o, "<tfoot><tr><th scope=\"row\">All</th><td class=\"x\"></td><td></td><td class=\"why\">");
	if (queued > 0)
		out_printf(o, "%d waiting for a place", queued);
	out_text(o, "</td>");
	served_cells(r, c, 0, r->conf->listener[be->listener].protocol == CONF_HTTP, o);
	out_text(o, "<td class=\"x\"></td></tr></tfoot>");
}

static void
backend_words(const struct report *r, unsigned b, struct out *o)
{
	const struct conf_backend *be = &r->conf->backend[b];
	unsigned i, shown = be->service->nhost < 6 ? be->service->nhost : 6;

	for (i = 0; i < shown; i++) {
		out_text(o, i > 0 ? ", " : "");
		out_html(o, be->service->host[i].text);
	}
	if (i < be->service->nhost)
		out_printf(o, " and %u more", be->service->nhost - i);
	out_printf(o, " \xc2\xb7 balance %s \xc2\xb7 check %s", conf_balance_name(be->balance),
	    conf_check_name(be->check.type));
}

void
page_backend(const struct report *r, unsigned b, struct out *o)
{
	static const char *const tls[] = { "Server", "<Address", "State", "Last check", ">Now",
	    ">Connections", "~Per second", ">In", ">Out", ">Connect errors", "~Retries", "~Aborts", "~Downtime", NULL };
	static const char *const http[] = { "Server", "<Address", "State", "Last check", ">Now",
	    ">Requests", "~Per second", ">In", ">Out", ">Connect errors", "~Bad answers", "~5xx", "~Retries",
	    "~Aborts", "~Downtime", NULL };
	const struct conf_backend *be = &r->conf->backend[b];
	struct report_usable u = report_usable(r, b);
	unsigned k, usable = u.active + u.backup;

	out_printf(o, "<section class=\"backend\" id=\"b%u\" aria-labelledby=\"h%u\"><h3 id=\"h%u\">", b, b, b);
	out_html(o, be->name);
	page_badge(o, usable == 0 ? GRADE_BAD : usable < be->nserver ? GRADE_WARN : GRADE_OK, usable,
	    be->nserver);
	out_text(o, "</h3>\n<p>");
	backend_words(r, b, o);
	out_printf(o, "</p>\n<div class=\"frame\" role=\"region\" aria-labelledby=\"h%u\" tabindex=\"0\">"
	    "<table><caption>Servers of ", b);
	out_html(o, be->name);
	out_text(o, "</caption>\n");
	head_cells(o, r->conf->listener[be->listener].protocol == CONF_HTTP ? http : tls);
	out_text(o, "<tbody>\n");
	for (k = 0; k < be->nserver; k++)
		server_row(r, b, k, o);
	out_text(o, "</tbody>\n");
	backend_row(r, b, o);
	out_text(o, "</table></div></section>\n");
}
