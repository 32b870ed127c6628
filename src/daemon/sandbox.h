/* SPDX-License-Identifier: ISC */
/*
 * What a child gives up before it reads a byte from the network: root, the
 * file system, and every system call that its loop does not need.
 */
#ifndef DURWARD_SANDBOX_H
#define DURWARD_SANDBOX_H

#include <stdbool.h>
#include <sys/types.h>

enum sandbox_kind { SANDBOX_WORKER, SANDBOX_CHECKER, SANDBOX_CLERK, SANDBOX_KINDS };

/* Made once by the master. */
struct sandbox {
	bool root;		/* we may change user and root directory */
	uid_t uid;
	gid_t gid;
	int empty_dir;		/* an empty directory without a name; -1 none */
	void *filter[SANDBOX_KINDS];	/* BPF programs (struct sock_fprog) */
	bool has_landlock;
};

/* Prepare for user and group (names; ignored, with a notice, where not root).
 * 0, or -1 after saying why. */
int sandbox_prepare(struct sandbox *sb, const char *user, const char *group);

/* Close behind us: chroot, user, death signal (sent where the master dies),
 * limits, no new privileges, Landlock, system call filter.  0, or -1 after
 * saying why: the caller must not go on. */
int sandbox_enter(const struct sandbox *sb, enum sandbox_kind kind, int death_signal, pid_t master);

/* Only the user, no new privileges and the death signal: for processes that need files (logger,
 * resolver). */
int sandbox_drop_user(const struct sandbox *sb, int death_signal, pid_t master);

/* Say at notice what is in force, and what this system lacks. */
void sandbox_say(const struct sandbox *sb);

#endif
