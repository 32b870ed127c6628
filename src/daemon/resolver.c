/* SPDX-License-Identifier: ISC */
/*
 * DNS names of servers to addresses.  One look, then the process ends; the
 * master forks another when `resolve-interval` has passed.
 */
#include "config.h"
#include "daemon/resolver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

bool
resolver_needed(const struct conf *c)
{
	unsigned b, k;

	for (b = 0; b < c->nbackend; b++)
		for (k = 0; k < c->backend[b].nserver; k++)
			if (c->backend[b].server[k].is_dns)
				return true;
	return false;
}

void
resolver_pick(const struct addrinfo *list, const struct addr *now, uint16_t port, struct addr *out)
{
	const struct addrinfo *ai;
	struct addr a;

	out->family = ADDR_NONE;
	for (ai = list; ai != NULL; ai = ai->ai_next) {
		addr_from_sockaddr(&a, ai->ai_addr);
		if (a.family == ADDR_NONE)
			continue;
		a.port = port;
		if (addr_equal(&a, now)) {
			*out = a;
			return;
		}
		if (out->family == ADDR_NONE || (a.family == out->family &&
		    memcmp(a.ip, out->ip, sizeof(a.ip)) < 0))
			*out = a;
	}
}

/* We may be slower than a reload, or than a newer executable's start: is the
 * place still this server's. */
static bool
is_its_own(const struct server_slot *v, const struct conf_server *cs, uint32_t backend)
{
	return atomic_load(&v->used) && v->backend == backend && strcmp(v->name, cs->name) == 0 &&
	    atomic_load(&v->dns) == shared_dns(cs);
}

/* Returns whether the checker has something to look at. */
static bool
apply(const struct conf_backend *cb, const struct conf_server *cs, struct server_slot *v,
    struct server_use *use, const struct addrinfo *list, int error)
{
	char was[ADDR_STRLEN], is[ADDR_STRLEN], info[512];
	struct addr now, next;

	health_addr(v, &now);
	if (list != NULL) {
		resolver_pick(list, &now, now.port, &next);
		atomic_store(&v->unresolved, 0);
		if (next.family == ADDR_NONE || addr_equal(&next, &now))
			return false;
		if (now.family != ADDR_NONE)
			log_notice("Server %s/%s changed its address from %s to %s", cb->name, cs->name,
			    addr_format(&now, true, was), addr_format(&next, true, is));
		else
			log_notice("Server %s/%s: %s is %s", cb->name, cs->name, cs->address,
			    addr_format(&next, true, is));
		health_set_addr(v, &next);
		if (now.family == ADDR_NONE && !atomic_load(&v->checked))
			atomic_store(&v->state, HEALTH_UP);
		atomic_fetch_add(&use->hint, 1);
		return true;
	}
	snprintf(info, sizeof(info), "%s: %s", cs->address, gai_strerror(error));
	/* once, not at every look; what the last probe said is the checker's to write */
	if (atomic_exchange(&v->unresolved, 1))
		return false;
	if (now.family == ADDR_NONE)
		log_warnx("Server %s/%s is DOWN: its name does not resolve: %s", cb->name, cs->name, info);
	else
		log_warnx("Server %s/%s keeps its last address: %s", cb->name, cs->name, info);
	return false;
}

struct place {			/* of a server in conf */
	unsigned backend, server;
};

/* All that are names: first those that have no address and were never looked up,
 * for there clients wait; many others may be slow.  How many; NULL: no memory. */
static struct place *
line_up(const struct conf *c, const struct shared *s, const struct shared_map *m, unsigned *n)
{
	struct place *list;
	unsigned b, k, all = 0;
	int waits;

	for (b = 0; b < c->nbackend; b++)
		all += c->backend[b].nserver;
	*n = 0;
	if ((list = calloc(all + 1, sizeof(*list))) == NULL)
		return NULL;
	for (waits = 1; waits >= 0; waits--)
		for (b = 0; b < c->nbackend; b++)
			for (k = 0; k < c->backend[b].nserver; k++) {
				const struct server_slot *v = &s->server[m->server[b][k]];
				struct addr a;

				if (!c->backend[b].server[k].is_dns)
					continue;
				health_addr(v, &a);
				/* an older resolver may write between the two looks */
				if (*n < all && (a.family == ADDR_NONE && !atomic_load(&v->unresolved)) == waits)
					list[(*n)++] = (struct place){ b, k };
			}
	return list;
}

void
resolver_run(const struct conf *c, const struct shared *s, const struct shared_map *m, int hint_fd)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
	const char *last = NULL;
	struct addrinfo *list = NULL;
	uint64_t changed = 0;
	struct place *place;
	unsigned i, n;
	int error = 0;

	if ((place = line_up(c, s, m, &n)) == NULL) {
		log_warn("resolver");
		return;
	}
	for (i = 0; i < n; i++) {
		const struct conf_backend *cb = &c->backend[place[i].backend];
		const struct conf_server *cs = &cb->server[place[i].server];
		uint32_t at = m->server[place[i].backend][place[i].server];

		if (last == NULL || strcmp(last, cs->address) != 0) {
			if (list != NULL)
				freeaddrinfo(list);
			list = NULL;
			error = getaddrinfo(cs->address, NULL, &hints, &list);
			last = cs->address;
		}
		if (is_its_own(&s->server[at], cs, m->backend[place[i].backend]) &&
		    apply(cb, cs, &s->server[at], &s->server_use[at], error == 0 ? list : NULL, error))
			changed++;
	}
	free(place);
	if (list != NULL)
		freeaddrinfo(list);
	if (changed > 0 && write(hint_fd, &changed, sizeof(changed)) < 0)
		log_debug("the checker has enough to do");
}
