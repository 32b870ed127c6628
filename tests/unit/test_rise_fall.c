/* SPDX-License-Identifier: ISC */
/* From the results of probes to a server's state. */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/rise_fall.h"

#define COUNT(a)	((int)(sizeof(a) / sizeof(*(a))))

/* Results of probes ('+' good, '-' bad), and the state after each of them. */
static const struct {
	const char *why;
	enum health_state begin;
	int streak, rise, fall;
	const char *results, *states;
} cases[] = {
	{ "up from the start", HEALTH_UP, 0, 2, 3, "++++", "UUUU" },
	{ "the first alone counts", HEALTH_UP, 0, 2, 3, "-", "D" },
	{ "later ones by fall", HEALTH_UP, 0, 2, 3, "+--+---", "UUUUUUD" },
	{ "up after rise", HEALTH_UP, 0, 2, 3, "-+-+-++", "DDDDDDU" },
	{ "once up again, fall is due", HEALTH_UP, 0, 2, 3, "-++--+--- ", "DDUUUUUUD" },
	{ "fall 1", HEALTH_UP, 0, 2, 1, "+-", "UD" },
	{ "rise 1", HEALTH_UP, 0, 1, 3, "-+---+", "DUUUDU" },
	{ "rise and fall 1", HEALTH_UP, 0, 1, 1, "+-+-+-", "UDUDUD" },
	{ "down from the start", HEALTH_DOWN, 0, 2, 3, "--++", "DDDU" },
	{ "goes on after a restart", HEALTH_UP, -2, 2, 3, "-", "D" },
	{ "a restart forgives nothing", HEALTH_UP, 5, 2, 3, "--", "UU" },
	{ "a restart, down", HEALTH_DOWN, 1, 2, 3, "+", "U" },
	{ "a restart, down again", HEALTH_DOWN, -7, 3, 3, "+++", "DDU" },
	{ "a lower fall after a reload", HEALTH_UP, -3, 2, 2, "-", "D" },
	{ "a lower rise after a reload", HEALTH_DOWN, 4, 2, 2, "+", "U" },
};

START_TEST(results_make_states)
{
	struct rise_fall r = { cases[_i].begin, cases[_i].streak };

	for (size_t i = 0; i < strlen(cases[_i].states); i++) {
		enum health_state was = r.state, want = cases[_i].states[i] == 'U' ? HEALTH_UP : HEALTH_DOWN;
		bool changed = rise_fall_add(&r, cases[_i].results[i] == '+', cases[_i].rise, cases[_i].fall);

		ck_assert_msg(r.state == want, "%s: result %zu", cases[_i].why, i);
		ck_assert_msg(changed == (was != want), "%s: change at %zu", cases[_i].why, i);
	}
}
END_TEST

START_TEST(streaks_count_results_in_a_row)
{
	struct rise_fall r = { HEALTH_UP, 0 };
	static const int want[] = { 1, 2, -1, -2, -3, 1 };
	static const char results[] = "++---+";

	for (int i = 0; i < COUNT(want); i++) {
		rise_fall_add(&r, results[i] == '+', 2, 3);
		ck_assert_int_eq(r.streak, want[i]);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("rise_fall");
	TCase *t = tcase_create("rise_fall");
	SRunner *r;
	int failed;

	tcase_add_loop_test(t, results_make_states, 0, COUNT(cases));
	tcase_add_test(t, streaks_count_results_in_a_row);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
