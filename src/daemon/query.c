/* SPDX-License-Identifier: ISC */
/* durward -r.  No process, no socket: the configuration alone answers. */
#include "config.h"
#include "daemon/query.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state/balance.h"
#include "state/route.h"
#include "wire/hostname.h"

static int
fail(int status, const char *what, const char *arg)
{
	fprintf(stderr, "durward: %s%s\n", what, arg);
	return status;
}

/* "host[:port]" of HTTP, or a TLS name: one spelling, "" for nobody. */
static int
canon(const char *host, char out[256])
{
	if (host[0] == '\0') {
		out[0] = '\0';
		return 0;
	}
	return hostname_from_host_field(host, strlen(host), out);
}

/* What was asked, taken apart in place. */
struct query {
	char *listener, *host, *source;
};

static bool
split(char *text, struct query *q)
{
	q->listener = text;
	if ((q->host = strchr(text, ',')) == NULL)
		return false;
	*q->host++ = '\0';
	if ((q->source = strchr(q->host, ',')) != NULL)
		*q->source++ = '\0';
	return true;
}

static int
answer(const struct conf *c, const struct query *q, const struct route *route,
    const struct balance *balance)
{
	char name[256];
	struct addr from;
	int l, b, k, len;

	if ((l = conf_find_listener(c, q->listener)) < 0)
		return fail(1, "no listener has the name ", q->listener);
	if (!addr_parse_ip(q->source != NULL ? q->source : "127.0.0.1", &from))
		return fail(1, "not an address: ", q->source);
	if ((len = canon(q->host, name)) < 0)
		return fail(1, "not a host name: ", q->host);
	if ((b = route_find(route, (unsigned)l, name, (size_t)len, NULL)) < 0)
		return fail(1, len > 0 ? "no route for " : "no route for a client that names nobody", name);
	k = balance_next(balance, (unsigned)b, balance_key(c->backend[b].balance, &from, name, (size_t)len),
	    NULL, 0);
	if (k < 0)
		return fail(1, "no server has a weight in ", c->backend[b].name);
	printf("%s/%s\n", c->backend[b].name, c->backend[b].server[k].name);
	return fflush(stdout) == 0 ? 0 : 1;
}

int
query_route(const struct conf *c, const char *text)
{
	char *copy = strdup(text);
	struct route *route = route_new(c);
	struct balance *balance = balance_new(c, NULL, NULL);
	struct query q;
	int status;

	if (copy == NULL || route == NULL || balance == NULL)
		status = fail(1, "out of memory", "");
	else if (!split(copy, &q))
		status = fail(2, "usage: -r listener,host[,source]", "");
	else
		status = answer(c, &q, route, balance);
	balance_free(balance);
	route_free(route);
	free(copy);
	return status;
}
