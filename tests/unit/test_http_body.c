/* SPDX-License-Identifier: ISC */
/*
 * Bodies: the chunked coding in every split, lengths, and ends by close.
 */
#include "config.h"
#include "wire/http_body.h"

#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "guard.h"

#define BYTES(s)	s, sizeof s - 1

struct chunked {
	const char *name;
	enum http_verdict verdict;
	size_t used;		/* of the bytes, when the verdict falls */
	const char *text;
	size_t len;
};

static const struct chunked cases[] = {
	{ "nothing", HTTP_OK, 5, BYTES("0\r\n\r\n") },
	{ "one chunk", HTTP_OK, 13, BYTES("3\r\nabc\r\n0\r\n\r\n") },
	{ "the next message stays", HTTP_OK, 13, BYTES("3\r\nabc\r\n0\r\n\r\nGET / HTTP/1.1\r\n") },
	{ "CRLF in the data", HTTP_OK, 18, BYTES("8\r\n\r\n0\r\n\r\nX\r\n0\r\n\r\nGET") },
	{ "zeroes before the size", HTTP_OK, 17, BYTES("0003\r\nabc\r\n00\r\n\r\n") },
	{ "sixteen digits", HTTP_OK, 28, BYTES("0000000000000003\r\nabc\r\n0\r\n\r\n") },
	{ "an extension", HTTP_OK, 15, BYTES("3;a\r\nabc\r\n0\r\n\r\n") },
	{ "extensions with values", HTTP_OK, 29,
	    BYTES("3;a=b;c=\"d;\t\\\"\"\r\nabc\r\n0;e\r\n\r\n") },
	{ "a trailer", HTTP_OK, 11, BYTES("0\r\nX: a\r\n\r\n") },
	{ "two trailers", HTTP_OK, 24, BYTES("0\r\nGrpc-Status:0\r\nX:\r\n\r\nGET") },
	{ "a trailer with a long name", HTTP_OK, 47,
	    BYTES("0\r\nTransfer-Encoding-And-Then-A-Lot-More: x\r\n\r\n") },
	{ "a trailer of 8 bits", HTTP_OK, 13, BYTES("0\r\nX: \xc3\xa4\t\r\n\r\n") },

	{ "no size", HTTP_MALFORMED, 0, BYTES("\r\n") },
	{ "only an extension", HTTP_MALFORMED, 0, BYTES(";a\r\n") },
	{ "a size of letters", HTTP_MALFORMED, 0, BYTES("xyz\r\n") },
	{ "a size with 0x", HTTP_MALFORMED, 1, BYTES("0x3\r\nabc\r\n") },
	{ "a signed size", HTTP_MALFORMED, 0, BYTES("+3\r\nabc\r\n") },
	{ "a negative size", HTTP_MALFORMED, 0, BYTES("-1\r\n") },
	{ "a size with an underscore", HTTP_MALFORMED, 1, BYTES("1_0\r\n") },
	{ "space before the size", HTTP_MALFORMED, 0, BYTES(" 3\r\nabc\r\n") },
	{ "space behind the size", HTTP_MALFORMED, 1, BYTES("3 \r\nabc\r\n") },
	{ "a tab behind the size", HTTP_MALFORMED, 1, BYTES("3\t\r\nabc\r\n") },
	{ "a NUL behind the size", HTTP_MALFORMED, 1, BYTES("3\0\r\nabc\r\n") },
	{ "a comma behind the size", HTTP_MALFORMED, 1, BYTES("3,3\r\nabc\r\n") },
	{ "seventeen digits", HTTP_MALFORMED, 16, BYTES("00000000000000003\r\nabc\r\n") },
	{ "a size of 2^63", HTTP_MALFORMED, 15, BYTES("8000000000000000\r\n") },
	{ "a size of 2^64 - 1", HTTP_MALFORMED, 15, BYTES("ffffffffffffffff\r\n") },
	{ "a size of 2^64 + 3", HTTP_MALFORMED, 16, BYTES("10000000000000003\r\nabc\r\n") },
	{ "a bare LF behind the size", HTTP_MALFORMED, 1, BYTES("3\nabc\r\n0\r\n\r\n") },
	{ "a bare CR behind the size", HTTP_MALFORMED, 2, BYTES("3\rabc\r\n0\r\n\r\n") },
	{ "CR CR LF behind the size", HTTP_MALFORMED, 2, BYTES("3\r\r\nabc\r\n") },
	{ "a chunk that is longer", HTTP_MALFORMED, 6, BYTES("3\r\nabcd\r\n0\r\n\r\n") },
	{ "a chunk that is shorter", HTTP_MALFORMED, 8, BYTES("5\r\nabc\r\n0\r\n\r\n") },
	{ "no CRLF behind the data", HTTP_MALFORMED, 6, BYTES("3\r\nabc0\r\n\r\n") },
	{ "a bare LF behind the data", HTTP_MALFORMED, 6, BYTES("3\r\nabc\n0\r\n\r\n") },
	{ "a bare CR behind the data", HTTP_MALFORMED, 7, BYTES("3\r\nabc\r0\r\n\r\n") },
	{ "an empty extension", HTTP_MALFORMED, 2, BYTES("3;\r\nabc\r\n") },
	{ "space before an extension", HTTP_MALFORMED, 1, BYTES("3 ;a\r\nabc\r\n") },
	{ "space behind the semicolon", HTTP_MALFORMED, 2, BYTES("3; a\r\nabc\r\n") },
	{ "an extension with an empty value", HTTP_MALFORMED, 4, BYTES("3;a=\r\nabc\r\n") },
	{ "a bare LF in an extension", HTTP_MALFORMED, 3, BYTES("3;a\nabc\r\n0\r\n\r\n") },
	{ "a bare CR in an extension", HTTP_MALFORMED, 4, BYTES("3;a\rb\r\nabc\r\n") },
	{ "a bare LF in a quoted value", HTTP_MALFORMED, 5, BYTES("3;a=\"\n\"\r\nabc\r\n") },
	{ "CRLF in a quoted value", HTTP_MALFORMED, 6, BYTES("3;a=\"b\r\n\"\r\nabc\r\n") },
	{ "an escaped CR", HTTP_MALFORMED, 6, BYTES("3;a=\"\\\r\n\"\r\nabc\r\n") },
	{ "more behind a quoted value", HTTP_MALFORMED, 7, BYTES("3;a=\"b\"c\r\nabc\r\n") },
	{ "a NUL in an extension", HTTP_MALFORMED, 3, BYTES("3;a\0\r\nabc\r\n") },
	{ "8 bits in an extension", HTTP_MALFORMED, 2, BYTES("3;\xe4\r\nabc\r\n") },

	{ "a bare LF behind the last size", HTTP_MALFORMED, 1, BYTES("0\n\r\n") },
	{ "a bare LF at the very end", HTTP_MALFORMED, 3, BYTES("0\r\n\n") },
	{ "a bare CR at the very end", HTTP_MALFORMED, 4, BYTES("0\r\n\rGET") },
	{ "a fold among trailers", HTTP_MALFORMED, 9, BYTES("0\r\nX: a\r\n b\r\n\r\n") },
	{ "a trailer that begins with a space", HTTP_MALFORMED, 3, BYTES("0\r\n X: a\r\n\r\n") },
	{ "a trailer with no colon", HTTP_MALFORMED, 4, BYTES("0\r\nX\r\n\r\n") },
	{ "a trailer with space before the colon", HTTP_MALFORMED, 4, BYTES("0\r\nX : a\r\n\r\n") },
	{ "a trailer with no name", HTTP_MALFORMED, 3, BYTES("0\r\n: a\r\n\r\n") },
	{ "a trailer that ends in LF", HTTP_MALFORMED, 7, BYTES("0\r\nX: a\nY: b\r\n\r\n") },
	{ "a bare CR in a trailer", HTTP_MALFORMED, 8, BYTES("0\r\nX: a\rb\r\n\r\n") },
	{ "a bare CR and a space in a trailer", HTTP_MALFORMED, 8,
	    BYTES("0\r\nX: a\r b\r\n\r\n") },
	{ "a NUL in a trailer", HTTP_MALFORMED, 6, BYTES("0\r\nX: \0\r\n\r\n") },
	{ "a request in place of the end", HTTP_MALFORMED, 6, BYTES("0\r\nGET / HTTP/1.1\r\n\r\n") },
	{ "the trailer Content-Length", HTTP_MALFORMED, 17, BYTES("0\r\nContent-Length: 5\r\n\r\n") },
	{ "the trailer Transfer-Encoding", HTTP_MALFORMED, 20,
	    BYTES("0\r\ntransfer-encoding: chunked\r\n\r\n") },
	{ "the trailer Host", HTTP_MALFORMED, 7, BYTES("0\r\nHOST: a\r\n\r\n") },
	{ "the trailer Connection", HTTP_MALFORMED, 13, BYTES("0\r\nConnection: close\r\n\r\n") },
	{ "the trailer X-Forwarded-For", HTTP_MALFORMED, 18, BYTES("0\r\nX-Forwarded-For: a\r\n\r\n") },
	{ "the trailer Authorization", HTTP_MALFORMED, 16, BYTES("0\r\nAuthorization: a\r\n\r\n") },
	{ "the trailer Upgrade", HTTP_MALFORMED, 10, BYTES("0\r\nUpgrade: a\r\n\r\n") },

	{ "no byte yet", HTTP_MORE, 0, BYTES("") },
	{ "half a size", HTTP_MORE, 1, BYTES("1") },
	{ "half the data", HTTP_MORE, 5, BYTES("3\r\nab") },
	{ "no last chunk", HTTP_MORE, 8, BYTES("3\r\nabc\r\n") },
	{ "half the end", HTTP_MORE, 4, BYTES("0\r\n\r") },
	{ "a size of 2^63 - 1", HTTP_MORE, 21, BYTES("7fffffffffffffff\r\nabc") },
	{ "a trailer and no end", HTTP_MORE, 9, BYTES("0\r\nX: a\r\n") },
};

