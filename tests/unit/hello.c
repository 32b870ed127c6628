/* SPDX-License-Identifier: ISC */
/*
 * ClientHellos for tests: a message is put together by rules that have
 * nothing in common with the parser, and lies where it is told to.
 */
#include "config.h"
#include "hello.h"

#include <stdlib.h>
#include <string.h>

enum { SERVER_NAME = 0, PADDING = 21 };

static void
put(struct hello *h, unsigned value, unsigned size)
{
	while (size-- > 0)
		h->bytes[h->len++] = (uint8_t)(value >> 8 * size);
}

static void
put_fill(struct hello *h, size_t len)
{
	for (size_t i = 0; i < len; i++)
		h->bytes[h->len++] = (uint8_t)(0x40 + i % 0x80);
}

static unsigned
size_or(int wanted, unsigned usual)
{
	return wanted == HELLO_NONE ? 0 : wanted == 0 ? usual : (unsigned)wanted;
}

static void
set_lengths(struct hello *h, int message_lie, int ext_lie)
{
	size_t body = h->len - 4 + (size_t)message_lie, block = h->len - h->block - 2 + (size_t)ext_lie;

	h->bytes[1] = (uint8_t)(body >> 16);
	h->bytes[2] = (uint8_t)(body >> 8);
	h->bytes[3] = (uint8_t)body;
	if (h->block > 0) {
		h->bytes[h->block] = (uint8_t)(block >> 8);
		h->bytes[h->block + 1] = (uint8_t)block;
	}
}

void
hello_build(struct hello *h, const struct hello_spec *spec)
{
	unsigned n;

	h->len = h->block = 0;
	put(h, size_or(spec->type, 1), 1);
	put(h, 0, 3);
	put(h, size_or(spec->version, 0x0303), 2);
	put_fill(h, 32);
	put(h, n = size_or(spec->session, 32), 1);
	put_fill(h, n);
	put(h, n = size_or(spec->suites, 8), 2);
	put_fill(h, n);
	put(h, n = size_or(spec->methods, 1), 1);
	put_fill(h, n);
	if (spec->ext != NULL) {
		h->block = h->len;
		put(h, 0, 2);
		memcpy(h->bytes + h->len, spec->ext, spec->ext_len);
		h->len += spec->ext_len;
	}
	set_lengths(h, spec->message_lie, spec->ext_lie);
}

void
hello_add_extension(struct hello *h, unsigned type, const void *data, size_t len)
{
	if (h->len + len + 6 > HELLO_SIZE)
		abort();
	if (h->block == 0) {
		h->block = h->len;
		put(h, 0, 2);
	}
	put(h, type, 2);
	put(h, (unsigned)len, 2);
	if (len > 0)
		memcpy(h->bytes + h->len, data, len);
	h->len += len;
	set_lengths(h, 0, 0);
}

void
hello_add_name(struct hello *h, const char *name, size_t len)
{
	uint8_t data[5 + 1024];

	if (len > 1024)
		abort();
	data[0] = (uint8_t)((len + 3) >> 8);
	data[1] = (uint8_t)(len + 3);
	data[2] = 0;
	data[3] = (uint8_t)(len >> 8);
	data[4] = (uint8_t)len;
	memcpy(data + 5, name, len);
	hello_add_extension(h, SERVER_NAME, data, len + 5);
}

void
hello_pad(struct hello *h, size_t len)
{
	static const uint8_t zeroes[65536];
	size_t block = h->block == 0 ? 2 : 0;

	if (len < h->len + block + 4 || len - h->len > sizeof(zeroes))
		abort();
	hello_add_extension(h, PADDING, zeroes, len - h->len - block - 4);
}

size_t
hello_records(const uint8_t *message, size_t len, size_t first, size_t size, uint8_t *out)
{
	uint8_t *p = out;

	for (size_t done = 0, n = first; done < len; done += n, n = size) {
		if (n > len - done)
			n = len - done;
		*p++ = 0x16;
		*p++ = 3;
		*p++ = 1;
		*p++ = (uint8_t)(n >> 8);
		*p++ = (uint8_t)n;
		memcpy(p, message + done, n);
		p += n;
	}
	return (size_t)(p - out);
}

size_t
hello_usual(const char *name, uint8_t out[1024])
{
	static const uint8_t versions[] = { 4, 3, 4, 3, 3 }, groups[] = { 0, 4, 0, 29, 0, 23 };
	static const uint8_t protocols[] = { 0, 12, 2, 'h', '2', 8, 'h', 't', 't', 'p', '/', '1', '.', '1' };
	static struct hello h;

	hello_build(&h, &(struct hello_spec){ 0 });
	hello_add_extension(&h, 0x4a4a, NULL, 0);
	if (name != NULL)
		hello_add_name(&h, name, strlen(name));
	hello_add_extension(&h, 43, versions, sizeof(versions));
	hello_add_extension(&h, 10, groups, sizeof(groups));
	hello_add_extension(&h, 16, protocols, sizeof(protocols));
	return hello_records(h.bytes, h.len, h.len, h.len, out);
}
