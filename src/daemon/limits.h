/* SPDX-License-Identifier: ISC */
/* Does this machine allow what the configuration asks for? */
#ifndef DURWARD_LIMITS_H
#define DURWARD_LIMITS_H

#include "state/conf.h"

/* A warning, with both numbers, for each of pid_max, threads-max,
 * RLIMIT_NPROC and the control group's pids.max that is below what
 * max-connections can need.  Nothing is changed. */
void limits_warn(const struct conf *c, conf_report *warn, void *arg);

#endif
