/* SPDX-License-Identifier: ISC */
/*
 * The clerk: answers durwardctl on the control socket, many clients at a time,
 * each with a line to say, an answer to take, and little time for either.  In
 * a process of its own, sandboxed.  It never waits on a client or the master;
 * what one client does (garbage, silence, not reading) is no matter to others.
 * The questions and answers are in clerk_command.
 */
#include "config.h"
#include "daemon/clerk.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/clerk_command.h"

#define CLIENTS		64
#define PATIENCE_MS	5000	/* for a client that says or takes nothing */
#define LINE_SIZE	2048

enum stage {
	STAGE_FREE,
	STAGE_READING,	/* its line */
	STAGE_WAITING,	/* to ask the master */
	STAGE_ASKED,	/* the master, one at a time */
	STAGE_WRITING	/* its answer */
};

struct client {
	enum stage stage;
	int fd;			/* -1: it left while the master was asked for it */
	int64_t deadline;	/* clock_ms; not while the master has the word */
	unsigned turn;		/* who came first is asked for first */
	char line[LINE_SIZE];
	size_t len, sent;
	struct out out;
	struct clerk_ask ask;
};

struct desk {
	const struct clerk *c;
	bool master_gone;
	sigset_t asleep;	/* the signals blocked while we wait: none */
	unsigned turns;
	struct client client[CLIENTS];
};

static void
client_free(struct client *cl)
{
	if (cl->fd >= 0)
		close(cl->fd);
	out_free(&cl->out);
	cl->fd = -1;
	cl->stage = STAGE_FREE;
}

static struct client *
find(struct desk *d, enum stage stage)
{
	struct client *best = NULL;
	unsigned i;

	for (i = 0; i < CLIENTS; i++)
		if (d->client[i].stage == stage &&
		    (best == NULL || d->client[i].turn - best->turn > UINT32_MAX / 2))
			best = &d->client[i];
	return best;
}

