/* SPDX-License-Identifier: ISC */
/*
 * Heads of answers: what would leave client and durward of two minds about
 * where an answer ends is refused (and becomes a 502).
 */
#include "config.h"
#include "wire/http_head.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guard.h"

#define BYTES(s)	s, sizeof s - 1
#define OK		"HTTP/1.1 200 OK\r\n"
#define CHUNKED		"Transfer-Encoding: chunked\r\n"
#define END		"\r\n"

enum asked { GET, HEAD, UPGRADE };	/* what it answers */

struct bad {
	const char *name;
	enum asked asked;
	enum http_verdict verdict;
	const char *text;
	size_t len;
};

static const struct bad bad[] = {
	/* the status line */
	{ "no HTTP", GET, HTTP_MALFORMED, BYTES("SSH-2.0-OpenSSH\r\n") },
	{ "HTML at once (HTTP/0.9)", GET, HTTP_MALFORMED, BYTES("<html>") },
	{ "a TLS alert", GET, HTTP_MALFORMED, BYTES("\x15\x03\x01\x00\x02\x02\x32") },
	{ "an empty line first", GET, HTTP_MALFORMED, BYTES("\r\n" OK END) },
	{ "a space first", GET, HTTP_MALFORMED, BYTES(" " OK END) },
	{ "lower case", GET, HTTP_MALFORMED, BYTES("http/1.1 200 OK\r\n" END) },
	{ "ICY", GET, HTTP_MALFORMED, BYTES("ICY 200 OK\r\n" END) },
	{ "HTTP/2.0", GET, HTTP_BAD_VERSION, BYTES("HTTP/2.0 200 OK\r\n" END) },
	{ "HTTP/1.2 with two lengths", GET, HTTP_MALFORMED,
	  BYTES("HTTP/1.2 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n" END) },
	{ "HTTP/2", GET, HTTP_MALFORMED, BYTES("HTTP/2 200 OK\r\n" END) },
	{ "HTTP/1.10", GET, HTTP_MALFORMED, BYTES("HTTP/1.10 200 OK\r\n" END) },
	{ "a tab before the status", GET, HTTP_MALFORMED, BYTES("HTTP/1.1\t200 OK\r\n" END) },
	{ "two spaces before the status", GET, HTTP_MALFORMED, BYTES("HTTP/1.1  200 OK\r\n" END) },
	{ "no status", GET, HTTP_MALFORMED, BYTES("HTTP/1.1\r\n" END) },
	{ "a status of two digits", GET, HTTP_MALFORMED, BYTES("HTTP/1.1 20 OK\r\n" END) },
	{ "a status of four digits", GET, HTTP_MALFORMED, BYTES("HTTP/1.1 2000 OK\r\n" END) },
	{ "a status below 100", GET, HTTP_MALFORMED, BYTES("HTTP/1.1 099 OK\r\n" END) },
	{ "a status of letters", GET, HTTP_MALFORMED, BYTES("HTTP/1.1 2xx OK\r\n" END) },
	{ "a signed status", GET, HTTP_MALFORMED, BYTES("HTTP/1.1 -20 OK\r\n" END) },
	{ "a tab behind the status", GET, HTTP_MALFORMED, BYTES("HTTP/1.1 200\tOK\r\n" END) },
	{ "a NUL in the reason", GET, HTTP_MALFORMED, BYTES("HTTP/1.1 200 O\0K\r\n" END) },
	{ "a control in the reason", GET, HTTP_MALFORMED, BYTES("HTTP/1.1 200 \x1b[2J\r\n" END) },
	{ "a CR in the reason", GET, HTTP_MALFORMED, BYTES("HTTP/1.1 200 O\rK\r\n" END) },
	{ "the status line ends in LF", GET, HTTP_MALFORMED, BYTES("HTTP/1.1 200 OK\n" END) },
	{ "a status and LF", GET, HTTP_MALFORMED, BYTES("HTTP/1.1 200\n" END) },

	/* fields */
	{ "a field ends in LF", GET, HTTP_MALFORMED, BYTES(OK "X: a\n" END) },
	{ "the head ends in LF", GET, HTTP_MALFORMED, BYTES(OK "\n") },
	{ "a fold", GET, HTTP_MALFORMED, BYTES(OK "X: a\r\n b\r\n" END) },
	{ "a fold before any field", GET, HTTP_MALFORMED, BYTES(OK " X: a\r\n" END) },
	{ "space before the colon", GET, HTTP_MALFORMED, BYTES(OK "X : a\r\n" END) },
	{ "space before a framing field's colon", GET, HTTP_MALFORMED,
	    BYTES(OK "Content-Length : 5\r\n" END) },
	{ "no colon", GET, HTTP_MALFORMED, BYTES(OK "X\r\n" END) },
	{ "no name", GET, HTTP_MALFORMED, BYTES(OK ": a\r\n" END) },
	{ "a bad name", GET, HTTP_MALFORMED, BYTES(OK "X[]: a\r\n" END) },
	{ "a NUL in a value", GET, HTTP_MALFORMED, BYTES(OK "X: a\0b\r\n" END) },
	{ "a CR in a value", GET, HTTP_MALFORMED, BYTES(OK "X: a\rSet-Cookie: b\r\n" END) },
	{ "a LF in a value", GET, HTTP_MALFORMED, BYTES(OK "X: a\nSet-Cookie: b\r\n" END) },
	{ "a control in a value", GET, HTTP_MALFORMED, BYTES(OK "X: 0123456789\x01\r\n" END) },

	/* framing */
	{ "both Content-Length and chunked", GET, HTTP_MALFORMED,
	    BYTES(OK "Content-Length: 5\r\n" CHUNKED END) },
	{ "both chunked and Content-Length", GET, HTTP_MALFORMED,
	    BYTES(OK CHUNKED "Content-Length: 5\r\n" END) },
	{ "both, to a HEAD", HEAD, HTTP_MALFORMED, BYTES(OK CHUNKED "Content-Length: 5\r\n" END) },
	{ "both, in a 304", GET, HTTP_MALFORMED,
	    BYTES("HTTP/1.1 304 Not Modified\r\n" CHUNKED "Content-Length: 5\r\n" END) },
	{ "two Content-Lengths", GET, HTTP_MALFORMED,
	    BYTES(OK "Content-Length: 5\r\nContent-Length: 6\r\n" END) },
	{ "the same Content-Length twice", GET, HTTP_MALFORMED,
	    BYTES(OK "Content-Length: 5\r\nContent-Length: 5\r\n" END) },
	{ "a list of Content-Lengths", GET, HTTP_MALFORMED, BYTES(OK "Content-Length: 5,6\r\n" END) },
	{ "a negative Content-Length", GET, HTTP_MALFORMED, BYTES(OK "Content-Length: -5\r\n" END) },
	{ "a signed Content-Length", GET, HTTP_MALFORMED, BYTES(OK "Content-Length: +5\r\n" END) },
	{ "an empty Content-Length", GET, HTTP_MALFORMED, BYTES(OK "Content-Length: \r\n" END) },
	{ "a hexadecimal Content-Length", GET, HTTP_MALFORMED, BYTES(OK "Content-Length: 0x5\r\n" END) },
	{ "a Content-Length of 2^63", GET, HTTP_MALFORMED,
	    BYTES(OK "Content-Length: 9223372036854775808\r\n" END) },
	{ "a Content-Length of 2^64 + 1", GET, HTTP_MALFORMED,
	    BYTES(OK "Content-Length: 18446744073709551617\r\n" END) },
	{ "a bad Content-Length to a HEAD", HEAD, HTTP_MALFORMED, BYTES(OK "Content-Length: x\r\n" END) },
	{ "identity", GET, HTTP_MALFORMED, BYTES(OK "Transfer-Encoding: identity\r\n" END) },
	{ "gzip", GET, HTTP_MALFORMED, BYTES(OK "Transfer-Encoding: gzip\r\n" END) },
	{ "gzip, chunked", GET, HTTP_MALFORMED, BYTES(OK "Transfer-Encoding: gzip, chunked\r\n" END) },
	{ "chunked is not last", GET, HTTP_MALFORMED,
	    BYTES(OK "Transfer-Encoding: chunked, gzip\r\n" END) },
	{ "chunked twice", GET, HTTP_MALFORMED, BYTES(OK CHUNKED CHUNKED END) },
	{ "chunked and an empty one", GET, HTTP_MALFORMED, BYTES(OK CHUNKED "Transfer-Encoding:\r\n" END) },
	{ "an unknown coding", GET, HTTP_MALFORMED, BYTES(OK "Transfer-Encoding: chunke\r\n" END) },
	{ "chunked in 1.0", GET, HTTP_MALFORMED, BYTES("HTTP/1.0 200 OK\r\n" CHUNKED END) },
	{ "a 204 that is chunked", GET, HTTP_MALFORMED, BYTES("HTTP/1.1 204 No Content\r\n" CHUNKED END) },
	{ "a 204 with a length", GET, HTTP_MALFORMED,
	    BYTES("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n" END) },
	{ "a 100 that is chunked", GET, HTTP_MALFORMED, BYTES("HTTP/1.1 100 Continue\r\n" CHUNKED END) },
	{ "a 100 with a length", GET, HTTP_MALFORMED,
	    BYTES("HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n" END) },

	/* 101 */
	{ "a 101 nobody asked for", GET, HTTP_MALFORMED,
	    BYTES("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n" END) },
	{ "a 101 to a HEAD", HEAD, HTTP_MALFORMED, BYTES("HTTP/1.1 101 Switching Protocols\r\n" END) },
	{ "a 101 from a 1.0 server", UPGRADE, HTTP_MALFORMED, BYTES("HTTP/1.0 101 X\r\n" END) },
	{ "a 101 with a length", UPGRADE, HTTP_MALFORMED,
	    BYTES("HTTP/1.1 101 X\r\nContent-Length: 5\r\n" END) },
	{ "a 101 that is chunked", UPGRADE, HTTP_MALFORMED, BYTES("HTTP/1.1 101 X\r\n" CHUNKED END) },

	/* Connection */
	{ "Connection names Content-Length", GET, HTTP_MALFORMED,
	    BYTES(OK "Connection: Content-Length\r\nContent-Length: 5\r\n" END) },
	{ "Connection is no list of tokens", GET, HTTP_MALFORMED, BYTES(OK "Connection: (close)\r\n" END) },
};

