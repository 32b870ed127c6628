/* SPDX-License-Identifier: ISC */
/*
 * durward.conf(5) against the table of keys, both ways: every key stands in
 * the section of the page that is its own, with its default, its range and
 * the words it allows; and the page tells of no key that the table lacks.
 * The page's conventions are written at its top.
 */
#include "config.h"
#include "state/conf_keys.h"

#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state/conf.h"

static const struct {
	const char *heading;
	enum conf_section section;
} sections[] = {
	{ "GLOBAL KEYS", CONF_SEC_ROOT },
	{ "SPARE-WORKERS SECTION", CONF_SEC_SPARE },
	{ "TIMEOUTS SECTION", CONF_SEC_TIMEOUTS },
	{ "LISTENER SECTION", CONF_SEC_LISTENER },
	{ "CLUSTER SECTION", CONF_SEC_CLUSTER },
	{ "SERVICE SECTION", CONF_SEC_SERVICE },
	{ "SERVER SECTION", CONF_SEC_SERVER },
	{ "CHECK SECTION", CONF_SEC_CHECK },
};
#define NSECTIONS	((int)(sizeof(sections) / sizeof(sections[0])))

struct entry {			/* a key on the page */
	enum conf_section section;
	char name[64];
	char head[256];		/* what follows the name */
	char body[8192];	/* lines up to the next key, joined by '\n' */
};

static struct entry entries[256];
static unsigned nentries;

/* ---- the page ------------------------------------------------------------ */

static int
find_section(const char *heading)
{
	for (int i = 0; i < NSECTIONS; i++)
		if (strcmp(sections[i].heading, heading) == 0)
			return (int)sections[i].section;
	return -1;
}

static void
begin_entry(enum conf_section section, const char *rest)
{
	struct entry *e = &entries[nentries++];
	size_t len = strcspn(rest, " ");

	ck_assert_uint_lt(nentries, sizeof(entries) / sizeof(entries[0]));
	ck_assert_uint_lt(len, sizeof(e->name));
	e->section = section;
	memcpy(e->name, rest, len);
	e->name[len] = '\0';
	snprintf(e->head, sizeof(e->head), "%s", rest + len);
	e->body[0] = '\0';
}

static void
add_line(struct entry *e, const char *line)
{
	ck_assert_uint_lt(strlen(e->body) + strlen(line) + 2, sizeof(e->body));
	strcat(e->body, line);
	strcat(e->body, "\n");
}

static void
read_page(void)
{
	const char *top = getenv("DURWARD_SRCDIR");
	char path[4096], line[1024];
	int section = -1;
	FILE *f;

	snprintf(path, sizeof(path), "%s/man/durward.conf.5", top == NULL ? "." : top);
	f = fopen(path, "r");
	ck_assert_msg(f != NULL, "%s cannot be opened", path);
	nentries = 0;
	while (fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, ".Sh ", 4) == 0)
			section = find_section(line + 4);
		else if (section >= 0 && strncmp(line, ".It Ic ", 7) == 0)
			begin_entry((enum conf_section)section, line + 7);
		else if (section >= 0 && nentries > 0)
			add_line(&entries[nentries - 1], line);
	}
	fclose(f);
	/* Keys that share a text stand right above each other. */
	for (unsigned i = nentries; i-- > 1;)
		if (entries[i - 1].body[0] == '\0' && entries[i - 1].section == entries[i].section)
			strcpy(entries[i - 1].body, entries[i].body);
}

static const struct entry *
find_entry(enum conf_section section, const char *name)
{
	const struct entry *found = NULL;

	for (unsigned i = 0; i < nentries; i++) {
		if (entries[i].section != section || strcmp(entries[i].name, name) != 0)
			continue;
		ck_assert_msg(found == NULL, "%s is described twice", name);
		found = &entries[i];
	}
	return found;
}

/* ---- what must be said of a key --------------------------------------------- */

static bool
is_quoted(const struct conf_key *k)
{
	return k->type == CONF_T_TEXT || k->type == CONF_T_DURATION || k->type == CONF_T_WORD ||
	    (k->type == CONF_T_SPECIAL && strcmp(k->def, "0") != 0);
}

/* What the page's line for this key has behind the name. */
static void
expected_head(const struct conf_key *k, char *out, size_t size)
{
	if (k->type == CONF_T_SECTION)
		snprintf(out, size, conf_section_is_titled(k->child) ? " Qo Ar name Qc No { ... }" :
		    " No { ... }");
	else if (k->type == CONF_T_CALL)
		snprintf(out, size, " Ns Po Qo Ar file Qc Pc");
	else if (k->type == CONF_T_NETS)
		snprintf(out, size, " No = Li {}");
	else if (k->type == CONF_T_LIST)
		snprintf(out, size, " No = Brq Ar ");
	else if (k->def == NULL)
		snprintf(out, size, " No = Qq Ar word");
	else
		snprintf(out, size, " No = %s%s%s", is_quoted(k) ? "Qq" : "",
		    is_quoted(k) && *k->def != '\0' ? " " : "",
		    *k->def == '\0' ? "" : "Li ");
	if (k->def != NULL)
		strncat(out, k->def, size - strlen(out) - 1);
}

