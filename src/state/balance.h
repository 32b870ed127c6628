/* SPDX-License-Identifier: ISC */
/*
 * From a backend, a key and the health table to a server.
 *
 * "source" and "host" are weighted rendezvous hashing: each server gets a
 * score from the key and its own name and weight, the highest serves.  So the
 * choice depends on nothing else, any durward with the same configuration
 * makes the same one, and when a server leaves only its own clients move.
 * The hash is XXH3 (64 bits) of the key, seeded with XXH3 of the server's
 * name; changing it would break the agreement between machines.
 */
#ifndef DURWARD_BALANCE_H
#define DURWARD_BALANCE_H

#include <stdbool.h>
#include <stdint.h>

#include "state/conf.h"
#include "state/shared.h"

#define BALANCE_NONE	(-1)	/* no server that could serve */
#define BALANCE_FULL	(-2)	/* there are, but each is at its max-connections */
#define BALANCE_TRIED	64u	/* servers that one client can have tried */

struct balance {		/* built before the fork, read-only after */
	const struct conf *conf;
	const struct shared *shared;	/* NULL: all servers taken as up (durward -r) */
	const struct shared_map *map;
	uint64_t **seed;	/* per backend and server: the name's hash */
	bool *weighted;		/* per backend: weights differ */
};

struct balance *balance_new(const struct conf *c, const struct shared *s, const struct shared_map *m);
void balance_free(struct balance *b);

/* Hash keys: the client's address, or the canonical host name. */
struct balance_key {
	const void *bytes;
	size_t len;
};

struct balance_key balance_key(enum conf_balance how, const struct addr *client,
    const char *host, size_t host_len);

/*
 * The best server of conf.backend[backend] that is usable, below its
 * max-connections, and not among the ntried tried ones.  Backup servers serve
 * when no other can.  Returns its index in the backend, or BALANCE_NONE or
 * BALANCE_FULL.
 */
int balance_next(const struct balance *b, unsigned backend, struct balance_key key,
    const uint16_t *tried, unsigned ntried);

/* For tests: -log2(h / 2^64) with 32 bits of fraction. */
uint64_t balance_neg_log2(uint64_t h);

/* The upper half of m * m, by halves, for where there is no wider type; any
 * bit of difference would send clients elsewhere than other machines do. */
static inline uint64_t
balance_square_high_by_halves(uint64_t m)
{
	uint64_t low = m & UINT32_MAX, high = m >> 32, cross = low * high;

	/* high^2 * 2^64 + 2 * cross * 2^32 + low^2; cross < 2^64, doubled it may not be */
	return high * high + (cross >> 31) +
	    ((((cross << 1) & UINT32_MAX) + (low * low >> 32)) >> 32);
}

static inline uint64_t
balance_square_high(uint64_t m)
{
#ifdef __SIZEOF_INT128__
	return (uint64_t)(((unsigned __int128)m * m) >> 64);
#else
	return balance_square_high_by_halves(m);
#endif
}

#endif
