/* SPDX-License-Identifier: ISC */
/*
 * HUP.  The next generation is opened whole beside the one in service; only
 * when nothing can fail any more does it take over: its workers first, then
 * the old ones are told to finish.  A client in the backlog does not notice
 * who accepts it.
 */
#include "config.h"
#include "daemon/master.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/children.h"
#include "daemon/detach.h"
#include "daemon/listener.h"
#include "daemon/logger.h"
#include "daemon/notify.h"
#include "daemon/users.h"

struct reasons {			/* why a reload is refused */
	const struct generation *now;	/* what is in service */
	char *text;
	size_t size, len;
	unsigned n;
};

static void
add_reason(void *arg, const char *message)
{
	struct reasons *r = arg;
	int n;

	r->n++;
	log_errx("%s", message);
	if (r->size == 0 || r->len >= r->size - 1)
		return;
	n = snprintf(r->text + r->len, r->size - r->len, "%s%s", r->len > 0 ? "\n" : "", message);
	if (n > 0)
		r->len += (size_t)n < r->size - r->len ? (size_t)n : r->size - r->len - 1;
}

static void
say_warning(void *arg, const char *message)
{
	(void)arg;
	log_warnx("%s", message);
}

static int
old_fd(void *arg, const char *bind_text)
{
	const struct reasons *r = arg;

	return generation_fd(r->now, bind_text);
}

static void
mark_old(struct child *c, void *arg)
{
	(void)arg;
	if (c->role == CHILD_WORKER)
		c->old = true;
}

/* The control socket of the new configuration, where it is another. */
int
master_open_control(struct master *m, const struct conf *c)
{
	struct conf_bind b = { .path = c->control };
	struct conf_listener l = { .backlog = 64 };
	mode_t mask;
	int fd;

	mask = umask(0177);	/* mode 0600 from the first moment on */
	fd = listener_open(c, &l, &b, 0);
	umask(mask);
	if (fd < 0) {
		log_err("control socket %s", c->control);
		return m->sandbox.root ? -1 : 0;
	}
	m->control_fd = fd;
	return 0;
}

void
master_open_log(struct master *m, const struct conf *c)
{
	enum log_sink_kind kind = LOG_SINK_STDERR;
	int fd = -1;

	switch (c->log.kind) {
	case CONF_LOG_SYSLOG:
		kind = LOG_SINK_SYSLOG;
		break;
	case CONF_LOG_FILE:
		kind = LOG_SINK_FILE;
		break;
	case CONF_LOG_UDP:
		kind = LOG_SINK_UDP;
		break;
	case CONF_LOG_STDERR:
		break;
	}
	if (m->foreground && !c->log_given)
		kind = LOG_SINK_STDERR;
	if (kind == LOG_SINK_FILE && (fd = log_sink_open_file(c->log.path)) < 0)
		log_err("log file %s", c->log.path);
	if (m->sink.fd >= 0)
		close(m->sink.fd);
	m->sink.kind = kind;
	m->sink.fd = fd;
	m->sink.facility = c->log.facility;
	m->sink.addr = c->log.addr;
	m->sink.lost = &m->shared.use->log_lost;
	if (gethostname(m->sink.host, sizeof(m->sink.host) - 1) != 0)
		strcpy(m->sink.host, "-");
	m->sink.host[strcspn(m->sink.host, ".")] = '\0';
	log_set_level(c->log_level);
}

/* Another target is another logger: what the old one has read goes where it
 * went so far, what is in the pipe yet goes to the new one. */
static void
change_log(struct master *m, const struct conf *old, const struct conf *c)
{
	if (strcmp(old->log.text, c->log.text) == 0 && old->log_given == c->log_given) {
		log_set_level(c->log_level);
		return;
	}
	master_open_log(m, c);
	/* the next one is forked by master_fill */
	if (m->logger > 0 && logger_send_leave(m->logger_sock) != 0)
		kill(m->logger, SIGKILL);
}

static void
change_control(struct master *m, const struct conf *old, const struct conf *c)
{
	int fd = m->control_fd;

	if (strcmp(old->control, c->control) == 0)
		return;
	m->control_fd = -1;
	if (master_open_control(m, c) != 0 || m->control_fd < 0) {
		m->control_fd = fd;
		return;
	}
	if (fd >= 0) {
		close(fd);
		unlink(old->control);
	}
}

static void
take_over(struct master *m, struct generation *next)
{
	struct generation *old = m->gen;
	const char *old_pid = m->pid_override != NULL ? m->pid_override : old->conf->pid_file;
	const char *new_pid = m->pid_override != NULL ? m->pid_override : next->conf->pid_file;
	int64_t now = clock_ms();

	children_each(mark_old, NULL);
	m->generation = atomic_fetch_add(&m->shared.head->generation, 1) + 1;
	atomic_fetch_add(&m->shared.head->reloads, 1);
	atomic_store(&m->shared.head->reloaded_ms, now);
	change_log(m, old->conf, next->conf);
	change_control(m, old->conf, next->conf);
	if (strcmp(old_pid, new_pid) != 0 && detach_write_pid(new_pid) == 0)
		detach_remove_pid(old_pid);
	m->gen = next;
	master_free_pools(m, old);
	master_end_checker(m);
	if (m->clerk > 0)
		kill(m->clerk, SIGUSR1);
	m->clerk = 0;
	m->clerk_after = 0;
	master_fill(m, now);
	master_signal_workers(m, SIGUSR1, true, true);
	generation_free(old, next);
}

static int
reload(struct master *m, char *why, size_t size)
{
	struct reasons r = { m->gen, why, size, 0, 0 };
	const struct generation_from from = { old_fd, add_reason, &r };
	struct users u = { m->sandbox.uid, m->sandbox.gid };
	struct generation *next;
	struct conf *c;

	if (size > 0)
		why[0] = '\0';
	c = conf_load(m->conf_path, add_reason, say_warning, &r);
	if (c != NULL && m->sandbox.root && users_find(c, &u, add_reason, NULL, &r) != 0) {
		conf_free(c);
		c = NULL;
	}
	if (c == NULL) {
		log_errx("%s has errors: the configuration in service stays", m->conf_path);
		return -1;
	}
	master_end_resolver(m);		/* before servers get their addresses */
	next = generation_open(c, &m->shared, &from);
	if (next == NULL) {
		log_errx("reload failed: the configuration in service stays");
		return -1;
	}
	m->sandbox.uid = u.uid;		/* of those that are forked from now on */
	m->sandbox.gid = u.gid;
	take_over(m, next);
	log_notice("reloaded %s: generation %u", m->conf_path, m->generation);
	return 0;
}

int
master_reload(struct master *m, char *why, size_t size)
{
	int r;

	notify_reloading();
	r = reload(m, why, size);
	notify_ready(r == 0 ? "in service" :
	    "in service; a newer configuration was refused, the log says why");
	return r;
}
