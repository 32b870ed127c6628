/* SPDX-License-Identifier: ISC */
/* durward -r.  No process, no socket: the configuration alone answers. */
#include "config.h"
#include "daemon/query.h"

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

int
query_route(const struct conf *c, const char *text)
{
	char *copy = strdup(text), *host, *source = NULL, name[256];
	struct balance *balance;
	struct route *route;
	struct addr from;
	int l, b, k, len;

	if (copy == NULL || (host = strchr(copy, ',')) == NULL)
		return fail(2, "usage: -r listener,host[,source]", "");
	*host++ = '\0';
	if ((source = strchr(host, ',')) != NULL)
		*source++ = '\0';
	if ((l = conf_find_listener(c, copy)) < 0)
		return fail(1, "no listener has the name ", copy);
	if (!addr_parse_ip(source != NULL ? source : "127.0.0.1", &from))
		return fail(1, "not an address: ", source);
	if ((len = canon(host, name)) < 0)
		return fail(1, "not a host name: ", host);
	if ((route = route_new(c)) == NULL || (balance = balance_new(c, NULL, NULL)) == NULL)
		return fail(1, "out of memory", "");
	if ((b = route_find(route, (unsigned)l, name, (size_t)len, NULL)) < 0)
		return fail(1, len > 0 ? "no route for " : "no route for a client that names nobody", name);
	k = balance_next(balance, (unsigned)b, balance_key(c->backend[b].balance, &from, name, (size_t)len),
	    NULL, 0);
	if (k < 0)
		return fail(1, "no server has a weight in ", c->backend[b].name);
	printf("%s/%s\n", c->backend[b].name, c->backend[b].server[k].name);
	return fflush(stdout) == 0 ? 0 : 1;
}
