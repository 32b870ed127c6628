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

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ANSWER		1024		/* bytes that a hello gets */
#define CHUNK		(256 * 1024)
#define EVENTS		256
#define SAMPLES		(4 * 1024 * 1024)
#define GIVE_UP_US	30000000	/* a hold that takes longer has failed */

static uint8_t chunk[CHUNK];

static int64_t
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static long
number(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (*text == '\0' || *end != '\0' || n < 0)
		errx(2, "not a number: %s", text);
	return n;
}

static void
watch(int ep, int fd, uint32_t events, uint32_t key, int op)
{
	struct epoll_event e = { .events = events, .data.u64 = (uint64_t)key << 32 | (uint32_t)fd };

	if (epoll_ctl(ep, op, fd, &e) != 0)
		err(1, "epoll_ctl");
}

/* --- servers ---------------------------------------------------------------- */

enum service { SERVE_HELLO, SERVE_ECHO, SERVE_BULK, SERVE_HTTP };

/* A ServerHello's beginning, so that a check of TLS is content. */
static bool
give_hello(int fd)
{
	static const uint8_t start[] = { 0x16, 3, 3, 3, 0xfb, 2, 0, 3, 0xf7, 3, 3 };
	static uint8_t answer[ANSWER];

	memcpy(answer, start, sizeof(start));
	return send(fd, answer, sizeof(answer), MSG_NOSIGNAL) == ANSWER;
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
		watch(ep, fd, EPOLLIN, 0, EPOLL_CTL_ADD);
}

