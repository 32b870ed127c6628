/* SPDX-License-Identifier: ISC */
/*
 * Heads of answers; the first byte says what was asked.  However the bytes
 * are split, the answer is one; and what is written for the client parses to
 * the same answer, with nothing behind it.
 */
#include "config.h"
#include "wire/http_write.h"

#include <stdint.h>
#include <stdlib.h>

#define MUST(x)	do { if (!(x)) abort(); } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct http_response whole, pieces, again;

static void
same_in_pieces(const char *buf, size_t size, size_t step, bool is_head, bool upgrade,
    enum http_verdict verdict)
{
	enum http_verdict v = HTTP_MORE;
	size_t len;

	http_response_init(&pieces);
	for (len = 0; v == HTTP_MORE && len < size; len += step)
		v = http_response_parse(&pieces, buf, len, HTTP_RESPONSE_MAX, is_head, upgrade);
	if (v == HTTP_MORE)
		v = http_response_parse(&pieces, buf, size, HTTP_RESPONSE_MAX, is_head, upgrade);
	MUST(v == verdict);
	if (v == HTTP_OK)
		MUST(pieces.head.len == whole.head.len && pieces.status == whole.status &&
		    pieces.head.framing == whole.head.framing &&
		    pieces.head.keep_alive == whole.head.keep_alive);
}

static void
same_when_written(unsigned minor, enum http_connection connection, bool is_head, bool upgrade)
{
	static char out[2 * HTTP_RESPONSE_MAX];
	const ssize_t len = http_write_response(&whole, minor, connection, out,
	    whole.head.len + 512);
	const bool interim = whole.status < 200 && whole.status != 101;

	MUST(len > 0);
	if (whole.head.nfields == HTTP_FIELDS_MAX)	/* ours is one more */
		return;
	http_response_init(&again);
	MUST(http_response_parse(&again, out, (size_t)len, sizeof out, is_head, upgrade) ==
	    HTTP_OK);
	MUST(again.head.len == (size_t)len && again.status == whole.status);
	MUST(again.head.framing == whole.head.framing && again.head.minor == 1);
	MUST(again.head.content_length == whole.head.content_length);
	if (!interim && whole.head.framing != HTTP_UNTIL_CLOSE &&
	    whole.head.framing != HTTP_TUNNEL)
		MUST(again.head.keep_alive == (connection != HTTP_CONNECTION_CLOSE));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *buf = (const char *)data + 1;
	bool is_head, upgrade;
	enum http_verdict v;

	if (size-- == 0)
		return 0;
	is_head = data[0] & 1;
	upgrade = data[0] & 2;
	http_response_init(&whole);
	v = http_response_parse(&whole, buf, size, HTTP_RESPONSE_MAX, is_head, upgrade);
	same_in_pieces(buf, size, 1, is_head, upgrade, v);
	same_in_pieces(buf, size, 2 + size % 31, is_head, upgrade, v);
	if (v != HTTP_OK)
		return 0;
	same_when_written(1, HTTP_CONNECTION_KEEP, is_head, upgrade);
	same_when_written(0, HTTP_CONNECTION_KEEP, is_head, upgrade);
	same_when_written(1, HTTP_CONNECTION_CLOSE, is_head, upgrade);
	same_when_written(1, HTTP_CONNECTION_UPGRADE, is_head, upgrade);
	return 0;
}
