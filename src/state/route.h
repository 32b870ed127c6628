/* SPDX-License-Identifier: ISC */
/*
 * From a listener and a name to a backend.
 *
 * The most specific pattern wins: the exact name; the longest suffix, "*."
 * (one label) before "**." (one or more); a regex, in the file's order; "*";
 * the listener's default.  A client that names nobody gets the listener's
 * no-name where the file gives one, else "*", else the default.
 *
 * Built once per configuration in the master; after route_new it is only
 * read, by every worker through fork.  It borrows the configuration's strings.
 */
#ifndef DURWARD_ROUTE_H
#define DURWARD_ROUTE_H

#include <stddef.h>

struct conf;
struct route;

/* NULL where there is no memory.  c must outlive it.  route_free takes NULL. */
struct route *route_new(const struct conf *c);
void route_free(struct route *r);

/*
 * The backend (an index into conf.backend) for a name in its one spelling
 * (wire/hostname.h); len 0 is a client that names nobody.  -1 where nothing
 * matches.  *pattern, unless pattern is NULL, is the pattern as in the
 * configuration, NULL where the listener's default or no-name decided.
 * Costs one look-up for each label of the name, however many patterns there
 * are, and one regexec for each regex where no name or suffix matches.
 */
int route_find(const struct route *r, unsigned listener, const char *name, size_t len,
	const char **pattern);

#endif
