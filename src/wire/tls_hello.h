/* SPDX-License-Identifier: ISC */
/*
 * The name that a TLS client asks for: server_name (RFC 6066, 3) in its
 * ClientHello (RFC 8446, 4.1.2; RFC 5246, 7.4.1.2), read without decrypting,
 * copying the hello, or changing a byte of it.
 */
#ifndef DURWARD_TLS_HELLO_H
#define DURWARD_TLS_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The most that a hello may take, its record headers included. */
#define TLS_HELLO_MAX	65536u

enum tls_hello_verdict {
	TLS_HELLO_MORE,		/* good so far: ask again with more */
	TLS_HELLO_FOUND,	/* whole, with a name */
	TLS_HELLO_NO_NAME,	/* whole, without one */
	TLS_HELLO_MALFORMED,	/* began as a TLS record; no later byte can mend it */
	TLS_HELLO_HTTP,		/* an HTTP request */
	TLS_HELLO_NOT_TLS	/* anything else */
};

struct tls_hello {
	size_t len;		/* bytes of the hello's records up to its last byte */
	char name[256];		/* as it came, NUL behind; may hold any byte, NUL too; one
				 * of more than 255 bytes is cut, and so no host name still */
	size_t name_len;
	bool ech;		/* encrypted_client_hello: name is the outer one */
};

/*
 * Judge the len bytes at buf; *out means something for FOUND and NO_NAME only.
 * What lies behind the hello's last record (early data, say) is not looked at.
 *
 * How the bytes were split into segments and records changes no verdict: every
 * prefix of a good hello says MORE, and a verdict other than MORE stays what
 * it is however many bytes follow.  MALFORMED is said as soon as no later byte
 * could mend it, which is often before the hello is whole.
 */
enum tls_hello_verdict tls_hello_parse(const uint8_t *buf, size_t len, struct tls_hello *out);

#endif
