/* SPDX-License-Identifier: ISC */
/*
 * The chunked coding.  However the bytes are split, the same of them belong to
 * the body; and no byte before the last of them ends it.
 */
#include "config.h"
#include "wire/http_body.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MUST(x)	do { if (!(x)) abort(); } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum http_verdict
feed(const char *buf, size_t size, size_t step, size_t *total)
{
	struct http_chunked c;
	enum http_verdict v = HTTP_MORE;
	size_t used, piece;

	memset(&c, 0, sizeof c);
	for (*total = 0; v == HTTP_MORE && *total < size; *total += used) {
		piece = size - *total < step ? size - *total : step;
		v = http_chunked_feed(&c, buf + *total, piece, &used);
		MUST(used <= piece && (v != HTTP_MORE || used == piece));
	}
	return v;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *buf = (const char *)data;
	enum http_verdict v;
	size_t used, other;

	v = feed(buf, size, size + 1, &used);
	MUST(feed(buf, size, 1, &other) == v && other == used);
	MUST(feed(buf, size, 2 + size % 31, &other) == v && other == used);
	if (v != HTTP_OK)
		return 0;
	MUST(used >= 5 && memcmp(buf + used - 4, "\r\n\r\n", 4) == 0);
	MUST(feed(buf, used, used, &other) == HTTP_OK && other == used);
	MUST(feed(buf, used - 1, used, &other) == HTTP_MORE);
	return 0;
}
