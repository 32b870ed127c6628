/* SPDX-License-Identifier: ISC */
/*
 * Bytes both ways, until both sides have closed.
 *
 * Half-closes are passed on, a reset becomes a reset, nothing is lost,
 * nothing added.  Both sockets are non-blocking.  Between two polls a relay
 * keeps no byte in user space but what a slow receiver has yet to take; a
 * quiet one is two sockets, a slot and two flags.
 */
#ifndef DURWARD_RELAY_H
#define DURWARD_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/session.h"

struct relay {
	int client, server;
	int idle_ms;			/* no byte either way; 0 no limit */
	int keepalive_ms;		/* 0 off */
	const uint8_t *to_server;	/* read from the client already, not yet sent */
	size_t to_server_len;
	const uint8_t *to_client;	/* the same the other way (HTTP upgrades) */
	size_t to_client_len;
	void *head;			/* SESSION_HEAD bytes that nobody needs once to_server is
					   sent: given back when all is quiet */
	uint64_t *bytes_in, *bytes_out;	/* raised as bytes are passed on */
	struct proxy *p;
	bool broken, by_client;		/* its own: one side has reset, and is heard to its end */
};

/* Returns how it ended. */
struct session_end_code relay_run(struct relay *r);

/* Close a socket so that its peer sees a reset. */
void relay_reset(int fd);

#endif
