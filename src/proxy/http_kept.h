/* SPDX-License-Identifier: ISC */
/* Server connections that a worker keeps between requests: few, and not for
 * long. */
#ifndef DURWARD_HTTP_KEPT_H
#define DURWARD_HTTP_KEPT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

/* One to this server (slot and address), taken out; -1 none. */
int http_kept_take(uint32_t server, const struct addr *a);

/* Has its server closed it, or sent what nobody asked for? */
bool http_kept_stale(int fd);

/* Keep one whose last exchange ended cleanly; now is clock_ms. */
void http_kept_put(int fd, uint32_t server, const struct addr *a, int64_t now);

#endif