struct good {
	const char *name;
	enum asked asked;
	const char *means;	/* see describe() */
	const char *text;
	size_t len;
};

static const struct good good[] = {
	{ "a length", GET, "200 OK 1.1 length=5 keep", BYTES(OK "Content-Length: 5\r\n" END) },
	{ "a length of nothing", GET, "200 OK 1.1 length=0 keep", BYTES(OK "Content-Length: 0\r\n" END) },
	{ "chunked", GET, "200 OK 1.1 chunked keep", BYTES(OK CHUNKED END) },
	{ "until close", GET, "200 OK 1.1 until-close close", BYTES(OK END) },
	{ "until close, keep-alive said", GET, "200 OK 1.1 until-close close hop=Connection",
	    BYTES(OK "Connection: keep-alive\r\n" END) },
	{ "close", GET, "200 OK 1.1 length=5 close hop=Connection",
	    BYTES(OK "Content-Length: 5\r\nConnection: close\r\n" END) },
	{ "a 1.2 server", GET, "200 OK 1.1 length=5 keep",
	    BYTES("HTTP/1.2 200 OK\r\nContent-Length: 5\r\n" END) },
	{ "a 1.0 server", GET, "200 OK 1.0 length=5 close",
	    BYTES("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n" END) },
	{ "a 1.0 server that keeps", GET, "200 OK 1.0 length=5 keep hop=Connection,Keep-Alive",
	    BYTES("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nKeep-Alive: timeout=5\r\n"
	    "Content-Length: 5\r\n" END) },
	{ "an empty reason", GET, "200  1.1 until-close close", BYTES("HTTP/1.1 200 \r\n" END) },
	{ "no reason", GET, "200  1.1 until-close close", BYTES("HTTP/1.1 200\r\n" END) },
	{ "a reason of 8 bits", GET, "404 N\xc3\xb6 :-) 1.1 length=0 keep",
	    BYTES("HTTP/1.1 404 N\xc3\xb6 :-)\r\nContent-Length: 0\r\n" END) },
	{ "a status nobody knows", GET, "999 X 1.1 until-close close", BYTES("HTTP/1.1 999 X\r\n" END) },
	{ "a 204", GET, "204 X 1.1 none keep", BYTES("HTTP/1.1 204 X\r\n" END) },
	{ "a 204 with a length of nothing", GET, "204 X 1.1 none keep",
	    BYTES("HTTP/1.1 204 X\r\nContent-Length: 0\r\n" END) },
	{ "a 304 with a length", GET, "304 X 1.1 none keep",
	    BYTES("HTTP/1.1 304 X\r\nContent-Length: 500\r\n" END) },
	{ "a 304 that would be chunked", GET, "304 X 1.1 none keep",
	    BYTES("HTTP/1.1 304 X\r\n" CHUNKED END) },
	{ "to a HEAD, with a length", HEAD, "200 OK 1.1 none keep",
	    BYTES(OK "Content-Length: 500\r\n" END) },
	{ "to a HEAD, chunked", HEAD, "200 OK 1.1 none keep", BYTES(OK CHUNKED END) },
	{ "to a HEAD, neither", HEAD, "200 OK 1.1 none keep", BYTES(OK END) },
	{ "a 100", GET, "100 Continue 1.1 none keep", BYTES("HTTP/1.1 100 Continue\r\n" END) },
	{ "a 103 with a field", GET, "103 Early Hints 1.1 none keep",
	    BYTES("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n" END) },
	{ "a 101", UPGRADE, "101 X 1.1 tunnel close hop=Connection",
	    BYTES("HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" END) },
	{ "an upgrade refused", UPGRADE, "403 X 1.1 length=2 keep",
	    BYTES("HTTP/1.1 403 X\r\nContent-Length: 2\r\n" END) },
	{ "Upgrade where nothing is upgraded", GET, "200 OK 1.1 length=0 keep hop=Upgrade,Connection",
	    BYTES(OK "Upgrade: h2\r\nConnection: Upgrade\r\nContent-Length: 0\r\n" END) },
	{ "a 426", GET, "426 X 1.1 length=0 keep hop=Connection",
	    BYTES("HTTP/1.1 426 X\r\nUpgrade: ws\r\nConnection: Upgrade\r\nContent-Length: 0\r\n" END) },
	{ "Connection names Transfer-Encoding", GET, "200 OK 1.1 chunked keep hop=Connection",
	    BYTES(OK CHUNKED "Connection: keep-alive, Transfer-Encoding\r\n" END) },
	{ "a named field", GET, "200 OK 1.1 length=0 keep hop=Connection,X-A",
	    BYTES(OK "Connection: x-a\r\nX-A: 1\r\nContent-Length: 0\r\n" END) },
	{ "two Hosts mean nothing here", GET, "200 OK 1.1 length=0 keep",
	    BYTES(OK "Host: a\r\nHost: b b\r\nContent-Length: 0\r\n" END) },
};

