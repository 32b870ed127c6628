/* SPDX-License-Identifier: ISC */
/*
 * The clerk's answers.  Reads shared memory; the one thing it writes there is
 * the administrative state of servers (drain, maint, ready).  Never waits.
 */
#include "config.h"
#include "daemon/clerk_command.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "report/status.h"
#include "state/nets.h"
#include "wire/hostname.h"

#define WORDS	8

struct question {
	const struct clerk *c;
	struct report r;
	bool json;
	char *word[WORDS];	/* the command and its arguments */
	unsigned nword;
	struct out *o;
	struct clerk_ask *ask;
};

static void
say_ok(struct question *q)
{
	out_text(q->o, "ok\n");
}

static bool
refuse(struct question *q, const char *why, const char *arg)
{
	out_text(q->o, "error\n");
	out_field(q->o, why);
	out_field(q->o, arg);
	out_text(q->o, "\n");
	return false;
}

/* A sentence, or in JSON an object with it. */
static void
say(struct question *q, const char *text)
{
	say_ok(q);
	if (q->json) {
		out_text(q->o, "[{\"result\":");
		out_json(q->o, text);
		out_text(q->o, "}]\n");
	} else {
		out_text(q->o, text);
		out_text(q->o, "\n");
	}
}

static bool
ask_master(struct question *q, enum clerk_op op, int pid)
{
	q->ask->request.op = op;
	q->ask->request.pid = pid;
	q->ask->json = q->json;
	return true;
}

/* --- looking ----------------------------------------------------------------- */

static bool
do_status(struct question *q)
{
	say_ok(q);
	if (q->json)
		status_json(&q->r, q->o);
	else
		status_table(&q->r, q->o);
	return false;
}

static bool
do_connections(struct question *q)
{
	say_ok(q);
	if (q->json)
		connections_json(&q->r, q->o);
	else
		connections_table(&q->r, q->o);
	return false;
}

static bool
do_ping(struct question *q)
{
	switch (atomic_load(&q->r.shared->head->draining)) {
	case SHARED_OPEN:
		break;
	case SHARED_LEAVING:
		return refuse(q, "draining: new connections are to go elsewhere", "");
	default:
		return refuse(q, "draining: no new connections are taken", "");
	}
	if (!report_accepting(&q->r))
		return refuse(q, "not every listener has a worker yet", "");
	say(q, "accepting connections");
	return false;
}

static void
say_route(struct question *q, unsigned b, unsigned k, const char *pattern)
{
	const struct conf_backend *be = &q->r.conf->backend[b];
	struct report_usable u = report_usable(&q->r, b);
	char address[REPORT_ADDRESS];

	say_ok(q);
	report_address(&q->r, b, k, address);
	if (q->json) {
		out_text(q->o, "[{\"backend\":");
		out_json(q->o, be->name);
		out_text(q->o, ",\"server\":");
		out_json(q->o, be->server[k].name);
		out_text(q->o, ",\"address\":");
		out_json(q->o, address);
		out_text(q->o, "}]\n");
		return;
	}
	out_printf(q->o, "%s/%s\n  at ", be->name, be->server[k].name);
	out_field(q->o, address);
	if (pattern != NULL)
		out_printf(q->o, "\n  because the name matches \"%s\"", pattern);
	else
		out_printf(q->o, "\n  because listener %s sends there what matches nothing else",
		    q->r.conf->listener[be->listener].name);
	out_printf(q->o, " and balance is %s\n  %u of %u servers can serve now%s\n",
	    conf_balance_name(be->balance), u.active + u.backup, be->nserver,
	    u.active == 0 ? ", backups only" : "");
}

