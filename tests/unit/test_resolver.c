/* SPDX-License-Identifier: ISC */
/* Which address of a DNS answer serves: one that does not hang on the order of
 * the answer, and that moves nobody without need. */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "conf_help.h"
#include "daemon/resolver.h"
#include "state_help.h"

#define COUNT(a)	((int)(sizeof(a) / sizeof(*(a))))
#define MOST		4

static const struct {
	const char *why;
	const char *now;		/* in use; "" none yet */
	const char *answer[MOST];
	const char *want;		/* "" none */
} cases[] = {
	{ "one address", "", { "192.0.2.1" }, "192.0.2.1" },
	{ "the lowest of several", "", { "192.0.2.9", "192.0.2.10", "192.0.2.11" }, "192.0.2.9" },
	{ "in whatever order", "", { "192.0.2.11", "192.0.2.10", "192.0.2.9" }, "192.0.2.9" },
	{ "by numbers, not by text", "", { "10.0.0.100", "10.0.0.20" }, "10.0.0.20" },
	{ "the one in use stays", "192.0.2.10", { "192.0.2.9", "192.0.2.10" }, "192.0.2.10" },
	{ "it is gone", "192.0.2.10", { "192.0.2.12", "192.0.2.11" }, "192.0.2.11" },
	{ "AAAA", "", { "2001:db8::2", "2001:db8::1" }, "2001:db8::1" },
	{ "the family that comes first", "", { "2001:db8::2", "192.0.2.1", "2001:db8::1" }, "2001:db8::1" },
	{ "and the other way round", "", { "192.0.2.2", "2001:db8::1", "192.0.2.1" }, "192.0.2.1" },
	{ "in use, of the other family", "192.0.2.2", { "2001:db8::1", "192.0.2.1", "192.0.2.2" }, "192.0.2.2" },
	{ "a mapped address is the same", "192.0.2.2", { "192.0.2.1", "::ffff:192.0.2.2" }, "192.0.2.2" },
	{ "nothing", "192.0.2.2", { NULL }, "" },
	{ "nothing that is an address", "", { "unix" }, "" },
	{ "what is no address is passed over", "", { "unix", "192.0.2.2", "192.0.2.1" }, "192.0.2.1" },
};

/* As getaddrinfo leaves it; mapped ones come from the kernel as IPv6. */
static struct addrinfo *
make_answer(const char *const text[MOST])
{
	static struct sockaddr_storage ss[MOST];
	static struct addrinfo ai[MOST];
	struct addr a;
	int i;

	for (i = 0; i < MOST && text[i] != NULL; i++) {
		memset(&ai[i], 0, sizeof(ai[i]));
		if (strcmp(text[i], "unix") == 0) {
			memset(&ss[i], 0, sizeof(ss[i]));
			ss[i].ss_family = AF_UNSPEC;
		} else {
			ck_assert(addr_parse_ip(text[i], &a));
			if (strchr(text[i], ':') != NULL)
				a.family = ADDR_IPV6;
			ai[i].ai_addrlen = addr_to_sockaddr(&a, &ss[i]);
		}
		ai[i].ai_addr = (struct sockaddr *)&ss[i];
		if (i > 0)
			ai[i - 1].ai_next = &ai[i];
	}
	return i > 0 ? ai : NULL;
}

START_TEST(the_address_that_serves)
{
	struct addr now = { .family = ADDR_NONE }, want = now, got;

	if (cases[_i].now[0] != '\0')
		ck_assert(addr_parse_ip(cases[_i].now, &now));
	if (cases[_i].want[0] != '\0')
		ck_assert(addr_parse_ip(cases[_i].want, &want));
	now.port = 443;
	resolver_pick(make_answer(cases[_i].answer), &now, 443, &got);
	ck_assert_msg(got.family == want.family && (want.family == ADDR_NONE ||
	    memcmp(got.ip, want.ip, sizeof(got.ip)) == 0), "%s", cases[_i].why);
	if (want.family != ADDR_NONE)
		ck_assert_uint_eq(got.port, 443);
}
END_TEST

static const char two[] = "cluster \"c\" { service \"s\" { listeners = {\"http\"} hosts = {\"*\"}"
    " servers = {\"a=localhost\", \"b=localhost\"} } }\n";

static bool
was_written(const struct server_slot *v)
{
	struct addr a;

	health_addr(v, &a);
	return a.family != ADDR_NONE || atomic_load(&v->unresolved);
}

static void
swept(struct server_slot *v)
{
	atomic_store(&v->used, 0);
}

static void
another_server(struct server_slot *v)
{
	strcpy(v->name, "y");
}

static void
another_backend(struct server_slot *v)
{
	v->backend++;
}

static void
another_name(struct server_slot *v)
{
	atomic_fetch_add(&v->dns, 1);
}

/* What became of a place while an answer was waited for. */
static void (*const becomes[])(struct server_slot *v) = {
	swept, another_server, another_backend, another_name
};

START_TEST(places_of_others_are_left_alone)
{
	struct state s;

	state_help_start(&s, two);
	becomes[_i](state_help_server(&s, 0, 0));
	resolver_run(s.conf, &s.shared, s.map, -1);
	ck_assert(!was_written(state_help_server(&s, 0, 0)));
	ck_assert(was_written(state_help_server(&s, 0, 1)));
	state_help_end(&s);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("resolver");
	TCase *t = tcase_create("resolver");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, conf_help_setup, conf_help_teardown);
	tcase_add_loop_test(t, the_address_that_serves, 0, COUNT(cases));
	tcase_add_loop_test(t, places_of_others_are_left_alone, 0, COUNT(becomes));
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
