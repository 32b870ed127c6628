/* SPDX-License-Identifier: ISC */
/*
 * ClientHellos made by hand (RFC 8446, 4.1.2), good and bad, for any test.
 */
#ifndef DURWARD_TESTS_HELLO_H
#define DURWARD_TESTS_HELLO_H

#include <stddef.h>
#include <stdint.h>

#define HELLO_SIZE	((size_t)128 * 1024)	/* room for more than any parser takes */
#define HELLO_NONE	(-1)

/*
 * What to build; all zero is a usual hello without extensions.  Sizes in
 * bytes, 0 for the usual one, HELLO_NONE for an empty one; what stands in
 * them is nothing in particular.
 */
struct hello_spec {
	int type;		/* of the message; 0: 1, ClientHello; HELLO_NONE: 0 */
	int version;		/* 0: 0x0303 */
	int session;		/* 0: 32 */
	int suites;		/* 0: 8 */
	int methods;		/* 0: 1 */
	const char *ext;	/* the extensions, bytes as they shall stand; NULL: no block */
	size_t ext_len;
	int ext_lie;		/* added to the length that stands before them */
	int message_lie;	/* added to the length that stands before the message */
};

/* A handshake message, without records. */
struct hello {
	size_t len;
	size_t block;		/* where the length of the extensions stands; 0: no block */
	uint8_t bytes[HELLO_SIZE];
};

void hello_build(struct hello *h, const struct hello_spec *spec);

/* Add one extension to what was built, and set the lengths right. */
void hello_add_extension(struct hello *h, unsigned type, const void *data, size_t len);

/* The same for server_name (RFC 6066, 3) with one host_name. */
void hello_add_name(struct hello *h, const char *name, size_t len);

/* Pad it (RFC 7685) to len bytes in all, which is 4 more than now at least. */
void hello_pad(struct hello *h, size_t len);

/* Put the len bytes of a message into records, the first of which holds first
 * bytes and each later one at most size.  Returns the bytes written to out,
 * which has room for HELLO_SIZE * 6. */
size_t hello_records(const uint8_t *message, size_t len, size_t first, size_t size, uint8_t *out);

/* A usual hello with this name in one record; returns its length. */
size_t hello_usual(const char *name, uint8_t out[1024]);

#endif
