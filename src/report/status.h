/* SPDX-License-Identifier: ISC */
/* durwardctl status and connections: a line a server, a line a live client. */
#ifndef DURWARD_STATUS_H
#define DURWARD_STATUS_H

#include "report/out.h"
#include "report/report.h"

/* For programs: an array of objects, numbers exact.  For people: lines of
 * fields with tabs between them, the first line names them; whoever prints
 * them lines them up. */
void status_json(const struct report *r, struct out *o);
void status_table(const struct report *r, struct out *o);
void connections_json(const struct report *r, struct out *o);
void connections_table(const struct report *r, struct out *o);

#endif
