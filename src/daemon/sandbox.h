/* SPDX-License-Identifier: ISC */
/*
 * What a child gives up before it reads a byte from the network: root, the
 * file system, ports, and every system call that its loop does not need.
 * Each kind of child has walls of its own.
 */
#ifndef DURWARD_SANDBOX_H
#define DURWARD_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum sandbox_kind {
	SANDBOX_WORKER,
	SANDBOX_STATS,		/* a worker of a stats listener: it dials nobody */
	SANDBOX_CHECKER,
	SANDBOX_CLERK,
	SANDBOX_LOGGER,		/* to a file or stderr */
	SANDBOX_LOGGER_SYSLOG,
	SANDBOX_LOGGER_UDP,
	SANDBOX_RESOLVER,
	SANDBOX_KINDS
};

/* Made once by the master: what is in force here. */
struct sandbox {
	bool root;		/* started as root */
	bool changes_user, changes_root;	/* we may, and do */
	uid_t uid;
	gid_t gid;
	int empty_dir;		/* an empty directory without a name; -1 none */
	int landlock;		/* its version; 0 none */
	bool filters;		/* system call filters */
	void *filter[SANDBOX_KINDS];	/* BPF programs (struct sock_fprog); NULL none */
};

/* What one child needs. */
struct sandbox_need {
	enum sandbox_kind kind;
	const uint16_t *port;	/* TCP ports that it connects to */
	unsigned nport;
	int death_signal;	/* sent where the master dies; 0 none */
	pid_t master;
};

/* Prepare for user and group (ignored, with a notice, where not root), and try in
 * a child what this system allows.  0, or -1 after saying why. */
int sandbox_prepare(struct sandbox *sb, uid_t uid, gid_t gid);

/* For the master of root's: it keeps the capabilities that it and its children
 * need on their way, and so does what it executes.  What cannot be dropped stays. */
void sandbox_bound(const struct sandbox *sb);

/* Close behind us: chroot, user, capabilities, death signal, limits, no new
 * privileges, Landlock, system call filter.  0, or -1 after saying why: the
 * caller must not go on.  Closes empty_dir. */
int sandbox_enter(const struct sandbox *sb, const struct sandbox_need *need);

/* Say at notice what is in force, and what this system lacks. */
void sandbox_say(const struct sandbox *sb);

/* For -V: what this kernel offers, in words. */
const char *sandbox_offer(char *buf, size_t size);

#endif
