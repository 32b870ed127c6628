/* SPDX-License-Identifier: ISC */
/*
 * Answers of a stats listener.  In a worker.  Only reads what the others share;
 * waits for nobody but those who guess passwords.
 */
#include "config.h"
#include "proxy/stats_answer.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "proxy/stats_auth.h"
#include "report/metrics.h"
#include "report/page.h"
#include "report/table.h"
#include "wire/http_write.h"

#define PAUSE_MS	1000	/* after a wrong password; doubles with each */
#define PAUSE_MAX_MS	8000

/* --- what is asked for -------------------------------------------------------- */

static bool
span_is(struct http_span s, const char *text)
{
	return s.len == strlen(text) && memcmp(s.p, text, s.len) == 0;
}

/* "/metrics", with or without a query. */
static bool
path_is(struct http_span s, const char *text)
{
	const char *query = s.len > 0 ? memchr(s.p, '?', s.len) : NULL;

	if (query != NULL)
		s.len = (size_t)(query - s.p);
	return span_is(s, text);
}

/* The page's URI, and what may stand behind it: ";csv", ";json", ";norefresh". */
static enum stats_view
find_view(struct stats_exchange *x)
{
	const char *uri = x->s->p->listener->uri;
	struct http_span t = x->request.path;
	enum stats_view view = VIEW_PAGE;
	size_t len = strlen(uri);

	if (path_is(t, "/healthz"))
		return VIEW_HEALTH;
	if (path_is(t, "/metrics"))
		return VIEW_METRICS;
	if (t.len < len || memcmp(t.p, uri, len) != 0)
		return VIEW_NONE;
	t.p += len;
	t.len -= len;
	x->refresh = true;
	while (t.len > 0) {
		const char *end = memchr(t.p + 1, ';', t.len - 1);
		struct http_span option = { t.p, end != NULL ? (size_t)(end - t.p) : t.len };

		if (span_is(option, ";csv"))
			view = VIEW_CSV;
		else if (span_is(option, ";json"))
			view = VIEW_JSON;
		else if (span_is(option, ";norefresh"))
			x->refresh = false;
		else
			return VIEW_NONE;
		t.p += option.len;
		t.len -= option.len;
	}
	return view;
}

/* --- answers ------------------------------------------------------------------- */

static const char *
reason(unsigned status)
{
	switch (status) {
	case 200: return "OK";
	case 401: return "Unauthorized";
	case 405: return "Method Not Allowed";
	case 500: return "Internal Server Error";
	case 503: return "Service Unavailable";
	}
	return http_reason(status);
}

static const char *
content_type(const struct stats_exchange *x)
{
	if (x->status != 200)
		return "text/plain; charset=us-ascii";
	switch (x->view) {
	case VIEW_PAGE:
		return "text/html; charset=utf-8";
	case VIEW_JSON:
		return "application/json";
	case VIEW_METRICS:
		return "text/plain; version=0.0.4; charset=utf-8";
	case VIEW_CSV:
	case VIEW_HEALTH:
	case VIEW_NONE:
		break;
	}
	return "text/plain; charset=us-ascii";
}

/* The head, once status and body stand. */
static void
write_head(struct stats_exchange *x, const char *more)
{
	time_t now = (time_t)(clock_wall_ms() / 1000);
	char date[40];
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	out_printf(&x->head, "HTTP/1.1 %u %s\r\n"
	    "Date: %s\r\n"
	    "Content-Type: %s\r\n"
	    "Content-Length: %zu\r\n"
	    "Cache-Control: no-cache\r\n"
	    "X-Content-Type-Options: nosniff\r\n",
	    x->status, reason(x->status), date, content_type(x), x->body.len);
	if (x->close)
		out_text(&x->head, "Connection: close\r\n");
	else if (x->request.head.minor == 0)
		out_text(&x->head, "Connection: keep-alive\r\n");
	out_text(&x->head, more);
	out_text(&x->head, "\r\n");
}

void
stats_answer_plain(struct stats_exchange *x, unsigned status, const char *text, const char *more)
{
	x->status = status;
	out_free(&x->body);
	out_printf(&x->body, "%s\n", text);
	write_head(x, more);
}

static void
answer_view(struct stats_exchange *x)
{
	const struct proxy *p = x->s->p;
	const struct report r = { p->conf, p->shared, p->map, clock_ms() };
	char more[PAGE_HEAD] = "";

	x->status = 200;
	switch (x->view) {
	case VIEW_PAGE:
		page_write(&r, p->listener, x->refresh, &x->body, more);
		break;
	case VIEW_CSV:
		table_csv(&r, &x->body);
		break;
	case VIEW_JSON:
		table_json(&r, &x->body);
		break;
	case VIEW_METRICS:
		metrics_write(&r, p->listener->hide_version, &x->body);
		break;
	case VIEW_HEALTH:
		if (report_accepting(&r))
			stats_answer_plain(x, 200, "accepting connections", "");
		else
			stats_answer_plain(x, 503, atomic_load(&p->shared->head->draining) ?
			    "draining" : "not every listener has a worker", "");
		return;
	case VIEW_NONE:
		stats_answer_plain(x, 404, "Nothing is here.", "");
		return;
	}
	if (x->body.failed)
		stats_answer_plain(x, 500, "There is not enough memory for this answer.", "");
	else
		write_head(x, more);
}

/* Whoever guesses passwords waits, and costs nothing meanwhile.  False: who
 * did not wait to the end gets no answer. */
static bool
pause_after_failure(struct session *s)
{
	static int ms;		/* of this worker's clients */
	struct pollfd pfd = { s->client, POLLRDHUP, 0 };
	char from[ADDR_STRLEN];
	int64_t end;

	ms = ms == 0 ? PAUSE_MS : ms < PAUSE_MAX_MS ? ms * 2 : PAUSE_MAX_MS;
	end = clock_ms() + ms;
	log_notice("%s: wrong user or password from %s: it waits %d ms", s->p->listener->name,
	    addr_format(&s->from, true, from), ms);
	while (s->p->stop < PROXY_KILLED && clock_ms() < end)
		if (poll(&pfd, 1, clock_left(end, clock_ms())) > 0)
			return false;
	return s->p->stop < PROXY_KILLED;
}

static bool
ask_password(struct stats_exchange *x, enum stats_auth auth)
{
	x->status = 401;
	if (auth == STATS_AUTH_WRONG && !pause_after_failure(x->s))
		return false;
	stats_answer_plain(x, 401, "A user name and a password are needed.",
	    "WWW-Authenticate: Basic realm=\"durward statistics\", charset=\"UTF-8\"\r\n");
	return true;
}

bool
stats_answer(struct stats_exchange *x)
{
	enum stats_auth auth;

	x->is_head = span_is(x->request.method, "HEAD");
	x->close = !x->request.head.keep_alive || x->s->p->stop >= PROXY_FINISH ||
	    x->request.head.framing != HTTP_NO_BODY;
	if (x->request.head.framing == HTTP_LENGTH && x->request.head.content_length == 0)
		x->close = !x->request.head.keep_alive;
	x->view = find_view(x);
	if (x->view != VIEW_NONE && x->view != VIEW_HEALTH &&
	    (auth = stats_auth_check(x->s->p->listener, &x->request)) != STATS_AUTH_OK)
		return ask_password(x, auth);
	if (!x->is_head && !span_is(x->request.method, "GET"))
		stats_answer_plain(x, 405, "Only GET and HEAD are understood.", "Allow: GET, HEAD\r\n");
	else
		answer_view(x);
	return true;
}
