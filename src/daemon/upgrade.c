/* SPDX-License-Identifier: ISC */
/*
 * USR2: the executable now on disk takes over.
 *
 * The old master forks and executes it with the listening sockets, the control
 * socket and the shared memory open, and says in the environment which is
 * which.  The new one starts its workers beside the old ones and then says
 * READY on its stderr, which is a pipe to the old master until then; the old
 * one lets its workers finish.  Where the new one ends before that, what it
 * said is logged and nothing has changed.
 */
#include "config.h"
#include "daemon/master.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/descriptor.h"
#include "base/log.h"
#include "daemon/children.h"
#include "daemon/detach.h"
#include "daemon/notify.h"

#define VARIABLE	"DURWARD_UPGRADE"
#define READY		"\nREADY\n"
#define SOCKETS_MAX	512

/* --- in the old one ------------------------------------------------------------- */

static void
keep_open(int fd)
{
	fcntl(fd, F_SETFD, 0);
}

/* "shared=4\ncontrol=5\nstderr=6\nsocket=7=*:443\n..." */
static char *
describe(const struct master *m, int real_stderr)
{
	size_t size = 65536, n;
	char *text = malloc(size);
	unsigned i;

	if (text == NULL)
		return NULL;
	n = (size_t)snprintf(text, size, "shared=%d\ncontrol=%d\nstderr=%d\n",
	    m->shared.fd, m->control_fd, real_stderr);
	for (i = 0; i < m->gen->npool && n < size; i++) {
		const struct pool *p = &m->gen->pool[i];

		n += (size_t)snprintf(text + n, size - n, "socket=%d=%s\n", p->fd,
		    m->gen->conf->listener[p->listener].bind[p->bind].text);
		keep_open(p->fd);
	}
	if (n >= size) {
		free(text);
		return NULL;
	}
	return text;
}

static _Noreturn void
exec_new(struct master *m, int word)
{
	int real_stderr = dup(STDERR_FILENO);
	sigset_t none;
	char *text;

	if (m->control_fd >= 0)
		keep_open(m->control_fd);
	keep_open(m->shared.fd);
	text = describe(m, real_stderr);
	dup2(word, STDERR_FILENO);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (text != NULL && setenv(VARIABLE, text, 1) == 0)
		execv(m->executable, m->argv);
	dprintf(STDERR_FILENO, "%s: %s\n", m->executable, strerror(errno));
	_exit(1);
}

/*
 * A service manager waits only for a main process that is its own child: one
 * of ours it would kill the moment it had told it to stop.  So the new one
 * becomes our sibling, whose end we hear of through the pipe alone.
 */
static pid_t
fork_sibling(void)
{
#if defined(SYS_clone) && !defined(__s390__)	/* whose arguments stand in another order */
	/* after it comes exec: what fork(2) in the library tidies is not missed */
	return (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL);
#else
	errno = ENOSYS;
	return -1;
#endif
}

static pid_t
fork_new(bool *ours)
{
	pid_t pid = notify_is_on() ? fork_sibling() : -1;

	*ours = pid < 0;	/* the first process of all can have no siblings */
	return *ours ? fork() : pid;
}

void
upgrade_begin(struct master *m)
{
	int word[2];
	bool ours;
	pid_t pid;

	if (m->upgrade > 0 || m->upgrade_fd >= 0) {
		log_warnx("an upgrade is under way already");
		return;
	}
	log_notice("starting the executable now at %s", m->executable);
	if (pipe2(word, O_CLOEXEC) != 0) {
		log_warn("cannot start it");
		return;
	}
	if ((pid = fork_new(&ours)) == 0)
		exec_new(m, word[1]);
	close(word[1]);
	if (pid < 0) {
		log_warn("cannot start it");
		close(word[0]);
		return;
	}
	fcntl(word[0], F_SETFL, O_NONBLOCK);
	m->upgrade_fd = word[0];
	m->upgrade = pid;
	if (ours)
		children_add(pid, CHILD_UPGRADE, 0);
}

void
upgrade_stop(struct master *m)
{
	if (m->upgrade > 0)
		kill(m->upgrade, SIGTERM);
	/* nobody tells us of a sibling's end */
	if (children_find(m->upgrade) == NULL)
		m->upgrade = 0;
}

/* What it said is the log's where the log is stderr: on with it to where ours
 * goes. */
static void
pass_on(const char *text, size_t len)
{
	if (len > 0 && write(STDERR_FILENO, text, len) < 0)
		log_debug("nobody reads our stderr");
}

