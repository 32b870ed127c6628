/* SPDX-License-Identifier: ISC */
/*
 * A whole worker, over the wire: the first byte says which listener's it is
 * (the three lowest bits), whether servers refuse (0x08 the first, 0x20 all)
 * and whether it reads in small pieces (0x10); the rest is the script of
 * world.h.
 *
 * Whatever clients and servers say, the worker ends when they are done, holds
 * nothing and has closed everything; through a TLS listener each hears what
 * the other said and not a byte else; and what a server hears from an HTTP
 * listener is requests as our parser would accept them.
 */
#include "config.h"
#include "daemon/worker.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "wire/http_body.h"
#include "wire/proxy_header.h"
#include "world.h"

#define PIECE	7

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char configuration[] =
	"listener \"tls\" { bind = {\"*:1\"} protocol = \"tls\" }\n"
	"listener \"tls-pp\" { bind = {\"*:2\"} protocol = \"tls\" accept-proxy = {\"192.0.2.0/24\"}\n"
	"  deny = {\"198.51.100.0/24\"} max-connections-per-source = 1 }\n"
	"listener \"http\" { bind = {\"*:3\"} protocol = \"http\" }\n"
	"listener \"http-pp\" { bind = {\"*:4\"} protocol = \"http\" accept-proxy = {\"192.0.2.0/24\"} }\n"
	"listener \"stats\" { bind = {\"127.0.0.1:5\"} protocol = \"stats\" }\n"
	"listener \"stats-pw\" { bind = {\"*:6\"} protocol = \"stats\" user = \"u\" password = \"p\" }\n"
	"cluster \"c\" {\n"
	"  service \"tls\" { hosts = {\"a.example\", \"*.b.example\"} servers = {\"10.0.0.1\", \"10.0.0.2\"} }\n"
	"  service \"tls-pp\" { hosts = {\"*\"} servers = {\"10.0.0.1\"} send-proxy = \"v2\" }\n"
	"  service \"http\" { hosts = {\"a.example\"} servers = {\"one=10.0.0.1\"}\n"
	"    server-name-header = \"X-Server\" }\n"
	"  service \"http-pp\" { hosts = {\"*\"} servers = {\"10.0.0.1\", \"10.0.0.2\"} send-proxy = \"v1\"\n"
	"    balance = \"roundrobin\" }\n"
	"}\n";

static struct shared shared;
static struct proxy proxy = { .shared = &shared, .checker_fd = -1 };
static struct worker worker = { .proxy = &proxy, .listen_fd = -1, .master_fd = -1 };

/* ---- what the master makes ------------------------------------------------ */

static void
on_message(void *arg, const char *text)
{
	(void)arg;
	fprintf(stderr, "%s\n", text);
}

static void
start(void)
{
	int fd = memfd_create("conf", MFD_CLOEXEC), slot;
	static _Atomic uint64_t lost;
	char path[64];

	MUST(write(fd, configuration, strlen(configuration)) == (ssize_t)strlen(configuration));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	proxy.conf = conf_load(path, on_message, NULL, NULL);
	close(fd);
	MUST(proxy.conf != NULL && shared_map(&shared, -1) == 0);
	proxy.map = shared_bind(&shared, proxy.conf);
	proxy.route = route_new(proxy.conf);
	proxy.balance = balance_new(proxy.conf, &shared, proxy.map);
	MUST(proxy.map != NULL && proxy.route != NULL && proxy.balance != NULL);
	slot = shared_take_worker(&shared);
	MUST(slot >= 0);
	proxy.slot = &shared.worker[slot];
	/* what a worker may not write is not even tried */
	MUST(shared_seal(&shared) == 0);
	log_use_pipe(open("/dev/null", O_WRONLY | O_CLOEXEC), &lost);
}

static void
choose_listener(unsigned i)
{
	proxy.listener_index = i;
	proxy.listener = &proxy.conf->listener[i];
	proxy.listener_slot = proxy.map->listener[i];
	proxy.counters = &shared.listener_use[proxy.listener_slot].c;
	proxy.pool = &shared.pool[i];
	proxy.pool_use = &shared.pool_use[i];
	proxy.stop = PROXY_GO_ON;
	proxy.client_fd = proxy.server_fd = -1;
	atomic_store(&proxy.pool_use->idle, 1);
}

/* ---- afterwards ------------------------------------------------------------- */

static void
check_idle(const struct counters *c)
{
	MUST(atomic_load(&c->current) == 0 && atomic_load(&c->queued) == 0);
}

static void
check_nothing_held(void)
{
	unsigned b, k;

	MUST(atomic_load(&proxy.slot->holds) == 0 && atomic_load(&proxy.pool_use->idle) == 0);
	MUST(atomic_load(&shared.use->connections) == 0);
	check_idle(proxy.counters);
	for (b = 0; b < proxy.conf->nbackend; b++) {
		check_idle(&shared.backend_use[proxy.map->backend[b]].c);
		for (k = 0; k < proxy.conf->backend[b].nserver; k++)
			check_idle(&shared.server_use[proxy.map->server[b][k]].c);
	}
	for (k = 0; k < world.npeer; k++)
		MUST(world_is_closed(&world.peer[k]));
}

/* The length of the PROXY header that this was to begin with. */
static size_t
skip_proxy(bool due, const struct world_bytes *b)
{
	struct proxy_header h;

	if (!due)
		return 0;
	MUST(proxy_header_parse(b->p, b->len, &h) == PROXY_HEADER_FOUND);
	return h.len;
}

