/* SPDX-License-Identifier: ISC */
/*
 * Ways out of the sandbox, tried from inside: each row is a thing that an
 * attacker would do, each column a wall that must stop it by itself.  A child
 * walks into the very sandbox of its kind, tries, and tells how it went.
 *
 * Half of it needs root (chroot, the user); started as an ordinary user, the
 * other half is tried.
 */
#include "config.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "daemon/sandbox.h"
#include "daemon/sandbox_landlock.h"

#ifndef MSG_FASTOPEN
#define MSG_FASTOPEN 0x20000000
#endif

#define COUNT(a)	((int)(sizeof(a) / sizeof(*(a))))

#ifdef WITH_SANITIZERS	/* their filter allows what a report needs, their limits too */
static const bool is_strict = false;
#else
static const bool is_strict = true;
#endif

static struct sandbox sandbox;
static uint16_t open_port, closed_port;	/* both listen; one is allowed */
static int outside;			/* a file that was open before */
static int common, common_event, common_pipe;	/* as all workers have them */
static int of_its_own;			/* a client's socket */
static void *shared;			/* memory that others have as well */

/* --- what is tried: 0 it went, or errno ------------------------------------------ */

static int
result(long r)
{
	return r < 0 ? errno : 0;
}

static int
read_passwd(void)
{
	return result(open("/etc/passwd", O_RDONLY));
}

static int
write_file(void)
{
	return result(open("/tmp/durward-test-sandbox", O_WRONLY | O_CREAT | O_EXCL, 0600));
}

static int
run_shell(void)
{
	char sh[] = "/bin/sh", *argv[] = { sh, NULL };

	return result(execv(sh, argv));
}

static int
make_process(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		_exit(0);
	return result(pid);
}

static int
trace_parent(void)
{
	return result(ptrace(PTRACE_SEIZE, getppid(), 0, 0));
}

static int
read_parent(void)
{
	char byte;
	struct iovec mine = { &byte, 1 }, theirs = { &outside, 1 };

	return result(syscall(SYS_process_vm_readv, getppid(), &mine, 1, &theirs, 1, 0));
}

static int
signal_parent(void)
{
	return result(kill(getppid(), SIGCONT));
}

/* The one call that is allowed, with another's number. */
static int
abort_parent(void)
{
	return result(syscall(SYS_tgkill, getppid(), getppid(), SIGABRT));
}

static int
become_root(void)
{
	return result(setuid(0));
}

static int
new_namespace(void)
{
	return result(unshare(CLONE_NEWUSER));
}

static int
tcp_to(uint16_t port, int flags)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return errno;
	if (flags != 0)
		return result(sendto(fd, "x", 1, flags, (struct sockaddr *)&to, sizeof(to)));
	return result(connect(fd, (struct sockaddr *)&to, sizeof(to)));
}

static int
dial_server(void)
{
	return tcp_to(open_port, 0);
}

static int
dial_elsewhere(void)
{
	return tcp_to(closed_port, 0);
}

static int
dial_by_fast_open(void)
{
	return tcp_to(closed_port, MSG_FASTOPEN);
}

static int
multipath_socket(void)
{
	return result(socket(AF_INET, SOCK_STREAM, 262 /* IPPROTO_MPTCP */));
}

static int
udp_socket(void)
{
	return result(socket(AF_INET, SOCK_DGRAM, 0));
}

static int
unix_socket(void)
{
	return result(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int
netlink_socket(void)
{
	return result(socket(AF_NETLINK, SOCK_RAW, 0));
}

static int
bind_port(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return fd < 0 ? errno : result(bind(fd, (struct sockaddr *)&any, sizeof(any)));
}

static int
own_signals(void)
{
	return result(fcntl(outside, F_SETOWN, getppid()));
}

static int
executable_memory(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? errno : 0;
}

static int
make_executable(void)
{
	return result(mprotect((void *)((uintptr_t)&sandbox & ~(uintptr_t)4095), 4096,
	    PROT_READ | PROT_WRITE | PROT_EXEC));
}

static int
empty_shared_memory(void)
{
	return result(madvise(shared, 4096, MADV_REMOVE));
}

static int
give_memory_back(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? errno : result(madvise(p, 4096, MADV_DONTNEED));
}

static int
shut_common(void)
{
	/* another one may have done so before */
	return shutdown(common, SHUT_RDWR) == 0 || errno == ENOTCONN ? 0 : errno;
}

static int
shut_its_own(void)
{
	return result(shutdown(of_its_own, SHUT_RDWR));
}

/* To nobody: a listening socket listens no more. */
static int
connect_common(void)
{
	struct sockaddr nobody = { .sa_family = AF_UNSPEC };

	return result(connect(common, &nobody, sizeof(nobody)));
}

static int
unblock_common(void)
{
	return result(fcntl(common, F_SETFL, O_NONBLOCK));
}

static int
unblock_its_own(void)
{
	return result(fcntl(of_its_own, F_SETFL, O_NONBLOCK));
}

static int
tune_common(void)
{
	struct timeval soon = { 0, 1 };

	return result(setsockopt(common, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon)));
}

static int
tune_its_own(void)
{
	struct timeval soon = { 0, 1 };

	return result(setsockopt(of_its_own, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon)));
}

