/* SPDX-License-Identifier: ISC */
/*
 * For tests: what a daemon's shared memory counts, as JSON on stdout.
 *
 *	ledger PID
 *
 * PID is a master; its segment is found among its descriptors and only read.
 * "held" is what the workers' slots add up to, so that a test can hold the one
 * against the other without knowing how either is laid out.
 */
#include "config.h"

#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "state/shared.h"

static int
open_segment(const char *pid)
{
	char path[512], target[64];
	struct dirent *e;
	ssize_t n;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	if ((d = opendir(path)) == NULL)
		err(1, "%s", path);
	while ((e = readdir(d)) != NULL) {
		snprintf(path, sizeof(path), "/proc/%s/fd/%s", pid, e->d_name);
		if ((n = readlink(path, target, sizeof(target) - 1)) < 0)
			continue;
		target[n] = '\0';
		if (strncmp(target, "/memfd:durward", 14) != 0)
			continue;
		closedir(d);
		if ((n = open(path, O_RDWR | O_CLOEXEC)) < 0)
			err(1, "%s", path);
		return (int)n;
	}
	errx(1, "process %s has no shared segment", pid);
}

static void
print_gauges(const struct shared *s)
{
	unsigned i, n, sources = 0, places = 0, pools = 0, named = 0;
	/* of counts that may have been scribbled on */
	int64_t idle = 0, queued = 0, waiters = 0, listeners = 0, backends = 0, servers = 0;

	for (i = 0; i < SHARED_POOLS; i++) {
		pools += atomic_load(&s->pool[i].used);
		idle += atomic_load(&s->pool_use[i].idle);
	}
	for (i = 0; i < SHARED_LISTENERS; i++)
		listeners += atomic_load(&s->listener_use[i].c.current);
	n = atomic_load(&s->head->nbackend);
	for (i = 0; i < n; i++) {
		backends += atomic_load(&s->backend_use[i].c.current);
		queued += atomic_load(&s->backend_use[i].c.queued);
		waiters += atomic_load(&s->backend_use[i].waiters);
	}
	n = atomic_load(&s->head->nserver);
	for (i = 0; i < n; i++) {
		named += atomic_load(&s->server[i].used) != 0;
		servers += atomic_load(&s->server_use[i].c.current);
	}
	for (i = 0; sources_used(s->sources) && i < SOURCES_CELLS; i++) {
		places += sources_held(s->sources, i) != 0;
		sources += sources_held(s->sources, i);
	}
	printf("\"pools\": %u, \"idle\": %" PRId64 ", \"connections\": %d, \"permit_waiters\": %d, "
	    "\"listeners\": %" PRId64 ", \"backends\": %" PRId64 ", \"queued\": %" PRId64 ", "
	    "\"waiters\": %" PRId64 ", \"servers\": %" PRId64 ", \"sources\": %u, "
	    "\"source_places\": %u, \"server_places\": %u", pools, idle, atomic_load(&s->use->connections),
	    atomic_load(&s->use->permit_waiters), listeners, backends, queued, waiters, servers,
	    sources, places, named);
}

static void
print_held(const struct shared *s)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} what[] = {
		{ HOLDS_PERMIT, "connections" }, { HOLDS_WAIT, "permit_waiters" },
		{ HOLDS_LISTENER, "listeners" }, { HOLDS_BACKEND, "backends" },
		{ HOLDS_QUEUE, "queued" }, { HOLDS_QUEUE, "waiters" }, { HOLDS_SERVER, "servers" },
		{ HOLDS_SOURCE, "sources" },
	};
	unsigned i, k, n = shared_workers(s), idle = 0, workers = 0, held[sizeof(what) / sizeof(*what)] = { 0 };

	for (i = 0; i < n; i++) {
		const struct worker_slot *w = &s->worker[i];
		uint32_t state = atomic_load(&w->state);
		uint32_t holds = worker_holds(state, atomic_load(&w->holds));

		if (atomic_load(&s->post[i].pid) == 0)
			continue;
		workers++;
		idle += state == WORKER_STARTING || state == WORKER_IDLE;
		for (k = 0; k < sizeof(what) / sizeof(*what); k++)
			held[k] += (holds & what[k].bit) != 0;
	}
	printf("\"held\": {\"idle\": %u", idle);
	for (k = 0; k < sizeof(what) / sizeof(*what); k++)
		printf(", \"%s\": %u", what[k].name, held[k]);
	printf("}, \"workers\": %u, \"slots\": %u", workers, n);
}

int
main(int argc, char **argv)
{
	struct shared s;

	if (argc != 2)
		errx(2, "usage: ledger PID");
	if (shared_map(&s, open_segment(argv[1])) != 0)
		err(1, "shared memory");
	printf("{");
	print_gauges(&s);
	printf(", ");
	print_held(&s);
	printf(", \"log_lost\": %llu, \"started\": %llu, \"crashed\": %llu}\n",
	    (unsigned long long)counter_get(&s.use->log_lost),
	    (unsigned long long)counter_get(&s.head->workers_started),
	    (unsigned long long)counter_get(&s.head->workers_crashed));
	return 0;
}
