/* SPDX-License-Identifier: ISC */
/*
 * PROXY headers.  No prefix says what the whole does not; and who was read,
 * written again in either version, is read the same.
 */
#include "config.h"
#include "wire/proxy_header.h"

#include <stdlib.h>
#include <string.h>

#define MUST(x)	do { if (!(x)) abort(); } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
same(const struct proxy_addr *a, const struct proxy_addr *b)
{
	return a->family == b->family && a->port == b->port && memcmp(a->bytes, b->bytes, 16) == 0;
}

static void
check_written(const struct proxy_header *h, const uint8_t *buf, size_t len)
{
	struct proxy_header again;

	MUST(len > 0 && proxy_header_parse(buf, len - 1, &again) == PROXY_HEADER_MORE);
	MUST(proxy_header_parse(buf, len, &again) == PROXY_HEADER_FOUND && again.len == len);
	MUST(again.local == h->local);
	MUST(same(&h->source, &again.source) && same(&h->destination, &again.destination));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy_header h, part;
	enum proxy_header_verdict v = proxy_header_parse(data, size, &h), w;
	const struct proxy_addr *from = &h.source, *to = &h.destination;
	size_t step = 1 + size / 32;
	uint8_t buf[128];

	for (size_t n = size % 7; n < size; n += step) {
		w = proxy_header_parse(data, n, &part);
		MUST(w == PROXY_HEADER_MORE || w == v);
	}
	if (v != PROXY_HEADER_FOUND)
		return 0;
	MUST(h.len <= size && h.len <= PROXY_HEADER_MAX);
	MUST(proxy_header_parse(data, h.len - 1, &part) == PROXY_HEADER_MORE);
	if (h.local)
		from = to = NULL;
	check_written(&h, buf, proxy_header_format_v1(from, to, buf, PROXY_HEADER_V1_MAX));
	check_written(&h, buf, proxy_header_format_v2(from, to, buf, sizeof(buf)));
	return 0;
}
