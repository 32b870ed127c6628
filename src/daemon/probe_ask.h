/* SPDX-License-Identifier: ISC */
/* What a probe asks its server, byte by byte. */
#ifndef DURWARD_PROBE_ASK_H
#define DURWARD_PROBE_ASK_H

#include <stddef.h>
#include <stdint.h>

#include "state/conf.h"

#define PROBE_ASK_MAX	1024	/* room for either question */
#define PROBE_HOST_MAX	256

/* A ClientHello for this name ("" none) in one record (RFC 8446, 4.1.2); its length. */
size_t probe_ask_tls(uint8_t *out, const char *sni);

/* A GET of the check's path, for its host or else the server's own; the length, 0
 * where size is too small. */
size_t probe_ask_http(const struct conf_check *check, const char *host, char *out, size_t size);

/* A server's own host, in buf: a zone is nobody's business but this machine's. */
const char *probe_ask_host(const char *host, char buf[PROBE_HOST_MAX]);

#endif
