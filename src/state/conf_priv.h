/* SPDX-License-Identifier: ISC */
/*
 * What the conf*.c files share.  A load goes
 *
 *	file -> conf_text (comments, unknown and repeated keys)
 *	     -> conf_parse (libconfuse) -> a tree of plain text, each value with its line
 *	     -> conf_build (values) -> conf_check (what must agree) -> conf_warn
 *
 * Every step reports all that it finds; the load fails at the end if anything
 * was reported.  All memory comes from one arena that conf_free gives back;
 * where there is none left, conf_alloc jumps back into conf_load.
 */
#ifndef DURWARD_CONF_PRIV_H
#define DURWARD_CONF_PRIV_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "state/conf.h"
#include "state/conf_keys.h"

struct conf_chunk;

#define CONF_SECRETS	((size_t)65536)

struct conf_mem {
	struct conf_chunk *chunk;	/* the newest first */
	char *secret;			/* pages of their own, CONF_SECRETS bytes; NULL none yet */
	size_t secret_used;
	jmp_buf *oom;
};

/* A set of strings that remembers where each came from. */
struct conf_set_slot {
	const char *key;
	unsigned space;			/* keys of different spaces never meet */
	const void *value;
};
struct conf_set {
	struct conf_mem *mem;
	struct conf_set_slot *slot;
	size_t size, used;
};

struct conf_item {			/* a value as written */
	struct conf_where where;
	char *text;
};

struct conf_node {			/* a section as written */
	enum conf_section section;
	struct conf_item title;		/* text "" where it has none */
	struct conf_entry *entry;	/* one for each key of the section */
};

struct conf_entry {			/* what stands for one key */
	bool given;
	struct conf_where where;	/* the first value's, else the section's */
	struct conf_item *item;		/* values, n of them */
	struct conf_node *node;		/* or sections */
	unsigned n;
};

struct conf_message {
	struct conf_message *next;
	struct conf_where where;
	unsigned file, seq;
	bool warning;
	char *text;
};

struct conf_load {
	struct conf *conf;		/* what becomes of it */
	struct conf_mem mem;		/* what ends with the load: the tree, messages, sets */
	jmp_buf oom;
	char **file;			/* names of the files read, in the conf's memory */
	unsigned nfile;
	unsigned nerror, nmessage;
	struct conf_message *messages;
	struct conf_node *root;
	bool incomplete;		/* a file is missing or broken: who knows what it defines */
	const struct conf_node **listener_node;	/* of conf.listener[i] */
	const struct conf_node **service_node;	/* of conf.service[i] */
	struct conf_set services;	/* "CLUSTER.SERVICE" to struct conf_service */
};

