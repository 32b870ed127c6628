/* SPDX-License-Identifier: ISC */
/*
 * TLS for "https" probes, in a plugin of its own (durward-https.so): OpenSSL
 * is mapped into the checker alone, never into a worker.
 */
#ifndef DURWARD_PROBE_HTTPS_H
#define DURWARD_PROBE_HTTPS_H

#include <stddef.h>
#include <sys/types.h>

enum https_status { HTTPS_OK, HTTPS_WANT_READ, HTTPS_WANT_WRITE, HTTPS_CLOSED, HTTPS_FAILED };

struct https_ops {
	/* ca_file "" or NULL: nothing is verified.  NULL: error says why. */
	void *(*context)(const char *ca_file, char *error, size_t size);
	/* A client on a connected, non-blocking socket.  name: for SNI, and to
	 * verify where the context has a CA; an address is fine too. */
	void *(*open)(void *context, int fd, const char *name);
	enum https_status (*handshake)(void *tls, char *error, size_t size);
	enum https_status (*write)(void *tls, const void *p, size_t n, size_t *done);
	enum https_status (*read)(void *tls, void *p, size_t n, size_t *done);
	void (*close)(void *tls);
};

/* What the plugin exports. */
#define HTTPS_OPS_SYMBOL "durward_https_ops"
extern const struct https_ops durward_https_ops;

/* Load the plugin; NULL after saying why.  In the checker, before its sandbox. */
const struct https_ops *probe_https_load(void);

/* The ops that were loaded; NULL none. */
extern const struct https_ops *probe_https_ops;

#endif
