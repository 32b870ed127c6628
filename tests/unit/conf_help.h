/* SPDX-License-Identifier: ISC */
/* Configurations for tests: text to a file in a directory of its own, what a
 * load said about it, and the sections that most cases do not care about. */
#ifndef DURWARD_TEST_CONF_HELP_H
#define DURWARD_TEST_CONF_HELP_H

#include <stdbool.h>

#include "state/conf.h"

struct said {
	char error[64][512];
	unsigned nerror;
	char warning[64][512];
	unsigned nwarning;
};

/* Make the directory, remove it with all that is in it. */
void conf_help_setup(void);
void conf_help_teardown(void);

/* Write a file into it; returns its path, good until the next call but four. */
const char *conf_help_file(const char *name, const char *text);

/* Load a file; messages, without the directory's name, go to *said. */
struct conf *conf_help_load(const char *path, struct said *said);

/* Whether a message is the one expected; "..." in that stands for any ending. */
bool conf_help_says(const char *message, const char *expected);

/* Load text that must be right; every error is printed and fails the test. */
struct conf *conf_help_text(const char *text);

/* A service on a tls listener, all but its hosts. */
#define CONF_HELP_CLUSTER(name, hosts) \
	"cluster \"" name "\" { service \"https\" { hosts = {" hosts "} servers = {\"10.0.0.1\"} } }\n"

#endif
