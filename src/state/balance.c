/* SPDX-License-Identifier: ISC */
/*
 * Choosing a server.  In workers, the clerk and `durward -r`; reads the
 * health table, writes nothing but a backend's round-robin turn.
 */
#include "config.h"
#include "state/balance.h"

#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL	/* no library to map into every worker */
#include <xxhash.h>

struct balance *
balance_new(const struct conf *c, const struct shared *s, const struct shared_map *m)
{
	struct balance *b = calloc(1, sizeof(*b));
	unsigned i, k;

	if (b == NULL)
		return NULL;
	b->conf = c;
	b->shared = s;
	b->map = m;
	b->seed = calloc(c->nbackend + 1, sizeof(*b->seed));
	b->weighted = calloc(c->nbackend + 1, sizeof(*b->weighted));
	if (b->seed == NULL || b->weighted == NULL)
		goto fail;
	for (i = 0; i < c->nbackend; i++) {
		const struct conf_backend *cb = &c->backend[i];
		unsigned weight = 0;

		if ((b->seed[i] = calloc(cb->nserver + 1, sizeof(**b->seed))) == NULL)
			goto fail;
		for (k = 0; k < cb->nserver; k++) {
			const char *name = cb->server[k].name;

			b->seed[i][k] = XXH3_64bits(name, strlen(name));
			if (cb->server[k].weight == 0)
				continue;
			if (weight != 0 && weight != cb->server[k].weight)
				b->weighted[i] = true;
			weight = cb->server[k].weight;
		}
	}
	return b;
fail:
	balance_free(b);
	return NULL;
}

void
balance_free(struct balance *b)
{
	unsigned i;

	if (b == NULL)
		return;
	for (i = 0; b->seed != NULL && i < b->conf->nbackend; i++)
		free(b->seed[i]);
	free(b->seed);
	free(b->weighted);
	free(b);
}

struct balance_key
balance_key(enum conf_balance how, const struct addr *client, const char *host, size_t host_len)
{
	struct balance_key k = { host, host_len };

	if (how != CONF_HOST || host_len == 0)
		k.bytes = addr_bytes(client, &k.len);
	return k;
}

/*
 * Integers only, so that every machine and libc gets the same bits: the
 * fraction of the logarithm comes out one bit a squaring.
 */
uint64_t
balance_neg_log2(uint64_t h)
{
	uint64_t m, log;
	int shift, i;

	if (h == 0)
		h = 1;
	shift = __builtin_clzll(h);
	m = h << shift;
	log = (uint64_t)(63 - shift);
	for (i = 0; i < 32; i++) {
		m = balance_square_high(m);
		log <<= 1;
		if (m >> 63)
			log |= 1;
		else
			m <<= 1;
	}
	return (UINT64_C(64) << 32) - log;
}

/* --- what may serve ------------------------------------------------------ */

/* Connections that a server has now; never fewer than none, whatever a worker
 * that was taken over may have written. */
static uint32_t
current_of(const struct balance *b, unsigned backend, unsigned k)
{
	int32_t n;

	if (b->shared == NULL)
		return 0;
	n = atomic_load_explicit(&b->shared->server_use[b->map->server[backend][k]].c.current,
	    memory_order_relaxed);
	return n > 0 ? (uint32_t)n : 0;
}

/* Whose turn it is: shared by all workers. */
static uint32_t
take_turn(const struct balance *b, unsigned backend)
{
	return b->shared == NULL ? 0 :
	    atomic_fetch_add(&b->shared->backend_use[b->map->backend[backend]].turn, 1);
}

static bool
was_tried(unsigned k, const uint16_t *tried, unsigned ntried)
{
	unsigned i;

	for (i = 0; i < ntried; i++)
		if (tried[i] == k)
			return true;
	return false;
}

enum fit { FIT_NO, FIT_FULL, FIT_YES };

static enum fit
fits(const struct balance *b, unsigned backend, unsigned k, bool backup,
    const uint16_t *tried, unsigned ntried)
{
	const struct conf_server *cs = &b->conf->backend[backend].server[k];

	if (cs->weight == 0 || cs->backup != backup || was_tried(k, tried, ntried))
		return FIT_NO;
	if (b->shared == NULL)
		return FIT_YES;
	if (!health_usable(&b->shared->server[b->map->server[backend][k]]))
		return FIT_NO;
	if (cs->max_connections != 0 && current_of(b, backend, k) >= cs->max_connections)
		return FIT_FULL;
	return FIT_YES;
}

