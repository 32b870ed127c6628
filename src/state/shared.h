/* SPDX-License-Identifier: ISC */
/*
 * The shared memory: one segment, mapped by the master before any fork.
 *
 * Its first part, the slots, is what the master, the checker, the clerk and the
 * resolver say; workers can only read it.  The second, what is in use, is where
 * workers count, and no more than that: a worker may have been taken over, and
 * can write anything there, at any time.  So whoever reads it takes a number
 * for an index, or for one that does not overflow, only after a look.
 *
 * Sized once for the most there can ever be; pages cost nothing until they
 * are touched, so nothing is ever resized.  Slots of listeners, backends and
 * servers are found by name and stay theirs over reloads: a worker of an
 * older generation counts in the same place as the new ones.  Indexes, never
 * pointers.  The segment is a memfd, so that a new executable (USR2) can map
 * it and go on with it where its layout is the same.
 */
#ifndef DURWARD_SHARED_H
#define DURWARD_SHARED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "state/conf.h"
#include "state/health.h"
#include "state/holdoff.h"
#include "state/scoreboard.h"
#include "state/sources.h"

#define SHARED_LISTENERS	128u
#define SHARED_POOLS		512u
#define SHARED_BACKENDS		16384u
#define SHARED_SERVERS		32768u
#define SHARED_WORKERS		32768u

/* The workers of one socket in one generation. */
struct pool_slot {
	_Alignas(64) _Atomic uint32_t used;
	_Atomic uint32_t stress;	/* 1 while workers run short: shorter deadlines */
};

struct pool_use {
	_Alignas(64) _Atomic int32_t idle;	/* workers in accept or on their way there: +1 by the
				   master at fork, +-1 by the worker, put right by the master */
	_Atomic uint32_t short_of;	/* workers: "the last spare is taken", master clears */
};

/* After QUIT: who asks whether to send us clients hears no at once, but they
 * are served until drain-delay is over and the listeners are closed. */
enum shared_draining { SHARED_OPEN, SHARED_LEAVING, SHARED_CLOSED };

/* What a process of many could not do, for want of something. */
enum shortage { SHORTAGE_ACCEPT, SHORTAGE_CONNECT, SHORTAGE_PROBE, SHORTAGE_KINDS };

#define SHARED_SIZES	9

/* The master's. */
struct shared_head {
	uint64_t magic;
	uint32_t layout;		/* changes with any struct here */
	uint32_t size_of[SHARED_SIZES];	/* of slots and uses: a cheap check of the layout */
	_Atomic uint32_t generation;	/* the last number that a master took for one */
	_Atomic uint32_t draining;	/* enum shared_draining */
	_Atomic int32_t master_pid;	/* 0: stopped, and so are those before it */
	_Atomic int64_t started_ms, reloaded_ms;	/* clock_ms */
	_Atomic uint64_t reloads;
	_Atomic uint32_t log_opened;	/* how often log files were opened anew (USR1): older
					   masters, which have loggers of their own, do the same */
	/* slots from 0 on that were ever used; whoever scans stops there */
	_Atomic uint32_t nbackend, nserver, nworker;
	counter workers_started, workers_crashed;
};

/* Everybody's. */
struct shared_use {
	_Alignas(64) _Atomic int32_t connections;	/* workers: permits taken */
	_Atomic int32_t max_connections;	/* the most at one time */
	_Atomic uint32_t permit_word;		/* futex: raised when one is given back */
	gauge permit_waiters;
	_Alignas(64) counter log_lost;		/* lines that were not logged */
	_Atomic int64_t shortage_said_ms[SHORTAGE_KINDS];	/* whoever says so: clock_ms */
};

struct shared {			/* private to a process: where things are */
	int fd;			/* the memfd, for USR2; closed in workers */
	/* read-only after shared_seal */
	struct server_slot *server;
	struct backend_slot *backend;
	struct worker_post *post;
	struct listener_slot *listener;
	struct pool_slot *pool;
	struct holdoff *holdoff;
	struct shared_head *head;
	/* for all to write */
	struct shared_use *use;
	struct pool_use *pool_use;
	struct listener_use *listener_use;
	struct sources *sources;
	struct backend_use *backend_use;
	struct server_use *server_use;
	struct worker_slot *worker;
	unsigned free_from;		/* the master's: posts below are taken, as far as it knows */
};

/* Make or (fd >= 0) take over the segment.  0, or -1 with errno, and *s empty;
 * EPROTO where a segment to take over has another layout. */
int shared_map(struct shared *s, int fd);

/* For a child that only counts: from now on it can but read the slots.  The
 * call filter keeps it so.  0, or -1 with errno. */
int shared_seal(const struct shared *s);

/*
 * The indexes that one configuration uses: conf.listener[i] counts in
 * listener slot map.listener[i], and so on.  map.server[b][k] is server k of
 * conf.backend[b].
 */
struct shared_map {
	uint32_t *listener, *backend;
	uint32_t **server;
};

/* Find or take the slots that conf needs (master).  Sets the addresses of
 * servers; a server whose address changed starts anew, and one whose name in DNS
 * did has no address until that is resolved.  NULL with errno ENOSPC where there
 * are more than the segment holds. */
struct shared_map *shared_bind(struct shared *s, const struct conf *c);
void shared_map_free(struct shared_map *m, const struct conf *c);

/* Which name in DNS a server is configured as, as a number; 0: none, an address. */
uint64_t shared_dns(const struct conf_server *cs);

/* Forget slots that the configuration does not name, where no worker of another
 * generation than its own lives, older or newer. */
void shared_sweep(struct shared *s, const struct shared_map *m, const struct conf *c,
    uint32_t generation);

/* Slots of workers that were ever used: whoever scans stops there. */
static inline unsigned
shared_workers(const struct shared *s)
{
	unsigned n = atomic_load(&s->head->nworker);

	return n < SHARED_WORKERS ? n : SHARED_WORKERS;
}

/* Errors of a call that mean that this machine, and nobody else, is short. */
bool shared_is_shortage(int error);

/* May this process say that it was short of something: thousands of workers
 * are at the same time, and one of them says so, now and again. */
bool shared_may_say_shortage(const struct shared *s, enum shortage what);

/* A free place for a worker, or -1.  Its pid is set to -1 until the master
 * knows it. */
int shared_take_worker(struct shared *s);

/* Give back all that the slot of a dead worker says it held, add its bytes where
 * they count, and free its place (master). */
void shared_bury_worker(struct shared *s, unsigned worker);

/*
 * Waiting for a place: the waiter counts itself in waiters, reads word, looks
 * whether there is a place, and sleeps while word is what it read, for at most
 * ms.  Whoever gives a place back calls shared_wake.
 */
void shared_sleep(_Atomic uint32_t *word, uint32_t seen, int ms);
void shared_wake(_Atomic uint32_t *word, gauge *waiters);

#endif
