/* SPDX-License-Identifier: ISC */
/*
 * The logger process.  It sleeps a millisecond after each read: while it
 * sleeps no writer has to wake it, and what came meanwhile goes in one turn.
 */
#include "config.h"
#include "daemon/logger.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NAP_MS	1

int
logger_send_file(int master_fd, int file)
{
	char byte = 'f', control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *c;

	memset(control, 0, sizeof(control));
	c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &file, sizeof(int));
	return sendmsg(master_fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) == 1 ? 0 : -1;
}

int
logger_send_leave(int master_fd)
{
	char byte = 'l';

	return send(master_fd, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1 ? 0 : -1;
}

/* A word from the master: a new file, or that another logger takes over.
 * False: the master has gone. */
static bool
hear_master(int master_fd, struct log_sink *sink, bool *leaving)
{
	char byte = 0, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *c;
	ssize_t n = recvmsg(master_fd, &m, MSG_DONTWAIT);

	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR);
	if (byte == 'l')
		*leaving = true;
	c = CMSG_FIRSTHDR(&m);
	if (c != NULL && c->cmsg_type == SCM_RIGHTS) {
		if (sink->fd >= 0)
			close(sink->fd);
		sink->torn = false;
		memcpy(&sink->fd, CMSG_DATA(c), sizeof(int));
	}
	return true;
}

size_t
logger_take(struct log_sink *sink, const char *buf, size_t len)
{
	size_t at = 0;
	const char *end;

	while ((end = memchr(buf + at, '\n', len - at)) != NULL) {
		log_sink_record(sink, buf + at, (size_t)(end - buf) - at);
		at = (size_t)(end - buf) + 1;
	}
	return at;
}

void
logger_run(int pipe_fd, int master_fd, struct log_sink *sink)
{
	_Alignas(4096) static char buf[65536];
	struct pollfd pfd[3] = { { pipe_fd, POLLIN, 0 }, { master_fd, POLLIN, 0 }, { -1, 0, 0 } };
	size_t have = 0, used;
	bool leaving = false;
	ssize_t n;

	/* whoever comes after us must begin with a whole line */
	while (!leaving || have > 0) {
		if (sink->kind == LOG_SINK_UDP)
			pfd[2].fd = sink->fd;	/* for its errors */
		if (poll(pfd, 3, -1) < 0)
			continue;
		if (pfd[2].revents != 0)
			log_sink_heed(sink);
		if (pfd[1].revents != 0 && !hear_master(master_fd, sink, &leaving))
			pfd[1].fd = -1;
		if (pfd[0].revents == 0)
			continue;
		n = read(pipe_fd, buf + have, sizeof(buf) - have);
		if (n == 0)
			return;
		if (n < 0)
			continue;
		have += (size_t)n;
		used = logger_take(sink, buf, have);
		if (used == 0 && have == sizeof(buf))
			used = have;	/* no line is that long: a torn record */
		memmove(buf, buf + used, have - used);
		have -= used;
		poll(NULL, 0, NAP_MS);
	}
}
