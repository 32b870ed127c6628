/* SPDX-License-Identifier: ISC */
/*
 * One HTTP request and its answer: from a parsed, routed head to the last
 * byte of the answer at the client.
 */
#ifndef DURWARD_HTTP_EXCHANGE_H
#define DURWARD_HTTP_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/session.h"
#include "wire/http_body.h"
#include "wire/http_head.h"

#define HTTP_LAST_WORD_MS	1000	/* for an answer to reach one who still sends */

struct http_exchange {
	struct session *s;
	struct http_request req;
	bool is_head;			/* method HEAD: its answer has no body */
	bool is_safe;			/* may be sent twice (RFC 9110, 9.2.2) */
	struct http_body body;		/* of the request */
	const char *extra;		/* what the client sent behind it: the next request */
	size_t extra_len;

	bool answered;			/* the answer's head has been parsed */
	bool began;			/* a byte of the answer went to the client */
	bool keep_client;		/* another request may follow */
	bool linger;			/* before closing: it may send on, and must get all */
	int status;			/* of the answer; -1 none */

	int64_t start_us;		/* clock_us of the first byte */
	int64_t start_wall_ms;
	int64_t head_us;		/* the head was whole */
	int64_t sent_us;		/* the server had the request's head */
	int64_t answer_us;		/* the answer's head was whole; 0 not */
	struct http_response resp;
};

/*
 * Serve it.  The request's head lies at s->head, s->head_len bytes are there.
 * Afterwards x->keep_client tells whether to go on, with x->extra first.
 */
void http_exchange_run(struct http_exchange *x);

/* An answer of durward's own; counts its status.  Closes the client's side
 * politely where close. */
void http_own_answer(struct http_exchange *x, unsigned status, bool close);

#endif
