/* SPDX-License-Identifier: ISC */
/*
 * The operator's tool: one question to a running durward over its control
 * socket, its answer printed.  It knows nothing of shared memory or the
 * configuration; the clerk (daemon/clerk_command.h) has the answers.  What it
 * adds is for the eye: columns lined up, and colour on a terminal.
 */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { EXIT_DONE, EXIT_REFUSED, EXIT_USAGE };

#define CONTROL_SOCKET	"/run/durward.sock"
#define COLUMNS		16
#define TRIES		10

static const char usage_text[] =
    "usage: durwardctl [-s socket] [-j] command [argument ...]\n"
    "  status                     every server: state, since, last check, connections, bytes\n"
    "  connections                every live connection\n"
    "  route LISTENER HOST [FROM] which server a client would get now, and why\n"
    "  drain PATTERN              no new clients to servers BACKEND/SERVER (wildcards allowed)\n"
    "  maint PATTERN              the same, and no checks\n"
    "  ready PATTERN              back to service\n"
    "  kill PID                   end one connection\n"
    "  reload                     read the configuration again\n"
    "  stop                       stop at once\n"
    "  drain-all                  no new connections; stop when those there are have ended\n"
    "  ping                       does it answer, and take connections?\n"
    "  -s socket  the control socket (" CONTROL_SOCKET ")\n"
    "  -j         JSON;  -h  this\n";

enum form { TEXT, TABLE, REASONED };	/* reasoned: a line, and for a terminal why */

static const struct {
	const char *name;
	int least, most;
	enum form form;	/* for people */
} commands[] = {
	{ "connections", 0, 0, TABLE },
	{ "drain", 1, 1, TEXT },
	{ "drain-all", 0, 0, TEXT },
	{ "kill", 1, 1, TEXT },
	{ "maint", 1, 1, TEXT },
	{ "ping", 0, 0, TEXT },
	{ "ready", 1, 1, TEXT },
	{ "reload", 0, 0, TEXT },
	{ "route", 2, 3, REASONED },
	{ "status", 0, 0, TABLE },
	{ "stop", 0, 0, TEXT },
};

static int
usage(const char *why, const char *arg)
{
	if (why != NULL)
		fprintf(stderr, "durwardctl: %s%s\n", why, arg);
	fputs(usage_text, stderr);
	return EXIT_USAGE;
}

/* --- asking ---------------------------------------------------------------- */

static int
fail(const char *socket_path)
{
	fprintf(stderr, "durwardctl: %s: %s\n", socket_path, strerror(errno));
	return -1;
}

static int
open_socket(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(sun.sun_path)) {
		errno = ENAMETOOLONG;
		return fail(path);
	}
	strcpy(sun.sun_path, path);
	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0)
		return fail(path);
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0)
		return fd;
	fail(path);
	close(fd);
	return -1;
}

/* The words with tabs between them and a line end, in one send. */
static int
send_question(int fd, bool json, char **word, int n)
{
	char line[2048];
	size_t len = 0;
	int i;

	if (json)
		len = (size_t)sprintf(line, "-j\t");
	for (i = 0; i < n; i++) {
		size_t more = strlen(word[i]);

		if (len + more + 1 > sizeof(line)) {
			errno = E2BIG;
			return -1;
		}
		memcpy(line + len, word[i], more);
		len += more;
		line[len++] = i + 1 < n ? '\t' : '\n';
	}
	return send(fd, line, len, MSG_NOSIGNAL) == (ssize_t)len ? 0 : -1;
}

/* All of the answer, with a NUL behind it; NULL with errno. */
static char *
read_answer(int fd)
{
	size_t size = 65536, len = 0;
	char *text = malloc(size), *more;
	ssize_t n;

	while (text != NULL) {
		if (len + 1 == size) {
			if ((more = realloc(text, size * 2)) == NULL)
				break;
			text = more;
			size *= 2;
		}
		n = read(fd, text + len, size - len - 1);
		if (n == 0) {
			text[len] = '\0';
			return text;
		}
		if (n < 0 && errno != EINTR)
			break;
		len += n > 0 ? (size_t)n : 0;
	}
	free(text);
	return NULL;
}

/* One question, one answer; NULL after saying why. */
static char *
ask_once(const char *path, bool json, char **word, int n)
{
	char *text = NULL;
	int fd = open_socket(path);

	if (fd < 0)
		return NULL;
	if (send_question(fd, json, word, n) != 0 || (text = read_answer(fd)) == NULL)
		fail(path);
	close(fd);
	return text;
}

/* A reload replaces the one who answers; the next one is asked then. */
static char *
ask(const char *path, bool json, char **word, int n)
{
	char *text;
	int tries;

	for (tries = 0; (text = ask_once(path, json, word, n)) != NULL; tries++) {
		if (strcmp(text, "again\n") != 0 || tries == TRIES)
			break;
		free(text);
	}
	return text;
}

/* --- printing ---------------------------------------------------------------- */

/* The answer came over a socket and may end up on a terminal: names in it
 * are canonical, but what is no character stays out all the same. */
static void
print_cell(const char *p, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		putchar(iscntrl((unsigned char)p[i]) ? '?' : p[i]);
}

static const char *
colour_of(const char *p, size_t len)
{
	static const struct { const char *word, *colour; } colours[] = {
		{ "UP", "32" }, { "DOWN", "1;31" }, { "DRAIN", "33" }, { "MAINT", "33" },
		{ "NO CHECK", "2" },
	};
	size_t i;

	for (i = 0; i < sizeof(colours) / sizeof(colours[0]); i++)
		if (strlen(colours[i].word) == len && memcmp(colours[i].word, p, len) == 0)
			return colours[i].colour;
	return NULL;
}

