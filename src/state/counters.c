/* SPDX-License-Identifier: ISC */
/*
 * Counting in shared memory.  Called by workers on the path of every session;
 * must never lock, block or fail.
 */
#include "config.h"
#include "state/counters.h"

const int64_t counters_connect_ms[COUNTERS_BUCKETS - 1] = {
	1, 2, 5, 10, 25, 50, 100, 250, 1000, 5000, 10000
};
const int64_t counters_duration_ms[COUNTERS_BUCKETS - 1] = {
	10, 100, 1000, 5000, 30000, 120000, 600000, 3600000, 21600000, 86400000, 604800000
};

static void
raise_to(gauge *max, int32_t n)
{
	int32_t seen = atomic_load_explicit(max, memory_order_relaxed);

	while (seen < n &&
	    !atomic_compare_exchange_weak_explicit(max, &seen, n,
	    memory_order_relaxed, memory_order_relaxed))
		;
}

/*
 * The first to see a new second moves the counts along.  Two workers that
 * meet at the very turn may lose one of their two; a rate can bear that.
 */
static void
rate_add(struct rate *r, int64_t now)
{
	uint32_t second = (uint32_t)(now / 1000), seen, n;

	seen = atomic_load_explicit(&r->second, memory_order_relaxed);
	if (seen != second &&
	    atomic_compare_exchange_strong(&r->second, &seen, second)) {
		n = atomic_exchange(&r->count, 0);
		atomic_store(&r->last, seen + 1 == second ? n : 0);
	}
	n = atomic_fetch_add_explicit(&r->count, 1, memory_order_relaxed) + 1;
	if (n > atomic_load_explicit(&r->max, memory_order_relaxed))
		atomic_store_explicit(&r->max, n, memory_order_relaxed);
}

uint32_t
counters_rate(const struct rate *r, int64_t now)
{
	uint32_t second = (uint32_t)(now / 1000), seen = atomic_load(&r->second);

	if (seen == second)
		return atomic_load(&r->last);
	return seen + 1 == second ? atomic_load(&r->count) : 0;
}

bool
counters_take(struct counters *c, unsigned max)
{
	int32_t n = atomic_load_explicit(&c->current, memory_order_relaxed), next;

	/* no step up and down again: who is refused must not look like a session */
	do {
		if (max != 0 && n >= (int32_t)max)
			return false;
		next = (int32_t)((uint32_t)n + 1);	/* what was scribbled there may be the most */
	} while (!atomic_compare_exchange_weak_explicit(&c->current, &n, next,
	    memory_order_relaxed, memory_order_relaxed));
	raise_to(&c->max_current, next);
	return true;
}

void
counters_count(struct counters *c, int64_t now)
{
	counter_add(&c->sessions, 1);
	atomic_store_explicit(&c->last_session_ms, now, memory_order_relaxed);
	rate_add(&c->rate, now);
}

void
counters_open(struct counters *c, int64_t now)
{
	counters_take(c, 0);
	counters_count(c, now);
}

void
counters_close(struct counters *c)
{
	atomic_fetch_sub_explicit(&c->current, 1, memory_order_relaxed);
}

void
counters_request(struct counters *c, int64_t now)
{
	counter_add(&c->requests, 1);
	rate_add(&c->request_rate, now);
}

static void
histogram_add(struct histogram *h, const int64_t *bounds, int64_t us)
{
	int i;

	for (i = 0; i < COUNTERS_BUCKETS - 1; i++)
		if (us <= bounds[i] * 1000)
			break;
	counter_add(&h->bucket[i], 1);
	counter_add(&h->sum_us, (uint64_t)us);
}

void
counters_connect_time(struct counters *c, int64_t us)
{
	histogram_add(&c->connect, counters_connect_ms, us);
}

void
counters_duration(struct counters *c, int64_t us)
{
	histogram_add(&c->duration, counters_duration_ms, us);
}

/*
 * HAProxy's averages: plain ones at first, and from then on each new one takes
 * the place of an average one.  Two workers at the same instant may each take
 * the same; a mean can bear that.
 */
void
counters_spent(struct counters *c, const int64_t us[SPANS])
{
	bool full = atomic_fetch_add_explicit(&c->timed, 1, memory_order_relaxed) >= COUNTERS_WINDOW;
	int i;

	for (i = 0; i < SPANS; i++) {
		struct spent *s = &c->spent[i];
		int64_t out = full ? atomic_load_explicit(&s->sum_us, memory_order_relaxed) / COUNTERS_WINDOW : 0;

		atomic_fetch_add_explicit(&s->sum_us, us[i] - out, memory_order_relaxed);
		raise_to(&s->max_ms, (int32_t)(us[i] / 1000));
	}
}

int64_t
counters_mean_ms(const struct counters *c, enum span which)
{
	uint64_t n = counter_get(&c->timed);
	int64_t sum = atomic_load_explicit(&c->spent[which].sum_us, memory_order_relaxed);

	if (n == 0 || sum <= 0)
		return 0;
	return sum / (int64_t)(n < COUNTERS_WINDOW ? n : COUNTERS_WINDOW) / 1000;
}

const char *
reject_name(enum reject r)
{
	switch (r) {
	case REJECT_UNKNOWN_NAME:	return "unknown name";
	case REJECT_NO_NAME:		return "no name";
	case REJECT_MALFORMED:		return "malformed";
	case REJECT_DEADLINE:		return "deadline";
	case REJECT_DENIED:		return "denied";
	case REJECT_LIMIT:		return "limit";
	case REJECT_NO_SERVER:		return "no server";
	case REJECT_CRASH:		return "crash";
	case REJECT_KINDS:		break;
	}
	return "";
}
