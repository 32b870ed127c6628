/* SPDX-License-Identifier: ISC */
/*
 * Host names.  What comes out is a name, the same when it goes in again, and
 * the same however letters are cased; a port changes nothing.
 */
#include "config.h"
#include "wire/hostname.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MUST(x)	do { if (!(x)) abort(); } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_spelling(const char *out, int len)
{
	char again[HOSTNAME_SIZE];
	const char *set = out[0] == '[' ? "0123456789abcdef:.[]" :
	    "abcdefghijklmnopqrstuvwxyz0123456789-_.";

	MUST(len <= 253 && strlen(out) == (size_t)len && strspn(out, set) == (size_t)len);
	MUST(hostname_from_host_field(out, (size_t)len, again) == len && strcmp(out, again) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char name[HOSTNAME_SIZE], host[HOSTNAME_SIZE], other[HOSTNAME_SIZE];
	int n = hostname_canon((const char *)data, size, name);
	int h = hostname_from_host_field((const char *)data, size, host);
	char *copy = malloc(size + 6);

	MUST(n == -1 || (n > 0 && name[0] != '['));
	MUST(n == -1 || (h == n && strcmp(name, host) == 0));
	if (h > 0)
		check_spelling(host, h);
	for (size_t i = 0; i < size; i++)
		copy[i] = (char)toupper(data[i]);
	MUST(hostname_from_host_field(copy, size, other) == h);
	MUST(h <= 0 || strcmp(host, other) == 0);
	if (n > 0) {
		memcpy(copy + size, ":65535", 6);
		MUST(hostname_from_host_field(copy, size + 6, other) == n && strcmp(name, other) == 0);
		MUST(hostname_canon(copy, size + 6, other) == -1);
	}
	free(copy);
	return 0;
}
