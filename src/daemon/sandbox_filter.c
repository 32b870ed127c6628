/* SPDX-License-Identifier: ISC */
/*
 * The system call filters.  Each call stands here with its reason, and with
 * the arguments that are right, where not all are.  Made in the master; a
 * child loads its own.  Nothing here may depend on what a client sends.
 */
#include "config.h"
#include "daemon/sandbox_filter.h"

#include <errno.h>
#include <linux/filter.h>
#ifdef __i386__
#include <linux/net.h>
#endif
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

bool
sandbox_filter_offered(void)
{
	uint32_t action = SECCOMP_RET_KILL_PROCESS;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

#ifdef HAVE_SECCOMP

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/descriptor.h"
#include "base/log.h"

#define W	(1u << SANDBOX_WORKER)
#define S	(1u << SANDBOX_STATS)
#define C	(1u << SANDBOX_CHECKER)
#define K	(1u << SANDBOX_CLERK)
#define F	(1u << SANDBOX_LOGGER)
#define Y	(1u << SANDBOX_LOGGER_SYSLOG)
#define U	(1u << SANDBOX_LOGGER_UDP)
#define R	(1u << SANDBOX_RESOLVER)
#define L	(F | Y | U)
#define ANY	(W | S | C | K | L | R)

static const struct {
	int call;
	unsigned who;
} allowed[] = {
	/* sockets that are there */
	{ SCMP_SYS(recvfrom), W | S | C | K | R },
	{ SCMP_SYS(recvmsg), L | R },		/* a log file that was opened anew */
	{ SCMP_SYS(read), ANY & ~(W | S) },	/* eventfd, the log's pipe, OpenSSL */
	{ SCMP_SYS(write), ANY },		/* the log's pipe, eventfd */
	{ SCMP_SYS(writev), ANY },		/* the log; a C library's last words */
	{ SCMP_SYS(poll), ANY },
	{ SCMP_SYS(ppoll), ANY },
	{ SCMP_SYS(close), ANY },
	{ SCMP_SYS(getsockname), W | R },	/* PROXY headers */
	{ SCMP_SYS(accept4), W | S | K },
	{ SCMP_SYS(accept), W | S | K },	/* musl tries it where a socket listens no more */
	{ SCMP_SYS(connect), C | Y | U | R },
	{ SCMP_SYS(pipe2), W },			/* the pipe for it */
	{ SCMP_SYS(epoll_ctl), C },
	{ SCMP_SYS(epoll_wait), C },
	{ SCMP_SYS(epoll_pwait), C },
	/* waiting for a place in shared memory */
	{ SCMP_SYS(futex), ANY },
	/* time, where the vdso cannot tell it */
	{ SCMP_SYS(clock_gettime), ANY },
	{ SCMP_SYS(gettimeofday), ANY },
	{ SCMP_SYS(time), ANY },
	{ SCMP_SYS(setitimer), W },		/* kept server connections age */
	/* memory of our own: stats pages, crypt(3), OpenSSL */
	{ SCMP_SYS(brk), ANY },
	{ SCMP_SYS(munmap), ANY },
	{ SCMP_SYS(mremap), ANY },
	{ SCMP_SYS(madvise), C | K | R },
	{ SCMP_SYS(getrandom), ANY },
	/* signals that end us, and ending */
	{ SCMP_SYS(rt_sigreturn), ANY },
	{ SCMP_SYS(rt_sigprocmask), ANY },
	{ SCMP_SYS(rt_sigaction), ANY },
	{ SCMP_SYS(restart_syscall), ANY },
	{ SCMP_SYS(getpid), ANY },
	{ SCMP_SYS(gettid), ANY },
	{ SCMP_SYS(exit), ANY },
	{ SCMP_SYS(exit_group), ANY },
	/* look-ups: the C library reads its files, loads the modules that
	 * nsswitch.conf names, and asks DNS, nscd or systemd-resolved */
	{ SCMP_SYS(fstat), R },
	{ SCMP_SYS(stat), R },
	{ SCMP_SYS(newfstatat), R },
	{ SCMP_SYS(statx), R },
	{ SCMP_SYS(lseek), R },
	{ SCMP_SYS(pread64), R },
	{ SCMP_SYS(readlink), R },
	{ SCMP_SYS(access), R },
	{ SCMP_SYS(faccessat), R },
	{ SCMP_SYS(mmap), R },
	{ SCMP_SYS(mmap2), R },
	{ SCMP_SYS(mprotect), R },
	{ SCMP_SYS(sendmmsg), R },		/* A and AAAA in one */
	{ SCMP_SYS(setsockopt), R },
	{ SCMP_SYS(bind), R },			/* AI_ADDRCONFIG asks netlink */
	{ SCMP_SYS(getpeername), R },
	{ SCMP_SYS(uname), R },
	{ SCMP_SYS(getuid), R },
	{ SCMP_SYS(geteuid), R },
	{ SCMP_SYS(getgid), R },
	{ SCMP_SYS(getegid), R },
	/* the same on 32-bit machines; names that ours lacks are passed over */
#ifdef __SNR_clock_gettime64
	{ SCMP_SYS(clock_gettime64), ANY },
	{ SCMP_SYS(futex_time64), ANY },
	{ SCMP_SYS(ppoll_time64), ANY },
#endif
	{ SCMP_SYS(sigreturn), ANY },
	{ SCMP_SYS(stat64), R },
	{ SCMP_SYS(fstat64), R },
	{ SCMP_SYS(fstatat64), R },
	{ SCMP_SYS(_llseek), R },
	{ SCMP_SYS(getuid32), R },
	{ SCMP_SYS(geteuid32), R },
	{ SCMP_SYS(getgid32), R },
	{ SCMP_SYS(getegid32), R },
#ifdef WITH_SANITIZERS
	/* what a sanitizer's run time needs to watch and to report */
	{ SCMP_SYS(read), W | S },
	{ SCMP_SYS(madvise), W | S | L },
	{ SCMP_SYS(mmap), ANY & ~R },
	{ SCMP_SYS(mprotect), ANY & ~R },
	{ SCMP_SYS(sigaltstack), ANY },
	{ SCMP_SYS(openat), ANY },
	{ SCMP_SYS(open), ANY },
	{ SCMP_SYS(readlink), ANY & ~R },
	{ SCMP_SYS(readlinkat), ANY },
	{ SCMP_SYS(fstat), ANY & ~R },
	{ SCMP_SYS(newfstatat), ANY & ~R },
	{ SCMP_SYS(stat), ANY & ~R },
	{ SCMP_SYS(lseek), ANY & ~R },
	{ SCMP_SYS(pread64), ANY & ~R },
	{ SCMP_SYS(getdents64), ANY },
	{ SCMP_SYS(clone), ANY },
	{ SCMP_SYS(clone3), ANY },
	{ SCMP_SYS(wait4), ANY },
	{ SCMP_SYS(prctl), ANY },
	{ SCMP_SYS(ptrace), ANY },
	{ SCMP_SYS(process_vm_readv), ANY },
	{ SCMP_SYS(sched_yield), ANY },
	{ SCMP_SYS(sched_getaffinity), ANY },
	{ SCMP_SYS(getrlimit), ANY },
	{ SCMP_SYS(prlimit64), ANY },
	{ SCMP_SYS(getuid), ANY & ~R },
	{ SCMP_SYS(geteuid), ANY & ~R },
	{ SCMP_SYS(set_robust_list), ANY },
	{ SCMP_SYS(rseq), ANY },
	{ SCMP_SYS(kill), ANY },
	{ SCMP_SYS(dup), ANY },
	{ SCMP_SYS(dup2), ANY },
	{ SCMP_SYS(uname), ANY & ~R },
	{ SCMP_SYS(ioctl), ANY },
	{ SCMP_SYS(clock_nanosleep), ANY },
	{ SCMP_SYS(nanosleep), ANY },
#endif
};

/* Calls that are right with these arguments only: each line one way. */
#define NO_FLAG(n, flags)	{ n, SCMP_CMP_MASKED_EQ, (flags), 0 }
#define HAS_FLAG(n, flag)	{ n, SCMP_CMP_MASKED_EQ, (flag), (flag) }
#define IS(n, value)		{ n, SCMP_CMP_EQ, (value), 0 }
#define TYPE_IS(type)		{ 1, SCMP_CMP_MASKED_EQ, \
				    0xffffffffu & ~(unsigned)(SOCK_NONBLOCK | SOCK_CLOEXEC), (type) }