/* A word that was meant for another one. */
static int
read_common(void)
{
	uint64_t count;

	return result(read(common_event, &count, sizeof(count)));
}

static int
splice_common(void)
{
	int into[2];

	if (pipe2(into, O_CLOEXEC) != 0)
		return errno;
	/* some kernels can, some cannot: nothing may be asked of it */
	return splice(common_event, NULL, into[1], NULL, 8, 0) < 0 && errno != EINVAL ? errno : 0;
}

/* What the relay does where pipes are rationed. */
static int
resize_its_own_pipe(void)
{
	int own[2];

	if (pipe2(own, O_CLOEXEC) != 0 || fcntl(own[1], F_GETPIPE_SZ) < 0)
		return errno;
	return result(fcntl(own[1], F_SETPIPE_SZ, 8192));
}

static int
splice_into_common(void)
{
	int from[2];

	if (pipe2(from, O_CLOEXEC) != 0 || write(from[1], "x", 1) != 1)
		return errno;
	return result(splice(from[0], NULL, common_pipe, NULL, 1, 0));
}

static int
splice_its_own(void)
{
	int from[2], to[2];

	if (pipe2(from, O_CLOEXEC) != 0 || pipe2(to, O_CLOEXEC) != 0 || write(from[1], "x", 1) != 1)
		return errno;
	return result(splice(from[0], NULL, to[1], NULL, 1, 0));
}

static int
write_more(void)
{
	return result(write(outside, "x", 1));
}

static int
many_descriptors(void)
{
	int i, fd = 0;

	for (i = 0; i < 1000 && fd >= 0; i++)
		fd = socket(AF_INET, SOCK_STREAM, 0);
	return result(fd);
}

/* --- inside ------------------------------------------------------------------------ */

enum { KILLED = 1000 };		/* by SIGSYS; less is an errno */

/* How it went in a child of this kind, in this sandbox. */
static int
from_inside(const struct sandbox *sb, enum sandbox_kind kind, int (*attempt)(void))
{
	const struct sandbox_need need = { kind, &open_port, 1, 0, getpid() };
	int status, said[2];
	pid_t pid;
	int r;

	ck_assert_int_eq(pipe(said), 0);
	if ((pid = fork()) == 0) {
		signal(SIGXFSZ, SIG_IGN);	/* errno tells */
		if (sandbox_enter(sb, &need) != 0)
			_exit(1);
		r = attempt();
		_exit(write(said[1], &r, sizeof(r)) == sizeof(r) ? 0 : 2);
	}
	ck_assert_int_gt(pid, 0);
	close(said[1]);
	if (read(said[0], &r, sizeof(r)) != sizeof(r))
		r = -1;
	close(said[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		return KILLED;
	ck_assert_msg(r >= 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0,
	    "the child ended with %#x", (unsigned)status);
	return r;
}

static int
listening(uint16_t *port)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(any);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&any, len), 0);
	ck_assert_int_eq(listen(fd, 64), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&any, &len), 0);
	*port = ntohs(any.sin_port);
	return fd;
}

static void
prepare(void)
{
	char path[] = "/tmp/durward-test-sandbox.XXXXXX";
	int pair[2];

	ck_assert_int_eq(sandbox_prepare(&sandbox, getpwnam("nobody")->pw_uid, 65534), 0);
	common = descriptor_share(listening(&open_port));
	ck_assert_int_ge(common, DESCRIPTOR_SHARED);
	ck_assert_int_ge(listening(&closed_port), 0);
	common_event = descriptor_share(eventfd(SANDBOX_KINDS, EFD_SEMAPHORE));
	ck_assert_int_ge(common_event, DESCRIPTOR_SHARED);
	ck_assert_int_eq(pipe(pair), 0);
	ck_assert_int_ge(common_pipe = descriptor_share(pair[1]), DESCRIPTOR_SHARED);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	of_its_own = pair[0];
	ck_assert_int_ge(outside = mkstemp(path), 0);
	unlink(path);
	/* to be written, for older kernels empty no other */
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(shared, MAP_FAILED);
}

