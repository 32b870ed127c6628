/* SPDX-License-Identifier: ISC */
/*
 * How a value may be written, and what is said of a file whose text is not
 * what it seems: escapes, quotes, variables, ends in the middle.
 */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "conf_help.h"

#define OK	CONF_HELP_CLUSTER("ok", "\"ok.example\"")

/* The line "user = ..." of a file, and what the user is then. */
static const struct {
	const char *written, *value;
} values[] = {
	{ "durward", "durward" },
	{ "a\\.b", "a\\.b" },
	{ "\"a\\\\.b\"", "a\\.b" },
	{ "\"\\a\\b\\e\\f\\n\\r\\t\\v\"", "\a\b\033\f\n\r\t\v" },
	{ "\"\\\\ \\\" \\'\"", "\\ \" '" },
	{ "\"\\101\\x42\\x4a\\1\\12x\\377\"", "ABJ\1\nx\377" },
	{ "\"a\\\nb\"", "ab" },
	{ "\"\\${A} $\\{A}\"", "${A} ${A}" },
	{ "\"${DURWARD_TEST}|${DURWARD_NONE:-x\\.y}\"", "v\\.|x\\.y" },
	{ "${DURWARD_TEST}", "v\\." },
	{ "'~^pr-[0-9]+\\.a\\d\\\\.\\'\\n${A}$'", "~^pr-[0-9]+\\.a\\d\\.'\\n${A}$" },
	{ "'a\\\nb'", "ab" },
	{ "\"\xef\xbb\xbfx\"", "\xef\xbb\xbfx" },
	{ "\"x\" # \"\\d\"\n/* \"\\. */", "x" },
};

START_TEST(value_is_read)
{
	char text[256];
	struct conf *c;

	setenv("DURWARD_TEST", "v\\.", 1);
	unsetenv("DURWARD_NONE");
	snprintf(text, sizeof(text), "user = %s\n", values[_i].written);
	c = conf_help_text(text);
	ck_assert_str_eq(c->user, values[_i].value);
	conf_free(c);
}
END_TEST

#define NO_ESCAPE(line, c) "f:" line ": \"\\" c "\" is no escape between double quotes: write \"\\\\" c \
	"\" for a backslash, or put the whole between single quotes"

