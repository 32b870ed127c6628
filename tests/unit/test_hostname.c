/* SPDX-License-Identifier: ISC */
/*
 * Host names in one spelling: what a name is, and what stands in a Host field.
 */
#include "config.h"
#include "wire/hostname.h"

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "guard.h"

#define BYTES(s)	s, sizeof(s) - 1
#define COUNT(a)	((int)(sizeof(a) / sizeof((a)[0])))
#define L63		"abcdefghijklmnopqrstuvwxyz-0123456789_abcdefghijklmnopqrstuvwxy"

struct host {
	const char *name;
	const char *in;
	size_t len;
	const char *out;	/* "": empty; NULL: refused */
};

static const struct host names[] = {
	{ "a name", BYTES("www.example.org"), "www.example.org" },
	{ "capitals", BYTES("WWW.Example.ORG"), "www.example.org" },
	{ "one dot at the end", BYTES("www.example.org."), "www.example.org" },
	{ "one label", BYTES("localhost"), "localhost" },
	{ "one byte", BYTES("a"), "a" },
	{ "digits, hyphens, underscores", BYTES("_x-1.0-_y.a"), "_x-1.0-_y.a" },
	{ "a hyphen first and last", BYTES("-a-.b"), "-a-.b" },
	{ "punycode", BYTES("xn--Bcher-kva.example"), "xn--bcher-kva.example" },
	{ "an IPv4 address", BYTES("192.0.2.1"), "192.0.2.1" },
	{ "a label of 63 bytes", BYTES(L63 ".org"), L63 ".org" },
	{ "253 bytes", BYTES(L63 "." L63 "." L63 "." "abcdefghijklmnopqrstuvwxyz-0123456789_abcdefghijklmnopqrstuvw"),
	    L63 "." L63 "." L63 "." "abcdefghijklmnopqrstuvwxyz-0123456789_abcdefghijklmnopqrstuvw" },
	{ "253 bytes and a dot", BYTES(L63 "." L63 "." L63 "." "abcdefghijklmnopqrstuvwxyz-0123456789_abcdefghijklmnopqrstuvw."),
	    L63 "." L63 "." L63 "." "abcdefghijklmnopqrstuvwxyz-0123456789_abcdefghijklmnopqrstuvw" },

	{ "nothing", BYTES(""), NULL },
	{ "a dot", BYTES("."), NULL },
	{ "two dots at the end", BYTES("www.example.org.."), NULL },
	{ "a dot first", BYTES(".example.org"), NULL },
	{ "two dots in a row", BYTES("www..org"), NULL },
	{ "a label of 64 bytes", BYTES(L63 "z.org"), NULL },
	{ "254 bytes", BYTES(L63 "." L63 "." L63 "." "abcdefghijklmnopqrstuvwxyz-0123456789_abcdefghijklmnopqrstuvwx"), NULL },
	{ "254 bytes and a dot", BYTES(L63 "." L63 "." L63 "." "abcdefghijklmnopqrstuvwxyz-0123456789_abcdefghijklmnopqrstuvwx."), NULL },
	{ "a NUL at the end", BYTES("www.example.org\0"), NULL },
	{ "a NUL in the midst", BYTES("www.example.org\0.evil.test"), NULL },
	{ "a NUL first", BYTES("\0www.example.org"), NULL },
	{ "a port", BYTES("www.example.org:443"), NULL },
	{ "a space", BYTES("www example.org"), NULL },
	{ "a space at the end", BYTES("www.example.org "), NULL },
	{ "a tab", BYTES("www\t.org"), NULL },
	{ "a line end", BYTES("www.example.org\r\n"), NULL },
	{ "a star", BYTES("*.example.org"), NULL },
	{ "a slash", BYTES("www.example.org/"), NULL },
	{ "a back-slash", BYTES("www\\.org"), NULL },
	{ "an at", BYTES("user@example.org"), NULL },
	{ "a per cent", BYTES("www%2eexample.org"), NULL },
	{ "8 bits", BYTES("b\xc3\xbc" "cher.example"), NULL },
	{ "the byte 0xff", BYTES("a\xff"), NULL },
	{ "DEL", BYTES("a\x7f"), NULL },
	{ "brackets", BYTES("[::1]"), NULL },
	{ "a comma", BYTES("a.org,b.org"), NULL },
};

