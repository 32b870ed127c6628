/* SPDX-License-Identifier: ISC */
/* What a configuration means: defaults, inheritance, backends, includes,
 * and that -T says the same again. */
#include "config.h"

#include <check.h>
#include <crypt.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "conf_help.h"

#define API	"listener \"api\" { bind = {\"*:6443\"} protocol = \"tls\" }\n"

static char *
printed(const struct conf *c)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	ck_assert_int_eq(conf_print(c, f), 0);
	fclose(f);
	return text;
}

/* ---- defaults ------------------------------------------------------------ */

START_TEST(an_empty_file_has_three_listeners)
{
	static const struct { const char *name, *bind; enum conf_protocol protocol; enum conf_check_type check;
	    enum conf_balance balance; uint16_t port; } want[] = {
		{ "api", "*:6443", CONF_TLS, CONF_CHECK_TLS, CONF_SOURCE, 6443 },
		{ "https", "*:443", CONF_TLS, CONF_CHECK_TLS, CONF_SOURCE, 443 },
		{ "http", "*:80", CONF_HTTP, CONF_CHECK_TCP, CONF_HOST, 80 },
	};
	struct conf *c = conf_help_text("");

	ck_assert_uint_eq(c->nlistener, 3);
	for (unsigned i = 0; i < 3; i++) {
		const struct conf_listener *ls = &c->listener[i];

		ck_assert_str_eq(ls->name, want[i].name);
		ck_assert_uint_eq(ls->nbind, 1);
		ck_assert_str_eq(ls->bind[0].text, want[i].bind);
		ck_assert(ls->bind[0].any);
		ck_assert_uint_eq(ls->bind[0].addr.port, want[i].port);
		ck_assert_int_eq(ls->protocol, want[i].protocol);
		ck_assert_int_eq(ls->check.type, want[i].check);
		ck_assert_int_eq(ls->balance, want[i].balance);
		ck_assert_uint_eq(ls->max_connections, 3000);
		ck_assert_uint_eq(ls->max_per_source, 0);
		ck_assert_int_eq(ls->backlog, 4096);
		ck_assert_int_eq(ls->default_backend, -1);
		ck_assert_int_eq(ls->no_name_backend, -1);
	}
	conf_free(c);
}
END_TEST

START_TEST(global_defaults)
{
	struct conf *c = conf_help_text("");

	ck_assert_str_eq(c->user, "durward");
	ck_assert_str_eq(c->group, "durward");
	ck_assert_str_eq(c->pid_file, "/run/durward.pid");
	ck_assert_str_eq(c->control, "/run/durward.sock");
	ck_assert_int_eq(c->log.kind, CONF_LOG_SYSLOG);
	ck_assert_int_eq(c->log.facility, LOG_LOCAL2);
	ck_assert(!c->log_given);
	ck_assert_int_eq(c->log_level, LOG_INFO);
	ck_assert_int_eq(c->tcp_keepalive_ms, 30000);
	ck_assert_uint_eq(c->max_connections, 4000);
	ck_assert_int_eq(c->drain_delay_ms, 0);
	ck_assert_int_eq(c->drain_timeout_ms, 30000);
	ck_assert_int_eq(c->resolve_interval_ms, 30000);
	ck_assert_uint_eq(c->spare_min, 8);
	ck_assert_uint_eq(c->spare_max, 64);
	ck_assert_int_eq(c->timeouts.handshake, 5000);
	ck_assert_int_eq(c->timeouts.request, 10000);
	ck_assert_int_eq(c->timeouts.connect, 10000);
	ck_assert_int_eq(c->timeouts.idle, 3600000);
	ck_assert_int_eq(c->timeouts.client, 60000);
	ck_assert_int_eq(c->timeouts.server, 60000);
	ck_assert_int_eq(c->timeouts.keep_alive, 10000);
	ck_assert_int_eq(c->timeouts.queue, 60000);
	conf_free(c);
}
END_TEST

