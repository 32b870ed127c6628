/* SPDX-License-Identifier: ISC */
/*
 * The most forgiving reader of HTTP/1 that could stand behind a proxy: lines
 * may end in LF alone, white space may stand anywhere, names may be in any
 * case.  What our parser let pass must mean the same to this one, or a
 * message could be read in two ways.  It shares no code with src/wire.
 */
#ifndef DURWARD_FUZZ_LENIENT_H
#define DURWARD_FUZZ_LENIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Like assert, but also where NDEBUG is set. */
#define MUST(what)	((what) ? (void)0 : abort())

struct lenient {
	size_t len;		/* to the end of the empty line; 0: there is none */
	unsigned lines;		/* fields, and whatever else it took for lines */
	unsigned hosts, lengths, codings;
	uint64_t length;	/* the last one's digits, wherever they stand */
	bool odd;		/* a line that readers treat in different ways */
};

static inline bool
lenient_is_name(const char *line, size_t len, const char *name)
{
	while (len > 0 && (line[len - 1] == ' ' || line[len - 1] == '\t'))
		len--;
	return len == strlen(name) && strncasecmp(line, name, len) == 0;
}

static inline void
lenient_line(struct lenient *l, const char *line, size_t len)
{
	const char *colon = memchr(line, ':', len);
	size_t name;

	l->lines++;
	l->odd |= line[0] == ' ' || line[0] == '\t' || colon == NULL ||
	    memchr(line, '\r', len) != NULL || memchr(line, '\0', len) != NULL;
	if (colon == NULL)
		return;
	name = (size_t)(colon - line);
	l->hosts += lenient_is_name(line, name, "host");
	l->codings += lenient_is_name(line, name, "transfer-encoding");
	if (!lenient_is_name(line, name, "content-length"))
		return;
	l->lengths++;
	for (l->length = 0; name < len; name++)
		if (line[name] >= '0' && line[name] <= '9')
			l->length = l->length * 10 + (uint64_t)(line[name] - '0');
}

/* Read a head, the first line of which is skipped. */
static inline struct lenient
lenient_read(const char *p, size_t len)
{
	struct lenient l = { 0 };
	const char *end = p + len, *begin = p, *line, *lf;
	bool first = true;

	while (p < end && (*p == '\r' || *p == '\n'))	/* before a request line */
		p++;
	for (line = p; (lf = memchr(line, '\n', (size_t)(end - line))) != NULL;
	    line = lf + 1) {
		len = (size_t)(lf - line);
		if (len > 0 && line[len - 1] == '\r')
			len--;
		if (len == 0) {
			l.len = (size_t)(lf + 1 - begin);
			break;
		}
		if (!first)
			lenient_line(&l, line, len);
		first = false;
	}
	return l;
}

#endif
