/* SPDX-License-Identifier: ISC */
/* Connections by client address, counted by many processes at once. */
#include "config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "state/sources.h"
#include "state_help.h"

#define COUNT(a)	((int)(sizeof(a) / sizeof(*(a))))

static struct sources *
fresh(uint64_t seed)
{
	struct sources *t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert(t != MAP_FAILED);
	t->seed = seed;
	return t;
}

static struct addr
address(const char *text)
{
	struct addr a;

	ck_assert_msg(addr_parse_ip(text, &a), "%s", text);
	a.port = 12345;
	return a;
}

static struct addr
number(unsigned i)
{
	char text[32];

	snprintf(text, sizeof(text), "10.%u.%u.%u", i >> 16 & 255, i >> 8 & 255, i & 255);
	return address(text);
}

static void
is_empty(const struct sources *t)
{
	for (unsigned i = 0; i < SOURCES_CELLS; i++)
		ck_assert_msg((atomic_load(&t->cell[i]) & 0xffff) == 0, "cell %u is not free", i);
}

START_TEST(enter_and_leave)
{
	struct sources *t = fresh(1);
	struct addr a = address("192.0.2.1"), b = address("192.0.2.2");
	uint32_t place[5], other;

	ck_assert_uint_eq(sources_count(t, 0, &a), 0);
	for (uint32_t i = 0; i < 5; i++) {
		ck_assert_uint_eq(sources_enter(t, 0, &a, &place[i]), i + 1);
		ck_assert_uint_eq(place[i], place[0]);
	}
	ck_assert_uint_eq(sources_enter(t, 0, &b, &other), 1);
	ck_assert_uint_eq(sources_count(t, 0, &a), 5);
	for (uint32_t i = 0; i < 5; i++) {
		sources_leave(t, place[i]);
		ck_assert_uint_eq(sources_count(t, 0, &a), 4 - i);
	}
	ck_assert_uint_eq(sources_count(t, 0, &b), 1);
	sources_leave(t, other);
	/* one too many, or nowhere, takes from nobody */
	sources_leave(t, other);
	sources_leave(t, SOURCES_NONE);
	sources_leave(t, SOURCES_CELLS);
	is_empty(t);
	ck_assert_uint_eq(sources_enter(t, 0, &a, &place[0]), 1);
}
END_TEST

