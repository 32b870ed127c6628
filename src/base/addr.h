/* SPDX-License-Identifier: ISC */
/*
 * An address of a client, a server or a listener, in one spelling.
 *
 * IPv4 is kept as IPv4 however it arrived (plain, or mapped into IPv6 by a
 * dual-stack socket), so that logs, hashing, lists, PROXY headers and
 * X-Forwarded-For never see two spellings of one client.
 */
#ifndef DURWARD_ADDR_H
#define DURWARD_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum addr_family { ADDR_NONE, ADDR_IPV4, ADDR_IPV6, ADDR_UNIX };

struct addr {
	uint8_t family;		/* enum addr_family */
	uint16_t port;		/* host order; 0 where unknown */
	uint32_t scope;		/* IPv6 zone index of a link-local address */
	uint8_t ip[16];		/* IPv4 as ::ffff:a.b.c.d */
};

#define ADDR_IP_STRLEN	64	/* room for any address */
#define ADDR_STRLEN	72	/* the same with brackets, colon and port */

/* Fill *a from what accept, getsockname or getaddrinfo gave. */
void addr_from_sockaddr(struct addr *a, const struct sockaddr *sa);

/* Fill *ss for bind or connect; returns its length, 0 for ADDR_NONE. */
socklen_t addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *ss);

/* The 4 or 16 bytes that name the client, for hashing and PROXY headers. */
const uint8_t *addr_bytes(const struct addr *a, size_t *len);

/* Parse "1.2.3.4", "2001:db8::1", "[2001:db8::1]" or "fe80::1%eth0"; false
 * where it is none of these.  The port becomes 0. */
bool addr_parse_ip(const char *text, struct addr *a);

/* "1.2.3.4" or "2001:db8::1"; "unix" for a client without an address.
 * Returns buf. */
const char *addr_format_ip(const struct addr *a, char buf[ADDR_IP_STRLEN]);

/* "1.2.3.4:80"; an IPv6 address in brackets where asked, else bare, as
 * HAProxy logs it.  Returns buf. */
const char *addr_format(const struct addr *a, bool bracket, char buf[ADDR_STRLEN]);

/* Same address and port. */
bool addr_equal(const struct addr *a, const struct addr *b);

#endif
