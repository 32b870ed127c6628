/* SPDX-License-Identifier: ISC */
/*
 * What the service manager is told, by the master alone: the protocol of
 * sd_notify(3), a datagram to the socket that NOTIFY_SOCKET names.  Where that
 * is not set nobody listens, and nothing is done.  Nothing here ever waits.
 */
#ifndef DURWARD_NOTIFY_H
#define DURWARD_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Somebody listens, or says so. */
bool notify_is_on(void);

/* Every listener is served; also after a reload, whatever came of it.  status
 * is a line for people. */
void notify_ready(const char *status);

/* A reload begins, and notify_ready follows. */
void notify_reloading(void);

/* It ends, soon after the deadline at the latest (clock_ms, or CLOCK_NEVER):
 * that long the manager is not to lose patience. */
void notify_stopping(const char *status, int64_t deadline);

/* Another process is the master from now on. */
void notify_main_pid(pid_t pid);

#endif
