/* SPDX-License-Identifier: ISC */
/*
 * Where a message's body ends (RFC 9112, 6 and 7).  Bytes are judged as they
 * stream by; none is kept, so a body of any size takes no memory, and what
 * was judged good goes on as it came.
 */
#ifndef DURWARD_HTTP_BODY_H
#define DURWARD_HTTP_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/http_head.h"

#define HTTP_CHUNK_LINE_MAX	1024	/* size and extensions of one chunk */
#define HTTP_TRAILER_MAX	16384	/* bytes of all trailers */

/* The chunked coding's decoder.  Its own. */
struct http_chunked {
	uint64_t left;		/* of this chunk */
	uint32_t seen;		/* bytes of this line, or of the trailers */
	uint8_t state;
	uint8_t digits;
	uint8_t ntrailers;
	uint8_t name_len;
	char name[24];		/* a trailer's, as far as it fits */
};

struct http_body {
	uint8_t framing;	/* enum http_framing */
	bool done;		/* the last byte has been fed */
	uint64_t left;		/* HTTP_LENGTH: bytes still to come.  Who moves
				 * some of them past us (splice) takes them off
				 * with http_body_skip. */
	struct http_chunked chunked;
};

/* Begin the body of a head just parsed.  One without a body is done at once. */
void http_body_init(struct http_body *b, const struct http_head *h);

/*
 * Judge the len bytes at buf, the next ones of this body.  *used of them
 * belong to it and may go on as they are; the rest, on HTTP_OK, is the next
 * message's.
 * HTTP_MORE: not complete, *used == len.  HTTP_OK: complete.  HTTP_MALFORMED:
 * *used bytes before the flaw were good; the message can't be completed.
 * HTTP_UNTIL_CLOSE and HTTP_TUNNEL always say HTTP_MORE.
 */
enum http_verdict http_body_feed(struct http_body *b, const char *buf, size_t len,
    size_t *used);

/* n bytes of an HTTP_LENGTH body, n <= b->left, went by unseen. */
void http_body_skip(struct http_body *b, uint64_t n);

/* The peer closed: was that the end of the body (and not a cut)? */
bool http_body_eof(struct http_body *b);

/* As http_body_feed, for the chunked coding alone; begin with zeroes. */
enum http_verdict http_chunked_feed(struct http_chunked *c, const char *buf, size_t len,
    size_t *used);

#endif
