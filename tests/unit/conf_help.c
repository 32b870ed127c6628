/* SPDX-License-Identifier: ISC */
#include "config.h"
#include "conf_help.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char dir[] = "/tmp/durward-conf-XXXXXX";
static bool made;

void
conf_help_setup(void)
{
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	made = true;
}

void
conf_help_teardown(void)
{
	DIR *d = made ? opendir(dir) : NULL;
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			unlinkat(dirfd(d), e->d_name, 0);
	if (d != NULL)
		closedir(d);
	rmdir(dir);
}

const char *
conf_help_file(const char *name, const char *text)
{
	static char path[4][256];
	static unsigned turn;
	char *p = path[turn++ % 4];
	FILE *f;

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	f = fopen(p, "w");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
	return p;
}

static const char *
without_dir(const char *message)
{
	size_t n = strlen(dir);

	return strncmp(message, dir, n) == 0 && message[n] == '/' ? message + n + 1 : message;
}

static void
keep_error(void *arg, const char *message)
{
	struct said *said = arg;

	ck_assert_uint_lt(said->nerror, 64);
	snprintf(said->error[said->nerror++], sizeof(said->error[0]), "%s", without_dir(message));
}

static void
keep_warning(void *arg, const char *message)
{
	struct said *said = arg;

	ck_assert_uint_lt(said->nwarning, 64);
	snprintf(said->warning[said->nwarning++], sizeof(said->warning[0]), "%s", without_dir(message));
}

struct conf *
conf_help_load(const char *path, struct said *said)
{
	memset(said, 0, sizeof(*said));
	return conf_load(path, keep_error, keep_warning, said);
}

bool
conf_help_says(const char *message, const char *expected)
{
	const char *dots = strstr(expected, "...");

	return dots == NULL ? strcmp(message, expected) == 0 :
	    strncmp(message, expected, (size_t)(dots - expected)) == 0;
}

struct conf *
conf_help_text(const char *text)
{
	static struct said said;
	struct conf *c = conf_help_load(conf_help_file("good", text), &said);

	for (unsigned i = 0; i < said.nerror; i++)
		fprintf(stderr, "%s\n", said.error[i]);
	ck_assert_msg(c != NULL, "it should load:\n%s", text);
	return c;
}
