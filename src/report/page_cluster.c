/* SPDX-License-Identifier: ISC */
/*
 * The page by clusters: whose trouble is it?  In a worker of a stats listener.
 * A cluster's sums are of its backends; a configuration may name a cluster in
 * several places, and the page shows it in one.
 */
#include "config.h"
#include "report/page.h"

#include <inttypes.h>
#include <string.h>

struct sums {
	unsigned up, servers;
	enum page_grade grade;
	int64_t now;
	uint64_t total, in, out, turned, errors;
};

static bool
same_cluster(const struct report *r, unsigned a, unsigned b)
{
	return strcmp(r->conf->backend[a].service->cluster, r->conf->backend[b].service->cluster) == 0;
}

static void
add(const struct report *r, unsigned b, struct sums *s)
{
	const struct counters *c = report_backend(r, b);
	struct report_usable u = report_usable(r, b);
	unsigned n = r->conf->backend[b].nserver, i;
	enum page_grade grade = u.active + u.backup == 0 ? GRADE_BAD :
	    u.active + u.backup < n ? GRADE_WARN : GRADE_OK;

	s->up += u.active + u.backup;
	s->servers += n;
	if (grade > s->grade)
		s->grade = grade;
	s->now += atomic_load(&c->current);
	s->total += counter_get(&c->sessions);
	s->in += counter_get(&c->bytes_in);
	s->out += counter_get(&c->bytes_out);
	s->errors += counter_get(&c->connect_errors) + counter_get(&c->response_errors);
	for (i = 0; i < REJECT_KINDS; i++)
		s->turned += counter_get(&c->rejects[i]);
}

static void
write_sums(const struct sums *s, struct out *o)
{
	char total[REPORT_WORDS], in[REPORT_WORDS], out[REPORT_WORDS];

	out_printf(o, "<p>%" PRId64 " served now, %s so far \xc2\xb7 %s in, %s out \xc2\xb7 %" PRIu64
	    " turned away \xc2\xb7 %" PRIu64 " server errors</p>\n", s->now, report_size(s->total, total),
	    report_size(s->in, in), report_size(s->out, out), s->turned, s->errors);
}

/* The cluster of backend `first`, whose first one that is. */
static void
write_cluster(const struct report *r, unsigned first, struct out *o)
{
	struct sums s;
	unsigned b;

	memset(&s, 0, sizeof(s));
	for (b = first; b < r->conf->nbackend; b++)
		if (same_cluster(r, first, b))
			add(r, b, &s);
	out_printf(o, "<section class=\"cluster\" aria-labelledby=\"c%u\"><h2 id=\"c%u\">Cluster ", first, first);
	out_html(o, r->conf->backend[first].service->cluster);
	page_badge(o, s.grade, s.up, s.servers);
	out_text(o, "</h2>\n");
	write_sums(&s, o);
	for (b = first; b < r->conf->nbackend; b++)
		if (same_cluster(r, first, b))
			page_backend(r, b, o);
	out_text(o, "</section>\n");
}

static bool
seen_before(const struct report *r, unsigned of)
{
	unsigned b = of;

	/* most stand beside one another */
	while (b-- > 0)
		if (same_cluster(r, b, of))
			return true;
	return false;
}

void
page_clusters(const struct report *r, struct out *o)
{
	unsigned b;

	for (b = 0; b < r->conf->nbackend; b++)
		if (!seen_before(r, b))
			write_cluster(r, b, o);
}
