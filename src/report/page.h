/* SPDX-License-Identifier: ISC */
/*
 * The page of the statistics: what is wrong first, then every listener,
 * cluster, backend and server.  Works without a script; nothing is fetched from
 * anywhere.
 */
#ifndef DURWARD_PAGE_H
#define DURWARD_PAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "report/out.h"
#include "report/report.h"

/* Remember the machine's name, for show-node: a worker cannot ask for it.  In
 * the master, before the first fork. */
void page_init(void);

/*
 * The page into o, and the fields that its answer's head needs beside the
 * usual ones (Content-Security-Policy, Refresh) into head, each with its line
 * end.  l is the stats listener that shows it.
 */
#define PAGE_HEAD	512
void page_write(const struct report *r, const struct conf_listener *l, bool refresh,
    struct out *o, char head[PAGE_HEAD]);

/* --- between the page's own files ------------------------------------------- */

/* page_style.c: the whole style sheet. */
extern const char page_style[];

/* page_trouble.c: what is wrong, the worst first; a calm word where nothing is. */
void page_trouble(const struct report *r, struct out *o);

/* In the order of what is worth waking somebody for. */
enum page_grade { GRADE_OK, GRADE_WARN, GRADE_BAD };

/* page_table.c: a table of listeners; that of a backend; "2 of 3 up", in colour
 * and with a sign. */
void page_listeners(const struct report *r, struct out *o);
void page_backend(const struct report *r, unsigned b, struct out *o);
void page_badge(struct out *o, enum page_grade grade, unsigned up, unsigned of);

/* page_cluster.c: each cluster in a line, with its backends' tables below it. */
void page_clusters(const struct report *r, struct out *o);

#endif