/* --- the four ways ------------------------------------------------------- */

struct choice {			/* one look at one backend */
	const struct balance *b;
	unsigned backend;
	const uint16_t *tried;
	unsigned ntried;
	bool backup;
	bool full;		/* met one at its max-connections */
};

static bool
may_serve(struct choice *c, unsigned k)
{
	enum fit f = fits(c->b, c->backend, k, c->backup, c->tried, c->ntried);

	if (f == FIT_FULL)
		c->full = true;
	return f == FIT_YES;
}

static int
choose_hash(struct choice *c, struct balance_key key)
{
	const struct conf_backend *cb = &c->b->conf->backend[c->backend];
	const uint64_t *seed = c->b->seed[c->backend];
	bool weighted = c->b->weighted[c->backend];
	uint64_t best_hash = 0, best_log = 0, h, log = 0;
	unsigned k, best_weight = 1;
	int best = BALANCE_NONE;

	for (k = 0; k < cb->nserver; k++) {
		unsigned w = cb->server[k].weight;

		if (!may_serve(c, k))
			continue;
		h = XXH3_64bits_withSeed(key.bytes, key.len, seed[k]);
		if (weighted) {
			/* the least of -log(h)/weight; equal ones by the hash */
			log = balance_neg_log2(h);
			if (best >= 0 && (log * best_weight > best_log * w ||
			    (log * best_weight == best_log * w && h <= best_hash)))
				continue;
		} else if (best >= 0 && h <= best_hash) {
			continue;
		}
		best = (int)k;
		best_hash = h;
		best_log = log;
		best_weight = w;
	}
	return best;
}

/* Turn by turn: a round takes every server with a weight above the round's
 * number, so that heavy ones are spread. */
static int
choose_turn(struct choice *c)
{
	const struct conf_backend *cb = &c->b->conf->backend[c->backend];
	unsigned k, total = 0, most = 0, round, place;
	int last = BALANCE_NONE;

	for (k = 0; k < cb->nserver; k++) {
		if (!may_serve(c, k))
			continue;
		total += cb->server[k].weight;
		if (cb->server[k].weight > most)
			most = cb->server[k].weight;
	}
	if (total == 0)
		return BALANCE_NONE;
	place = take_turn(c->b, c->backend) % total;
	for (round = 0; round < most; round++) {
		for (k = 0; k < cb->nserver; k++) {
			if (cb->server[k].weight <= round || !may_serve(c, k))
				continue;
			if (place-- == 0)
				return (int)k;
			last = (int)k;
		}
	}
	return last;	/* one went down between the two looks */
}

static int
choose_least(struct choice *c)
{
	const struct conf_backend *cb = &c->b->conf->backend[c->backend];
	uint64_t load, best_load = 0;
	unsigned i, k, start = take_turn(c->b, c->backend);	/* equals take turns */
	int best = BALANCE_NONE;

	for (i = 0; i < cb->nserver; i++) {
		k = (start + i) % cb->nserver;
		if (!may_serve(c, k))
			continue;
		load = current_of(c->b, c->backend, k);
		if (best < 0 || load * cb->server[best].weight < best_load * cb->server[k].weight) {
			best = (int)k;
			best_load = load;
		}
	}
	return best;
}

static int
choose(struct choice *c, struct balance_key key)
{
	switch (c->b->conf->backend[c->backend].balance) {
	case CONF_SOURCE:
	case CONF_HOST:
		return choose_hash(c, key);
	case CONF_ROUNDROBIN:
		return choose_turn(c);
	case CONF_LEASTCONN:
		return choose_least(c);
	}
	return BALANCE_NONE;
}

int
balance_next(const struct balance *b, unsigned backend, struct balance_key key,
    const uint16_t *tried, unsigned ntried)
{
	struct choice c = { b, backend, tried, ntried, false, false };
	int k = choose(&c, key);

	if (k >= 0)
		return k;
	if (c.full)
		return BALANCE_FULL;
	c.backup = true;
	k = choose(&c, key);
	if (k < 0 && c.full)
		return BALANCE_FULL;
	return k;
}
