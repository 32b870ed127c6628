/* SPDX-License-Identifier: ISC */
/* What a configuration may not say, and how it is told: each mistake once,
 * with file and line, all of them together. */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "conf_help.h"

#define API	"listener \"https\" { bind = {\"*:443\"} protocol = \"tls\" }\n"
#define WEB	"listener \"http\" { bind = {\"*:80\"} protocol = \"http\" }\n"
#define OK	CONF_HELP_CLUSTER("ok", "\"ok.example\"")
#define IN_SERVICE(what) \
	"cluster \"a\" {\n service \"https\" {\n hosts = {\"a.example\"}\n servers = {\"10.0.0.1\"}\n" what "\n }\n}\n"
#define IN_CHECK(what)	IN_SERVICE("check {\n" what "\n}")

static const struct {
	const char *name;
	const char *text;
	const char *said[8];	/* each message's beginning, "..." stands for anything */
} cases[] = {
	/* keys */
	{ "unknown key", "bogus = 1\n", { "f:1: unknown key \"bogus\"" } },
	{ "unknown keys are all named", "a = 1\nb = {\"x\", \"y\"}\nc += {1}\nd \"t\" { x = 1 y { } }\ne(\"x\")\n",
	  { "f:1: unknown key \"a\"", "f:2: unknown key \"b\"", "f:3: unknown key \"c\"",
	    "f:4: unknown key \"d\"", "f:5: unknown key \"e\"" } },
	{ "unknown key in a section", "timeouts {\n\n pause = \"1s\" }\n",
	  { "f:3: unknown key \"pause\" in a timeouts section" } },
	{ "a key in the wrong section", "timeouts { log = \"stderr\" }\n",
	  { "f:1: log does not belong inside a timeouts section" } },
	{ "the mark of sections is no key", "@ = \"x\"\n", { "f:1: unknown key \"@\"" } },
	{ "a key twice", "user = \"a\"\nuser = \"b\"\n", { "f:2: user is given twice, first on line 1" } },
	{ "a list twice", "listener \"https\" { bind = {\"*:1\"}\n bind = {\"*:2\"} protocol = \"tls\" }\n",
	  { "f:2: bind is given twice, first on line 1" } },
	{ "a section twice", "timeouts { idle = \"1s\" }\n\ntimeouts { idle = \"2s\" }\n",
	  { "f:3: timeouts is given twice, first on line 1" } },
	{ "a list where one value goes", "user = {\"a\", \"b\"}\n", { "f:1: user takes one value, not a list" } },
	{ "comments do not shift lines", "# one\n// two\n/* three\n four */ # five\nbogus = 1 # six\nfalse = 1\n",
	  { "f:5: unknown key \"bogus\"", "f:6: unknown key \"false\"" } },

	/* syntax */
	{ "unquoted star", "listener \"https\" { bind = {*:443} protocol = \"tls\" }\n",
	  { "f:1: \"*\" has no meaning here; is a quote missing?", "f:1: bind = \":443\": ..." } },
	{ "a string without end", "\nuser = \"x\n\n", { "f:2: a string that begins here does not end" } },
	{ "a comment without end", "\n\n/* x\n\n", { "f:3: a comment that begins here does not end" } },
	{ "a section without end", "cluster \"a\" {\n service \"https\" {\n }\n",
	  { "f:1: cluster: its closing brace is missing" } },
	{ "a brace too many", "user = \"a\"\n}\n", { "f:2: ..." } },
	{ "no equal sign", "\nuser \"a\"\n", { "f:2: missing equal sign after option 'user'" } },
	{ "a name is missing", "listener { bind = {\"*:443\"} protocol = \"tls\" }\n",
	  { "f:1: listener: a name is missing..." } },
	{ "data is no format", "%s%n = 1\nuser = {\"%s\"}\n",
	  { "f:1: unknown key \"%s%n\"", "f:2: user takes one value..." } },

	/* values */
	{ "a duration without a unit", "drain-timeout = \"5\"\n",
	  { "f:1: drain-timeout = \"5\": a unit is missing..." } },
	{ "a bare duration without a unit", "drain-timeout = 5\n", { "f:1: drain-timeout = \"5\": a unit..." } },
	{ "an unknown unit", "drain-timeout = \"5y\"\n", { "f:1: drain-timeout = \"5y\": a duration..." } },
	{ "a fraction", "drain-timeout = \"1.5s\"\n", { "f:1: drain-timeout = \"1.5s\": a duration..." } },
	{ "a negative duration", "drain-timeout = \"-1s\"\n", { "f:1: drain-timeout = \"-1s\": a duration..." } },
	{ "an endless duration", "drain-timeout = \"25d\"\n", { "f:1: drain-timeout = \"25d\": more than 24 days" } },
	{ "a number with letters", "max-connections = 10x\n", { "f:1: max-connections = \"10x\": not a whole number" } },
	{ "a huge number", "max-connections = 99999999999999999999\n", { "f:1: max-connections = \"99999999999999999999\": too large a number" } },
	{ "a huge duration", "drain-timeout = 99999999999999999999s\n", { "f:1: drain-timeout = \"99999999999999999999s\": more than 24 days" } },
	{ "a duration out of range", "resolve-interval = \"500ms\"\n", { "f:1: resolve-interval = \"500ms\": it must lie between 1s and 1d" } },
	{ "no duration in range", "tcp-keepalive = \"10h\"\n", { "f:1: tcp-keepalive = \"10h\": it must lie between 0s and 32767s" } },
	{ "a number out of range", "max-connections = 0\n",
	  { "f:1: max-connections = \"0\": it must lie between 1 and 1000000" } },
	{ "keep-alive below a second", "tcp-keepalive = \"500ms\"\n", { "f:1: tcp-keepalive = \"500ms\": ..." } },
	{ "an unknown word lists the known", "log-level = \"loud\"\n",
	  { "f:1: log-level = \"loud\": expected \"err\", \"warning\", \"notice\", \"info\" or \"debug\"" } },
	{ "an unknown facility", "log = \"syslog:local9\"\n", { "f:1: log = \"syslog:local9\": no such syslog facility" } },
	{ "an unknown log", "log = \"journal\"\n", { "f:1: log = \"journal\": expected ..." } },
	{ "udp without a facility", "log = \"udp:127.0.0.1:514\"\n", { "f:1: log = ..." } },
	{ "spares upside down", "spare-workers { min = 9 max = 8 }\n", { "f:1: spare-workers: min = 9 is more..." } },

	/* listeners */
	{ "no port", "listener \"https\" { bind = {\"1.2.3.4\"} protocol = \"tls\" }\n", { "f:1: bind = \"1.2.3.4\": expected..." } },
	{ "port 0", "listener \"https\" { bind = {\"*:0\"} protocol = \"tls\" }\n", { "f:1: bind = \"*:0\": a port..." } },
	{ "port 65536", "listener \"https\" { bind = {\"*:65536\"} protocol = \"tls\" }\n", { "f:1: bind = \"*:65536\": a port..." } },
	{ "a bad address", "listener \"https\" { bind = {\"1.2.3:1\"} protocol = \"tls\" }\n", { "f:1: bind = \"1.2.3:1\": expected..." } },
	{ "IPv6 without brackets", "listener \"https\" { bind = {\"2001:db8::1\"} protocol = \"tls\" }\n", { "f:1: bind = ..." } },
	{ "a name of a host", "listener \"https\" { bind = {\"localhost:1\"} protocol = \"tls\" }\n", { "f:1: bind = ..." } },
	{ "each bad bind of a list with its line", "listener \"https\" { bind = {\"x\",\n\"*:443\",\n\"y\"} protocol = \"tls\" }\n",
	  { "f:1: bind = \"x\": ...", "f:3: bind = \"y\": ..." } },
	{ "bind is missing", "\nlistener \"https\" { protocol = \"tls\" }\n", { "f:2: listener \"https\": bind is missing" } },
	{ "protocol is missing", "\nlistener \"https\" { bind = {\"*:443\"} }\n", { "f:2: listener \"https\": protocol is missing" } },
	{ "an unknown protocol", "listener \"https\" { bind = {\"*:443\"} protocol = \"ftp\" }\n",
	  { "f:1: protocol = \"ftp\": expected \"tls\", \"http\" or \"stats\"" } },
	{ "two listeners of one name", API "listener \"https\" { bind = {\"*:444\"} protocol = \"tls\" }\n",
	  { "f:2: listener \"https\" is there twice, first on line 1" } },
	{ "two listeners of one address", API "listener \"b\" { bind = {\"1.2.3.4:9\", \"[::]:443\"} protocol = \"tls\" }\n",
	  { "f:2: bind = \"[::]:443\": listener \"https\" (line 1) has this address already" } },
	{ "one address in two spellings", "listener \"https\" { bind = {\"[::1]:9\",\n \"[0:0::1]:9\"} protocol = \"tls\" }\n",
	  { "f:2: bind = \"[0:0::1]:9\": listener \"https\"..." } },
	{ "one address beside all", API "listener \"b\" { bind = {\"127.0.0.1:443\", \"127.0.0.1:444\"} protocol = \"tls\" }\n",
	  { "f:2: bind = \"127.0.0.1:443\": listener \"https\" (line 1) is on this port already, and..." } },
	{ "all beside one address", "listener \"https\" { bind = {\"[::1]:9\",\n \"*:9\"} protocol = \"tls\" }\n",
	  { "f:2: bind = \"*:9\": listener \"https\" (line 1) is on..." } },
	{ "all of IPv4 beside one", "listener \"https\" { bind = {\"0.0.0.0:9\",\n \"[::1]:9\",\n \"1.2.3.4:9\"} protocol = \"tls\" }\n",
	  { "f:3: bind = \"1.2.3.4:9\": listener \"https\" (line 1) is on..." } },
	{ "one socket twice", "listener \"https\" { bind = {\"unix:/a\", \"unix:/a\"} protocol = \"tls\" }\n", { "f:1: bind = \"unix:/a\": ..." } },
	{ "a bad name", "listener \"a.b\" { bind = {\"*:443\"} protocol = \"tls\" }\n", { "f:1: listener \"a.b\": a name is made of..." } },
	{ "a key of another protocol", "listener \"https\" { bind = {\"*:443\"} protocol = \"tls\"\n uri = \"/\" }\n",
	  { "f:2: uri: a tls listener has no such key" } },
	{ "a check on statistics", "listener \"s\" { bind = {\"127.0.0.1:1\"} protocol = \"stats\" check { rise = 1 } }\n",
	  { "f:1: check: a stats listener has no such key" } },
	{ "statistics where metrics are", "listener \"s\" { bind = {\"127.0.0.1:1\"} protocol = \"stats\"\nuri = \"/metrics\" }\n",
	  { "f:2: uri = \"/metrics\": something else is there..." } },
	{ "statistics where health is", "listener \"s\" { bind = {\"127.0.0.1:1\"} protocol = \"stats\"\nuri = \"/healthz?x\" }\n",
	  { "f:2: uri = \"/healthz?x\": something else is there..." } },
	{ "open statistics", "listener \"s\" { bind = {\"127.0.0.1:1\", \"*:2\"} protocol = \"stats\" }\n",
	  { "f:1: listener \"s\": without user and password..." } },
	{ "statistics on every IPv4 address", "listener \"s\" { bind = {\"0.0.0.0:1\"} protocol = \"stats\" }\n",
	  { "f:1: listener \"s\": without user and password..." } },
	{ "a password without a user", "listener \"s\" { bind = {\"*:1\"} protocol = \"stats\" password = \"x\" }\n",
	  { "f:1: listener \"s\": a password without a user" } },
	{ "a hash that is none", "listener \"s\" { bind = {\"*:1\"} protocol = \"stats\" user = \"a\" password = \"$zz$q\" }\n",
	  { "f:1: password: it begins like a crypt(3) hash..." } },
	{ "a bad network", "listener \"https\" { bind = {\"*:1\"} protocol = \"tls\" allow = {\"10.0.0.0/33\"} }\n", { "f:1: allow = \"10.0.0.0/33\": ..." } },
	{ "bits behind the prefix", "listener \"https\" { bind = {\"*:1\"} protocol = \"tls\"\n deny = {\"10.0.0.1/8\"} }\n",
	  { "f:2: deny = \"10.0.0.1/8\": ..." } },
	{ "a default that is not there", "listener \"https\" { bind = {\"*:1\"} protocol = \"tls\" default = \"ok.nope\"\n no-name = \"ok\" }\n" OK,
	  { "f:1: default = \"ok.nope\": there is no such CLUSTER.SERVICE", "f:2: no-name = \"ok\": ..." } },

	/* services */
	{ "two clusters of one name", OK CONF_HELP_CLUSTER("ok", "\"b.example\""), { "f:2: cluster \"ok\" is there twice, first on line 1" } },
	{ "two services of one name", "cluster \"a\" { service \"https\" { hosts = {\"a\"} servers = {\"10.0.0.1\"} }\n"
	  "service \"https\" { hosts = {\"b\"} servers = {\"10.0.0.1\"} } }\n", { "f:2: service \"https\" is there twice, first on line 1" } },
	{ "two servers of one name", IN_SERVICE("server \"x\" { address = \"1.1.1.1\" }\n server \"x\" { address = \"1.1.1.2\" }"),
	  { "f:6: server \"x\" is there twice, first on line 5" } },
	{ "no such listener", "cluster \"a\" { service \"s\" { listeners = {\"https\",\n \"nope\"} hosts = {\"a\"} servers = {\"10.0.0.1\"} } }\n",
	  { "f:2: listeners = \"nope\": there is no listener of this name" } },
	{ "no listener of the service's name", "cluster \"a\" {\n service \"s\" { hosts = {\"a\"} servers = {\"10.0.0.1\"} } }\n",
	  { "f:2: service \"s\": there is no listener of this name..." } },
	{ "a listener twice", "cluster \"a\" { service \"s\" { listeners = {\"http\", \"http\"} hosts = {\"a\"} servers = {\"10.0.0.1\"} } }\n",
	  { "f:1: listeners: \"http\" is there twice" } },
	{ "a stats listener", API "listener \"s\" { bind = {\"127.0.0.1:1\"} protocol = \"stats\" }\n"
	  "cluster \"a\" { service \"s\" { hosts = {\"a\"} servers = {\"10.0.0.1\"} } }\n", { "f:3: listeners = \"s\": a stats listener serves no service" } },
	{ "neither hosts nor servers", "cluster \"a\" {\n service \"https\" { } }\n",
	  { "f:2: service \"https\" has no hosts", "f:2: service \"https\" has no servers" } },
	{ "empty lists", "cluster \"a\" {\n service \"https\" { listeners = {} hosts = {} servers = {} } }\n",
	  { "f:2: service \"https\": an empty list of listeners", "f:2: service \"https\" has no hosts", "f:2: service \"https\" has no servers" } },
	{ "one pattern twice", CONF_HELP_CLUSTER("a", "\"x.example\"") CONF_HELP_CLUSTER("b", "\"X.Example.\""),
	  { "f:2: hosts = \"x.example\": listener \"https\" has this pattern on line 1 already" } },
	{ "one pattern twice in a list", CONF_HELP_CLUSTER("a", "\"~x\", \"~x\""), { "f:1: hosts = \"~x\": listener \"https\"..." } },
	{ "names that are none", CONF_HELP_CLUSTER("a", "\"a..b\", \"a b\", \"a:443\", \"*a.b\", \"a.*.b\", \"\", \"***.a\", \"*.\""),
	  { "f:1: hosts = \"a..b\": not a host name", "f:1: hosts = \"a b\": not a host name",
	    "f:1: hosts = \"a:443\": a port is not part of a host name", "f:1: hosts = \"*a.b\": a wildcard is...",
	    "f:1: hosts = \"a.*.b\": a wildcard is...", "f:1: hosts = \"\": not a host name",
	    "f:1: hosts = \"***.a\": a wildcard is...", "f:1: hosts = \"*.\": a wildcard is..." } },
	{ "an IPv6 address that is none", CONF_HELP_CLUSTER("a", "\"[::1\", \"[::g]\", \"[::1]:80\", \"[\""),
	  { "f:1: hosts = \"[::1\": not an IPv6...", "f:1: hosts = \"[::g]\": not an IPv6...",
	    "f:1: hosts = \"[::1]:80\": not an IPv6...", "f:1: hosts = \"[\": not an IPv6..." } },
	{ "what is no name alone", CONF_HELP_CLUSTER("a", "\"2001:db8::1\", \"https://a.b\", \"a.b/c\", \"a.b:443\""),
	  { "f:1: hosts = \"2001:db8::1\": an IPv6 address stands in brackets here, as in \"[2001:db8::1]\"",
	    "f:1: hosts = \"https://a.b\": a scheme, as \"https://\", is not part of a host name",
	    "f:1: hosts = \"a.b/c\": a path is not part of a host name",
	    "f:1: hosts = \"a.b:443\": a port is not part of a host name" } },
	{ "a bad regex", CONF_HELP_CLUSTER("a", "\"~a(b\""), { "f:1: hosts = \"~a(b\": ..." } },
	{ "an empty regex", CONF_HELP_CLUSTER("a", "\"x.example\",\n\"~\""),
	  { "f:2: hosts = \"~\": a regular expression is missing; for every name, write \"*\"" } },
	{ "bad addresses", "cluster \"a\" { service \"https\" { hosts = {\"a\"} servers = {\"1.2.3.256\", \"a b\", \"1.2.3.4:0\", \"=1.2.3.4\",\n\"a/b=1.2.3.4\", \"x=\"} } }\n",
	  { "f:1: servers = \"1.2.3.256\": not an address, nor a DNS name", "f:1: servers = \"a b\": ...", "f:1: servers = \"1.2.3.4:0\": a port...",
	    "f:1: servers = \"=1.2.3.4\": a server's name...", "f:2: servers = \"a/b=1.2.3.4\": a server's name...", "f:2: servers = \"x=\": ..." } },
	{ "a server without an address", IN_SERVICE("server \"x\" { weight = 1 }"), { "f:5: server \"x\": address is missing" } },
	{ "a weight too high", IN_SERVICE("server \"x\" { address = \"1.1.1.1\"\n weight = 257 }"), { "f:6: weight = \"257\": it must lie between 0 and 256" } },
	{ "fewer than no retries", IN_SERVICE("retries = -1"), { "f:5: retries = \"-1\": not a whole number" } },
	{ "an unknown balance", IN_SERVICE("balance = \"random\""), { "f:5: balance = \"random\": expected \"source\", \"host\", \"roundrobin\" or \"leastconn\"" } },
	{ "an unknown on-down", IN_SERVICE("on-down = \"wait\""), { "f:5: on-down = \"wait\": expected \"keep\" or \"close\"" } },
	{ "forwarded-for on TLS", IN_SERVICE("forwarded-for = true"), { "f:5: forwarded-for: service \"https\" has no http listener..." } },
	{ "a header that is none", "cluster \"a\" { service \"http\" { hosts = {\"a\"} servers = {\"10.0.0.1\"}\n server-name-header = \"a b\" } }\n",
	  { "f:2: server-name-header = \"a b\": ..." } },
	{ "a header that frames", "cluster \"a\" { service \"http\" { hosts = {\"a\"} servers = {\"10.0.0.1\"}\n server-name-header = \"content-Length\" } }\n",
	  { "f:2: server-name-header = \"content-Length\": ..." } },
	{ "a header of one hop", "cluster \"a\" { service \"http\" { hosts = {\"a\"} servers = {\"10.0.0.1\"}\n server-name-header = \"Connection\" } }\n",
	  { "f:2: server-name-header = \"Connection\": ..." } },
	{ "no paths", "pid-file = \"\"\ncontrol = \"\"\n" OK, { "f:1: pid-file = \"\": a path is missing", "f:2: control = \"\": a path is missing" } },
	{ "a path too long for a socket", "control = \"/1234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\"\n" OK,
	  { "f:1: control = ..." } },
	{ "no names", "listener \"\" { bind = {\"*:1\"} }\n", { "f:1: listener: a name is missing...", "f:1: listener \"\": protocol is missing" } },
	{ "a server of no name", IN_SERVICE("server '' { address = \"1.1.1.1\" }"), { "f:5: server: a name is missing..." } },
	{ "neither true nor false", "cluster \"a\" { service \"http\" { hosts = {\"a\"} servers = {\"10.0.0.1\"} forwarded-for = maybe } }\n",
	  { "f:1: forwarded-for = \"maybe\": expected true or false" } },
	{ "a unix listener gives no port", "listener \"https\" { bind = {\"unix:/s\"} protocol = \"tls\" }\n" OK, { "f:2: server \"10.0.0.1\" needs a port..." } },

	/* checks */
	{ "an unknown check", IN_CHECK("type = \"ping\""), { "f:6: type = \"ping\": expected \"tls\", \"tcp\", \"http\", \"https\" or \"none\"" } },
	{ "rise and fall", IN_CHECK("rise = 0\n fall = 0"), { "f:6: rise = \"0\": it must lie...", "f:7: fall = \"0\": it must lie..." } },
	{ "a path that is none", IN_CHECK("path = \"readyz\""), { "f:6: path = \"readyz\": ..." } },
	{ "a line break in a path", IN_CHECK("path = \"/a\\r\\nX: y\""), { "f:6: path = ..." } },
	{ "a status that is none", IN_CHECK("status = \"2xx\""), { "f:6: status = \"2xx\": ..." } },
	{ "a status upside down", IN_CHECK("status = \"399-200\""), { "f:6: status = ..." } },
	{ "a check's port", IN_CHECK("port = 65536"), { "f:6: port = \"65536\": ..." } },
	{ "a check's host", IN_CHECK("host = \"a b\""), { "f:6: host = \"a b\": not a host name" } },
	{ "certificates that are not there", IN_CHECK("ca-file = \"/nonexistent/ca.pem\""), { "f:6: ca-file = \"/nonexistent/ca.pem\": No such file or directory" } },

	{ "everything at once", "max-connections = ten\nlog-level = \"x\"\n" WEB "cluster \"a\" { service \"http\" { hosts = {\"a..b\"}\n servers = {\"1.2.3.256\"} retries = x } }\n",
	  { "f:1: max-connections...", "f:2: log-level...", "f:4: hosts...", "f:5: retries...", "f:5: servers..." } },
};

