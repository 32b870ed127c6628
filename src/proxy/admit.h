/* SPDX-License-Identifier: ISC */
/*
 * Who a client is, and whether it may come in: accept-proxy, allow and deny,
 * hold-off, connections by source.  In a worker, before a byte is read that is
 * the client's own.
 */
#ifndef DURWARD_ADMIT_H
#define DURWARD_ADMIT_H

#include "proxy/session.h"

/*
 * A peer in accept-proxy must send a PROXY header first (versions 1 and 2 of
 * HAProxy's proxy-protocol.txt), by s->deadline_ms: s->from and s->to are what
 * it says.  Then s->from is looked up in what the listener allows, and counted
 * at its source.  False: rejected, and s->code says why.
 */
bool admit_client(struct session *s);

#endif
