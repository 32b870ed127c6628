/* SPDX-License-Identifier: ISC */
/* One spelling for every address. */
#include "config.h"

#include <arpa/inet.h>
#include <check.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/addr.h"

#define COUNT(a)	((int)(sizeof(a) / sizeof(*(a))))

/* However it is spelled, it is one address. */
static const struct {
	const char *text, *ip;
	enum addr_family family;
} good[] = {
	{ "192.0.2.1", "192.0.2.1", ADDR_IPV4 },
	{ "::ffff:192.0.2.1", "192.0.2.1", ADDR_IPV4 },
	{ "::FFFF:192.0.2.1", "192.0.2.1", ADDR_IPV4 },
	{ "::ffff:c000:201", "192.0.2.1", ADDR_IPV4 },
	{ "0:0:0:0:0:ffff:c000:0201", "192.0.2.1", ADDR_IPV4 },
	{ "[::ffff:192.0.2.1]", "192.0.2.1", ADDR_IPV4 },
	{ "0.0.0.0", "0.0.0.0", ADDR_IPV4 },
	{ "255.255.255.255", "255.255.255.255", ADDR_IPV4 },
	{ "10.100.9.99", "10.100.9.99", ADDR_IPV4 },
	{ "2001:db8::1", "2001:db8::1", ADDR_IPV6 },
	{ "2001:DB8::1", "2001:db8::1", ADDR_IPV6 },
	{ "2001:0db8:0:0:0:0:0:1", "2001:db8::1", ADDR_IPV6 },
	{ "[2001:db8::1]", "2001:db8::1", ADDR_IPV6 },
	{ "::", "::", ADDR_IPV6 },
	{ "::1", "::1", ADDR_IPV6 },
	{ "fe80::1", "fe80::1", ADDR_IPV6 },
};

START_TEST(spellings)
{
	char buf[ADDR_IP_STRLEN];
	struct addr a, b;

	ck_assert_msg(addr_parse_ip(good[_i].text, &a), "%s", good[_i].text);
	ck_assert_int_eq(a.family, good[_i].family);
	ck_assert_uint_eq(a.port, 0);
	ck_assert_str_eq(addr_format_ip(&a, buf), good[_i].ip);
	ck_assert(addr_parse_ip(good[_i].ip, &b));
	ck_assert(addr_equal(&a, &b));
}
END_TEST

static const char *const bad[] = {
	"", "1", ":", "[]", "[", "]", "[::1", "::1]", "[[::1]]", "[192.0.2.1]", "192.0.2", "192.0.2.1.",
	"192.0.2.256", "192.0.2.01", "0x7f.1", "2130706433", " 192.0.2.1", "192.0.2.1 ", "192.0.2.1:80",
	"[::1]:80", ":::", "1::2::3", "12345::", "::g", "localhost", "*", "192.0.2.1%lo", "fe80::1%",
	"fe80::1%nosuchzone", "fe80::1%0", "fe80::1%-1", "fe80::1%+1", "fe80::1% 1", "fe80::1%1x",
	"::ffff:192.0.2.1%lo", "2001:db8::1%lo", "fe80::1%lo%lo",
	"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd:eeee",
};

START_TEST(no_addresses)
{
	struct addr a;

	ck_assert_msg(!addr_parse_ip(bad[_i], &a), "\"%s\" is taken", bad[_i]);
}
END_TEST

START_TEST(zones)
{
	struct addr a, b, none;

	ck_assert(addr_parse_ip("fe80::1%lo", &a));
	ck_assert_uint_eq(a.scope, if_nametoindex("lo"));
	ck_assert(addr_parse_ip("[fe80::1%4711]", &b));
	ck_assert_uint_eq(b.scope, 4711);
	ck_assert(addr_parse_ip("fe80::1", &none));
	ck_assert(!addr_equal(&a, &b) && !addr_equal(&a, &none));
}
END_TEST

