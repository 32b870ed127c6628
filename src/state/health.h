/* SPDX-License-Identifier: ISC */
/*
 * The health table: a slot a server, in shared memory.  Workers cannot write
 * there; what they count of a server is in server_use, under the same index.
 *
 * A slot belongs to one server of one backend, found by both names, and stays
 * that server's over reloads, so that health, DRAIN and MAINT, counters and
 * current connections carry over by themselves.  Each group of fields has one
 * kind of writer, named here; what is longer than one atomic step stands
 * twice: the writer fills the copy that nobody reads and then raises the
 * number that says which one counts.
 */
#ifndef DURWARD_HEALTH_H
#define DURWARD_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "state/counters.h"

enum health_state { HEALTH_UP, HEALTH_DOWN };
enum health_admin { HEALTH_READY, HEALTH_DRAIN, HEALTH_MAINT };

/* How the last probe ended, in HAProxy's words (check_status of its CSV). */
enum health_result {
	HEALTH_UNKNOWN,		/* UNK: not probed */
	HEALTH_INI,		/* INI: first probe under way or due */
	HEALTH_SOCKERR, HEALTH_L4OK, HEALTH_L4TOUT, HEALTH_L4CON,
	HEALTH_L6OK, HEALTH_L6TOUT, HEALTH_L6RSP,
	HEALTH_L7OK, HEALTH_L7TOUT, HEALTH_L7RSP, HEALTH_L7STS
};

#define HEALTH_NAME_MAX	256	/* a server's name; a DNS name fits */
#define HEALTH_INFO_MAX	96

struct server_slot {
	/* identity: written by the master, before a process can know the index */
	_Alignas(64) _Atomic uint32_t used;
	uint32_t backend;			/* index of its backend's slot */
	char name[HEALTH_NAME_MAX];
	_Atomic uint64_t dns;			/* shared_dns of what it is configured as */

	/* address: the master at load, then the resolver; see health_addr */
	_Alignas(64) _Atomic uint32_t addr_seq;
	struct addr addr[2];			/* ADDR_NONE: does not resolve (yet) */
	_Atomic uint32_t unresolved;		/* the resolver's: it said so already; 0 where
						   the master gave it another name */

	/* the checker's */
	_Alignas(64) _Atomic uint32_t state;	/* enum health_state */
	_Atomic uint32_t checked;		/* 0: type "none" */
	_Atomic uint32_t result;		/* enum health_result */
	_Atomic int32_t code;			/* HTTP status, TLS alert; 0 none */
	_Atomic int32_t check_us;		/* the last probe's duration */
	_Atomic int32_t streak;			/* > 0 good ones in a row, < 0 bad ones */
	_Atomic int64_t since_ms;		/* clock_ms of the last change of state */
	_Atomic int64_t last_check_ms;		/* clock_ms the last probe ended; 0 never */
	_Atomic int64_t downtime_ms;		/* of the periods that are over */
	counter probes, probe_failures, downs;
	_Atomic uint32_t info_seq;
	char info[2][HEALTH_INFO_MAX];		/* why the last probe failed */

	/* the clerk's */
	_Alignas(64) _Atomic uint32_t admin;	/* enum health_admin */
	_Atomic int64_t admin_since_ms;
};

/* The master's: which indexes mean whom. */
struct backend_slot {
	_Alignas(64) _Atomic uint32_t used;
	uint32_t listener;			/* index of its listener's slot */
	char name[448];				/* CLUSTER.SERVICE.LISTENER */
	/* the master's: has it a server that new clients may be sent to */
	_Atomic uint32_t state;			/* enum health_state */
	_Atomic int64_t since_ms;		/* clock_ms of the last change, or of its begin */
	_Atomic int64_t downtime_ms;		/* of the periods that are over */
	counter downs;
};

struct listener_slot {
	_Alignas(64) _Atomic uint32_t used;
	char name[128];
};

/* The workers': what they count, and where they wait for one another. */
struct server_use {
	_Alignas(64) struct counters c;
	_Atomic uint32_t hint;			/* failures since the checker looked */
};

struct backend_use {
	_Alignas(64) struct counters c;
	_Atomic uint32_t turn;			/* round robin */
	_Atomic uint32_t queue_word;		/* futex, raised when a place is free */
	gauge waiters;
};

struct listener_use {
	_Alignas(64) struct counters c;
};

/* A consistent copy of the address; ADDR_NONE where there is none. */
void health_addr(const struct server_slot *s, struct addr *out);
void health_set_addr(struct server_slot *s, const struct addr *a);

/* A consistent copy of why the last probe failed ("" where it did not). */
void health_info(const struct server_slot *s, char out[HEALTH_INFO_MAX]);
void health_set_info(struct server_slot *s, const char *info);

/* May new clients go there: up, and neither drained nor in maintenance. */
static inline bool
health_usable(const struct server_slot *s)
{
	return atomic_load_explicit(&s->state, memory_order_relaxed) == HEALTH_UP &&
	    atomic_load_explicit(&s->admin, memory_order_relaxed) == HEALTH_READY;
}

/* "UP", "DOWN", "DRAIN", "MAINT", "NO CHECK": what operators are shown. */
const char *health_word(const struct server_slot *s);

/* "L4OK" ... and "Layer4 check passed" ...: HAProxy's short and long names. */
const char *health_result_name(enum health_result r);
const char *health_result_text(enum health_result r);

#endif
