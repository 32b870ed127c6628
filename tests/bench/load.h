/* SPDX-License-Identifier: ISC */
/* What the parts of load share; its uses are at the top of load.c.  Each part
 * ends the process with a word on stderr where something fails. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stdint.h>

#define LOAD_ANSWER	1024		/* bytes that a hello gets */
#define LOAD_CHUNK	(256 * 1024)
#define LOAD_EVENTS	256

/* A decimal number of an argument. */
long load_number(const char *text);

/* epoll_ctl (op is its own) that ends the process where it fails; key comes back in data.u64 >> 32. */
void load_watch(int ep, int fd, uint32_t events, uint32_t key, int op);

/* load_serve.c: both run until they are killed. */
int load_serve(const char *what, long port);
int load_sink(long port);

/* load_client.c: the other words, with their arguments; the exit status, -1
 * where there is no such word. */
int load_client(int argc, char **argv);

#endif
