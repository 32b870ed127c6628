/* SPDX-License-Identifier: ISC */
/* The rows as CSV and JSON.  In a worker of a stats listener. */
#include "config.h"
#include "report/table.h"

#include <inttypes.h>

#include "report/row.h"

static void
csv_row(const struct row *w, void *arg)
{
	struct out *o = arg;
	int c;

	for (c = 0; c < ROW_WIDTH; c++) {
		switch (w->cell[c].kind) {
		case ROW_EMPTY:
			break;
		case ROW_NUMBER:
			out_printf(o, "%" PRId64, w->cell[c].is.number);
			break;
		case ROW_TEXT:
			out_csv(o, w->cell[c].is.text);
			break;
		}
		out_text(o, ",");
	}
	out_text(o, "\n");
}

void
table_csv(const struct report *r, struct out *o)
{
	int c;

	out_text(o, "# ");
	for (c = 0; c < ROW_WIDTH; c++)
		out_printf(o, "%s,", row_names[c]);
	out_text(o, "\n");
	row_each(r, csv_row, o);
}

static void
json_row(const struct row *w, void *arg)
{
	struct out *o = arg;
	int c;

	out_text(o, o->len > 2 ? ",\n {" : " {");
	for (c = 0; c < ROW_WIDTH; c++) {
		out_printf(o, "%s\"%s\":", c > 0 ? "," : "", row_names[c]);
		switch (w->cell[c].kind) {
		case ROW_EMPTY:
			out_text(o, "null");
			break;
		case ROW_NUMBER:
			out_printf(o, "%" PRId64, w->cell[c].is.number);
			break;
		case ROW_TEXT:
			out_json(o, w->cell[c].is.text);
			break;
		}
	}
	out_text(o, "}");
}

void
table_json(const struct report *r, struct out *o)
{
	out_text(o, "[\n");
	row_each(r, json_row, o);
	out_text(o, "\n]\n");
}