static const char *
describe(const struct http_response *r)
{
	static const char *const framing[] = {
		[HTTP_NO_BODY] = "none", [HTTP_LENGTH] = "length", [HTTP_CHUNKED] = "chunked",
		[HTTP_UNTIL_CLOSE] = "until-close", [HTTP_TUNNEL] = "tunnel"
	};
	static char line[512];
	const struct http_head *h = &r->head;
	const char *before = " hop=";
	int n;
	unsigned i;

	n = snprintf(line, sizeof line, "%u %.*s 1.%u %s", r->status, (int)r->reason.len,
	    r->reason.p, h->minor, framing[h->framing]);
#define SAY(...)	n += snprintf(line + n, sizeof line - (size_t)n, __VA_ARGS__)
	if (h->framing == HTTP_LENGTH)
		SAY("=%llu", (unsigned long long)h->content_length);
	SAY(h->keep_alive ? " keep" : " close");
	for (i = 0; i < h->nfields; i++) {
		if (!h->fields[i].hop)
			continue;
		SAY("%s%.*s", before, (int)h->fields[i].name.len, h->fields[i].name.p);
		before = ",";
	}
	return line;
}

static struct http_response response;

static enum http_verdict
resume(const char *buf, size_t len, enum asked asked)
{
	return http_response_parse(&response, buf, len, HTTP_RESPONSE_MAX, asked == HEAD,
	    asked == UPGRADE);
}

