/* SPDX-License-Identifier: ISC */
/*
 * What durwardctl asks: a line, a NUL, the reply of the master, a NUL, and
 * the name that a client asked for.  An answer says first whether it is one;
 * tables are as wide everywhere; JSON is JSON; and the same question asks the
 * same of the master.
 */
#include "config.h"
#include "daemon/clerk_command.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"

#define MUST(x)		do { if (!(x)) abort(); } while (0)
#define LINE_SIZE	2048	/* as the clerk reads */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char configuration[] =
	"listener \"https\" { bind = {\"*:443\"} protocol = \"tls\" deny = {\"192.0.2.0/24\"} }\n"
	"listener \"http\" { bind = {\"*:80\"} protocol = \"http\" default = \"a.web\" }\n"
	"cluster \"a\" {\n"
	"  service \"web\" { listeners = {\"https\", \"http\"} hosts = {\"*.a.example\", \"~^x[0-9]+$\"}\n"
	"    servers = {\"one=10.0.0.1\", \"two=10.0.0.2:8443\"}\n"
	"    server \"three\" { address = \"later.example\" weight = 0 backup = true } }\n"
	"  service \"api\" { listeners = {\"https\"} hosts = {\"api.a.example\"} balance = \"host\"\n"
	"    deny = {\"198.51.100.0/24\"} servers = {\"[2001:db8::1]\"} }\n"
	"}\n";

static struct shared shared;
static struct clerk clerk = { .shared = &shared, .listen_fd = -1, .master_fd = -1 };

/* ---- the little world that is asked about ------------------------------- */

static void
on_message(void *arg, const char *text)
{
	(void)arg;
	fprintf(stderr, "%s\n", text);
}

static struct worker_slot *
start_worker(void)
{
	static const struct addr client = { .family = ADDR_IPV4, .port = 4711 };
	int i = shared_take_worker(&shared);

	MUST(i >= 0);
	atomic_store(&shared.post[i].pid, 4242);
	atomic_store(&shared.worker[i].state, WORKER_RELAYING);
	atomic_store(&shared.worker[i].holds, HOLDS_LISTENER);
	scoreboard_set_client(&shared.worker[i], &client);
	return &shared.worker[i];
}

static struct worker_slot *
start(void)
{
	int fd = memfd_create("conf", MFD_CLOEXEC), log_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	static _Atomic uint64_t lost;
	static struct conf *conf;
	char path[64];

	MUST(write(fd, configuration, strlen(configuration)) == (ssize_t)strlen(configuration));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	conf = conf_load(path, on_message, NULL, NULL);
	MUST(conf != NULL && shared_map(&shared, -1) == 0);
	close(fd);
	clerk.conf = conf;
	clerk.map = shared_bind(&shared, conf);
	clerk.route = route_new(conf);
	clerk.balance = balance_new(conf, &shared, clerk.map);
	MUST(clerk.map != NULL && clerk.route != NULL && clerk.balance != NULL);
	log_use_pipe(log_fd, &lost);
	return start_worker();
}

static void
all_ready(void)
{
	unsigned b, k;

	for (b = 0; b < clerk.conf->nbackend; b++)
		for (k = 0; k < clerk.conf->backend[b].nserver; k++)
			atomic_store(&shared.server[clerk.map->server[b][k]].admin, HEALTH_READY);
}

/* ---- JSON, as RFC 8259 has it, in ASCII ---------------------------------- */

static const char *json_value(const char *p, const char *end, unsigned depth);

static const char *
json_space(const char *p, const char *end)
{
	while (p < end && strchr(" \n", *p) != NULL)
		p++;
	return p;
}

static const char *
json_string(const char *p, const char *end)
{
	MUST(p < end && *p == '"');
	for (p++; p < end && *p != '"'; p++) {
		MUST(*p >= ' ' && *p < 0x7f);
		if (*p != '\\')
			continue;
		MUST(++p < end && strchr("\"\\u", *p) != NULL);
		if (*p == 'u')
			for (unsigned i = 0; i < 4; i++)
				MUST(++p < end && strchr("0123456789abcdef", *p) != NULL);
	}
	MUST(p < end);
	return p + 1;
}

/* What stands between brackets; with names where they are braces. */
static const char *
json_list(const char *p, const char *end, unsigned depth)
{
	const char close = *p == '[' ? ']' : '}';

	p = json_space(p + 1, end);
	if (p < end && *p == close)
		return p + 1;
	for (;;) {
		p = json_space(p, end);
		if (close == '}') {
			p = json_string(p, end);
			MUST(p < end && *p == ':');
			p++;
		}
		p = json_space(json_value(p, end, depth + 1), end);
		MUST(p < end && (*p == ',' || *p == close));
		if (*p++ == close)
			return p;
	}
}

