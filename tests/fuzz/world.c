/* SPDX-License-Identifier: ISC */
/*
 * What happens around a worker under test.  In the fuzz target alone, in the
 * place of the kernel's calls; see world.h.
 */
#include "config.h"
#include "world.h"

#include <arpa/inet.h>
#include <crypt.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define START_S		1000000000	/* of the clock: some time in 2001 */
#define FDS		256		/* no descriptor is above */
#define CALLS_MAX	20000		/* without anything that happens: a busy loop */

int __real_poll(struct pollfd *fds, nfds_t n, int ms);
int __wrap_poll(struct pollfd *fds, nfds_t n, int ms);
int __wrap___poll_chk(struct pollfd *fds, nfds_t n, int ms, size_t size);
ssize_t __real_recv(int fd, void *buf, size_t len, int flags);
ssize_t __wrap_recv(int fd, void *buf, size_t len, int flags);
ssize_t __wrap___recv_chk(int fd, void *buf, size_t len, size_t size, int flags);
int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int __wrap_accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags);
int __real_socket(int family, int type, int protocol);
int __wrap_socket(int family, int type, int protocol);
int __real_connect(int fd, const struct sockaddr *sa, socklen_t len);
int __wrap_connect(int fd, const struct sockaddr *sa, socklen_t len);
int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_setitimer(int which, const struct itimerval *it, struct itimerval *old);
char *__wrap_crypt_r(const char *phrase, const char *setting, struct crypt_data *data);

struct world world;
static bool running;
static int64_t clock_us;
static int limit_ms[FDS];		/* SO_RCVTIMEO */

/* ---- peers ---------------------------------------------------------------- */

static void
keep(struct world_bytes *b, const void *p, size_t len)
{
	if (b->size - b->len < len) {
		b->size = (b->len + len) * 2;
		MUST((b->p = realloc(b->p, b->size)) != NULL);
	}
	if (len > 0)
		memcpy(b->p + b->len, p, len);
	b->len += len;
}

/* A new peer: returns the worker's end. */
static int
new_peer(bool is_server, int flags)
{
	struct world_peer *p = &world.peer[world.npeer];
	int end[2];

	MUST(world.npeer < WORLD_PEERS);
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0, end) == 0);
	MUST(end[0] < FDS && end[1] < FDS);
	p->is_server = is_server;
	p->client = (unsigned)world.client;
	p->fd = end[1];
	p->ended = p->broke = false;
	p->said.len = p->heard.len = 0;
	limit_ms[end[0]] = 0;
	world.npeer++;
	return end[0];
}