static const struct {
	const char *text;
	const char *said[4];
} cases[] = {
	{ "user = \"a\\.b\"\n", { NO_ESCAPE("1", ".") } },
	{ "cluster \"a\" { service \"https\" { servers = {\"10.0.0.1\"}\nhosts = {\"a.example\", # \"\\q\"\n"
	  "'~\\.', \"~^pr-[0-9]+\\.example$\", \"~\\d\" } } }\n", { NO_ESCAPE("3", "."), NO_ESCAPE("3", "d") } },
	{ "user = \"a\n\\\n\\-\"\n", { NO_ESCAPE("3", "-") } },
	{ "user = \"\\$x \\{ \\xg \\8 \"\n",
	  { NO_ESCAPE("1", "$"), NO_ESCAPE("1", "{"), NO_ESCAPE("1", "x"), NO_ESCAPE("1", "8") } },
	{ "user = \"\\400\"\n", { NO_ESCAPE("1", "4") } },
	{ "user = \"\\1234\"\n", { NO_ESCAPE("1", "1") } },
	{ "user = \"\\0\"\n", { NO_ESCAPE("1", "0") } },
	{ "user = \"\\x00\"\n", { NO_ESCAPE("1", "x") } },
	{ "user = \"a\\\r\nb\"\n", { "f:1: a backslash before byte 0x0d is no escape..." } },
	{ "user = \"\\\303\266\"\n", { "f:1: a backslash before byte 0xc3 is no escape..." } },
	{ "bogus = \"\\.\"\n", { "f:1: unknown key \"bogus\"", NO_ESCAPE("1", ".") } },
	{ "cluster \"\\y\" { }\n", { NO_ESCAPE("1", "y") } },
	{ CONF_HELP_CLUSTER("a", "\"~\\bx\", '~y\n'"), { "f:1: hosts = \"~?x\": a control character in it...",
	  "f:2: hosts = \"~y?\": a control character in it..." } },
	/* ends in the middle */
	{ "\n\nuser", { "f:3: user: the file ends in the middle of this" } },
	{ "\nuser =\n\n", { "f:2: user: the file ends in the middle of this" } },
	{ "listener \"a\"", { "f:1: listener: the file ends in the middle of this" } },
	{ "\ncluster \"a\" {\nservice", { "f:3: service: the file ends in the middle of this" } },
	{ "listener \"a\" {\nbind = {\"*:1\",\n", { "f:2: bind: the file ends in the middle of this" } },
	{ "include(\n\n", { "f:1: include: the file ends in the middle of this" } },
	{ "\nbogus = ", { "f:2: unknown key \"bogus\"" } },

	/* keys of another place */
	{ "bind = {\"*:1\"}\ncheck { rise = 1 }\nservice \"a\" { }\nweight = 1\n",
	  { "f:1: bind belongs inside a listener section", "f:2: check belongs inside a listener or a service section",
	    "f:3: service belongs inside a cluster section", "f:4: weight belongs inside a server section" } },
	{ "cluster \"a\" {\nhosts = {\"a\"}\nbalance = \"host\" }\ntimeouts { user = \"x\" }\n",
	  { "f:2: hosts does not belong inside a cluster section, but inside a service section",
	    "f:3: balance does not belong inside a cluster section, but inside a listener or a service section",
	    "f:4: user does not belong inside a timeouts section" } },

	/* a byte order mark */
	{ "\xef\xbb\xbfuser = \"a\"\nbogus = 1\n", { "f:2: unknown key \"bogus\"" } },
	{ "\xef\xbb\xbf# x\n\xef\xbb\xbfuser = \"a\"\n", { "f:2: unknown key \"\xef\xbb\xbfuser\"" } },
	{ "user \"\\.\"\n", { NO_ESCAPE("1", "."), "f:1: missing equal sign after option 'user'" } },
};

START_TEST(mistake_is_named)
{
	static struct said said;
	unsigned n = 0;

	ck_assert_ptr_null(conf_help_load(conf_help_file("f", cases[_i].text), &said));
	for (; n < 4 && cases[_i].said[n] != NULL; n++) {
		ck_assert_msg(n < said.nerror, "%s: not said: %s", cases[_i].text, cases[_i].said[n]);
		ck_assert_msg(conf_help_says(said.error[n], cases[_i].said[n]), "%s: said: %s", cases[_i].text,
		    said.error[n]);
	}
	ck_assert_msg(said.nerror == n, "%s: said too: %s", cases[_i].text, said.error[n]);
}
END_TEST

START_TEST(a_byte_order_mark_is_nothing)
{
	struct conf *c = conf_help_text("\xef\xbb\xbfuser = \"a\"\n");

	ck_assert_str_eq(c->user, "a");
	conf_free(c);
}
END_TEST

START_TEST(included_mistake_is_named)
{
	static struct said said;

	conf_help_file("b.inc", "\ndrain-timeout = \"\\5s\"\nlog-level = \"\\ierr\"\n");
	ck_assert_ptr_null(conf_help_load(conf_help_file("f", "include(\"b.inc\")\n" OK), &said));
	ck_assert_uint_eq(said.nerror, 3);
	ck_assert_msg(conf_help_says(said.error[0], "b.inc:2: drain-timeout..."), "%s", said.error[0]);
	ck_assert_msg(conf_help_says(said.error[1], "b.inc:3: \"\\i\" is no escape..."), "%s", said.error[1]);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("conf_syntax");
	TCase *t = tcase_create("text");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, conf_help_setup, conf_help_teardown);
	tcase_add_loop_test(t, value_is_read, 0, (int)(sizeof(values) / sizeof(values[0])));
	tcase_add_loop_test(t, mistake_is_named, 0, (int)(sizeof(cases) / sizeof(cases[0])));
	tcase_add_test(t, a_byte_order_mark_is_nothing);
	tcase_add_test(t, included_mistake_is_named);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