START_TEST(check_and_service_defaults)
{
	struct conf *c = conf_help_text(CONF_HELP_CLUSTER("a", "\"A.Example.\""));
	const struct conf_backend *b = &c->backend[0];

	ck_assert_uint_eq(c->nbackend, 1);
	ck_assert_str_eq(b->name, "a.https.https");
	ck_assert_str_eq(b->service->host[0].text, "a.example");
	ck_assert_int_eq(b->check.type, CONF_CHECK_TLS);
	ck_assert_int_eq(b->check.interval_ms, 1000);
	ck_assert_int_eq(b->check.timeout_ms, 2000);
	ck_assert_int_eq(b->check.rise, 2);
	ck_assert_int_eq(b->check.fall, 3);
	ck_assert_uint_eq(b->check.port, 0);
	ck_assert_str_eq(b->check.path, "/readyz");
	ck_assert_str_eq(b->check.host, "");
	ck_assert_str_eq(b->check.ca_file, "");
	ck_assert_uint_eq(b->check.nstatus, 1);
	ck_assert_int_eq(b->check.status[0].first, 200);
	ck_assert_int_eq(b->check.status[0].last, 399);
	ck_assert_int_eq(b->service->retries, 3);
	ck_assert_int_eq(b->service->send_proxy, CONF_PROXY_OFF);
	ck_assert(b->service->forwarded_for);
	ck_assert(!b->service->on_down_close);
	ck_assert_str_eq(b->server[0].name, "10.0.0.1");
	ck_assert_uint_eq(b->server[0].weight, 1);
	ck_assert_uint_eq(b->server[0].max_connections, 0);
	ck_assert(!b->server[0].backup);
	ck_assert_uint_eq(b->server[0].addr.port, 443);
	conf_free(c);
}
END_TEST

/* ---- values ---------------------------------------------------------------- */

START_TEST(durations_have_units)
{
	static const struct { const char *text; int ms; } want[] = {
		{ "\"0s\"", 0 }, { "\"500ms\"", 500 }, { "\"10s\"", 10000 }, { "10s", 10000 }, { "\"1m\"", 60000 },
		{ "\"2h\"", 7200000 }, { "\"24d\"", 2073600000 }, { "'7s'", 7000 },
	};
	char text[64];

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		struct conf *c;

		snprintf(text, sizeof(text), "timeouts { idle = %s }", want[i].text);
		c = conf_help_text(text);
		ck_assert_int_eq(c->timeouts.idle, want[i].ms);
		conf_free(c);
	}
}
END_TEST

START_TEST(sizes_take_k_and_m)
{
	struct conf *c = conf_help_text("max-connections = 4k\n");

	ck_assert_uint_eq(c->max_connections, 4096);
	conf_free(c);
}
END_TEST

START_TEST(logs)
{
	struct conf *c = conf_help_text("log = \"udp:[2001:db8::1]:514:daemon\" log-level = err");

	ck_assert(c->log_given);
	ck_assert_int_eq(c->log.kind, CONF_LOG_UDP);
	ck_assert_int_eq(c->log.facility, LOG_DAEMON);
	ck_assert_int_eq(c->log.addr.family, ADDR_IPV6);
	ck_assert_uint_eq(c->log.addr.port, 514);
	ck_assert_int_eq(c->log_level, LOG_ERR);
	conf_free(c);
	c = conf_help_text("log = \"file:/var/log/durward.log\"");
	ck_assert_int_eq(c->log.kind, CONF_LOG_FILE);
	ck_assert_str_eq(c->log.path, "/var/log/durward.log");
	conf_free(c);
}
END_TEST

