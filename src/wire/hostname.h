/* SPDX-License-Identifier: ISC */
/* Host names in one spelling, from the wire or from the configuration. */
#ifndef DURWARD_HOSTNAME_H
#define DURWARD_HOSTNAME_H

#include <stddef.h>

#define HOSTNAME_SIZE	256	/* room for any name and a NUL */

/*
 * One spelling of the DNS name in the len bytes at in: ASCII lower case, one
 * trailing dot dropped.  Letters, digits, '-' and '_'; labels of 1 to 63
 * bytes, 253 in all (RFC 1035 2.3.4).  Returns its length, out ends in a NUL;
 * -1 where it is no such name (an empty one included), and out is anything.
 */
int hostname_canon(const char *in, size_t len, char out[HOSTNAME_SIZE]);

/*
 * The same for the value of an HTTP Host field, or the authority of a target
 * in absolute form: an optional ":port" is dropped, an IPv6 literal in
 * brackets is a host too and keeps them (RFC 3986 3.2.2, RFC 9110 7.2), in the
 * spelling of RFC 5952.  User information is refused, as are zones of IPv6.
 * Returns the length, 0 for an empty host, -1 for a malformed one.
 */
int hostname_from_host_field(const char *in, size_t len, char out[HOSTNAME_SIZE]);

#endif
