/* SPDX-License-Identifier: ISC */
/* The clients of the bench: what each takes, and how long. */
#include "config.h"
#include "load.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SAMPLES		(4 * 1024 * 1024)
#define GIVE_UP_US	30000000	/* a hold that takes longer has failed */

static uint8_t chunk[LOAD_CHUNK];

static int64_t
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* --- the hello ---------------------------------------------------------------- */

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

/* --- the clients -------------------------------------------------------------- */

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
	load_watch(ep, fd, EPOLLOUT, 0, EPOLL_CTL_ADD);
	return fd;
}

static bool
say_hello(int ep, int fd, struct target *t)
{
	hello_vary(&t->hello, t->names);
	if (send(fd, t->hello.bytes, t->hello.len, MSG_NOSIGNAL) != (ssize_t)t->hello.len)
		return false;
	load_watch(ep, fd, EPOLLIN, 1, EPOLL_CTL_MOD);
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
	ssize_t n = recv(fd, chunk, LOAD_ANSWER, 0);

	if (n <= 0) {
		failed += n == 0 || errno != EAGAIN;
		return n == 0 || errno != EAGAIN;
	}
	conns[fd].got += (uint32_t)n;
	if (conns[fd].got < LOAD_ANSWER)
		return false;
	note(fd);
	return true;
}

static int
run_connect(struct target *t, long at_a_time, long seconds)
{
	struct epoll_event e[LOAD_EVENTS];
	int ep = epoll_create1(0), i, n;
	int64_t begin = now_us(), end = begin + seconds * 1000000;

	while (at_a_time-- > 0)
		start(ep, t);
	while (now_us() < end) {
		n = epoll_wait(ep, e, LOAD_EVENTS, 1000);
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
	report(now_us() - begin, samples * LOAD_ANSWER);
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
	static uint8_t message[LOAD_CHUNK];
	int64_t begin, end;
	int fd = connected(t);

	if (bytes > LOAD_CHUNK)
		errx(2, "at most %d bytes", LOAD_CHUNK);
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
	struct epoll_event e[LOAD_EVENTS];
	int ep = epoll_create1(0), i, n;
	int64_t begin = now_us(), end = begin + seconds * 1000000;
	uint64_t bytes = 0;

	for (i = 0; i < at_a_time; i++)
		load_watch(ep, connected(t), EPOLLIN, 1, EPOLL_CTL_ADD);
	while (now_us() < end) {
		n = epoll_wait(ep, e, LOAD_EVENTS, 1000);
		for (i = 0; i < n; i++) {
			ssize_t got = recv((int)(uint32_t)e[i].data.u64, chunk, LOAD_CHUNK, MSG_DONTWAIT);

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
	struct epoll_event e[LOAD_EVENTS];
	int ep = epoll_create1(0), i, n;
	int64_t begin = now_us();
	long left = count;
	char line[8];

	while (count-- > 0)
		start(ep, t);
	while (left > 0 && now_us() - begin < GIVE_UP_US) {
		n = epoll_wait(ep, e, LOAD_EVENTS, 1000);
		for (i = 0; i < n; i++) {
			int fd = (int)(uint32_t)e[i].data.u64;
			unsigned long before = failed;

			if (e[i].data.u64 >> 32 == 0) {
				failed += !say_hello(ep, fd, t);
				left -= failed > before;
			} else if (take_answer(fd)) {
				load_watch(ep, fd, 0, 1, EPOLL_CTL_DEL);
				left--;
			}
			if (failed > before)
				close(fd);
		}
	}
	failed += (unsigned long)left;
	report(now_us() - begin, samples * LOAD_ANSWER);
	return fgets(line, sizeof(line), stdin) == NULL;
}

static void
target_make(struct target *t, const char *address, const char *port, const char *name)
{
	memset(t, 0, sizeof(*t));
	t->to.sin_family = AF_INET;
	t->to.sin_port = htons((uint16_t)load_number(port));
	if (inet_pton(AF_INET, address, &t->to.sin_addr) != 1)
		errx(2, "not an address: %s", address);
	hello_make(&t->hello, name);
}

int
load_client(int argc, char **argv)
{
	struct target t;

	if (argc < 6)
		return -1;
	if ((sample = calloc(SAMPLES, sizeof(*sample))) == NULL)
		err(1, "calloc");
	target_make(&t, argv[2], argv[3], argv[4]);
	if (argc == 6 && strcmp(argv[1], "hold") == 0)
		return run_hold(&t, load_number(argv[5]));
	if (argc == 8)
		t.names = load_number(argv[7]);
	if (argc >= 7 && strcmp(argv[1], "connect") == 0)
		return run_connect(&t, load_number(argv[5]), load_number(argv[6]));
	if (argc == 7 && strcmp(argv[1], "echo") == 0)
		return run_echo(&t, load_number(argv[5]), load_number(argv[6]));
	if (argc == 7 && strcmp(argv[1], "bulk") == 0)
		return run_bulk(&t, load_number(argv[5]), load_number(argv[6]));
	return -1;
}
