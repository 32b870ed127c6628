/* SPDX-License-Identifier: ISC */
/* The PROXY header that goes before all else to a server whose service asks
 * for it (send-proxy), so that it sees the client's own address. */
#ifndef DURWARD_SEND_PROXY_H
#define DURWARD_SEND_PROXY_H

#include <stddef.h>
#include <stdint.h>

#include "proxy/session.h"

#define SEND_PROXY_MAX	256u

/* Write the header for s->backend's service into buf; returns its length, 0
 * where none is asked for. */
size_t send_proxy_format(struct session *s, uint8_t buf[SEND_PROXY_MAX]);

#endif
