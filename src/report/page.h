/* SPDX-License-Identifier: ISC */
/*
 * The page of the statistics: what is wrong first, then every listener,
 * backend and server.  Works without a script; nothing is fetched from
 * anywhere.
 */
#ifndef DURWARD_PAGE_H
#define DURWARD_PAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "report/out.h"
#include "report/report.h"

/*
 * The page into o, and the fields that its answer's head needs beside the
 * usual ones (Content-Security-Policy, Refresh) into head, each with its line
 * end.  l is the stats listener that shows it.
 */
void page_write(const struct report *r, const struct conf_listener *l, bool refresh,
    struct out *o, char *head, size_t size);

#endif
