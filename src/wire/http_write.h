/* SPDX-License-Identifier: ISC */
/*
 * Heads as durward sends them on, and its own answers.
 *
 * A head is written afresh from what was parsed, never patched: one framing
 * field at most, each field on one line, no hop-by-hop field.  Fields keep
 * their order and the case of their names.
 */
#ifndef DURWARD_HTTP_WRITE_H
#define DURWARD_HTTP_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "wire/http_head.h"

enum http_connection {
	HTTP_CONNECTION_KEEP,	/* said to HTTP/1.0 peers, understood by others */
	HTTP_CONNECTION_CLOSE,
	HTTP_CONNECTION_UPGRADE	/* request: only where r->upgrade, else as KEEP */
};

/* What the head written is to differ in from the one that came. */
struct http_request_change {
	enum http_connection connection;
	struct http_span client; /* appended to X-Forwarded-For; len 0: that
				 * field goes on as it came */
	struct http_span name;	/* this field is set to value in place of any */
	struct http_span value;	/* that came (server-name-header); len 0: none */
};

/*
 * Write the request's head into buf.  The version stays the client's, so that
 * a server sends a 1.0 client nothing it can't read; an absolute target
 * becomes origin-form.  Returns the length, -1 where size is too small
 * (head.len + 512 + the lengths in *change always suffice).
 */
ssize_t http_write_request(const struct http_request *r,
    const struct http_request_change *change, char *buf, size_t size);

/*
 * Write the answer's head, as HTTP/1.1.  client_minor is the request's.
 * HTTP_CONNECTION_UPGRADE for a 101 that turns into a tunnel.  An interim
 * answer (1xx) has no Connection field otherwise.  Returns as above.
 */
ssize_t http_write_response(const struct http_response *r, unsigned client_minor,
    enum http_connection connection, char *buf, size_t size);

/* May server-name-header be this name?  A token, and no field that frames a
 * message or belongs to one connection.  Host may (who sets it is warned). */
bool http_write_name_ok(const char *name, size_t len);

/* "Not Found" for 404; "" for a status that durward never answers. */
const char *http_reason(unsigned status);

#define HTTP_ERROR_MAX	512	/* room for any of http_write_error */

/*
 * An answer of durward's own, head and short HTML body, for 400, 404, 408,
 * 431, 502, 503, 504 or 505.  Connection: close where close; keep-alive is
 * said where not close and client_minor is 0.  is_head leaves the body out.
 * Returns the length, -1 for another status or where size is too small.
 */
ssize_t http_write_error(unsigned status, unsigned client_minor, bool close,
    bool is_head, char *buf, size_t size);

#endif
