/* SPDX-License-Identifier: ISC */
/* Policy of the pool.  In the master; pure, so that a table can test it. */
#include "config.h"
#include "daemon/spares.h"

int
spares_plan(const struct spares *s)
{
	int want = s->min - s->idle;

	if (want <= 0 || s->room <= 0)
		return 0;
	if (s->idle <= 0 && s->batch * 2 > want)
		want = s->batch * 2;
	if (want > SPARES_BATCH_MAX)
		want = SPARES_BATCH_MAX;
	return want < s->room ? want : s->room;
}

int
spares_pause(int last_ms)
{
	if (last_ms < SPARES_PAUSE_MIN_MS)
		return SPARES_PAUSE_MIN_MS;
	return last_ms * 2 < SPARES_PAUSE_MAX_MS ? last_ms * 2 : SPARES_PAUSE_MAX_MS;
}