START_TEST(servers_in_both_forms)
{
	struct conf *c = conf_help_text(
	    "cluster \"a\" { service \"https\" { hosts = {\"a.example\"}\n"
	    "servers = {\"10.0.0.1\", \"b=10.0.0.2:8443\", \"[2001:DB8::1]:99\", \"2001:db8::2\", \"Node.Example\", \"n=node:1\"}\n"
	    "server \"z\" { address = \"[::1]:7\" weight = 256 max-connections = 5 backup = yes } } }\n");
	static const struct { const char *name, *address; uint16_t port; bool dns; } want[] = {
		{ "10.0.0.1", "10.0.0.1", 443, false }, { "b", "10.0.0.2", 8443, false },
		{ "2001:db8::1", "2001:db8::1", 99, false }, { "2001:db8::2", "2001:db8::2", 443, false },
		{ "node.example", "node.example", 443, true }, { "n", "node", 1, true }, { "z", "::1", 7, false },
	};
	const struct conf_backend *b = &c->backend[0];

	ck_assert_uint_eq(b->nserver, 7);
	for (unsigned i = 0; i < 7; i++) {
		ck_assert_str_eq(b->server[i].name, want[i].name);
		ck_assert_str_eq(b->server[i].address, want[i].address);
		ck_assert_uint_eq(b->server[i].addr.port, want[i].port);
		ck_assert_int_eq(b->server[i].is_dns, want[i].dns);
		ck_assert_int_eq(b->server[i].addr.family == ADDR_NONE, want[i].dns);
	}
	ck_assert_uint_eq(b->server[6].weight, 256);
	ck_assert_uint_eq(b->server[6].max_connections, 5);
	ck_assert(b->server[6].backup);
	conf_free(c);
}
END_TEST

START_TEST(comments_stand_anywhere)
{
	struct conf *c = conf_help_text(
	    "# a { \" b\ncluster /* x */ \"a\" // y\n{ service \"https\" { hosts = { # one\n"
	    "\"a.example\", /* two\n */ \"b.example\" }\nservers = {\"10.0.0.1\" // three \"\n} } }\n");

	ck_assert_uint_eq(c->service[0].nhost, 2);
	ck_assert_int_eq(c->service[0].host[0].where.line, 4);
	ck_assert_int_eq(c->service[0].host[1].where.line, 5);
	ck_assert_int_eq(c->service[0].where.line, 3);
	conf_free(c);
}
END_TEST

START_TEST(a_clear_password_becomes_a_hash)
{
	static const char text[] =
	    "listener \"s\" { bind = {\"*:1\"} protocol = \"stats\" user = \"a\" password = \"opensesame\" }\n";
	struct conf *c = conf_help_text(text);
	const char *hash = c->listener[0].password;
	char *out = printed(c), *again;
	struct conf *d = conf_help_text(out);

	ck_assert_int_eq(strncmp(hash, "$6$", 3), 0);
	ck_assert_str_eq(crypt("opensesame", hash), hash);
	ck_assert_str_ne(crypt("other", hash), hash);
	ck_assert_ptr_null(strstr(out, "opensesame"));
	ck_assert_ptr_nonnull(strstr(out, hash));
	again = d->listener[0].password;	/* a hash is not hashed once more */
	ck_assert_str_eq(again, hash);
	conf_free(d);
	d = conf_help_text(text);
	ck_assert_str_ne(d->listener[0].password, hash);	/* the salt is random */
	conf_free(d);
	free(out);
	conf_free(c);
}
END_TEST

/* ---- inheritance and backends ------------------------------------------------ */

