/* SPDX-License-Identifier: ISC */
/*
 * PROXY headers, read and written: each version's good ones in every prefix,
 * what is malformed and after how many bytes that is said.
 */
#include "config.h"
#include "wire/proxy_header.h"

#include <arpa/inet.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "guard.h"

#define BYTES(s)	s, sizeof(s) - 1
#define COUNT(a)	((int)(sizeof(a) / sizeof((a)[0])))
#define SIG		"\r\n\r\n\0\r\nQUIT\n"
#define IP4		"\xc0\0\2\1\xcb\0\161\7\xc8\x35\1\xbb"	/* 192.0.2.1 203.0.113.7 51253 443 */
#define IP6		"\x20\1\r\xb8\0\0\0\0\0\0\0\0\0\0\0\1" \
			"\x20\1\r\xb8\0\0\0\0\0\0\0\0\0\0\0\2" "\0\1\xff\xff"

static enum proxy_header_verdict
parse(const void *bytes, size_t len, struct proxy_header *out)
{
	memset(out, 0x5a, sizeof(*out));
	return proxy_header_parse(guard_copy(bytes, len), len, out);
}

static enum proxy_header_verdict
parse_prefixes(const char *name, const char *bytes, size_t len, size_t *at, struct proxy_header *out)
{
	enum proxy_header_verdict v = PROXY_HEADER_MORE, last;

	*at = len;
	for (size_t n = 0; n <= len; n++) {
		last = v;
		v = parse(bytes, n, out);
		if (last == PROXY_HEADER_MORE && v != PROXY_HEADER_MORE)
			*at = n;
		ck_assert_msg(last == PROXY_HEADER_MORE || v == last,
		    "%s: %d at %zu bytes, but %d at %zu", name, last, n - 1, v, n);
	}
	return v;
}

static void
text_of(const struct proxy_addr *a, char out[64])
{
	if (a->family == PROXY_FAMILY_NONE) {
		strcpy(out, "none");
		return;
	}
	ck_assert_ptr_nonnull(inet_ntop(a->family == PROXY_FAMILY_IPV4 ? AF_INET : AF_INET6,
	    a->bytes, out, 64));
}

/* --- good ones -------------------------------------------------------------- */

