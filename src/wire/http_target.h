/* SPDX-License-Identifier: ISC */
/*
 * What a request asks for, and of whom: request targets (RFC 9112, 3.2) and
 * authorities (host, optional port: RFC 3986, 3.2, without user information).
 */
#ifndef DURWARD_HTTP_TARGET_H
#define DURWARD_HTTP_TARGET_H

#include <stdbool.h>

#include "wire/http_head.h"

struct http_authority {
	struct http_span name;	/* "a.example", "192.0.2.1", "[2001:db8::1]" */
	unsigned port;		/* 0: none was given */
};

/*
 * Take an authority apart.  False where it has a character, an IPv6 address
 * or a port that can't be; an empty one is good, and has an empty name.
 * Whether a name is one that DNS could hold is hostname's to say.
 */
bool http_authority_parse(struct http_span text, struct http_authority *a);

/* Do both name one host and port?  Case and one trailing dot don't count; a
 * port that was not given is default_port. */
bool http_authority_same(const struct http_authority *a,
    const struct http_authority *b, unsigned default_port);

/*
 * Sort the target of r (method and target are set): sets form and path, for
 * an absolute target host too.  False where it is of no form that the method
 * may have, or where the method is CONNECT.
 */
bool http_target_sort(struct http_request *r);

/* The port that r's absolute target means where it names none. */
unsigned http_target_port(const struct http_request *r);

#endif