static bool
do_route(struct question *q)
{
	const struct conf *c = q->c->conf;
	const struct conf_backend *be;
	const char *pattern;
	char name[HOSTNAME_SIZE] = "";
	struct addr from;
	int l, b, k, len = 0;

	if ((l = conf_find_listener(c, q->word[1])) < 0)
		return refuse(q, "no listener has the name ", q->word[1]);
	if (!addr_parse_ip(q->nword > 3 ? q->word[3] : "127.0.0.1", &from))
		return refuse(q, "not an address: ", q->word[3]);
	if (q->word[2][0] != '\0')
		len = hostname_from_host_field(q->word[2], strlen(q->word[2]), name);
	if (len < 0)
		return refuse(q, "not a host name: ", q->word[2]);
	if (!nets_allow(&c->listener[l].allow, &c->listener[l].deny, &from))
		return refuse(q, "denied by allow and deny of listener ", q->word[1]);
	b = route_find(q->c->route, (unsigned)l, name, (size_t)len, &pattern);
	if (b < 0)
		return len > 0 ? refuse(q, "no route for ", name) :
		    refuse(q, "no route for a client that names nobody", "");
	be = &c->backend[b];
	if (!nets_allow(&be->service->allow, &be->service->deny, &from))
		return refuse(q, "denied by allow and deny of the service of ", be->name);
	k = balance_next(q->c->balance, (unsigned)b, balance_key(be->balance, &from, name, (size_t)len),
	    NULL, 0);
	if (k == BALANCE_FULL)
		return refuse(q, "every server that is up is at its max-connections in ", be->name);
	if (k < 0)
		return refuse(q, "no server is up in ", be->name);
	say_route(q, (unsigned)b, (unsigned)k, pattern);
	return false;
}

/* --- changing ---------------------------------------------------------------- */

/* One server that the pattern matched; true where it changed. */
static bool
set_admin(struct question *q, unsigned b, unsigned k, enum health_admin admin)
{
	struct server_slot *s = &q->r.shared->server[q->r.map->server[b][k]];
	const char *was = health_word(s), *is;
	const char *backend = q->r.conf->backend[b].name, *server = q->r.conf->backend[b].server[k].name;
	bool changed = atomic_load(&s->admin) != (uint32_t)admin;

	if (changed) {
		atomic_store(&s->admin_since_ms, q->r.now);
		atomic_store(&s->admin, (uint32_t)admin);
	}
	is = health_word(s);
	if (changed)
		log_notice("Server %s/%s is %s, reason: durwardctl, was %s", backend, server, is, was);
	if (q->json) {
		out_text(q->o, "{\"backend\":");
		out_json(q->o, backend);
		out_text(q->o, ",\"server\":");
		out_json(q->o, server);
		out_printf(q->o, ",\"was\":\"%s\",\"state\":\"%s\"}", was, is);
	} else if (changed)
		out_printf(q->o, "  %s/%s: %s, was %s\n", backend, server, is, was);
	else
		out_printf(q->o, "  %s/%s: %s already\n", backend, server, is);
	return changed;
}

static bool
matches(const struct question *q, unsigned b, unsigned k)
{
	char name[sizeof(((struct backend_slot *)0)->name) + HEALTH_NAME_MAX + 1];

	snprintf(name, sizeof(name), "%s/%s", q->r.conf->backend[b].name,
	    q->r.conf->backend[b].server[k].name);
	return fnmatch(q->word[1], name, FNM_CASEFOLD) == 0;
}

static bool
set_all(struct question *q, enum health_admin admin)
{
	unsigned b, k, matched = 0, changed = 0;

	for (b = 0; b < q->r.conf->nbackend; b++)
		for (k = 0; k < q->r.conf->backend[b].nserver; k++)
			matched += matches(q, b, k);
	if (matched == 0)
		return refuse(q, "no server matches (a pattern is BACKEND/SERVER): ", q->word[1]);
	say_ok(q);
	if (q->json)
		out_text(q->o, "[");
	else
		out_printf(q->o, "%u server%s matched\n", matched, matched == 1 ? "" : "s");
	matched = 0;
	for (b = 0; b < q->r.conf->nbackend; b++)
		for (k = 0; k < q->r.conf->backend[b].nserver; k++)
			if (matches(q, b, k)) {
				if (q->json)
					out_text(q->o, matched++ > 0 ? ",\n " : "\n ");
				changed += set_admin(q, b, k, admin);
			}
	if (q->json)
		out_text(q->o, "\n]\n");
	return changed > 0 ? ask_master(q, CLERK_SERVERS_CHANGED, 0) : false;
}

