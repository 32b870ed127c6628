/* SPDX-License-Identifier: ISC */
/* The process title.  In every process; no system call after title_init. */
#include "config.h"
#include "base/title.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROOM		512	/* for the longest title that is worth reading */
#define PADDING		"DURWARD_TITLE_ROOM"

static char *area;	/* from argv[0] on */
static size_t size;	/* to the end of the environment */
static size_t args;	/* of which arguments: see title_set */
static size_t shown;	/* length of the present title */

/* Kept only for a leak checker to see: setenv makes a list of its own, and then
 * nothing else points to ours. */
static char **environ_copy __attribute__((used));

/* The strings behind argv and environ that lie in one piece from start on. */
static char *
end_of(char *const *list, char *end)
{
	for (; *list != NULL; list++)
		if (*list == end)
			end = *list + strlen(*list) + 1;
	return end;
}

static char **
copy_list(char *const *list)
{
	size_t n = 0, i;
	char **copy;

	while (list[n] != NULL)
		n++;
	if ((copy = calloc(n + 1, sizeof(*copy))) == NULL)
		return NULL;
	for (i = 0; i < n; i++)
		if ((copy[i] = strdup(list[i])) == NULL)
			return NULL;
	return copy;
}

void
title_init(int argc, char ***argv, const char *path)
{
	char *start, *arg_end, *end, **new_argv, **new_environ, padding[ROOM + 1];

	if (argc < 1 || (*argv)[0] == NULL)
		return;
	start = (*argv)[0];
	arg_end = end_of(*argv, start);
	end = end_of(environ, arg_end);
	if ((size_t)(end - start) < ROOM && getenv(PADDING) == NULL) {
		memset(padding, '.', ROOM);
		padding[ROOM] = '\0';
		if (setenv(PADDING, padding, 1) == 0)
			execv(path, *argv);
		/* a short title, then */
	}
	new_argv = copy_list(*argv);
	new_environ = copy_list(environ);
	if (new_argv == NULL || new_environ == NULL)
		return;
	*argv = new_argv;
	environ = environ_copy = new_environ;
	unsetenv(PADDING);
	area = start;
	args = (size_t)(arg_end - start);
	size = (size_t)(end - start);
	shown = size - 1;
}

void
title_set(const char *fmt, ...)
{
	static const char name[] = "durward: ";
	size_t len = sizeof(name) - 1, most;
	va_list ap;
	int n;

	if (area == NULL || size <= sizeof(name))
		return;
	memcpy(area, name, len);
	va_start(ap, fmt);
	n = vsnprintf(area + len, size - len, fmt, ap);
	va_end(ap);
	most = size - 1;
	len += n > 0 ? (size_t)n : 0;
	if (len > most)
		len = most;
	if (shown > len)
		memset(area + len, 0, shown - len);
	shown = len;
	/* a byte other than NUL at the end of the arguments is how the kernel
	 * knows a title: it then shows all up to the first NUL, and no more */
	if (len < args) {
		area[args - 1] = ' ';
		if (args < size)
			area[args] = '\0';
		shown = args;
	}
}
