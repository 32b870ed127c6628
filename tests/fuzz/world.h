/* SPDX-License-Identifier: ISC */
/*
 * The world around a worker, made of a script: clients that connect and speak,
 * servers that answer, time that passes.  The linker sends the worker's system
 * calls here (--wrap): its sockets are real ones, whose other ends are ours;
 * its clock and its waits are not.  Nothing sleeps.  Where the worker would,
 * the next thing of the script happens; where the script is over, time jumps
 * to the end of the wait.  A wait without an end is an error, and so is one
 * who never waits.
 *
 * A script is the first client's first bytes, and then events, each a NUL and
 * a character, perhaps with bytes behind it:
 *
 *	> bytes		the client says this	< bytes		the server does
 *	)		it has no more to say	(		nor has the server
 *	]		it closes		[		the server closes
 *	+ bytes		another client, once this one is done
 *	~		nothing happens before the wait is over
 *
 * A NUL before any other byte is a byte like others.
 */
#ifndef DURWARD_FUZZ_WORLD_H
#define DURWARD_FUZZ_WORLD_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* Like assert, but also where NDEBUG is set. */
#define MUST(what)	((what) ? (void)0 : abort())

struct world_bytes {
	uint8_t *p;
	size_t len, size;
};

struct world_peer {			/* of the worker */
	bool is_server;
	unsigned client;		/* a server: for which client it was called */
	int fd;				/* our end; -1 we have closed it */
	bool ended;			/* it has no more to say */
	bool broke;			/* it closed, whatever was on its way */
	struct world_bytes said, heard;
};

#define WORLD_PEERS	32

struct world {
	const uint8_t *script;
	size_t len, at;
	size_t piece;			/* the worker reads this much at most; 0 all */
	unsigned refuse;		/* so many calls are refused first */
	bool late;			/* a wait came to its end */
	unsigned calls;			/* since something happened */
	struct world_peer peer[WORLD_PEERS];
	unsigned npeer;
	int client, server;		/* the present ones; -1 */
	volatile sig_atomic_t *stop;	/* set when the script is over */
	sig_atomic_t stop_value;
};

extern struct world world;

/* Between these two, what is wrapped is ours; before and after, the system's.
 * world_end hears what is left; peers stay for the checks, until forgotten. */
void world_begin(const uint8_t *script, size_t len, volatile sig_atomic_t *stop, sig_atomic_t value);
void world_end(void);
void world_forget(void);

/* Has the worker closed its end? */
bool world_is_closed(const struct world_peer *p);

#endif
