/* SPDX-License-Identifier: ISC */
/* The system call filters.  Each call stands here with its reason. */
#include "config.h"
#include "daemon/sandbox_filter.h"

#include <stddef.h>

#ifdef HAVE_SECCOMP

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"

#define ALL	0x7
#define W	(1 << SANDBOX_WORKER)
#define C	(1 << SANDBOX_CHECKER)
#define K	(1 << SANDBOX_CLERK)

static const struct {
	int call;
	int who;
} allowed[] = {
	/* sockets that are there */
	{ SCMP_SYS(recvfrom), ALL },
	{ SCMP_SYS(recvmsg), ALL },
	{ SCMP_SYS(sendto), ALL },
	{ SCMP_SYS(sendmsg), ALL },
	{ SCMP_SYS(read), ALL },		/* eventfd, plain relays */
	{ SCMP_SYS(write), ALL },		/* the log's pipe, eventfd */
	{ SCMP_SYS(readv), ALL },
	{ SCMP_SYS(writev), ALL },
	{ SCMP_SYS(poll), ALL },
	{ SCMP_SYS(ppoll), ALL },
	{ SCMP_SYS(shutdown), ALL },
	{ SCMP_SYS(close), ALL },
	{ SCMP_SYS(getsockopt), ALL },
	{ SCMP_SYS(setsockopt), ALL },
	{ SCMP_SYS(getsockname), ALL },		/* PROXY headers */
	{ SCMP_SYS(fcntl), ALL },		/* blocking or not, a pipe's size */
	{ SCMP_SYS(accept4), W | K },
	{ SCMP_SYS(connect), W | C },
	{ SCMP_SYS(splice), W },		/* bulk */
	{ SCMP_SYS(pipe2), W },			/* the pipe for it */
	{ SCMP_SYS(epoll_create1), C },
	{ SCMP_SYS(epoll_ctl), C | K },
	{ SCMP_SYS(epoll_wait), C | K },
	{ SCMP_SYS(epoll_pwait), C | K },
	/* waiting for a place in shared memory */
	{ SCMP_SYS(futex), ALL },
	/* time, where the vdso cannot tell it */
	{ SCMP_SYS(clock_gettime), ALL },
	{ SCMP_SYS(gettimeofday), ALL },
	{ SCMP_SYS(time), ALL },
	{ SCMP_SYS(clock_nanosleep), ALL },
	{ SCMP_SYS(nanosleep), ALL },
	{ SCMP_SYS(setitimer), W },		/* kept server connections age */
	/* memory of our own: stats pages, crypt(3), OpenSSL */
	{ SCMP_SYS(brk), ALL },
	{ SCMP_SYS(munmap), ALL },
	{ SCMP_SYS(mremap), ALL },
	{ SCMP_SYS(madvise), ALL },
	{ SCMP_SYS(getrandom), ALL },
	/* signals that end us, and ending */
	{ SCMP_SYS(rt_sigreturn), ALL },
	{ SCMP_SYS(rt_sigprocmask), ALL },
	{ SCMP_SYS(rt_sigaction), ALL },
	{ SCMP_SYS(restart_syscall), ALL },
	{ SCMP_SYS(getpid), ALL },
	{ SCMP_SYS(gettid), ALL },
	{ SCMP_SYS(getppid), ALL },
	{ SCMP_SYS(exit), ALL },
	{ SCMP_SYS(exit_group), ALL },
#ifdef WITH_SANITIZERS
	/* what a sanitizer's run time needs to watch and to report */
	{ SCMP_SYS(mmap), ALL },
	{ SCMP_SYS(mprotect), ALL },
	{ SCMP_SYS(sigaltstack), ALL },
	{ SCMP_SYS(openat), ALL },
	{ SCMP_SYS(open), ALL },
	{ SCMP_SYS(readlink), ALL },
	{ SCMP_SYS(readlinkat), ALL },
	{ SCMP_SYS(fstat), ALL },
	{ SCMP_SYS(newfstatat), ALL },
	{ SCMP_SYS(stat), ALL },
	{ SCMP_SYS(lseek), ALL },
	{ SCMP_SYS(pread64), ALL },
	{ SCMP_SYS(getdents64), ALL },
	{ SCMP_SYS(clone), ALL },
	{ SCMP_SYS(clone3), ALL },
	{ SCMP_SYS(wait4), ALL },
	{ SCMP_SYS(prctl), ALL },
	{ SCMP_SYS(ptrace), ALL },
	{ SCMP_SYS(process_vm_readv), ALL },
	{ SCMP_SYS(sched_yield), ALL },
	{ SCMP_SYS(sched_getaffinity), ALL },
	{ SCMP_SYS(getrlimit), ALL },
	{ SCMP_SYS(prlimit64), ALL },
	{ SCMP_SYS(getuid), ALL },
	{ SCMP_SYS(geteuid), ALL },
	{ SCMP_SYS(set_robust_list), ALL },
	{ SCMP_SYS(rseq), ALL },
	{ SCMP_SYS(kill), ALL },
	{ SCMP_SYS(dup), ALL },
	{ SCMP_SYS(dup2), ALL },
	{ SCMP_SYS(uname), ALL },
	{ SCMP_SYS(ioctl), ALL },
#endif
};

