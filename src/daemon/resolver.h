/* SPDX-License-Identifier: ISC */
/*
 * The resolver: looks up the servers that are DNS names, once, and writes
 * their addresses into the health table.  A short-lived process, because
 * getaddrinfo blocks and reads files.
 */
#ifndef DURWARD_RESOLVER_H
#define DURWARD_RESOLVER_H

#include <netdb.h>
#include <stdbool.h>

#include "state/conf.h"
#include "state/shared.h"

/* Are there servers that are DNS names? */
bool resolver_needed(const struct conf *c);

/* Look each up; log changes of address, and names that do not resolve (once
 * a state, not once a look).  A name that fails keeps its last good address.
 * hint_fd is raised where an address changed, so that it is probed at once. */
void resolver_run(const struct conf *c, const struct shared *s, const struct shared_map *m, int hint_fd);

/*
 * Which of the addresses in getaddrinfo's answer: the one in use while it is
 * still there, so that an answer that rotates moves nobody; else the lowest of
 * the family that getaddrinfo puts first, so that durwards that start with the
 * same answer agree, in whatever order it came.  ADDR_NONE where there is none.
 */
void resolver_pick(const struct addrinfo *list, const struct addr *now, uint16_t port,
    struct addr *out);

#endif
