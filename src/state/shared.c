/* SPDX-License-Identifier: ISC */
/*
 * Maps the shared segment, and hands out and takes back the places of workers
 * (the master).  It must never move or resize what a child has mapped.
 */
#include "config.h"
#include "state/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"

#define MAGIC	UINT64_C(0x647572776172640a)	/* "durward\n" */
#define LAYOUT	8u
#define PAGE	4096u
#define SEAM	65536u	/* the largest page that a kernel may have */
#define SHORTAGE_AGAIN_MS	10000

struct layout {
	size_t server, backend, post, listener, pool, holdoff, head;
	size_t use, pool_use, listener_use, sources, backend_use, server_use, worker, end;
};

static size_t
page_up(size_t n)
{
	return (n + PAGE - 1) & ~(size_t)(PAGE - 1);
}

/* What every worker touches stands close together, around the seam of the two
 * parts: fewer page tables.  No page, of whatever size, may be of both. */
static void
lay_out(struct layout *l)
{
	l->server = 0;
	l->backend = page_up(SHARED_SERVERS * sizeof(struct server_slot));
	l->post = l->backend + page_up(SHARED_BACKENDS * sizeof(struct backend_slot));
	l->listener = l->post + page_up(SHARED_WORKERS * sizeof(struct worker_post));
	l->holdoff = l->listener + page_up(SHARED_LISTENERS * sizeof(struct listener_slot));
	l->pool = l->holdoff + page_up(sizeof(struct holdoff));
	l->use = l->pool + page_up(SHARED_POOLS * sizeof(struct pool_slot)) +
	    page_up(sizeof(struct shared_head));
	l->use = (l->use + SEAM - 1) & ~(size_t)(SEAM - 1);
	l->head = l->use - page_up(sizeof(struct shared_head));
	/* up to here they read, from here on they write */
	l->pool_use = l->use + page_up(sizeof(struct shared_use));
	l->listener_use = l->pool_use + page_up(SHARED_POOLS * sizeof(struct pool_use));
	l->sources = l->listener_use + page_up(SHARED_LISTENERS * sizeof(struct listener_use));
	l->backend_use = l->sources + page_up(sizeof(struct sources));
	l->server_use = l->backend_use + page_up(SHARED_BACKENDS * sizeof(struct backend_use));
	l->worker = l->server_use + page_up(SHARED_SERVERS * sizeof(struct server_use));
	l->end = l->worker + page_up(SHARED_WORKERS * sizeof(struct worker_slot));
}

static void
sizes(uint32_t size_of[SHARED_SIZES])
{
	size_of[0] = sizeof(struct server_slot);
	size_of[1] = sizeof(struct backend_slot);
	size_of[2] = sizeof(struct worker_post);
	size_of[3] = sizeof(struct listener_slot);
	size_of[4] = sizeof(struct pool_slot);
	size_of[5] = sizeof(struct shared_use);
	size_of[6] = sizeof(struct server_use);	/* backends' and listeners' change with it */
	size_of[7] = sizeof(struct pool_use);
	size_of[8] = sizeof(struct worker_slot);
}

/* So that nobody can aim at one place of a table. */
static int
random_seeds(struct shared *s)
{
	uint64_t seed[2];

	if (getrandom(seed, sizeof(seed), 0) != sizeof(seed))
		return -1;
	s->sources->seed = seed[0];
	s->holdoff->seed = seed[1];
	return 0;
}