static bool
do_drain(struct question *q)
{
	return set_all(q, HEALTH_DRAIN);
}

static bool
do_maint(struct question *q)
{
	return set_all(q, HEALTH_MAINT);
}

static bool
do_ready(struct question *q)
{
	return set_all(q, HEALTH_READY);
}

static bool
do_kill(struct question *q)
{
	char *end;
	long pid = strtol(q->word[1], &end, 10);

	if (end == q->word[1] || *end != '\0' || pid <= 1 || pid > INT32_MAX)
		return refuse(q, "not a process id: ", q->word[1]);
	return ask_master(q, CLERK_KILL, (int)pid);
}

static bool
do_reload(struct question *q)
{
	return ask_master(q, CLERK_RELOAD, 0);
}

static bool
do_stop(struct question *q)
{
	return ask_master(q, CLERK_STOP, 0);
}

static bool
do_drain_all(struct question *q)
{
	return ask_master(q, CLERK_DRAIN_ALL, 0);
}

void
clerk_command_settled(const struct clerk *c, const struct clerk_ask *ask,
    const struct clerk_reply *reply, struct out *o)
{
	struct question q = { .c = c, .json = ask->json, .o = o };
	char text[128] = "";

	if (!reply->ok) {
		o->len = 0;
		out_printf(o, "error\n%.*s\n", (int)strnlen(reply->text, sizeof(reply->text)),
		    reply->text[0] != '\0' ? reply->text : "the master could not do it");
		return;
	}
	switch ((enum clerk_op)ask->request.op) {
	case CLERK_RELOAD:
		snprintf(text, sizeof(text), "reloaded: generation %u is in service",
		    atomic_load(&c->shared->head->generation));
		break;
	case CLERK_STOP:
		strcpy(text, "stopping");
		break;
	case CLERK_DRAIN_ALL:
		if (c->conf->drain_delay_ms > 0)
			snprintf(text, sizeof(text), "draining: new connections are taken for another %g s",
			    c->conf->drain_delay_ms / 1000.0);
		else
			strcpy(text, "draining: no new connections are taken");
		break;
	case CLERK_KILL:
		snprintf(text, sizeof(text), "ended the connection of worker %d", ask->request.pid);
		break;
	case CLERK_SERVERS_CHANGED:
		return;		/* said already */
	}
	say(&q, text);
}

/* --- which ------------------------------------------------------------------- */

static const struct {
	const char *name;
	unsigned least, most;	/* arguments */
	bool (*run)(struct question *q);
} commands[] = {
	{ "connections", 0, 0, do_connections },
	{ "drain", 1, 1, do_drain },
	{ "drain-all", 0, 0, do_drain_all },
	{ "kill", 1, 1, do_kill },
	{ "maint", 1, 1, do_maint },
	{ "ping", 0, 0, do_ping },
	{ "ready", 1, 1, do_ready },
	{ "reload", 0, 0, do_reload },
	{ "route", 2, 3, do_route },
	{ "status", 0, 0, do_status },
	{ "stop", 0, 0, do_stop },
};

/* The words of the line; more than there is room for are an error of the
 * caller's, told by nword. */
static void
split(struct question *q, char *line)
{
	char *word;

	while ((word = strsep(&line, "\t")) != NULL) {
		if (q->nword == 0 && !q->json && strcmp(word, "-j") == 0)
			q->json = true;
		else if (q->nword < WORDS)
			q->word[q->nword++] = word;
	}
}

bool
clerk_command(const struct clerk *c, char *line, struct out *o, struct clerk_ask *ask)
{
	struct question q = {
		.c = c,
		.r = { c->conf, c->shared, c->map, clock_ms() },
		.o = o,
		.ask = ask,
	};
	size_t i;

	split(&q, line);
	for (i = 0; q.nword > 0 && i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, q.word[0]) != 0)
			continue;
		if (q.nword - 1 < commands[i].least || q.nword - 1 > commands[i].most)
			return refuse(&q, "wrong number of arguments for ", q.word[0]);
		return commands[i].run(&q);
	}
	return refuse(&q, "no such command", "");
}