struct column {
	size_t width;
	bool number, state;
};

/* One line of fields, lined up; or only measured. */
static void
table_line(const char *line, size_t len, struct column *col, bool head, bool colour, bool print)
{
	const char *end = line + len, *p = line;
	unsigned i;

	for (i = 0; i < COLUMNS && p <= end; i++) {
		const char *tab = memchr(p, '\t', (size_t)(end - p)), *stop = tab != NULL ? tab : end;
		const char *paint = NULL;
		size_t n = (size_t)(stop - p);

		if (head && n > 0 && *p == '>') {
			col[i].number = true;
			p++;
			n--;
		}
		if (head && n == 5 && memcmp(p, "STATE", 5) == 0)
			col[i].state = true;
		if (n > col[i].width)
			col[i].width = n;
		if (print) {
			if (colour)
				paint = head ? "1" : col[i].state ? colour_of(p, n) : NULL;
			if (i > 0)
				fputs("  ", stdout);
			if (col[i].number)
				printf("%*s", (int)(col[i].width - n), "");
			if (paint != NULL)
				printf("\033[%sm", paint);
			print_cell(p, n);
			if (paint != NULL)
				fputs("\033[0m", stdout);
			if (!col[i].number && tab != NULL)
				printf("%*s", (int)(col[i].width - n), "");
		}
		p = stop + 1;
	}
	if (print)
		putchar('\n');
}

static void
print_table(const char *text)
{
	bool colour = isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL;
	struct column col[COLUMNS];
	const char *p, *end;
	int pass;

	memset(col, 0, sizeof(col));
	for (pass = 0; pass < 2; pass++)
		for (p = text; (end = strchr(p, '\n')) != NULL; p = end + 1)
			table_line(p, (size_t)(end - p), col, p == text, colour, pass == 1);
}

/* The first line is the answer, as `durward -r` gives it: for a script it is all. */
static void
print_reasoned(const char *text)
{
	size_t len = isatty(STDOUT_FILENO) ? strlen(text) : strcspn(text, "\n") + 1;

	fwrite(text, 1, strnlen(text, len), stdout);
}

static void
print_error(char *text)
{
	char *line;

	while ((line = strsep(&text, "\n")) != NULL)
		if (line[0] != '\0')
			fprintf(stderr, "durwardctl: %s\n", line);
}

static int
print_answer(char *text, enum form form)
{
	if (strncmp(text, "error\n", 6) == 0) {
		print_error(text + 6);
		return EXIT_REFUSED;
	}
	if (strncmp(text, "ok\n", 3) != 0) {
		fputs("durwardctl: no answer\n", stderr);
		return EXIT_REFUSED;
	}
	if (form == TABLE)
		print_table(text + 3);
	else if (form == REASONED)
		print_reasoned(text + 3);
	else
		fputs(text + 3, stdout);
	if (fflush(stdout) == 0)
		return EXIT_DONE;
	fprintf(stderr, "durwardctl: cannot write: %s\n", strerror(errno));
	return EXIT_REFUSED;
}

/* --- main -------------------------------------------------------------------- */

/* Index of the command, -1 after usage. */
static int
check_words(char **word, int n)
{
	size_t i;
	int k;

	if (n == 0) {
		usage("no command", "");
		return -1;
	}
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, word[0]) == 0)
			break;
	if (i == sizeof(commands) / sizeof(commands[0])) {
		usage("no such command: ", word[0]);
		return -1;
	}
	if (n - 1 < commands[i].least || n - 1 > commands[i].most) {
		usage("wrong number of arguments for ", word[0]);
		return -1;
	}
	for (k = 1; k < n; k++)
		if (strpbrk(word[k], "\t\r\n") != NULL) {
			usage("a tab or line end in an argument of ", word[0]);
			return -1;
		}
	if (strcmp(word[0], "kill") == 0 &&
	    (word[1][0] == '\0' || word[1][strspn(word[1], "0123456789")] != '\0')) {
		usage("not a process id: ", word[1]);
		return -1;
	}
	return (int)i;
}

/* Process ids that no worker ever has: a word for them as for any other number. */
static bool
is_nobody(const char *pid)
{
	unsigned long n;

	errno = 0;
	n = strtoul(pid, NULL, 10);
	return errno != 0 || n <= 1 || n > INT32_MAX;
}

int
main(int argc, char **argv)
{
	const char *path = CONTROL_SOCKET;
	bool json = false;
	int c, command, status;
	char *text;

	while ((c = getopt(argc, argv, "+s:jh")) != -1)
		switch (c) {
		case 's':
			path = optarg;
			if (*path == '\0')
				return usage("-s: the socket's path is missing", "");
			break;
		case 'j':
			json = true;
			break;
		case 'h':
			fputs(usage_text, stdout);
			return fflush(stdout) == 0 ? EXIT_DONE : EXIT_REFUSED;
		default:
			return usage(NULL, "");
		}
	argv += optind;
	argc -= optind;
	if ((command = check_words(argv, argc)) < 0)
		return EXIT_USAGE;
	if (strcmp(argv[0], "kill") == 0 && is_nobody(argv[1])) {
		fprintf(stderr, "durwardctl: no worker with a client has this pid: %s\n", argv[1]);
		return EXIT_REFUSED;
	}
	if ((text = ask(path, json, argv, argc)) == NULL)
		return EXIT_REFUSED;
	status = print_answer(text, json ? TEXT : commands[command].form);
	free(text);
	return status;
}
