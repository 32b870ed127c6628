/* SPDX-License-Identifier: ISC */
/* In the master, at start, -t and reloads; reads what the C library reads for it. */
#include "config.h"
#include "daemon/users.h"

#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_USER	"durward"

static void __attribute__((format(printf, 4, 5)))
say(conf_report *to, void *arg, struct conf_where w, const char *fmt, ...)
{
	char what[512], text[4096];
	va_list ap;

	if (to == NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	if (w.line > 0)
		snprintf(text, sizeof(text), "%s:%d: %s", w.file, w.line, what);
	else
		snprintf(text, sizeof(text), "%s: %s", w.file, what);
	to(arg, text);
}

int
users_find(const struct conf *c, struct users *u, conf_report *error, conf_report *warn, void *arg)
{
	const struct passwd *pw = getpwnam(c->user);
	const struct group *gr = getgrnam(c->group);
	bool follow = c->group_where.line == 0;		/* not given: the user's own will do */

	/* not installed by a package: the default user may not be there (yet) */
	if (pw == NULL && strcmp(c->user, DEFAULT_USER) == 0 && (pw = getpwnam("nobody")) != NULL) {
		say(warn, arg, c->user_where, "warning: user \"%s\" does not exist: running as nobody "
		    "(useradd --system %s)", c->user, c->user);
		follow |= strcmp(c->group, DEFAULT_USER) == 0;
	}
	if (pw != NULL && gr == NULL && follow) {
		u->uid = pw->pw_uid;
		u->gid = pw->pw_gid;
		return 0;
	}
	if (pw == NULL)
		say(error, arg, c->user_where, "user = \"%s\": there is no such user here (create it, or "
		    "set `user`)", c->user);
	if (gr == NULL)
		say(error, arg, c->group_where, "group = \"%s\": there is no such group here (create it, or "
		    "set `group`)", c->group);
	if (pw == NULL || gr == NULL)
		return -1;
	u->uid = pw->pw_uid;
	u->gid = gr->gr_gid;
	return 0;
}