static const struct {
	const char *a, *b;
	bool same;
} pairs[] = {
	{ "192.0.2.1", "192.0.2.1", true },
	{ "192.0.2.1", "::ffff:192.0.2.1", true },
	{ "192.0.2.1", "192.0.2.2", false },
	{ "2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true },
	{ "2001:db8:1:2::1", "2001:db8:1:3::1", false },
	{ "2001:db8:1:2::1", "2001:db9:1:2::1", false },
	{ "2001:db8::1", "192.0.2.1", false },
};

START_TEST(ipv6_counts_by_64)
{
	struct addr a = address(pairs[_i].a), b = address(pairs[_i].b);
	struct sources *t = fresh(7);
	uint32_t place;

	b.port = 1;
	sources_enter(t, 3, &a, &place);
	ck_assert_msg(sources_enter(t, 3, &b, &place) == (pairs[_i].same ? 2 : 1), "%s and %s",
	    pairs[_i].a, pairs[_i].b);
}
END_TEST

START_TEST(each_listener_counts_for_itself)
{
	struct addr a = address("192.0.2.1");
	struct sources *t = fresh(7);
	uint32_t place;

	ck_assert_uint_eq(sources_enter(t, 0, &a, &place), 1);
	ck_assert_uint_eq(sources_enter(t, 1, &a, &place), 1);
	ck_assert_uint_eq(sources_enter(t, 1, &a, &place), 2);
	ck_assert_uint_eq(sources_count(t, 0, &a), 1);
	ck_assert_uint_eq(sources_count(t, 1, &a), 2);
	ck_assert_uint_eq(sources_count(t, 2, &a), 0);
}
END_TEST

START_TEST(the_seed_moves_places)
{
	struct addr a = address("192.0.2.1");
	unsigned same = 0;
	uint32_t one, two;

	for (uint64_t seed = 1; seed < 20; seed++) {
		sources_enter(fresh(seed), 0, &a, &one);
		sources_enter(fresh(seed + 100), 0, &a, &two);
		same += one == two;
	}
	ck_assert_uint_le(same, 1);
}
END_TEST

/* Where there is no room a client is let in uncounted: never refused for the
 * sake of others, and nobody else's count is touched. */
START_TEST(a_full_table_counts_nobody_wrongly)
{
	enum { MANY = 100000 };
	static uint32_t place[MANY];
	struct sources *t = fresh(42);
	unsigned counted = 0;

	for (unsigned i = 0; i < MANY; i++) {
		struct addr a = number(i);

		ck_assert_uint_eq(sources_enter(t, 0, &a, &place[i]), 1);
		counted += place[i] != SOURCES_NONE;
	}
	ck_assert_uint_le(counted, SOURCES_CELLS);
	ck_assert_uint_gt(counted, SOURCES_CELLS / 2);
	for (unsigned i = 0; i < MANY; i += 50) {
		struct addr a = number(i);

		ck_assert_uint_eq(sources_count(t, 0, &a), place[i] != SOURCES_NONE);
	}
	for (unsigned i = 0; i < MANY; i++)
		sources_leave(t, place[i]);
	is_empty(t);
}
END_TEST

START_TEST(a_count_ends_at_its_width)
{
	struct addr a = address("192.0.2.1"), b = address("192.0.2.2");
	struct sources *t = fresh(42);
	uint32_t place, first;

	sources_enter(t, 0, &a, &first);
	for (unsigned i = 1; i < 65535; i++)
		sources_enter(t, 0, &a, &place);
	ck_assert_uint_eq(sources_count(t, 0, &a), 65535);
	ck_assert_uint_eq(sources_enter(t, 0, &a, &place), 65535);
	ck_assert_uint_eq(place, SOURCES_NONE);
	ck_assert_uint_eq(sources_count(t, 0, &a), 65535);
	ck_assert_uint_eq(sources_enter(t, 0, &b, &place), 1);
	for (unsigned i = 0; i < 65535; i++)
		sources_leave(t, first);
	ck_assert_uint_eq(sources_count(t, 0, &a), 0);
}
END_TEST

/* --- many processes at once ----------------------------------------------------- */

/* Each keeps 3 of 40 sources more than it gives back, so that in the end the
 * counts are known. */
static void
come_and_go(void *arg, unsigned who)
{
	struct sources *t = arg;
	uint32_t place[40];

	for (unsigned round = 0; round < 300; round++) {
		for (unsigned i = 0; i < 40; i++) {
			struct addr a = number((i + who * 7) % 40);
			uint32_t n = sources_enter(t, 0, &a, &place[i]);

			if (n == 0 || n > 8 || place[i] == SOURCES_NONE)
				_exit(1);
		}
		if (round == 299)
			break;
		for (unsigned i = 0; i < 40; i++)
			sources_leave(t, place[i]);
	}
}

START_TEST(counts_are_exact_among_processes)
{
	struct sources *t = fresh(4711);
	uint32_t sum = 0;

	state_help_processes(8, come_and_go, t);
	for (unsigned i = 0; i < 40; i++) {
		struct addr a = number(i);

		ck_assert_uint_eq(sources_count(t, 0, &a), 8);
	}
	for (unsigned i = 0; i < SOURCES_CELLS; i++)
		sum += (uint32_t)(atomic_load(&t->cell[i]) & 0xffff);
	ck_assert_uint_eq(sum, 320);
}
END_TEST

struct gate {
	struct sources *t;
	_Atomic uint32_t allowed, refused, inside, most;
};

/* As a worker does it: past the limit, out again. */
static void
knock(void *arg, unsigned who)
{
	struct gate *g = arg;
	struct addr a = address("192.0.2.1");
	uint32_t place, now, most;

	(void)who;
	for (unsigned i = 0; i < 3000; i++) {
		if (sources_enter(g->t, 0, &a, &place) > 3) {
			atomic_fetch_add(&g->refused, 1);
		} else {
			now = atomic_fetch_add(&g->inside, 1) + 1;
			for (most = atomic_load(&g->most); most < now &&
			    !atomic_compare_exchange_weak(&g->most, &most, now);)
				;
			atomic_fetch_add(&g->allowed, 1);
			atomic_fetch_sub(&g->inside, 1);
		}
		sources_leave(g->t, place);
	}
}

START_TEST(a_limit_holds_among_processes)
{
	struct gate *g = mmap(NULL, sizeof(*g), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert(g != MAP_FAILED);
	g->t = fresh(99);
	state_help_processes(8, knock, g);
	ck_assert_uint_le(atomic_load(&g->most), 3);
	ck_assert_uint_gt(atomic_load(&g->allowed), 0);
	ck_assert_uint_eq(atomic_load(&g->allowed) + atomic_load(&g->refused), 24000);
	is_empty(g->t);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("sources");
	TCase *t = tcase_create("sources");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_test(t, enter_and_leave);
	tcase_add_loop_test(t, ipv6_counts_by_64, 0, COUNT(pairs));
	tcase_add_test(t, each_listener_counts_for_itself);
	tcase_add_test(t, the_seed_moves_places);
	tcase_add_test(t, a_full_table_counts_nobody_wrongly);
	tcase_add_test(t, a_count_ends_at_its_width);
	tcase_add_test(t, counts_are_exact_among_processes);
	tcase_add_test(t, a_limit_holds_among_processes);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
