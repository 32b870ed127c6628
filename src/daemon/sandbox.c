/* SPDX-License-Identifier: ISC */
/*
 * The sandbox.  The master prepares what costs time (the empty
 * directory, the compiled filters) and lets a child try each step, so that it
 * knows what this kernel and this user allow; each child walks in right after
 * its fork.  The order matters: chroot needs root, the death signal is cleared
 * by a change of user, and the filter forbids all of these.
 */
#include "config.h"
#include "daemon/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/log.h"
#include "daemon/sandbox_filter.h"
#include "daemon/sandbox_landlock.h"

#define NO_LIMIT	RLIM_INFINITY
#define AS_IT_IS	(RLIM_INFINITY - 1)

/* Where the C library's look-ups read: nsswitch.conf, hosts, resolv.conf
 * (often a link to /run), the modules that the first of these names. */
static const char *const resolver_paths[] = {
	"/etc", "/run", "/var/run", "/usr", "/lib", "/lib64", "/var/lib/sss", "/var/cache/nscd",
	"/nix/store", "/gnu/store", NULL
};

/* How the kinds differ, apart from their filters. */
static const struct wall {
	bool has_root;			/* no chroot: it names a path later on */
	const char *const *read;	/* for Landlock */
	rlim_t written;			/* bytes in a file */
	rlim_t descriptors;
} walls[SANDBOX_KINDS] = {
	[SANDBOX_WORKER] = { .descriptors = DESCRIPTOR_SHARED },
	[SANDBOX_STATS] = { .descriptors = DESCRIPTOR_SHARED },
	[SANDBOX_CHECKER] = { .descriptors = AS_IT_IS },	/* a socket for each server */
	[SANDBOX_CLERK] = { .descriptors = 128 },
	[SANDBOX_LOGGER] = { .written = NO_LIMIT, .descriptors = 64 },
	/* a syslogd that was restarted has another socket at /dev/log */
	[SANDBOX_LOGGER_SYSLOG] = { .has_root = true, .descriptors = 64 },
	[SANDBOX_LOGGER_UDP] = { .descriptors = 64 },
	[SANDBOX_RESOLVER] = { .has_root = true, .read = resolver_paths, .descriptors = 64 },
};

/* --- what the master prepares ---------------------------------------------------- */

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

/* --- the steps ------------------------------------------------------------------- */

static int
change_root(const struct sandbox *sb)
{
	return fchdir(sb->empty_dir) == 0 && chroot(".") == 0 && chdir("/") == 0 ? 0 : -1;
}

static int
change_user(const struct sandbox *sb)
{
	if (setgroups(0, NULL) != 0 || setresgid(sb->gid, sb->gid, sb->gid) != 0 ||
	    setresuid(sb->uid, sb->uid, sb->uid) != 0)
		return -1;
	/* proof that there is no way back */
	if (sb->uid != 0 && setuid(0) == 0) {
		errno = EBADE;
		return -1;
	}
	return 0;
}

/*
 * A user of their own may have some still: systemd's AmbientCapabilities.  The
 * bounding set stays as the master has it: it says what an execve may give back,
 * of which there is none, nor with no_new_privs could it; to empty it takes a
 * call for each.
 */
static int
drop_capabilities(void)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct none[2];

	memset(none, 0, sizeof(none));
#ifdef PR_CAP_AMBIENT
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
#endif
	return (int)syscall(SYS_capset, &head, none);
}

#define CAP(c)	(UINT64_C(1) << (c))

/* What a master of root's needs, and so one that an upgrade starts; the systemd
 * unit has the same list. */
static const uint64_t masters = CAP(CAP_NET_BIND_SERVICE) | CAP(CAP_SETUID) | CAP(CAP_SETGID) |
    CAP(CAP_SYS_CHROOT) | CAP(CAP_KILL) | CAP(CAP_DAC_OVERRIDE);

void
sandbox_bound(const struct sandbox *sb)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct have[2];
	unsigned long cap;

	if (!sb->root)
		return;
	/* one that the kernel does not know ends it; to drop takes CAP_SETPCAP, which
	 * stays in force until the end */
	for (cap = 0; cap < 64 && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (!(masters & CAP(cap)))
			prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	if (syscall(SYS_capget, &head, have) != 0)
		return;
	for (cap = 0; cap < 2; cap++) {
		have[cap].permitted &= (uint32_t)(masters >> 32 * cap);
		have[cap].effective &= have[cap].permitted;
		have[cap].inheritable &= have[cap].permitted;
	}
	syscall(SYS_capset, &head, have);
}

static void
set_limits(const struct wall *w)
{
#ifdef WITH_SANITIZERS
	(void)w;	/* a report needs files and processes */
#else
	const struct rlimit none = { 0, 0 }, written = { w->written, w->written };
	const struct rlimit descriptors = { w->descriptors, w->descriptors };

	setrlimit(RLIMIT_CORE, &none);
	setrlimit(RLIMIT_NPROC, &none);
	setrlimit(RLIMIT_FSIZE, &written);
	if (w->descriptors != AS_IT_IS)
		setrlimit(RLIMIT_NOFILE, &descriptors);
#endif
}

static int
enter_landlock(const struct sandbox *sb, const struct sandbox_need *need)
{
	struct sandbox_landlock allow = { walls[need->kind].read, need->port, need->nport };

	return sandbox_landlock_enter(&allow, sb->landlock);
}

