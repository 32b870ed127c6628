/* SPDX-License-Identifier: ISC */
/*
 * Heads of HTTP/1.0 and 1.1 messages (RFC 9110, RFC 9112).
 *
 * The parser decides for a proxy: what two parties could read in two ways is
 * refused, not repaired.  Nothing is copied: every span points into the
 * caller's buffer (empty ones may point nowhere).
 */
#ifndef DURWARD_HTTP_HEAD_H
#define DURWARD_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_REQUEST_MAX	16384	/* bytes of a request's head */
#define HTTP_RESPONSE_MAX	65536	/* bytes of an answer's head */
#define HTTP_REQUEST_FIELDS	100	/* fields in it */
#define HTTP_RESPONSE_FIELDS	1000

enum http_verdict {
	HTTP_MORE,		/* good so far: ask again with more bytes */
	HTTP_OK,
	HTTP_MALFORMED,		/* 400; from a server, 502 */
	HTTP_TOO_LARGE,		/* 431: too many bytes or fields */
	HTTP_BAD_VERSION,	/* 505: HTTP/d.d, but not 1.0 or 1.1 */
	HTTP_IS_TLS		/* a TLS record begins */
};

struct http_span {
	const char *p;
	size_t len;
};

/* The fields that mean something to a proxy. */
enum http_field_id {
	HTTP_FIELD_OTHER,
	HTTP_FIELD_AUTHENTICATE,	/* (WWW-|Proxy-)Authenticate and -Authorization */
	HTTP_FIELD_CONNECTION,
	HTTP_FIELD_CONTENT_LENGTH,
	HTTP_FIELD_EXPECT,
	HTTP_FIELD_HOST,
	HTTP_FIELD_KEEP_ALIVE,
	HTTP_FIELD_PROXY_CONNECTION,
	HTTP_FIELD_TE,
	HTTP_FIELD_TRAILER,
	HTTP_FIELD_TRANSFER_ENCODING,
	HTTP_FIELD_UPGRADE,
	HTTP_FIELD_X_FORWARDED_FOR
};

struct http_field {
	struct http_span name;	/* as it came, case and all */
	struct http_span value;	/* without the white space around it */
	uint8_t id;		/* enum http_field_id */
	bool hop;		/* for this connection only: goes no further */
};

enum http_framing {		/* RFC 9112, 6.3 */
	HTTP_NO_BODY,
	HTTP_LENGTH,		/* content_length bytes, possibly 0 */
	HTTP_CHUNKED,
	HTTP_UNTIL_CLOSE,	/* answers only */
	HTTP_TUNNEL		/* 101: no HTTP any more, in both directions */
};

enum http_target {		/* RFC 9112, 3.2 */
	HTTP_ORIGIN,		/* /path?query */
	HTTP_ABSOLUTE,		/* http://host/path?query */
	HTTP_ASTERISK		/* OPTIONS * */
};

/* Where the parser stopped, so that it never reads a byte twice.  Its own. */
struct http_scan {
	size_t pos, mark;
	uint8_t state, blank_lines;
};

/* What requests and answers have in common. */
struct http_head {
	struct http_scan scan;
	size_t len;		/* of the head: empty lines before it and the
				 * one that ends it included */
	uint64_t content_length; /* where the field is there, else 0; below 2^63 */
	uint32_t seen;		/* bits 1 << enum http_field_id */
	uint8_t framing;	/* enum http_framing */
	uint8_t minor;		/* HTTP/1.minor: 0, or 1 for whatever is later */
	bool keep_alive;	/* the peer lets the connection live on */
	bool bound;		/* speaks of a login that holds for the connection it is on
				 * (NTLM, Negotiate: RFC 4559, 6): for one client alone */
	unsigned nfields;
	struct http_field fields[HTTP_RESPONSE_FIELDS]; /* nfields are set */
};

struct http_request {
	struct http_span method, target; /* set once read, for a log line, even
				 * where the verdict is not HTTP_OK; p NULL before */
	struct http_span version; /* the same */
	struct http_span host;	/* Host, or the authority of an absolute target:
				 * checked, but not canonical, port and all; empty
				 * where the client names nobody */
	struct http_span path;	/* path and query of an absolute target, possibly
				 * empty or only a query; else the target */
	uint8_t form;		/* enum http_target */
	bool expect_continue;	/* the client waits for a 100 */
	bool upgrade;		/* asks to leave HTTP, and may (never for h2c,
				 * which would carry requests past the router) */
	struct http_head head;
};

struct http_response {
	unsigned status;	/* 100 to 999 */
	struct http_span reason; /* possibly empty */
	struct http_head head;
};

/* Call before the first parse of each message. */
void http_request_init(struct http_request *r);
void http_response_init(struct http_response *r);

/*
 * Parse the head that begins at buf, of which len bytes are there.  On
 * HTTP_MORE call again with the same r and at least as many bytes AT THE SAME
 * ADDRESS: the parser goes on where it stopped.  Any other verdict is final,
 * and is given as soon as no later byte could mend it (at the latest when the
 * line is complete).  How the bytes were split never changes it.
 *
 * HTTP_OK: r is filled; the body, if any, begins at buf + r->head.len.
 * max bounds the head (HTTP_REQUEST_MAX).  CONNECT is HTTP_MALFORMED.
 */
enum http_verdict http_request_parse(struct http_request *r, const char *buf,
    size_t len, size_t max);

/*
 * The same for an answer.  What it answers decides where it ends: is_head for
 * a HEAD request, upgrade where we asked for one (else a 101 is malformed).
 * Both must be the same in every call for one answer.  An answer of status
 * 1xx is interim (but for 101): another head follows it.
 */
enum http_verdict http_response_parse(struct http_response *r, const char *buf,
    size_t len, size_t max, bool is_head, bool upgrade);

#endif