int
shared_map(struct shared *s, int fd)
{
	uint32_t size_of[SHARED_SIZES];
	struct layout l;
	struct stat st;
	bool fresh = fd < 0;
	char *base;

	memset(s, 0, sizeof(*s));
	lay_out(&l);
	if (fresh && (fd = memfd_create("durward", MFD_CLOEXEC)) < 0)
		return -1;
	if (fresh && ftruncate(fd, (off_t)l.end) != 0)
		goto fail;
	if (!fresh && (fstat(fd, &st) != 0 || st.st_size != (off_t)l.end)) {
		errno = EPROTO;
		return -1;
	}
	base = mmap(NULL, l.end, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (base == MAP_FAILED)
		goto fail;
	s->fd = fd;
	s->server = (void *)(base + l.server);
	s->backend = (void *)(base + l.backend);
	s->post = (void *)(base + l.post);
	s->listener = (void *)(base + l.listener);
	s->pool = (void *)(base + l.pool);
	s->holdoff = (void *)(base + l.holdoff);
	s->head = (void *)(base + l.head);
	s->use = (void *)(base + l.use);
	s->pool_use = (void *)(base + l.pool_use);
	s->listener_use = (void *)(base + l.listener_use);
	s->sources = (void *)(base + l.sources);
	s->backend_use = (void *)(base + l.backend_use);
	s->server_use = (void *)(base + l.server_use);
	s->worker = (void *)(base + l.worker);
	sizes(size_of);
	if (fresh) {
		s->head->magic = MAGIC;
		s->head->layout = LAYOUT;
		memcpy(s->head->size_of, size_of, sizeof(size_of));
		atomic_store(&s->head->started_ms, clock_ms());
		return random_seeds(s);
	}
	if (s->head->magic != MAGIC || s->head->layout != LAYOUT ||
	    memcmp(s->head->size_of, size_of, sizeof(size_of)) != 0) {
		munmap(base, l.end);
		memset(s, 0, sizeof(*s));	/* nothing in it is there any more */
		errno = EPROTO;
		return -1;
	}
	return 0;
fail:
	if (fresh)
		close(fd);
	return -1;
}

int
shared_seal(const struct shared *s)
{
	struct layout l;

	lay_out(&l);
	return mprotect(s->server, l.use, PROT_READ);
}

/* --- shortage ----------------------------------------------------------- */

bool
shared_is_shortage(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

bool
shared_may_say_shortage(const struct shared *s, enum shortage what)
{
	int64_t now = clock_ms(), said = atomic_load(&s->use->shortage_said_ms[what]);

	return (said <= 0 || said > now || now - said >= SHORTAGE_AGAIN_MS) &&
	    atomic_compare_exchange_strong(&s->use->shortage_said_ms[what], &said, now);
}

/* --- workers ------------------------------------------------------------ */

int
shared_take_worker(struct shared *s)
{
	unsigned n;

	/* the lowest, for whoever scans; ten thousand taken ones are not looked
	 * at again for each */
	for (n = 0; n < SHARED_WORKERS; n++) {
		unsigned i = (s->free_from + n) % SHARED_WORKERS;
		struct worker_slot *w = &s->worker[i];
		int32_t none = 0;

		/* an older master may be taking one as well */
		if (atomic_load_explicit(&s->post[i].pid, memory_order_relaxed) != 0 ||
		    !atomic_compare_exchange_strong(&s->post[i].pid, &none, -1))
			continue;
		atomic_store(&w->state, WORKER_STARTING);
		atomic_store(&w->holds, 0);
		atomic_store(&w->backend, -1);
		atomic_store(&w->server, -1);
		atomic_store(&w->served, 0);
		atomic_store(&w->bytes_in, 0);
		atomic_store(&w->bytes_out, 0);
		atomic_store(&w->since_ms, clock_ms());
		scoreboard_clear_text(w);
		if (s->head->nworker <= i)
			s->head->nworker = i + 1;
		s->free_from = i + 1;
		return (int)i;
	}
	errno = ENOSPC;
	return -1;
}

void
shared_bury_worker(struct shared *s, unsigned worker)
{
	struct worker_slot *w = &s->worker[worker];
	uint32_t holds = worker_holds(atomic_load(&w->state), atomic_exchange(&w->holds, 0));
	uint64_t in = atomic_exchange(&w->bytes_in, 0), out = atomic_exchange(&w->bytes_out, 0);
	int32_t b = atomic_load(&w->backend), v = atomic_load(&w->server);
	uint32_t l = s->post[worker].listener;

	/* a worker that was taken over may have written anything here */
	if (b >= (int32_t)SHARED_BACKENDS)
		b = -1;
	if (v >= (int32_t)SHARED_SERVERS)
		v = -1;
	if ((holds & HOLDS_LISTENER) && l < SHARED_LISTENERS) {
		struct counters *c = &s->listener_use[l].c;

		counters_close(c);
		counter_add(&c->bytes_in, in);
		counter_add(&c->bytes_out, out);
	}
	if (holds & HOLDS_SOURCE)
		sources_leave(s->sources, atomic_load(&w->source));
	if ((holds & HOLDS_QUEUE) && b >= 0) {
		atomic_fetch_sub(&s->backend_use[b].c.queued, 1);
		atomic_fetch_sub(&s->backend_use[b].waiters, 1);
	}
	if ((holds & HOLDS_SERVER) && v >= 0) {
		counters_close(&s->server_use[v].c);
		counter_add(&s->server_use[v].c.bytes_in, in);
		counter_add(&s->server_use[v].c.bytes_out, out);
	}
	if ((holds & HOLDS_BACKEND) && b >= 0) {
		counters_close(&s->backend_use[b].c);
		counter_add(&s->backend_use[b].c.bytes_in, in);
		counter_add(&s->backend_use[b].c.bytes_out, out);
		shared_wake(&s->backend_use[b].queue_word, &s->backend_use[b].waiters);
	}
	if (holds & HOLDS_WAIT)
		atomic_fetch_sub(&s->use->permit_waiters, 1);
	if (holds & HOLDS_PERMIT) {
		atomic_fetch_sub(&s->use->connections, 1);
		shared_wake(&s->use->permit_word, &s->use->permit_waiters);
	}
	atomic_store(&w->state, WORKER_DEAD);
	atomic_store(&s->post[worker].pid, 0);
	if (worker < s->free_from)
		s->free_from = worker;
}

void
shared_sleep(_Atomic uint32_t *word, uint32_t seen, int ms)
{
	struct timespec ts = { ms / 1000, (long)(ms % 1000) * 1000000 };

	syscall(SYS_futex, word, FUTEX_WAIT, seen, &ts, NULL, 0);
}

void
shared_wake(_Atomic uint32_t *word, gauge *waiters)
{
	if (atomic_load(waiters) <= 0)
		return;
	atomic_fetch_add(word, 1);
	syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}
