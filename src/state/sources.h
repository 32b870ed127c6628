/* SPDX-License-Identifier: ISC */
/*
 * Connections by client address, in shared memory: max-connections-per-source.
 *
 * A hash table of 64-bit cells, each {tag of the source, its count}, changed
 * by compare-and-swap alone; a cell whose count is 0 is free.  Tags are made
 * with a random seed, so that nobody can aim at one place.  IPv6 counts by
 * /64, and each listener for itself.
 */
#ifndef DURWARD_SOURCES_H
#define DURWARD_SOURCES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

#define SOURCES_CELLS	65536u
#define SOURCES_NONE	UINT32_MAX	/* table full around its place: not counted */

struct sources {
	uint64_t seed;
	_Atomic uint32_t used;		/* some listener counts by source */
	_Alignas(64) _Atomic uint64_t cell[SOURCES_CELLS];
};

/* The number a source goes by: an IPv4 address or an IPv6 /64, on a listener. */
uint64_t sources_hash(uint64_t seed, uint32_t listener, const struct addr *client);

/* Count one more connection of this client; *place is where (for
 * sources_leave; SOURCES_NONE if the table is full there).  Returns how many
 * it has now, this one included. */
uint32_t sources_enter(struct sources *t, uint32_t listener, const struct addr *client, uint32_t *place);

/* One less.  SOURCES_NONE is ignored. */
void sources_leave(struct sources *t, uint32_t place);

/* For the audit: how many are counted at a place, and so many more (or less)
 * of them; whether anything ever was. */
uint32_t sources_held(const struct sources *t, uint32_t place);
void sources_correct(struct sources *t, uint32_t place, int32_t by);
bool sources_used(const struct sources *t);

/* How many it has. */
uint32_t sources_count(const struct sources *t, uint32_t listener, const struct addr *client);

#endif