static void
client_write(struct client *cl, int64_t now)
{
	ssize_t n;

	if (cl->out.failed) {	/* half an answer would be a lie */
		client_free(cl);
		return;
	}
	while (cl->sent < cl->out.len) {
		n = send(cl->fd, cl->out.p + cl->sent, cl->out.len - cl->sent,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			break;
		cl->sent += (size_t)n;
		cl->deadline = now + PATIENCE_MS;
	}
	client_free(cl);
}

static void
client_answer(struct client *cl, int64_t now)
{
	cl->stage = STAGE_WRITING;
	cl->sent = 0;
	cl->deadline = now + PATIENCE_MS;
	if (cl->fd < 0)
		client_free(cl);
	else
		client_write(cl, now);
}

static void
client_refuse(struct client *cl, const char *why, int64_t now)
{
	cl->out.len = 0;
	out_printf(&cl->out, "error\n%s\n", why);
	client_answer(cl, now);
}

/* The signal that sets *finish is blocked but while we wait, and the master
 * that has hung up may have sent it before: it is taken now. */
static bool
told_to_finish(struct desk *d)
{
	const struct timespec none = { 0, 0 };

	if (!*d->c->finish)
		ppoll(NULL, 0, &none, &d->asleep);
	return *d->c->finish;
}

/* After a reload a new clerk sits here: let the client ask that one. */
static void
client_send_on(struct client *cl, int64_t now)
{
	cl->out.len = 0;
	out_text(&cl->out, "again\n");
	client_answer(cl, now);
}

/* The master has hung up.  What servers are was set already, and stands. */
static void
client_deserted(struct desk *d, struct client *cl, int64_t now)
{
	if (cl->ask.request.op == CLERK_SERVERS_CHANGED)
		client_answer(cl, now);
	else if (told_to_finish(d))
		client_send_on(cl, now);
	else
		client_refuse(cl, "the master has gone", now);
}

/* The line is whole.  Who asks after a reload must not hear of what was before
 * it: the signal was sent first, but may not have been taken. */
static void
client_command(struct desk *d, struct client *cl, int64_t now)
{
	if (told_to_finish(d)) {
		client_send_on(cl, now);
		return;
	}
	if (!clerk_command(d->c, cl->line, &cl->out, &cl->ask)) {
		client_answer(cl, now);
		return;
	}
	cl->turn = d->turns++;
	cl->stage = STAGE_WAITING;
	cl->deadline = CLOCK_NEVER;
}

static void
client_read(struct desk *d, struct client *cl, int64_t now)
{
	char *end;
	ssize_t n = recv(cl->fd, cl->line + cl->len, sizeof(cl->line) - 1 - cl->len, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		client_free(cl);
		return;
	}
	cl->len += (size_t)n;
	cl->line[cl->len] = '\0';
	if ((end = memchr(cl->line, '\n', cl->len)) != NULL) {
		*end = '\0';
		client_command(d, cl, now);
	} else if (cl->len == sizeof(cl->line) - 1)
		client_refuse(cl, "the line is too long", now);
}

/* It can be read, or has hung up, while the master has the word. */
static void
client_look_gone(struct client *cl)
{
	char c;
	ssize_t n = recv(cl->fd, &c, 1, MSG_DONTWAIT);

	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	close(cl->fd);
	cl->fd = -1;
	if (cl->stage == STAGE_WAITING)
		client_free(cl);
}

static void
accept_clients(struct desk *d, int64_t now)
{
	struct client *cl;
	int fd;

	while (!told_to_finish(d) && (cl = find(d, STAGE_FREE)) != NULL) {
		fd = accept4(d->c->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0)
			return;
		cl->stage = STAGE_READING;
		cl->fd = fd;
		cl->deadline = now + PATIENCE_MS;
		cl->len = cl->sent = 0;
		out_init(&cl->out);
		client_read(d, cl, now);
	}
}

/* --- the master ---------------------------------------------------------------- */

/* The master's stop ends us too, perhaps before its reply could go on: the
 * client is told first. */
static void
stop(struct desk *d, struct client *cl, int64_t now)
{
	const struct clerk_reply agreed = { .ok = 1 };
	struct clerk_request request = cl->ask.request;

	clerk_command_settled(d->c, &cl->ask, &agreed, &cl->out);
	client_answer(cl, now);
	send(d->c->master_fd, &request, sizeof(request), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void
ask_next(struct desk *d, int64_t now)
{
	struct client *cl;

	while (find(d, STAGE_ASKED) == NULL && (cl = find(d, STAGE_WAITING)) != NULL) {
		if (cl->ask.request.op == CLERK_STOP && !d->master_gone) {
			stop(d, cl, now);
			continue;
		}
		if (d->master_gone || send(d->c->master_fd, &cl->ask.request, sizeof(cl->ask.request),
		    MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)sizeof(cl->ask.request)) {
			client_deserted(d, cl, now);
			continue;
		}
		cl->stage = STAGE_ASKED;
	}
}

static void
master_read(struct desk *d, int64_t now)
{
	struct client *cl = find(d, STAGE_ASKED);
	struct clerk_reply reply;
	ssize_t n = recv(d->c->master_fd, &reply, sizeof(reply), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		d->master_gone = true;
		if (cl != NULL)
			client_deserted(d, cl, now);
		return;
	}
	if (n != (ssize_t)sizeof(reply) || cl == NULL)
		return;
	reply.text[sizeof(reply.text) - 1] = '\0';
	clerk_command_settled(d->c, &cl->ask, &reply, &cl->out);
	client_answer(cl, now);
}

/* --- the loop ------------------------------------------------------------------ */

/* Fills pfd; returns how long to sleep at most. */
static int
plan(struct desk *d, struct pollfd pfd[CLIENTS + 2], bool closing, int64_t now)
{
	int64_t next = CLOCK_NEVER;
	unsigned i;

	pfd[0].fd = closing || find(d, STAGE_FREE) == NULL ? -1 : d->c->listen_fd;
	pfd[1].fd = d->master_gone ? -1 : d->c->master_fd;
	pfd[0].events = pfd[1].events = POLLIN;
	for (i = 0; i < CLIENTS; i++) {
		const struct client *cl = &d->client[i];

		pfd[i + 2].fd = cl->fd;
		/* while the master has the word, only a hang-up counts */
		pfd[i + 2].events = cl->stage == STAGE_READING ? POLLIN :
		    cl->stage == STAGE_WRITING ? POLLOUT : 0;
		if (cl->stage != STAGE_FREE && cl->deadline < next)
			next = cl->deadline;
	}
	return clock_left(next, now);
}

static void
serve(struct desk *d, const struct pollfd pfd[CLIENTS + 2], int64_t now)
{
	unsigned i;

	for (i = 0; i < CLIENTS; i++) {
		struct client *cl = &d->client[i];
		bool heard = pfd[i + 2].revents != 0;

		switch (cl->stage) {
		case STAGE_FREE:
			continue;
		case STAGE_READING:
			if (heard)
				client_read(d, cl, now);
			break;
		case STAGE_WAITING:
		case STAGE_ASKED:
			if (heard)
				client_look_gone(cl);
			break;
		case STAGE_WRITING:
			if (heard)
				client_write(cl, now);
			break;
		}
		if (cl->stage != STAGE_FREE && cl->deadline <= now)
			client_free(cl);
	}
	if (pfd[1].revents != 0)
		master_read(d, now);
	if (pfd[0].revents != 0)
		accept_clients(d, now);
	ask_next(d, now);
}

static bool
is_busy(struct desk *d)
{
	return find(d, STAGE_READING) != NULL || find(d, STAGE_WAITING) != NULL ||
	    find(d, STAGE_ASKED) != NULL || find(d, STAGE_WRITING) != NULL;
}

void
clerk_run(struct clerk *c)
{
	_Alignas(4096) static struct desk desk;
	struct pollfd pfd[CLIENTS + 2];
	struct timespec ts;
	sigset_t awake;
	int i, left;

	desk.c = c;
	for (i = 0; i < CLIENTS; i++)
		desk.client[i].fd = -1;
	/* the clerk before us may take a client that we were woken for */
	fcntl(c->listen_fd, F_SETFL, O_NONBLOCK);
	/* so that the signal that sets *finish is never missed */
	sigemptyset(&awake);
	sigaddset(&awake, SIGUSR1);
	sigprocmask(SIG_BLOCK, &awake, &desk.asleep);
	for (;;) {
		bool closing = *c->finish || desk.master_gone;

		if (closing && !is_busy(&desk))
			return;
		memset(pfd, 0, sizeof(pfd));
		left = plan(&desk, pfd, closing, clock_ms());
		ts.tv_sec = left / 1000;
		ts.tv_nsec = left % 1000 * 1000000L;
		if (ppoll(pfd, CLIENTS + 2, left < 0 ? NULL : &ts, &desk.asleep) >= 0)
			serve(&desk, pfd, clock_ms());
	}
}
