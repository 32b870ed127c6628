/* SPDX-License-Identifier: ISC */
/*
 * Networks and lists of them.  Addresses are 16 bytes, IPv4 as ::ffff:a.b.c.d.
 * An IPv4 network holds IPv4 addresses only, an IPv6 one native IPv6 only:
 * "0.0.0.0/0" is all of IPv4, "::/0" all of IPv6.  "::ffff:1.2.3.0/120" is
 * the IPv4 network.
 */
#ifndef DURWARD_CIDR_H
#define DURWARD_CIDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cidr {
	uint8_t ip[16];
	uint8_t bits;		/* of the 128; 96 and more with ::ffff: in front is IPv4 */
};

/* "A.B.C.D/N", "V6/N" or an address alone; false and a reason in *why (static)
 * where it is none, or has bits set behind its prefix. */
bool cidr_parse(const char *text, size_t len, struct cidr *net, const char **why);

bool cidr_match(const struct cidr *net, const uint8_t ip[16]);

/* Whether any of the n networks holds the address. */
bool cidr_match_any(const struct cidr *net, unsigned n, const uint8_t ip[16]);

#endif
