/* SPDX-License-Identifier: ISC */
/*
 * What `make bench` needs beside the proxies: servers, clients and a syslog
 * sink, each one process with one epoll loop, so that all proxies meet the
 * same ones and little of the machine goes into them.
 *
 *	load sink PORT			take UDP log lines and forget them
 *	load serve hello|echo|bulk|http PORT
 *	load connect ADDRESS PORT NAME AT-A-TIME SECONDS [NAMES]
 *	load echo ADDRESS PORT NAME BYTES SECONDS
 *	load bulk ADDRESS PORT NAME AT-A-TIME SECONDS
 *	load hold ADDRESS PORT NAME COUNT	until a line comes on stdin
 *
 * A client prints one line of JSON.  The hello is a real one, made here, and
 * no cryptography follows: what a proxy that passes TLS on does is the same.
 */
#include "config.h"
#include "load.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>

long
load_number(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (*text == '\0' || *end != '\0' || n < 0)
		errx(2, "not a number: %s", text);
	return n;
}

void
load_watch(int ep, int fd, uint32_t events, uint32_t key, int op)
{
	struct epoll_event e = { .events = events, .data.u64 = (uint64_t)key << 32 | (uint32_t)fd };

	if (epoll_ctl(ep, op, fd, &e) != 0)
		err(1, "epoll_ctl");
}

int
main(int argc, char **argv)
{
	struct rlimit most;
	int status;

	if (getrlimit(RLIMIT_NOFILE, &most) == 0) {
		most.rlim_cur = most.rlim_max;
		setrlimit(RLIMIT_NOFILE, &most);
	}
	if (argc == 3 && strcmp(argv[1], "sink") == 0)
		return load_sink(load_number(argv[2]));
	if (argc == 4 && strcmp(argv[1], "serve") == 0)
		return load_serve(argv[2], load_number(argv[3]));
	if ((status = load_client(argc, argv)) < 0)
		errx(2, "usage: see the top of load.c");
	return status;
}
