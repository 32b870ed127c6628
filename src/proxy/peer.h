/* SPDX-License-Identifier: ISC */
/*
 * Is the other end of a TCP connection still there?
 *
 * With nothing on its way to the peer the kernel asks it now and then
 * (tcp-keepalive) and ends the connection by itself.  With bytes on their way
 * it would not for a quarter of an hour, and TCP_USER_TIMEOUT, made for that,
 * also cuts off a peer that answers but has paused (its window is closed: a
 * log that somebody stopped with Ctrl-S).  So whoever relays looks itself.
 */
#ifndef DURWARD_PEER_H
#define DURWARD_PEER_H

#include "state/conf.h"

enum peer {
	PEER_OWES_NOTHING,	/* the kernel looks after it; also: no TCP */
	PEER_OWES,		/* bytes are on their way to it, or wait for it: look again */
	PEER_GONE		/* it has acknowledged nothing for too long */
};

/* Have the kernel probe a peer that was silent for idle_ms: three times, in
 * peer_interval_ms; 0 never.  Accepted sockets inherit it from the listener. */
void peer_keepalive(int fd, int idle_ms);

/* How long the kernel keeps a client that says nothing from us, in s: the most
 * that TCP_DEFER_ACCEPT can do within the time for a hello or head.  0: not at
 * all, also where some are to be closed at once (deny, allow, a source's limit). */
int peer_defer_s(const struct conf_listener *l);

/* Between two looks, as between two probes, for this tcp-keepalive (> 0). */
int peer_interval_ms(int idle_ms);

/* Look, by the same measure as the kernel's probes. */
enum peer peer_look(int fd, int idle_ms);

#endif
