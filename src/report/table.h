/* SPDX-License-Identifier: ISC */
/* HAProxy's statistics table (report/row.h), spelled as CSV and as JSON. */
#ifndef DURWARD_TABLE_H
#define DURWARD_TABLE_H

#include "report/out.h"
#include "report/report.h"

/* "# pxname,svname,...," and a line a row, each ending in a comma. */
void table_csv(const struct report *r, struct out *o);

/* An array of objects with the columns' names as keys; null where empty. */
void table_json(const struct report *r, struct out *o);

#endif
