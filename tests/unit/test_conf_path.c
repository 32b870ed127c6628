/* SPDX-License-Identifier: ISC */
/* Paths in a configuration: where relative ones start, and files of certificates. */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf_help.h"

#define PEM	"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
#define CHECK(file) \
	"cluster \"a\" {\n service \"https\" {\n hosts = {\"a.example\"}\n servers = {\"10.0.0.1\"}\n" \
	" check { type = \"https\"\n ca-file = \"" file "\" }\n }\n}\n"

/* ---- relative paths ------------------------------------------------------ */

static char dir[256];		/* the test's own; what is included lies there too */

static void
ends_like(const char *path, const char *name)
{
	char want[512];

	snprintf(want, sizeof(want), "%s/%s", dir, name);
	ck_assert_str_eq(path, want);
}

static void
check_paths(const char *path)
{
	static struct said said;
	struct conf *c = conf_help_load(path, &said);

	ck_assert_msg(c != NULL, "%s", said.error[0]);
	ends_like(c->pid_file, "run/d.pid");
	ends_like(c->control, "d.sock");
	ends_like(c->log.path, "d.log");
	ck_assert_int_eq(strncmp(c->log.text, "file:/", 6), 0);
	ends_like(c->log.text + 5, "d.log");
	ends_like(c->listener[0].bind[0].path, "u.sock");
	ends_like(c->listener[0].bind[0].text + 5, "u.sock");
	ck_assert_str_eq(c->listener[0].bind[1].path, "/u.sock");
	ends_like(c->service[0].check.ca_file, "ca.pem");
	conf_free(c);
}

START_TEST(relative_paths_start_at_the_file)
{
	const char *path;

	conf_help_file("ca.pem", PEM);
	path = conf_help_file("f", "pid-file = \"run/d.pid\" log = \"file:d.log\"\n"
	    "listener \"https\" { bind = {\"unix:u.sock\", \"unix:/u.sock\"} protocol = \"tls\" }\n"
	    "include(\"b.inc\")\n");
	conf_help_file("b.inc", "control = \"d.sock\"\n"
	    "cluster \"a\" { service \"https\" { hosts = {\"a.example\"} servers = {\"10.0.0.1:1\"}\n"
	    "check { type = \"https\" ca-file = \"ca.pem\" } } }\n");
	snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(path, '/') - path), path);
	check_paths(path);
	ck_assert_int_eq(chdir(dir), 0);
	check_paths("f");
	ck_assert_int_eq(chdir("/"), 0);
	check_paths(path + 1);
}
END_TEST

/* ---- certificates ---------------------------------------------------------- */

static const struct {
	const char *text, *said;	/* behind the path; NULL: nothing */
} files[] = {
	{ PEM, NULL },
	{ "subject=CN = x\n-----BEGIN TRUSTED CERTIFICATE-----\nMIIB\n", NULL },
	{ "-----BEGIN X509 CERTIFICATE-----\r\n", NULL },
	{ "", "there is no certificate in it (PEM, -----BEGIN CERTIFICATE-----)" },
	{ "root:x:0:0:root:/root:/bin/sh\n", "there is no certificate in it..." },
	{ "-----BEGIN PRIVATE KEY-----\n", "there is no certificate in it..." },
	{ "x -----BEGIN CERTIFICATE-----\n", "there is no certificate in it..." },
};

START_TEST(certificates_are_looked_for)
{
	static struct said said;
	struct conf *c;
	char want[512];

	snprintf(want, sizeof(want), "%s", conf_help_file("ca.pem", files[_i].text));
	c = conf_help_load(conf_help_file("f", CHECK("ca.pem")), &said);
	if (files[_i].said == NULL) {
		ck_assert_msg(c != NULL, "%s", said.error[0]);
	} else {
		char full[1024];

		snprintf(full, sizeof(full), "f:6: ca-file = \"%s\": %s", want, files[_i].said);
		ck_assert_ptr_null(c);
		ck_assert_msg(conf_help_says(said.error[0], full), "%s", said.error[0]);
	}
	ck_assert_uint_eq(said.nerror, files[_i].said != NULL);
	conf_free(c);
}
END_TEST

START_TEST(not_every_path_is_a_file)
{
	static struct said said;

	ck_assert_ptr_null(conf_help_load(conf_help_file("f", CHECK("/")), &said));
	ck_assert_str_eq(said.error[0], "f:6: ca-file = \"/\": a directory, where a file of certificates is due");
	ck_assert_ptr_null(conf_help_load(conf_help_file("f", CHECK("/dev/null")), &said));
	ck_assert_str_eq(said.error[0], "f:6: ca-file = \"/dev/null\": not a file");
	ck_assert_uint_eq(said.nerror, 1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("conf_path");
	TCase *t = tcase_create("paths");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, conf_help_setup, conf_help_teardown);
	tcase_add_test(t, relative_paths_start_at_the_file);
	tcase_add_loop_test(t, certificates_are_looked_for, 0, (int)(sizeof(files) / sizeof(files[0])));
	tcase_add_test(t, not_every_path_is_a_file);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
