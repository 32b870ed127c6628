/* SPDX-License-Identifier: ISC */
/*
 * Feeds files to a fuzz target, without a fuzzer: `make check` replays the
 * corpus with any compiler.  Linked with one fuzz_X.c it becomes replay_X,
 * which takes files and directories, or by itself $srcdir/tests/fuzz/corpus/X.
 * No file at all is a failure.
 */
#include "config.h"

#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILE_MAX	((size_t)1 << 20)

/* The bytes lie in a block of their own size, so that sanitizers see a read
 * past their end. */
static void
replay_file(const char *path)
{
	static uint8_t all[FILE_MAX];
	FILE *f = fopen(path, "rb");
	uint8_t *data;
	size_t size;

	if (f == NULL) {
		perror(path);
		exit(1);
	}
	size = fread(all, 1, sizeof all, f);
	fclose(f);
	if ((data = malloc(size > 0 ? size : 1)) == NULL)
		abort();
	memcpy(data, all, size);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
}

static unsigned
replay(const char *path)
{
	char inside[PATH_MAX];
	struct dirent *entry;
	unsigned count = 0;
	DIR *dir = opendir(path);

	if (dir == NULL) {
		replay_file(path);
		return 1;
	}
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(inside, sizeof inside, "%s/%s", path, entry->d_name);
		count += replay(inside);
	}
	closedir(dir);
	return count;
}

/* .../replay_X to X */
static const char *
target_name(const char *program)
{
	const char *name = strstr(program, "replay_"), *next;

	while (name != NULL && (next = strstr(name + 1, "replay_")) != NULL)
		name = next;
	return name != NULL ? name + strlen("replay_") : program;
}

int
main(int argc, char **argv)
{
	const char *srcdir = getenv("srcdir");
	char corpus[PATH_MAX];
	unsigned count = 0;
	int i;

	snprintf(corpus, sizeof corpus, "%s/tests/fuzz/corpus/%s",
	    srcdir != NULL ? srcdir : ".", target_name(argv[0]));
	for (i = 1; i < argc; i++)
		count += replay(argv[i]);
	if (argc == 1)
		count = replay(corpus);
	printf("%s: %u files\n", argv[0], count);
	return count > 0 ? 0 : 1;
}
