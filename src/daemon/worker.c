/* SPDX-License-Identifier: ISC */
/*
 * The accept loop.
 *
 * Signals: TERM ends this client now, USR2 likewise because its server went
 * down, USR1 lets it finish and takes no other; the master's death is a USR1
 * too (PR_SET_PDEATHSIG).  A plain flag would be missed by a signal that lands
 * just before a call that waits; so the handler closes the listening socket
 * and shuts down the client's and the server's, and whatever waits on them,
 * or is about to, returns.
 */
#include "config.h"
#include "daemon/worker.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "base/title.h"
#include "proxy/session.h"
#include "proxy/session_http.h"

#define SHORTAGE_PAUSE_MS	100

static struct worker *self;		/* for the handler */
static volatile sig_atomic_t listening;	/* set before there is one; -1 closed */

static void
shut(int fd, int how)
{
	if (fd >= 0)
		shutdown(fd, how);
}

/* Else the signal was meant for a client that was done with that server just then. */
static bool
server_is_down(struct proxy *p)
{
	int32_t v = atomic_load(&p->slot->server);
	const struct server_slot *s;

	if ((atomic_load(&p->slot->holds) & HOLDS_SERVER) == 0 || v < 0 || v >= (int32_t)SHARED_SERVERS)
		return false;
	s = &p->shared->server[v];
	return atomic_load(&s->state) != HEALTH_UP || atomic_load(&s->admin) == HEALTH_MAINT;
}

static void
on_signal(int sig)
{
	struct proxy *p = self->proxy;
	int saved = errno;
	int fd = listening;

	if (sig == SIGUSR2 && !server_is_down(p))
		return;
	listening = -1;
	if (fd >= 0)
		close(fd);
	if (sig == SIGUSR1) {
		if (p->stop == PROXY_GO_ON)
			p->stop = PROXY_FINISH;
		if (p->client_idle)
			shut(p->client_fd, SHUT_RD);
	} else if (sig == SIGUSR2) {
		p->stop = PROXY_SERVER_DOWN;	/* the client may yet be told */
		shut(p->server_fd, SHUT_RDWR);
	} else {
		p->stop = PROXY_KILLED;
		shut(p->client_fd, SHUT_RDWR);
		shut(p->server_fd, SHUT_RDWR);
	}
	errno = saved;
}

static void
on_alarm(int sig)
{
	(void)sig;	/* accept returns; that is all */
}

void
worker_signals(struct worker *w)
{
	struct sigaction sa;
	sigset_t none;

	self = w;
	listening = w->listen_fd;
	memset(&sa, 0, sizeof(sa));
	sigfillset(&sa.sa_mask);
	sa.sa_handler = on_signal;
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGUSR2, &sa, NULL);
	sa.sa_handler = on_alarm;
	sigaction(SIGALRM, &sa, NULL);
	sa.sa_handler = SIG_IGN;	/* the terminal's, and those meant for the master */
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGQUIT, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	sigaction(SIGPIPE, &sa, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* While we wait, kept server connections must not outlive their time. */
static void
tick(bool on)
{
	struct itimerval it = { { on, 0 }, { on, 0 } };

	setitimer(ITIMER_REAL, &it, NULL);
}

/* The next client's socket; -1: the worker is to end. */
static int
accept_client(struct worker *w, struct addr *peer)
{
	int flags = w->proxy->listener->protocol == CONF_TLS ? SOCK_NONBLOCK : 0;
	struct sockaddr_storage ss;
	bool ticking = session_http_idle() > 0;
	socklen_t len;
	int fd = -1;

	if (ticking)
		tick(true);
	while (w->proxy->stop == PROXY_GO_ON) {
		len = sizeof(ss);
		fd = accept4(w->listen_fd, (struct sockaddr *)&ss, &len, SOCK_CLOEXEC | flags);
		if (fd >= 0 || w->proxy->stop != PROXY_GO_ON)
			break;
		if (errno == EINTR && ticking) {
			session_http_tidy(clock_ms());
			if (session_http_idle() == 0) {
				tick(false);
				ticking = false;
			}
		} else if (shared_is_shortage(errno)) {
			if (shared_may_say_shortage(w->proxy->shared, SHORTAGE_ACCEPT))
				log_warn("%s: cannot accept a client", w->proxy->listener->name);
			/* let others give back what is short; the client waits */
			poll(NULL, 0, SHORTAGE_PAUSE_MS);
		} else if (errno != EINTR && errno != ECONNABORTED && errno != EAGAIN &&
		    errno != EPROTO && errno != ENETDOWN && errno != EHOSTUNREACH &&
		    errno != ENETUNREACH && errno != EPERM) {
			log_err("%s: accept", w->proxy->listener->name);
			break;
		}
	}
	if (ticking)
		tick(false);
	if (fd >= 0)
		addr_from_sockaddr(peer, (struct sockaddr *)&ss);
	return fd;
}

/* One spare less: where they run low, the master must know now. */
static void
leave_idle(struct worker *w)
{
	struct pool_use *pool = w->proxy->pool_use;
	int32_t were = atomic_fetch_sub_explicit(&pool->idle, 1, memory_order_relaxed);
	uint64_t one = 1;

	if (were <= (int32_t)w->spare_min &&
	    atomic_load_explicit(&pool->short_of, memory_order_relaxed) == 0 &&
	    atomic_exchange(&pool->short_of, 1) == 0 &&
	    write(w->master_fd, &one, sizeof(one)) < 0)
		log_warn("cannot wake the master");
}

static void
show_idle(const struct worker *w)
{
	char title[256];
	struct text t = text_in(title, sizeof(title));

	text_add(&t, "idle ");
	text_add(&t, w->proxy->listener->name);
	title_set(title);
}

static void
become_idle(struct worker *w)
{
	struct worker_slot *slot = w->proxy->slot;

	atomic_store_explicit(&slot->since_ms, clock_ms(), memory_order_relaxed);
	atomic_store_explicit(&slot->state, WORKER_IDLE, memory_order_relaxed);
	atomic_fetch_add_explicit(&w->proxy->pool_use->idle, 1, memory_order_relaxed);
	show_idle(w);
}

int
worker_run(struct worker *w)
{
	struct proxy *p = w->proxy;
	struct addr peer;
	int fd;

	atomic_store(&p->slot->state, WORKER_IDLE);
	show_idle(w);
	while ((fd = accept_client(w, &peer)) >= 0) {
		leave_idle(w);
		session_run(p, fd, &peer);
		atomic_fetch_add_explicit(&p->slot->served, 1, memory_order_relaxed);
		if (p->stop != PROXY_GO_ON) {
			session_http_close();
			return EX_OK;
		}
		become_idle(w);
	}
	session_http_close();
	atomic_fetch_sub_explicit(&p->pool_use->idle, 1, memory_order_relaxed);
	/* it held nothing while it was idle, and WAITING might */
	atomic_store_explicit(&p->slot->holds, 0, memory_order_relaxed);
	atomic_store_explicit(&p->slot->state, WORKER_WAITING, memory_order_relaxed);
	return p->stop != PROXY_GO_ON ? EX_OK : EX_TEMPFAIL;
}
