/* SPDX-License-Identifier: ISC */
/* In the checker; pure, so that a table can test it. */
#include "config.h"
#include "daemon/rise_fall.h"

bool
rise_fall_add(struct rise_fall *r, bool good, int rise, int fall)
{
	enum health_state was = r->state;
	bool first = r->streak == 0;

	if (good)
		r->streak = r->streak > 0 ? r->streak + 1 : 1;
	else
		r->streak = r->streak < 0 ? r->streak - 1 : -1;
	if (was == HEALTH_UP && !good && (first || -r->streak >= fall))
		r->state = HEALTH_DOWN;
	if (was == HEALTH_DOWN && good && r->streak >= rise)
		r->state = HEALTH_UP;
	return r->state != was;
}
