/* SPDX-License-Identifier: ISC */
/*
 * The writing end of the log.  In every process.  Must never block, never
 * allocate, and never let data be a format.
 *
 * A record in the pipe is "PRIORITY PID MILLISECONDS TEXT\n", in one write
 * under PIPE_BUF, so that records of many processes never mix and a reader
 * that begins in the middle finds its feet at the next "\n".
 */
#include "config.h"
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

static int pipe_fd = -1;
static int level = LOG_INFO;
static _Atomic uint64_t *lost_lines;

void
log_use_pipe(int fd, _Atomic uint64_t *lost)
{
	pipe_fd = fd;
	lost_lines = lost;
}

void
log_set_level(int priority)
{
	level = priority;
}

bool
log_enabled(int priority)
{
	return priority <= level;
}

static pid_t pid;		/* ours; 0 not asked yet */

static void
forget_pid(void)
{
	pid = 0;
}

/* A call a process, not one a line. */
static pid_t
own_pid(void)
{
	static bool told;

	if (!told)
		told = pthread_atfork(NULL, NULL, forget_pid) == 0;
	if (pid == 0 || !told)
		pid = getpid();
	return pid;
}

/* The prefix has room before the text, so that the whole is one buffer. */
static void
write_record(int priority, char *text, size_t len)
{
	char prefix[64];
	struct text t = text_in(prefix, sizeof(prefix));
	size_t n;

	text_int(&t, priority);
	text_char(&t, ' ');
	text_int(&t, own_pid());
	text_char(&t, ' ');
	text_int(&t, clock_wall_ms());
	text_char(&t, ' ');
	n = text_len(&t);
	memcpy(text - n, prefix, n);
	text[len] = '\n';
	if (write(pipe_fd, text - n, n + len + 1) < 0 && lost_lines != NULL)
		atomic_fetch_add_explicit(lost_lines, 1, memory_order_relaxed);
}

void
log_line(int priority, const char *text, size_t len)
{
	char buf[64 + LOG_LINE_MAX + 2];
	int saved = errno;

	if (priority > level)
		return;
	if (len > LOG_LINE_MAX - 64)
		len = LOG_LINE_MAX - 64;
	memcpy(buf + 64, text, len);
	if (pipe_fd >= 0) {
		write_record(priority, buf + 64, len);
	} else {
		memcpy(buf + 64 - 9, "durward: ", 9);
		buf[64 + len] = '\n';
		if (write(STDERR_FILENO, buf + 64 - 9, len + 10) < 0)
			errno = 0;	/* nobody left to tell */
	}
	errno = saved;
}

static void __attribute__((format(printf, 3, 0)))
log_va(int priority, bool add_errno, const char *fmt, va_list ap)
{
	char buf[LOG_LINE_MAX];
	int saved = errno, n, i;

	if (priority > level)
		return;
	n = vsnprintf(buf, sizeof(buf), fmt, ap);
	if (n < 0)
		n = 0;
	if (n >= (int)sizeof(buf))
		n = (int)sizeof(buf) - 1;
	if (add_errno)
		n += snprintf(buf + n, sizeof(buf) - (size_t)n, ": %s", strerror(saved));
	if (n >= (int)sizeof(buf))
		n = (int)sizeof(buf) - 1;
	/* a message is one line, whatever a path or a library put into it */
	for (i = 0; i < n; i++)
		if (buf[i] == '\n' || buf[i] == '\r')
			buf[i] = ' ';
	log_line(priority, buf, (size_t)n);
	errno = saved;
}

#define LOG_FUNCTION(name, priority, add_errno)			\
void								\
name(const char *fmt, ...)					\
{								\
	va_list ap;						\
								\
	va_start(ap, fmt);					\
	log_va(priority, add_errno, fmt, ap);			\
	va_end(ap);						\
}

LOG_FUNCTION(log_errx, LOG_ERR, false)
LOG_FUNCTION(log_err, LOG_ERR, true)
LOG_FUNCTION(log_warnx, LOG_WARNING, false)
LOG_FUNCTION(log_warn, LOG_WARNING, true)
LOG_FUNCTION(log_notice, LOG_NOTICE, false)
LOG_FUNCTION(log_info, LOG_INFO, false)
LOG_FUNCTION(log_debug, LOG_DEBUG, false)

void
log_at(int priority, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_va(priority, false, fmt, ap);
	va_end(ap);
}

size_t
log_escape(char *dst, size_t size, const void *src, size_t len)
{
	static const char hex[] = "0123456789ABCDEF";
	const uint8_t *s = src;
	size_t i, n = 0;

	for (i = 0; i < len; i++) {
		if (s[i] > 0x20 && s[i] < 0x7f && strchr("\"#{|}", s[i]) == NULL) {
			if (n + 1 >= size)
				break;
			dst[n++] = (char)s[i];
			continue;
		}
		if (n + 3 >= size)
			break;
		dst[n++] = '#';
		dst[n++] = hex[s[i] >> 4];
		dst[n++] = hex[s[i] & 15];
	}
	dst[n] = '\0';
	return n;
}