/* The socket of one client or server, and never what all workers share: shut,
 * connected to nobody (AF_UNSPEC) or changed by one, it would be so for all.  (0 to 2
 * are /dev/null.  No descriptor, -1, counts as shared: it kills.) */
#define OWN(n)		NO_FLAG(n, 0xffffffffu & ~(DESCRIPTOR_SHARED - 1u))
#define ITS_OWN		OWN(0)
#define FCNTL(call) \
	{ call, W, 3, { ITS_OWN, IS(1, F_SETFL), NO_FLAG(2, O_ASYNC) } }, \
	{ call, K, 2, { IS(1, F_SETFL), NO_FLAG(2, O_ASYNC) } }, \
	{ call, R, 1, { IS(1, F_SETFL) } }, \
	{ call, R, 1, { IS(1, F_GETFL) } }, \
	{ call, R, 1, { IS(1, F_SETFD) } }, \
	{ call, W, 2, { ITS_OWN, IS(1, F_SETPIPE_SZ) } }, \
	{ call, W, 2, { ITS_OWN, IS(1, F_GETPIPE_SZ) } }
#define TCP_OPTION(name) \
	{ SCMP_SYS(setsockopt), W, 3, { ITS_OWN, IS(1, IPPROTO_TCP), IS(2, name) } }
