/* SPDX-License-Identifier: ISC */
/* In a worker, once a client's service is known. */
#include "config.h"
#include "proxy/send_proxy.h"

#include <string.h>
#include <sys/socket.h>

#include "wire/proxy_header.h"

/* Where the client connected to: asked of the kernel only when needed. */
static void
find_destination(struct session *s)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (s->to.family == ADDR_NONE &&
	    getsockname(s->client, (struct sockaddr *)&ss, &len) == 0)
		addr_from_sockaddr(&s->to, (struct sockaddr *)&ss);
}

static void
to_proxy_addr(struct proxy_addr *pa, const struct addr *a, bool as_v6)
{
	memset(pa, 0, sizeof(*pa));
	pa->port = a->port;
	if (as_v6) {
		pa->family = PROXY_FAMILY_IPV6;
		memcpy(pa->bytes, a->ip, 16);
	} else {
		pa->family = PROXY_FAMILY_IPV4;
		memcpy(pa->bytes, a->ip + 12, 4);
	}
}

size_t
send_proxy_format(struct session *s, uint8_t buf[SEND_PROXY_MAX])
{
	struct proxy_addr from, to, *src = &from, *dst = &to;
	bool six;

	if (s->p->conf->backend[s->backend].service->send_proxy == CONF_PROXY_OFF)
		return 0;
	find_destination(s);
	/* one family for both: IPv4 goes as ::ffff:a.b.c.d beside an IPv6 one */
	six = s->from.family == ADDR_IPV6 || s->to.family == ADDR_IPV6;
	to_proxy_addr(&from, &s->from, six);
	to_proxy_addr(&to, &s->to, six);
	if (s->from.family == ADDR_UNIX || s->from.family == ADDR_NONE || s->to.family == ADDR_UNIX)
		src = dst = NULL;	/* UNKNOWN, LOCAL */
	if (s->p->conf->backend[s->backend].service->send_proxy == CONF_PROXY_V1)
		return proxy_header_format_v1(src, dst, buf, SEND_PROXY_MAX);
	return proxy_header_format_v2(src, dst, buf, SEND_PROXY_MAX);
}
