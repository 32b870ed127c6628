/* SPDX-License-Identifier: ISC */
/*
 * Bytes that end where memory ends: behind the last one lies an unmapped
 * page, so that a parser that reads one byte too many dies of it.
 */
#ifndef DURWARD_GUARD_H
#define DURWARD_GUARD_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define GUARD_SIZE	((size_t)256 * 1024)	/* room before the page */

/* A copy of the len bytes at data, good until the next call. */
static inline void *
guard_copy(const void *data, size_t len)
{
	static char *area;

	if (area == NULL) {
		area = mmap(NULL, GUARD_SIZE + (size_t)sysconf(_SC_PAGESIZE),
		    PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (area == MAP_FAILED || mprotect(area + GUARD_SIZE,
		    (size_t)sysconf(_SC_PAGESIZE), PROT_NONE) != 0)
			abort();
	}
	if (len > GUARD_SIZE)
		abort();
	if (len > 0)
		memcpy(area + GUARD_SIZE - len, data, len);
	return area + GUARD_SIZE - len;
}

#endif
