/* SPDX-License-Identifier: ISC */
/* Into the background.  At the start of the daemon; errors up to detach_done
 * still reach the terminal. */
#include "config.h"
#include "daemon/detach.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"

static bool detached;

void
detach_stdio(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return;
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	if (null > STDERR_FILENO)
		close(null);
}

int
detach_begin(void)
{
	int fd[2], status;
	pid_t pid;
	char ok;

	if (pipe2(fd, O_CLOEXEC) != 0 || (pid = fork()) < 0) {
		log_err("cannot go into the background");
		exit(1);
	}
	if (pid > 0) {
		close(fd[1]);
		if (read(fd[0], &ok, 1) == 1)
			_exit(0);
		/* it ended before it was ready, and has said why */
		if (waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) != 0)
			_exit(WEXITSTATUS(status));
		_exit(1);
	}
	close(fd[0]);
	setsid();
	if (chdir("/") != 0)
		log_warn("chdir /");
	detach_stdio();
	detached = true;
	return fd[1];
}

void
detach_child(void)
{
	if (detached)
		dup2(STDIN_FILENO, STDERR_FILENO);
}

void
detach_worker(void)
{
#ifdef WITH_SANITIZERS
	detach_child();
#else
	dup2(STDIN_FILENO, STDERR_FILENO);
#endif
}

void
detach_done(int fd)
{
	dup2(STDIN_FILENO, STDERR_FILENO);
	if (write(fd, "", 1) != 1)
		log_debug("nobody waits for us");
	close(fd);
}

int
detach_write_pid(const char *path)
{
	char tmp[4096], text[32];
	int fd, n;

	/* rename, so that nobody ever reads half of it */
	if ((size_t)snprintf(tmp, sizeof(tmp), "%s.new", path) >= sizeof(tmp)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -1;
	n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	if (write(fd, text, (size_t)n) != n || close(fd) != 0 || rename(tmp, path) != 0) {
		int saved = errno;

		unlink(tmp);
		errno = saved;
		return -1;
	}
	return 0;
}

void
detach_remove_pid(const char *path)
{
	char text[32] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (read(fd, text, sizeof(text) - 1) > 0 && atol(text) == (long)getpid())
		unlink(path);
	close(fd);
}
