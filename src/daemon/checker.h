/* SPDX-License-Identifier: ISC */
/*
 * The checker: probes every server on its schedule, without blocking, and
 * writes the health table.  A process of its own, as `user`.
 */
#ifndef DURWARD_CHECKER_H
#define DURWARD_CHECKER_H

#include "state/conf.h"
#include "state/shared.h"

struct checker {
	const struct conf *conf;
	const struct shared *shared;
	const struct shared_map *map;
	int hint_fd;		/* eventfd: a worker wrote, some server's hint is raised */
	int master_fd;		/* eventfd: wake the master: a server went UP or DOWN */
};

/* Open what needs files (CA certificates, the https plugin), while that is
 * still possible; before the sandbox closes.  NULL where out of memory. */
struct probes *checker_open(const struct checker *c);

/* Probe for ever; returns only where it cannot go on. */
void checker_run(const struct checker *c, struct probes *p);

#endif