static void
check_head(const struct conf_key *k, const struct entry *e)
{
	char want[256];

	expected_head(k, want, sizeof(want));
	if (k->type == CONF_T_LIST)	/* what it is a list of, is the page's to say */
		ck_assert_msg(strncmp(e->head, want, strlen(want)) == 0 &&
		    strstr(e->head, " , ...") != NULL, "%s:%s", k->name, e->head);
	else
		ck_assert_msg(strcmp(e->head, want) == 0, "%s:%s, expected%s", k->name, e->head, want);
}

static void
format_limit(const struct conf_key *k, long n, char *out, size_t size)
{
	static const struct { long ms; const char *unit; } units[] = {
		{ 86400000, "d" }, { 1000, "s" }, { 1, "ms" }
	};
	unsigned i = 0;

	if (k->type != CONF_T_DURATION) {
		snprintf(out, size, "%ld", n);
		return;
	}
	while (n == 0 ? units[i].ms > 1000 : n % units[i].ms != 0)
		i++;
	snprintf(out, size, "%ld%s", n / units[i].ms, units[i].unit);
}

/* All durations reach to the end of the scale unless the page says another. */
static void
check_range(const struct conf_key *k, const struct entry *e)
{
	char low[32], high[32], want[80];

	if (k->type != CONF_T_DURATION && k->type != CONF_T_COUNT && k->type != CONF_T_INT)
		return;
	if (k->type == CONF_T_DURATION && k->min == 0 && k->max == INT_MAX)
		return;
	format_limit(k, k->min, low, sizeof(low));
	format_limit(k, k->max, high, sizeof(high));
	snprintf(want, sizeof(want), "%s to %s", low, high);
	ck_assert_msg(strstr(e->body, want) != NULL, "%s: no \"%s\" in its text", k->name, want);
}

static bool
says_word(const struct entry *e, const char *word)
{
	char cm[64];

	for (unsigned i = 0; i < 2; i++) {
		size_t len = (size_t)snprintf(cm, sizeof(cm), "%sCm %s", i == 0 ? "." : " ", word);

		for (const char *p = e->body; (p = strstr(p, cm)) != NULL; p++)
			if (p[len] == '\n' || p[len] == ' ')
				return true;
	}
	return false;
}

static unsigned
count_words(const struct entry *e)
{
	unsigned n = 0;

	for (const char *p = e->body; (p = strstr(p, ".Cm ")) != NULL; p++)
		n++;
	for (const char *p = e->body; (p = strstr(p, ".It Cm ")) != NULL; p++)
		n++;
	return n;
}

static void
check_words(const struct conf_key *k, const struct entry *e)
{
	for (unsigned i = 0; k->words != NULL && k->words[i] != NULL; i++)
		ck_assert_msg(says_word(e, k->words[i]), "%s: its text has no word %s", k->name,
		    k->words[i]);
	if (k->type != CONF_T_WORD && k->type != CONF_T_SPECIAL)
		ck_assert_msg(count_words(e) == 0, "%s: its text has words, the table none", k->name);
}

START_TEST(key_is_described)
{
	unsigned n;
	const struct conf_key *k = conf_keys(sections[_i].section, &n);

	read_page();
	for (unsigned i = 0; i < n; i++) {
		const struct entry *e = find_entry(k[i].section, k[i].name);

		ck_assert_msg(e != NULL, "%s stands nowhere below %s", k[i].name, sections[_i].heading);
		ck_assert_msg(strlen(e->body) > 10, "%s has no text", k[i].name);
		check_head(&k[i], e);
		check_range(&k[i], e);
		check_words(&k[i], e);
	}
}
END_TEST

START_TEST(nothing_else_is_described)
{
	read_page();
	ck_assert_uint_gt(nentries, 50);
	for (unsigned i = 0; i < nentries; i++)
		ck_assert_msg(conf_key_find(entries[i].section, entries[i].name,
		    strlen(entries[i].name)) >= 0, "%s: there is no such key in \"%s\"",
		    entries[i].name, conf_section_name(entries[i].section));
}
END_TEST

START_TEST(protocols_are_named)
{
	unsigned n;
	const struct conf_key *k = conf_keys(CONF_SEC_LISTENER, &n);

	read_page();
	for (unsigned i = 0; i < n; i++) {
		const struct entry *e = find_entry(CONF_SEC_LISTENER, k[i].name);
		bool stats_only, not_stats;

		ck_assert_ptr_nonnull(e);
		stats_only = strstr(e->body, "Only for stats") != NULL;
		not_stats = strstr(e->body, "Not for stats") != NULL;
		ck_assert_msg(stats_only == (k[i].protocols == 1u << CONF_STATS), "%s: only for stats?", k[i].name);
		ck_assert_msg(not_stats == (k[i].protocols == (1u << CONF_TLS | 1u << CONF_HTTP)), "%s: not for stats?",
		    k[i].name);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("conf_keys");
	TCase *t = tcase_create("durward.conf(5)");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_add_loop_test(t, key_is_described, 0, NSECTIONS);
	tcase_add_test(t, nothing_else_is_described);
	tcase_add_test(t, protocols_are_named);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
