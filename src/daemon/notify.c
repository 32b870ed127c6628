/* SPDX-License-Identifier: ISC */
/*
 * Word to the service manager, in the master.  Spoken without libsystemd: the
 * protocol is four lines of text, and a library more would be one more in each
 * of the processes.  The environment keeps NOTIFY_SOCKET, for the executable
 * that takes over (USR2) has the same manager.
 */
#include "config.h"
#include "daemon/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define LEAVE_MS	5000	/* from the deadline to the end of the last process */

/* The length of the address, 0 where path is none that sd_notify(3) knows. */
static socklen_t
address_of(const char *path, struct sockaddr_un *un)
{
	size_t len = strlen(path);

	if ((path[0] != '/' && path[0] != '@') || len >= sizeof(un->sun_path))
		return 0;
	memset(un, 0, sizeof(*un));
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, len);
	if (path[0] == '@')
		un->sun_path[0] = '\0';		/* in the abstract name space */
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

static void
tell(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un un;
	socklen_t len;
	int fd;

	if (path == NULL)
		return;
	if ((len = address_of(path, &un)) == 0) {
		log_warnx("NOTIFY_SOCKET names no socket that could be used");
		return;
	}
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || sendto(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT,
	    (struct sockaddr *)&un, len) < 0)
		log_warn("cannot tell the service manager");
	if (fd >= 0)
		close(fd);
}

bool
notify_is_on(void)
{
	return getenv("NOTIFY_SOCKET") != NULL;
}

void
notify_ready(const char *status)
{
	char text[256];

	snprintf(text, sizeof(text), "READY=1\nSTATUS=%s\n", status);
	tell(text);
}

/* The time tells a manager that sent HUP our answer to it from an earlier one. */
void
notify_reloading(void)
{
	char text[128];

	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRId64
	    "\nSTATUS=reading the configuration\n", clock_us());
	tell(text);
}

void
notify_stopping(const char *status, int64_t deadline)
{
	uint64_t left_us = UINT64_MAX;		/* to systemd, for ever */
	int64_t now = clock_ms();
	char text[256];

	if (deadline != CLOCK_NEVER)
		left_us = (uint64_t)((deadline > now ? deadline - now : 0) + LEAVE_MS) * 1000;
	snprintf(text, sizeof(text), "STOPPING=1\nEXTEND_TIMEOUT_USEC=%" PRIu64 "\nSTATUS=%s\n",
	    left_us, status);
	tell(text);
}

void
notify_main_pid(pid_t pid)
{
	char text[64];

	snprintf(text, sizeof(text), "MAINPID=%ld\n", (long)pid);
	tell(text);
}
