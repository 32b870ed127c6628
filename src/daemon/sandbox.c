/* SPDX-License-Identifier: ISC */
/*
 * The sandbox.  The master prepares what costs time (names, the empty
 * directory, the compiled filters); each child walks in right after its fork.
 * The order matters: chroot needs root, the death signal is cleared by a
 * change of user, and the filter forbids all of these.
 */
#include "config.h"
#include "daemon/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#ifdef HAVE_LINUX_LANDLOCK_H
#include <linux/landlock.h>
#endif

#include "base/log.h"
#include "daemon/sandbox_filter.h"

#define DEFAULT_USER	"durward"

static int
find_user(struct sandbox *sb, const char *user, const char *group)
{
	const struct passwd *pw = getpwnam(user);
	const struct group *gr = getgrnam(group);

	/* not installed by a package: the default user may not be there (yet) */
	if (pw == NULL && strcmp(user, DEFAULT_USER) == 0 && (pw = getpwnam("nobody")) != NULL) {
		log_warnx("user \"%s\" does not exist: running as nobody (useradd --system %s)",
		    user, user);
		if (gr == NULL) {
			sb->uid = pw->pw_uid;
			sb->gid = pw->pw_gid;
			return 0;
		}
	}
	if (pw == NULL) {
		log_errx("user \"%s\" does not exist (create it, or set `user`)", user);
		return -1;
	}
	if (gr == NULL) {
		log_errx("group \"%s\" does not exist (create it, or set `group`)", group);
		return -1;
	}
	sb->uid = pw->pw_uid;
	sb->gid = gr->gr_gid;
	return 0;
}

/* A directory that nobody can find or fill: removed while we hold it. */
static int
make_empty_dir(void)
{
	char path[] = "/tmp/durward.XXXXXX";
	int fd;

	if (mkdtemp(path) == NULL)
		return -1;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rmdir(path);
	return fd;
}

/* Landlock's version, 0 where the kernel has none. */
static int
landlock_version(void)
{
#if defined(HAVE_LINUX_LANDLOCK_H) && defined(SYS_landlock_create_ruleset)
	long v = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	return v > 0 ? (int)v : 0;
#else
	return 0;
#endif
}

int
sandbox_prepare(struct sandbox *sb, const char *user, const char *group)
{
	memset(sb, 0, sizeof(*sb));
	sb->root = geteuid() == 0;
	sb->empty_dir = -1;
	sb->has_landlock = landlock_version() > 0;
	if (sb->root) {
		if (find_user(sb, user, group) != 0)
			return -1;
		if ((sb->empty_dir = make_empty_dir()) < 0) {
			log_err("cannot make an empty directory for children");
			return -1;
		}
	}
	return sandbox_filter_prepare(sb->filter);
}

/* All paths, and nothing allowed. */
static void
forbid_paths(void)
{
#if defined(HAVE_LINUX_LANDLOCK_H) && defined(SYS_landlock_create_ruleset)
	struct landlock_ruleset_attr attr = {
		.handled_access_fs = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1,
	};
	long fd = syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr.handled_access_fs), 0);

	if (fd < 0)
		return;
	syscall(SYS_landlock_restrict_self, fd, 0);
	close((int)fd);
#endif
}

static int
change_user(const struct sandbox *sb)
{
	if (!sb->root)
		return 0;
	if (setgroups(0, NULL) != 0 || setresgid(sb->gid, sb->gid, sb->gid) != 0 ||
	    setresuid(sb->uid, sb->uid, sb->uid) != 0) {
		log_err("cannot change to uid %d, gid %d", (int)sb->uid, (int)sb->gid);
		return -1;
	}
	/* proof that there is no way back */
	if (sb->uid != 0 && setuid(0) == 0) {
		log_errx("could become root again");
		return -1;
	}
	return 0;
}

int
sandbox_drop_user(const struct sandbox *sb, int death_signal, pid_t master)
{
	if (change_user(sb) != 0)
		return -1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
		log_err("no_new_privs");
		return -1;
	}
	if (death_signal != 0) {
		prctl(PR_SET_PDEATHSIG, death_signal);
		if (getppid() != master)
			raise(death_signal);	/* it died before we asked to be told */
	}
	return 0;
}

int
sandbox_enter(const struct sandbox *sb, enum sandbox_kind kind, int death_signal, pid_t master)
{
#ifndef WITH_SANITIZERS
	static const struct rlimit none = { 0, 0 };
#endif

	if (sb->root && (fchdir(sb->empty_dir) != 0 || chroot(".") != 0 || chdir("/") != 0)) {
		log_err("cannot chroot");
		return -1;
	}
	if (sandbox_drop_user(sb, death_signal, master) != 0)
		return -1;
#ifndef WITH_SANITIZERS
	setrlimit(RLIMIT_CORE, &none);
	if (kind != SANDBOX_CLERK)
		setrlimit(RLIMIT_FSIZE, &none);
	setrlimit(RLIMIT_NPROC, &none);
#endif
	if (sb->has_landlock)
		forbid_paths();
	return sandbox_filter_enter(sb->filter[kind]);
}

void
sandbox_say(const struct sandbox *sb)
{
	log_notice("sandbox: user %s, chroot %s, no_new_privs yes, Landlock %s, system call filter %s",
	    sb->root ? "changed" : "not changed (not started as root)",
	    sb->root ? "yes" : "no (not started as root)",
	    sb->has_landlock ? "yes" : "no (this kernel has none)",
	    sb->filter[SANDBOX_WORKER] != NULL ? "yes" : "no (built without libseccomp)");
}