/* Feed in pieces of n bytes; *total is what was used when the verdict fell. */
static enum http_verdict
feed(const char *text, size_t len, size_t n, size_t *total)
{
	struct http_chunked c;
	enum http_verdict v = HTTP_MORE;
	size_t used, piece;

	memset(&c, 0, sizeof c);
	for (*total = 0; v == HTTP_MORE && *total < len; *total += used) {
		piece = len - *total < n ? len - *total : n;
		v = http_chunked_feed(&c, guard_copy(text + *total, piece), piece, &used);
		ck_assert_uint_le(used, piece);
		ck_assert(v != HTTP_MORE || used == piece);
	}
	return v;
}

START_TEST(chunks_in_every_split)
{
	const struct chunked *c = &cases[_i];
	struct http_chunked two;
	enum http_verdict v;
	size_t n, used, more;

	for (n = 1; n <= c->len; n++) {
		v = feed(c->text, c->len, n, &used);
		ck_assert_msg(v == c->verdict && used == c->used,
		    "%s: in pieces of %zu: %d, %zu used", c->name, n, v, used);
	}
	for (n = 0; n < c->used; n++) {
		memset(&two, 0, sizeof two);
		v = http_chunked_feed(&two, c->text, n, &used);
		ck_assert_msg(v == HTTP_MORE && used == n, "%s: %zu bytes say %d", c->name, n, v);
		v = http_chunked_feed(&two, c->text + n, c->len - n, &more);
		ck_assert_msg(v == c->verdict && used + more == c->used,
		    "%s: split at %zu says %d", c->name, n, v);
	}
}
END_TEST

