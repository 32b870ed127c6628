/* SPDX-License-Identifier: ISC */
#include "config.h"
#include "proxy/admit.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "state/nets.h"
#include "wire/proxy_header.h"

static void
from_proxy_addr(struct addr *a, const struct proxy_addr *pa)
{
	memset(a, 0, sizeof(*a));
	a->family = pa->family == PROXY_FAMILY_IPV4 ? ADDR_IPV4 : ADDR_IPV6;
	a->port = pa->port;
	if (pa->family == PROXY_FAMILY_IPV4) {
		a->ip[10] = a->ip[11] = 0xff;
		memcpy(a->ip + 12, pa->bytes, 4);
	} else {
		static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

		memcpy(a->ip, pa->bytes, 16);
		if (memcmp(a->ip, mapped, sizeof(mapped)) == 0)
			a->family = ADDR_IPV4;
	}
}

/* Read the PROXY header that must come first, until s->deadline_ms; sets s->from
 * and s->to.  False: it was missing, malformed or late; rejected. */
static bool
read_proxy(struct session *s)
{
	struct proxy_header h;
	bool timed_out;

	for (;;) {
		enum proxy_header_verdict v = proxy_header_parse(s->head, s->head_len, &h);
		ssize_t n;

		if (v == PROXY_HEADER_FOUND)
			break;
		if (v == PROXY_HEADER_MALFORMED) {
			log_info("%s: no PROXY header from a peer that must send one", s->p->listener->name);
			session_reject(s, REJECT_MALFORMED, 'P', 'R');
			return false;
		}
		n = session_read_head(s, &timed_out);
		if (n > 0)
			continue;
		if (timed_out)
			session_reject(s, REJECT_DEADLINE, 'c', 'R');
		else if (s->p->stop >= PROXY_KILLED)
			session_code(s, 'K', 'R');
		else
			session_reject(s, REJECT_MALFORMED, 'C', 'R');
		return false;
	}
	if (!h.local) {
		from_proxy_addr(&s->from, &h.source);
		from_proxy_addr(&s->to, &h.destination);
		scoreboard_set_client(s->p->slot, &s->from);
	}
	s->head_len -= h.len;
	memmove(s->head, s->head + h.len, s->head_len);
	return true;
}

/* Is this peer one of accept-proxy? */
static bool
must_proxy(const struct session *s)
{
	return s->p->listener->accept_proxy.n > 0 &&
	    (s->peer.family == ADDR_UNIX || nets_have(&s->p->listener->accept_proxy, &s->peer));
}

/* Its source crashed workers again and again. */
static bool
is_held_off(const struct session *s)
{
	const struct holdoff *h = s->p->shared->holdoff;

	return holdoff_any(h) && s->from.family != ADDR_UNIX && holdoff_left(h, &s->from, clock_ms()) > 0;
}

bool
admit_client(struct session *s)
{
	const struct conf_listener *l = s->p->listener;
	uint32_t n, place;

	if (must_proxy(s) && !read_proxy(s))
		return false;
	if (!nets_allow(&l->allow, &l->deny, &s->from)) {
		session_reject(s, REJECT_DENIED, 'P', 'R');
		return false;
	}
	if (is_held_off(s)) {
		session_reject(s, REJECT_CRASH, 'P', 'R');
		return false;
	}
	if (l->max_per_source == 0 || s->from.family == ADDR_UNIX)
		return true;
	n = sources_enter(s->p->shared->sources, s->p->listener_slot, &s->from, &place);
	if (place != SOURCES_NONE) {
		atomic_store_explicit(&s->p->slot->source, place, memory_order_relaxed);
		scoreboard_hold(s->p->slot, HOLDS_SOURCE);
	}
	if (n <= l->max_per_source)
		return true;
	session_reject(s, REJECT_LIMIT, 'P', 'R');
	return false;
}