static const struct host fields[] = {
	{ "a name", BYTES("www.Example.org"), "www.example.org" },
	{ "a name and a port", BYTES("www.example.org:8080"), "www.example.org" },
	{ "a dot before the port", BYTES("www.example.org.:80"), "www.example.org" },
	{ "an empty port", BYTES("www.example.org:"), "www.example.org" },
	{ "port 0", BYTES("a:0"), "a" },
	{ "port 9", BYTES("a:9"), "a" },
	{ "port 65535", BYTES("a:65535"), "a" },
	{ "zeroes before the port", BYTES("a:000000000000000080"), "a" },
	{ "an IPv4 address", BYTES("192.0.2.1:80"), "192.0.2.1" },
	{ "an IPv6 address", BYTES("[2001:DB8::1]"), "[2001:db8::1]" },
	{ "an IPv6 address and a port", BYTES("[2001:db8::1]:80"), "[2001:db8::1]" },
	{ "an IPv6 address and an empty port", BYTES("[::1]:"), "[::1]" },
	{ "an IPv6 address in full", BYTES("[2001:0DB8:0000:0000:0000:0000:0000:0001]"), "[2001:db8::1]" },
	{ "an IPv6 address with IPv4 in it", BYTES("[0:0:0:0:0:FFFF:192.0.2.1]:1"), "[::ffff:192.0.2.1]" },
	{ "the longest IPv6 address", BYTES("[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]"),
	    "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]" },
	{ "nothing", BYTES(""), "" },
	{ "only a colon", BYTES(":"), "" },
	{ "only a port", BYTES(":80"), "" },

	{ "port 65536", BYTES("a:65536"), NULL },
	{ "port 2^32 + 80", BYTES("a:4294967376"), NULL },
	{ "a port of letters", BYTES("a:http"), NULL },
	{ "a slash in the port", BYTES("a:8/"), NULL },
	{ "a semicolon in the port", BYTES("a:8;"), NULL },
	{ "a signed port", BYTES("a:+80"), NULL },
	{ "two ports", BYTES("a:80:80"), NULL },
	{ "a space behind the port", BYTES("a:80 "), NULL },
	{ "a space before the port", BYTES("a: 80"), NULL },
	{ "a NUL in the port", BYTES("a:8\0"), NULL },
	{ "a space", BYTES("a b"), NULL },
	{ "a space first", BYTES(" a"), NULL },
	{ "two names", BYTES("a.org, b.org"), NULL },
	{ "user information", BYTES("user@a.org"), NULL },
	{ "user information with a password", BYTES("user:80@a.org"), NULL },
	{ "user information before an IPv6 address", BYTES("user@[::1]"), NULL },
	{ "a path", BYTES("a.org/"), NULL },
	{ "a fragment", BYTES("a.org#b"), NULL },
	{ "a scheme", BYTES("http://a.org"), NULL },
	{ "a dot", BYTES("."), NULL },
	{ "a dot and a port", BYTES(".:80"), NULL },
	{ "an IPv6 address without brackets", BYTES("2001:db8::1"), NULL },
	{ "an IPv6 address without its end", BYTES("[::1"), NULL },
	{ "an open bracket", BYTES("["), NULL },
	{ "empty brackets", BYTES("[]"), NULL },
	{ "empty brackets and a port", BYTES("[]:80"), NULL },
	{ "a name in brackets", BYTES("[a.org]"), NULL },
	{ "an IPv4 address in brackets", BYTES("[192.0.2.1]"), NULL },
	{ "letters behind the bracket", BYTES("[::1]a"), NULL },
	{ "a dot behind the bracket", BYTES("[::1]."), NULL },
	{ "a second bracket", BYTES("[::1]]"), NULL },
	{ "brackets twice", BYTES("[[::1]]"), NULL },
	{ "a bad port behind the bracket", BYTES("[::1]:x"), NULL },
	{ "port 65536 behind the bracket", BYTES("[::1]:65536"), NULL },
	{ "a zone", BYTES("[fe80::1%eth0]"), NULL },
	{ "a zone in URI spelling", BYTES("[fe80::1%25eth0]"), NULL },
	{ "a future address", BYTES("[v1.x]"), NULL },
	{ "a NUL in the brackets", BYTES("[::1\0]"), NULL },
	{ "a space in the brackets", BYTES("[ ::1]"), NULL },
	{ "much in the brackets", BYTES("[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]"), NULL },
	{ "a name of 254 bytes", BYTES(L63 "." L63 "." L63 "." "abcdefghijklmnopqrstuvwxyz-0123456789_abcdefghijklmnopqrstuvwx:1"), NULL },
};

