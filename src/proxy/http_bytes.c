/* SPDX-License-Identifier: ISC */
/* Bytes that wait to be sent, in a few pieces.  In a worker. */
#include "config.h"

#include <stdint.h>
#include <sys/socket.h>

#include "proxy/http_move.h"

bool
http_bytes_wait(const struct http_bytes *b, int n)
{
	while (n-- > 0)
		if (b[n].len > 0)
			return true;
	return false;
}

void
http_bytes_took(struct http_bytes *b, int n, size_t sent)
{
	int i;

	for (i = 0; i < n && sent > 0; i++) {
		size_t k = sent < b[i].len ? sent : b[i].len;

		if (k == 0)	/* p may be NULL, to which nothing is added */
			continue;
		b[i].p += k;
		b[i].len -= k;
		sent -= k;
	}
}

int
http_bytes_iov(const struct http_bytes *b, int n, struct iovec *iov)
{
	int i, k = 0;

	for (i = 0; i < n; i++) {
		if (b[i].len == 0)
			continue;
		iov[k].iov_base = (char *)(uintptr_t)b[i].p;
		iov[k].iov_len = b[i].len;
		k++;
	}
	return k;
}

ssize_t
http_bytes_send(int fd, struct http_bytes *b, int n, int flags)
{
	struct iovec iov[3];
	struct msghdr m = { .msg_iov = iov };
	ssize_t sent;

	m.msg_iovlen = (size_t)http_bytes_iov(b, n, iov);
	sent = sendmsg(fd, &m, MSG_NOSIGNAL | flags);
	if (sent > 0)
		http_bytes_took(b, n, (size_t)sent);
	return sent;
}
