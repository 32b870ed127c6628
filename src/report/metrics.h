/* SPDX-License-Identifier: ISC */
/*
 * /metrics: the counters in Prometheus' text format, version 0.0.4.
 *
 * Labels are what the configuration names (listener, cluster, service,
 * server) and fixed words (reason, code, side, state): their number grows with
 * the configuration, never with the clients.
 */
#ifndef DURWARD_METRICS_H
#define DURWARD_METRICS_H

#include <stdbool.h>

#include "report/out.h"
#include "report/report.h"

void metrics_write(const struct report *r, bool hide_version, struct out *o);

#endif