/* Calls that are right with some arguments only. */
static int
add_special(scmp_filter_ctx f, enum sandbox_kind kind)
{
	int r = 0;

#ifndef WITH_SANITIZERS
	/* anonymous memory, never executable */
	r |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2,
	    SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
	    SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS));
	r |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
	    SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
#endif
	/* abort() */
	r |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 0);
	if (kind != SANDBOX_CLERK) {
		r |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
		    SCMP_A0(SCMP_CMP_EQ, AF_INET, 0));
		r |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
		    SCMP_A0(SCMP_CMP_EQ, AF_INET6, 0));
	}
	return r;
}

static struct sock_fprog *
compile(enum sandbox_kind kind)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_KILL_PROCESS);
	struct sock_fprog *prog = NULL;
	off_t size;
	size_t i;
	int fd = -1;

	if (f == NULL)
		return NULL;
	for (i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
		if ((allowed[i].who & 1 << kind) &&
		    seccomp_rule_add(f, SCMP_ACT_ALLOW, allowed[i].call, 0) != 0)
			goto out;
	if (add_special(f, kind) != 0)
		goto out;
#ifdef SCMP_FLTATR_CTL_OPTIMIZE
	seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);	/* a binary tree */
#endif
	if ((fd = memfd_create("filter", MFD_CLOEXEC)) < 0 || seccomp_export_bpf(f, fd) != 0)
		goto out;
	size = lseek(fd, 0, SEEK_END);
	if (size <= 0 || (prog = calloc(1, sizeof(*prog) + (size_t)size)) == NULL)
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
	seccomp_release(f);
	return prog;
}

int
sandbox_filter_prepare(void *filter[SANDBOX_KINDS])
{
	int kind;

	for (kind = 0; kind < SANDBOX_KINDS; kind++) {
		filter[kind] = compile((enum sandbox_kind)kind);
		if (filter[kind] == NULL) {
			log_err("cannot make a system call filter");
			return -1;
		}
	}
	return 0;
}

int
sandbox_filter_enter(void *filter)
{
	if (filter == NULL)
		return 0;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, filter) == 0)
		return 0;
	if (errno == ENOSYS || errno == EINVAL)
		return 0;	/* a kernel without; sandbox_say told */
	log_err("cannot enter the system call filter");
	return -1;
}

#else

int
sandbox_filter_prepare(void *filter[SANDBOX_KINDS])
{
	int kind;

	for (kind = 0; kind < SANDBOX_KINDS; kind++)
		filter[kind] = NULL;
	return 0;
}

int
sandbox_filter_enter(void *filter)
{
	(void)filter;
	return 0;
}

#endif
