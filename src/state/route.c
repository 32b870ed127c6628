/* SPDX-License-Identifier: ISC */
/*
 * The tables that route_find looks in: for each listener one hash of names
 * and suffixes, a list of regexes, and what decides where neither does.
 * Made in the master, read in workers; never changed after route_new.
 */
#include "config.h"
#include "state/route.h"

#include <regex.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL	/* no library to map into every worker */
#include <xxhash.h>

#include "state/conf.h"

#define NONE	UINT32_MAX

struct target {
	const char *pattern;
	int backend;
};

/* A name or suffix, and the targets of the patterns that end in it. */
struct slot {
	const char *text;	/* NULL: free */
	uint32_t len;
	uint32_t exact, one, many;	/* "text", "*.text", "**.text"; NONE */
};

struct rule {
	regex_t re;
	struct target target;
};

struct table {
	struct slot *slot;
	size_t mask;		/* slots - 1, a power of two less one */
	struct target *target;
	uint32_t ntarget;
	bool wildcards;		/* any "*." or "**." at all */
	struct rule *rule;
	unsigned nrule;
	struct target star;	/* "*"; backend -1: none */
	int default_backend;
	int no_name_backend;
	bool no_name_given;
};

struct route {
	unsigned ntable;
	struct table table[];
};

static struct slot *
find_slot(const struct table *t, const char *text, size_t len)
{
	size_t i = (size_t)XXH3_64bits(text, len);

	for (;; i++) {
		struct slot *s = &t->slot[i & t->mask];

		if (s->text == NULL || (s->len == len && memcmp(s->text, text, len) == 0))
			return s;
	}
}

/* ---- making ----------------------------------------------------------- */

struct tally { size_t names, rules; };

static void
count_patterns(const struct conf *c, struct tally *n)
{
	for (unsigned b = 0; b < c->nbackend; b++) {
		const struct conf_backend *be = &c->backend[b];

		for (unsigned h = 0; !be->fallback_only && h < be->service->nhost; h++) {
			const char *text = be->service->host[h].text;

			if (*text == '~')
				n[be->listener].rules++;
			else if (strcmp(text, "*") != 0)
				n[be->listener].names++;
		}
	}
}

static bool
table_init(struct table *t, const struct conf_listener *ls, const struct tally *n)
{
	size_t size = 8;

	while (size * 3 < n->names * 4 + 4)
		size *= 2;
	t->mask = size - 1;
	t->slot = calloc(size, sizeof(*t->slot));
	t->target = calloc(n->names + 1, sizeof(*t->target));
	t->rule = calloc(n->rules + 1, sizeof(*t->rule));
	t->star.backend = -1;
	t->default_backend = ls->default_backend;
	t->no_name_backend = ls->no_name_backend;
	t->no_name_given = *ls->no_name_service != '\0';
	return t->slot != NULL && t->target != NULL && t->rule != NULL;
}

static void
add_name(struct table *t, const char *pattern, int backend)
{
	size_t stars = strncmp(pattern, "**.", 3) == 0 ? 3 : strncmp(pattern, "*.", 2) == 0 ? 2 : 0;
	const char *text = pattern + stars;
	struct slot *s = find_slot(t, text, strlen(text));

	if (s->text == NULL)
		*s = (struct slot){ .text = text, .len = (uint32_t)strlen(text),
		    .exact = NONE, .one = NONE, .many = NONE };
	t->wildcards |= stars > 0;
	*(stars == 3 ? &s->many : stars == 2 ? &s->one : &s->exact) = t->ntarget;
	t->target[t->ntarget++] = (struct target){ .pattern = pattern, .backend = backend };
}

static bool
add_pattern(struct table *t, const char *pattern, int backend)
{
	struct rule *r = &t->rule[t->nrule];

	if (strcmp(pattern, "*") == 0) {
		t->star = (struct target){ .pattern = pattern, .backend = backend };
	} else if (*pattern == '~') {
		if (regcomp(&r->re, pattern + 1, REG_EXTENDED | REG_ICASE | REG_NOSUB) != 0)
			return false;
		r->target = (struct target){ .pattern = pattern, .backend = backend };
		t->nrule++;
	} else {
		add_name(t, pattern, backend);
	}
	return true;
}

static bool
add_backend(struct route *r, const struct conf_backend *be, int backend)
{
	for (unsigned h = 0; !be->fallback_only && h < be->service->nhost; h++)
		if (!add_pattern(&r->table[be->listener], be->service->host[h].text, backend))
			return false;
	return true;
}

struct route *
route_new(const struct conf *c)
{
	struct route *r = calloc(1, sizeof(*r) + c->nlistener * sizeof(r->table[0]));
	struct tally *n = calloc(c->nlistener + 1, sizeof(*n));
	bool ok = r != NULL && n != NULL;

	if (ok) {
		r->ntable = c->nlistener;
		count_patterns(c, n);
	}
	for (unsigned i = 0; ok && i < c->nlistener; i++)
		ok = table_init(&r->table[i], &c->listener[i], &n[i]);
	for (unsigned b = 0; ok && b < c->nbackend; b++)
		ok = add_backend(r, &c->backend[b], (int)b);
	free(n);
	if (ok)
		return r;
	route_free(r);
	return NULL;
}

void
route_free(struct route *r)
{
	for (unsigned i = 0; r != NULL && i < r->ntable; i++) {
		struct table *t = &r->table[i];

		for (unsigned k = 0; k < t->nrule; k++)
			regfree(&t->rule[k].re);
		free(t->slot);
		free(t->target);
		free(t->rule);
	}
	free(r);
}

/* ---- looking ----------------------------------------------------------- */

/* The name itself, then every suffix of it, the longest first. */
static const struct target *
find_name(const struct table *t, const char *name, size_t len)
{
	const struct slot *s = find_slot(t, name, len);
	const char *end = name + len, *dot = name;

	if (s->text != NULL && s->exact != NONE)
		return &t->target[s->exact];
	for (bool first = true; t->wildcards; first = false) {
		dot = memchr(dot, '.', (size_t)(end - dot));
		if (dot == NULL)
			break;
		dot++;
		s = find_slot(t, dot, (size_t)(end - dot));
		if (s->text != NULL && first && s->one != NONE)
			return &t->target[s->one];
		if (s->text != NULL && s->many != NONE)
			return &t->target[s->many];
	}
	return NULL;
}

static const struct target *
find_rule(const struct table *t, const char *name, size_t len)
{
	char text[256];		/* regexec wants a NUL */

	if (t->nrule == 0 || len >= sizeof(text))
		return NULL;
	memcpy(text, name, len);
	text[len] = '\0';
	for (unsigned i = 0; i < t->nrule; i++)
		if (regexec(&t->rule[i].re, text, 0, NULL, 0) == 0)
			return &t->rule[i].target;
	return NULL;
}

int
route_find(const struct route *r, unsigned listener, const char *name, size_t len,
    const char **pattern)
{
	const struct table *t = &r->table[listener];
	const struct target *found = NULL;

	if (pattern != NULL)
		*pattern = NULL;
	if (len == 0 && t->no_name_given)
		return t->no_name_backend;
	if (len > 0 && (found = find_name(t, name, len)) == NULL)
		found = find_rule(t, name, len);
	if (found == NULL && t->star.backend >= 0)
		found = &t->star;
	if (found == NULL)
		return t->default_backend;
	if (pattern != NULL)
		*pattern = found->pattern;
	return found->backend;
}