typedef int canon_fn(const char *in, size_t len, char out[HOSTNAME_SIZE]);

static void
check_host(const struct host *h, canon_fn *canon)
{
	char out[HOSTNAME_SIZE], again[HOSTNAME_SIZE];
	int n = canon(guard_copy(h->in, h->len), h->len, out);

	if (h->out == NULL) {
		ck_assert_msg(n == -1, "%s: got %d", h->name, n);
		return;
	}
	ck_assert_msg(n == (int)strlen(h->out) && strcmp(out, h->out) == 0,
	    "%s: got %d, %s", h->name, n, n < 0 ? "" : out);
	if (n == 0)
		return;
	ck_assert_int_eq(canon(guard_copy(out, (size_t)n), (size_t)n, again), n);
	ck_assert_str_eq(again, out);
}

START_TEST(names_have_one_spelling)
{
	check_host(&names[_i], hostname_canon);
}
END_TEST

START_TEST(host_fields_hold_a_host_and_a_port)
{
	check_host(&fields[_i], hostname_from_host_field);
}
END_TEST

START_TEST(only_these_bytes_make_a_name)
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
	char in[3] = "aXa", out[HOSTNAME_SIZE];

	for (int c = 0; c < 256; c++) {
		bool is_good = c != 0 && strchr(good, c) != NULL;

		in[1] = (char)c;
		ck_assert_msg(hostname_canon(guard_copy(in, 3), 3, out) == (is_good ? 3 : -1), "byte %d", c);
		if (c != ':')
			ck_assert_int_eq(hostname_from_host_field(guard_copy(in, 3), 3, out), is_good ? 3 : -1);
	}
}
END_TEST

/* A name that a port is put to is the same host; whatever stands in the table
 * of names. */
START_TEST(a_port_changes_no_host)
{
	const struct host *h = &names[_i];
	char in[600], out[HOSTNAME_SIZE];
	size_t len;
	int n;

	if (h->len == 0 || memchr(h->in, ':', h->len) != NULL || h->in[0] == '[')
		return;
	memcpy(in, h->in, h->len);
	memcpy(in + h->len, ":443", 4);
	len = h->len + 4;
	n = hostname_from_host_field(guard_copy(in, len), len, out);
	if (h->out == NULL)
		ck_assert_int_eq(n, -1);
	else
		ck_assert_str_eq(out, h->out);
}
END_TEST

START_TEST(any_length_is_taken)
{
	static char in[70000];
	char out[HOSTNAME_SIZE];

	for (size_t len = 0; len < sizeof(in); len = len < 300 ? len + 1 : len * 2) {
		memset(in, 'a', sizeof(in));
		for (size_t i = 50; i < sizeof(in); i += 50)
			in[i] = '.';
		ck_assert_int_eq(hostname_canon(guard_copy(in, len), len, out),
		    len == 0 || len > 254 || (len == 254 && in[253] != '.') ? -1 :
		    in[len - 1] == '.' ? (int)len - 1 : (int)len);
		memset(in, '[', sizeof(in));
		ck_assert_int_le(hostname_from_host_field(guard_copy(in, len), len, out), 0);
		memset(in, ':', sizeof(in));
		in[0] = '[';
		ck_assert_int_le(hostname_from_host_field(guard_copy(in, len), len, out), 0);
		memset(in, '0', sizeof(in));
		in[0] = 'a';
		in[1] = ':';
		if (len > 0)
			ck_assert_int_eq(hostname_from_host_field(guard_copy(in, len), len, out), 1);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("hostname");
	TCase *t = tcase_create("host");
	SRunner *sr;
	int failed;

	tcase_add_loop_test(t, names_have_one_spelling, 0, COUNT(names));
	tcase_add_loop_test(t, host_fields_hold_a_host_and_a_port, 0, COUNT(fields));
	tcase_add_test(t, only_these_bytes_make_a_name);
	tcase_add_loop_test(t, a_port_changes_no_host, 0, COUNT(names));
	tcase_add_test(t, any_length_is_taken);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