#define SOCKET_OPTION(name) \
	{ SCMP_SYS(setsockopt), W | S, 3, { ITS_OWN, IS(1, SOL_SOCKET), IS(2, name) } }

/* Stands in a compiled filter for the process that loads it. */
#define OWN_PID		0x7e57ed01u

#define LENGTH_MAX	512	/* instructions; a child has them on its stack for a moment */

static const struct {
	int call;
	unsigned who;
	unsigned n;
	struct scmp_arg_cmp arg[3];
} limited[] = {
	{ SCMP_SYS(shutdown), W | S, 1, { ITS_OWN } },
	{ SCMP_SYS(connect), W, 1, { ITS_OWN } },
	/* bulk; into the log's pipe, one byte would take a whole page of it */
	{ SCMP_SYS(splice), W, 2, { ITS_OWN, OWN(2) } },
	/* MSG_FASTOPEN is a connect that Landlock may not see */
	{ SCMP_SYS(sendto), W | S | C | K | R, 1, { NO_FLAG(3, MSG_FASTOPEN) } },
	{ SCMP_SYS(sendmsg), W | Y | U | R, 1, { NO_FLAG(2, MSG_FASTOPEN) } },
	/* TCP, and no other stream: not every kind is under Landlock */
	{ SCMP_SYS(socket), W | C | R, 3, { IS(0, AF_INET), TYPE_IS(SOCK_STREAM), IS(2, 0) } },
	{ SCMP_SYS(socket), W | C | R, 3, { IS(0, AF_INET6), TYPE_IS(SOCK_STREAM), IS(2, 0) } },
	{ SCMP_SYS(socket), U | R, 2, { IS(0, AF_INET), TYPE_IS(SOCK_DGRAM) } },
	{ SCMP_SYS(socket), U | R, 2, { IS(0, AF_INET6), TYPE_IS(SOCK_DGRAM) } },
	{ SCMP_SYS(socket), Y, 2, { IS(0, AF_UNIX), TYPE_IS(SOCK_DGRAM) } },
	{ SCMP_SYS(socket), R, 1, { IS(0, AF_UNIX) } },
	{ SCMP_SYS(socket), R, 1, { IS(0, AF_NETLINK) } },
	/* blocking or not; no owner of signals */
	FCNTL(SCMP_SYS(fcntl)),
	FCNTL(SCMP_SYS(fcntl64)),
	SOCKET_OPTION(SO_RCVTIMEO),
	SOCKET_OPTION(SO_SNDTIMEO),
	SOCKET_OPTION(SO_LINGER),
	SOCKET_OPTION(SO_KEEPALIVE),
	TCP_OPTION(TCP_NODELAY),
	TCP_OPTION(TCP_QUICKACK),
	TCP_OPTION(TCP_KEEPIDLE),
	TCP_OPTION(TCP_KEEPINTVL),
	TCP_OPTION(TCP_KEEPCNT),
	{ SCMP_SYS(setsockopt), C, 2, { IS(1, IPPROTO_TCP), IS(2, TCP_NODELAY) } },
	{ SCMP_SYS(setsockopt), C, 2, { IS(1, IPPROTO_TCP), IS(2, TCP_QUICKACK) } },
	{ SCMP_SYS(getsockopt), W | S | C | R, 2, { IS(1, SOL_SOCKET), IS(2, SO_ERROR) } },
	/* does a quiet peer owe us an answer */
	{ SCMP_SYS(getsockopt), W, 2, { IS(1, IPPROTO_TCP), IS(2, TCP_INFO) } },
	{ SCMP_SYS(openat), R, 1, { NO_FLAG(2, O_ACCMODE | O_CREAT | O_TRUNC) } },
	{ SCMP_SYS(open), R, 1, { NO_FLAG(1, O_ACCMODE | O_CREAT | O_TRUNC) } },
	{ SCMP_SYS(ioctl), R, 1, { IS(1, FIONREAD) } },
#ifndef WITH_SANITIZERS
	/* what allocators and the relay say.  MADV_REMOVE would empty the shared memory:
	 * since Linux 6.7 even where it can only be read */
	{ SCMP_SYS(madvise), W | S | L, 1, { IS(2, MADV_DONTNEED) } },
	{ SCMP_SYS(madvise), W | S | L, 1, { IS(2, MADV_FREE) } },
	{ SCMP_SYS(madvise), W | S | L, 1, { IS(2, MADV_HUGEPAGE) } },
	/* anonymous memory, never executable */
	{ SCMP_SYS(mmap), ANY & ~R, 2, { NO_FLAG(2, PROT_EXEC), HAS_FLAG(3, MAP_ANONYMOUS) } },
	{ SCMP_SYS(mmap2), ANY & ~R, 2, { NO_FLAG(2, PROT_EXEC), HAS_FLAG(3, MAP_ANONYMOUS) } },
	{ SCMP_SYS(mprotect), C, 1, { NO_FLAG(2, PROT_EXEC) } },	/* OpenSSL's locks and pools */
#endif
#ifdef __i386__
	/* the C library's one way to sockets, of which no filter sees more than
	 * the first number: any kind of socket is let through, any flag, and what
	 * all workers share is not held apart */
	{ SCMP_SYS(socketcall), W | C | Y | U | R, 1, { IS(0, SYS_SOCKET) } },
	{ SCMP_SYS(socketcall), W, 1, { IS(0, SYS_CONNECT) } },
	{ SCMP_SYS(socketcall), W | S, 1, { IS(0, SYS_SHUTDOWN) } },
	{ SCMP_SYS(socketcall), W | S | C | K | R, 1, { IS(0, SYS_SENDTO) } },
	{ SCMP_SYS(socketcall), W | S | C | K | R, 1, { IS(0, SYS_SEND) } },
	{ SCMP_SYS(socketcall), W | S | C | K | R, 1, { IS(0, SYS_RECV) } },
	{ SCMP_SYS(socketcall), W | Y | U | R, 1, { IS(0, SYS_SENDMSG) } },
	{ SCMP_SYS(socketcall), W | S | C | R, 1, { IS(0, SYS_SETSOCKOPT) } },
	{ SCMP_SYS(socketcall), W | S | C | R, 1, { IS(0, SYS_GETSOCKOPT) } },
#endif
	/* abort(), of ourselves */
	{ SCMP_SYS(tgkill), ANY, 2, { IS(0, OWN_PID), IS(2, SIGABRT) } },
};

