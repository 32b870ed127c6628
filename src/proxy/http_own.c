/* SPDX-License-Identifier: ISC */
/* Answers of durward's own, in the place of a server's.  In a worker. */
#include "config.h"
#include "proxy/http_move.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "wire/http_write.h"

void
http_own_count(struct session *s, int status)
{
	int class = status >= 100 && status < 600 ? status / 100 - 1 : 5;

	counter_add(&s->p->counters->status[class], 1);
	if (s->backend >= 0)
		counter_add(&http_backend_counters(s)->status[class], 1);
	if (s->backend >= 0 && s->server >= 0)
		counter_add(&http_server_counters(s)->status[class], 1);
}

bool
http_own_send(struct session *s, const char *p, size_t len)
{
	struct pollfd pfd = { s->client, POLLOUT, 0 };
	int ms = s->p->listener->timeouts.client;
	ssize_t n;

	while (len > 0) {
		n = send(s->client, p, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN && poll(&pfd, 1, ms > 0 ? ms : -1) == 0)
			return false;
		else if ((errno != EAGAIN && errno != EINTR) || http_stopped(s))
			return false;
	}
	return true;
}

void
http_own_answer(struct http_exchange *x, unsigned status, bool close_after)
{
	struct session *s = x->s;
	char buf[HTTP_ERROR_MAX];
	ssize_t n;

	/* a body that we did not read would be taken for the next request */
	if (!x->body.done || !x->req.head.keep_alive || s->p->stop != PROXY_GO_ON)
		close_after = true;
	n = http_write_error(status, x->req.head.minor, close_after, x->is_head, buf, sizeof(buf));
	x->status = (int)status;
	x->keep_client = !close_after;
	http_own_count(s, x->status);
	if (n <= 0)
		return;
	if (close_after) {
		session_last_word(s, buf, (size_t)n, HTTP_LAST_WORD_MS);
		return;
	}
	if (!http_own_send(s, buf, (size_t)n))
		x->keep_client = false;
	s->bytes_out += (size_t)n;
}
