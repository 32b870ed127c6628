/* SPDX-License-Identifier: ISC */
/* A client of a stats listener.  In a worker. */
#include "config.h"
#include "proxy/session.h"

void
session_stats(struct session *s)
{
	session_code(s, 'P', 'R');
}