/* It does not serve: what it said last may tell why. */
static void
new_one_failed(struct master *m, char *said)
{
	char *line, *save = NULL;

	for (line = strtok_r(said, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save))
		log_errx("the new executable says: %s", line);
	log_errx("the new executable did not start; this one goes on");
	/* before it ends: what it leaves behind is ours again */
	atomic_store(&m->shared.head->master_pid, getpid());
	upgrade_stop(m);
	if (m->closed)
		generation_unlink(m->gen);
	/* it may have read another configuration: the addresses of ours stand again */
	shared_map_free(shared_bind(&m->shared, m->gen->conf), m->gen->conf);
	m->resolve_after = 0;
	/* the new one may have written it */
	if (detach_write_pid(master_pid_path(m)) != 0)
		log_warn("pid file");
}

void
upgrade_heard(struct master *m)
{
	_Alignas(4096) static char said[4096];
	static size_t len;
	ssize_t n = read(m->upgrade_fd, said + len, sizeof(said) - 1 - len);
	char *ready;
	size_t old;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		close(m->upgrade_fd);
		m->upgrade_fd = -1;
		said[len] = '\0';
		len = 0;
		if (!m->stopping)
			new_one_failed(m, said);
		return;
	}
	len += (size_t)n;
	said[len] = '\0';
	if ((ready = strstr(said, READY)) != NULL) {
		pass_on(said, (size_t)(ready - said));
		close(m->upgrade_fd);
		m->upgrade_fd = -2;	/* it serves */
		len = 0;
	} else if (len == sizeof(said) - 1) {
		/* it may say much, and still be about to serve */
		for (old = len / 2; old > 1 && said[old - 1] != '\n'; old--)
			;
		pass_on(said, old);
		len -= old;
		memmove(said, said + old, len);
	}
}

/* --- in the new one ------------------------------------------------------------- */

struct inherited {
	int fd;
	char *text;
};

_Alignas(4096) static struct inherited sockets[SOCKETS_MAX];
static unsigned nsockets;
static int real_stderr = -1;

static void
take_line(struct master *m, char *line, int *shared_fd)
{
	char *value = strchr(line, '='), *text;

	if (value == NULL)
		return;
	*value++ = '\0';
	if (strcmp(line, "shared") == 0) {
		*shared_fd = atoi(value);
	} else if (strcmp(line, "control") == 0) {
		m->control_fd = atoi(value);
	} else if (strcmp(line, "stderr") == 0) {
		real_stderr = atoi(value);
	} else if (strcmp(line, "socket") == 0 && nsockets < SOCKETS_MAX &&
	    (text = strchr(value, '=')) != NULL) {
		sockets[nsockets].fd = atoi(value);
		sockets[nsockets].text = text + 1;
		nsockets++;
	}
}

bool
upgrade_inherit(struct master *m)
{
	char *text = getenv(VARIABLE), *line, *save = NULL;
	int shared_fd = -1;
	unsigned i;

	if (text == NULL || (text = strdup(text)) == NULL)
		return false;
	unsetenv(VARIABLE);
	for (line = strtok_r(text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save))
		take_line(m, line, &shared_fd);
	for (i = 0; i < nsockets; i++)
		sockets[i].fd = descriptor_share(sockets[i].fd);
	if (m->control_fd >= 0)
		fcntl(m->control_fd, F_SETFD, FD_CLOEXEC);
	if (real_stderr >= 0)
		fcntl(real_stderr, F_SETFD, FD_CLOEXEC);
	/* another layout: begin with fresh memory; health is found out again */
	if (shared_fd >= 0 && shared_map(&m->shared, shared_fd) == 0)
		fcntl(shared_fd, F_SETFD, FD_CLOEXEC);
	else if (shared_fd >= 0)
		close(shared_fd);
	m->inherited = &real_stderr;
	return true;
}

int
upgrade_find_fd(void *arg, const char *bind_text)
{
	unsigned i;

	(void)arg;
	for (i = 0; i < nsockets; i++)
		if (strcmp(sockets[i].text, bind_text) == 0)
			return sockets[i].fd;
	return -1;
}

int
upgrade_stderr(const struct master *m)
{
	return m->inherited != NULL ? real_stderr : -1;
}

void
upgrade_ready(struct master *m)
{
	unsigned i;

	if (m->inherited == NULL)
		return;
	for (i = 0; i < nsockets; i++) {
		if (generation_fd(m->gen, sockets[i].text) == sockets[i].fd)
			continue;
		close(sockets[i].fd);
		if (strncmp(sockets[i].text, "unix:", 5) == 0)
			unlink(sockets[i].text + 5);
	}
	if (write(STDERR_FILENO, READY, sizeof(READY) - 1) < 0)
		log_warn("nobody to say READY to");
	if (real_stderr >= 0) {
		dup2(real_stderr, STDERR_FILENO);
		close(real_stderr);
	}
	real_stderr = -1;
	m->inherited = NULL;
}
