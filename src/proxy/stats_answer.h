/* SPDX-License-Identifier: ISC */
/*
 * What a stats listener answers: the view that a request asks for, its
 * password, head and body.  session_stats.c reads the one and sends the other.
 */
#ifndef DURWARD_STATS_ANSWER_H
#define DURWARD_STATS_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy/session.h"
#include "report/out.h"
#include "wire/http_head.h"

enum stats_view { VIEW_NONE, VIEW_PAGE, VIEW_CSV, VIEW_JSON, VIEW_METRICS, VIEW_HEALTH };

/* One exchange. */
struct stats_exchange {
	struct session *s;
	struct http_request request;
	struct out body;
	struct out head;
	enum stats_view view;
	bool refresh;		/* the page, and not asked not to */
	bool is_head, close;
	unsigned status;
	int64_t began_us;	/* its first byte was there */
	int64_t read_us;	/* its head was whole */
	int64_t wall_ms;
};

/* Fill in head and body for the request.  False: the connection ends without an
 * answer. */
bool stats_answer(struct stats_exchange *x);

/* An answer of one sentence; more is further fields of its head, or "". */
void stats_answer_plain(struct stats_exchange *x, unsigned status, const char *text, const char *more);

#endif
