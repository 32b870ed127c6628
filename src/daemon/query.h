/* SPDX-License-Identifier: ISC */
/* durward -r: which backend and server a client would get. */
#ifndef DURWARD_QUERY_H
#define DURWARD_QUERY_H

#include "state/conf.h"

/* text is "LISTENER,HOST[,SOURCE]".  Prints BACKEND/SERVER on stdout; returns
 * the exit status (0, 1 with a reason on stderr, 2 for a bad text). */
int query_route(const struct conf *c, const char *text);

#endif