/* --- the tables -------------------------------------------------------------------- */

#define W	(1u << SANDBOX_WORKER)
#define S	(1u << SANDBOX_STATS)
#define C	(1u << SANDBOX_CHECKER)
#define K	(1u << SANDBOX_CLERK)
#define F	(1u << SANDBOX_LOGGER)
#define Y	(1u << SANDBOX_LOGGER_SYSLOG)
#define U	(1u << SANDBOX_LOGGER_UDP)
#define R	(1u << SANDBOX_RESOLVER)
#define ALL	(W | S | C | K | F | Y | U | R)

/* Who makes sockets, where no filter sees of which kind, nor which one is meant. */
#ifdef __i386__
#define ANY_SOCKET	(W | C | Y | U | R)
#define ANY_NUMBER(who)	(who)
#else
#define ANY_SOCKET	0u
#define ANY_NUMBER(who)	0u
#endif

static const struct attempt {
	const char *name;
	int (*run)(void);
	unsigned may;		/* who may, and can */
	int without_filter;	/* errno by the other walls; 0: the filter alone stops it */
	bool needs_root;	/* that other wall does */
	int landlock;		/* from this version on; 0: another wall */
} attempts[] = {
	{ "read a file", read_passwd, R, EACCES, false, LANDLOCK_HAS_PATHS },
	{ "write a file", write_file, 0, EACCES, false, LANDLOCK_HAS_PATHS },
	{ "execute", run_shell, 0, EACCES, false, LANDLOCK_HAS_PATHS },
	{ "fork", make_process, 0, EAGAIN, true, 0 },
	{ "trace the parent", trace_parent, 0, EPERM, false, LANDLOCK_HAS_PATHS },
	{ "read the parent's memory", read_parent, 0, EPERM, false, LANDLOCK_HAS_PATHS },
	{ "signal the parent", signal_parent, 0, EPERM, false, LANDLOCK_HAS_SCOPES },
	{ "abort the parent", abort_parent, 0, EPERM, false, LANDLOCK_HAS_SCOPES },
	{ "become root", become_root, 0, EPERM, true, 0 },
	{ "make a user namespace", new_namespace, 0, 0, false, 0 },
	{ "dial a server", dial_server, W | C | R | ANY_SOCKET, 0, false, 0 },
	{ "dial another port", dial_elsewhere, 0, EACCES, false, LANDLOCK_HAS_PORTS },
	{ "dial by TCP fast open", dial_by_fast_open, ANY_SOCKET & (W | C | R), 0, false, 0 },
	{ "multipath TCP", multipath_socket, ANY_SOCKET, 0, false, 0 },
	{ "UDP", udp_socket, U | R | ANY_SOCKET, 0, false, 0 },
	{ "unix sockets", unix_socket, R | ANY_SOCKET, 0, false, 0 },
	{ "netlink", netlink_socket, R | ANY_SOCKET, 0, false, 0 },
	{ "bind a port", bind_port, 0, EACCES, false, LANDLOCK_HAS_PORTS },
	{ "own a descriptor's signals", own_signals, 0, 0, false, 0 },
	{ "map executable memory", executable_memory, R, 0, false, 0 },
	{ "make memory executable", make_executable, R, 0, false, 0 },
	{ "give memory back", give_memory_back, ALL, 0, false, 0 },
	{ "empty shared memory", empty_shared_memory, C | K | R, 0, false, 0 },
	{ "shut what all share", shut_common, ANY_NUMBER(W | S), 0, false, 0 },
	{ "connect what all share", connect_common, C | Y | U | R | ANY_NUMBER(W), 0, false, 0 },
	{ "unblock what all share", unblock_common, K | R, 0, false, 0 },
	{ "tune what all share", tune_common, R | ANY_NUMBER(W | S | C), 0, false, 0 },
	{ "read what all share", read_common, C | K | F | Y | U | R, 0, false, 0 },
	{ "splice what all share", splice_common, 0, 0, false, 0 },
	{ "splice into what all share", splice_into_common, 0, 0, false, 0 },
	{ "splice its own", splice_its_own, W, 0, false, 0 },
	{ "resize its own pipe", resize_its_own_pipe, W, 0, false, 0 },
	{ "shut its own", shut_its_own, W | S, 0, false, 0 },
	{ "unblock its own", unblock_its_own, W | K | R, 0, false, 0 },
	{ "tune its own", tune_its_own, W | S | R | ANY_NUMBER(C), 0, false, 0 },
};

