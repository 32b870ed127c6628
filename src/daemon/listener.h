/* SPDX-License-Identifier: ISC */
/*
 * Listening sockets: opened by the master, carried over reloads and upgrades
 * by the address they were bound to.
 */
#ifndef DURWARD_LISTENER_H
#define DURWARD_LISTENER_H

#include "state/conf.h"

/* How long a start waits for an address that is in use, ms: the workers of a
 * master that was killed a moment ago need that long to let it go. */
#define LISTENER_PATIENCE 2000

/* Open the socket of one bind of one listener, with all the options that its
 * clients inherit; -1 with errno.  An address in use is tried again for up to
 * patience ms.  Root removes a stale unix: socket first. */
int listener_open(const struct conf *c, const struct conf_listener *l, const struct conf_bind *b,
    int patience);

/* Set (again) what a changed configuration may have changed on an open one. */
void listener_tune(int fd, const struct conf *c, const struct conf_listener *l, const struct conf_bind *b);

#endif
