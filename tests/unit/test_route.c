/* SPDX-License-Identifier: ISC */
/* From names to backends: which pattern wins. */
#include "config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "conf_help.h"
#include "state/route.h"

#define SERVICE(name, listeners, hosts) \
	" service \"" name "\" { listeners = {" listeners "} hosts = {" hosts "} servers = {\"10.0.0.1\"} }\n"

/* The backend's name and the pattern that chose it, "none" where nothing does. */
static const char *
find(const struct conf *c, const struct route *r, const char *listener, const char *name, const char **pattern)
{
	int b = route_find(r, (unsigned)conf_find_listener(c, listener), name, strlen(name), pattern);

	return b < 0 ? "none" : c->backend[b].name;
}

static const char text[] =
	"listener \"l\" { bind = {\"*:1\"} protocol = \"tls\" default = \"a.fall\" }\n"
	"listener \"none\" { bind = {\"*:2\"} protocol = \"tls\" }\n"
	"listener \"star\" { bind = {\"*:3\"} protocol = \"tls\" default = \"a.fall\" }\n"
	"listener \"nobody\" { bind = {\"*:4\"} protocol = \"tls\" default = \"a.fall\" no-name = \"a.quiet\" }\n"
	"listener \"other\" { bind = {\"*:5\"} protocol = \"tls\" }\n"
	"cluster \"a\" {\n"
	SERVICE("exact", "\"l\", \"none\"", "\"a.x.example\", \"x.example\", \"under_score.x.example\", \"[2001:DB8::1]\"")
	SERVICE("one", "\"l\", \"none\"", "\"*.x.example\", \"*.deep.x.example\"")
	SERVICE("many", "\"l\", \"none\"", "\"**.x.example\", \"**.example\", \"**.deep.x.example\", \"**.only\"")
	SERVICE("re1", "\"l\", \"none\"", "\"~^r[0-9]+\\\\.test$\", \"~X\\\\.EXAMPLE\"")
	SERVICE("re2", "\"l\", \"none\"", "\"~^r1\\\\.test$\", \"~^s\"")
	SERVICE("re3", "\"l\", \"none\"", "\"~^sub\"")
	SERVICE("star", "\"star\", \"nobody\"", "\"*\"")
	SERVICE("quiet", "\"other\"", "\"quiet.example\"")
	SERVICE("fall", "\"other\"", "\"*.other\"")
	"}\n";

static const struct {
	const char *listener, *name, *backend, *pattern;
} cases[] = {
	{ "l", "a.x.example", "a.exact.l", "a.x.example" },
	{ "l", "x.example", "a.exact.l", "x.example" },
	{ "l", "under_score.x.example", "a.exact.l", "under_score.x.example" },
	{ "none", "a.x.example", "a.exact.none", "a.x.example" },
	{ "l", "[2001:db8::1]", "a.exact.l", "[2001:db8::1]" },
	/* the longest suffix, "*." before "**." */
	{ "l", "b.x.example", "a.one.l", "*.x.example" },
	{ "l", "b.c.x.example", "a.many.l", "**.x.example" },
	{ "l", "b.deep.x.example", "a.one.l", "*.deep.x.example" },
	{ "l", "b.c.deep.x.example", "a.many.l", "**.deep.x.example" },
	{ "l", "deep.x.example", "a.one.l", "*.x.example" },
	{ "l", "y.example", "a.many.l", "**.example" },
	{ "l", "a.b.c.d.e.f.g.y.example", "a.many.l", "**.example" },
	{ "l", "a.only", "a.many.l", "**.only" },
	/* the bare domain is in no wildcard of its own */
	{ "none", "only", "none", NULL },
	{ "none", "example", "none", NULL },
	{ "none", "xonly", "none", NULL },
	/* a suffix before a regex, a regex in the file's order, no matter how long */
	{ "l", "zx.example", "a.many.l", "**.example" },
	{ "l", "r1.test", "a.re1.l", "~^r[0-9]+\\.test$" },
	{ "l", "rr.test", "a.fall.l", NULL },
	{ "l", "x.example.evil", "a.re1.l", "~X\\.EXAMPLE" },
	{ "l", "sub.test", "a.re2.l", "~^s" },
	/* what is left */
	{ "l", "nothing.test", "a.fall.l", NULL },
	{ "none", "nothing.test", "none", NULL },
	{ "star", "nothing.test", "a.star.star", "*" },
	{ "nobody", "nothing.test", "a.star.nobody", "*" },
	/* a client that names nobody */
	{ "l", "", "a.fall.l", NULL },
	{ "none", "", "none", NULL },
	{ "star", "", "a.star.star", "*" },
	{ "nobody", "", "a.quiet.nobody", NULL },
	/* a fallback brings no patterns along */
	{ "nobody", "quiet.example", "a.star.nobody", "*" },
	{ "l", "x.other", "a.fall.l", NULL },
};

