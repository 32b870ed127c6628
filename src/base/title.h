/* SPDX-License-Identifier: ISC */
/*
 * The process title, what `ps` shows: "durward: " and what the process does.
 *
 * Written over the arguments and the environment that the kernel laid out at
 * exec.  (libbsd's setproctitle leaves a stray "." behind arguments, and can
 * not make room where the environment is small.)
 */
#ifndef DURWARD_TITLE_H
#define DURWARD_TITLE_H

/* First thing in main: moves the arguments and the environment away.  Where
 * they are too small for a title, executes path again with more of it. */
void title_init(int argc, char ***argv, const char *path);

/* Cut where there is no room for all of it. */
void title_set(const char *title);

#endif
