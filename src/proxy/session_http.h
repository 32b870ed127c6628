/* SPDX-License-Identifier: ISC */
/*
 * What a worker keeps between HTTP clients: connections to servers that ended
 * their last exchange cleanly.
 */
#ifndef DURWARD_SESSION_HTTP_H
#define DURWARD_SESSION_HTTP_H

#include <stdint.h>

/* How many there are. */
int session_http_idle(void);

/* Close those that have been idle long enough, or that the server closed;
 * now is clock_ms. */
void session_http_tidy(int64_t now);

/* Close all: the worker leaves. */
void session_http_close(void);

#endif
