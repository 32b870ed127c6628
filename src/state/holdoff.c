/* SPDX-License-Identifier: ISC */
/*
 * Who crashed workers.  The master writes, workers read meanwhile: a cell that
 * changes hands under a reader holds the wrong one for one connection, or
 * misses one, and that is all.  Never blocks, and never fills up: the source
 * that was quiet for longest gives way.
 */
#include "config.h"
#include "state/holdoff.h"

#include "state/sources.h"

#define WINDOW	16u		/* cells a source may stand in, from its place on */

static struct holdoff_cell *
place(struct holdoff *h, uint64_t tag)
{
	struct holdoff_cell *c, *best = NULL;
	unsigned i;

	for (i = 0; i < WINDOW; i++) {
		c = &h->cell[(tag + i) % HOLDOFF_CELLS];
		if (atomic_load(&c->tag) == tag)
			return c;
		if (best == NULL || (atomic_load(&best->tag) != 0 &&
		    (atomic_load(&c->tag) == 0 || c->last_ms < best->last_ms)))
			best = c;
	}
	atomic_store(&best->until_ms, 0);
	best->crashes = 0;
	best->last_ms = 0;
	atomic_store(&best->tag, tag);
	return best;
}

static uint64_t
tag_of(const struct holdoff *h, const struct addr *client)
{
	return sources_hash(h->seed, UINT32_MAX, client) | 1;	/* never 0 */
}

static int
hold_ms(uint32_t crashes)
{
	int ms = HOLDOFF_FIRST_MS;

	if (crashes < 2)
		return 0;
	while (crashes-- > 2 && ms < HOLDOFF_MOST_MS)
		ms *= 2;
	return ms < HOLDOFF_MOST_MS ? ms : HOLDOFF_MOST_MS;
}

int
holdoff_add(struct holdoff *h, const struct addr *client, int64_t now, uint32_t *crashes)
{
	struct holdoff_cell *c = place(h, tag_of(h, client));
	int64_t until = atomic_load(&c->until_ms);
	int ms;

	if (now - (until > c->last_ms ? until : c->last_ms) > HOLDOFF_FORGET_MS)
		c->crashes = 0;
	c->last_ms = now;
	*crashes = ++c->crashes;
	if ((ms = hold_ms(c->crashes)) == 0)
		return 0;
	atomic_store(&c->until_ms, now + ms);
	if (atomic_load(&h->until_ms) < now + ms)
		atomic_store(&h->until_ms, now + ms);
	return ms;
}

int
holdoff_left(const struct holdoff *h, const struct addr *client, int64_t now)
{
	uint64_t tag = tag_of(h, client);
	unsigned i;

	for (i = 0; i < WINDOW; i++) {
		const struct holdoff_cell *c = &h->cell[(tag + i) % HOLDOFF_CELLS];

		if (atomic_load_explicit(&c->tag, memory_order_relaxed) == tag) {
			int64_t until = atomic_load_explicit(&c->until_ms, memory_order_relaxed);

			return until <= now ? 0 :
			    until - now < HOLDOFF_MOST_MS ? (int)(until - now) : HOLDOFF_MOST_MS;
		}
	}
	return 0;
}

void
holdoff_tidy(struct holdoff *h, int64_t now)
{
	if (holdoff_any(h) && atomic_load(&h->until_ms) <= now)
		atomic_store(&h->until_ms, 0);
}
