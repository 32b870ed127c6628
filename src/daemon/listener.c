/* SPDX-License-Identifier: ISC */
/* Listening sockets.  In the master, which alone may bind. */
#include "config.h"
#include "daemon/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/descriptor.h"
#include "base/log.h"
#include "proxy/peer.h"

void
listener_tune(int fd, const struct conf *c, const struct conf_listener *l, const struct conf_bind *b)
{
	int on = 1, defer;

	listen(fd, l->backlog);
	if (b->path != NULL)
		return;
	/* accepted sockets inherit these: no call for each client */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	peer_keepalive(fd, c->tcp_keepalive_ms);
	defer = peer_defer_s(l);
	setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &defer, sizeof(defer));
}

static int
open_unix(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct stat st;
	int fd, probe;

	if (path[0] == '\0' || strlen(path) >= sizeof(un.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(un.sun_path, path);
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) {
		/* somebody's, or left by one that died */
		probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (probe >= 0 && connect(probe, (struct sockaddr *)&un, sizeof(un)) == 0) {
			close(probe);
			errno = EADDRINUSE;
			return -1;
		}
		if (probe >= 0)
			close(probe);
		unlink(path);
	}
	if ((fd = descriptor_share(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0))) < 0)
		return -1;
	if (bind(fd, (struct sockaddr *)&un, sizeof(un)) != 0) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

static int
open_tcp(const struct conf_bind *b)
{
	struct sockaddr_storage ss;
	struct addr a = b->addr;
	socklen_t len;
	int fd, on = 1, only;

	if (b->any) {
		a.family = ADDR_IPV6;
		memset(a.ip, 0, sizeof(a.ip));
	}
	len = addr_to_sockaddr(&a, &ss);
	fd = descriptor_share(socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
	if (fd < 0 && b->any && errno == EAFNOSUPPORT) {	/* no IPv6 on this machine */
		a.family = ADDR_IPV4;
		len = addr_to_sockaddr(&a, &ss);
		fd = descriptor_share(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	}
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (ss.ss_family == AF_INET6) {
		only = !b->any;
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
	}
	if (bind(fd, (struct sockaddr *)&ss, len) != 0) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

/* Bound and listening; -1 with errno.  (Linux may say only in listen that a
 * port is taken.) */
static int
open_once(const struct conf_listener *l, const struct conf_bind *b)
{
	int fd = b->path != NULL ? open_unix(b->path) : open_tcp(b);

	if (fd >= 0 && listen(fd, l->backlog) != 0) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

int
listener_open(const struct conf *c, const struct conf_listener *l, const struct conf_bind *b,
    int patience)
{
	int64_t until = clock_ms() + patience;
	bool said = false;
	int fd;

	while ((fd = open_once(l, b)) < 0 && errno == EADDRINUSE && clock_ms() < until) {
		if (!said)
			log_notice("listener \"%s\": %s is in use, trying for %d s", l->name, b->text,
			    patience / 1000);
		said = true;
		poll(NULL, 0, 20);
	}
	if (fd >= 0)
		listener_tune(fd, c, l, b);
	return fd;
}
