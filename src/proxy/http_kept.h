/* SPDX-License-Identifier: ISC */
/* Server connections that a worker keeps between requests: few, and not for
 * long. */
#ifndef DURWARD_HTTP_KEPT_H
#define DURWARD_HTTP_KEPT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

struct kept {
	int fd;
	bool own;		/* for the present client alone: it began with its PROXY header */
	bool login;		/* so is this one, and the client must stay on it (NTLM) */
};

/* One to this server (slot and address), taken out; false: there is none. */
bool http_kept_take(uint32_t server, const struct addr *a, struct kept *k);

/* Is there one with a login?  Requests that must not be sent twice go on it, too,
 * for on another they would be somebody else's. */
bool http_kept_login(uint32_t server, const struct addr *a);

/* The client leaves, and what is for it alone goes with it. */
void http_kept_client_left(void);

/* Has its server closed it, or sent what nobody asked for? */
bool http_kept_stale(int fd);

/* Keep one whose last exchange ended cleanly; now is clock_ms. */
void http_kept_put(struct kept k, uint32_t server, const struct addr *a, int64_t now);

#endif
