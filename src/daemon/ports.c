/* SPDX-License-Identifier: ISC */
/* Ports by listener and of probes.  In the master, once a generation. */
#include "config.h"
#include "daemon/ports.h"

#include <stdlib.h>
#include <string.h>

struct marks {			/* a bit a port */
	uint8_t bit[65536 / 8];
};

static void
mark(struct marks *m, uint16_t port)
{
	m->bit[port / 8] = (uint8_t)(m->bit[port / 8] | 1u << port % 8);
}

static bool
is_marked(const struct marks *m, unsigned port)
{
	return (m->bit[port / 8] >> port % 8 & 1) != 0;
}

/* Port 0 is none: a server behind a unix listener may have none yet. */
static int
collect(const struct marks *m, struct ports *p)
{
	unsigned i;

	p->n = 0;
	for (i = 1; i < 65536; i++)
		p->n += is_marked(m, i);
	if ((p->port = calloc(p->n + 1, sizeof(*p->port))) == NULL)
		return -1;
	p->n = 0;
	for (i = 1; i < 65536; i++)
		if (is_marked(m, i))
			p->port[p->n++] = (uint16_t)i;
	return 0;
}

int
ports_of_listener(const struct conf *c, unsigned listener, struct ports *p)
{
	_Alignas(4096) static struct marks m;
	unsigned b, k;

	memset(&m, 0, sizeof(m));
	for (b = 0; b < c->nbackend; b++)
		for (k = 0; c->backend[b].listener == listener && k < c->backend[b].nserver; k++)
			mark(&m, c->backend[b].server[k].addr.port);
	return collect(&m, p);
}

int
ports_of_checks(const struct conf *c, struct ports *p)
{
	_Alignas(4096) static struct marks m;
	unsigned b, k;

	memset(&m, 0, sizeof(m));
	for (b = 0; b < c->nbackend; b++) {
		const struct conf_check *check = &c->backend[b].check;

		if (check->type == CONF_CHECK_NONE)
			continue;
		if (check->port != 0)
			mark(&m, check->port);
		for (k = 0; check->port == 0 && k < c->backend[b].nserver; k++)
			mark(&m, c->backend[b].server[k].addr.port);
	}
	return collect(&m, p);
}

void
ports_free(struct ports *p)
{
	free(p->port);
	p->port = NULL;
	p->n = 0;
}