START_TEST(the_nearest_section_wins)
{
	struct conf *c = conf_help_text(
	    "timeouts { idle = \"1s\" connect = \"2s\" queue = \"3s\" }\n"
	    "listener \"l\" { bind = {\"*:1\"} protocol = \"tls\" timeouts { connect = \"20s\" queue = \"30s\" }\n"
	    " check { interval = \"5s\" fall = 2 status = \"200\" } }\n"
	    "listener \"h\" { bind = {\"*:2\"} protocol = \"http\" balance = \"leastconn\" }\n"
	    "cluster \"a\" { service \"s\" { listeners = {\"l\", \"h\"} hosts = {\"a.example\"} servers = {\"10.0.0.1\"}\n"
	    " timeouts { queue = \"300s\" } check { fall = 1 port = 9 status = \"201,203-204\" } } }\n");
	const struct conf_backend *l = &c->backend[0], *h = &c->backend[1];

	ck_assert_str_eq(l->name, "a.s.l");
	ck_assert_int_eq(l->timeouts.idle, 1000);
	ck_assert_int_eq(l->timeouts.connect, 20000);
	ck_assert_int_eq(l->timeouts.queue, 300000);
	ck_assert_int_eq(l->check.type, CONF_CHECK_TLS);
	ck_assert_int_eq(l->check.interval_ms, 5000);
	ck_assert_int_eq(l->check.fall, 1);
	ck_assert_uint_eq(l->check.port, 9);
	ck_assert_uint_eq(l->check.nstatus, 2);
	ck_assert_int_eq(l->check.status[1].last, 204);
	ck_assert_int_eq(l->balance, CONF_SOURCE);
	ck_assert_str_eq(h->name, "a.s.h");
	ck_assert_int_eq(h->timeouts.connect, 2000);
	ck_assert_int_eq(h->timeouts.queue, 300000);
	ck_assert_int_eq(h->check.type, CONF_CHECK_TCP);
	ck_assert_int_eq(h->check.interval_ms, 1000);
	ck_assert_int_eq(h->balance, CONF_LEASTCONN);
	ck_assert_uint_eq(h->server[0].addr.port, 2);
	conf_free(c);
}
END_TEST

START_TEST(a_default_may_be_served_elsewhere)
{
	struct conf *c = conf_help_text(
	    API "listener \"web\" { bind = {\"*:443\"} protocol = \"tls\" default = \"a.api\" no-name = \"b.web\" }\n"
	    "cluster \"a\" { service \"api\" { hosts = {\"a.example\"} servers = {\"10.0.0.1\"} } }\n"
	    "cluster \"b\" { service \"web\" { hosts = {\"b.example\"} servers = {\"10.0.0.2\"} } }\n");
	const struct conf_listener *web = &c->listener[1];

	ck_assert_uint_eq(c->nbackend, 3);
	ck_assert_str_eq(c->backend[web->default_backend].name, "a.api.web");
	ck_assert(c->backend[web->default_backend].fallback_only);
	ck_assert_uint_eq(c->backend[web->default_backend].server[0].addr.port, 443);
	ck_assert_str_eq(c->backend[web->no_name_backend].name, "b.web.web");
	ck_assert(!c->backend[web->no_name_backend].fallback_only);
	conf_free(c);
}
END_TEST

START_TEST(a_zone_is_part_of_an_address)
{
	static const struct { const char *text, *name, *address; unsigned port; } zones[] = {
		{ "fe80::1%lo", "fe80::1%lo", "fe80::1%lo", 443 },
		{ "[FE80:0::2%lo]", "fe80::2%lo", "fe80::2%lo", 443 },
		{ "z=[fe80::3%lo]:7", "z", "fe80::3%lo", 7 },
	};
	struct conf *c = conf_help_text(
	    "listener \"https\" { bind = {\"*:443\"} protocol = \"tls\" }\n"
	    "cluster \"a\" { service \"https\" { hosts = {\"a.example\"}\n"
	    " servers = {\"fe80::1%lo\", \"[FE80:0::2%lo]\", \"z=[fe80::3%lo]:7\"} } }\n");

	for (unsigned k = 0; k < sizeof(zones) / sizeof(zones[0]); k++) {
		const struct conf_server *s = &c->backend[0].server[k];

		ck_assert_str_eq(s->name, zones[k].name);
		ck_assert_str_eq(s->address, zones[k].address);
		ck_assert_uint_eq(s->addr.scope, if_nametoindex("lo"));
		ck_assert_uint_eq(s->addr.port, zones[k].port);
	}
	conf_free(c);
}
END_TEST

