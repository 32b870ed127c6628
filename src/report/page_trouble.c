/* SPDX-License-Identifier: ISC */
/*
 * What is wrong, as sentences, the worst first.  In a worker of a stats
 * listener.  Whoever opens the page because users complain reads this and
 * little else; each line leads to its table.
 */
#include "config.h"
#include "report/page.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "report/row.h"

struct troubles {
	const struct report *r;
	struct out *o;		/* NULL: only count */
	enum page_grade grade;	/* what is listed in this round */
	unsigned n[GRADE_BAD + 1];
	unsigned listed;
};

#define LISTED_MAX	60u	/* past that, the tables tell more */

static bool
begin(struct troubles *t, enum page_grade grade)
{
	t->n[grade]++;
	if (t->o == NULL || t->grade != grade || t->listed >= LISTED_MAX)
		return false;
	t->listed++;
	out_text(t->o, "<li>");
	out_text(t->o, grade == GRADE_BAD ? "<span class=\"s bad\"><span aria-hidden=\"true\">\xe2\x9c\x96</span> Failure</span> " :
	    "<span class=\"s warn\"><span aria-hidden=\"true\">\xe2\x96\xb2</span> Notice</span> ");
	return true;
}

static void
server_name(struct troubles *t, unsigned b, unsigned k)
{
	out_printf(t->o, "<a href=\"#b%u\">", b);
	out_html(t->o, t->r->conf->backend[b].name);
	out_text(t->o, "/");
	out_html(t->o, t->r->conf->backend[b].server[k].name);
	out_text(t->o, "</a>");
}

static bool
has_usable(const struct troubles *t, unsigned b)
{
	struct report_usable u = report_usable(t->r, b);

	return u.active + u.backup > 0;
}

/* Why its last check failed. */
static void
say_check(struct troubles *t, const struct server_slot *s)
{
	char info[HEALTH_INFO_MAX];

	if (!atomic_load(&s->checked) || atomic_load(&s->result) <= HEALTH_INI)
		return;
	health_info(s, info);
	out_printf(t->o, ": %s", health_result_text((enum health_result)atomic_load(&s->result)));
	out_text(t->o, info[0] != '\0' ? ", " : "");
	out_html(t->o, info);
}

static void
look_server(struct troubles *t, unsigned b, unsigned k)
{
	const struct server_slot *s = report_server(t->r, b, k);
	bool down = atomic_load(&s->state) == HEALTH_DOWN;
	char span[REPORT_WORDS], status[ROW_STATUS];

	if (atomic_load(&s->admin) != HEALTH_READY) {
		if (!begin(t, GRADE_WARN))
			return;
		server_name(t, b, k);
		out_printf(t->o, " has been in %s for %s, as an operator asked.</li>\n", health_word(s),
		    report_span(report_since(t->r, s), span));
		return;
	}
	row_server_status(t->r, b, k, status);
	if (!down && strcmp(status, "UP") != 0 && strcmp(status, "no check") != 0) {
		if (!begin(t, GRADE_WARN))
			return;
		server_name(t, b, k);
		out_text(t->o, " is failing its checks");
	} else if (down) {
		/* where none is left, its backend has said so */
		if (!has_usable(t, b) || !begin(t, GRADE_BAD))
			return;
		server_name(t, b, k);
		out_printf(t->o, " has been down for %s", report_span(report_since(t->r, s), span));
	} else
		return;
	say_check(t, s);
	out_text(t->o, ".</li>\n");
}

/* And why: what the first of those that are down says. */
static void
say_none_left(struct troubles *t, unsigned b)
{
	unsigned k;

	out_printf(t->o, "<strong><a href=\"#b%u\">", b);
	out_html(t->o, t->r->conf->backend[b].name);
	out_text(t->o, "</a> has no server left: its clients are turned away.</strong>");
	for (k = 0; k < t->r->conf->backend[b].nserver; k++) {
		if (atomic_load(&report_server(t->r, b, k)->state) != HEALTH_DOWN)
			continue;
		out_text(t->o, " ");
		server_name(t, b, k);
		say_check(t, report_server(t->r, b, k));
		out_text(t->o, ".");
		break;
	}
	out_text(t->o, "</li>\n");
}

static void
look_backend(struct troubles *t, unsigned b)
{
	struct report_usable u = report_usable(t->r, b);
	int queued = atomic_load(&report_backend(t->r, b)->queued);

	if (u.active + u.backup == 0 && begin(t, GRADE_BAD))
		say_none_left(t, b);
	if (u.active == 0 && u.backup > 0 && begin(t, GRADE_WARN)) {
		out_printf(t->o, "<a href=\"#b%u\">", b);
		out_html(t->o, t->r->conf->backend[b].name);
		out_text(t->o, "</a> is served by its backup servers.</li>\n");
	}
	if (queued > 0 && begin(t, GRADE_WARN)) {
		out_printf(t->o, "%d clients wait for a place in <a href=\"#b%u\">", queued, b);
		out_html(t->o, t->r->conf->backend[b].name);
		out_text(t->o, "</a>: its servers are at their max-connections.</li>\n");
	}
}

