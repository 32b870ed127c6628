/* SPDX-License-Identifier: ISC */
/* Configurations bound to a shared segment, for tests of what lies in it. */
#ifndef DURWARD_TEST_STATE_HELP_H
#define DURWARD_TEST_STATE_HELP_H

#include "state/balance.h"

struct state {
	struct shared shared;
	struct conf *conf;
	struct shared_map *map;
};

/* A fresh segment with this configuration in service. */
void state_help_start(struct state *s, const char *text);

/* Another configuration in its place, as a reload puts it. */
void state_help_reload(struct state *s, const char *text);

/* What the test made goes with its process; this is for loops. */
void state_help_end(struct state *s);

/* The slot of server k of backend b. */
struct server_slot *state_help_server(struct state *s, unsigned b, unsigned k);
struct counters *state_help_counters(struct state *s, unsigned b, unsigned k);

/* Run job(arg, i) in n processes at once and wait for all; each must end well. */
void state_help_processes(unsigned n, void (*job)(void *arg, unsigned i), void *arg);

#endif
