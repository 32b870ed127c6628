/* SPDX-License-Identifier: ISC */
/* Is an address in a list of networks, and do two lists let it in? */
#ifndef DURWARD_NETS_H
#define DURWARD_NETS_H

#include <stdbool.h>

#include "base/addr.h"
#include "state/conf.h"
#include "wire/cidr.h"

static inline bool
nets_have(const struct conf_nets *nets, const struct addr *a)
{
	unsigned i;

	for (i = 0; i < nets->n; i++)
		if (cidr_match(&nets->net[i], a->ip))
			return true;
	return false;
}

/* deny goes first; an empty allow is everybody, and so is a peer by unix socket. */
static inline bool
nets_allow(const struct conf_nets *allow, const struct conf_nets *deny, const struct addr *a)
{
	return a->family == ADDR_UNIX ||
	    (!nets_have(deny, a) && (allow->n == 0 || nets_have(allow, a)));
}

#endif
