/* SPDX-License-Identifier: ISC */
/*
 * The ClientHello, twice: the bytes as they came over the wire, of which no
 * prefix may say what the whole does not; and the bytes as one handshake
 * message, which says the same in whatever records it lies.
 */
#include "config.h"
#include "wire/tls_hello.h"

#include <stdlib.h>
#include <string.h>

#define MUST(x)		do { if (!(x)) abort(); } while (0)
#define FRAMED_MAX	10000u	/* so that it fits in records of one byte */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_wire(const uint8_t *data, size_t size)
{
	struct tls_hello whole, part;
	enum tls_hello_verdict v = tls_hello_parse(data, size, &whole), w;
	size_t step = 1 + size / 16, n;

	for (n = size % 7; n < size; n += step) {
		w = tls_hello_parse(data, n, &part);
		MUST(w == TLS_HELLO_MORE || w == v);
		if (w == TLS_HELLO_FOUND)
			MUST(part.len == whole.len && strcmp(part.name, whole.name) == 0);
	}
	if (v != TLS_HELLO_FOUND && v != TLS_HELLO_NO_NAME)
		return;
	MUST(whole.len <= size && whole.len <= TLS_HELLO_MAX);
	MUST(whole.name_len < sizeof(whole.name) && whole.name[whole.name_len] == '\0');
	MUST(tls_hello_parse(data, whole.len - 1, &part) == TLS_HELLO_MORE);
	MUST(tls_hello_parse(data, whole.len, &part) == v && part.len == whole.len);
}

/* In records of size bytes each. */
static enum tls_hello_verdict
parse_framed(const uint8_t *message, size_t len, size_t size, struct tls_hello *out)
{
	uint8_t *wire = malloc(len * 6), *p = wire;
	enum tls_hello_verdict v;

	for (size_t done = 0, n; done < len; done += n, p += n) {
		n = len - done < size ? len - done : size;
		memcpy(p, (uint8_t[]){ 22, 3, 3, (uint8_t)(n >> 8), (uint8_t)n }, 5);
		memcpy(p += 5, message + done, n);
	}
	v = tls_hello_parse(wire, (size_t)(p - wire), out);
	free(wire);
	return v;
}

static void
check_message(const uint8_t *data, size_t size)
{
	size_t body, steps[] = { 1 + size % 5, 40 + size % 200 };
	struct tls_hello one, many;
	enum tls_hello_verdict v;

	if (size < 4 || size > FRAMED_MAX)
		return;
	body = (size_t)data[1] << 16 | (size_t)data[2] << 8 | data[3];
	if (body > FRAMED_MAX - 4)
		return;
	if (size > body + 4)
		size = body + 4;	/* what lies behind it is told by its record */
	v = parse_framed(data, size, size, &one);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		MUST(parse_framed(data, size, steps[i], &many) == v);
		if (v == TLS_HELLO_FOUND || v == TLS_HELLO_NO_NAME)
			MUST(one.name_len == many.name_len && one.ech == many.ech &&
			    memcmp(one.name, many.name, one.name_len) == 0);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_wire(data, size);
	check_message(data, size);
	return 0;
}
