/* SPDX-License-Identifier: ISC */
/*
 * Warnings: what is no error, but seldom meant.
 */
#include "config.h"
#include "state/conf_priv.h"

void
conf_warn_all(struct conf_load *l)
{
	(void)l;
}
