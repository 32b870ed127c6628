/* SPDX-License-Identifier: ISC */
/*
 * The page, from its head to its foot.  In a worker of a stats listener.
 * Its Content-Security-Policy allows one thing, the style sheet inside, by a
 * nonce; whatever slipped through the escaping could neither run nor load.
 */
#include "config.h"
#include "report/page.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

static char node[65];

void
page_init(void)
{
	if (gethostname(node, sizeof(node) - 1) != 0)
		node[0] = '\0';
}

static void
make_nonce(char nonce[33])
{
	unsigned char bytes[16];
	size_t i;

	memset(bytes, 0, sizeof(bytes));
	if (getrandom(bytes, sizeof(bytes), GRND_NONBLOCK) != (ssize_t)sizeof(bytes))
		memset(bytes, 0x5a, sizeof(bytes));	/* no secret: it only names our style */
	for (i = 0; i < sizeof(bytes); i++)
		snprintf(nonce + 2 * i, 3, "%02x", bytes[i]);
}

static void
write_top(const struct conf_listener *l, bool refresh, const char *nonce, struct out *o)
{
	out_text(o, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	    "<meta name=\"color-scheme\" content=\"light dark\">\n"
	    "<meta name=\"robots\" content=\"noindex\">\n");
	if (refresh)
		out_printf(o, "<meta http-equiv=\"refresh\" content=\"%d\">\n", l->refresh_ms / 1000);
	out_text(o, "<title>durward");
	if (l->show_node && node[0] != '\0') {
		out_text(o, " on ");
		out_html(o, node);
	}
	out_printf(o, "</title>\n<style nonce=\"%s\">%s</style>\n</head>\n<body>\n", nonce, page_style);
}

static void
write_header(const struct conf_listener *l, bool refresh, struct out *o)
{
	char span[REPORT_WORDS], date[32];
	time_t now = (time_t)(clock_wall_ms() / 1000);
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm);
	out_text(o, "<a class=\"skip\" href=\"#content\">To the content</a>\n<header><h1>durward");
	if (!l->hide_version)
		out_text(o, " <small>" PACKAGE_VERSION "</small>");
	if (l->show_node && node[0] != '\0') {
		out_text(o, " <small>on ");
		out_html(o, node);
		out_text(o, "</small>");
	}
	out_printf(o, "</h1><p>%s UTC", date);
	if (refresh)
		out_printf(o, ", new every %s", report_span(l->refresh_ms / 1000, span));
	out_text(o, "</p>\n<nav aria-label=\"Other views\"><a href=\"");
	out_html(o, l->uri);
	out_text(o, "\">Reload</a> ");
	if (refresh) {
		out_text(o, "<a href=\"");
		out_html(o, l->uri);
		out_text(o, ";norefresh\">Hold still</a> ");
	}
	out_text(o, "<a href=\"");
	out_html(o, l->uri);
	out_text(o, ";csv\">CSV</a> <a href=\"");
	out_html(o, l->uri);
	out_text(o, ";json\">JSON</a> <a href=\"/metrics\">Metrics</a></nav></header>\n<main id=\"content\">\n");
}

static void
fact(struct out *o, const char *what, const char *value, const char *more)
{
	out_printf(o, "<div><dt>%s</dt><dd>%s<small>%s</small></dd></div>\n", what, value, more);
}

static void
write_facts(const struct report *r, struct out *o)
{
	const struct shared_head *h = r->shared->head;
	const struct shared_use *u = r->shared->use;
	uint64_t total = 0, turned = 0, in = 0, out = 0;
	char value[REPORT_WORDS], more[96], words[REPORT_WORDS];
	unsigned l, i;

	for (l = 0; l < r->conf->nlistener; l++) {
		const struct counters *c = report_listener(r, l);

		if (r->conf->listener[l].protocol == CONF_STATS)
			continue;
		total += counter_get(&c->sessions);
		in += counter_get(&c->bytes_in);
		out += counter_get(&c->bytes_out);
		for (i = 0; i < REJECT_KINDS; i++)
			turned += counter_get(&c->rejects[i]);
	}
	out_text(o, "<dl class=\"facts\">\n");
	snprintf(value, sizeof(value), "%d", atomic_load(&u->connections));
	snprintf(more, sizeof(more), "of %u, at most %d so far", r->conf->max_connections,
	    atomic_load(&u->max_connections));
	fact(o, "Connections now", value, more);
	snprintf(more, sizeof(more), "%" PRIu64 " turned away", turned);
	fact(o, "Connections so far", report_size(total, value), more);
	snprintf(more, sizeof(more), "%s from clients", report_size(in, words));
	fact(o, "Bytes to clients", report_size(out, value), more);
	snprintf(more, sizeof(more), "master process %d", atomic_load(&h->master_pid));
	fact(o, "Running for", report_span(report_age(r, atomic_load(&h->started_ms)), value), more);
	snprintf(more, sizeof(more), "%" PRIu64 " reloads, generation %u",
	    (uint64_t)atomic_load(&h->reloads), atomic_load(&h->generation));
	fact(o, "Configuration for", report_span(report_age(r, atomic_load(&h->reloaded_ms)), value), more);
	out_text(o, "</dl>\n");
}

void
page_write(const struct report *r, const struct conf_listener *l, bool refresh,
    struct out *o, char head[PAGE_HEAD])
{
	char nonce[33], field[48] = "";

	refresh = refresh && l->refresh_ms >= 1000;
	make_nonce(nonce);
	if (refresh)
		snprintf(field, sizeof(field), "Refresh: %d\r\n", l->refresh_ms / 1000);
	snprintf(head, PAGE_HEAD, "Content-Security-Policy: default-src 'none'; style-src 'nonce-%s'; "
	    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n"
	    "Referrer-Policy: no-referrer\r\n%s", nonce, field);
	write_top(l, refresh, nonce, o);
	write_header(l, refresh, o);
	page_trouble(r, o);
	write_facts(r, o);
	page_listeners(r, o);
	page_clusters(r, o);
	out_text(o, "</main>\n<footer><p>Bytes are counted when a connection ends; "
	    "<code>durwardctl connections</code> shows those that live.</p></footer>\n</body>\n</html>\n");
}