/* Nearly full is worth a word before it is too late. */
static bool
nearly_full(int32_t n, unsigned max)
{
	return max >= 10 && n >= 0 && (unsigned)n >= max - max / 10;
}

static void
look_daemon(struct troubles *t)
{
	const struct shared_head *h = t->r->shared->head;
	const struct shared_use *u = t->r->shared->use;
	uint64_t lost = counter_get(&u->log_lost), crashed = counter_get(&h->workers_crashed);
	uint32_t draining = atomic_load(&h->draining);
	unsigned l;

	if (draining != SHARED_OPEN && begin(t, GRADE_BAD))
		out_printf(t->o, "<strong>This durward is draining: %s.</strong></li>\n",
		    draining == SHARED_LEAVING ? "new connections are to go elsewhere" :
		    "it takes no new connections");
	else if (draining == SHARED_OPEN && !report_accepting(t->r) && begin(t, GRADE_BAD))
		out_text(t->o, "<strong>A listener has no worker to take connections.</strong></li>\n");
	if (nearly_full(atomic_load(&u->connections), t->r->conf->max_connections) && begin(t, GRADE_BAD))
		out_printf(t->o, "%d of at most %u connections are taken (max-connections).</li>\n",
		    atomic_load(&u->connections), t->r->conf->max_connections);
	for (l = 0; l < t->r->conf->nlistener; l++) {
		const struct conf_listener *cl = &t->r->conf->listener[l];
		int32_t n = atomic_load(&report_listener(t->r, l)->current);

		if (!nearly_full(n, cl->max_connections) || !begin(t, GRADE_BAD))
			continue;
		out_text(t->o, "Listener <a href=\"#listeners\">");
		out_html(t->o, cl->name);
		out_printf(t->o, "</a> has %d of at most %u connections (max-connections).</li>\n", n,
		    cl->max_connections);
	}
	if (crashed > 0 && begin(t, GRADE_WARN))
		out_printf(t->o, "%" PRIu64 " worker processes have crashed since the start; "
		    "the log says which.</li>\n", crashed);
	if (lost > 0 && begin(t, GRADE_WARN))
		out_printf(t->o, "%" PRIu64 " log lines could not be written since the start.</li>\n", lost);
}

static void
look(struct troubles *t)
{
	unsigned b, k;

	look_daemon(t);
	for (b = 0; b < t->r->conf->nbackend; b++)
		look_backend(t, b);
	for (b = 0; b < t->r->conf->nbackend; b++)
		for (k = 0; k < t->r->conf->backend[b].nserver; k++)
			look_server(t, b, k);
}

static void
say_calm(const struct report *r, struct out *o)
{
	unsigned b, n = 0;

	for (b = 0; b < r->conf->nbackend; b++)
		n += r->conf->backend[b].nserver;
	out_printf(o, "<section class=\"trouble ok\" aria-labelledby=\"wrong\">"
	    "<h2 id=\"wrong\"><span aria-hidden=\"true\">\xe2\x9c\x94</span> Nothing is wrong</h2>"
	    "<p>%u server%s in %u backend%s can take clients.</p></section>\n",
	    n, n == 1 ? "" : "s", r->conf->nbackend, r->conf->nbackend == 1 ? "" : "s");
}

void
page_trouble(const struct report *r, struct out *o)
{
	struct troubles t = { r, NULL, GRADE_BAD, { 0, 0, 0 }, 0 };
	unsigned bad, warn;

	look(&t);
	bad = t.n[GRADE_BAD];
	warn = t.n[GRADE_WARN];
	if (bad + warn == 0) {
		say_calm(r, o);
		return;
	}
	out_printf(o, "<section class=\"trouble %s\" aria-labelledby=\"wrong\"><h2 id=\"wrong\">",
	    bad > 0 ? "bad" : "warn");
	if (bad > 0)
		out_printf(o, "%u failure%s", bad, bad == 1 ? "" : "s");
	if (warn > 0)
		out_printf(o, "%s%u notice%s", bad > 0 ? ", " : "", warn, warn == 1 ? "" : "s");
	out_text(o, "</h2>\n<ul>\n");
	t.o = o;
	look(&t);
	t.grade = GRADE_WARN;
	look(&t);
	if (bad + warn > t.listed)
		out_printf(o, "<li>and %u more: see the tables.</li>\n", bad + warn - t.listed);
	out_text(o, "</ul></section>\n");
}