static const char *
json_value(const char *p, const char *end, unsigned depth)
{
	size_t n;

	MUST(p < end && depth < 4);
	if (*p == '"')
		return json_string(p, end);
	if (*p == '[' || *p == '{')
		return json_list(p, end, depth);
	if (*p == '-')
		p++;
	for (n = 0; p + n < end && strchr("0123456789.", p[n]) != NULL; n++)
		;
	MUST(n > 0);
	return p + n;
}

/* ---- answers -------------------------------------------------------------- */

static void
check_json(const char *p, const char *end)
{
	MUST(p < end && *p == '[');
	MUST(json_space(json_value(p, end, 0), end) == end);
}

static void
check_lines(const char *p, const char *end)
{
	unsigned tabs = 0, first = 0, lines = 0;

	MUST(p == end || end[-1] == '\n');
	for (; p < end; p++) {
		MUST(*p != '\0' && *p != '\r');
		tabs += *p == '\t';
		if (*p != '\n')
			continue;
		if (lines++ == 0)
			first = tabs;
		MUST(tabs == first);
		tabs = 0;
	}
}

static void
check_answer(const struct out *o, bool json)
{
	const char *end = o->p + o->len;

	MUST(!o->failed && o->len > 3);
	if (memcmp(o->p, "ok\n", 3) == 0) {
		(json ? check_json : check_lines)(o->p + 3, end);
		return;
	}
	MUST(o->len > 7 && memcmp(o->p, "error\n", 6) == 0);
	check_lines(o->p + 6, end);
}

/* The master agrees, and then does not. */
static void
check_settled(const struct clerk_ask *ask, struct out *o, const char *reply_text, size_t len)
{
	struct clerk_reply reply = { .ok = 1 };

	MUST(ask->request.op >= CLERK_RELOAD && ask->request.op <= CLERK_SERVERS_CHANGED);
	MUST((ask->request.op == CLERK_KILL) == (ask->request.pid != 0) && ask->request.pid != 1);
	clerk_command_settled(&clerk, ask, &reply, o);
	check_answer(o, ask->json);
	reply.ok = 0;
	memcpy(reply.text, reply_text, len < sizeof(reply.text) ? len : sizeof(reply.text));
	clerk_command_settled(&clerk, ask, &reply, o);
	MUST(o->len > 6 && memcmp(o->p, "error\n", 6) == 0 && o->p[o->len - 1] == '\n');
}

static bool
ask(const char *line, size_t len, struct out *o, struct clerk_ask *question)
{
	char copy[LINE_SIZE];

	memcpy(copy, line, len);
	copy[len] = '\0';
	memset(question, 0, sizeof(*question));
	out_init(o);
	return clerk_command(&clerk, copy, o, question);
}

/* Up to a NUL, which is skipped. */
static const char *
take(const char **p, const char *end, size_t *len)
{
	const char *begin = *p, *nul = begin < end ? memchr(begin, '\0', (size_t)(end - begin)) : NULL;

	*len = (size_t)((nul != NULL ? nul : end) - begin);
	*p = nul != NULL ? nul + 1 : end;
	return begin;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct worker_slot *worker;
	const char *p = (const char *)data, *end = p + size, *line, *reply, *name, *nl;
	char host[256] = "";
	size_t len, reply_len, name_len;
	struct clerk_ask question, second;
	struct out o, twice;
	bool asks;

	if (worker == NULL)
		worker = start();
	line = take(&p, end, &len);
	reply = take(&p, end, &reply_len);
	name = take(&p, end, &name_len);
	if ((nl = memchr(line, '\n', len)) != NULL)
		len = (size_t)(nl - line);
	if (len >= LINE_SIZE)
		return 0;
	memcpy(host, name, name_len < 255 ? name_len : 255);
	scoreboard_set_host(worker, host);
	all_ready();
	asks = ask(line, len, &o, &question);
	all_ready();
	MUST(ask(line, len, &twice, &second) == asks);
	MUST(memcmp(&question, &second, sizeof(question)) == 0);
	if (asks && question.request.op != CLERK_SERVERS_CHANGED)
		MUST(o.len == 0);
	else
		check_answer(&o, len >= 3 && memcmp(line, "-j\t", 3) == 0);
	if (asks)
		check_settled(&question, &o, reply, reply_len);
	out_free(&o);
	out_free(&twice);
	return 0;
}
