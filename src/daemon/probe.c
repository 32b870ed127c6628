/* SPDX-License-Identifier: ISC */
/* Probes.  In the checker; must never wait for anything. */
#include "config.h"
#include "daemon/probe.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "daemon/probe_ask.h"
#include "daemon/probe_https.h"
#include "state/shared.h"
#include "wire/proxy_header.h"

#define DISCARD		65536	/* bytes in one read */
#define DISCARDS	16	/* such reads at most: no server holds up a probe */

/* What the server said beyond what a probe reads: closing before that would be
 * a reset, of which servers complain in their logs. */
static void
discard(int fd)
{
	int i;

	for (i = 0; i < DISCARDS; i++)
		if (recv(fd, NULL, DISCARD, MSG_DONTWAIT | MSG_TRUNC) < DISCARD)
			break;
}

static bool
finish(struct probe *p, enum health_result result, const char *info)
{
	p->result = result;
	snprintf(p->info, sizeof(p->info), "%s", info);
	if (p->tls != NULL)
		probe_https_ops->close(p->tls);
	p->tls = NULL;
	if (p->fd >= 0) {
		if (!p->drained)
			discard(p->fd);
		close(p->fd);
	}
	p->fd = -1;
	p->phase = PROBE_IDLE;
	return false;
}

/* --- what comes back ---------------------------------------------------------- */

static bool
judge_tls(struct probe *p)
{
	const uint8_t *in = (const uint8_t *)p->in;

	if ((in[0] == 0x16 || in[0] == 0x15) && in[1] == 3)
		return finish(p, HEALTH_L6OK, "");
	return finish(p, HEALTH_L6RSP, "not a TLS record");
}

static bool
status_allowed(const struct conf_check *c, int code)
{
	unsigned i;

	for (i = 0; i < c->nstatus; i++)
		if (code >= c->status[i].first && code <= c->status[i].last)
			return true;
	return false;
}

static bool
judge_http(struct probe *p)
{
	int minor, code;
	char text[64];

	p->in[p->in_len] = '\0';
	if (sscanf(p->in, "HTTP/1.%1d %3d", &minor, &code) != 2 || code < 100)
		return finish(p, HEALTH_L7RSP, "not an HTTP/1 answer");
	p->code = code;
	if (status_allowed(p->check, code))
		return finish(p, HEALTH_L7OK, "");
	snprintf(text, sizeof(text), "HTTP status %d", code);
	return finish(p, HEALTH_L7STS, text);
}

/* What a connection's end means in this phase. */
static bool
fail_errno(struct probe *p, int error)
{
	if (p->phase == PROBE_CONNECTING)
		return finish(p, HEALTH_L4CON, strerror(error));
	return finish(p, HEALTH_SOCKERR, strerror(error));
}

static bool
closed_early(struct probe *p)
{
	bool http = p->check->type == CONF_CHECK_HTTP || p->check->type == CONF_CHECK_HTTPS;

	return finish(p, http ? HEALTH_L7RSP : HEALTH_L6RSP, "the server closed without an answer");
}

/* --- steps ------------------------------------------------------------------------
 *
 * Each goes on until its socket has no more to give or to take: the checker
 * watches for edges.
 */

/* A server that demands a PROXY header gets one that names no client (LOCAL,
 * UNKNOWN).  A fresh socket takes it whole. */
static bool
send_proxy_header(struct probe *p)
{
	uint8_t header[64];
	size_t n;

	if (p->proxy == CONF_PROXY_OFF)
		return true;
	n = p->proxy == CONF_PROXY_V1 ? proxy_header_format_v1(NULL, NULL, header, sizeof(header)) :
	    proxy_header_format_v2(NULL, NULL, header, sizeof(header));
	return send(p->fd, header, n, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)n;
}

