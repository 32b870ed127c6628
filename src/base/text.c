/* SPDX-License-Identifier: ISC */
#include "config.h"
#include "base/text.h"

#include <string.h>

struct text
text_in(char *buf, size_t size)
{
	struct text t = { buf, buf, buf + size - 1 };

	*buf = '\0';
	return t;
}

void
text_char(struct text *t, char c)
{
	if (t->p == t->end)
		return;
	*t->p++ = c;
	*t->p = '\0';
}

void
text_bytes(struct text *t, const char *bytes, size_t len)
{
	size_t room = (size_t)(t->end - t->p);

	if (len > room)
		len = room;
	memcpy(t->p, bytes, len);
	t->p += len;
	*t->p = '\0';
}

void
text_add(struct text *t, const char *s)
{
	text_bytes(t, s, strlen(s));
}

void
text_uint(struct text *t, uint64_t n)
{
	char digits[20], *end = digits + sizeof(digits), *d = end;

	do {
		*--d = (char)('0' + n % 10);
	} while ((n /= 10) != 0);
	text_bytes(t, d, (size_t)(end - d));
}

void
text_int(struct text *t, int64_t n)
{
	if (n < 0)
		text_char(t, '-');
	text_uint(t, n < 0 ? 0 - (uint64_t)n : (uint64_t)n);
}

void
text_digits(struct text *t, uint64_t n, unsigned digits)
{
	char buf[20];
	unsigned i;

	if (digits > sizeof(buf))
		digits = sizeof(buf);
	for (i = digits; i > 0; i--, n /= 10)
		buf[i - 1] = (char)('0' + n % 10);
	text_bytes(t, buf, digits);
}
