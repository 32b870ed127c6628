/* SPDX-License-Identifier: ISC */
/* Which numbers descriptors have.  In the master. */
#include "config.h"
#include "base/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int
descriptor_share(int fd)
{
	int moved, saved;

	if (fd < 0)
		return -1;
	if (fd >= DESCRIPTOR_SHARED) {
		fcntl(fd, F_SETFD, FD_CLOEXEC);
		return fd;
	}
	moved = fcntl(fd, F_DUPFD_CLOEXEC, DESCRIPTOR_SHARED);
	/* so it says that RLIMIT_NOFILE ends below */
	saved = moved < 0 && errno == EINVAL ? EMFILE : errno;
	close(fd);
	errno = saved;
	return moved;
}