/* ---- include -------------------------------------------------------------------- */

START_TEST(included_clusters_come_in_order)
{
	static struct said said;
	struct conf *c;
	char name[16], text[256];

	for (int i = 19; i >= 0; i--) {	/* more than libconfuse's own include holds */
		snprintf(name, sizeof(name), "c%02d.inc", i);
		snprintf(text, sizeof(text), "cluster \"c%02d\" { service \"https\" { hosts = {\"h%d.c%d.example\"} "
		    "servers = {\"10.0.0.1\"} } }\n", i, i, i);
		conf_help_file(name, text);
	}
	c = conf_help_load(conf_help_file("f", CONF_HELP_CLUSTER("first", "\"first.example\"")
	    "include(\"c*.inc\")\ninclude(\"none-*.inc\")\ninclude(\"/nonexistent/*.inc\")\n"
	    CONF_HELP_CLUSTER("last", "\"last.example\"")), &said);
	ck_assert_ptr_nonnull(c);
	ck_assert_uint_eq(c->nservice, 22);
	ck_assert_str_eq(c->service[0].cluster, "first");
	for (unsigned i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "c%02u", i);
		ck_assert_str_eq(c->service[i + 1].cluster, name);
		ck_assert_ptr_nonnull(strstr(c->service[i + 1].where.file, name));
		ck_assert_int_eq(c->service[i + 1].where.line, 1);
	}
	ck_assert_str_eq(c->service[21].cluster, "last");
	ck_assert_int_eq(c->service[21].where.line, 5);
	conf_free(c);
}
END_TEST

/* ---- -T ---------------------------------------------------------------------------- */

static const char *const round_trips[] = {
	"",
	"log = \"stderr\" pid-file = \"/a b/\\\"c\\\\d$\\{HOME}\\x07\" tcp-keepalive = \"0s\" timeouts { idle = \"1500ms\" }",
	CONF_HELP_CLUSTER("a", "\"*.a.example\", \"**.b.example\", \"~^a\\\\.(b|c)\\\"{2}$\", \"*\""),
	"listener \"s\" { bind = {\"unix:/s\", \"[::1]:9\"} protocol = \"stats\" hide-version = false }",
	"listener \"t\" { bind = {\"*:1\", \"127.0.0.2:2\"} protocol = \"tls\" allow = {\"10.0.0.0/8\", \"::1\"} deny = {\"10.1.0.0/16\"}\n"
	" accept-proxy = {\"192.0.2.1\"} default = \"a.s\" no-name = \"a.s\" balance = \"roundrobin\" check { type = \"http\" } }\n"
	"listener \"h\" { bind = {\"*:3\"} protocol = \"http\" }\n"
	"cluster \"a\" { service \"s\" { listeners = {\"t\", \"h\"} hosts = {\"a.example\"} servers = {\"n=node.example:1\", \"[2001:db8::1]:2\", \"2001:db8::2\",\n"
	" \"fe80::1%lo\", \"[fe80::2%lo]\", \"z=[FE80:0::3%lo]:7\"}\n"
	" server \"x\" { address = \"1.1.1.1\" backup = true weight = 0 } balance = \"leastconn\" retries = 0 send-proxy = \"v2\"\n"
	" forwarded-for = false server-name-header = \"X-S\" on-down = \"close\" allow = {\"10.2.0.0/16\"}\n"
	" timeouts { server = \"2m\" } check { port = 9 status = \"200,300-301\" fall = 5 host = \"h.example\" } } }\n",
};