static int
add_rules(scmp_filter_ctx f, unsigned kind)
{
	size_t i;
	int r = 0;

	for (i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
		if (allowed[i].who & 1u << kind)
			r |= seccomp_rule_add(f, SCMP_ACT_ALLOW, allowed[i].call, 0);
	for (i = 0; i < sizeof(limited) / sizeof(limited[0]); i++)
		if (limited[i].who & 1u << kind)
			r |= seccomp_rule_add_array(f, SCMP_ACT_ALLOW, limited[i].call, limited[i].n,
			    limited[i].arg);
	return r;
}

static struct sock_fprog *
export(scmp_filter_ctx f)
{
	struct sock_fprog *prog = NULL;
	int fd = memfd_create("filter", MFD_CLOEXEC);
	off_t size;

	if (fd < 0 || seccomp_export_bpf(f, fd) != 0)
		goto out;
	size = lseek(fd, 0, SEEK_END);
	if (size <= 0 || size > (off_t)(LENGTH_MAX * sizeof(struct sock_filter)) ||
	    (prog = calloc(1, sizeof(*prog) + (size_t)size)) == NULL)
		goto out;
	prog->filter = (struct sock_filter *)(prog + 1);
	prog->len = (unsigned short)((size_t)size / sizeof(struct sock_filter));
	if (pread(fd, prog->filter, (size_t)size, 0) != size) {
		free(prog);
		prog = NULL;
	}
out:
	if (fd >= 0)
		close(fd);
	return prog;
}

static struct sock_fprog *
compile(unsigned kind)
{
	/* the resolver's modules are somebody else's: what they may not do fails,
	 * and a look-up without it may still succeed */
	scmp_filter_ctx f = seccomp_init(kind == SANDBOX_RESOLVER ? SCMP_ACT_ERRNO(EPERM) :
	    SCMP_ACT_KILL_PROCESS);
	struct sock_fprog *prog = NULL;

	if (f == NULL)
		return NULL;
	if (add_rules(f, kind) == 0) {
#ifdef SCMP_FLTATR_CTL_OPTIMIZE
		seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);	/* a binary tree */
#endif
		prog = export(f);
	}
	seccomp_release(f);
	return prog;
}

int
sandbox_filter_prepare(void *filter[SANDBOX_KINDS])
{
	unsigned kind;

	for (kind = 0; kind < SANDBOX_KINDS; kind++) {
		filter[kind] = compile(kind);
		if (filter[kind] == NULL) {
			log_err("cannot make a system call filter");
			return -1;
		}
	}
	return 0;
}

/* Our own copy, so that no page of the master's is copied for one number. */
int
sandbox_filter_enter(const void *filter)
{
	const struct sock_fprog *made = filter;
	struct sock_filter own[LENGTH_MAX];
	struct sock_fprog prog;
	unsigned i;

	if (made == NULL)
		return 0;
	memcpy(own, made->filter, made->len * sizeof(own[0]));
	for (i = 0; i < made->len; i++)
		if (own[i].k == OWN_PID)
			own[i].k = (uint32_t)getpid();
	prog.len = made->len;
	prog.filter = own;
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog);
}

#else

int
sandbox_filter_prepare(void *filter[SANDBOX_KINDS])
{
	unsigned kind;

	for (kind = 0; kind < SANDBOX_KINDS; kind++)
		filter[kind] = NULL;
	return 0;
}

int
sandbox_filter_enter(const void *filter)
{
	(void)filter;
	return 0;
}

#endif