static const struct good {
	const char *name;
	const char *bytes;
	size_t len;
	const char *source, *destination;	/* NULL: no addresses */
	uint16_t source_port, destination_port;
} good[] = {
	{ "IPv4 in version 1", BYTES("PROXY TCP4 192.0.2.1 203.0.113.7 51253 443\r\n"),
	    "192.0.2.1", "203.0.113.7", 51253, 443 },
	{ "IPv6 in version 1", BYTES("PROXY TCP6 2001:db8::1 2001:DB8:0::2 9 65535\r\n"),
	    "2001:db8::1", "2001:db8::2", 9, 65535 },
	{ "ports 0 in version 1", BYTES("PROXY TCP4 0.0.0.0 255.255.255.255 0 0\r\n"),
	    "0.0.0.0", "255.255.255.255", 0, 0 },
	{ "the longest of IPv6", BYTES("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535, 65535 },
	{ "mapped IPv4 in version 1", BYTES("PROXY TCP6 ::ffff:192.0.2.1 ::1 5 6\r\n"),
	    "::ffff:192.0.2.1", "::1", 5, 6 },
	{ "UNKNOWN", BYTES("PROXY UNKNOWN\r\n"), NULL, NULL, 0, 0 },
	{ "UNKNOWN with addresses", BYTES("PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n"), NULL, NULL, 0, 0 },
	{ "UNKNOWN with anything", BYTES("PROXY UNKNOWN  \xff a,b\r\n"), NULL, NULL, 0, 0 },
	{ "UNKNOWN of 107 bytes", BYTES("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"), NULL, NULL, 0, 0 },

	{ "IPv4 in version 2", BYTES(SIG "\x21\x11\0\014" IP4), "192.0.2.1", "203.0.113.7", 51253, 443 },
	{ "IPv6 in version 2", BYTES(SIG "\x21\x21\0\044" IP6), "2001:db8::1", "2001:db8::2", 1, 65535 },
	{ "IPv4 with extensions", BYTES(SIG "\x21\x11\0\033" IP4 "\1\0\2h2" "\4\0\0" "\xee\0\4abcd"),
	    "192.0.2.1", "203.0.113.7", 51253, 443 },
	{ "IPv4 with a right checksum", BYTES(SIG "\x21\x11\0\030" IP4 "\3\0\4" "\351\372\312\365" "\1\0\2h2"),
	    "192.0.2.1", "203.0.113.7", 51253, 443 },
	{ "LOCAL", BYTES(SIG "\x20\0\0\0"), NULL, NULL, 0, 0 },
	{ "LOCAL with addresses", BYTES(SIG "\x20\x11\0\014" IP4), NULL, NULL, 0, 0 },
	{ "LOCAL with anything", BYTES(SIG "\x20\x21\0\3abc"), NULL, NULL, 0, 0 },
	{ "no family", BYTES(SIG "\x21\0\0\0"), NULL, NULL, 0, 0 },
	{ "no family, but bytes", BYTES(SIG "\x21\0\0\3abc"), NULL, NULL, 0, 0 },
	{ "UDP", BYTES(SIG "\x21\x12\0\014" IP4), NULL, NULL, 0, 0 },
	{ "UDP on IPv6", BYTES(SIG "\x21\x22\0\044" IP6), NULL, NULL, 0, 0 },
};

START_TEST(good_headers_say_more_until_they_are_whole)
{
	const struct good *g = &good[_i];
	struct proxy_header h;
	size_t at;
	char ip[64];

	ck_assert_int_eq(parse_prefixes(g->name, g->bytes, g->len, &at, &h), PROXY_HEADER_FOUND);
	ck_assert_msg(at == g->len && h.len == g->len, "%s: found at %zu, ends at %zu", g->name, at, h.len);
	ck_assert_msg(h.local == (g->source == NULL), "%s", g->name);
	text_of(&h.source, ip);
	ck_assert_str_eq(ip, g->source == NULL ? "none" : g->source);
	text_of(&h.destination, ip);
	ck_assert_str_eq(ip, g->source == NULL ? "none" : g->destination);
	ck_assert_uint_eq(h.source.port, g->source_port);
	ck_assert_uint_eq(h.destination.port, g->destination_port);
}
END_TEST

START_TEST(what_follows_is_not_judged)
{
	static const char *const behind[] = { "\x16\3\1\2\0", "PROXY", "\r\n\r\n\r", "\0\0\0\0\0" };
	const struct good *g = &good[_i];
	struct proxy_header h;
	char bytes[512];

	for (int i = 0; i < COUNT(behind); i++) {
		memcpy(bytes, g->bytes, g->len);
		memcpy(bytes + g->len, behind[i], 5);
		ck_assert_int_eq(parse(bytes, g->len + 5, &h), PROXY_HEADER_FOUND);
		ck_assert_uint_eq(h.len, g->len);
	}
}
END_TEST

START_TEST(any_byte_may_be_any_other)
{
	const struct good *g = &good[_i];
	enum proxy_header_verdict v, w;
	struct proxy_header h;
	char bytes[512];

	for (size_t i = 0; i < g->len; i++) {
		for (unsigned x = 1; x < 256; x++) {
			memcpy(bytes, g->bytes, g->len);
			bytes[i] = (char)(bytes[i] ^ (char)x);
			v = parse(bytes, g->len, &h);
			for (size_t n = i + 1; n < g->len; n += 7) {
				w = parse(bytes, n, &h);
				ck_assert_msg(w == PROXY_HEADER_MORE || w == v,
				    "%s: byte %zu ^ %02x: %d at %zu, then %d", g->name, i, x, w, n, v);
			}
		}
	}
}
END_TEST

/* --- bad ones ----------------------------------------------------------------- */

#define LINE	"PROXY TCP4 192.0.2.1 203.0.113.7 51253 443"
#define V4(n)	SIG "\x21\x11\0" n IP4

static const struct bad {
	const char *name;
	size_t at;		/* bytes after which it is said; 0: all of them */
	const char *bytes;
	size_t len;
} bad[] = {
	{ "TLS", 1, BYTES("\x16\3\1\2\0\1") },
	{ "HTTP", 1, BYTES("GET / HTTP/1.1\r\n") },
	{ "a POST", 2, BYTES("POST / HTTP/1.1\r\n") },
	{ "the preface of HTTP/2", 3, BYTES("PRI * HTTP/2.0\r\n") },
	{ "small letters", 1, BYTES("proxy TCP4") },
	{ "a space first", 1, BYTES(" PROXY TCP4") },
	{ "no space", 6, BYTES("PROXYTCP4") },
	{ "two spaces", 7, BYTES("PROXY  TCP4") },
	{ "an unknown family", 10, BYTES("PROXY TCP5 ") },
	{ "UDP4", 8, BYTES("PROXY UDP4 ") },
	{ "a family alone", 11, BYTES("PROXY TCP4\r\n") },
	{ "UNKNOWN that goes on", 0, BYTES("PROXY UNKNOWNS\r\n") },
	{ "UNKNOWN that goes on, with addresses", 0, BYTES("PROXY UNKNOWN4 ::1 ::2 1 2\r\n") },
	{ "a NUL in the line", 21, BYTES("PROXY TCP4 192.0.2.1\0 203.0.113.7 1 2\r\n") },
	{ "a NUL behind UNKNOWN", 14, BYTES("PROXY UNKNOWN\0\r\n") },
	{ "a bare LF", 0, BYTES(LINE "\n") },
	{ "a bare CR", sizeof(LINE) + 1, BYTES(LINE "\r \r\n") },
	{ "CR CR LF", sizeof(LINE) + 1, BYTES(LINE "\r\r\n") },
	{ "a space at the end", 0, BYTES(LINE " \r\n") },
	{ "a word too many", 0, BYTES(LINE " 1\r\n") },
	{ "a word too few", 0, BYTES("PROXY TCP4 192.0.2.1 203.0.113.7 443\r\n") },
	{ "no word", 0, BYTES("PROXY TCP4 \r\n") },
	{ "two spaces between words", 0, BYTES("PROXY TCP4 192.0.2.1  203.0.113.7 1 2\r\n") },
	{ "a tab between words", 0, BYTES("PROXY TCP4 192.0.2.1\t203.0.113.7 1 2\r\n") },
	{ "IPv6 as TCP4", 0, BYTES("PROXY TCP4 ::1 ::2 10000 443\r\n") },
	{ "IPv4 as TCP6", 0, BYTES("PROXY TCP6 192.0.2.1 203.0.113.7 1 2\r\n") },
	{ "two families", 0, BYTES("PROXY TCP6 ::1 203.0.113.7 1 2\r\n") },
	{ "half an address", 0, BYTES("PROXY TCP4 192.0.2 203.0.113.7 1 2\r\n") },
	{ "an address of big numbers", 0, BYTES("PROXY TCP4 192.0.2.256 203.0.113.7 1 2\r\n") },
	{ "zeroes before a number", 0, BYTES("PROXY TCP4 192.0.2.01 203.0.113.7 1 2\r\n") },
	{ "a host name", 0, BYTES("PROXY TCP4 localhost 203.0.113.7 1 2\r\n") },
	{ "brackets", 0, BYTES("PROXY TCP6 [::1] ::2 1 2\r\n") },
	{ "a zone", 0, BYTES("PROXY TCP6 fe80::1%eth0 ::2 1 2\r\n") },
	{ "port 65536", 0, BYTES("PROXY TCP4 192.0.2.1 203.0.113.7 65536 2\r\n") },
	{ "a port of six digits", 0, BYTES("PROXY TCP4 192.0.2.1 203.0.113.7 1 100000\r\n") },
	{ "zeroes before a port", 0, BYTES("PROXY TCP4 192.0.2.1 203.0.113.7 01 2\r\n") },
	{ "port 00", 0, BYTES("PROXY TCP4 192.0.2.1 203.0.113.7 1 00\r\n") },
	{ "a signed port", 0, BYTES("PROXY TCP4 192.0.2.1 203.0.113.7 +1 2\r\n") },
	{ "a negative port", 0, BYTES("PROXY TCP4 192.0.2.1 203.0.113.7 -1 2\r\n") },
	{ "a port of letters", 0, BYTES("PROXY TCP4 192.0.2.1 203.0.113.7 1 a\r\n") },
	{ "a port with a colon", 0, BYTES("PROXY TCP4 192.0.2.1 203.0.113.7 1 2:\r\n") },
	{ "a port with a slash", 0, BYTES("PROXY TCP4 192.0.2.1 203.0.113.7 1 2/\r\n") },
	{ "an empty port", 0, BYTES("PROXY TCP4 192.0.2.1 203.0.113.7 1 \r\n") },
	{ "108 bytes", 107, BYTES("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535 \r\n") },
	{ "no end", 107, BYTES("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535 and so on") },

	{ "another signature", 12, BYTES("\r\n\r\n\0\r\nQUIT\r") },
	{ "an empty line", 3, BYTES("\r\nGET / HTTP/1.1") },
	{ "version 1 in binary", 13, BYTES(SIG "\x11\x11\0\014" IP4) },
	{ "version 3", 13, BYTES(SIG "\x31\x11\0\014" IP4) },
	{ "an unknown command", 13, BYTES(SIG "\x22\x11\0\014" IP4) },
	{ "an unknown family in binary", 14, BYTES(SIG "\x21\x41\0\014" IP4) },
	{ "an unknown protocol", 14, BYTES(SIG "\x21\x13\0\014" IP4) },
	{ "addresses of IPv4 cut short", 16, BYTES(SIG "\x21\x11\0\013" IP4) },
	{ "no addresses", 16, BYTES(SIG "\x21\x11\0\0" IP4) },
	{ "addresses of IPv6 cut short", 16, BYTES(SIG "\x21\x21\0\043" IP6) },
	{ "IPv4 as IPv6", 16, BYTES(SIG "\x21\x21\0\014" IP4) },
	{ "a path cut short", 16, BYTES(SIG "\x21\x31\0\327" IP4) },
	{ "more than 4096 bytes", 16, BYTES(SIG "\x21\x11\x0f\xf1" IP4) },
	{ "65535 bytes", 16, BYTES(SIG "\x21\x11\xff\xff" IP4) },
	{ "65535 bytes in LOCAL", 16, BYTES(SIG "\x20\0\xff\xff") },
	{ "half an extension header", 0, BYTES(V4("\016") "\4\0") },
	{ "an extension past the end", 0, BYTES(V4("\021") "\4\0\3ab") },
	{ "a second one past the end", 0, BYTES(V4("\023") "\4\0\1a\4\0\1") },
	{ "a wrong checksum", 0, BYTES(V4("\030") "\3\0\4" "\351\372\312\364" "\1\0\2h2") },
	{ "a checksum of three bytes", 0, BYTES(V4("\022") "\3\0\3abc") },
	{ "an empty checksum", 0, BYTES(V4("\017") "\3\0\0") },
};

START_TEST(bad_headers_are_told)
{
	const struct bad *b = &bad[_i];
	struct proxy_header h;
	size_t at;

	ck_assert_msg(parse_prefixes(b->name, b->bytes, b->len, &at, &h) == PROXY_HEADER_MALFORMED,
	    "%s is taken", b->name);
	ck_assert_msg(at == (b->at == 0 ? b->len : b->at), "%s: said at %zu", b->name, at);
}
END_TEST

START_TEST(version_2_may_carry_up_to_4096_bytes)
{
	static char bytes[PROXY_HEADER_MAX] = SIG "\x21\x11\x0f\xf0" IP4;
	struct proxy_header h;
	size_t at = 16 + 12, n;

	for (n = sizeof(bytes) - at; n > 0; at += 3 + 300, n -= 3 + 300) {
		if (n < 2 * (3 + 300)) {
			bytes[at] = 4;
			bytes[at + 1] = (char)((n - 3) >> 8);
			bytes[at + 2] = (char)(n - 3);
			break;
		}
		memcpy(bytes + at, "\4\1\x2c", 3);
	}
	for (n = 0; n < sizeof(bytes); n += 5)
		ck_assert_int_eq(parse(bytes, n, &h), PROXY_HEADER_MORE);
	ck_assert_int_eq(parse(bytes, sizeof(bytes) - 1, &h), PROXY_HEADER_MORE);
	ck_assert_int_eq(parse(bytes, sizeof(bytes), &h), PROXY_HEADER_FOUND);
	ck_assert_uint_eq(h.len, sizeof(bytes));
}
END_TEST

START_TEST(a_unix_socket_has_no_address)
{
	static char bytes[16 + 216] = SIG "\x21\x31\0\330/run/a.sock";
	struct proxy_header h;
	size_t at;

	ck_assert_int_eq(parse_prefixes("unix", bytes, sizeof(bytes), &at, &h), PROXY_HEADER_FOUND);
	ck_assert_uint_eq(at, sizeof(bytes));
	ck_assert(h.local);
	ck_assert_int_eq(h.source.family, PROXY_FAMILY_NONE);
}
END_TEST

/* --- writing -------------------------------------------------------------------- */

typedef size_t format_fn(const struct proxy_addr *, const struct proxy_addr *, uint8_t *, size_t);

static const struct {
	const char *name;
	format_fn *format;
	const char *source, *destination;	/* NULL: none */
	uint16_t source_port, destination_port;
	const char *bytes;
	size_t len;
} written[] = {
	{ "IPv4, version 1", proxy_header_format_v1, "192.0.2.1", "203.0.113.7", 51253, 443,
	    BYTES(LINE "\r\n") },
	{ "IPv6, version 1", proxy_header_format_v1, "2001:DB8:0::1", "2001:db8::2", 1, 65535,
	    BYTES("PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n") },
	{ "mapped IPv4, version 1", proxy_header_format_v1, "::ffff:192.0.2.1", "::1", 0, 0,
	    BYTES("PROXY TCP6 ::ffff:192.0.2.1 ::1 0 0\r\n") },
	{ "the longest, version 1", proxy_header_format_v1, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535, 65535,
	    BYTES("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n") },
	{ "nobody, version 1", proxy_header_format_v1, NULL, NULL, 0, 0, BYTES("PROXY UNKNOWN\r\n") },
	{ "IPv4, version 2", proxy_header_format_v2, "192.0.2.1", "203.0.113.7", 51253, 443,
	    BYTES(V4("\014")) },
	{ "IPv6, version 2", proxy_header_format_v2, "2001:db8::1", "2001:db8::2", 1, 65535,
	    BYTES(SIG "\x21\x21\0\044" IP6) },
	{ "nobody, version 2", proxy_header_format_v2, NULL, NULL, 0, 0, BYTES(SIG "\x20\0\0\0") },
};

static struct proxy_addr
addr_of(const char *text, uint16_t port)
{
	struct proxy_addr a = { .port = port };

	if (text == NULL)
		return a;
	a.family = strchr(text, ':') == NULL ? PROXY_FAMILY_IPV4 : PROXY_FAMILY_IPV6;
	ck_assert_int_eq(inet_pton(a.family == PROXY_FAMILY_IPV4 ? AF_INET : AF_INET6, text, a.bytes), 1);
	return a;
}

START_TEST(headers_are_written_byte_for_byte_and_read_back)
{
	struct proxy_addr from = addr_of(written[_i].source, written[_i].source_port);
	struct proxy_addr to = addr_of(written[_i].destination, written[_i].destination_port);
	const struct proxy_addr *src = written[_i].source == NULL ? NULL : &from;
	const struct proxy_addr *dst = written[_i].source == NULL ? NULL : &to;
	static const uint8_t none[256];
	size_t len = written[_i].len, n;
	struct proxy_header h;
	uint8_t *room;

	for (n = 0; n < len; n++)
		ck_assert_uint_eq(written[_i].format(src, dst, guard_copy(none, n), n), 0);
	room = guard_copy(none, len);
	ck_assert_uint_eq(written[_i].format(src, dst, room, len), len);
	ck_assert_msg(memcmp(room, written[_i].bytes, len) == 0, "%s", written[_i].name);
	ck_assert_int_eq(proxy_header_parse(room, len, &h), PROXY_HEADER_FOUND);
	ck_assert_uint_eq(h.len, len);
	ck_assert(h.local == (src == NULL));
	ck_assert(h.source.family == from.family && h.source.port == from.port &&
	    memcmp(h.source.bytes, from.bytes, 16) == 0);
	ck_assert(h.destination.family == to.family && h.destination.port == to.port &&
	    memcmp(h.destination.bytes, to.bytes, 16) == 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("proxy_header");
	TCase *t = tcase_create("header");
	SRunner *sr;
	int failed;

	tcase_set_timeout(t, 120);	/* under valgrind, too */
	tcase_add_loop_test(t, good_headers_say_more_until_they_are_whole, 0, COUNT(good));
	tcase_add_loop_test(t, what_follows_is_not_judged, 0, COUNT(good));
	tcase_add_loop_test(t, any_byte_may_be_any_other, 0, COUNT(good));
	tcase_add_loop_test(t, bad_headers_are_told, 0, COUNT(bad));
	tcase_add_test(t, version_2_may_carry_up_to_4096_bytes);
	tcase_add_test(t, a_unix_socket_has_no_address);
	tcase_add_loop_test(t, headers_are_written_byte_for_byte_and_read_back, 0, COUNT(written));
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
