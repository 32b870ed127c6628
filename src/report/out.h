/* SPDX-License-Identifier: ISC */
/*
 * A text that grows: what the reports are written into.
 *
 * The memory is mapped, not malloc'd, so that a page for a thousand servers
 * is given back whole.  There is a bound; past it, or without memory, the text
 * is `failed`, nothing more is added, and the caller must not send it.
 */
#ifndef DURWARD_OUT_H
#define DURWARD_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OUT_MAX	(64u << 20)

struct out {
	char *p;		/* len bytes; no NUL at the end */
	size_t len, cap;
	bool failed;
};

/* An empty text.  out_free gives the memory back; the text is empty again. */
void out_init(struct out *o);
void out_free(struct out *o);

void out_bytes(struct out *o, const char *p, size_t len);
void out_text(struct out *o, const char *s);
void out_printf(struct out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* s inside an HTML text or a quoted attribute. */
void out_html(struct out *o, const char *s);

/* s as a JSON string, with its quotes.  What is not printable ASCII becomes
 * \u00XX: bytes, not characters, for names come from the wire. */
void out_json(struct out *o, const char *s);

/* s as a CSV field: quoted only where it must be, as HAProxy does. */
void out_csv(struct out *o, const char *s);

/* s inside the quotes of a Prometheus label's value. */
void out_label(struct out *o, const char *s);

/* s as a field of a line of tab-separated ones: no tab, no line end. */
void out_field(struct out *o, const char *s);

#endif
