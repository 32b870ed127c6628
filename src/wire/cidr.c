/* SPDX-License-Identifier: ISC */
/*
 * Networks: parse and match.  Pure, in any process.
 */
#include "config.h"
#include "wire/cidr.h"

#include <arpa/inet.h>
#include <string.h>

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static bool
is_ipv4(const uint8_t ip[16])
{
	return memcmp(ip, mapped, sizeof(mapped)) == 0;
}

static bool
parse_bits(const char *p, size_t len, unsigned most, unsigned *bits)
{
	*bits = 0;
	if (len == 0 || len > 3 || (len > 1 && p[0] == '0'))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (p[i] < '0' || p[i] > '9')
			return false;
		*bits = *bits * 10 + (unsigned)(p[i] - '0');
	}
	return *bits <= most;
}

static bool
host_bits_set(const struct cidr *net)
{
	for (unsigned i = net->bits; i < 128; i++)
		if ((net->ip[i / 8] & 0x80 >> i % 8) != 0)
			return true;
	return false;
}

bool
cidr_parse(const char *text, size_t len, struct cidr *net, const char **why)
{
	const char *slash = len > 0 ? memchr(text, '/', len) : NULL;
	size_t host = slash == NULL ? len : (size_t)(slash - text);
	unsigned most = 128, bits;
	char ip[64];

	*why = "not an address nor a network, as in \"192.0.2.0/24\" or \"2001:db8::/32\"";
	if (host >= sizeof(ip) || memchr(text, '\0', len) != NULL)
		return false;
	memcpy(ip, text, host);
	ip[host] = '\0';
	if (inet_pton(AF_INET, ip, net->ip + 12) == 1) {
		memcpy(net->ip, mapped, sizeof(mapped));
		most = 32;
	} else if (inet_pton(AF_INET6, ip, net->ip) != 1) {
		return false;
	}
	bits = most;
	*why = "a prefix is a number of bits: at most 32 for IPv4, 128 for IPv6";
	if (slash != NULL && !parse_bits(slash + 1, len - host - 1, most, &bits))
		return false;
	net->bits = (uint8_t)(bits + 128 - most);
	*why = "bits are set behind the prefix: it is no network's first address";
	return !host_bits_set(net);
}

bool
cidr_match(const struct cidr *net, const uint8_t ip[16])
{
	unsigned whole = net->bits / 8, rest = net->bits % 8;

	if ((is_ipv4(net->ip) && net->bits >= 96) != is_ipv4(ip))
		return false;
	if (memcmp(net->ip, ip, whole) != 0)
		return false;
	return rest == 0 || ((net->ip[whole] ^ ip[whole]) & 0xff00 >> rest & 0xff) == 0;
}

bool
cidr_match_any(const struct cidr *net, unsigned n, const uint8_t ip[16])
{
	for (unsigned i = 0; i < n; i++)
		if (cidr_match(&net[i], ip))
			return true;
	return false;
}
