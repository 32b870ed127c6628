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
	bool bound;		/* logged in for the present client (NTLM): for no other */
};

/* One to this server (slot and address), taken out; fd -1 none. */
struct kept http_kept_take(uint32_t server, const struct addr *a);

/* Is there one that is bound?  Requests that must not be sent twice go on it, too,
 * for on another they would be somebody else's. */
bool http_kept_is_bound(uint32_t server, const struct addr *a);

/* The client leaves, and what is bound to it goes with it. */
void http_kept_unbind(void);

/* Has its server closed it, or sent what nobody asked for? */
bool http_kept_stale(int fd);

/* Keep one whose last exchange ended cleanly; now is clock_ms. */
void http_kept_put(struct kept k, uint32_t server, const struct addr *a, int64_t now);

#endif
