/* SPDX-License-Identifier: ISC */
/*
 * The state of every server, for durwardctl status.  In the clerk.  Reads
 * shared memory, writes nothing but its text.
 */
#include "config.h"
#include "report/status.h"

#include <inttypes.h>

static void
server_json(const struct report *r, unsigned b, unsigned k, struct out *o)
{
	const struct server_slot *s = report_server(r, b, k);
	const struct counters *c = report_counters(r, b, k);
	char address[REPORT_ADDRESS], check[REPORT_CHECK];

	out_text(o, "{\"backend\":");
	out_json(o, r->conf->backend[b].name);
	out_text(o, ",\"server\":");
	out_json(o, r->conf->backend[b].server[k].name);
	out_text(o, ",\"address\":");
	out_json(o, report_address(r, b, k, address));
	out_text(o, ",\"state\":");
	out_json(o, health_word(s));
	out_printf(o, ",\"since\":%" PRId64 ",\"check\":", report_since(r, s));
	out_json(o, report_check(s, check));
	out_printf(o, ",\"check_ms\":%d,\"current\":%d,\"total\":%" PRIu64
	    ",\"bytes_in\":%" PRIu64 ",\"bytes_out\":%" PRIu64 "}",
	    atomic_load(&s->check_us) / 1000, atomic_load(&c->current), counter_get(&c->sessions),
	    counter_get(&c->bytes_in), counter_get(&c->bytes_out));
}

void
status_json(const struct report *r, struct out *o)
{
	unsigned b, k, n = 0;

	out_text(o, "[");
	for (b = 0; b < r->conf->nbackend; b++)
		for (k = 0; k < r->conf->backend[b].nserver; k++) {
			out_text(o, n++ > 0 ? ",\n " : "\n ");
			server_json(r, b, k, o);
		}
	out_text(o, n > 0 ? "\n]\n" : "]\n");
}

static void
server_line(const struct report *r, unsigned b, unsigned k, struct out *o)
{
	const struct server_slot *s = report_server(r, b, k);
	const struct counters *c = report_counters(r, b, k);
	int64_t checked = atomic_load(&s->last_check_ms);
	char address[REPORT_ADDRESS], check[REPORT_CHECK], w[REPORT_WORDS], in[REPORT_WORDS];

	out_field(o, r->conf->backend[b].name);
	out_text(o, "\t");
	out_field(o, r->conf->backend[b].server[k].name);
	out_printf(o, "\t%s\t%s\t%s\t", report_address(r, b, k, address), health_word(s),
	    report_span(report_since(r, s), w));
	report_check(s, check);
	out_field(o, check[0] != '\0' ? check : "-");
	if (checked > 0 && check[0] != '\0')
		out_printf(o, " in %s, %s ago", report_micros(atomic_load(&s->check_us), w),
		    report_span(report_age(r, checked), in));
	out_printf(o, "\t%d\t%" PRIu64, atomic_load(&c->current), counter_get(&c->sessions));
	out_printf(o, "\t%s\t%s\n", report_size(counter_get(&c->bytes_in), in),
	    report_size(counter_get(&c->bytes_out), w));
}

void
status_table(const struct report *r, struct out *o)
{
	unsigned b, k;

	out_text(o, "BACKEND\tSERVER\tADDRESS\tSTATE\tSINCE\tCHECK\t>CURRENT\t>TOTAL\t>IN\t>OUT\n");
	for (b = 0; b < r->conf->nbackend; b++)
		for (k = 0; k < r->conf->backend[b].nserver; k++)
			server_line(r, b, k, o);
}