/* > 0 bytes, 0 not now, -1 failed, -2 closed */
static ssize_t
probe_write(struct probe *p)
{
	size_t done = 0;
	ssize_t n;

	if (p->tls == NULL) {
		n = send(p->fd, p->out + p->out_sent, p->out_len - p->out_sent, MSG_DONTWAIT | MSG_NOSIGNAL);
		return n >= 0 ? n : errno == EAGAIN || errno == EINTR ? 0 : -1;
	}
	switch (probe_https_ops->write(p->tls, p->out + p->out_sent, p->out_len - p->out_sent, &done)) {
	case HTTPS_OK:
		return (ssize_t)done;
	case HTTPS_WANT_READ:
	case HTTPS_WANT_WRITE:
		return 0;
	case HTTPS_CLOSED:
	case HTTPS_FAILED:
		break;
	}
	errno = EPIPE;
	return -1;
}

/* Of a TLS answer only the first bytes count; the others come off the socket with
 * them, or closing it would be a reset. */
static ssize_t
receive(struct probe *p)
{
	size_t room = sizeof(p->in) - 1 - p->in_len, size = room;
	char answer[16384], *to = p->in + p->in_len;
	ssize_t n;

	if (p->check->type == CONF_CHECK_TLS) {
		to = answer;
		size = sizeof(answer);
	}
	n = recv(p->fd, to, size, MSG_DONTWAIT);
	p->drained = n < (ssize_t)size;
	if (n > 0 && to == answer) {
		n = (size_t)n < room ? n : (ssize_t)room;
		memcpy(p->in + p->in_len, answer, (size_t)n);
	}
	return n;
}

static ssize_t
probe_read(struct probe *p)
{
	size_t done = 0;
	ssize_t n;

	if (p->tls == NULL) {
		n = receive(p);
		if (n == 0)
			return -2;
		return n > 0 ? n : errno == EAGAIN || errno == EINTR ? 0 : -1;
	}
	switch (probe_https_ops->read(p->tls, p->in + p->in_len, sizeof(p->in) - 1 - p->in_len, &done)) {
	case HTTPS_OK:
		return (ssize_t)done;
	case HTTPS_WANT_READ:
	case HTTPS_WANT_WRITE:
		return 0;
	case HTTPS_CLOSED:
		return -2;
	case HTTPS_FAILED:
		break;
	}
	errno = ECONNRESET;
	return -1;
}

/* Drop interim answers (RFC 9110, 15.2), of which none was asked for.  True: the
 * rest of one is still to come. */
static bool
drop_interim(struct probe *p)
{
	const char *end;

	while (p->in_len >= 12 && memcmp(p->in, "HTTP/1.", 7) == 0 && p->in[9] == '1' &&
	    memcmp(p->in + 9, "101", 3) != 0) {
		if ((end = memmem(p->in, p->in_len, "\r\n\r\n", 4)) == NULL)
			return p->in_len < sizeof(p->in) - 1;
		end += 4;
		p->in_len -= (size_t)(end - p->in);
		memmove(p->in, end, p->in_len);
	}
	return false;
}

static bool
step_read(struct probe *p)
{
	bool tls = p->check->type == CONF_CHECK_TLS;
	ssize_t n;

	while ((n = probe_read(p)) != 0) {
		if (n == -1)
			return fail_errno(p, errno);
		if (n > 0)
			p->in_len += (size_t)n;
		if (tls && p->in_len >= 5)
			return judge_tls(p);
		if (!tls && n > 0 && drop_interim(p))
			continue;
		/* "HTTP/1.1 200" is enough */
		if (!tls && (p->in_len >= 12 || (n == -2 && p->in_len > 0)))
			return judge_http(p);
		if (n == -2)
			return closed_early(p);
	}
	return true;
}

/* While the phase is still PROBE_CONNECTING, an error is the connection's. */
static bool
step_send(struct probe *p)
{
	ssize_t n;

	while (p->out_sent < p->out_len) {
		if ((n = probe_write(p)) < 0)
			return fail_errno(p, errno);
		if (n == 0)
			return true;
		p->out_sent += (size_t)n;
		p->phase = PROBE_SENDING;
	}
	p->phase = PROBE_READING;
	/* OpenSSL may have read the answer with the end of the handshake */
	return p->tls == NULL || step_read(p);
}

