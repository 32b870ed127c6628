/* SPDX-License-Identifier: ISC */
/*
 * The reading end of the log: where lines end up.  In the logger process (and
 * in the master, which opens files for it).
 */
#ifndef DURWARD_LOG_SINK_H
#define DURWARD_LOG_SINK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

enum log_sink_kind { LOG_SINK_STDERR, LOG_SINK_FILE, LOG_SINK_SYSLOG, LOG_SINK_UDP };

struct log_sink {
	enum log_sink_kind kind;
	int facility;		/* LOG_LOCAL2 ... */
	int fd;			/* file, socket; -1 not open */
	struct addr addr;	/* UDP */
	char host[64];		/* for lines in files */
	_Atomic uint64_t *lost;	/* raised for each line that could not be written */
	int64_t complained_ms;
	uint64_t untold;	/* lines lost since the target last took one */
	bool torn;		/* a file ends in the middle of a line: it got full there */
};

/* Open a log file for appending, as the logger needs it; -1 with errno. */
int log_sink_open_file(const char *path);

/* One record of the pipe ("PRIORITY PID MS TEXT", no "\n").  Never waits on a
 * socket.  Where the target takes no line (a full file system, a full /dev/log,
 * a UDP port where nobody listens) the line is lost and counted, the next one
 * is tried again, and the first that goes through is followed by how many did
 * not. */
void log_sink_record(struct log_sink *s, const char *record, size_t len);

/* For UDP, when poll says that the socket has an error: the last line reached
 * nobody, and is counted now. */
void log_sink_heed(struct log_sink *s);

#endif