/* conf_mem.c */
struct conf_mem *conf_mem_new(void);
void conf_mem_fini(struct conf_mem *m);			/* wipes it, too */
char *conf_secret(struct conf_mem *m, const char *s);	/* a copy where a fork can leave it out */
void *conf_alloc(struct conf_mem *m, size_t size);	/* zeroed; never NULL */
void *conf_array(struct conf_mem *m, size_t n, size_t size);
char *conf_strndup(struct conf_mem *m, const char *s, size_t len);
char *conf_strdup(struct conf_mem *m, const char *s);
char *conf_printf(struct conf_mem *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

void conf_set_init(struct conf_set *s, struct conf_mem *m, size_t expect);
/* The value already there under (space, key), which stays; else NULL, and value is put there. */
const void *conf_set_add(struct conf_set *s, unsigned space, const char *key, const void *value);
const void *conf_set_find(const struct conf_set *s, unsigned space, const char *key);

/* conf_report.c: data are arguments, never part of a format. */
void conf_error(struct conf_load *l, struct conf_where w, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void conf_verror(struct conf_load *l, struct conf_where w, const char *fmt, va_list ap)
	__attribute__((format(printf, 3, 0)));
void conf_warn(struct conf_load *l, struct conf_where w, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void conf_report_all(struct conf_load *l, conf_report *error, conf_report *warn, void *arg);
/* "line 3", or "FILE:3" where that is another file than w's. */
const char *conf_where_text(struct conf_load *l, struct conf_where w, struct conf_where from);

/* conf_text.c: what libconfuse cannot do, done on the text before it. */
struct conf_seen { struct conf_where where[CONF_MAX_KEYS]; };	/* keys already met */
bool conf_text_prepare(struct conf_load *l, const char *file, char *text, size_t len,
	struct conf_seen *top, char **out, size_t *out_len);

/* conf_parse.c: l->root from the file at path; false where it can't be read
 * or is no libconfuse syntax. */
bool conf_parse(struct conf_load *l, const char *path);

/* conf_value.c: false with *why (static or in l->mem) where the text is no such value. */
bool conf_parse_duration(const char *text, long *ms, const char **why);
/* Its largest unit, as in "90s". */
#define CONF_DURATION_LEN	32
const char *conf_duration_text(char buf[CONF_DURATION_LEN], long ms);
bool conf_parse_count(const char *text, long *n, const char **why);
bool conf_parse_bool(const char *text, bool *b);
int conf_parse_word(const char *text, const char *const *words);
bool conf_parse_port(const char *text, size_t len, uint16_t *port);
bool conf_parse_bind(struct conf_mem *m, const char *text, struct conf_bind *b, const char **why);
bool conf_parse_server(struct conf_mem *m, const char *text, bool named, struct conf_server *s,
	const char **why);
bool conf_parse_log(struct conf_mem *m, const char *text, struct conf_log *log, const char **why);
bool conf_parse_status(struct conf_mem *m, const char *text, struct conf_check *check,
	const char **why);
bool conf_parse_host(struct conf_mem *m, const char *text, char **canonical, const char **why);
bool conf_parse_password(struct conf_mem *m, const char *text, char **hash, const char **why);
bool conf_is_name(const char *text, bool dots);
/* "N or M or ..." of the words, for messages. */
const char *conf_words_text(struct conf_mem *m, const char *const *words);

/* conf_path.c */
/* An absolute path in the conf's memory, from one that stands at w; "" stays. */
char *conf_path(struct conf_load *l, struct conf_where w, const char *path);
/* Why this is no file of certificates; NULL where it is one, as far as a look tells. */
const char *conf_path_no_certificate(const char *path);

/* conf_fill.c: the keys of one section into its struct by the table. */
void conf_fill_defaults(struct conf_load *l, enum conf_section section, void *into);
void conf_fill(struct conf_load *l, const struct conf_node *node, void *into);
const struct conf_entry *conf_entry(const struct conf_node *node, const char *key);

/* conf_build.c: the tree into struct conf: global keys, listeners, clusters. */
void conf_build(struct conf_load *l);
bool conf_take_name(struct conf_load *l, const struct conf_node *node, struct conf_set *taken,
	unsigned space, const char *label, bool dots, char **name);
/* conf_section.c: sections that stand in several places. */
void conf_build_timeouts(struct conf_load *l, const struct conf_node *parent,
	struct conf_timeouts *t, unsigned *given);
void conf_build_check(struct conf_load *l, const struct conf_node *parent, struct conf_check *c,
	unsigned *given);
void conf_check_defaults(struct conf_load *l, struct conf_check *c);
void conf_timeouts_overlay(struct conf_timeouts *t, const struct conf_timeouts *over,
	unsigned given);
void conf_check_overlay(struct conf_check *c, const struct conf_check *over, unsigned given);
/* conf_service.c: one service section. */
void conf_build_service(struct conf_load *l, const struct conf_node *node, const char *cluster,
	struct conf_service *s);
/* conf_backend.c: services on listeners, and the listeners' defaults. */
void conf_build_backends(struct conf_load *l);
/* conf_check.c, conf_unused.c, conf_warn.c */
void conf_check_all(struct conf_load *l);
void conf_unused_all(struct conf_load *l);
void conf_warn_all(struct conf_load *l);

#endif
