/* SPDX-License-Identifier: ISC */
/*
 * The logger: reads what all others write into one pipe and puts it where the
 * configuration says (base/log_sink.h).  A process of its own, so that no
 * other ever waits for a disk or a syslog.
 */
#ifndef DURWARD_LOGGER_H
#define DURWARD_LOGGER_H

#include "base/log_sink.h"

/* Read records from pipe_fd until its last writer is gone, or until the master
 * says so.  From master_fd (SOCK_SEQPACKET) come new log files, as descriptors. */
void logger_run(int pipe_fd, int master_fd, struct log_sink *sink);

/* Write the whole lines in buf[0..len); returns how much they were. */
size_t logger_take(struct log_sink *sink, const char *buf, size_t len);

/* For the master: hand the logger a log file that was opened anew.  0, -1. */
int logger_send_file(int master_fd, int file);

/* For the master: have the logger write what it has read, leave the rest in the
 * pipe for the next one, and end.  0, -1. */
int logger_send_leave(int master_fd);

#endif