static enum http_verdict
parse(const char *buf, size_t len, enum asked asked)
{
	http_response_init(&response);
	return resume(buf, len, asked);
}

/* As in test_http_request: the verdict falls at one byte, whose index + 1 is
 * returned, and stands. */
static size_t
check_splits(const char *name, const char *text, size_t len, enum asked asked,
    enum http_verdict verdict)
{
	static char buf[1024];
	enum http_verdict v;
	size_t cut, i;

	for (cut = 0; cut < len; cut++)
		if (parse(guard_copy(text, cut), cut, asked) != HTTP_MORE)
			break;
	for (i = cut; i <= len; i++)
		ck_assert_msg((v = parse(guard_copy(text, i), i, asked)) == verdict,
		    "%s: %zu bytes say %d", name, i, v);
	for (i = 0; i < cut; i++) {
		memset(buf, 0xff, len);
		memcpy(buf, text, i);
		ck_assert_msg(parse(buf, i, asked) == HTTP_MORE, "%s: %zu", name, i);
		memcpy(buf, text, len);
		ck_assert_msg((v = resume(buf, len, asked)) == verdict,
		    "%s: split at %zu says %d", name, i, v);
	}
	memset(buf, 0xff, len);
	http_response_init(&response);
	for (i = 0; i < cut; i++) {
		ck_assert_msg((v = resume(buf, i, asked)) == HTTP_MORE,
		    "%s: byte %zu says %d", name, i, v);
		buf[i] = text[i];
	}
	ck_assert_msg((v = resume(buf, cut, asked)) == verdict, "%s: bytewise says %d", name, v);
	return cut;
}

