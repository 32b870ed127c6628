/* SPDX-License-Identifier: ISC */
/* What ps shows.  A title can only be set in a process that was executed for
 * it, so each case runs this program again, as the child. */
#include "config.h"

#include <check.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/title.h"

#define COUNT(a)	((int)(sizeof(a) / sizeof(*(a))))
#define CHILD		"--child"
#define WORD		"a-worker-with-a-rather-long-name-"
#define X8(s)		s s s s s s s s

static const struct {
	const char *why;
	const char *titles[3];	/* one after the other; the last is looked at */
	const char *want;	/* all of it, or its beginning */
	size_t len;		/* 0: all of want; else at least so many bytes of it */
} cases[] = {
	{ "a short one", { "idle" }, "durward: idle", 0 },
	{ "shorter than the one before", { WORD, "x" }, "durward: x", 0 },
	{ "short, long, short", { "x", X8(WORD), "idle https" }, "durward: idle https", 0 },
	{ "longer than the arguments", { "x", X8(WORD) }, "durward: " X8(WORD), 0 },
	{ "too long for any room", { X8(X8(WORD)) X8(X8(WORD)) }, "durward: " WORD, 400 },
	{ "an empty one", { "" }, "durward: ", 0 },
	{ "no format", { "%s%n%d" }, "durward: %s%n%d", 0 },
};

static const char *const environments[] = { NULL, "HOME=/root", X8(X8("A=" WORD WORD)) };

/* The child: sets its title, says that it has, and waits to be looked at. */
static int
child(int argc, char **argv)
{
	int i;

	title_init(argc, &argv, "/proc/self/exe");
	for (i = 2; i < argc && argv[i][0] != '.'; i++)
		title_set(argv[i]);
	/* nothing of the padding is left; the rest of the environment is there */
	if (getenv("DURWARD_TITLE_ROOM") != NULL || strcmp(argv[1], CHILD) != 0)
		return 1;
	if (getenv("HOME") != NULL && strcmp(getenv("HOME"), "/root") != 0)
		return 1;
	if (write(STDOUT_FILENO, "k", 1) != 1 || read(STDIN_FILENO, argv[1], 1) != 0)
		return 1;
	return 0;
}

/* What ps shows of it: the command line, its NULs as spaces. */
static size_t
read_title(pid_t pid, char *buf, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	n = read(fd, buf, size - 1);
	close(fd);
	ck_assert_int_ge(n, 0);
	for (ssize_t i = 0; i < n; i++)
		if (buf[i] == '\0')
			buf[i] = ' ';
	while (n > 0 && buf[n - 1] == ' ')
		n--;
	buf[n] = '\0';
	return (size_t)n;
}

static void
look(int i, const char *environment)
{
	const char *argv[8] = { "test_title", CHILD };
	const char *envp[2] = { environment, NULL };
	char title[16384], want[4096], k;
	int in[2], out[2], status, n = 2;
	size_t len;
	pid_t pid;

	for (int t = 0; t < 3 && cases[i].titles[t] != NULL; t++)
		argv[n++] = cases[i].titles[t];
	argv[n] = ".";
	ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		execve("/proc/self/exe", (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)envp);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	ck_assert_int_eq(read(out[0], &k, 1), 1);
	len = read_title(pid, title, sizeof(title));
	close(in[1]);
	close(out[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	snprintf(want, sizeof(want), "%s", cases[i].want);
	if (cases[i].len == 0) {
		while (want[0] != '\0' && want[strlen(want) - 1] == ' ')
			want[strlen(want) - 1] = '\0';
		ck_assert_str_eq(title, want);
	} else {
		ck_assert_msg(strncmp(title, want, strlen(want)) == 0 && len >= cases[i].len, "%s", title);
	}
}

START_TEST(ps_shows_the_title_alone)
{
	for (int e = 0; e < COUNT(environments); e++)
		look(_i, environments[e]);
}
END_TEST

int
main(int argc, char **argv)
{
	Suite *s;
	TCase *t;
	SRunner *r;
	int failed;

	if (argc > 1 && strcmp(argv[1], CHILD) == 0)
		return child(argc, argv);
	s = suite_create("title");
	t = tcase_create("title");
	tcase_add_loop_test(t, ps_shows_the_title_alone, 0, COUNT(cases));
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