static bool
sends_proxy(void)
{
	return proxy.listener->accept_proxy.n > 0;	/* in this configuration */
}

static bool
begins(const struct world_bytes *b, const char *text, size_t len)
{
	return b->len >= len && memcmp(b->p, text, len) == 0;
}

/* ---- TLS -------------------------------------------------------------------- */

/* The one server that got this client's bytes. */
static const struct world_peer *
server_of(unsigned client)
{
	const struct world_peer *found = NULL, *p;

	for (p = world.peer; p < world.peer + world.npeer; p++)
		if (p->is_server && p->client == client && p->heard.len > 0) {
			MUST(found == NULL);
			found = p;
		}
	return found;
}

/* to is from, or where it may have been cut short its beginning. */
static void
check_passed(const struct world_bytes *to, size_t skip_to, const struct world_bytes *from,
    size_t skip_from, bool whole)
{
	MUST(to->len >= skip_to && from->len >= skip_from);
	MUST(to->len - skip_to <= from->len - skip_from);
	MUST(!whole || to->len - skip_to == from->len - skip_from);
	if (to->len > skip_to)
		MUST(memcmp(to->p + skip_to, from->p + skip_from, to->len - skip_to) == 0);
}

static void
check_tls(unsigned client)
{
	const struct world_peer *c = &world.peer[client], *s = server_of(client);
	bool whole;

	if (s == NULL) {
		MUST(c->heard.len == 0 || begins(&c->heard, "HTTP/1.1 400 ", 13) ||
		    (c->heard.len == 7 && begins(&c->heard, "\x15\3\3\0\2\2", 6)));
		return;
	}
	whole = !world.late && c->ended && s->ended && !c->broke && !s->broke;
	check_passed(&s->heard, skip_proxy(sends_proxy(), &s->heard), &c->said,
	    skip_proxy(proxy.listener->accept_proxy.n > 0, &c->said), whole);
	check_passed(&c->heard, 0, &s->said, 0, whole);
}

/* ---- HTTP ------------------------------------------------------------------- */

static bool
is_field(const struct http_field *f, const char *name)
{
	return f->name.len == strlen(name) && memcmp(f->name.p, name, f->name.len) == 0;
}

static bool
ends(struct http_span s, const char *text)
{
	size_t len = strlen(text);

	return s.len >= len && memcmp(s.p + s.len - len, text, len) == 0;
}

/* One field each of what durward says about the client and the server. */
static void
check_fields(const struct http_request *r)
{
	const struct http_field *f, *end = r->head.fields + r->head.nfields;
	unsigned clients = 0, servers = 0;

	for (f = r->head.fields; f < end; f++) {
		if (f->id == HTTP_FIELD_X_FORWARDED_FOR) {
			clients++;
			MUST(sends_proxy() || ends(f->value, "192.0.2.9"));
		}
		if (is_field(f, "X-Server")) {
			servers++;
			MUST(sends_proxy() || ends(f->value, "one"));
		}
	}
	MUST(clients == 1 && (sends_proxy() || servers == 1));
}

/* Requests, the last of which may be cut short; behind an upgrade, whatever. */
static void
check_requests(const struct world_bytes *b)
{
	static struct http_request r;
	const char *text = (const char *)b->p;
	size_t at = skip_proxy(sends_proxy() && b->len > 0, b), used;
	enum http_verdict v;
	struct http_body body;

	while (at < b->len) {
		http_request_init(&r);
		v = http_request_parse(&r, text + at, b->len - at, 2 * HTTP_REQUEST_MAX);
		MUST(v == HTTP_OK || v == HTTP_MORE);
		if (v == HTTP_MORE)
			return;
		check_fields(&r);
		if (r.upgrade)
			return;
		at += r.head.len;
		http_body_init(&body, &r.head);
		if (body.done)
			continue;
		v = http_body_feed(&body, text + at, b->len - at, &used);
		MUST(v == HTTP_OK || (v == HTTP_MORE && used == b->len - at));
		at += used;
	}
}

/* An answer to begin with, ours or a server's. */
static void
check_answer(const struct world_bytes *b)
{
	static struct http_response r;
	enum http_verdict v;

	if (b->len == 0 || (b->len == 7 && begins(b, "\x15\3\3\0\2\2\x0a", 7)))
		return;
	http_response_init(&r);
	v = http_response_parse(&r, (const char *)b->p, b->len, 2 * HTTP_RESPONSE_MAX, true, true);
	MUST(v == HTTP_OK || v == HTTP_MORE);
}

static void
check_talk(void)
{
	const struct world_peer *p;

	for (p = world.peer; p < world.peer + world.npeer; p++)
		switch (proxy.listener->protocol) {
		case CONF_TLS:
			if (!p->is_server)
				check_tls((unsigned)(p - world.peer));
			break;
		case CONF_HTTP:
			(p->is_server ? check_requests : check_answer)(&p->heard);
			break;
		case CONF_STATS:
			MUST(!p->is_server);
			check_answer(&p->heard);
			break;
		}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (proxy.conf == NULL)
		start();
	if (size == 0)
		return 0;
	choose_listener((data[0] & 7u) % proxy.conf->nlistener);
	world_begin(data + 1, size - 1, &proxy.stop, PROXY_FINISH);
	world.refuse = (data[0] & 0x20) != 0 ? WORLD_PEERS : (data[0] & 0x08) != 0 ? 1 : 0;
	world.piece = (data[0] & 0x10) != 0 ? PIECE : 0;
	MUST(worker_run(&worker) == EX_OK);
	world_end();
	check_nothing_held();
	check_talk();
	world_forget();
	return 0;
}
