/* SPDX-License-Identifier: ISC */
/* The kept server connections.  In a worker. */
#include "config.h"
#include "proxy/http_kept.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/relay.h"
#include "proxy/session_http.h"

#define KEPT_MAX	4
#define KEPT_MS		5000

static struct place {
	struct kept k;		/* fd 0: free */
	uint32_t server;
	struct addr addr;
	int64_t since;
} kept[KEPT_MAX];
static int nkept;

static void
drop(struct place *p)
{
	close(p->k.fd);
	p->k.fd = 0;
	nkept--;
}

bool
http_kept_take(uint32_t server, const struct addr *a, struct kept *k)
{
	int i;

	for (i = 0; nkept > 0 && i < KEPT_MAX; i++) {
		if (kept[i].k.fd == 0 || kept[i].server != server)
			continue;
		if (!addr_equal(&kept[i].addr, a)) {	/* it has moved (DNS) */
			drop(&kept[i]);
			continue;
		}
		*k = kept[i].k;
		kept[i].k.fd = 0;
		nkept--;
		return true;
	}
	return false;
}

bool
http_kept_login(uint32_t server, const struct addr *a)
{
	int i;

	for (i = 0; nkept > 0 && i < KEPT_MAX; i++)
		if (kept[i].k.fd != 0 && kept[i].k.login && kept[i].server == server &&
		    addr_equal(&kept[i].addr, a))
			return true;
	return false;
}

void
http_kept_client_left(void)
{
	int i;

	for (i = 0; nkept > 0 && i < KEPT_MAX; i++)
		if (kept[i].k.fd != 0 && (kept[i].k.own || kept[i].k.login))
			drop(&kept[i]);
}

bool
http_kept_stale(int fd)
{
	char c;

	return recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || (errno != EAGAIN && errno != EINTR);
}

/* One a server is enough, for a worker asks one at a time; else a free place,
 * else the oldest one's. */
static struct place *
place_for(uint32_t server)
{
	struct place *p = &kept[0];
	int i;

	for (i = 0; i < KEPT_MAX; i++)
		if (kept[i].k.fd != 0 && kept[i].server == server)
			return &kept[i];
	for (i = 0; i < KEPT_MAX; i++) {
		if (kept[i].k.fd == 0)
			return &kept[i];
		if (kept[i].since < p->since)
			p = &kept[i];
	}
	return p;
}

/* A reset for the one that another replaces: nothing is on its way there, and
 * requests that each take a fresh one would run out of ports otherwise, with a
 * minute of TIME_WAIT for each. */
void
http_kept_put(struct kept k, uint32_t server, const struct addr *a, int64_t now)
{
	struct place *p = place_for(server);

	if (p->k.fd != 0 && p->server == server)
		relay_reset(p->k.fd);
	if (p->k.fd != 0)
		drop(p);
	p->k = k;
	p->server = server;
	p->addr = *a;
	p->since = now;
	nkept++;
}

int
session_http_idle(void)
{
	return nkept;
}

void
session_http_tidy(int64_t now)
{
	int i;

	for (i = 0; i < KEPT_MAX; i++)
		if (kept[i].k.fd != 0 && (now - kept[i].since >= KEPT_MS || http_kept_stale(kept[i].k.fd)))
			drop(&kept[i]);
}

void
session_http_close(void)
{
	int i;

	for (i = 0; i < KEPT_MAX; i++)
		if (kept[i].k.fd != 0)
			drop(&kept[i]);
}
