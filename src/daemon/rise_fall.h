/* SPDX-License-Identifier: ISC */
/* Rise and fall: from the results of probes to a server's state.  Pure. */
#ifndef DURWARD_RISE_FALL_H
#define DURWARD_RISE_FALL_H

#include <stdbool.h>

#include "state/health.h"

struct rise_fall {
	enum health_state state;
	int streak;		/* > 0 good results in a row, < 0 bad ones; 0: never probed */
};

/*
 * One more result.  A server counts as up until its first probe has failed,
 * or `fall` later ones in a row have; down until `rise` in a row are good.
 * Returns whether the state changed.
 */
bool rise_fall_add(struct rise_fall *r, bool good, int rise, int fall);

#endif
