/* SPDX-License-Identifier: ISC */
/*
 * What durward says, and to whom.
 *
 * Until log_use_pipe, messages go to stderr as "durward: message".  After it
 * every process writes one line to one pipe, never waiting, and the logger
 * process alone knows files, sockets and clocks (base/log_sink.h); so a slow
 * disk or a syslog that restarts costs no client anything, and a worker needs
 * nothing but a descriptor.  A line that does not fit the pipe is counted.
 */
#ifndef DURWARD_LOG_H
#define DURWARD_LOG_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define LOG_LINE_MAX	3072	/* one line with its prefix, under PIPE_BUF */

/* From here on write to this pipe (non-blocking); lost is raised for each
 * line that did not fit. */
void log_use_pipe(int fd, _Atomic uint64_t *lost);

/* Say nothing above this syslog priority (LOG_INFO ...). */
void log_set_level(int priority);
bool log_enabled(int priority);

/* Priorities as syslog(3) names them.  log_warn and log_err add errno's text;
 * the x forms do not.  No "\n" at the end; errno is kept. */
void log_errx(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_err(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warnx(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_notice(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Any priority; the access log uses this with LOG_INFO. */
void log_at(int priority, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A line that is ready: len bytes, no "\n". */
void log_line(int priority, const char *text, size_t len);

/* Copy len bytes that came from the wire, every byte that is not printable
 * ASCII, and each of " # { | }, as #HH, which is how HAProxy writes them;
 * always ends dst with NUL; returns the length of dst. */
size_t log_escape(char *dst, size_t size, const void *src, size_t len);

#endif
