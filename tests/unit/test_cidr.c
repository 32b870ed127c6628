/* SPDX-License-Identifier: ISC */
/*
 * Networks: what is one, what is refused and why, and whom each holds.
 */
#include "config.h"
#include "wire/cidr.h"

#include <arpa/inet.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "guard.h"

#define BYTES(s)	s, sizeof(s) - 1
#define COUNT(a)	((int)(sizeof(a) / sizeof((a)[0])))

static void
ip_of(const char *text, uint8_t ip[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (strchr(text, ':') != NULL) {
		ck_assert_int_eq(inet_pton(AF_INET6, text, ip), 1);
		return;
	}
	memcpy(ip, mapped, 12);
	ck_assert_int_eq(inet_pton(AF_INET, text, ip + 12), 1);
}

static struct cidr
net_of(const char *text)
{
	const char *why;
	struct cidr net;

	ck_assert_msg(cidr_parse(text, strlen(text), &net, &why), "%s: %s", text, why);
	return net;
}

/* --- parsing ---------------------------------------------------------------- */

static const struct {
	const char *text, *first;
	unsigned bits;
} good[] = {
	{ "192.0.2.0/24", "192.0.2.0", 120 },
	{ "192.0.2.248/29", "192.0.2.248", 125 },
	{ "192.0.2.1", "192.0.2.1", 128 },
	{ "192.0.2.1/32", "192.0.2.1", 128 },
	{ "128.0.0.0/1", "128.0.0.0", 97 },
	{ "0.0.0.0/0", "0.0.0.0", 96 },
	{ "0.0.0.0", "0.0.0.0", 128 },
	{ "10.11.0.0/17", "10.11.0.0", 113 },
	{ "10.11.128.0/17", "10.11.128.0", 113 },
	{ "2001:db8::/32", "2001:db8::", 32 },
	{ "2001:DB8::/32", "2001:db8::", 32 },
	{ "2001:db8::1", "2001:db8::1", 128 },
	{ "2001:db8::1/128", "2001:db8::1", 128 },
	{ "::/0", "::", 0 },
	{ "::", "::", 128 },
	{ "fe80::/10", "fe80::", 10 },
	{ "::ffff:192.0.2.0/120", "192.0.2.0", 120 },
	{ "::ffff:c000:200/120", "192.0.2.0", 120 },
	{ "::ffff:192.0.2.1", "192.0.2.1", 128 },
	{ "::ffff:0.0.0.0/96", "0.0.0.0", 96 },
};

START_TEST(good_networks)
{
	struct cidr net;
	const char *why;
	uint8_t ip[16];
	size_t len = strlen(good[_i].text);

	ck_assert_msg(cidr_parse(guard_copy(good[_i].text, len), len, &net, &why),
	    "%s: %s", good[_i].text, why);
	ip_of(good[_i].first, ip);
	ck_assert_msg(memcmp(net.ip, ip, 16) == 0 && net.bits == good[_i].bits, "%s", good[_i].text);
}
END_TEST

static const struct {
	const char *text;
	size_t len;
	const char *why;	/* a word of the reason */
} bad[] = {
	{ BYTES(""), "address" },
	{ BYTES("/"), "address" },
	{ BYTES("/24"), "address" },
	{ BYTES("example.org"), "address" },
	{ BYTES("*"), "address" },
	{ BYTES("192.0.2"), "address" },
	{ BYTES("192.0.2/24"), "address" },
	{ BYTES("192.0.2.0.0/24"), "address" },
	{ BYTES("192.0.2.256"), "address" },
	{ BYTES("192.0.2.01"), "address" },
	{ BYTES("0xc0.0.2.1"), "address" },
	{ BYTES(" 192.0.2.1"), "address" },
	{ BYTES("192.0.2.1 "), "address" },
	{ BYTES("192.0.2.0 /24"), "address" },
	{ BYTES("192.0.2.1\0"), "address" },
	{ BYTES("192.0.2.0/24\0"), "address" },
	{ BYTES("192.0.2.1:80"), "address" },
	{ BYTES("[2001:db8::]/32"), "address" },
	{ BYTES("2001:db8:::/32"), "address" },
	{ BYTES("fe80::1%eth0"), "address" },
	{ BYTES("0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"), "address" },
	{ BYTES("0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"), "address" },
	{ BYTES("192.0.2.0/"), "prefix" },
	{ BYTES("192.0.2.0/33"), "prefix" },
	{ BYTES("192.0.2.0/1:"), "prefix" },
	{ BYTES("192.0.2.0/2."), "prefix" },
	{ BYTES("2001:db8::/4a"), "prefix" },
	{ BYTES("192.0.2.0/120"), "prefix" },
	{ BYTES("192.0.2.0/024"), "prefix" },
	{ BYTES("0.0.0.0/00"), "prefix" },
	{ BYTES("192.0.2.0/+24"), "prefix" },
	{ BYTES("192.0.2.0/-1"), "prefix" },
	{ BYTES("192.0.2.0/ 24"), "prefix" },
	{ BYTES("192.0.2.0/24 "), "prefix" },
	{ BYTES("192.0.2.0/24/24"), "prefix" },
	{ BYTES("192.0.2.0/255.255.255.0"), "prefix" },
	{ BYTES("192.0.2.0/4294967320"), "prefix" },
	{ BYTES("2001:db8::/129"), "prefix" },
	{ BYTES("2001:db8::/256"), "prefix" },
	{ BYTES("2001:db8::/"), "prefix" },
	{ BYTES("192.0.2.1/24"), "bits" },
	{ BYTES("192.0.2.1/31"), "bits" },
	{ BYTES("128.0.0.0/0"), "bits" },
	{ BYTES("10.11.128.0/16"), "bits" },
	{ BYTES("2001:db8::1/64"), "bits" },
	{ BYTES("2001:db8::1/127"), "bits" },
	{ BYTES("8000::/0"), "bits" },
	{ BYTES("::ffff:192.0.2.1/120"), "bits" },
	{ BYTES("::ffff:0.0.0.0/95"), "bits" },
};

START_TEST(bad_networks_are_refused_with_a_reason)
{
	const char *why = NULL;
	struct cidr net;

	ck_assert_msg(!cidr_parse(guard_copy(bad[_i].text, bad[_i].len), bad[_i].len, &net, &why),
	    "%s is taken", bad[_i].text);
	ck_assert_ptr_nonnull(why);
	ck_assert_msg(strstr(why, bad[_i].why) != NULL, "%s: %s", bad[_i].text, why);
}
END_TEST

/* --- matching ----------------------------------------------------------------- */

static const struct {
	const char *net, *ip;
	bool holds;
} matches[] = {
	{ "192.0.2.0/24", "192.0.2.0", true },
	{ "192.0.2.0/24", "192.0.2.255", true },
	{ "192.0.2.0/24", "192.0.3.0", false },
	{ "192.0.2.0/24", "192.0.1.255", false },
	{ "10.11.128.0/17", "10.11.128.0", true },
	{ "10.11.128.0/17", "10.11.255.255", true },
	{ "10.11.128.0/17", "10.11.127.255", false },
	{ "192.0.2.1", "192.0.2.1", true },
	{ "192.0.2.1", "192.0.2.0", false },
	{ "128.0.0.0/1", "255.255.255.255", true },
	{ "128.0.0.0/1", "127.255.255.255", false },
	{ "2001:db8::/32", "2001:db8:ffff::1", true },
	{ "2001:db8::/32", "2001:db9::", false },
	{ "2001:db8::1", "2001:db8::1", true },
	{ "2001:db8::1", "2001:db8::2", false },
	{ "fe80::/10", "febf::1", true },
	{ "fe80::/10", "fec0::1", false },

	/* all of one family, and nothing of the other */
	{ "0.0.0.0/0", "0.0.0.0", true },
	{ "0.0.0.0/0", "255.255.255.255", true },
	{ "0.0.0.0/0", "::1", false },
	{ "0.0.0.0/0", "::", false },
	{ "0.0.0.0/0", "2001:db8::1", false },
	{ "::/0", "::", true },
	{ "::/0", "ffff::", true },
	{ "::/0", "192.0.2.1", false },
	{ "::/0", "0.0.0.0", false },
	{ "::/80", "192.0.2.1", false },
	{ "::/64", "::1", true },
	{ "::/64", "127.0.0.1", false },

	/* the same bits of another family */
	{ "192.0.2.0/24", "::192.0.2.1", false },
	{ "::192.0.2.0/120", "192.0.2.1", false },
	{ "::192.0.2.0/120", "::192.0.2.1", true },

	/* however it is spelled */
	{ "::ffff:192.0.2.0/120", "192.0.2.7", true },
	{ "192.0.2.0/24", "::ffff:192.0.2.7", true },
	{ "::ffff:0.0.0.0/96", "192.0.2.7", true },
	{ "::ffff:0.0.0.0/96", "::1", false },
};

START_TEST(networks_hold_their_own)
{
	struct cidr net = net_of(matches[_i].net);
	uint8_t ip[16];

	ip_of(matches[_i].ip, ip);
	ck_assert_msg(cidr_match(&net, guard_copy(ip, 16)) == matches[_i].holds,
	    "%s and %s", matches[_i].net, matches[_i].ip);
}
END_TEST

/* Every length of prefix: the address itself is in, with any bit of the prefix
 * turned it is out, with any bit behind it turned it is in. */
START_TEST(each_bit_counts)
{
	static const char *const addresses[] = { "2001:db8:a5a5:5a5a:9696:6969:c3c3:3c3c", "203.0.113.85" };
	uint8_t full[16], ip[16];
	struct cidr net;

	for (int a = 0; a < COUNT(addresses); a++) {
		ip_of(addresses[a], full);
		for (unsigned bits = a == 0 ? 0 : 96; bits <= 128; bits++) {
			net.bits = (uint8_t)bits;
			memcpy(net.ip, full, 16);
			for (unsigned i = bits; i < 128; i++)
				net.ip[i / 8] &= (uint8_t)~(0x80 >> i % 8);
			ck_assert(cidr_match(&net, full));
			for (unsigned i = a == 0 ? 0 : 96; i < 128; i++) {
				memcpy(ip, full, 16);
				ip[i / 8] ^= (uint8_t)(0x80 >> i % 8);
				ck_assert_msg(cidr_match(&net, ip) == (i >= bits),
				    "%s/%u with bit %u turned", addresses[a], bits, i);
			}
		}
	}
}
END_TEST

START_TEST(lists_hold_what_one_of_them_holds)
{
	struct cidr list[3] = { net_of("192.0.2.0/24"), net_of("2001:db8::/32"), net_of("10.0.0.1") };
	static const struct { const char *ip; bool in; } cases[] = {
		{ "192.0.2.9", true }, { "2001:db8::9", true }, { "10.0.0.1", true },
		{ "10.0.0.2", false }, { "2001:db9::", false },
	};
	uint8_t ip[16];

	for (int i = 0; i < COUNT(cases); i++) {
		ip_of(cases[i].ip, ip);
		ck_assert_msg(cidr_match_any(list, 3, ip) == cases[i].in, "%s", cases[i].ip);
		ck_assert(!cidr_match_any(list, 0, ip));
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("cidr");
	TCase *t = tcase_create("networks");
	SRunner *sr;
	int failed;

	tcase_add_loop_test(t, good_networks, 0, COUNT(good));
	tcase_add_loop_test(t, bad_networks_are_refused_with_a_reason, 0, COUNT(bad));
	tcase_add_loop_test(t, networks_hold_their_own, 0, COUNT(matches));
	tcase_add_test(t, each_bit_counts);
	tcase_add_test(t, lists_hold_what_one_of_them_holds);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