START_TEST(every_mistake_is_named)
{
	static struct said said;
	unsigned n = 0;

	ck_assert_ptr_null(conf_help_load(conf_help_file("f", cases[_i].text), &said));
	for (; n < 8 && cases[_i].said[n] != NULL; n++) {
		ck_assert_msg(n < said.nerror, "%s: not said: %s", cases[_i].name, cases[_i].said[n]);
		ck_assert_msg(conf_help_says(said.error[n], cases[_i].said[n]), "%s: said: %s", cases[_i].name,
		    said.error[n]);
	}
	ck_assert_msg(said.nerror == n, "%s: said too: %s", cases[_i].name, said.error[n]);
}
END_TEST

START_TEST(a_broken_file_leaves_the_next_one_alone)
{
	static struct said said;

	ck_assert_ptr_null(conf_help_load(conf_help_file("f", "user = \"${"), &said));
	ck_assert_ptr_null(conf_help_load(conf_help_file("f", "cluster \"a\" { user = "), &said));
	ck_assert_ptr_null(conf_help_load(conf_help_file("f", "include(\"g\")\n"), &said));
	conf_free(conf_help_text(OK));
}
END_TEST

START_TEST(files_that_are_none)
{
	static struct said said;

	ck_assert_ptr_null(conf_help_load("/nonexistent/f", &said));
	ck_assert_str_eq(said.error[0], "/nonexistent/f: No such file or directory");
	ck_assert_ptr_null(conf_help_load("/", &said));
	ck_assert_uint_eq(said.nerror, 1);
	ck_assert_str_eq(said.error[0], "/: Is a directory");
	ck_assert_ptr_null(conf_help_load(conf_help_file("f", "\ninclude(\"/\")\n"), &said));
	ck_assert_uint_eq(said.nerror, 1);
	ck_assert_str_eq(said.error[0], "f:2: include /: Is a directory");
	ck_assert_ptr_null(conf_help_load("/proc/self/auxv", &said));
	ck_assert_uint_ge(said.nerror, 1);
}
END_TEST

