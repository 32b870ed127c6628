/* SPDX-License-Identifier: ISC */
/*
 * A text that grows.  In workers of a stats listener and in the clerk, both
 * under a system call filter: mmap, mremap and munmap are all it asks of the
 * kernel.  Never exits, never logs: a text that failed says so.
 */
#include "config.h"
#include "report/out.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define OUT_FIRST	65536u

void
out_init(struct out *o)
{
	memset(o, 0, sizeof(*o));
}

void
out_free(struct out *o)
{
	if (o->p != NULL)
		munmap(o->p, o->cap);
	out_init(o);
}

/* Room for more bytes after len. */
static bool
out_room(struct out *o, size_t more)
{
	size_t cap = o->cap > 0 ? o->cap : OUT_FIRST;
	void *p;

	if (o->failed)
		return false;
	if (o->cap - o->len >= more)
		return true;
	while (cap - o->len < more && cap < OUT_MAX)
		cap *= 2;
	if (cap - o->len < more)
		p = MAP_FAILED;
	else if (o->p == NULL)
		p = mmap(NULL, cap, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	else
		p = mremap(o->p, o->cap, cap, MREMAP_MAYMOVE);
	if (p == MAP_FAILED) {
		o->failed = true;
		return false;
	}
	o->p = p;
	o->cap = cap;
	return true;
}

void
out_bytes(struct out *o, const char *p, size_t len)
{
	if (len == 0 || !out_room(o, len))
		return;
	memcpy(o->p + o->len, p, len);
	o->len += len;
}

void
out_text(struct out *o, const char *s)
{
	out_bytes(o, s, strlen(s));
}

void
out_printf(struct out *o, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (!out_room(o, 256))
		return;
	va_start(ap, fmt);
	n = vsnprintf(o->p + o->len, o->cap - o->len, fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n >= o->cap - o->len) {
		if (!out_room(o, (size_t)n + 1))
			return;
		va_start(ap, fmt);
		n = vsnprintf(o->p + o->len, o->cap - o->len, fmt, ap);
		va_end(ap);
	}
	if (n > 0)
		o->len += (size_t)n;
}

/* Copy s, but each byte that is in `special` as `instead` says. */
static void
out_escaped(struct out *o, const char *s, const char *special, const char *const *instead)
{
	size_t n;

	while (*s != '\0') {
		n = strcspn(s, special);
		out_bytes(o, s, n);
		s += n;
		if (*s != '\0')
			out_text(o, instead[strchr(special, *s++) - special]);
	}
}

void
out_html(struct out *o, const char *s)
{
	static const char *const instead[] = { "&amp;", "&lt;", "&gt;", "&quot;", "&#39;" };

	out_escaped(o, s, "&<>\"'", instead);
}

void
out_label(struct out *o, const char *s)
{
	static const char *const instead[] = { "\\\\", "\\\"", "\\n" };

	out_escaped(o, s, "\\\"\n", instead);
}

void
out_field(struct out *o, const char *s)
{
	static const char *const instead[] = { " ", " ", " " };

	out_escaped(o, s, "\t\n\r", instead);
}

void
out_json(struct out *o, const char *s)
{
	out_bytes(o, "\"", 1);
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			out_printf(o, "\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			out_printf(o, "\\u%04x", c);
		else
			out_bytes(o, s, 1);
	}
	out_bytes(o, "\"", 1);
}

void
out_csv(struct out *o, const char *s)
{
	if (strpbrk(s, ",\"\r\n") == NULL) {
		out_text(o, s);
		return;
	}
	out_bytes(o, "\"", 1);
	for (; *s != '\0'; s++) {
		if (*s == '"')
			out_bytes(o, "\"", 1);
		out_bytes(o, s, 1);
	}
	out_bytes(o, "\"", 1);
}
