/* SPDX-License-Identifier: ISC */
/* A client of an HTTP listener.  In a worker. */
#include "config.h"
#include "proxy/session_http.h"

#include "proxy/session.h"

void
session_http(struct session *s)
{
	session_code(s, 'P', 'R');
}

int
session_http_idle(void)
{
	return 0;
}

void
session_http_tidy(int64_t now)
{
	(void)now;
}

void
session_http_close(void)
{
}
