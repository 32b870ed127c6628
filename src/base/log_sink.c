/* SPDX-License-Identifier: ISC */
/*
 * Lines on their way out: to stderr or a file as syslog writes them, to
 * /dev/log, or as RFC 3164 over UDP, as HAProxy sends it (no host name).
 * Runs in the logger process only.
 */
#include "config.h"
#include "base/log_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

int
log_sink_open_file(const char *path)
{
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
}

static int
connect_syslog(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&un, sizeof(un)) != 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static int
connect_udp(const struct addr *a)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(a, &ss);
	int fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&ss, len) != 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Once a minute at most, where somebody may read it. */
static void
complain(struct log_sink *s)
{
	char text[200];
	int64_t now = clock_ms();
	int n;
	uint64_t lost = atomic_fetch_add_explicit(s->lost, 1, memory_order_relaxed) + 1;

	if (s->kind == LOG_SINK_STDERR || (s->complained_ms != 0 && now - s->complained_ms < 60000))
		return;
	s->complained_ms = now;
	/* not dprintf, which asks first what stderr is: the jail forbids it */
	n = snprintf(text, sizeof(text), "durward: cannot write the log: %s (%llu lines lost so far)\n",
	    strerror(errno), (unsigned long long)lost);
	if (n > 0 && write(STDERR_FILENO, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1) < 0)
		errno = 0;	/* nobody left to tell */
}

void
log_sink_heed(struct log_sink *s)
{
	char none;

	if (s->fd >= 0 && read(s->fd, &none, 1) < 0 && errno != EAGAIN && errno != EINTR)
		complain(s);
}

/*
 * One datagram.  A syslogd that was restarted is found again.  Over UDP
 * ECONNREFUSED tells of an earlier one that reached nobody; this one still goes
 * out, for somebody may be there by now.
 */
static int
send_datagram(struct log_sink *s, const struct iovec *iov, int n)
{
	struct msghdr m = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)n };
	int tries;

	for (tries = 0; tries < 2; tries++) {
		if (s->fd < 0)
			s->fd = s->kind == LOG_SINK_UDP ? connect_udp(&s->addr) : connect_syslog();
		if (s->fd < 0)
			return -1;
		if (sendmsg(s->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
			return 0;
		if (errno == EAGAIN)
			return -1;
		if (s->kind == LOG_SINK_SYSLOG) {
			close(s->fd);
			s->fd = -1;
		} else if (errno == ECONNREFUSED && tries == 0)
			complain(s);
	}
	return -1;
}

/* A file that gets full in the middle of a line: the next line begins anew. */
static int
write_lines(struct log_sink *s, int fd, struct iovec *iov, int n)
{
	static char newline[1] = { '\n' };
	size_t want = 0;
	ssize_t got;
	int i;

	if (s->torn) {
		iov[0].iov_base = newline;
		iov[0].iov_len = 1;
	}
	for (i = 0; i < n; i++)
		want += iov[i].iov_len;
	do {
		got = writev(fd, iov, n);
	} while (got < 0 && errno == EINTR);
	if (got == (ssize_t)want) {
		s->torn = false;
		return 0;
	}
	if (got > 0) {
		s->torn = true;
		errno = ENOSPC;
	}
	return -1;
}

/* The date is made once a second. */
static const char *
date_of(int64_t ms)
{
	static time_t said = -1;
	static char date[32];
	time_t t = (time_t)(ms / 1000);
	struct tm tm;

	if (t == said)
		return date;
	/* a time that no process of ours has: see log_sink_record */
	if (localtime_r(&t, &tm) == NULL)
		memset(&tm, 0, sizeof(tm));
	strftime(date, sizeof(date), "%b %e %H:%M:%S", &tm);
	said = t;
	return date;
}

static void
add_prefix(struct text *t, const struct log_sink *s, int priority, int64_t pid, int64_t ms)
{
	if (s->kind == LOG_SINK_STDERR || s->kind == LOG_SINK_FILE) {
		text_add(t, date_of(ms));
		text_char(t, ' ');
		text_add(t, s->host);
		text_char(t, ' ');
	} else {
		text_char(t, '<');
		text_int(t, s->facility | priority);
		text_char(t, '>');
		text_add(t, date_of(ms));
		text_char(t, ' ');
	}
	text_add(t, "durward[");
	text_int(t, pid);
	text_add(t, "]: ");
}

static int
emit(struct log_sink *s, int priority, int64_t pid, int64_t ms, const char *text, size_t len)
{
	char buf[160], newline[1] = { '\n' };
	struct text prefix = text_in(buf, sizeof(buf));
	struct iovec iov[4] = { { newline, 0 } };	/* the first: see write_lines */

	add_prefix(&prefix, s, priority, pid, ms);
	iov[1].iov_base = buf;
	iov[1].iov_len = text_len(&prefix);
	iov[2].iov_base = (char *)(uintptr_t)text;
	iov[2].iov_len = len;
	iov[3].iov_base = newline;
	iov[3].iov_len = 1;
	switch (s->kind) {
	case LOG_SINK_STDERR:
		return write_lines(s, STDERR_FILENO, iov, 4);
	case LOG_SINK_FILE:
		return s->fd < 0 ? -1 : write_lines(s, s->fd, iov, 4);
	case LOG_SINK_SYSLOG:
		return send_datagram(s, iov + 1, 2);
	case LOG_SINK_UDP:
		return send_datagram(s, iov + 1, 3);
	}
	return -1;
}

/* What was missing is said where it is missing. */
static void
say_lost(struct log_sink *s, int64_t ms)
{
	char text[96];
	int n = snprintf(text, sizeof(text), "the log could not be written for a while: %llu lines are missing",
	    (unsigned long long)s->untold);

	if (emit(s, LOG_WARNING, getpid(), ms, text, (size_t)n) == 0)
		s->untold = 0;
}

/* A decimal number and the blank after it; what comes next, NULL where there is none. */
static const char *
take_number(const char *p, const char *end, int64_t *n)
{
	const char *start = p;

	for (*n = 0; p < end && *p >= '0' && *p <= '9' && p - start < 18; p++)
		*n = *n * 10 + (*p - '0');
	return p > start && p < end && *p == ' ' ? p + 1 : NULL;
}

void
log_sink_record(struct log_sink *s, const char *record, size_t len)
{
	const char *p = record, *end = record + len;
	int64_t priority, pid, ms;

	if ((p = take_number(p, end, &priority)) == NULL || (p = take_number(p, end, &pid)) == NULL ||
	    (p = take_number(p, end, &ms)) == NULL)
		return;		/* the rest of a line that a crash cut */
	priority &= LOG_PRIMASK;	/* not a digit into the facility */
	if (emit(s, (int)priority, pid, ms, p, (size_t)(end - p)) != 0) {
		s->untold++;
		complain(s);
	} else if (s->untold > 0) {
		say_lost(s, ms);
	}
}
