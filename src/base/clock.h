/* SPDX-License-Identifier: ISC */
/* Time: monotonic for deadlines and durations, wall clock for people. */
#ifndef DURWARD_CLOCK_H
#define DURWARD_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* Microseconds that never go back; the same clock in every process of the
 * machine. */
static inline int64_t
clock_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* The same in milliseconds, for deadlines. */
static inline int64_t
clock_ms(void)
{
	return clock_us() / 1000;
}

/* Milliseconds since 1970. */
static inline int64_t
clock_wall_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* True at most once in every_ms, for what would otherwise be said again and
 * again; *said_ms is the caller's, 0 at first. */
static inline bool
clock_due(int64_t *said_ms, int64_t now, int every_ms)
{
	if (*said_ms != 0 && now - *said_ms < every_ms)
		return false;
	*said_ms = now;
	return true;
}

#define CLOCK_NEVER	INT64_MAX	/* a deadline that does not come */

/* now + ms, CLOCK_NEVER where ms is 0 (no limit). */
static inline int64_t
clock_deadline(int64_t now, int ms)
{
	return ms > 0 ? now + ms : CLOCK_NEVER;
}

/* What is left until the deadline, as poll wants it: never negative, -1 for
 * ever, and at most an hour, after which the caller looks again. */
static inline int
clock_left(int64_t deadline, int64_t now)
{
	if (deadline == CLOCK_NEVER)
		return -1;
	if (deadline <= now)
		return 0;
	return deadline - now > 3600000 ? 3600000 : (int)(deadline - now);
}

#endif
