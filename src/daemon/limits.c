/* SPDX-License-Identifier: ISC */
/* At start and in -t.  Reads /proc and the control group; writes nothing. */
#include "config.h"
#include "daemon/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/descriptor.h"

#define OTHERS	16	/* master, checker, clerk, logger, resolver, and some air */

/* The number in a file; -1 where there is none ("max" too). */
static long
number_in(const char *path)
{
	FILE *f = fopen(path, "re");
	long n = -1;

	if (f == NULL)
		return -1;
	if (fscanf(f, "%ld", &n) != 1)
		n = -1;
	fclose(f);
	return n;
}

/* pids.max of our own control group, version 2 or 1. */
static long
cgroup_pids(void)
{
	char line[512], path[700], *group;
	FILE *f = fopen("/proc/self/cgroup", "re");
	long n = -1;

	if (f == NULL)
		return -1;
	while (n < 0 && fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "0::", 3) == 0)
			snprintf(path, sizeof(path), "/sys/fs/cgroup%s/pids.max", line + 3);
		else if ((group = strstr(line, ":pids:")) != NULL)
			snprintf(path, sizeof(path), "/sys/fs/cgroup/pids%s/pids.max", group + 6);
		else
			continue;
		n = number_in(path);
	}
	fclose(f);
	return n;
}

static void
compare(const struct conf *c, const char *what, long have, long need, conf_report *warn, void *arg)
{
	char text[512];

	if (have < 0 || have >= need)
		return;
	snprintf(text, sizeof(text), "%s: max-connections = %u can need %ld processes, but %s allows %ld",
	    c->path, c->max_connections, need, what, have);
	warn(arg, text);
}

void
limits_warn(const struct conf *c, conf_report *warn, void *arg)
{
	long need = (long)c->max_connections + OTHERS;
	struct rlimit r;
	unsigned i;

	for (i = 0; i < c->nlistener; i++) {
		long spares = (long)c->spare_max * (long)c->listener[i].nbind;

		need += spares < (long)c->listener[i].max_connections ? spares : (long)c->listener[i].max_connections;
	}
	compare(c, "/proc/sys/kernel/pid_max", number_in("/proc/sys/kernel/pid_max"), need, warn, arg);
	compare(c, "/proc/sys/kernel/threads-max", number_in("/proc/sys/kernel/threads-max"), need, warn, arg);
	compare(c, "the control group (pids.max, systemd's TasksMax)", cgroup_pids(), need, warn, arg);
	if (getrlimit(RLIMIT_NPROC, &r) == 0 && r.rlim_cur != RLIM_INFINITY)
		compare(c, "RLIMIT_NPROC (ulimit -u)", (long)r.rlim_cur, need, warn, arg);
	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur != RLIM_INFINITY) {
		char text[512];
		long fds = DESCRIPTOR_SHARED + 8;

		for (i = 0; i < c->nlistener; i++)	/* and as many of the next, in a reload */
			fds += 2 * (long)c->listener[i].nbind;
		if ((long)r.rlim_cur < fds) {
			snprintf(text, sizeof(text), "%s: the master can need %ld descriptors, but "
			    "RLIMIT_NOFILE (ulimit -n) allows %ld", c->path, fds, (long)r.rlim_cur);
			warn(arg, text);
		}
	}
}
