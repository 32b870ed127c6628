/* SPDX-License-Identifier: ISC */
/* The clerk. */
#include "config.h"
#include "daemon/clerk.h"

#include <poll.h>

void
clerk_run(struct clerk *c)
{
	struct pollfd pfd = { c->master_fd, POLLIN, 0 };

	while (!*c->finish && poll(&pfd, 1, -1) <= 0)
		;
}
