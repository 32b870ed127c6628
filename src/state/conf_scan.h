/* SPDX-License-Identifier: ISC */
/*
 * The text of a configuration file as tokens, each with its line, read as
 * libconfuse will read it.  Used by conf_text.c alone.
 */
#ifndef DURWARD_CONF_SCAN_H
#define DURWARD_CONF_SCAN_H

#include "state/conf_priv.h"

struct conf_scan {
	struct conf_load *load;
	struct conf_where where;	/* of the last token */
	char *text;
	size_t len, pos;
	int line;			/* at pos */
	size_t start;			/* the last token: [start, pos) */
	int token;			/* see below */
	bool broken;			/* no use in handing it to libconfuse */
	char *out;
	size_t out_len, copied;
};

/* Tokens: a punctuation character, '+' for "+=", or one of these. */
enum { CONF_TOKEN_END = 0, CONF_TOKEN_STRING = 's' };

/* The next token, past comments, which are blanked. */
int conf_scan_next(struct conf_scan *s);
/* The text of the last token, without quotes. */
const char *conf_scan_text(const struct conf_scan *s, size_t *len);
/* Spaces for what stands in [from, to); lines stay. */
void conf_scan_blank(struct conf_scan *s, size_t from, size_t to);

#endif
