/* SPDX-License-Identifier: ISC */
/* What a configuration may say, but hardly means; and that it loads all the same. */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "conf_help.h"

#define OK	CONF_HELP_CLUSTER("ok", "\"ok.example\"")
#define WEB(what) "listener \"web\" { bind = {\"*:1\"} protocol = \"tls\" " what " } listener \"https\" { bind = {\"*:443\"} protocol = \"tls\" }\n"
#define IN_SERVICE(what) \
	"cluster \"a\" {\n service \"https\" {\n hosts = {\"a.example\"}\n servers = {\"10.0.0.1\"}\n" what "\n }\n}\n"

static const struct {
	const char *name, *text, *warning;	/* a part of the only warning; NULL: none */
} warned[] = {
	{ "nothing", CONF_HELP_CLUSTER("a", "\"a.x.example\", \"*.apps.x.example\"") CONF_HELP_CLUSTER("b", "\"a.y.example\", \"*.apps.y.example\""), NULL },
	{ "a name in the same cluster's wildcard", CONF_HELP_CLUSTER("a", "\"a.x.example\", \"*.x.example\""), NULL },
	{ "a name in another's deep wildcard", CONF_HELP_CLUSTER("a", "\"**.x.example\"") CONF_HELP_CLUSTER("b", "\"a.b.x.example\""),
	  "f:2: warning: hosts = \"a.b.x.example\": on listener \"https\" cluster \"b\" takes this from \"**.x.example\" of cluster \"a\" (line 1)" },
	{ "a wildcard in another's deep wildcard", CONF_HELP_CLUSTER("a", "\"**.x.example\"") CONF_HELP_CLUSTER("b", "\"*.b.x.example\""),
	  "hosts = \"*.b.x.example\": on listener \"https\" cluster \"b\" takes this from" },
	{ "too deep for a wildcard", CONF_HELP_CLUSTER("a", "\"*.x.example\"") CONF_HELP_CLUSTER("b", "\"a.b.x.example\""), NULL },
	{ "the apex is not in the wildcard", CONF_HELP_CLUSTER("a", "\"*.x.q.example\"") CONF_HELP_CLUSTER("b", "\"x.q.example\""), NULL },
	{ "a name in another's regex", CONF_HELP_CLUSTER("a", "\"~^a[0-9]+\\\\.x\\\\.example$\"") CONF_HELP_CLUSTER("b", "\"a1.x.example\""),
	  "hosts = \"a1.x.example\": on listener" },
	{ "a regex behind a wildcard", CONF_HELP_CLUSTER("a", "\"*.x.example\", \"~^[^\\\\.]+\\\\.x\\\\.example$\""), "no name gets here, for \"*.x.example\"" },
	{ "a regex behind a name", CONF_HELP_CLUSTER("a", "\"a.x.example\", \"~^a[.]x[.]example$\""), "no name gets here, for \"a.x.example\"" },
	{ "a regex behind all", CONF_HELP_CLUSTER("a", "\"~.*\", \"~b\""), "hosts = \"~b\": on listener \"https\" no name gets here" },
	{ "siblings", CONF_HELP_CLUSTER("a", "\"a.x.example\"") CONF_HELP_CLUSTER("b", "\"b.x.example\", \"c.x.example\""),
	  "hosts = \"b.x.example\": one certificate for \"*.x.example\" would cover cluster \"b\" and, with \"a.x.example\" (line 1), cluster \"a\"" },
	{ "siblings below a top level", CONF_HELP_CLUSTER("a", "\"a.example\"") CONF_HELP_CLUSTER("b", "\"b.example\""), NULL },
	{ "siblings without TLS", "cluster \"a\" { service \"http\" { hosts = {\"a.x.example\"} servers = {\"10.0.0.1\"} } }\n"
	  "cluster \"b\" { service \"http\" { hosts = {\"b.x.example\"} servers = {\"10.0.0.1\"} } }\n", NULL },
	{ "30 s are not slow", "listener \"https\" { bind = {\"*:1\"} protocol = \"tls\" check { interval = \"9s\" timeout = \"3s\" } }\n" CONF_HELP_CLUSTER("a", "\"a\""), NULL },
	{ "31 s are", "listener \"https\" { bind = {\"*:1\"} protocol = \"tls\" check { interval = \"9s\" timeout = \"4s\" } }\n" CONF_HELP_CLUSTER("a", "\"a\""),
	  "f:2: warning: backend \"a.https.https\": it can take 31 s" },
	{ "a long timeout holds the grid", "listener \"https\" { bind = {\"*:1\"} protocol = \"tls\" check { timeout = \"10s\" } }\n" CONF_HELP_CLUSTER("a", "\"a\""), "it can take 31 s" },
	{ "no check is not slow", "listener \"https\" { bind = {\"*:1\"} protocol = \"tls\" check { type = \"none\" interval = \"1h\" } }\n" CONF_HELP_CLUSTER("a", "\"a\""), NULL },

	/* keys that nothing reads */
	{ "a service's timeouts", IN_SERVICE("timeouts {\nconnect = \"1s\" idle = \"1s\" client = \"1s\" server = \"1s\" queue = \"1s\" }"), NULL },
	{ "handshake in a service", IN_SERVICE("timeouts {\nhandshake = \"1s\" }"),
	  "f:6: warning: handshake does nothing in a service: when it counts, no service is known; it may stand in a listener, or outside" },
	{ "request in a service", IN_SERVICE("timeouts {\nqueue = \"1s\"\nrequest = \"1s\" }"), "f:7: warning: request does nothing in a service" },
	{ "keep-alive in a service", IN_SERVICE("timeouts { keep-alive = \"1s\" }"), "f:5: warning: keep-alive does nothing in a service" },
	{ "handshake in a listener", WEB("timeouts { handshake = \"1s\" request = \"1s\" keep-alive = \"1s\" }") OK, NULL },
	{ "a path for tcp", IN_SERVICE("check { type = \"tcp\"\npath = \"/x\" }"),
	  "f:6: warning: path = \"/x\": a \"tcp\" check has no use for it" },
	{ "a status for tls", IN_SERVICE("check {\nstatus = \"200\" }"), "f:6: warning: status = \"200\": a \"tls\" check has no use for it" },
	{ "a host for tcp", IN_SERVICE("check { type = \"tcp\" host = \"a\" }"), "f:5: warning: host = \"a\": a \"tcp\" check" },
	{ "a host for tls is its server_name", IN_SERVICE("check { host = \"a\" }"), NULL },
	{ "a path that is the default", IN_SERVICE("check { path = \"/readyz\" host = \"\" status = \"200-399\" ca-file = \"\" }"), NULL },
	{ "all of http", IN_SERVICE("check { type = \"http\" path = \"/x\" host = \"a\" status = \"200\" }"), NULL },
	{ "a path for no check", IN_SERVICE("check { type = \"none\" path = \"/x\" }"), NULL },
	{ "a listener's path, used by one service", WEB("check { path = \"/x\" }") IN_SERVICE("listeners = {\"web\"} check { type = \"http\" }"), NULL },
	{ "a listener's path, used by none", WEB("check { path = \"/x\" }") OK, "f:1: warning: path = \"/x\": a \"tls\" check" },
	{ "a path, used on one listener", WEB("check { type = \"http\" }")
	  IN_SERVICE("listeners = {\"web\", \"https\"} check { path = \"/x\" }"), NULL },

	/* what serves nobody */
	{ "an empty file", "", "f: warning: there is no service: every client is turned away" },
	{ "nothing but statistics", "listener \"s\" { bind = {\"127.0.0.1:1\"} protocol = \"stats\" }\n", "f: warning: there is no service" },
	{ "a cluster without a service", OK "cluster \"b\" {\n}\n", "f:2: warning: cluster \"b\" has no service" },
	{ "clusters without a service", "\ncluster \"b\" { }\n", "f:2: warning: cluster \"b\" has no service" },
	{ "no weight", IN_SERVICE("server \"10.0.0.2\" { address = \"10.0.0.2\" }"), NULL },
	{ "no weight at all", "cluster \"a\" {\nservice \"https\" { hosts = {\"a\"}\nserver \"x\" { address = \"10.0.0.1\" weight = 0 }\n"
	  "server \"y\" { address = \"10.0.0.2\" weight = 0 backup = true } } }\n",
	  "f:2: warning: service \"https\": each of its servers has weight 0, so no client gets one" },

	{ "root", "\nuser = \"root\"\n" OK, "f:2: warning: user = \"root\": every process that meets a client is root's then" },
	{ "addresses of IPv6", IN_SERVICE("server \"a\" { address = \"[::1]:443\" } server \"b\" { address = \"[::1:443]\" } server \"c\" { address = \"2001:db8::443\" }\n"
	  "server \"d\" { address = \"1:2:3:4:5:6:7:8\" } server \"e\" { address = \"2001:db8::1:1ab\" } server \"f\" { address = \"fe80::1%lo\" }"), NULL },
	{ "an address that looks like a port", "cluster \"a\" { service \"https\" { hosts = {\"a\"} servers = {\"[::1]:443\",\n\"x=2001:db8::1:6443\"} } }\n",
	  "f:2: warning: servers = \"x=2001:db8::1:6443\": this is all an address; with a port write \"[2001:db8::1]:6443\", without one \"[2001:db8::1:6443]\"" },
	{ "the long form's", IN_SERVICE("server \"x\" {\naddress = \"::1:443\" }"), "f:6: warning: address = \"::1:443\": this is all" },

	{ "the article's header", "cluster \"a\" { service \"http\" { hosts = {\"a\"} servers = {\"10.0.0.1\"}\nserver-name-header = \"host\" } }\n",
	  "f:2: warning: server-name-header = \"Host\"" },
};