/* ---- include ---------------------------------------------------------- */

START_TEST(included_files_name_themselves)
{
	static struct said said;

	conf_help_file("b.inc", "\nlog-level = \"x\"\n");
	conf_help_file("c.inc", "\n\nuser \"x\"\n");	/* what it was to define is not missed too */
	ck_assert_ptr_null(conf_help_load(conf_help_file("f",
	    "# x\ninclude(\"b.inc\")\nbogus = 1\ninclude(\"c.inc\")\ninclude(\"gone\")\ndrain-timeout = 1\n"
	    "cluster \"a\" { service \"s\" { listeners = {\"t\"} hosts = {\"a\"} servers = {\"10.0.0.1\"} } }\n"), &said));
	ck_assert_uint_eq(said.nerror, 5);
	ck_assert_str_eq(said.error[0], "f:3: unknown key \"bogus\"");
	ck_assert(conf_help_says(said.error[1], "f:5: include ..."));
	ck_assert(conf_help_says(said.error[2], "f:6: drain-timeout = \"1\"..."));
	ck_assert(conf_help_says(said.error[3], "b.inc:2: log-level = \"x\"..."));
	ck_assert(conf_help_says(said.error[4], "c.inc:3: missing equal sign..."));
}
END_TEST

START_TEST(duplicates_in_two_files_name_both)
{
	static struct said said;

	conf_help_file("b.inc", "user = \"b\"\n" OK);
	ck_assert_ptr_null(conf_help_load(conf_help_file("f", "user = \"a\"\n" OK "include(\"b.inc\")\n"), &said));
	ck_assert_uint_eq(said.nerror, 3);
	ck_assert_ptr_nonnull(strstr(said.error[0], "b.inc:1: user is given twice, first on "));
	ck_assert_ptr_nonnull(strstr(said.error[0], "/f:1"));
	ck_assert_ptr_nonnull(strstr(said.error[1], "b.inc:2: cluster \"ok\" is there twice, first on "));
}
END_TEST

