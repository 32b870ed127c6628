/* SPDX-License-Identifier: ISC */
/*
 * What a worker shares with others (listening socket, the log's pipe, eventfds)
 * stands at this number and above, what it opens itself below.  So its system
 * call filter can tell them apart, and keep one worker from shutting or changing
 * what all have.
 */
#ifndef DURWARD_DESCRIPTOR_H
#define DURWARD_DESCRIPTOR_H

/* A power of two: the filter looks at bits.  Also how many a worker may have
 * open, RLIMIT_NOFILE, so that none of its own ever stands higher. */
#define DESCRIPTOR_SHARED	32

/* Move fd there, where it is not, and set close-on-exec.  The new number; -1
 * with errno, fd is closed then (-1: nothing to do, and errno stays). */
int descriptor_share(int fd);

#endif