static void
hear(struct world_peer *p)
{
	uint8_t buf[16384];
	ssize_t n;

	while (p->fd >= 0 && (n = __real_recv(p->fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0) {
		keep(&p->heard, buf, (size_t)n);
		world.calls = 0;
	}
}

static void
hear_all(void)
{
	unsigned i;

	for (i = 0; i < world.npeer; i++)
		hear(&world.peer[i]);
}

static void
say(struct world_peer *p, const uint8_t *bytes, size_t len)
{
	ssize_t n;

	if (p->fd < 0 || p->ended || len == 0)
		return;
	n = send(p->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n > 0)
		keep(&p->said, bytes, (size_t)n);
}

static void
end(struct world_peer *p)
{
	if (p->fd >= 0)
		shutdown(p->fd, SHUT_WR);
	p->ended = true;
}

static void
break_off(struct world_peer *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
	p->ended = p->broke = true;
}

bool
world_is_closed(const struct world_peer *p)
{
	char c;

	return p->fd < 0 || __real_recv(p->fd, &c, 1, MSG_DONTWAIT) == 0 || errno != EAGAIN;
}

/* ---- the script ----------------------------------------------------------- */

static bool
is_event(size_t at)
{
	return at + 1 < world.len && world.script[at] == '\0' && world.script[at + 1] != '\0' &&
	    strchr("><)(][+~", world.script[at + 1]) != NULL;
}

/* The bytes up to the next event. */
static const uint8_t *
take_bytes(size_t *len)
{
	const uint8_t *p = world.script + world.at;

	while (world.at < world.len && !is_event(world.at))
		world.at++;
	*len = (size_t)(world.script + world.at - p);
	return p;
}

/* The next event; 0 at the end. */
static char
take_event(const uint8_t **bytes, size_t *len)
{
	char what;

	if (!is_event(world.at))
		return 0;
	what = (char)world.script[world.at + 1];
	world.at += 2;
	*bytes = take_bytes(len);
	return what;
}

/* Something happens.  False: the script is over, or time is to pass first. */
static bool
go_on(void)
{
	struct world_peer *client = &world.peer[world.client];
	struct world_peer *server = world.server >= 0 ? &world.peer[world.server] : NULL;
	const uint8_t *bytes;
	size_t len, before = world.at;

	world.calls = 0;
	switch (take_event(&bytes, &len)) {
	case '>':
		say(client, bytes, len);
		return true;
	case ')':
		end(client);
		return true;
	case ']':
		break_off(client);
		return true;
	case '<':
		if (server != NULL)
			say(server, bytes, len);
		return true;
	case '(':
		if (server != NULL)
			end(server);
		return true;
	case '[':
		if (server != NULL)
			break_off(server);
		return true;
	case '+':			/* its turn comes when this one is done */
		world.at = before;
		if (client->fd < 0)
			return false;
		break_off(client);
		return true;
	}
	return false;
}

/* A wait is over, and nothing has come. */
static void
pass(int ms)
{
	MUST(ms > 0);			/* else it would be for ever */
	clock_us += (int64_t)ms * 1000;
	world.late = true;
	world.calls = 0;
}

/* ---- the calls ------------------------------------------------------------ */

static void
called(void)
{
	hear_all();
	MUST(world.calls++ < CALLS_MAX);
}

int
__wrap_poll(struct pollfd *fds, nfds_t n, int ms)
{
	int ready;

	if (!running)
		return __real_poll(fds, n, ms);
	called();
	while ((ready = __real_poll(fds, n, 0)) == 0 && ms != 0 && go_on())
		;
	if (ready == 0 && ms != 0)
		pass(ms);
	return ready;
}

int
__wrap___poll_chk(struct pollfd *fds, nfds_t n, int ms, size_t size)
{
	MUST(size >= n * sizeof(*fds));
	return __wrap_poll(fds, n, ms);
}

ssize_t
__wrap_recv(int fd, void *buf, size_t len, int flags)
{
	ssize_t n;

	if (!running)
		return __real_recv(fd, buf, len, flags);
	called();
	if (world.piece > 0 && len > world.piece)
		len = world.piece;
	while ((n = __real_recv(fd, buf, len, flags | MSG_DONTWAIT)) < 0 && errno == EAGAIN &&
	    !(flags & MSG_DONTWAIT) && go_on())
		;
	if (n < 0 && errno == EAGAIN && !(flags & MSG_DONTWAIT)) {
		pass(limit_ms[fd]);
		errno = EAGAIN;
	}
	if (n > 0)
		world.calls = 0;
	return n;
}

ssize_t
__wrap___recv_chk(int fd, void *buf, size_t len, size_t size, int flags)
{
	MUST(size >= len);
	return __wrap_recv(fd, buf, len, flags);
}

int
__wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	struct timeval tv;

	if (running && level == SOL_SOCKET && name == SO_RCVTIMEO) {
		memcpy(&tv, value, sizeof(tv));
		limit_ms[fd] = (int)(tv.tv_sec * 1000 + tv.tv_usec / 1000);
	}
	return running ? 0 : __real_setsockopt(fd, level, name, value, len);
}

/* The next client, from 192.0.2.9; none: the worker is told to leave. */
int
__wrap_accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags)
{
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_port = htons(4711) };
	const uint8_t *bytes;
	size_t n;
	char what = '+';
	int client;

	(void)fd;
	MUST(running && *len >= sizeof(from));
	if (world.client < 0)
		bytes = take_bytes(&n);
	else
		while ((what = take_event(&bytes, &n)) != 0 && what != '+')
			;
	if (what == 0 || world.npeer >= WORLD_PEERS - 8) {
		*world.stop = world.stop_value;
		errno = EBADF;
		return -1;
	}
	from.sin_addr.s_addr = htonl(0xc0000209);
	memcpy(sa, &from, sizeof(from));
	*len = sizeof(from);
	world.client = (int)world.npeer;
	client = new_peer(false, flags);
	say(&world.peer[world.client], bytes, n);
	return client;
}

int
__wrap_socket(int family, int type, int protocol)
{
	if (!running)
		return __real_socket(family, type, protocol);
	if (world.npeer == WORLD_PEERS) {
		errno = EMFILE;
		return -1;
	}
	world.server = (int)world.npeer;
	return new_peer(true, type & SOCK_NONBLOCK);
}

int
__wrap_connect(int fd, const struct sockaddr *sa, socklen_t len)
{
	if (!running)
		return __real_connect(fd, sa, len);
	if (world.refuse == 0)
		return 0;
	world.refuse--;
	break_off(&world.peer[world.server]);
	world.server = -1;
	errno = ECONNREFUSED;
	return -1;
}

/* No two answers are the same. */
int
__wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	if (!running)
		return __real_clock_gettime(id, ts);
	clock_us++;
	ts->tv_sec = START_S + (time_t)(clock_us / 1000000);
	ts->tv_nsec = (long)(clock_us % 1000000) * 1000;
	return 0;
}

int
__wrap_setitimer(int which, const struct itimerval *it, struct itimerval *old)
{
	(void)which;
	(void)it;
	(void)old;
	return 0;
}

/* A hash is its setting and the phrase. */
char *
__wrap_crypt_r(const char *phrase, const char *setting, struct crypt_data *data)
{
	snprintf(data->output, sizeof(data->output), "$6$x$%s", phrase);
	if (strncmp(setting, "$6$x$", 5) != 0 && phrase[0] == '\0')
		snprintf(data->output, sizeof(data->output), "%s", setting);
	return data->output;
}

/* ---- one life --------------------------------------------------------------- */

void
world_begin(const uint8_t *script, size_t len, volatile sig_atomic_t *stop, sig_atomic_t value)
{
	world.script = script;
	world.len = len;
	world.at = 0;
	world.piece = 0;
	world.refuse = world.calls = world.npeer = 0;
	world.late = false;
	world.client = world.server = -1;
	world.stop = stop;
	world.stop_value = value;
	clock_us = 0;
	running = true;
}

void
world_end(void)
{
	hear_all();
	running = false;
}

void
world_forget(void)
{
	unsigned i;

	for (i = 0; i < world.npeer; i++)
		break_off(&world.peer[i]);
	world.npeer = 0;
}
