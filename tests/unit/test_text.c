/* SPDX-License-Identifier: ISC */
/* Lines put together piece by piece: every piece, and every room. */
#include "config.h"

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define COUNT(a)	((int)(sizeof(a) / sizeof(*(a))))

static const int64_t numbers[] = {
	0, 1, -1, 9, 10, -10, 99, 100, 12345678, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, INT64_MIN + 1,
};

START_TEST(numbers_are_printfs)
{
	char buf[32], want[32];
	struct text t = text_in(buf, sizeof(buf));

	text_int(&t, numbers[_i]);
	snprintf(want, sizeof(want), "%" PRId64, numbers[_i]);
	ck_assert_str_eq(buf, want);
	t = text_in(buf, sizeof(buf));
	text_uint(&t, (uint64_t)numbers[_i]);
	snprintf(want, sizeof(want), "%" PRIu64, (uint64_t)numbers[_i]);
	ck_assert_str_eq(buf, want);
}
END_TEST

static const struct {
	uint64_t n;
	unsigned digits;
	const char *want;
} fixed[] = {
	{ 0, 3, "000" },
	{ 7, 3, "007" },
	{ 42, 2, "42" },
	{ 1234, 3, "234" },
	{ 5, 0, "" },
	{ UINT64_MAX, 20, "18446744073709551615" },
	{ 1, 99, "00000000000000000001" },
};

START_TEST(so_many_digits)
{
	char buf[32];
	struct text t = text_in(buf, sizeof(buf));

	text_digits(&t, fixed[_i].n, fixed[_i].digits);
	ck_assert_str_eq(buf, fixed[_i].want);
}
END_TEST

/* Whatever the room, what stands in it is the beginning of the whole. */
START_TEST(what_does_not_fit_is_cut)
{
	static const char whole[] = "ab-12 345/xyz07";
	char buf[32];
	size_t n = (size_t)_i < sizeof(whole) ? (size_t)_i : sizeof(whole);
	struct text t;

	memset(buf, '#', sizeof(buf));
	t = text_in(buf, (size_t)_i);
	text_add(&t, "ab");
	text_int(&t, -12);
	text_char(&t, ' ');
	text_uint(&t, 345);
	text_char(&t, '/');
	text_bytes(&t, "xyz", 3);
	text_digits(&t, 7, 2);
	text_add(&t, "");
	ck_assert_uint_eq(text_len(&t), n - 1);
	ck_assert_mem_eq(buf, whole, n - 1);
	ck_assert_int_eq(buf[n - 1], '\0');
	ck_assert_int_eq(buf[_i], '#');		/* not one byte beyond */
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("text");
	TCase *t = tcase_create("text");
	SRunner *r;
	int failed;

	tcase_add_loop_test(t, numbers_are_printfs, 0, COUNT(numbers));
	tcase_add_loop_test(t, so_many_digits, 0, COUNT(fixed));
	tcase_add_loop_test(t, what_does_not_fit_is_cut, 1, 20);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
