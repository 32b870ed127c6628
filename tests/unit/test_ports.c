/* SPDX-License-Identifier: ISC */
/* Which ports a configuration makes a process connect to. */
#include "config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf_help.h"
#include "daemon/ports.h"

#define COUNT(a)	((int)(sizeof(a) / sizeof(*(a))))

static const char text[] =
    "listener \"https\" { bind = {\"*:443\"} protocol = \"tls\" }\n"
    "listener \"http\"  { bind = {\"*:80\"} protocol = \"http\" }\n"
    "listener \"stats\" { bind = {\"127.0.0.1:50000\"} protocol = \"stats\" }\n"
    "cluster \"one\" {\n"
    "  service \"a\" { listeners = {\"https\", \"http\"} hosts = {\"a.example\"}\n"
    "    servers = {\"10.0.0.1\", \"x=10.0.0.2:8443\", \"node.example:9443\"} }\n"
    "  service \"b\" { listeners = {\"https\"} hosts = {\"b.example\"}\n"
    "    servers = {\"10.0.0.1:8443\"} check { type = \"tcp\" port = 1936 } }\n"
    "  service \"c\" { listeners = {\"https\"} hosts = {\"c.example\"}\n"
    "    servers = {\"10.0.0.1:65535\"} check { type = \"none\" } }\n"
    "}\n";

static const struct {
	const char *listener;	/* NULL: all probes */
	const char *ports;
} cases[] = {
	{ "https", "443 8443 9443 65535 " },
	{ "http", "80 8443 9443 " },
	{ "stats", "" },
	{ NULL, "80 443 1936 8443 9443 " },
};

START_TEST(ports_by_configuration)
{
	struct conf *c = conf_help_text(text);
	char got[256] = "";
	struct ports p;

	if (cases[_i].listener != NULL)
		ck_assert_int_eq(ports_of_listener(c,
		    (unsigned)conf_find_listener(c, cases[_i].listener), &p), 0);
	else
		ck_assert_int_eq(ports_of_checks(c, &p), 0);
	for (unsigned i = 0; i < p.n; i++)
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%u ", p.port[i]);
	ck_assert_str_eq(got, cases[_i].ports);
	ports_free(&p);
	conf_free(c);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ports");
	TCase *t = tcase_create("ports");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, conf_help_setup, conf_help_teardown);
	tcase_add_loop_test(t, ports_by_configuration, 0, COUNT(cases));
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