START_TEST(sizes_are_hexadecimal)
{
	char text[256] = "aA\r\n";
	size_t used;

	memset(text + 4, 'x', 0xaa);
	memcpy(text + 4 + 0xaa, "\r\n0\r\n\r\n", 8);
	ck_assert_int_eq(feed(text, 4 + 0xaa + 7, 1, &used), HTTP_OK);
	ck_assert_uint_eq(used, 4 + 0xaa + 7);
	ck_assert_int_eq(feed(text, 4 + 0xaa + 7, 64, &used), HTTP_OK);
}
END_TEST

START_TEST(a_chunk_line_is_bounded)
{
	static char text[2 * HTTP_CHUNK_LINE_MAX];
	size_t used;

	memset(text, 'a', sizeof text);
	memcpy(text, "0;", 2);
	ck_assert_int_eq(feed(text, sizeof text, sizeof text, &used), HTTP_MALFORMED);
	ck_assert_uint_eq(used, HTTP_CHUNK_LINE_MAX);
	ck_assert_int_eq(feed(text, sizeof text, 7, &used), HTTP_MALFORMED);
	ck_assert_uint_eq(used, HTTP_CHUNK_LINE_MAX);
	memcpy(text + HTTP_CHUNK_LINE_MAX - 2, "\r\n\r\n", 4);
	ck_assert_int_eq(feed(text, sizeof text, sizeof text, &used), HTTP_OK);
}
END_TEST

START_TEST(chunk_lines_are_bounded_each_for_itself)
{
	char text[8192];
	size_t len = 0, used;
	int i;

	for (i = 0; i < 400; i++, len += 11)
		memcpy(text + len, "3;ab\r\nxxx\r\n", 11);
	memcpy(text + len, "0\r\n\r\n", 5);
	ck_assert_int_eq(feed(text, len + 5, len + 5, &used), HTTP_OK);
	ck_assert_uint_eq(used, len + 5);
}
END_TEST

START_TEST(trailers_are_bounded)
{
	static char text[2 * HTTP_TRAILER_MAX] = "0\r\nX: ";
	size_t used, len = 3;
	int i;

	memset(text + 6, 'a', sizeof text - 6);
	ck_assert_int_eq(feed(text, sizeof text, sizeof text, &used), HTTP_MALFORMED);
	ck_assert_uint_eq(used, 3 + HTTP_TRAILER_MAX);
	ck_assert_int_eq(feed(text, sizeof text, 1000, &used), HTTP_MALFORMED);
	ck_assert_uint_eq(used, 3 + HTTP_TRAILER_MAX);
	for (i = 0; i < HTTP_REQUEST_FIELDS; i++, len += 5)
		memcpy(text + len, "X:1\r\n", 5);
	memcpy(text + len, "\r\n", 2);
	ck_assert_int_eq(feed(text, len + 2, len + 2, &used), HTTP_OK);
	memcpy(text + len, "X:1\r\n\r\n", 7);
	ck_assert_int_eq(feed(text, len + 7, len + 7, &used), HTTP_MALFORMED);
	ck_assert_uint_eq(used, len);
}
END_TEST

