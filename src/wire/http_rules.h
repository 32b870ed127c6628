/* SPDX-License-Identifier: ISC */
/*
 * What the fields of a head mean for a proxy: framing, host, connection,
 * which fields go no further.  The second half of http_head, which reads the
 * letters; nobody else calls this.
 */
#ifndef DURWARD_HTTP_RULES_H
#define DURWARD_HTTP_RULES_H

#include "wire/http_head.h"

/* A field's line is complete: find out which it is, and refuse it at once
 * where nothing later could make it good.  r is NULL for an answer. */
enum http_verdict http_rules_field(struct http_head *h, struct http_field *f,
    struct http_request *r);

/* The head is complete. */
enum http_verdict http_rules_request(struct http_request *r);
enum http_verdict http_rules_response(struct http_response *r, bool is_head,
    bool upgrade);

#endif
