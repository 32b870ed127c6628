/* SPDX-License-Identifier: ISC */
/*
 * Connections by client address.  Called by workers on the path of a
 * connection, and by the master for a worker that died; never blocks.
 */
#include "config.h"
#include "state/sources.h"

#include <string.h>
#define XXH_INLINE_ALL	/* no library to map into every worker */
#include <xxhash.h>

#define WINDOW	32u		/* cells a source may stand in, from its place on */
#define COUNT	0xffffu		/* low 16 bits: the count; the others: the tag */

uint64_t
sources_hash(uint64_t seed, uint32_t listener, const struct addr *client)
{
	uint8_t key[20];
	size_t len = 4;

	memcpy(key, &listener, 4);
	if (client->family == ADDR_IPV4) {
		memcpy(key + 4, client->ip + 12, 4);
		len = 8;
	} else if (client->family == ADDR_IPV6) {
		memcpy(key + 4, client->ip, 8);	/* the /64 */
		len = 12;
	}
	return XXH3_64bits_withSeed(key, len, seed);
}

/* Find the tag's cell in its window; the first free one in *empty. */
static uint32_t
find(const struct sources *t, uint64_t tag, uint32_t start, uint32_t *empty)
{
	uint32_t i, at;

	*empty = SOURCES_NONE;
	for (i = 0; i < WINDOW; i++) {
		uint64_t v;

		at = (start + i) % SOURCES_CELLS;
		v = atomic_load_explicit(&t->cell[at], memory_order_relaxed);
		if ((v & COUNT) == 0) {
			if (*empty == SOURCES_NONE)
				*empty = at;
		} else if ((v & ~(uint64_t)COUNT) == tag) {
			return at;
		}
	}
	return SOURCES_NONE;
}

uint32_t
sources_enter(struct sources *t, uint32_t listener, const struct addr *client, uint32_t *place)
{
	uint64_t h = sources_hash(t->seed, listener, client), tag = h & ~(uint64_t)COUNT, v;
	uint32_t start = (uint32_t)(h % SOURCES_CELLS), at, empty;

	if (atomic_load_explicit(&t->used, memory_order_relaxed) == 0)
		atomic_store_explicit(&t->used, 1, memory_order_relaxed);
	for (;;) {
		at = find(t, tag, start, &empty);
		if (at == SOURCES_NONE && (at = empty) == SOURCES_NONE) {
			*place = SOURCES_NONE;
			return 1;
		}
		v = atomic_load(&t->cell[at]);
		if ((v & COUNT) == 0)
			v = at == empty ? v : 0;
		else if ((v & ~(uint64_t)COUNT) != tag)
			continue;	/* someone took it meanwhile */
		if ((v & COUNT) == COUNT) {
			*place = SOURCES_NONE;
			return COUNT;
		}
		if (atomic_compare_exchange_strong(&t->cell[at], &v,
		    tag | ((v & COUNT) + 1))) {
			*place = at;
			return (uint32_t)(v & COUNT) + 1;
		}
	}
}

void
sources_leave(struct sources *t, uint32_t place)
{
	uint64_t v;

	if (place >= SOURCES_CELLS)
		return;
	v = atomic_load(&t->cell[place]);
	while ((v & COUNT) != 0 &&
	    !atomic_compare_exchange_weak(&t->cell[place], &v, v - 1))
		;
}

uint32_t
sources_held(const struct sources *t, uint32_t place)
{
	return (uint32_t)(atomic_load_explicit(&t->cell[place], memory_order_relaxed) & COUNT);
}

void
sources_correct(struct sources *t, uint32_t place, int32_t by)
{
	uint64_t v = atomic_load(&t->cell[place]);
	int64_t n;

	do {
		n = (int64_t)(v & COUNT) + by;
		if (n < 0)
			n = 0;
	} while (!atomic_compare_exchange_weak(&t->cell[place], &v, (v & ~(uint64_t)COUNT) | (uint64_t)n));
}

bool
sources_used(const struct sources *t)
{
	return atomic_load_explicit(&t->used, memory_order_relaxed) != 0;
}

uint32_t
sources_count(const struct sources *t, uint32_t listener, const struct addr *client)
{
	uint64_t h = sources_hash(t->seed, listener, client);
	uint32_t empty, at;

	at = find(t, h & ~(uint64_t)COUNT, (uint32_t)(h % SOURCES_CELLS), &empty);
	if (at == SOURCES_NONE)
		return 0;
	return (uint32_t)(atomic_load(&t->cell[at]) & COUNT);
}
