/* SPDX-License-Identifier: ISC */
/* The process title.  In every process; no system call after title_init. */
#include "config.h"
#include "base/title.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROOM		512	/* for the longest title that is worth reading */
#define PADDING		"DURWARD_TITLE_ROOM"

static char *area;	/* from argv[0] on */
static size_t size;	/* to the end of the environment */
static size_t args;	/* of which arguments: see title_set */
static size_t shown;	/* length of the present title */

/* The copies, for ever; a leak checker is to see them, for setenv and unsetenv
 * leave strings behind and go on with a list of their own. */
static char **argv_copy __attribute__((used));
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

/* The list and its strings in one piece of memory. */
static char **
copy_list(char *const *list)
{
	size_t n, i, len, bytes = 0;
	char **copy, *to;

	for (n = 0; list[n] != NULL; n++)
		bytes += strlen(list[n]) + 1;
	if ((copy = malloc((n + 1) * sizeof(*copy) + bytes)) == NULL)
		return NULL;
	to = (char *)(copy + n + 1);
	for (i = 0; i < n; i++) {
		len = strlen(list[i]) + 1;
		copy[i] = memcpy(to, list[i], len);
		to += len;
	}
	copy[n] = NULL;
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
	if (new_argv == NULL || new_environ == NULL) {
		free(new_argv);
		free(new_environ);
		return;
	}
	*argv = argv_copy = new_argv;
	environ = environ_copy = new_environ;
	unsetenv(PADDING);
	area = start;
	args = (size_t)(arg_end - start);
	size = (size_t)(end - start);
	shown = size - 1;
}

void
title_set(const char *title)
{
	static const char name[] = "durward: ";
	size_t len = strlen(title), at = sizeof(name) - 1;

	if (area == NULL || size <= sizeof(name))
		return;
	if (len > size - 1 - at)
		len = size - 1 - at;
	memcpy(area, name, at);
	memcpy(area + at, title, len);
	len += at;
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
