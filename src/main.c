/* SPDX-License-Identifier: ISC */
/*
 * durward: several Kubernetes clusters behind one public address.
 *
 * The house, from the door in:
 *
 *   main.c      options, then the boot order as a list
 *   daemon/     the processes: master (binds, forks, reaps, reloads), worker
 *               (the accept loop), checker, clerk, logger, resolver; the
 *               sandbox that each child walks into
 *   proxy/      what a worker does for one client: session (accepted to
 *               ended, one way out), session_tls, session_http, dial (to a
 *               server, or the next), relay (bytes both ways)
 *   report/     what a person sees: the stats page, CSV, JSON, metrics
 *   state/      what processes share: conf, route (name to backend), balance
 *               (backend and key to server), health, scoreboard, sources,
 *               counters, all of them in one shared segment
 *   wire/       bytes in, verdict out; pure
 *   base/       log, addresses, clock
 *
 * Includes point down this list only.  A connection lives in session_run
 * (proxy/session.c).
 */
#include "config.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/title.h"
#include "daemon/detach.h"
#include "daemon/limits.h"
#include "daemon/master.h"
#include "daemon/query.h"
#include "daemon/sandbox.h"
#include "daemon/users.h"
#include "state/conf.h"

enum { EXIT_OK, EXIT_ERROR, EXIT_USAGE };

static const char usage_text[] =
    "usage: durward [-fhtTV] [-c file] [-p pid-file] [-r listener,host[,source]]\n";

/* Warnings about the configuration say themselves that they are such. */
static void
say_message(void *arg, const char *message)
{
	(void)arg;
	fprintf(stderr, "durward: %s\n", message);
}

static void
say_warning(void *arg, const char *message)
{
	(void)arg;
	fprintf(stderr, "durward: warning: %s\n", message);
}

static void
print_version(void)
{
	char offer[160];

	printf("durward %s\n"
	    "configuration: %s/durward.conf\n"
	    "system call filter: %s\n"
	    "\"https\" checks: %s\n"
	    "sanitizers: %s\n"
	    "this kernel: %s\n",
	    PACKAGE_VERSION, SYSCONFDIR,
#ifdef HAVE_SECCOMP
	    "yes (libseccomp)",
#else
	    "no",
#endif
#ifdef HAVE_OPENSSL
	    "yes (OpenSSL)",
#else
	    "no",
#endif
#ifdef WITH_SANITIZERS
	    "yes",
#else
	    "no",
#endif
	    sandbox_offer(offer, sizeof(offer)));
}

/* Where this executable stands, for USR2: asked now, for after an upgrade the
 * kernel's own answer says "(deleted)". */
static const char *
own_path(void)
{
	_Alignas(4096) static char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (n <= 0)
		return "durward";
	path[n] = '\0';
	return path;
}

/* An absolute path, for a daemon has "/" for its directory. */
static const char *
absolute(const char *path)
{
	_Alignas(4096) static char full[2][PATH_MAX];
	static int which;
	char *f = full[which ^= 1];

	if (path[0] == '/' || getcwd(f, PATH_MAX) == NULL ||
	    strlen(f) + strlen(path) + 2 > PATH_MAX)
		return path;
	strcat(f, "/");
	strcat(f, path);
	return f;
}

/* strftime would read this file again in a sandbox that has none, were TZ not
 * set: then it sees that nothing changed. */
static void
fix_time_zone(void)
{
	setenv("TZ", ":/etc/localtime", 0);
	tzset();
}

/* What an upgrade (USR2) executes: our options with paths that hold anywhere. */
static char **
upgrade_arguments(const struct master *m)
{
	static const char *args[8];
	unsigned n = 0;

	args[n++] = "durward";
	if (m->foreground)
		args[n++] = "-f";
	args[n++] = "-c";
	args[n++] = m->conf_path;
	if (m->pid_override != NULL) {
		args[n++] = "-p";
		args[n++] = m->pid_override;
	}
	return (char **)(uintptr_t)args;
}

/* Not root: there is no change of user, but whoever tests a file for elsewhere may
 * want to know. */
static int
test_users(const struct conf *c)
{
	struct users u;

	if (geteuid() == 0)
		return users_find(c, &u, say_message, NULL, NULL);
	users_find(c, &u, say_warning, NULL, NULL);
	return 0;
}

struct options {
	const char *conf, *pid, *query;
	bool foreground, test, print;
};

static int
parse_options(int argc, char **argv, struct options *o)
{
	int ch;

	memset(o, 0, sizeof(*o));
	o->conf = SYSCONFDIR "/durward.conf";
	while ((ch = getopt(argc, argv, "c:fhp:r:tTV")) != -1) {
		switch (ch) {
		case 'c':
			o->conf = optarg;
			break;
		case 'f':
			o->foreground = true;
			break;
		case 'h':
			fputs(usage_text, stdout);
			exit(EXIT_OK);
		case 'p':
			o->pid = absolute(optarg);
			break;
		case 'r':
			o->query = optarg;
			break;
		case 't':
			o->test = true;
			break;
		case 'T':
			o->print = true;
			break;
		case 'V':
			print_version();
			exit(EXIT_OK);
		default:
			return -1;
		}
	}
	return optind == argc ? 0 : -1;
}

int
main(int argc, char **argv)
{
	static struct master m;
	struct options o;
	struct conf *c;

	title_init(argc, &argv, own_path());
	if (parse_options(argc, argv, &o) != 0) {
		fputs(usage_text, stderr);
		return EXIT_USAGE;
	}
	m.executable = own_path();
	m.conf_path = o.test || o.print || o.query != NULL ? o.conf : absolute(o.conf);
	m.pid_override = o.pid;
	m.foreground = o.foreground;
	m.detach_fd = -1;
	m.argv = upgrade_arguments(&m);
	fix_time_zone();

	c = conf_load(m.conf_path, say_message, o.query != NULL || o.print ? NULL : say_message, NULL);
	if (c == NULL)
		return EXIT_ERROR;
	if (o.query != NULL)
		return query_route(c, o.query);
	if (o.print)
		return conf_print(c, stdout) == 0 && fflush(stdout) == 0 ? EXIT_OK : EXIT_ERROR;
	limits_warn(c, say_warning, NULL);
	if (o.test) {
		if (test_users(c) != 0)
			return EXIT_ERROR;
		printf("%s: ok\n", o.conf);
		return EXIT_OK;
	}
	if (o.foreground)
		detach_stdio();
	else if (getenv("DURWARD_UPGRADE") == NULL)
		m.detach_fd = detach_begin();
	if (master_start(&m, c) != 0)
		return EXIT_ERROR;
	return master_run(&m);
}
