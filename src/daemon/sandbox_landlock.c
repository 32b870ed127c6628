/* SPDX-License-Identifier: ISC */
/*
 * Landlock, by its system calls: no C library has them.  In every child, on
 * its way into the sandbox.  The numbers are the kernel's own and stand here,
 * so that an executable built with old headers uses what a new kernel has.
 */
#include "config.h"
#include "daemon/sandbox_landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset	444
#define SYS_landlock_add_rule		445
#define SYS_landlock_restrict_self	446
#endif

#define CREATE_VERSION		1u

#define FS_READ_FILE		(UINT64_C(1) << 2)
#define FS_READ_DIR		(UINT64_C(1) << 3)
#define FS_VERSION_1		((UINT64_C(1) << 13) - 1)
#define FS_REFER		(UINT64_C(1) << 13)	/* version 2 */
#define FS_TRUNCATE		(UINT64_C(1) << 14)	/* 3 */
#define FS_IOCTL_DEV		(UINT64_C(1) << 15)	/* 5 */
#define NET_BIND_TCP		(UINT64_C(1) << 0)	/* 4 */
#define NET_CONNECT_TCP		(UINT64_C(1) << 1)
#define SCOPE_ABSTRACT_UNIX	(UINT64_C(1) << 0)	/* 6 */
#define SCOPE_SIGNAL		(UINT64_C(1) << 1)

#define RULE_PATH	1
#define RULE_PORT	2

struct ruleset_attr {
	uint64_t fs, net, scoped;
};

struct path_attr {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));

struct port_attr {
	uint64_t allowed, port;
};

int
sandbox_landlock_version(void)
{
	long v = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);

	return v > 0 ? (int)v : 0;
}

/* All that this version can forbid; an older kernel takes a shorter struct. */
static int
create(int version)
{
	struct ruleset_attr a = { FS_VERSION_1, 0, 0 };
	size_t size = offsetof(struct ruleset_attr, net);

	if (version >= 2)
		a.fs |= FS_REFER;
	if (version >= 3)
		a.fs |= FS_TRUNCATE;
	if (version >= 5)
		a.fs |= FS_IOCTL_DEV;
	if (version >= LANDLOCK_HAS_PORTS) {
		a.net = NET_BIND_TCP | NET_CONNECT_TCP;
		size = offsetof(struct ruleset_attr, scoped);
	}
	if (version >= LANDLOCK_HAS_SCOPES) {
		a.scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
		size = sizeof(a);
	}
	return (int)syscall(SYS_landlock_create_ruleset, &a, size, 0);
}

/* A directory that is not there needs no rule. */
static int
allow_reading(int ruleset, const char *path)
{
	struct path_attr rule = { FS_READ_FILE | FS_READ_DIR, -1 };
	long r;

	if ((rule.fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
		return 0;
	r = syscall(SYS_landlock_add_rule, ruleset, RULE_PATH, &rule, 0);
	close(rule.fd);
	return (int)r;
}

static int
add_rules(int ruleset, const struct sandbox_landlock *allow, int version)
{
	const char *const *path;
	unsigned i;

	for (path = allow->read; path != NULL && *path != NULL; path++)
		if (allow_reading(ruleset, *path) != 0)
			return -1;
	for (i = 0; i < allow->nport && version >= LANDLOCK_HAS_PORTS; i++) {
		struct port_attr rule = { NET_CONNECT_TCP, allow->port[i] };

		if (syscall(SYS_landlock_add_rule, ruleset, RULE_PORT, &rule, 0) != 0)
			return -1;
	}
	return 0;
}

int
sandbox_landlock_enter(const struct sandbox_landlock *allow, int version)
{
	int saved, r, ruleset = create(version);

	if (ruleset < 0)
		return -1;
	r = add_rules(ruleset, allow, version);
	if (r == 0)
		r = (int)syscall(SYS_landlock_restrict_self, ruleset, 0);
	saved = errno;
	close(ruleset);
	errno = saved;
	return r;
}
