/* SPDX-License-Identifier: ISC */
/*
 * The sample configuration: loads without a word, has the backends and servers
 * that its comments promise, and routes every name to its cluster.
 */
#include "config.h"
#include "state/conf.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state/route.h"

static struct conf *conf;
static struct route *route;

static void
complain(void *arg, const char *message)
{
	(void)arg;
	ck_abort_msg("%s", message);
}

static void
setup(void)
{
	const char *top = getenv("DURWARD_SRCDIR");
	char path[4096];

	snprintf(path, sizeof(path), "%s/etc/durward.conf", top == NULL ? "." : top);
	conf = conf_load(path, complain, complain, NULL);
	ck_assert_ptr_nonnull(conf);
	route = route_new(conf);
	ck_assert_ptr_nonnull(route);
}

static void
teardown(void)
{
	route_free(route);
	conf_free(conf);
}

static const struct {
	const char *name;
	const char *balance, *check;
	const char *prefix;		/* of the servers' names */
	unsigned first_ip;		/* the last byte of the first one's address */
	unsigned port;
} backends[] = {
	{ "hub.api.api", "source", "tls", "controlplane", 20, 6443 },
	{ "hub.ingress.http", "host", "tcp", "compute", 23, 80 },
	{ "hub.ingress.https", "source", "tls", "compute", 23, 443 },
	{ "managed1.api.api", "source", "tls", "controlplane", 30, 6443 },
	{ "managed1.ingress.http", "host", "tcp", "compute", 33, 80 },
	{ "managed1.ingress.https", "source", "tls", "compute", 33, 443 },
	{ "managed2.api.api", "source", "tls", "controlplane", 40, 6443 },
	{ "managed2.ingress.http", "host", "tcp", "compute", 43, 80 },
	{ "managed2.ingress.https", "source", "tls", "compute", 43, 443 },
};
#define NBACKENDS	((int)(sizeof(backends) / sizeof(backends[0])))

static const struct conf_backend *
find_backend(const char *name)
{
	for (unsigned i = 0; i < conf->nbackend; i++)
		if (strcmp(conf->backend[i].name, name) == 0)
			return &conf->backend[i];
	ck_abort_msg("no backend %s", name);
	return NULL;
}

START_TEST(backend_has_its_servers)
{
	const struct conf_backend *b = find_backend(backends[_i].name);

	ck_assert_str_eq(conf_balance_name(b->balance), backends[_i].balance);
	ck_assert_str_eq(conf_check_name(b->check.type), backends[_i].check);
	ck_assert_int_eq(b->check.interval_ms, 1000);
	ck_assert_uint_eq(b->nserver, 3);
	for (unsigned i = 0; i < b->nserver; i++) {
		char name[64], address[64];

		snprintf(name, sizeof(name), "%s%u", backends[_i].prefix, i);
		snprintf(address, sizeof(address), "192.168.125.%u", backends[_i].first_ip + i);
		ck_assert_str_eq(b->server[i].name, name);
		ck_assert_str_eq(b->server[i].address, address);
		ck_assert_uint_eq(b->server[i].addr.port, backends[_i].port);
	}
}
END_TEST

START_TEST(nothing_else_is_there)
{
	ck_assert_uint_eq(conf->nbackend, NBACKENDS);
	ck_assert_uint_eq(conf->nlistener, 4);
}
END_TEST

static const struct {
	const char *listener, *name;
	const char *backend;		/* NULL: none */
} routes[] = {
	{ "api", "api.hub-cluster.linuxera.lab", "hub.api.api" },
	{ "api", "api.managed1.linuxera.lab", "managed1.api.api" },
	{ "api", "api.managed2.linuxera.lab", "managed2.api.api" },
	{ "api", "console.apps.managed1.linuxera.lab", NULL },
	{ "api", "", NULL },
	{ "https", "console.apps.hub-cluster.linuxera.lab", "hub.ingress.https" },
	{ "https", "console.apps.hub.linuxera.lab", "hub.ingress.https" },
	{ "https", "console.apps.managed1.linuxera.lab", "managed1.ingress.https" },
	{ "https", "console.apps.managed2.linuxera.lab", "managed2.ingress.https" },
	{ "https", "a.b.apps.managed2.linuxera.lab", NULL },
	{ "https", "apps.managed2.linuxera.lab", NULL },
	{ "https", "console.apps.hub.linuxera.lab.example.org", NULL },
	{ "https", "api.managed1.linuxera.lab", NULL },
	{ "https", "", NULL },
	{ "http", "shop.apps.hub-cluster.linuxera.lab", "hub.ingress.http" },
	{ "http", "shop.apps.hub.linuxera.lab", "hub.ingress.http" },
	{ "http", "shop.apps.managed1.linuxera.lab", "managed1.ingress.http" },
	{ "http", "shop.apps.managed2.linuxera.lab", "managed2.ingress.http" },
};
#define NROUTES	((int)(sizeof(routes) / sizeof(routes[0])))

START_TEST(name_reaches_its_cluster)
{
	int listener = conf_find_listener(conf, routes[_i].listener);
	int b;

	ck_assert_int_ge(listener, 0);
	b = route_find(route, (unsigned)listener, routes[_i].name, strlen(routes[_i].name), NULL);
	if (routes[_i].backend == NULL)
		ck_assert_int_eq(b, -1);
	else
		ck_assert_str_eq(b < 0 ? "none" : conf->backend[b].name, routes[_i].backend);
}
END_TEST

/* Everybody knows its password. */
START_TEST(statistics_are_for_this_host_only)
{
	const struct conf_listener *ls = &conf->listener[conf_find_listener(conf, "stats")];

	ck_assert_int_eq(ls->protocol, CONF_STATS);
	ck_assert_uint_eq(ls->nbind, 1);
	ck_assert_str_eq(ls->bind[0].text, "127.0.0.1:50000");
	ck_assert_msg(strncmp(ls->password, "$6$", 3) == 0, "the password stays in the clear");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("conf_sample");
	TCase *t = tcase_create("durward.conf");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, backend_has_its_servers, 0, NBACKENDS);
	tcase_add_test(t, nothing_else_is_there);
	tcase_add_loop_test(t, name_reaches_its_cluster, 0, NROUTES);
	tcase_add_test(t, statistics_are_for_this_host_only);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