static struct http_body
body_of(enum http_framing framing, uint64_t length)
{
	struct http_head h = { .framing = (uint8_t)framing, .content_length = length };
	struct http_body b;

	http_body_init(&b, &h);
	return b;
}

START_TEST(no_body_is_done_at_once)
{
	struct http_body b = body_of(HTTP_NO_BODY, 500);	/* as in a 304 */
	size_t used = 9;

	ck_assert(b.done);
	ck_assert_int_eq(http_body_feed(&b, "GET", 3, &used), HTTP_OK);
	ck_assert_uint_eq(used, 0);
	b = body_of(HTTP_LENGTH, 0);
	ck_assert(b.done);
}
END_TEST

START_TEST(a_length_is_counted)
{
	struct http_body b = body_of(HTTP_LENGTH, 5);
	size_t used;

	ck_assert_int_eq(http_body_feed(&b, "abc", 3, &used), HTTP_MORE);
	ck_assert_uint_eq(used, 3);
	ck_assert(!http_body_eof(&b));
	ck_assert_int_eq(http_body_feed(&b, "deGET", 5, &used), HTTP_OK);
	ck_assert_uint_eq(used, 2);
	ck_assert(b.done && http_body_eof(&b));
	ck_assert_int_eq(http_body_feed(&b, "GET", 3, &used), HTTP_OK);
	ck_assert_uint_eq(used, 0);
}
END_TEST

START_TEST(a_length_may_go_by_unseen)
{
	struct http_body b = body_of(HTTP_LENGTH, INT64_MAX);
	size_t used;

	http_body_skip(&b, INT64_MAX - 1);
	ck_assert(!b.done);
	ck_assert_uint_eq(b.left, 1);
	ck_assert_int_eq(http_body_feed(&b, "ab", 2, &used), HTTP_OK);
	ck_assert_uint_eq(used, 1);
	b = body_of(HTTP_LENGTH, 5);
	http_body_skip(&b, 5);
	ck_assert(b.done);
}
END_TEST

START_TEST(chunks_are_a_body_too)
{
	struct http_body b = body_of(HTTP_CHUNKED, 0);
	size_t used;

	ck_assert_int_eq(http_body_feed(&b, "3\r\nabc\r\n0\r\n\r", 12, &used), HTTP_MORE);
	ck_assert(!http_body_eof(&b));
	ck_assert_int_eq(http_body_feed(&b, "\nGET", 4, &used), HTTP_OK);
	ck_assert_uint_eq(used, 1);
	ck_assert(b.done);
	b = body_of(HTTP_CHUNKED, 0);
	ck_assert_int_eq(http_body_feed(&b, "x", 1, &used), HTTP_MALFORMED);
	ck_assert(!b.done && !http_body_eof(&b));
}
END_TEST

START_TEST(close_ends_what_has_no_other_end)
{
	struct http_body b = body_of(HTTP_UNTIL_CLOSE, 0);
	size_t used;

	ck_assert_int_eq(http_body_feed(&b, "abc", 3, &used), HTTP_MORE);
	ck_assert_uint_eq(used, 3);
	ck_assert(!b.done);
	ck_assert(http_body_eof(&b) && b.done);
	b = body_of(HTTP_TUNNEL, 0);
	ck_assert_int_eq(http_body_feed(&b, "abc", 3, &used), HTTP_MORE);
	ck_assert_uint_eq(used, 3);
	ck_assert(http_body_eof(&b));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("http_body");
	TCase *t = tcase_create("body");
	SRunner *sr;
	int failed;

	tcase_add_loop_test(t, chunks_in_every_split, 0, (int)(sizeof cases / sizeof cases[0]));
	tcase_add_test(t, sizes_are_hexadecimal);
	tcase_add_test(t, a_chunk_line_is_bounded);
	tcase_add_test(t, chunk_lines_are_bounded_each_for_itself);
	tcase_add_test(t, trailers_are_bounded);
	tcase_add_test(t, no_body_is_done_at_once);
	tcase_add_test(t, a_length_is_counted);
	tcase_add_test(t, a_length_may_go_by_unseen);
	tcase_add_test(t, chunks_are_a_body_too);
	tcase_add_test(t, close_ends_what_has_no_other_end);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
