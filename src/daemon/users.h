/* SPDX-License-Identifier: ISC */
/* Whom the configuration names as user and group, by this system's tables. */
#ifndef DURWARD_USERS_H
#define DURWARD_USERS_H

#include <sys/types.h>

#include "state/conf.h"

struct users {
	uid_t uid;
	gid_t gid;
};

/* 0, or -1 where one does not exist, after an error for each that says where it
 * is named.  warn, which may be NULL, hears of a stand-in. */
int users_find(const struct conf *c, struct users *u, conf_report *error, conf_report *warn, void *arg);

#endif
