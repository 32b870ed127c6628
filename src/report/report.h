/* SPDX-License-Identifier: ISC */
/*
 * What all reports look at, and the questions that several of them ask.
 *
 * A report reads shared memory while others write it: each number is whole,
 * but two of them may be an instant apart.
 */
#ifndef DURWARD_REPORT_H
#define DURWARD_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "state/conf.h"
#include "state/shared.h"

struct report {
	const struct conf *conf;
	const struct shared *shared;
	const struct shared_map *map;
	int64_t now;		/* clock_ms of the report */
};

/* Are new clients taken: not draining, and each socket has a worker. */
bool report_accepting(const struct report *r);

/* Server k of conf.backend[b], its counters, and those of backends and listeners. */
const struct server_slot *report_server(const struct report *r, unsigned b, unsigned k);
const struct counters *report_counters(const struct report *r, unsigned b, unsigned k);
const struct counters *report_backend(const struct report *r, unsigned b);
const struct counters *report_listener(const struct report *r, unsigned l);

/* Servers of a backend that new clients may be sent to, by kind. */
struct report_usable {
	unsigned active, backup;	/* usable */
	unsigned weight;		/* of those that would serve now */
};
struct report_usable report_usable(const struct report *r, unsigned b);

/* Seconds since an instant (clock_ms); 0 for the future. */
int64_t report_age(const struct report *r, int64_t then);

/* Seconds that the server has been in the state that is shown. */
int64_t report_since(const struct report *r, const struct server_slot *s);

/* Seconds that it has been down in all, the present time included. */
int64_t report_downtime(const struct report *r, const struct server_slot *s);

/* The same of a backend: since when it has had a server, or has had none; and
 * without any in all. */
int64_t report_backend_since(const struct report *r, unsigned b);
int64_t report_backend_downtime(const struct report *r, unsigned b);

/* Its address and port, or as the configuration has it where that does not
 * resolve. */
#define REPORT_ADDRESS	320
const char *report_address(const struct report *r, unsigned b, unsigned k, char buf[REPORT_ADDRESS]);

/* The last check's result: "L6OK", "L4CON: Connection refused", "" none yet. */
#define REPORT_CHECK	(HEALTH_INFO_MAX + 16)
const char *report_check(const struct server_slot *s, char buf[REPORT_CHECK]);

/* For people: "1.2M", "3h12m", "0.4ms". */
#define REPORT_WORDS	32
const char *report_size(uint64_t bytes, char buf[REPORT_WORDS]);
const char *report_span(int64_t seconds, char buf[REPORT_WORDS]);
const char *report_micros(int64_t us, char buf[REPORT_WORDS]);

#endif
