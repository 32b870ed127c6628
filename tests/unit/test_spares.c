/* SPDX-License-Identifier: ISC */
/* How many workers to fork, and how long to wait where they die. */
#include "config.h"

#include <check.h>
#include <stdlib.h>

#include "daemon/spares.h"

#define COUNT(a)	((int)(sizeof(a) / sizeof(*(a))))

static const struct {
	const char *why;
	struct spares now;	/* idle, min, room, batch */
	int want;
} cases[] = {
	{ "enough", { 8, 8, 100, 0 }, 0 },
	{ "more than enough", { 64, 8, 100, 0 }, 0 },
	{ "one is missing", { 7, 8, 100, 0 }, 1 },
	{ "some are left: no hurry", { 1, 8, 100, 50 }, 7 },
	{ "at the start", { 0, 8, 100, 0 }, 8 },
	{ "empty again: twice as many", { 0, 8, 100, 8 }, 16 },
	{ "and again", { 0, 8, 1000, 16 }, 32 },
	{ "up to the ceiling", { 0, 8, 1000, 200 }, SPARES_BATCH_MAX },
	{ "ceiling for a large minimum", { 0, 1000, 10000, 0 }, SPARES_BATCH_MAX },
	{ "a count that drifted below nothing", { -3, 8, 100, 0 }, 11 },
	{ "no more than there is room", { 0, 8, 5, 0 }, 5 },
	{ "room before batch", { 0, 8, 20, 64 }, 20 },
	{ "no room", { 0, 8, 0, 8 }, 0 },
	{ "over the limit already", { 0, 8, -5, 8 }, 0 },
	{ "no spares wanted", { 0, 0, 100, 8 }, 0 },
};

START_TEST(workers_to_fork)
{
	ck_assert_msg(spares_plan(&cases[_i].now) == cases[_i].want, "%s: %d", cases[_i].why,
	    spares_plan(&cases[_i].now));
}
END_TEST

/* A burst into a cold pool: how many looks until n clients are served. */
START_TEST(a_burst_is_met_in_few_looks)
{
	struct spares s = { 0, 8, 4000, 0 };
	int workers = 0, looks = 0;

	while (workers < 2000) {
		s.batch = spares_plan(&s);
		s.room -= s.batch;
		workers += s.batch;
		ck_assert_int_le(++looks, 13);
	}
}
END_TEST

START_TEST(pauses_double_up_to_a_ceiling)
{
	static const int want[] = { 100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000, 10000 };
	int pause = 0;

	for (int i = 0; i < COUNT(want); i++) {
		pause = spares_pause(pause);
		ck_assert_int_eq(pause, want[i]);
	}
	ck_assert_int_eq(spares_pause(99), 100);
	ck_assert_int_eq(spares_pause(5000), 10000);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("spares");
	TCase *t = tcase_create("spares");
	SRunner *r;
	int failed;

	tcase_add_loop_test(t, workers_to_fork, 0, COUNT(cases));
	tcase_add_test(t, a_burst_is_met_in_few_looks);
	tcase_add_test(t, pauses_double_up_to_a_ceiling);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