static bool
step_secure(struct probe *p)
{
	char error[HEALTH_INFO_MAX] = "";

	switch (probe_https_ops->handshake(p->tls, error, sizeof(error))) {
	case HTTPS_OK:
		p->phase = PROBE_SENDING;
		return step_send(p);
	case HTTPS_WANT_READ:
	case HTTPS_WANT_WRITE:
		return true;
	case HTTPS_CLOSED:
	case HTTPS_FAILED:
		break;
	}
	return finish(p, HEALTH_L6RSP, error);
}

static bool
step_connected(struct probe *p)
{
	socklen_t len = sizeof(int);
	char host[PROBE_HOST_MAX];
	const char *name;
	int error = 0;

	switch (p->check->type) {
	case CONF_CHECK_TLS:
		p->out_len = probe_ask_tls(p->out, p->sni);
		break;
	case CONF_CHECK_HTTP:
		p->out_len = probe_ask_http(p->check, p->host, (char *)p->out, sizeof(p->out));
		break;
	case CONF_CHECK_TCP:
	case CONF_CHECK_NONE:
	case CONF_CHECK_HTTPS:
		if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
			error = errno;
		if (error != 0)
			return fail_errno(p, error);
		break;
	}
	if (!send_proxy_header(p))
		return fail_errno(p, errno);
	switch (p->check->type) {
	case CONF_CHECK_TCP:
	case CONF_CHECK_NONE:
		return finish(p, HEALTH_L4OK, "");
	case CONF_CHECK_TLS:
	case CONF_CHECK_HTTP:
		return step_send(p);
	case CONF_CHECK_HTTPS:
		p->out_len = probe_ask_http(p->check, p->host, (char *)p->out, sizeof(p->out));
		name = p->check->host[0] != '\0' ? p->check->host :
		    p->sni[0] != '\0' ? p->sni : probe_ask_host(p->host, host);
		if (p->tls_context == NULL ||
		    (p->tls = probe_https_ops->open(p->tls_context, p->fd, name)) == NULL)
			return finish(p, HEALTH_L6RSP, "TLS is not to be had for checks; the log says why");
		p->phase = PROBE_SECURING;
		return step_secure(p);
	}
	return finish(p, HEALTH_SOCKERR, "");
}

bool
probe_start(struct probe *p, const struct addr *a)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(a, &ss);
	int on = 1, off = 0;

	p->started_us = clock_us();
	p->out_len = p->out_sent = p->in_len = 0;
	p->code = 0;
	p->drained = false;
	p->tls = NULL;
	p->phase = PROBE_CONNECTING;
	p->fd = -1;
	if (len == 0)
		return finish(p, HEALTH_L4CON, "its name does not resolve");
	p->fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (p->fd < 0)		/* that we are short of something is not the server's fault */
		return finish(p, shared_is_shortage(errno) ? HEALTH_UNKNOWN : HEALTH_SOCKERR,
		    strerror(errno));
	if (p->proxy != CONF_PROXY_OFF)		/* two writes, and no wait between them */
		setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (p->check->type != CONF_CHECK_TCP)	/* the handshake's last ACK goes with the question */
		setsockopt(p->fd, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof(off));
	if (connect(p->fd, (struct sockaddr *)&ss, len) != 0 && errno != EINPROGRESS)
		return fail_errno(p, errno);
	return true;
}

bool
probe_step(struct probe *p)
{
	switch (p->phase) {
	case PROBE_IDLE:
		return false;
	case PROBE_CONNECTING:
		return step_connected(p);
	case PROBE_SECURING:
		return step_secure(p);
	case PROBE_SENDING:
		return step_send(p);
	case PROBE_READING:
		return step_read(p);
	}
	return false;
}

void
probe_timeout(struct probe *p)
{
	switch (p->phase) {
	case PROBE_IDLE:
		break;
	case PROBE_CONNECTING:
		finish(p, HEALTH_L4TOUT, "no connection in time");
		break;
	case PROBE_SECURING:
		finish(p, HEALTH_L6TOUT, "no TLS handshake in time");
		break;
	case PROBE_SENDING:
	case PROBE_READING:
		finish(p, p->check->type == CONF_CHECK_TLS ? HEALTH_L6TOUT : HEALTH_L7TOUT, "no answer in time");
		break;
	}
}
