/* SPDX-License-Identifier: ISC */
/*
 * The resolver: looks up the servers that are DNS names, once, and writes
 * their addresses into the health table.  A short-lived process, because
 * getaddrinfo blocks and reads files.
 */
#ifndef DURWARD_RESOLVER_H
#define DURWARD_RESOLVER_H

#include <stdbool.h>

#include "state/conf.h"
#include "state/shared.h"

/* Are there servers that are DNS names? */
bool resolver_needed(const struct conf *c);

/* Look each up; log changes of address, and names that do not resolve (once
 * a state, not once a look).  A name that fails keeps its last good address.
 * hint_fd is raised where an address changed, so that it is probed at once. */
void resolver_run(const struct conf *c, const struct shared *s, const struct shared_map *m, int hint_fd);

#endif
