/* SPDX-License-Identifier: ISC */
/*
 * Every key of the configuration, once: its section, type, default and range.
 * The parser's options, the defaults, -T and the test of durward.conf(5) are
 * all made from this table.
 */
#ifndef DURWARD_CONF_KEYS_H
#define DURWARD_CONF_KEYS_H

#include <stdbool.h>
#include <stddef.h>

enum conf_section {
	CONF_SEC_ROOT, CONF_SEC_SPARE, CONF_SEC_TIMEOUTS, CONF_SEC_LISTENER,
	CONF_SEC_CLUSTER, CONF_SEC_SERVICE, CONF_SEC_SERVER, CONF_SEC_CHECK
};
#define CONF_NSECTIONS	8
#define CONF_MAX_KEYS	30	/* of one section; a bit each has to do */

enum conf_type {
	CONF_T_TEXT,		/* char *, as written */
	CONF_T_DURATION,	/* int, milliseconds */
	CONF_T_COUNT,		/* unsigned */
	CONF_T_INT,		/* int */
	CONF_T_BOOL,		/* bool */
	CONF_T_WORD,		/* an enum: min + index into words */
	CONF_T_NETS,		/* struct conf_nets; a list */
	CONF_T_SPECIAL,		/* one value that has a parser of its own */
	CONF_T_LIST,		/* a list that has a parser of its own */
	CONF_T_SECTION,		/* a section; see child */
	CONF_T_CALL		/* include("FILE") */
};

struct conf_key {
	enum conf_section section;
	const char *name;
	enum conf_type type;
	const char *def;	/* as the file would say it; NULL: none, or it depends */
	size_t offset;		/* in the section's struct, not for SPECIAL, LIST and below */
	long min, max;		/* milliseconds for a duration */
	const char *const *words;	/* NULL-terminated */
	enum conf_section child;
	unsigned protocols;	/* of a listener: bit 1 << enum conf_protocol; 0 any */
};

/* The keys of one section, in the order of the table; *n how many. */
const struct conf_key *conf_keys(enum conf_section section, unsigned *n);

/* Index of a key in its section, -1 if there is none. */
int conf_key_find(enum conf_section section, const char *name, size_t len);

/* "listener", "timeouts" ...; "" for the top of the file. */
const char *conf_section_name(enum conf_section section);

/* Whether sections of this kind have a name and may be repeated. */
bool conf_section_is_titled(enum conf_section section);

extern const char *const conf_words_protocol[];
extern const char *const conf_words_balance[];
extern const char *const conf_words_check[];

#endif