static const struct {
	const char *ip;
	uint16_t port;
	const char *bare, *bracketed;
} formats[] = {
	{ "192.0.2.1", 80, "192.0.2.1:80", "192.0.2.1:80" },
	{ "192.0.2.1", 0, "192.0.2.1:0", "192.0.2.1:0" },
	{ "255.255.255.255", 65535, "255.255.255.255:65535", "255.255.255.255:65535" },
	{ "10.100.9.99", 8080, "10.100.9.99:8080", "10.100.9.99:8080" },
	{ "2001:db8::1", 443, "2001:db8::1:443", "[2001:db8::1]:443" },
	{ "::ffff:192.0.2.1", 443, "192.0.2.1:443", "192.0.2.1:443" },
	{ "1111:2222:3333:4444:5555:6666:7777:8888", 65535,
	    "1111:2222:3333:4444:5555:6666:7777:8888:65535",
	    "[1111:2222:3333:4444:5555:6666:7777:8888]:65535" },
};

START_TEST(formats_with_a_port)
{
	char buf[ADDR_STRLEN];
	struct addr a;

	ck_assert(addr_parse_ip(formats[_i].ip, &a));
	a.port = formats[_i].port;
	ck_assert_str_eq(addr_format(&a, false, buf), formats[_i].bare);
	ck_assert_str_eq(addr_format(&a, true, buf), formats[_i].bracketed);
}
END_TEST

/* All octets, against the library. */
START_TEST(octets)
{
	char buf[ADDR_IP_STRLEN], want[INET_ADDRSTRLEN];
	struct addr a;

	memset(&a, 0, sizeof(a));
	a.family = ADDR_IPV4;
	for (unsigned i = 0; i < 256; i++) {
		a.ip[12] = (uint8_t)i;
		a.ip[13] = (uint8_t)(255 - i);
		a.ip[14] = (uint8_t)(i * 7);
		a.ip[15] = (uint8_t)i;
		inet_ntop(AF_INET, a.ip + 12, want, sizeof(want));
		ck_assert_str_eq(addr_format_ip(&a, buf), want);
	}
}
END_TEST

START_TEST(there_and_back)
{
	struct sockaddr_storage ss;
	struct addr a, b;

	ck_assert(addr_parse_ip(good[_i].text, &a));
	a.port = 4711;
	ck_assert_uint_eq(addr_to_sockaddr(&a, &ss),
	    a.family == ADDR_IPV4 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
	addr_from_sockaddr(&b, (struct sockaddr *)&ss);
	ck_assert(addr_equal(&a, &b));
}
END_TEST

/* As a dual-stack socket gives a client. */
START_TEST(mapped_clients_are_ipv4)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(99) };
	struct addr a, b;

	ck_assert_int_eq(inet_pton(AF_INET6, "::ffff:192.0.2.1", &six.sin6_addr), 1);
	addr_from_sockaddr(&a, (struct sockaddr *)&six);
	ck_assert(addr_parse_ip("192.0.2.1", &b));
	ck_assert(!addr_equal(&a, &b));
	b.port = 99;
	ck_assert(addr_equal(&a, &b));
}
END_TEST

START_TEST(clients_without_an_address)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct sockaddr_storage ss;
	char buf[ADDR_STRLEN];
	struct addr a, none;

	addr_from_sockaddr(&a, (struct sockaddr *)&un);
	ck_assert_str_eq(addr_format_ip(&a, buf), "unix");
	ck_assert_str_eq(addr_format(&a, true, buf), "unix:0");
	ck_assert_uint_eq(addr_to_sockaddr(&a, &ss), 0);
	memset(&none, 0, sizeof(none));
	ck_assert_str_eq(addr_format_ip(&none, buf), "-");
	ck_assert_uint_eq(addr_to_sockaddr(&none, &ss), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("addr");
	TCase *t = tcase_create("addr");
	SRunner *r;
	int failed;

	tcase_add_loop_test(t, spellings, 0, COUNT(good));
	tcase_add_loop_test(t, no_addresses, 0, COUNT(bad));
	tcase_add_test(t, zones);
	tcase_add_loop_test(t, formats_with_a_port, 0, COUNT(formats));
	tcase_add_test(t, octets);
	tcase_add_loop_test(t, there_and_back, 0, COUNT(good));
	tcase_add_test(t, mapped_clients_are_ipv4);
	tcase_add_test(t, clients_without_an_address);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
