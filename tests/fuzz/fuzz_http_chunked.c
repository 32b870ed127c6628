/* SPDX-License-Identifier: ISC */
/*
 * The chunked coding: no split of the bytes changes the verdict or the end of
 * the message, the most forgiving decoder finds the same end, and whatever is
 * encoded is accepted.
 */
#include "config.h"
#include "wire/http_body.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lenient.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum http_verdict
decode(const char *text, size_t len, size_t *used)
{
	struct http_chunked c = { 0 };

	return http_chunked_feed(&c, text, len, used);
}

/* In pieces of n bytes, as a message's body. */
static void
check_pieces(const char *text, size_t len, size_t n, enum http_verdict verdict,
    size_t used)
{
	static struct http_head head;
	struct http_body b;
	enum http_verdict v = HTTP_MORE;
	size_t at = 0, some, piece;

	head.framing = HTTP_CHUNKED;
	http_body_init(&b, &head);
	while (v == HTTP_MORE && at < len) {
		piece = len - at < n ? len - at : n;
		v = http_body_feed(&b, text + at, piece, &some);
		MUST(some <= piece && (v != HTTP_MORE || some == piece));
		at += some;
	}
	MUST(v == verdict && at == used && b.done == (v == HTTP_OK));
	MUST(http_body_eof(&b) == b.done);
}

/* The line at *at: its digits are the value, whatever is behind them; *at is
 * where the next one begins. */
static uint64_t
lenient_size(const char *text, size_t len, size_t *at)
{
	uint64_t n = 0;
	const char *lf = memchr(text + *at, '\n', len - *at);

	MUST(lf != NULL);		/* and a CR before it, nowhere else */
	MUST(memchr(text + *at, '\r', len - *at) == lf - 1);
	for (; text[*at] != '\0' && strchr("0123456789abcdefABCDEF", text[*at]); ++*at)
		n = n * 16 + (uint64_t)(text[*at] <= '9' ? text[*at] - '0' :
		    (text[*at] | 0x20) - 'a' + 10);
	*at = (size_t)(lf - text) + 1;
	return n;
}

/* No field that frames or routes, whatever white space is around its name. */
static void
check_trailer(const char *line)
{
	static const char *const framing[] = { "content-length", "transfer-encoding", "host" };
	size_t i;

	MUST(line[0] != ' ' && line[0] != '\t');
	for (i = 0; i < sizeof framing / sizeof framing[0]; i++)
		MUST(!lenient_is_name(line, strcspn(line, ":\r"), framing[i]));
}

/* A good message as it looks to someone who takes any LF for a line's end.
 * Returns where it ends. */
static size_t
lenient_decode(const char *text, size_t len)
{
	size_t at = 0, line;
	uint64_t n;

	while ((n = lenient_size(text, len, &at)) > 0) {
		MUST(n <= len - at);
		at += (size_t)n;
		if (at < len && text[at] == '\r')
			at++;
		MUST(at < len && text[at] == '\n');
		at++;
	}
	do {						/* trailers */
		line = at;
		lenient_size(text, len, &at);
		check_trailer(text + line);
	} while (at - line > 2);
	return at;
}

/* Encode the data in chunks of various sizes; that is a good message. */
static void
check_encoded(const char *data, size_t size)
{
	static char out[1 << 16];
	size_t len = 0, at, n, used;

	if (size > 1024)
		return;
	for (at = 0; at < size; at += n) {
		n = 1 + ((size_t)(unsigned char)data[at] & 0x3f);
		if (n > size - at)
			n = size - at;
		len += (size_t)snprintf(out + len, sizeof out - len,
		    n % 2 ? "%zx\r\n" : "0%zX;a=\"b;\\\"\"\r\n", n);
		memcpy(out + len, data + at, n);
		memcpy(out + len + n, "\r\n", 2);
		len += n + 2;
	}
	n = (size_t)snprintf(out + len, sizeof out - len, "0\r\nX-Sum: 1\r\n\r\n");
	MUST(decode(out, len + n - 1, &used) == HTTP_MORE && used == len + n - 1);
	len += n;
	memcpy(out + len, data, size);		/* whatever comes next */
	MUST(decode(out, len + size, &used) == HTTP_OK && used == len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	size_t used;
	const enum http_verdict v = decode(text, size, &used);

	MUST(used <= size && (v != HTTP_MORE || used == size));
	MUST(v == HTTP_OK || v == HTTP_MORE || v == HTTP_MALFORMED);
	check_pieces(text, size, 1, v, used);
	check_pieces(text, size, 1 + size / 3, v, used);
	if (v == HTTP_OK)
		MUST(lenient_decode(text, used) == used);
	check_encoded(text, size);
	return 0;
}
