/* SPDX-License-Identifier: ISC */
/*
 * Networks.  The first 16 bytes are an address, the rest is a network, which
 * means the same when it is written out; and it holds what a comparison bit
 * by bit says it holds.
 */
#include "config.h"
#include "wire/cidr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUST(x)	do { if (!(x)) abort(); } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

static bool
is_ipv4(const uint8_t ip[16])
{
	return memcmp(ip, mapped, sizeof(mapped)) == 0;
}

static bool
holds(const struct cidr *net, const uint8_t ip[16])
{
	if (is_ipv4(net->ip) != is_ipv4(ip))
		return false;
	for (unsigned i = 0; i < net->bits; i++)
		if (((net->ip[i / 8] ^ ip[i / 8]) >> (7 - i % 8) & 1) != 0)
			return false;
	return true;
}

static void
check_written(const struct cidr *net)
{
	char ip[INET6_ADDRSTRLEN], text[INET6_ADDRSTRLEN + 8];
	bool four = is_ipv4(net->ip);
	struct cidr again;
	const char *why;

	MUST(inet_ntop(four ? AF_INET : AF_INET6, four ? net->ip + 12 : net->ip, ip, sizeof(ip)) != NULL);
	snprintf(text, sizeof(text), "%s/%d", ip, net->bits - (four ? 96 : 0));
	MUST(cidr_parse(text, strlen(text), &again, &why));
	MUST(again.bits == net->bits && memcmp(again.ip, net->ip, 16) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *why = NULL;
	struct cidr net;
	uint8_t ip[16];

	if (size < 16)
		return 0;
	memcpy(ip, data, 16);
	if (!cidr_parse((const char *)data + 16, size - 16, &net, &why)) {
		MUST(why != NULL);
		return 0;
	}
	MUST(net.bits <= 128 && cidr_match(&net, net.ip) && holds(&net, net.ip));
	check_written(&net);
	MUST(cidr_match(&net, ip) == holds(&net, ip));
	memcpy(ip, net.ip, 16 - size % 8);
	MUST(cidr_match(&net, ip) == holds(&net, ip));
	MUST(cidr_match_any(&net, 1, ip) == holds(&net, ip) && !cidr_match_any(&net, 0, ip));
	return 0;
}