START_TEST(the_most_specific_pattern_wins)
{
	struct conf *c = conf_help_text(text);
	struct route *r = route_new(c);

	ck_assert_ptr_nonnull(r);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *pattern = "unset";
		const char *got = find(c, r, cases[i].listener, cases[i].name, &pattern);

		ck_assert_msg(strcmp(got, cases[i].backend) == 0, "\"%s\" on %s: %s", cases[i].name,
		    cases[i].listener, got);
		if (cases[i].pattern == NULL)
			ck_assert_msg(pattern == NULL, "\"%s\": pattern %s", cases[i].name, pattern);
		else
			ck_assert_str_eq(pattern, cases[i].pattern);
		ck_assert_str_eq(find(c, r, cases[i].listener, cases[i].name, NULL), got);
	}
	route_free(r);
	conf_free(c);
}
END_TEST

START_TEST(a_name_need_not_end_in_a_nul)
{
	struct conf *c = conf_help_text(text);
	struct route *r = route_new(c);
	const char *pattern;

	ck_assert_int_ge(route_find(r, 0, "r1.testX", 7, &pattern), 0);
	ck_assert_str_eq(pattern, "~^r[0-9]+\\.test$");
	ck_assert_int_ge(route_find(r, 0, "a.x.exampleX", 11, &pattern), 0);
	ck_assert_str_eq(pattern, "a.x.example");
	route_free(r);
	conf_free(c);
}
END_TEST

START_TEST(no_patterns_at_all)
{
	struct conf *c = conf_help_text("");
	struct route *r = route_new(c);

	ck_assert_ptr_nonnull(r);
	ck_assert_int_eq(route_find(r, 0, "a.example", 9, NULL), -1);
	ck_assert_int_eq(route_find(r, 2, "", 0, NULL), -1);
	route_free(r);
	route_free(NULL);
	conf_free(c);
}
END_TEST

/* ---- many names --------------------------------------------------------- */

static struct conf *
with_names(unsigned n)
{
	char *out = NULL;
	size_t len;
	FILE *f = open_memstream(&out, &len);
	struct conf *c;

	fputs("cluster \"a\" {\n", f);
	for (unsigned i = 0; i < n; i++)
		fprintf(f, "service \"s%u\" { listeners = {\"https\"} hosts = {\"%sn%u.x.example\"} servers = {\"10.0.0.1\"} }\n",
		    i, i % 2 == 0 ? "" : "*.", i);
	fputs("}\n", f);
	fclose(f);
	c = conf_help_text(out);
	free(out);
	return c;
}

static double
seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* The time of a look-up among n names; each must find its own. */
static double
time_look_up(unsigned n)
{
	struct conf *c = with_names(n);
	struct route *r = route_new(c);
	double begin = seconds();
	char name[64];

	for (unsigned i = 0; i < 100000; i++) {
		unsigned want = i % n;
		int len = snprintf(name, sizeof(name), "%sn%u.x.example", want % 2 == 0 ? "" : "q.", want);

		ck_assert_int_eq(route_find(r, 1, name, (size_t)len, NULL), (int)want);
	}
	begin = seconds() - begin;
	ck_assert_int_eq(route_find(r, 1, "n1.x.example", 12, NULL), -1);
	route_free(r);
	conf_free(c);
	return begin;
}

START_TEST(ten_thousand_names_cost_as_one)
{
	double few = time_look_up(10), many = time_look_up(10000);

	/* What grows is the cache that the table needs; a list would take 1000 times as long. */
	ck_assert_msg(many < few * 20, "10 names: %.3f s, 10000: %.3f s", few, many);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("route");
	TCase *t = tcase_create("route");

	tcase_add_checked_fixture(t, conf_help_setup, conf_help_teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, the_most_specific_pattern_wins);
	tcase_add_test(t, a_name_need_not_end_in_a_nul);
	tcase_add_test(t, no_patterns_at_all);
	tcase_add_test(t, ten_thousand_names_cost_as_one);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	SRunner *r = srunner_create(suite());
	int failed;

	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
