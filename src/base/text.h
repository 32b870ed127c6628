/* SPDX-License-Identifier: ISC */
/*
 * A line put together piece by piece: for what is written for each connection and
 * each request, where ten calls of printf were dear.  Pure.
 *
 * What does not fit is cut off.  A NUL stands behind the text at any time.
 */
#ifndef DURWARD_TEXT_H
#define DURWARD_TEXT_H

#include <stddef.h>
#include <stdint.h>

struct text {
	char *start;
	char *p;	/* where the next byte goes */
	char *end;	/* the last byte of the room, for the NUL */
};

/* An empty text in buf, which has room for size > 0 bytes. */
struct text text_in(char *buf, size_t size);

static inline size_t
text_len(const struct text *t)
{
	return (size_t)(t->p - t->start);
}

void text_char(struct text *t, char c);
void text_bytes(struct text *t, const char *bytes, size_t len);
void text_add(struct text *t, const char *s);

/* A number in decimal digits. */
void text_uint(struct text *t, uint64_t n);
void text_int(struct text *t, int64_t n);

/* n as so many digits, zeros before it; the last ones of a larger number. */
void text_digits(struct text *t, uint64_t n, unsigned digits);

#endif