START_TEST(what_is_printed_reads_the_same)
{
	struct conf *c = conf_help_text(round_trips[_i]), *d;
	char *one = printed(c), *two;

	d = conf_help_text(one);
	two = printed(d);
	ck_assert_str_eq(one, two);
	ck_assert_uint_eq(c->nbackend, d->nbackend);
	for (unsigned i = 0; i < c->nbackend; i++) {
		const struct conf_backend *a = &c->backend[i], *b = &d->backend[i];

		ck_assert_str_eq(a->name, b->name);
		ck_assert_mem_eq(&a->timeouts, &b->timeouts, sizeof(a->timeouts));
		ck_assert_int_eq(a->check.type, b->check.type);
		ck_assert_int_eq(a->check.fall, b->check.fall);
		ck_assert_int_eq(a->balance, b->balance);
		for (unsigned k = 0; k < a->nserver; k++) {
			ck_assert_str_eq(a->server[k].name, b->server[k].name);
			ck_assert(addr_equal(&a->server[k].addr, &b->server[k].addr));
			ck_assert_uint_eq(a->server[k].weight, b->server[k].weight);
		}
	}
	ck_assert_str_eq(c->pid_file, d->pid_file);
	free(one);
	free(two);
	conf_free(c);
	conf_free(d);
}
END_TEST

/* ---- size ------------------------------------------------------------------------------ */

static double
cpu_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* The time for n names: in one service, or in n of them. */
static double
load_names(unsigned n, bool one_service)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	struct conf *c;
	double begin;

	fputs("cluster \"a\" {\n", f);
	if (one_service)
		fputs("service \"https\" { servers = {\"10.0.0.1\"} hosts = {\"n.example\"", f);
	for (unsigned i = 1; i < n; i++) {
		if (one_service)
			fprintf(f, ",\n\"n%u.example\"", i);
		else
			fprintf(f, "service \"s%u\" { listeners = {\"https\"} hosts = {\"n%u.example\"} "
			    "servers = {\"10.0.0.1\"} }\n", i, i);
	}
	if (one_service)
		fputs("} }\n", f);
	fputs("}\n", f);
	fclose(f);
	begin = cpu_seconds();
	c = conf_help_text(text);
	begin = cpu_seconds() - begin;
	ck_assert_uint_eq(one_service ? c->service[0].nhost : c->nservice + 1, n);
	conf_free(c);
	free(text);
	return begin;
}

#ifdef WITH_SANITIZERS
#define LIMIT	10.0
#else
#define LIMIT	0.5
#endif

/* How much slower than by itself whoever runs us says that we are (valgrind). */
static double
slowness(void)
{
	const char *text = getenv("CK_TIMEOUT_MULTIPLIER");

	return text != NULL ? atof(text) : 1;
}

START_TEST(ten_thousand_names_load_at_once)
{
	double took = load_names(10000, _i == 0);

	ck_assert_msg(took < LIMIT * slowness(), "10000 names in %s took %.3f s", _i == 0 ? "one service" : "as many services", took);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("conf");
	TCase *t = tcase_create("meaning");

	tcase_add_checked_fixture(t, conf_help_setup, conf_help_teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, an_empty_file_has_three_listeners);
	tcase_add_test(t, global_defaults);
	tcase_add_test(t, check_and_service_defaults);
	tcase_add_test(t, durations_have_units);
	tcase_add_test(t, sizes_take_k_and_m);
	tcase_add_test(t, logs);
	tcase_add_test(t, servers_in_both_forms);
	tcase_add_test(t, comments_stand_anywhere);
	tcase_add_test(t, a_clear_password_becomes_a_hash);
	tcase_add_test(t, the_nearest_section_wins);
	tcase_add_test(t, a_default_may_be_served_elsewhere);
	tcase_add_test(t, included_clusters_come_in_order);
	tcase_add_test(t, a_zone_is_part_of_an_address);
	tcase_add_loop_test(t, what_is_printed_reads_the_same, 0, (int)(sizeof(round_trips) / sizeof(round_trips[0])));
	tcase_add_loop_test(t, ten_thousand_names_load_at_once, 0, 2);
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