START_TEST(includes_that_go_round_end)
{
	static struct said said;

	conf_help_file("b.inc", "include(\"f\")\n");
	ck_assert_ptr_null(conf_help_load(conf_help_file("f", "\ninclude(\"b.inc\")\n"), &said));
	ck_assert_uint_eq(said.nerror, 1);
	ck_assert_ptr_nonnull(strstr(said.error[0], "b.inc:1: include "));
	ck_assert_ptr_nonnull(strstr(said.error[0], "the file includes itself"));
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("conf errors");
	TCase *t = tcase_create("mistakes"), *i = tcase_create("include");

	tcase_add_checked_fixture(t, conf_help_setup, conf_help_teardown);
	tcase_add_loop_test(t, every_mistake_is_named, 0, (int)(sizeof(cases) / sizeof(cases[0])));
	tcase_add_test(t, a_broken_file_leaves_the_next_one_alone);
	tcase_add_test(t, files_that_are_none);
	suite_add_tcase(s, t);
	tcase_add_checked_fixture(i, conf_help_setup, conf_help_teardown);
	tcase_add_test(i, included_files_name_themselves);
	tcase_add_test(i, duplicates_in_two_files_name_both);
	tcase_add_test(i, includes_that_go_round_end);
	suite_add_tcase(s, i);
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
