/* SPDX-License-Identifier: ISC */
/* Rates, histograms, gauges with a limit. */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "state/counters.h"
#include "state_help.h"

#define COUNT(a)	((int)(sizeof(a) / sizeof(*(a))))

static struct counters *
fresh(void)
{
	struct counters *c = mmap(NULL, sizeof(*c), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert(c != MAP_FAILED);
	return c;
}

START_TEST(sessions_come_and_go)
{
	struct counters *c = fresh();

	for (int i = 0; i < 5; i++)
		counters_open(c, 1000 + i);
	counters_close(c);
	counters_close(c);
	counters_open(c, 2000);
	ck_assert_int_eq(atomic_load(&c->current), 4);
	ck_assert_int_eq(atomic_load(&c->max_current), 5);
	ck_assert_uint_eq(counter_get(&c->sessions), 6);
	ck_assert_int_eq(atomic_load(&c->last_session_ms), 2000);
}
END_TEST

START_TEST(places_are_limited)
{
	struct counters *c = fresh();

	for (int i = 0; i < 3; i++)
		ck_assert(counters_take(c, 3));
	ck_assert(!counters_take(c, 3));
	ck_assert(!counters_take(c, 1));
	ck_assert_int_eq(atomic_load(&c->current), 3);
	ck_assert_int_eq(atomic_load(&c->max_current), 3);
	counters_close(c);
	ck_assert(counters_take(c, 3));
	/* a place alone is no session; 0 is no limit */
	ck_assert_uint_eq(counter_get(&c->sessions), 0);
	for (int i = 0; i < 100; i++)
		ck_assert(counters_take(c, 0));
	ck_assert_int_eq(atomic_load(&c->current), 103);
	ck_assert_int_eq(atomic_load(&c->max_current), 103);
}
END_TEST

struct contest {
	struct counters c;
	_Atomic uint32_t arrived, over, wins;
};

/* Waits for the others, without the processor. */
static void
meet(_Atomic uint32_t *count, uint32_t goal)
{
	atomic_fetch_add(count, 1);
	while (atomic_load(count) < goal)
		usleep(10);
}

static void
contend(void *arg, unsigned who)
{
	struct contest *x = arg;

	(void)who;
	for (uint32_t round = 1; round <= 400; round++) {
		meet(&x->arrived, round * 6);
		for (int i = 0; i < 20; i++)
			if (counters_take(&x->c, 2))
				atomic_fetch_add(&x->wins, 1);
		meet(&x->over, round * 6);
		if (who == 0) {
			/* 120 tried, 2 won: not one less because others were trying too */
			if (atomic_exchange(&x->wins, 0) != 2 || atomic_load(&x->c.current) != 2)
				_exit(1);
			atomic_store(&x->c.current, 0);
		}
	}
	if (atomic_load(&x->c.max_current) != 2)
		_exit(2);
}

START_TEST(places_are_exact_among_processes)
{
	struct contest *x = mmap(NULL, sizeof(*x), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert(x != MAP_FAILED);
	state_help_processes(6, contend, x);
}
END_TEST

struct chair {
	struct counters c;
	_Atomic uint32_t over;
};

/* The first sits and looks on; the others are refused, which must not look like
 * one session more: somebody else would be turned away for it. */
static void
sit_down(void *arg, unsigned who)
{
	struct chair *x = arg;

	if (who > 0) {
		while (!atomic_load(&x->over))
			if (counters_take(&x->c, 1))
				_exit(1);
		return;
	}
	for (int i = 0; i < 2000000; i++)
		if (atomic_load(&x->c.current) != 1) {
			atomic_store(&x->over, 1);
			_exit(2);
		}
	atomic_store(&x->over, 1);
}

START_TEST(who_is_refused_is_not_counted)
{
	struct chair *x = mmap(NULL, sizeof(*x), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert(x != MAP_FAILED);
	ck_assert(counters_take(&x->c, 1));
	state_help_processes(3, sit_down, x);
	ck_assert_int_eq(atomic_load(&x->c.current), 1);
	ck_assert_int_eq(atomic_load(&x->c.max_current), 1);
}
END_TEST

START_TEST(rates_are_of_whole_seconds)
{
	struct counters *c = fresh();

	for (int i = 0; i < 7; i++)
		counters_count(c, 10000 + i * 100);
	/* in the same second nothing is known of it yet */
	ck_assert_uint_eq(counters_rate(&c->rate, 10999), 0);
	ck_assert_uint_eq(counters_rate(&c->rate, 11000), 7);
	ck_assert_uint_eq(counters_rate(&c->rate, 11999), 7);
	/* a quiet second */
	ck_assert_uint_eq(counters_rate(&c->rate, 12000), 0);
	for (int i = 0; i < 3; i++)
		counters_count(c, 11500);
	ck_assert_uint_eq(counters_rate(&c->rate, 11900), 7);
	ck_assert_uint_eq(counters_rate(&c->rate, 12000), 3);
	counters_count(c, 14000);
	ck_assert_uint_eq(counters_rate(&c->rate, 14100), 0);
	ck_assert_uint_eq(counters_rate(&c->rate, 15000), 1);
	ck_assert_uint_eq(atomic_load(&c->rate.max), 7);
}
END_TEST

START_TEST(requests_have_a_rate_of_their_own)
{
	struct counters *c = fresh();

	for (int i = 0; i < 4; i++)
		counters_request(c, 5000);
	ck_assert_uint_eq(counter_get(&c->requests), 4);
	ck_assert_uint_eq(counter_get(&c->sessions), 0);
	ck_assert_uint_eq(counters_rate(&c->request_rate, 6000), 4);
	ck_assert_uint_eq(counters_rate(&c->rate, 6000), 0);
}
END_TEST

static const struct {
	int64_t us;
	int connect, duration;	/* buckets */
} times[] = {
	{ 0, 0, 0 }, { 999, 0, 0 }, { 1000, 0, 0 }, { 1001, 1, 0 }, { 2000, 1, 0 }, { 5000, 2, 0 },
	{ 5001, 3, 0 }, { 10000, 3, 0 }, { 10001, 4, 1 }, { 25000, 4, 1 }, { 50000, 5, 1 },
	{ 100000, 6, 1 }, { 100001, 7, 2 }, { 250000, 7, 2 }, { 1000000, 8, 2 }, { 5000000, 9, 3 },
	{ 10000000, 10, 4 }, { 10000001, 11, 4 }, { 30000001, 11, 5 }, { INT64_C(120000001), 11, 6 },
	{ INT64_C(3600000000), 11, 7 }, { INT64_C(21600000000), 11, 8 }, { INT64_C(86400000000), 11, 9 },
	{ INT64_C(604800000000), 11, 10 }, { INT64_C(604800000001), 11, 11 },
};

START_TEST(times_fall_into_buckets)
{
	struct counters *c = fresh();

	counters_connect_time(c, times[_i].us);
	counters_duration(c, times[_i].us);
	for (int k = 0; k < COUNTERS_BUCKETS; k++) {
		ck_assert_msg(counter_get(&c->connect.bucket[k]) == (k == times[_i].connect),
		    "connect, %lld us, bucket %d", (long long)times[_i].us, k);
		ck_assert_msg(counter_get(&c->duration.bucket[k]) == (k == times[_i].duration),
		    "duration, %lld us, bucket %d", (long long)times[_i].us, k);
	}
	counters_connect_time(c, 5);
	ck_assert_uint_eq(counter_get(&c->connect.sum_us), (uint64_t)times[_i].us + 5);
}
END_TEST

static void
count_up(void *arg, unsigned who)
{
	struct counters *c = arg;

	(void)who;
	for (int i = 0; i < 5000; i++) {
		counters_open(c, i);
		counters_connect_time(c, 1500);
		counters_close(c);
	}
}

START_TEST(nothing_is_lost_among_processes)
{
	struct counters *c = fresh();

	state_help_processes(8, count_up, c);
	ck_assert_uint_eq(counter_get(&c->sessions), 40000);
	ck_assert_uint_eq(counter_get(&c->connect.bucket[1]), 40000);
	ck_assert_int_eq(atomic_load(&c->current), 0);
	ck_assert_int_ge(atomic_load(&c->max_current), 1);
	ck_assert_int_le(atomic_load(&c->max_current), 8);
}
END_TEST

START_TEST(every_reject_has_a_word)
{
	for (int i = 0; i < REJECT_KINDS; i++) {
		ck_assert_str_ne(reject_name((enum reject)i), "");
		for (int k = 0; k < i; k++)
			ck_assert_str_ne(reject_name((enum reject)i), reject_name((enum reject)k));
	}
}
END_TEST

/* The mean is of all at first, of the last 1024 later; the most stays. */
START_TEST(where_the_time_went)
{
	struct counters *c = fresh();
	const int64_t slow[SPANS] = { 2000, 4000, 6000, 100000 }, fast[SPANS] = { 0, 0, 0, 1000 };
	int i;

	for (i = 0; i < SPANS; i++)
		ck_assert_int_eq(counters_mean_ms(c, (enum span)i), 0);
	counters_spent(c, slow);
	ck_assert_int_eq(counters_mean_ms(c, SPAN_QUEUE), 2);
	ck_assert_int_eq(counters_mean_ms(c, SPAN_CONNECT), 4);
	ck_assert_int_eq(counters_mean_ms(c, SPAN_ANSWER), 6);
	ck_assert_int_eq(counters_mean_ms(c, SPAN_TOTAL), 100);
	counters_spent(c, fast);
	ck_assert_int_eq(counters_mean_ms(c, SPAN_QUEUE), 1);
	ck_assert_int_eq(counters_mean_ms(c, SPAN_TOTAL), 50);
	for (i = 0; i < 20 * COUNTERS_WINDOW; i++)
		counters_spent(c, fast);
	ck_assert_int_eq(counters_mean_ms(c, SPAN_QUEUE), 0);
	ck_assert_int_eq(counters_mean_ms(c, SPAN_TOTAL), 1);
	ck_assert_int_eq(atomic_load(&c->spent[SPAN_ANSWER].max_ms), 6);
	ck_assert_int_eq(atomic_load(&c->spent[SPAN_TOTAL].max_ms), 100);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("counters");
	TCase *t = tcase_create("counters");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_test(t, sessions_come_and_go);
	tcase_add_test(t, places_are_limited);
	tcase_add_test(t, places_are_exact_among_processes);
	tcase_add_test(t, who_is_refused_is_not_counted);
	tcase_add_test(t, rates_are_of_whole_seconds);
	tcase_add_test(t, requests_have_a_rate_of_their_own);
	tcase_add_loop_test(t, times_fall_into_buckets, 0, COUNT(times));
	tcase_add_test(t, nothing_is_lost_among_processes);
	tcase_add_test(t, every_reject_has_a_word);
	tcase_add_test(t, where_the_time_went);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