int
sandbox_enter(const struct sandbox *sb, const struct sandbox_need *need)
{
	const struct wall *w = &walls[need->kind];
	const char *what = NULL;

	if (sb->changes_root && !w->has_root && change_root(sb) != 0)
		what = "cannot chroot";
	if (sb->empty_dir >= 0)
		close(sb->empty_dir);
	if (what == NULL && sb->changes_user && change_user(sb) != 0)
		what = "cannot change the user for good";
	if (what == NULL && (drop_capabilities() != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0))
		what = "cannot give up privileges";
	if (need->death_signal != 0) {
		prctl(PR_SET_PDEATHSIG, need->death_signal);
		if (getppid() != need->master)
			raise(need->death_signal);	/* it died before we asked to be told */
	}
	set_limits(w);
	if (what == NULL && sb->landlock > 0 && enter_landlock(sb, need) != 0)
		what = "cannot enter Landlock";
	if (what == NULL && sb->filters && sandbox_filter_enter(sb->filter[need->kind]) != 0)
		what = "cannot enter the system call filter";
	if (what != NULL)
		log_err("%s", what);
	return what == NULL ? 0 : -1;
}

/* --- what can be had here ---------------------------------------------------------- */

enum { NO_CHROOT = 1, NO_USER = 2, NO_LANDLOCK = 4, NO_FILTER = 8 };

static _Noreturn void
try_steps(const struct sandbox *sb)
{
	const struct sandbox_need need = { .kind = SANDBOX_WORKER };
	int lacks = 0;

	if (sb->changes_root && change_root(sb) != 0)
		lacks |= NO_CHROOT;
	if (sb->changes_user && change_user(sb) != 0)
		lacks |= NO_USER;
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (sb->landlock > 0 && enter_landlock(sb, &need) != 0)
		lacks |= NO_LANDLOCK;
	if (sb->filters && sandbox_filter_enter(sb->filter[SANDBOX_WORKER]) != 0)
		lacks |= NO_FILTER;
	_exit(lacks);
}

/* A container may lack a capability, a kernel an option, and a limit of nested
 * walls be reached: only who tries knows. */
static int
find_out(struct sandbox *sb)
{
	pid_t pid = fork();
	int status, lacks;

	if (pid == 0)
		try_steps(sb);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) {
		log_errx("the sandbox cannot be tried");
		return -1;
	}
	lacks = WEXITSTATUS(status);
	if (lacks & NO_CHROOT)
		sb->changes_root = false;
	if (lacks & NO_USER)
		sb->changes_user = false;
	if (lacks & NO_LANDLOCK)
		sb->landlock = 0;
	if (lacks & NO_FILTER)
		sb->filters = false;
	return 0;
}

int
sandbox_prepare(struct sandbox *sb, uid_t uid, gid_t gid)
{
	memset(sb, 0, sizeof(*sb));
	sb->root = sb->changes_user = sb->changes_root = geteuid() == 0;
	sb->empty_dir = -1;
	sb->landlock = sandbox_landlock_version();
	if (sb->root) {
		sb->uid = uid;
		sb->gid = gid;
		if ((sb->empty_dir = make_empty_dir()) < 0) {
			log_err("cannot make an empty directory for children");
			return -1;
		}
	}
	if (sandbox_filter_prepare(sb->filter) != 0)
		return -1;
	sb->filters = sb->filter[SANDBOX_WORKER] != NULL;
	return find_out(sb);
}

/* --- in words ------------------------------------------------------------------------ */

static const char *
landlock_words(int version, char *buf, size_t size)
{
	if (version == 0)
		return "no (this kernel has none)";
	snprintf(buf, size, "yes (version %d: paths%s%s)", version,
	    version >= LANDLOCK_HAS_PORTS ? ", TCP ports" : "; TCP ports need 4",
	    version >= LANDLOCK_HAS_SCOPES ? ", signals" : "; signals need 6");
	return buf;
}

static const char *
filter_words(const struct sandbox *sb)
{
	if (sb->filter[SANDBOX_WORKER] == NULL)
		return "no (built without libseccomp)";
	return sb->filters ? "yes" : "no (this kernel has none)";
}

static const char *
root_words(const struct sandbox *sb, bool done, const char *yes, const char *no)
{
	static char buf[2][64];
	static unsigned which;
	char *b = buf[which++ % 2];

	if (done)
		return yes;
	snprintf(b, sizeof(buf[0]), "%s (%s)", no, sb->root ? "root may not, here" : "not started as root");
	return b;
}

void
sandbox_say(const struct sandbox *sb)
{
	char landlock[96];

	log_notice("sandbox: user %s, chroot %s, no_new_privs yes, Landlock %s, system call filter %s",
	    root_words(sb, sb->changes_user, "changed", "not changed"),
	    root_words(sb, sb->changes_root, "yes", "no"),
	    landlock_words(sb->landlock, landlock, sizeof(landlock)), filter_words(sb));
}

const char *
sandbox_offer(char *buf, size_t size)
{
	char landlock[96];

	snprintf(buf, size, "system call filter %s, Landlock %s",
	    sandbox_filter_offered() ? "yes" : "no",
	    landlock_words(sandbox_landlock_version(), landlock, sizeof(landlock)));
	return buf;
}