static const char *const kind_name[SANDBOX_KINDS] = {
	"worker", "stats worker", "checker", "clerk", "logger", "logger to syslog", "logger to UDP",
	"resolver"
};

/* The whole sandbox: what is not allowed kills; in the resolver it fails. */
START_TEST(the_whole_sandbox)
{
	const struct attempt *a = &attempts[_i];

	prepare();
	if (!sandbox.filters)
		return;
	for (unsigned kind = 0; kind < SANDBOX_KINDS; kind++) {
		int r = from_inside(&sandbox, (enum sandbox_kind)kind, a->run);

		if (a->may & 1u << kind)
			ck_assert_msg(r == 0, "%s: the %s may not: %s", a->name, kind_name[kind],
			    r == KILLED ? "killed" : strerror(r));
		else if (a->run == dial_elsewhere && (W | C | ANY_SOCKET) & ~R & 1u << kind)
			ck_assert_msg(r == (sandbox.landlock >= a->landlock ? EACCES : 0),
			    "%s: the %s: %d (%s)", a->name, kind_name[kind], r, strerror(r));
		else if (kind == SANDBOX_RESOLVER)
			ck_assert_msg(r == EPERM || r == EACCES, "%s: the resolver: %d", a->name, r);
		else
			ck_assert_msg(r == KILLED, "%s: the %s was not killed: %d (%s)", a->name,
			    kind_name[kind], r, strerror(r));
	}
}
END_TEST

/* The same with the filter gone: a second wall stands behind it. */
START_TEST(without_the_filter)
{
	const struct attempt *a = &attempts[_i];
	struct sandbox sb;

	prepare();
	sb = sandbox;
	sb.filters = false;
	if (!is_strict && a->run == make_process)
		return;
	if (a->without_filter == 0 || sb.landlock < a->landlock || (a->needs_root && !sb.changes_user))
		return;
	for (unsigned kind = 0; kind < SANDBOX_KINDS; kind++) {
		int r = from_inside(&sb, (enum sandbox_kind)kind, a->run);

		if (a->may & 1u << kind)
			continue;
		ck_assert_msg(r == a->without_filter, "%s: the %s: %d (%s)", a->name,
		    kind_name[kind], r, strerror(r));
	}
}
END_TEST

/* Nothing is there, and the directory itself is root's. */
static void
finds_nothing(const struct sandbox *sb, int (*attempt)(void))
{
	int r = from_inside(sb, SANDBOX_WORKER, attempt);

	ck_assert_msg(r == ENOENT || r == EACCES, "%d (%s)", r, strerror(r));
}

START_TEST(an_empty_root_alone)
{
	struct sandbox sb;

	prepare();
	if (!sandbox.changes_root)
		return;
	sb = sandbox;
	sb.filters = false;
	sb.landlock = 0;
	finds_nothing(&sb, read_passwd);
	finds_nothing(&sb, run_shell);
	finds_nothing(&sb, write_file);
	ck_assert_int_eq(from_inside(&sb, SANDBOX_WORKER, trace_parent), EPERM);
}
END_TEST

START_TEST(limits)
{
	struct sandbox sb;

	prepare();
	sb = sandbox;
	sb.filters = false;
	ck_assert_int_eq(from_inside(&sb, SANDBOX_WORKER, write_more), EFBIG);
	ck_assert_int_eq(from_inside(&sb, SANDBOX_RESOLVER, write_more), EFBIG);
	ck_assert_int_eq(from_inside(&sb, SANDBOX_LOGGER, write_more), 0);
	ck_assert_int_eq(from_inside(&sb, SANDBOX_WORKER, many_descriptors), EMFILE);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("sandbox");
	TCase *t = tcase_create("ways out");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	if (is_strict) {
		tcase_add_loop_test(t, the_whole_sandbox, 0, COUNT(attempts));
		tcase_add_test(t, limits);
	}
	tcase_add_loop_test(t, without_the_filter, 0, COUNT(attempts));
	tcase_add_test(t, an_empty_root_alone);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
