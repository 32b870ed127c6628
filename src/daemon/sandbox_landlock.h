/* SPDX-License-Identifier: ISC */
/*
 * Landlock: which paths a child may read, which TCP ports it may connect to,
 * and that it signals nobody outside of its own wall.  Whatever is not named
 * is forbidden, as far as this kernel knows how; see landlock(7).
 */
#ifndef DURWARD_SANDBOX_LANDLOCK_H
#define DURWARD_SANDBOX_LANDLOCK_H

#include <stdint.h>

/* From which version on the kernel knows it; version 0: it has no Landlock. */
enum { LANDLOCK_HAS_PATHS = 1, LANDLOCK_HAS_PORTS = 4, LANDLOCK_HAS_SCOPES = 6 };

struct sandbox_landlock {
	const char *const *read;	/* directories to read files in, up to NULL; NULL none */
	const uint16_t *port;		/* TCP ports to connect to */
	unsigned nport;
};

/* What this kernel offers: Landlock's version, 0 none. */
int sandbox_landlock_version(void);

/* Enter (after no_new_privs).  0, or -1 with errno: then nothing has changed. */
int sandbox_landlock_enter(const struct sandbox_landlock *allow, int version);

#endif