START_TEST(malformed_or_ambiguous_is_refused)
{
	const struct bad *c = &bad[_i];

	check_splits(c->name, c->text, c->len, c->asked, c->verdict);
}
END_TEST

START_TEST(good_is_understood)
{
	const struct good *c = &good[_i];
	enum http_verdict v;

	v = parse(guard_copy(c->text, c->len), c->len, c->asked);
	ck_assert_msg(v == HTTP_OK, "%s says %d", c->name, v);
	ck_assert_msg(strcmp(describe(&response), c->means) == 0, "%s means\n%s\nnot\n%s",
	    c->name, describe(&response), c->means);
	ck_assert_uint_eq(check_splits(c->name, c->text, c->len, c->asked, HTTP_OK), c->len);
	ck_assert_str_eq(describe(&response), c->means);
	ck_assert_uint_eq(response.head.len, c->len);
}
END_TEST

START_TEST(an_interim_answer_is_followed_by_another)
{
	static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n"
	    "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
	const char *p = guard_copy(text, sizeof text - 1);
	size_t at;

	ck_assert_int_eq(parse(p, sizeof text - 1, GET), HTTP_OK);
	ck_assert_uint_eq(response.status, 100);
	at = response.head.len;
	ck_assert_int_eq(parse(p + at, sizeof text - 1 - at, GET), HTTP_OK);
	ck_assert_uint_eq(response.status, 200);
	ck_assert_uint_eq(at + response.head.len + 3, sizeof text - 1);
}
END_TEST