START_TEST(warnings)
{
	static struct said said;
	struct conf *c = conf_help_load(conf_help_file("f", warned[_i].text), &said);

	ck_assert_msg(c != NULL, "%s: %s", warned[_i].name, said.error[0]);
	ck_assert_msg(said.nwarning == (warned[_i].warning != NULL), "%s: %u warnings: %s; %s", warned[_i].name,
	    said.nwarning, said.warning[0], said.warning[1]);
	if (warned[_i].warning != NULL)
		ck_assert_msg(strstr(said.warning[0], warned[_i].warning) != NULL, "%s: %s", warned[_i].name,
		    said.warning[0]);
	conf_free(c);
}
END_TEST

/* What -T says of a file without a warning draws none either. */
START_TEST(what_is_printed_draws_no_warning)
{
	static struct said said;
	struct conf *c = conf_help_text("listener \"http\" { bind = {\"*:80\"} protocol = \"http\" }\n"
	    "cluster \"a\" { service \"http\" { hosts = {\"a\"} servers = {\"10.0.0.1\", \"[2001:db8::1:443]\"} } }\n");
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	ck_assert_int_eq(conf_print(c, f), 0);
	fclose(f);
	conf_free(c);
	c = conf_help_load(conf_help_file("f", text), &said);
	ck_assert_msg(c != NULL, "%s", said.error[0]);
	ck_assert_msg(said.nwarning == 0, "%s", said.warning[0]);
	conf_free(c);
	free(text);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("conf_warn");
	TCase *t = tcase_create("warnings");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, conf_help_setup, conf_help_teardown);
	tcase_add_loop_test(t, warnings, 0, (int)(sizeof(warned) / sizeof(warned[0])));
	tcase_add_test(t, what_is_printed_draws_no_warning);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
