/* SPDX-License-Identifier: ISC */
/*
 * The PROXY protocol, versions 1 and 2 (HAProxy's proxy-protocol.txt): who
 * the client is, told by a proxy in front of us, or by us to a server.
 */
#ifndef DURWARD_PROXY_HEADER_H
#define DURWARD_PROXY_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROXY_HEADER_V1_MAX	107u
#define PROXY_HEADER_MAX	4096u	/* of a version 2 header with what it carries */

enum proxy_family { PROXY_FAMILY_NONE, PROXY_FAMILY_IPV4, PROXY_FAMILY_IPV6 };

struct proxy_addr {
	enum proxy_family family;
	uint8_t bytes[16];	/* 4 or 16 */
	uint16_t port;
};

enum proxy_header_verdict { PROXY_HEADER_MORE, PROXY_HEADER_FOUND, PROXY_HEADER_MALFORMED };

struct proxy_header {
	size_t len;		/* bytes of the header */
	bool local;		/* LOCAL, UNKNOWN, or not TCP over IP: no addresses */
	struct proxy_addr source, destination;
};

/*
 * Judge the len bytes at buf; *out means something for FOUND only.  Every
 * prefix of a good header says MORE, and a verdict other than MORE stays what
 * it is however many bytes follow.  What version 2 carries behind the
 * addresses must be whole, and its checksum, if there is one, right; it is
 * ignored otherwise, as is all that LOCAL and UNKNOWN carry.
 */
enum proxy_header_verdict proxy_header_parse(const uint8_t *buf, size_t len,
    struct proxy_header *out);

/* Write a header; both addresses of one family, or both NULL (UNKNOWN, LOCAL).
 * Returns its length, no NUL behind it; 0 where it does not fit size. */
size_t proxy_header_format_v1(const struct proxy_addr *source, const struct proxy_addr *destination,
    uint8_t *buf, size_t size);
size_t proxy_header_format_v2(const struct proxy_addr *source, const struct proxy_addr *destination,
    uint8_t *buf, size_t size);

#endif