START_TEST(a_head_may_be_64_KiB_and_no_byte_more)
{
	static char text[HTTP_RESPONSE_MAX + 1];

	memset(text, 'a', sizeof text);
	memcpy(text, OK "X: ", sizeof(OK "X: ") - 1);
	memcpy(text + HTTP_RESPONSE_MAX - 4, "\r\n\r\n", 4);
	ck_assert_int_eq(parse(text, HTTP_RESPONSE_MAX - 1, GET), HTTP_MORE);
	ck_assert_int_eq(parse(guard_copy(text, HTTP_RESPONSE_MAX), HTTP_RESPONSE_MAX, GET),
	    HTTP_OK);
	memcpy(text + HTTP_RESPONSE_MAX - 4, "a\r\n\r\n", 5);
	ck_assert_int_eq(parse(text, HTTP_RESPONSE_MAX, GET), HTTP_TOO_LARGE);
	ck_assert_int_eq(parse(text, HTTP_RESPONSE_MAX + 1, GET), HTTP_TOO_LARGE);
}
END_TEST

/* An answer's limit is its bytes; HTTP_RESPONSE_FIELDS is for what no server means. */
START_TEST(a_head_may_have_many_fields)
{
	static char text[HTTP_RESPONSE_MAX] = OK "Content-Length: 0\r\n";
	size_t len = strlen(text), i;

	for (i = 1; i < HTTP_RESPONSE_FIELDS; i++, len += 5)
		memcpy(text + len, "X:1\r\n", 5);
	memcpy(text + len, "\r\n", 2);
	ck_assert_int_eq(parse(guard_copy(text, len + 2), len + 2, GET), HTTP_OK);
	ck_assert_uint_eq(response.head.nfields, HTTP_RESPONSE_FIELDS);
	memcpy(text + len, "X:1\r\n\r\n", 7);
	ck_assert_int_eq(parse(text, len + 7, GET), HTTP_TOO_LARGE);
}
END_TEST

START_TEST(every_changed_byte_has_one_answer)
{
	static const char text[] = "HTTP/1.1 304 Not Modified\r\nContent-Length: 12\r\n"
	    "Connection: upgrade, x\r\nUpgrade: ws\r\nX: y\r\n\r\n";
	char changed[sizeof text];
	enum http_verdict whole, v;
	size_t i, k;
	unsigned c;

	for (i = 0; i < sizeof text - 1; i++) {
		for (c = 0; c < 256; c++) {
			memcpy(changed, text, sizeof text);
			changed[i] = (char)c;
			whole = parse(guard_copy(changed, sizeof text - 1), sizeof text - 1, GET);
			http_response_init(&response);
			for (v = HTTP_MORE, k = 0; v == HTTP_MORE && k < sizeof text; k += 3)
				v = resume(changed, k, GET);
			if (v == HTTP_MORE)
				v = resume(changed, sizeof text - 1, GET);
			ck_assert_int_eq(v, whole);
		}
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("http_response");
	TCase *t = tcase_create("head");
	SRunner *sr;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, malformed_or_ambiguous_is_refused, 0,
	    (int)(sizeof bad / sizeof bad[0]));
	tcase_add_loop_test(t, good_is_understood, 0, (int)(sizeof good / sizeof good[0]));
	tcase_add_test(t, an_interim_answer_is_followed_by_another);
	tcase_add_test(t, a_head_may_be_64_KiB_and_no_byte_more);
	tcase_add_test(t, a_head_may_have_many_fields);
	tcase_add_test(t, every_changed_byte_has_one_answer);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
