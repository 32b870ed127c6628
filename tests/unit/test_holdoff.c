/* SPDX-License-Identifier: ISC */
/* Sources that crash workers: how long they are refused, and who else is. */
#include "config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "state/holdoff.h"

#define SOURCES	(4 * HOLDOFF_CELLS)
#define COUNT(a)	((int)(sizeof(a) / sizeof(*(a))))

static struct holdoff table;
static const struct holdoff empty;

static struct addr
address(const char *text)
{
	struct addr a;

	ck_assert_msg(addr_parse_ip(text, &a), "%s", text);
	a.port = 12345;
	return a;
}

static int
crash(const char *text, int64_t now)
{
	struct addr a = address(text);
	uint32_t crashes;

	return holdoff_add(&table, &a, now, &crashes);
}

static int
left(const char *text, int64_t now)
{
	struct addr a = address(text);

	return holdoff_left(&table, &a, now);
}

static void
fresh(void)
{
	table = empty;
	table.seed = 42;
}

/* The crashes of one client, one after another, and what each costs it. */
static const struct {
	int64_t at;
	int ms;
} story[] = {
	{ 1000, 0 },
	{ 1100, 1000 },
	{ 2200, 2000 },
	{ 2300, 4000 },
	{ 9000, 8000 },
	{ 20000, 16000 },
	{ 40000, 32000 },
	{ 80000, 64000 },
	{ 150000, 128000 },
	{ 300000, 256000 },
	{ 600000, 300000 },
	{ 900000, 300000 },
	/* held until 1200000; ten minutes are not over */
	{ 1800000, 300000 },
	/* until 2100000; over */
	{ 2700001, 0 },
	{ 2700002, 1000 },
};

START_TEST(it_doubles_up_to_a_ceiling_and_is_forgotten)
{
	fresh();
	for (int i = 0; i < COUNT(story); i++) {
		ck_assert_msg(crash("192.0.2.1", story[i].at) == story[i].ms, "crash %d", i);
		ck_assert_int_eq(left("192.0.2.1", story[i].at), story[i].ms);
		ck_assert_int_eq(left("192.0.2.1", story[i].at + story[i].ms), 0);
		if (story[i].ms > 0)
			ck_assert_int_eq(left("192.0.2.1", story[i].at + story[i].ms - 1), 1);
	}
}
END_TEST

/* After crashes of the first, is the second held too? */
static const struct {
	const char *guilty, *other;
	bool held;
} pairs[] = {
	{ "192.0.2.1", "192.0.2.1", true },
	{ "192.0.2.1", "192.0.2.2", false },
	{ "192.0.2.1", "::ffff:192.0.2.1", true },
	{ "2001:db8::1", "2001:db8::2", true },
	{ "2001:db8::1", "2001:db8:0:0:ffff::1", true },
	{ "2001:db8::1", "2001:db8:0:1::1", false },
	{ "2001:db8::1", "192.0.2.1", false },
};

START_TEST(a_source_is_an_address_or_a_64)
{
	fresh();
	crash(pairs[_i].guilty, 1000);
	crash(pairs[_i].guilty, 1000);
	ck_assert_msg((left(pairs[_i].other, 1500) > 0) == pairs[_i].held, "%s, then %s",
	    pairs[_i].guilty, pairs[_i].other);
}
END_TEST

START_TEST(nobody_looks_where_nobody_is_held)
{
	fresh();
	ck_assert(!holdoff_any(&table));
	crash("192.0.2.1", 1000);
	ck_assert(!holdoff_any(&table));
	crash("192.0.2.1", 1000);
	ck_assert(holdoff_any(&table));
	holdoff_tidy(&table, 1999);
	ck_assert(holdoff_any(&table));
	holdoff_tidy(&table, 2000);
	ck_assert(!holdoff_any(&table));
}
END_TEST

/* Far more sources than cells: no harm, and the last is known. */
START_TEST(a_full_table_forgets_the_oldest)
{
	char text[32];
	unsigned held = 0, i;

	fresh();
	for (i = 0; i < SOURCES; i++) {
		snprintf(text, sizeof(text), "10.%u.%u.%u", i >> 16 & 255, i >> 8 & 255, i & 255);
		crash(text, 1000 + i / 100);
		ck_assert_int_eq(crash(text, 1000 + i / 100), HOLDOFF_FIRST_MS);
		ck_assert_int_eq(left(text, 1000 + i / 100), HOLDOFF_FIRST_MS);
	}
	for (i = 0; i < SOURCES; i++) {
		snprintf(text, sizeof(text), "10.%u.%u.%u", i >> 16 & 255, i >> 8 & 255, i & 255);
		held += left(text, 1100) > 0;
	}
	ck_assert_uint_gt(held, HOLDOFF_CELLS / 2);
	ck_assert_uint_le(held, HOLDOFF_CELLS);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("holdoff");
	TCase *t = tcase_create("holdoff");
	SRunner *r;
	int failed;

	tcase_add_test(t, it_doubles_up_to_a_ceiling_and_is_forgotten);
	tcase_add_loop_test(t, a_source_is_an_address_or_a_64, 0, COUNT(pairs));
	tcase_add_test(t, nobody_looks_where_nobody_is_held);
	tcase_add_test(t, a_full_table_forgets_the_oldest);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
