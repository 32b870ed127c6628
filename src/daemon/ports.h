/* SPDX-License-Identifier: ISC */
/*
 * Which TCP ports a process connects to, by the configuration: the kernel
 * holds it to them (Landlock).
 */
#ifndef DURWARD_PORTS_H
#define DURWARD_PORTS_H

#include <stdint.h>

#include "state/conf.h"

struct ports {			/* each once, ascending */
	uint16_t *port;
	unsigned n;
};

/* Those of the servers of one listener (index in conf), and those of all
 * probes.  0, or -1 where out of memory.  ports_free takes zeroes. */
int ports_of_listener(const struct conf *c, unsigned listener, struct ports *p);
int ports_of_checks(const struct conf *c, struct ports *p);
void ports_free(struct ports *p);

#endif
