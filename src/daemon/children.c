/* SPDX-License-Identifier: ISC */
/* The table of children.  In the master; child_begin in the child. */
#include "config.h"
#include "daemon/children.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"

/* Open addressing by pid; a place that was left is marked, and swept away
 * when the table is built anew.  No child inherits it: each fork writes into it,
 * which would leave the child before with an old page of its own. */
static struct child *table;
static unsigned size, used, filled;	/* used: live ones; filled: with the left */

#define LEFT	((pid_t)-1)

static struct child *
place_for(struct child *t, unsigned n, pid_t pid)
{
	unsigned i = (unsigned)pid & (n - 1);

	while (t[i].pid != 0 && t[i].pid != pid)
		i = (i + 1) & (n - 1);
	return &t[i];
}

static int
rebuild(void)
{
	unsigned n = 256, i;
	struct child *t;

	while (n < used * 4)
		n *= 2;
	t = mmap(NULL, n * sizeof(*t), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (t == MAP_FAILED)
		return -1;
	madvise(t, n * sizeof(*t), MADV_DONTFORK);
	for (i = 0; i < size; i++)
		if (table[i].pid > 0)
			*place_for(t, n, table[i].pid) = table[i];
	if (table != NULL)
		munmap(table, size * sizeof(*table));
	table = t;
	size = n;
	filled = used;
	return 0;
}

int
children_add(pid_t pid, enum child_role role, uint32_t slot)
{
	struct child *c;

	if ((filled + 1) * 2 > size && rebuild() != 0)
		return -1;
	c = place_for(table, size, pid);
	c->pid = pid;
	c->role = role;
	c->slot = slot;
	c->started_ms = clock_ms();
	c->listener = c->pool = 0;
	c->counts = c->old = false;
	used++;
	filled++;
	return 0;
}

struct child *
children_find(pid_t pid)
{
	struct child *c;

	if (size == 0 || pid <= 0)
		return NULL;
	c = place_for(table, size, pid);
	return c->pid == pid ? c : NULL;
}

void
children_forget(struct child *c)
{
	c->pid = LEFT;
	used--;
}

void
children_each(void (*f)(struct child *c, void *arg), void *arg)
{
	unsigned i;

	for (i = 0; i < size; i++)
		if (table[i].pid > 0)
			f(&table[i], arg);
}

unsigned
children_count(enum child_role role)
{
	unsigned i, n = 0;

	for (i = 0; i < size; i++)
		if (table[i].pid > 0 && table[i].role == role)
			n++;
	return n;
}

static void
close_between(unsigned first, unsigned last)
{
	if (first > last)
		return;
#ifdef SYS_close_range
	if (syscall(SYS_close_range, first, last, 0) == 0)
		return;
#endif
	if (last > 4096)
		last = 4096;
	for (; first <= last; first++)
		close((int)first);
}

void
child_begin(const int *keep, unsigned n)
{
	unsigned at = 3, i;
	struct sigaction sa;
	sigset_t none;

	/* no exec follows, so nothing else would close these */
	for (;;) {
		int next = -1;

		for (i = 0; i < n; i++)
			if (keep[i] >= (int)at && (next < 0 || keep[i] < next))
				next = keep[i];
		if (next < 0)
			break;
		if (next > (int)at)
			close_between(at, (unsigned)next - 1);
		at = (unsigned)next + 1;
	}
	close_between(at, ~0u);
	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGQUIT, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	sa.sa_handler = SIG_DFL;
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGUSR2, &sa, NULL);
	sigaction(SIGCHLD, &sa, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}
