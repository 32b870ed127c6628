/* SPDX-License-Identifier: ISC */
/* The servers of the bench, and its syslog sink. */
#include "config.h"
#include "load.h"

#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static uint8_t chunk[LOAD_CHUNK];

enum service { SERVE_HELLO, SERVE_ECHO, SERVE_BULK, SERVE_HTTP };

/* A ServerHello's beginning, so that a check of TLS is content. */
static bool
give_hello(int fd)
{
	static const uint8_t start[] = { 0x16, 3, 3, 3, 0xfb, 2, 0, 3, 0xf7, 3, 3 };
	static uint8_t answer[LOAD_ANSWER];

	memcpy(answer, start, sizeof(start));
	return send(fd, answer, sizeof(answer), MSG_NOSIGNAL) == LOAD_ANSWER;
}

static int
listen_on(long port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;

	a.sin_addr.s_addr = htonl(INADDR_ANY);	/* all of 127/8 */
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
	    bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(fd, 8192) != 0)
		err(1, "port %ld", port);
	return fd;
}

static void
accept_all(int ep, int listener)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0)
		load_watch(ep, fd, EPOLLIN, 0, EPOLL_CTL_ADD);
}

/* Endless, but a chunk a turn, so that several downloads share. */
static bool
give_bulk(int ep, int fd)
{
	static uint8_t bulk[LOAD_CHUNK];
	ssize_t n = send(fd, bulk, sizeof(bulk), MSG_NOSIGNAL);

	load_watch(ep, fd, EPOLLOUT, 1, EPOLL_CTL_MOD);
	return n >= 0 || errno == EAGAIN;
}

static bool
give_echo(int fd, ssize_t len)
{
	ssize_t done = 0, n;

	while (done < len) {
		n = send(fd, chunk + done, (size_t)(len - done), MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			return false;
		done += n > 0 ? n : 0;
	}
	return true;
}

/* wrk asks with one small write, so a read that ends a head is one request. */
static bool
give_http(int fd, ssize_t n)
{
	bool last = memmem(chunk, (size_t)n, "onnection: close", 16) != NULL;
	char answer[LOAD_ANSWER + 256];
	int head;

	if (n < 4 || memcmp(chunk + n - 4, "\r\n\r\n", 4) != 0)
		return true;
	head = snprintf(answer, 256, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
	    "%sContent-Length: %d\r\n\r\n", last ? "Connection: close\r\n" : "", LOAD_ANSWER);
	memset(answer + head, 'a', LOAD_ANSWER);
	return send(fd, answer, (size_t)head + LOAD_ANSWER, MSG_NOSIGNAL) == head + LOAD_ANSWER && !last;
}

static bool
serve_one(enum service service, int ep, int fd, bool bulk)
{
	ssize_t n;

	if (bulk)
		return give_bulk(ep, fd);
	n = recv(fd, chunk, sizeof(chunk), 0);
	if (n <= 0)
		return n < 0 && errno == EAGAIN;
	switch (service) {
	case SERVE_HELLO:
		return give_hello(fd);
	case SERVE_ECHO:
		return give_echo(fd, n);
	case SERVE_BULK:
		return give_bulk(ep, fd);
	case SERVE_HTTP:
		return give_http(fd, n);
	}
	return false;
}

int
load_serve(const char *what, long port)
{
	static const char *const names[] = { "hello", "echo", "bulk", "http" };
	struct epoll_event e[LOAD_EVENTS];
	unsigned service = 0;
	int ep = epoll_create1(0), listener, i, n;

	while (service < 4 && strcmp(what, names[service]) != 0)
		service++;
	if (service == 4)
		errx(2, "no such service: %s", what);
	listener = listen_on(port);
	load_watch(ep, listener, EPOLLIN, 2, EPOLL_CTL_ADD);
	for (;;) {
		n = epoll_wait(ep, e, LOAD_EVENTS, -1);
		for (i = 0; i < n; i++) {
			int fd = (int)(uint32_t)e[i].data.u64;
			uint32_t key = (uint32_t)(e[i].data.u64 >> 32);

			if (key == 2)
				accept_all(ep, listener);
			else if (!serve_one((enum service)service, ep, fd, key == 1))
				close(fd);
		}
	}
}

int
load_sink(long port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	static char line[64][2048];
	struct mmsghdr m[64];
	struct iovec v[64];
	int fd = socket(AF_INET, SOCK_DGRAM, 0), i;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0)
		err(1, "port %ld", port);
	memset(m, 0, sizeof(m));
	for (i = 0; i < 64; i++) {
		v[i].iov_base = line[i];
		v[i].iov_len = sizeof(line[i]);
		m[i].msg_hdr.msg_iov = &v[i];
		m[i].msg_hdr.msg_iovlen = 1;
	}
	while (recvmmsg(fd, m, 64, MSG_WAITFORONE, NULL) >= 0)
		;
	return 1;
}
