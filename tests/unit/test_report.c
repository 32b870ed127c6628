/* SPDX-License-Identifier: ISC */
/* The reports' text: escapes, growth and its bound, sizes and spans for
 * people, HAProxy's column names. */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "report/out.h"
#include "report/report.h"
#include "report/row.h"

typedef void escape(struct out *o, const char *s);

static void
expect(escape *fn, const char *in, const char *want)
{
	struct out o;

	out_init(&o);
	fn(&o, in);
	ck_assert_uint_eq(o.len, strlen(want));
	ck_assert_mem_eq(o.len > 0 ? o.p : "", want, o.len);
	ck_assert(!o.failed);
	out_free(&o);
}

static const struct {
	escape *fn;
	const char *in, *want;
} escapes[] = {
	{ out_html, "", "" },
	{ out_html, "plain", "plain" },
	{ out_html, "<b a=\"1\" c='2'>&amp;", "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;amp;" },
	{ out_json, "", "\"\"" },
	{ out_json, "a\"b\\c/d", "\"a\\\"b\\\\c/d\"" },
	{ out_json, "\n\t\x01\x7f\xc3", "\"\\u000a\\u0009\\u0001\\u007f\\u00c3\"" },
	{ out_csv, "plain text", "plain text" },
	{ out_csv, "a,b", "\"a,b\"" },
	{ out_csv, "say \"x\"", "\"say \"\"x\"\"\"" },
	{ out_csv, "two\nlines", "\"two\nlines\"" },
	{ out_label, "a\\b\"c\nd", "a\\\\b\\\"c\\nd" },
	{ out_field, "a\tb\nc\rd", "a b c d" },
	{ out_field, "%s%n", "%s%n" },
};

START_TEST(test_escapes)
{
	expect(escapes[_i].fn, escapes[_i].in, escapes[_i].want);
}
END_TEST

START_TEST(test_text_grows_and_keeps_what_it_has)
{
	struct out o;
	unsigned i;

	out_init(&o);
	for (i = 0; i < 100000; i++)
		out_printf(&o, "%05u\n", i);
	ck_assert(!o.failed);
	ck_assert_uint_eq(o.len, 600000);
	for (i = 0; i < 100000; i += 7919)
		ck_assert_int_eq(atoi(o.p + i * 6), (int)i);
	out_free(&o);
	ck_assert_ptr_null(o.p);
}
END_TEST

START_TEST(test_one_print_larger_than_the_room)
{
	static char big[200000];
	struct out o;

	memset(big, 'x', sizeof(big) - 1);
	out_init(&o);
	out_printf(&o, "<%s>", big);
	ck_assert_uint_eq(o.len, sizeof(big) + 1);
	ck_assert_int_eq(o.p[o.len - 1], '>');
	out_free(&o);
}
END_TEST

START_TEST(test_past_the_bound_a_text_has_failed)
{
	static char big[1 << 20];
	struct out o;
	unsigned i;
	size_t len;

	memset(big, 'x', sizeof(big));
	out_init(&o);
	for (i = 0; i < OUT_MAX / sizeof(big); i++)
		out_bytes(&o, big, sizeof(big));
	ck_assert(!o.failed);
	out_text(&o, "x");
	ck_assert(o.failed);
	len = o.len;
	out_printf(&o, "%d", 1);
	ck_assert_uint_eq(o.len, len);
	out_free(&o);
}
END_TEST

static const struct { uint64_t n; const char *want; } sizes[] = {
	{ 0, "0" }, { 999, "999" }, { 1000, "1.0k" }, { 9949, "9.9k" }, { 9950, "10k" },
	{ 999499, "999k" }, { 999500, "1.0M" }, { 1234567, "1.2M" }, { 20000000000, "20G" },
	{ UINT64_MAX, "18E" },
};

START_TEST(test_sizes)
{
	char buf[REPORT_WORDS];

	ck_assert_str_eq(report_size(sizes[_i].n, buf), sizes[_i].want);
}
END_TEST

static const struct { int64_t s; const char *want; } spans[] = {
	{ 0, "0s" }, { 59, "59s" }, { 60, "1m00s" }, { 3599, "59m59s" }, { 3600, "1h00m" },
	{ 11520, "3h12m" }, { 86399, "23h59m" }, { 86400, "1d00h" }, { 90000000, "1041d16h" },
};

START_TEST(test_spans)
{
	char buf[REPORT_WORDS];

	ck_assert_str_eq(report_span(spans[_i].s, buf), spans[_i].want);
}
END_TEST

static const struct { int64_t us; const char *want; } micros[] = {
	{ 0, "0.0ms" }, { 412, "0.4ms" }, { 9949, "9.9ms" }, { 9950, "10ms" }, { 999000, "999ms" },
	{ 1500000, "1.5s" },
};

START_TEST(test_micros)
{
	char buf[REPORT_WORDS];

	ck_assert_str_eq(report_micros(micros[_i].us, buf), micros[_i].want);
}
END_TEST

/* The places that scrapers of HAProxy count on. */
static const struct { int at; const char *name; } columns[] = {
	{ 0, "pxname" }, { 1, "svname" }, { 4, "scur" }, { 7, "stot" }, { 17, "status" },
	{ 32, "type" }, { 36, "check_status" }, { 39, "hrsp_1xx" }, { 44, "hrsp_other" },
	{ 48, "req_tot" }, { 50, "srv_abrt" }, { 56, "last_chk" }, { 61, "ttime" }, { 73, "addr" },
	{ 75, "mode" }, { 94, "eint" }, { 102, "agg_check_status" }, { 103, "-" },
};

START_TEST(test_columns)
{
	ck_assert_str_eq(row_names[columns[_i].at], columns[_i].name);
}
END_TEST

#define LOOP(fn, table) tcase_add_loop_test(tc, fn, 0, (int)(sizeof(table) / sizeof(table[0])))

int
main(void)
{
	Suite *s = suite_create("report");
	TCase *tc = tcase_create("report");
	SRunner *sr;
	int failed;

	LOOP(test_escapes, escapes);
	tcase_add_test(tc, test_text_grows_and_keeps_what_it_has);
	tcase_add_test(tc, test_one_print_larger_than_the_room);
	tcase_add_test(tc, test_past_the_bound_a_text_has_failed);
	LOOP(test_sizes, sizes);
	LOOP(test_spans, spans);
	LOOP(test_micros, micros);
	LOOP(test_columns, columns);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