/* Endless, but a chunk a turn, so that several downloads share. */
static bool
give_bulk(int ep, int fd)
{
	static uint8_t bulk[CHUNK];
	ssize_t n = send(fd, bulk, sizeof(bulk), MSG_NOSIGNAL);

	watch(ep, fd, EPOLLOUT, 1, EPOLL_CTL_MOD);
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
	char answer[ANSWER + 256];
	int head;

	if (n < 4 || memcmp(chunk + n - 4, "\r\n\r\n", 4) != 0)
		return true;
	head = snprintf(answer, 256, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
	    "%sContent-Length: %d\r\n\r\n", last ? "Connection: close\r\n" : "", ANSWER);
	memset(answer + head, 'a', ANSWER);
	return send(fd, answer, (size_t)head + ANSWER, MSG_NOSIGNAL) == head + ANSWER && !last;
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

static int
serve(const char *what, long port)
{
	static const char *const names[] = { "hello", "echo", "bulk", "http" };
	struct epoll_event e[EVENTS];
	unsigned service = 0;
	int ep = epoll_create1(0), listener, i, n;

	while (service < 4 && strcmp(what, names[service]) != 0)
		service++;
	if (service == 4)
		errx(2, "no such service: %s", what);
	listener = listen_on(port);
	watch(ep, listener, EPOLLIN, 2, EPOLL_CTL_ADD);
	for (;;) {
		n = epoll_wait(ep, e, EVENTS, -1);
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

static int
sink(long port)
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

/* --- clients ---------------------------------------------------------------- */

struct hello {
	uint8_t bytes[1024];
	size_t len;
	size_t digits;		/* where the five digits of its name are, or 0 */
};

static void
put(struct hello *h, const void *bytes, size_t len)
{
	memcpy(h->bytes + h->len, bytes, len);
	h->len += len;
}

static void
put16(struct hello *h, size_t n)
{
	uint8_t b[2] = { (uint8_t)(n >> 8), (uint8_t)n };

	put(h, b, 2);
}

/* RFC 8446, 4.1.2: as long as a browser's (517 bytes), by padding. */
static void
hello_make(struct hello *h, const char *name)
{
	static const uint8_t suites[] = { 0x13, 1, 0x13, 2, 0xc0, 0x2b, 0xc0, 0x2f };
	static const uint8_t versions[] = { 0, 43, 0, 5, 4, 3, 4, 3, 3 };
	static const uint8_t zeros[512];
	size_t n = strlen(name), total = 517, pad;

	if (n > 200)
		errx(2, "the name is too long");
	memset(h, 0, sizeof(*h));
	put(h, "\x16\x03\x01", 3);
	put16(h, total - 5);
	put(h, "\x01\x00", 2);
	put16(h, total - 9);
	put(h, "\x03\x03", 2);
	put(h, zeros, 32);
	put(h, "\x20", 1);
	put(h, zeros, 32);
	put16(h, sizeof(suites));
	put(h, suites, sizeof(suites));
	put(h, "\x01\x00", 2);
	put16(h, total - h->len - 2);
	put16(h, 0);			/* server_name, RFC 6066, 3 */
	put16(h, n + 5);
	put16(h, n + 3);
	put(h, "\x00", 1);
	put16(h, n);
	if (strncmp(name, "n00000", 6) == 0)
		h->digits = h->len + 1;
	put(h, name, n);
	put(h, versions, sizeof(versions));
	pad = total - h->len - 4;
	put16(h, 21);			/* padding, RFC 7685 */
	put16(h, pad);
	put(h, zeros, pad);
}

/* A different one of `names` names each time. */
static void
hello_vary(struct hello *h, long names)
{
	static uint32_t seed = 12345;
	char digits[16];

	if (h->digits == 0 || names <= 1)
		return;
	seed = seed * 1664525 + 1013904223;
	snprintf(digits, sizeof(digits), "%05ld", (long)(seed >> 8) % names);
	memcpy(h->bytes + h->digits, digits, 5);
}

struct target {
	struct sockaddr_in to;
	struct hello hello;
	long names;
};

struct conn {
	int64_t start;
	uint32_t got;
};

static struct conn conns[1 << 16];	/* by descriptor */
static uint32_t *sample;
static size_t samples;
static unsigned long failed;

/* From many clients: each connection has the next of 200 addresses. */
static int
start(int ep, const struct target *t)
{
	static uint32_t next;
	struct sockaddr_in from = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;

	if (fd < 0 || fd >= 1 << 16)
		err(1, "socket");
	from.sin_addr.s_addr = htonl(0x7f010001 + next++ % 200);
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	conns[fd].start = now_us();
	conns[fd].got = 0;
	if (bind(fd, (struct sockaddr *)&from, sizeof(from)) != 0 ||
	    (connect(fd, (const struct sockaddr *)&t->to, sizeof(t->to)) != 0 &&
	    errno != EINPROGRESS))
		err(1, "connect");
	watch(ep, fd, EPOLLOUT, 0, EPOLL_CTL_ADD);
	return fd;
}

static bool
say_hello(int ep, int fd, struct target *t)
{
	hello_vary(&t->hello, t->names);
	if (send(fd, t->hello.bytes, t->hello.len, MSG_NOSIGNAL) != (ssize_t)t->hello.len)
		return false;
	watch(ep, fd, EPOLLIN, 1, EPOLL_CTL_MOD);
	return true;
}

static void
note(int fd)
{
	if (samples < SAMPLES)
		sample[samples++] = (uint32_t)(now_us() - conns[fd].start);
}

static int
by_size(const void *a, const void *b)
{
	uint32_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x < y ? -1 : x > y;
}

static void
report(int64_t took_us, uint64_t bytes)
{
	double seconds = (double)took_us / 1e6;

	qsort(sample, samples, sizeof(*sample), by_size);
	printf("{\"count\": %zu, \"failed\": %lu, \"seconds\": %.6f, \"rate\": %.1f, "
	    "\"p50_us\": %u, \"p99_us\": %u, \"bytes\": %llu}\n", samples, failed, seconds,
	    (double)samples / seconds, samples > 0 ? sample[samples / 2] : 0,
	    samples > 0 ? sample[samples * 99 / 100] : 0, (unsigned long long)bytes);
	fflush(stdout);
}

/* The next bytes of a hello's answer; true once the connection has ended. */
static bool
take_answer(int fd)
{
	ssize_t n = recv(fd, chunk, ANSWER, 0);

	if (n <= 0) {
		failed += n == 0 || errno != EAGAIN;
		return n == 0 || errno != EAGAIN;
	}
	conns[fd].got += (uint32_t)n;
	if (conns[fd].got < ANSWER)
		return false;
	note(fd);
	return true;
}

static int
run_connect(struct target *t, long at_a_time, long seconds)
{
	struct epoll_event e[EVENTS];
	int ep = epoll_create1(0), i, n;
	int64_t begin = now_us(), end = begin + seconds * 1000000;

	while (at_a_time-- > 0)
		start(ep, t);
	while (now_us() < end) {
		n = epoll_wait(ep, e, EVENTS, 1000);
		for (i = 0; i < n; i++) {
			int fd = (int)(uint32_t)e[i].data.u64;
			bool over;

			if (e[i].data.u64 >> 32 == 0) {
				over = !say_hello(ep, fd, t);
				failed += over;
			} else {
				over = take_answer(fd);
			}
			if (over) {
				close(fd);
				start(ep, t);
			}
		}
	}
	report(now_us() - begin, samples * ANSWER);
	return 0;
}

static int
connected(const struct target *t)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	if (fd < 0 || connect(fd, (const struct sockaddr *)&t->to, sizeof(t->to)) != 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
	    send(fd, t->hello.bytes, t->hello.len, MSG_NOSIGNAL) != (ssize_t)t->hello.len)
		err(1, "connect");
	return fd;
}

static void
take_echo(int fd, size_t len)
{
	ssize_t n;

	for (; len > 0; len -= (size_t)n) {
		n = recv(fd, chunk, len, 0);
		if (n <= 0)
			err(1, "the echo ended");
	}
}

static int
run_echo(const struct target *t, long bytes, long seconds)
{
	static uint8_t message[CHUNK];
	int64_t begin, end;
	int fd = connected(t);

	if (bytes > CHUNK)
		errx(2, "at most %d bytes", CHUNK);
	take_echo(fd, t->hello.len);
	begin = now_us();
	end = begin + seconds * 1000000;
	do {
		conns[fd].start = now_us();
		if (send(fd, message, (size_t)bytes, MSG_NOSIGNAL) != bytes)
			err(1, "send");
		take_echo(fd, (size_t)bytes);
		note(fd);
	} while (now_us() < end);
	report(now_us() - begin, samples * (uint64_t)bytes);
	return 0;
}

static int
run_bulk(const struct target *t, long at_a_time, long seconds)
{
	struct epoll_event e[EVENTS];
	int ep = epoll_create1(0), i, n;
	int64_t begin = now_us(), end = begin + seconds * 1000000;
	uint64_t bytes = 0;

	for (i = 0; i < at_a_time; i++)
		watch(ep, connected(t), EPOLLIN, 1, EPOLL_CTL_ADD);
	while (now_us() < end) {
		n = epoll_wait(ep, e, EVENTS, 1000);
		for (i = 0; i < n; i++) {
			ssize_t got = recv((int)(uint32_t)e[i].data.u64, chunk, CHUNK, MSG_DONTWAIT);

			if (got <= 0 && (got == 0 || errno != EAGAIN))
				err(1, "the download ended");
			bytes += got > 0 ? (uint64_t)got : 0;
		}
	}
	report(now_us() - begin, bytes);
	return 0;
}

static int
run_hold(struct target *t, long count)
{
	struct epoll_event e[EVENTS];
	int ep = epoll_create1(0), i, n;
	int64_t begin = now_us();
	long left = count;
	char line[8];

	while (count-- > 0)
		start(ep, t);
	while (left > 0 && now_us() - begin < GIVE_UP_US) {
		n = epoll_wait(ep, e, EVENTS, 1000);
		for (i = 0; i < n; i++) {
			int fd = (int)(uint32_t)e[i].data.u64;
			unsigned long before = failed;

			if (e[i].data.u64 >> 32 == 0) {
				failed += !say_hello(ep, fd, t);
				left -= failed > before;
			} else if (take_answer(fd)) {
				watch(ep, fd, 0, 1, EPOLL_CTL_DEL);
				left--;
			}
			if (failed > before)
				close(fd);
		}
	}
	failed += (unsigned long)left;
	report(now_us() - begin, samples * ANSWER);
	return fgets(line, sizeof(line), stdin) == NULL;
}

static void
target_make(struct target *t, const char *address, const char *port, const char *name)
{
	memset(t, 0, sizeof(*t));
	t->to.sin_family = AF_INET;
	t->to.sin_port = htons((uint16_t)number(port));
	if (inet_pton(AF_INET, address, &t->to.sin_addr) != 1)
		errx(2, "not an address: %s", address);
	hello_make(&t->hello, name);
}

int
main(int argc, char **argv)
{
	struct rlimit most;
	struct target t;

	if (getrlimit(RLIMIT_NOFILE, &most) == 0) {
		most.rlim_cur = most.rlim_max;
		setrlimit(RLIMIT_NOFILE, &most);
	}
	if (argc == 3 && strcmp(argv[1], "sink") == 0)
		return sink(number(argv[2]));
	if (argc == 4 && strcmp(argv[1], "serve") == 0)
		return serve(argv[2], number(argv[3]));
	if (argc < 6)
		errx(2, "usage: see the top of load.c");
	if ((sample = calloc(SAMPLES, sizeof(*sample))) == NULL)
		err(1, "calloc");
	target_make(&t, argv[2], argv[3], argv[4]);
	if (argc == 6 && strcmp(argv[1], "hold") == 0)
		return run_hold(&t, number(argv[5]));
	if (argc == 8)
		t.names = number(argv[7]);
	if (argc >= 7 && strcmp(argv[1], "connect") == 0)
		return run_connect(&t, number(argv[5]), number(argv[6]));
	if (argc == 7 && strcmp(argv[1], "echo") == 0)
		return run_echo(&t, number(argv[5]), number(argv[6]));
	if (argc == 7 && strcmp(argv[1], "bulk") == 0)
		return run_bulk(&t, number(argv[5]), number(argv[6]));
	errx(2, "usage: see the top of load.c");
}
