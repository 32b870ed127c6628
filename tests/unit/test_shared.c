/* SPDX-License-Identifier: ISC */
/* The shared segment: slots that stay their owner's, and what the dead held. */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "conf_help.h"
#include "state_help.h"

#define COUNT(a)	((int)(sizeof(a) / sizeof(*(a))))
#define LISTENERS	"listener \"l\" { bind = {\"*:1\"} protocol = \"tls\" }\n" \
			"listener \"m\" { bind = {\"*:2\"} protocol = \"tls\" }\n"
#define SERVICE(name, listeners, rest) \
	" service \"" name "\" { listeners = {" listeners "} hosts = {\"" name ".example\"} " rest " }\n"

static struct state state;

static const char first[] = LISTENERS "cluster \"c\" {\n"
    SERVICE("one", "\"l\", \"m\"", "servers = {\"a=10.0.0.1\", \"b=10.0.0.2\"}")
    SERVICE("two", "\"l\"", "servers = {\"a=10.0.0.3:99\"} check { type = \"none\" }") "}\n";
/* Another order, something gone, something new. */
static const char second[] = "listener \"n\" { bind = {\"*:3\"} protocol = \"tls\" }\n" LISTENERS
    "cluster \"c\" {\n"
    SERVICE("three", "\"n\"", "servers = {\"a=10.0.0.7\"}")
    SERVICE("one", "\"m\", \"l\"", "servers = {\"z=10.0.0.9\", \"b=10.0.0.2\", \"a=10.0.0.1\"}") "}\n";

static unsigned
backend(const char *name)
{
	for (unsigned b = 0; b < state.conf->nbackend; b++)
		if (strcmp(state.conf->backend[b].name, name) == 0)
			return b;
	ck_abort_msg("no backend %s", name);
	return 0;
}

/* Its slot's index. */
static uint32_t
server_at(const char *in, const char *name)
{
	unsigned b = backend(in);

	for (unsigned k = 0; k < state.conf->backend[b].nserver; k++)
		if (strcmp(state.conf->backend[b].server[k].name, name) == 0)
			return state.map->server[b][k];
	ck_abort_msg("no server %s", name);
	return 0;
}

static struct server_slot *
server(const char *in, const char *name)
{
	return &state.shared.server[server_at(in, name)];
}

static struct counters *
counters_at(const char *in, const char *name)
{
	return &state.shared.server_use[server_at(in, name)].c;
}

static struct backend_slot *
backend_at(const char *name)
{
	return &state.shared.backend[state.map->backend[backend(name)]];
}

static struct backend_use *
backend_use_at(const char *name)
{
	return &state.shared.backend_use[state.map->backend[backend(name)]];
}

static struct counters *
listener_counters(const char *name)
{
	return &state.shared.listener_use[state.map->listener[conf_find_listener(state.conf, name)]].c;
}

static struct listener_slot *
listener_at(const char *name)
{
	return &state.shared.listener[state.map->listener[conf_find_listener(state.conf, name)]];
}

static const char *
address_of(const struct server_slot *v)
{
	static char text[ADDR_STRLEN];
	struct addr a;

	health_addr(v, &a);
	return addr_format(&a, true, text);
}

START_TEST(slots_have_names_and_addresses)
{
	state_help_start(&state, first);
	ck_assert_str_eq(listener_at("l")->name, "l");
	ck_assert_str_eq(backend_at("c.one.m")->name, "c.one.m");
	ck_assert_str_eq(server("c.one.l", "b")->name, "b");
	ck_assert_str_eq(address_of(server("c.one.l", "b")), "10.0.0.2:1");
	ck_assert_str_eq(address_of(server("c.one.m", "b")), "10.0.0.2:2");
	ck_assert_str_eq(address_of(server("c.two.l", "a")), "10.0.0.3:99");
	ck_assert_uint_eq(server("c.one.m", "a")->backend, state.map->backend[backend("c.one.m")]);
	ck_assert_uint_eq(backend_at("c.one.m")->listener, state.map->listener[1]);
	/* one service on two listeners has two healths */
	ck_assert_ptr_ne(server("c.one.l", "a"), server("c.one.m", "a"));
	ck_assert_str_eq(health_word(server("c.one.l", "a")), "UP");
	ck_assert_str_eq(health_result_name(atomic_load(&server("c.one.l", "a")->result)), "INI");
	ck_assert_str_eq(health_word(server("c.two.l", "a")), "NO CHECK");
	ck_assert_uint_eq(atomic_load(&state.shared.head->nserver), 5);
	ck_assert_uint_eq(atomic_load(&state.shared.head->nbackend), 3);
}
END_TEST

START_TEST(slots_are_found_again_by_name)
{
	struct server_slot *a, *b;
	struct listener_slot *l;
	struct backend_slot *one;
	struct counters *c, *lc;
	char info[HEALTH_INFO_MAX];

	state_help_start(&state, first);
	a = server("c.one.l", "a");
	b = server("c.one.m", "b");
	one = backend_at("c.one.l");
	l = listener_at("l");
	c = counters_at("c.one.l", "a");
	lc = listener_counters("l");
	atomic_store(&a->state, HEALTH_DOWN);
	atomic_store(&a->streak, -9);
	atomic_store(&a->since_ms, 12345);
	health_set_info(a, "Connection refused");
	atomic_store(&b->admin, HEALTH_DRAIN);
	atomic_store(&c->current, 3);
	counter_add(&c->sessions, 100);
	counter_add(&backend_use_at("c.one.l")->c.sessions, 100);
	counter_add(&lc->sessions, 100);
	state_help_reload(&state, second);
	ck_assert_ptr_eq(server("c.one.l", "a"), a);
	ck_assert_ptr_eq(server("c.one.m", "b"), b);
	ck_assert_ptr_eq(backend_at("c.one.l"), one);
	ck_assert_ptr_eq(listener_at("l"), l);
	ck_assert_str_eq(health_word(a), "DOWN");
	ck_assert_int_eq(atomic_load(&a->streak), -9);
	ck_assert_int_eq(atomic_load(&a->since_ms), 12345);
	health_info(a, info);
	ck_assert_str_eq(info, "Connection refused");
	ck_assert_str_eq(health_word(b), "DRAIN");
	ck_assert_int_eq(atomic_load(&c->current), 3);
	ck_assert_uint_eq(counter_get(&c->sessions), 100);
	ck_assert_uint_eq(counter_get(&lc->sessions), 100);
	ck_assert_str_eq(health_word(server("c.one.l", "z")), "UP");
	ck_assert_str_eq(address_of(server("c.three.n", "a")), "10.0.0.7:3");
}
END_TEST

#define ONE(server, check) \
	LISTENERS "cluster \"c\" {\n" SERVICE("one", "\"l\"", "servers = {\"" server "\"} " check) "}\n"

/* A server that was DOWN and in DRAIN: what a reload makes of it. */
static const struct {
	const char *why, *before, *after;
	const char *address;
	enum health_state state;
} reloads[] = {
	{ "nothing changed", ONE("a=10.0.0.1", ""), ONE("a=10.0.0.1", ""), "10.0.0.1:1", HEALTH_DOWN },
	{ "another weight of check", ONE("a=10.0.0.1", ""), ONE("a=10.0.0.1", "check { rise = 5 }"),
	    "10.0.0.1:1", HEALTH_DOWN },
	{ "another address", ONE("a=10.0.0.1", ""), ONE("a=10.0.0.2", ""), "10.0.0.2:1", HEALTH_UP },
	{ "another port", ONE("a=10.0.0.1", ""), ONE("a=10.0.0.1:7", ""), "10.0.0.1:7", HEALTH_UP },
	{ "the port that it had", ONE("a=10.0.0.1", ""), ONE("a=10.0.0.1:1", ""), "10.0.0.1:1", HEALTH_DOWN },
	{ "another spelling", ONE("a=10.0.0.1", ""), ONE("a=[::ffff:10.0.0.1]", ""), "10.0.0.1:1", HEALTH_DOWN },
	{ "no more checks", ONE("a=10.0.0.1", ""), ONE("a=10.0.0.1", "check { type = \"none\" }"),
	    "10.0.0.1:1", HEALTH_UP },
	{ "checks begin", ONE("a=10.0.0.1", "check { type = \"none\" }"), ONE("a=10.0.0.1", ""),
	    "10.0.0.1:1", HEALTH_UP },
	{ "a name, as before", ONE("a=node.example", ""), ONE("a=node.example", ""), "10.9.9.9:1", HEALTH_DOWN },
	{ "a name on another port", ONE("a=node.example", ""), ONE("a=node.example:5", ""), "-:5", HEALTH_DOWN },
	{ "a name in capitals", ONE("a=node.example", ""), ONE("a=Node.Example", ""), "10.9.9.9:1", HEALTH_DOWN },
	{ "another name", ONE("a=node.example", ""), ONE("a=nodf.example", ""), "-:1", HEALTH_DOWN },
	{ "an address becomes a name", ONE("a=10.0.0.1", ""), ONE("a=node.example", ""), "-:1", HEALTH_DOWN },
	{ "a name becomes an address", ONE("a=node.example", ""), ONE("a=10.0.0.1", ""), "10.0.0.1:1", HEALTH_UP },
	{ "a name becomes its address", ONE("a=node.example", ""), ONE("a=10.9.9.9", ""), "10.9.9.9:1", HEALTH_UP },
};

START_TEST(what_a_reload_keeps)
{
	struct server_slot *v;
	struct addr a;

	state_help_start(&state, reloads[_i].before);
	v = server("c.one.l", "a");
	health_addr(v, &a);
	if (a.family == ADDR_NONE) {	/* the resolver found it */
		uint16_t port = a.port;

		ck_assert(addr_parse_ip("10.9.9.9", &a));
		a.port = port;
		health_set_addr(v, &a);
	}
	atomic_store(&v->state, HEALTH_DOWN);
	atomic_store(&v->streak, -3);
	atomic_store(&v->admin, HEALTH_DRAIN);
	atomic_store(&v->last_check_ms, 1);
	state_help_reload(&state, reloads[_i].after);
	ck_assert_ptr_eq(server("c.one.l", "a"), v);
	ck_assert_msg(strcmp(address_of(v), reloads[_i].address) == 0, "%s: %s", reloads[_i].why, address_of(v));
	ck_assert_msg(atomic_load(&v->state) == reloads[_i].state, "%s", reloads[_i].why);
	ck_assert_str_eq(health_word(v), "DRAIN");
	/* who starts anew is down after one failed probe */
	if (reloads[_i].state == HEALTH_UP) {
		ck_assert_int_eq(atomic_load(&v->streak), 0);
		ck_assert_int_eq(atomic_load(&v->last_check_ms), 0);
	}
}
END_TEST

START_TEST(a_name_is_down_until_it_resolves)
{
	static const char *const checks[] = { "", "check { type = \"none\" }" };

	for (int i = 0; i < COUNT(checks); i++) {
		char text[512];

		snprintf(text, sizeof(text), LISTENERS "cluster \"c\" {\n"
		    SERVICE("one", "\"l\"", "servers = {\"a=node.example:7\"} %s") "}\n", checks[i]);
		state_help_start(&state, text);
		ck_assert_str_eq(health_word(server("c.one.l", "a")), "DOWN");
		ck_assert(!health_usable(server("c.one.l", "a")));
		ck_assert_str_eq(address_of(server("c.one.l", "a")), "-:7");
		state_help_end(&state);
	}
}
END_TEST

START_TEST(a_sweep_forgets_what_nobody_names)
{
	struct server_slot *kept, *gone;
	struct backend_slot *two;
	uint32_t nserver;

	state_help_start(&state, first);
	kept = server("c.one.l", "a");
	gone = server("c.two.l", "a");
	two = backend_at("c.two.l");
	counter_add(&counters_at("c.two.l", "a")->sessions, 7);
	atomic_store(&gone->admin, HEALTH_MAINT);
	state_help_reload(&state, second);
	ck_assert_uint_eq(atomic_load(&gone->used), 1);
	shared_sweep(&state.shared, state.map, state.conf, 2);
	ck_assert_uint_eq(atomic_load(&gone->used), 0);
	ck_assert_uint_eq(atomic_load(&two->used), 0);
	ck_assert_uint_eq(atomic_load(&kept->used), 1);
	ck_assert_uint_eq(atomic_load(&listener_at("n")->used), 1);
	/* who comes back finds nothing of the old, and takes no more room */
	nserver = atomic_load(&state.shared.head->nserver);
	state_help_reload(&state, first);
	ck_assert_ptr_eq(server("c.one.l", "a"), kept);
	ck_assert_uint_eq(counter_get(&counters_at("c.two.l", "a")->sessions), 0);
	ck_assert_str_eq(health_word(server("c.two.l", "a")), "NO CHECK");
	ck_assert_uint_eq(atomic_load(&state.shared.head->nserver), nserver);
}
END_TEST

START_TEST(a_sweep_waits_for_workers_of_others)
{
	struct server_slot *gone;	/* we are generation 2 */
	int w;

	state_help_start(&state, first);
	gone = server("c.two.l", "a");
	w = shared_take_worker(&state.shared);
	ck_assert_int_ge(w, 0);
	atomic_store(&state.shared.post[w].generation, (uint32_t)_i);
	atomic_store(&state.shared.post[w].pid, 4711);
	state_help_reload(&state, second);
	shared_sweep(&state.shared, state.map, state.conf, 2);
	ck_assert_uint_eq(atomic_load(&gone->used), _i != 2);
	shared_bury_worker(&state.shared, (unsigned)w);
	shared_sweep(&state.shared, state.map, state.conf, 2);
	ck_assert_uint_eq(atomic_load(&gone->used), 0);
}
END_TEST

START_TEST(many_reloads_take_no_more_room)
{
	char text[1024];

	state_help_start(&state, first);
	for (int i = 0; i < 200; i++) {
		snprintf(text, sizeof(text), "listener \"l%d\" { bind = {\"*:1\"} protocol = \"tls\" }\n"
		    "cluster \"c%d\" { service \"s\" { listeners = {\"l%d\"} hosts = {\"x.example\"}"
		    " servers = {\"a%d=10.0.0.1\"} } }\n", i, i, i, i);
		state_help_reload(&state, text);
		shared_sweep(&state.shared, state.map, state.conf, 2);
	}
	ck_assert_uint_le(atomic_load(&state.shared.head->nserver), 8);
	ck_assert_uint_le(atomic_load(&state.shared.head->nbackend), 6);
}
END_TEST

/* --- workers ------------------------------------------------------------------------ */

/* What a worker held, as bits; of each thing one more is held by somebody else. */
static const uint32_t held[] = {
	0, HOLDS_PERMIT, HOLDS_LISTENER, HOLDS_SOURCE, HOLDS_BACKEND, HOLDS_SERVER, HOLDS_QUEUE,
	HOLDS_PERMIT | HOLDS_LISTENER | HOLDS_SOURCE,
	HOLDS_PERMIT | HOLDS_LISTENER | HOLDS_SOURCE | HOLDS_BACKEND | HOLDS_QUEUE,
	HOLDS_PERMIT | HOLDS_LISTENER | HOLDS_SOURCE | HOLDS_BACKEND | HOLDS_SERVER,
	HOLDS_PERMIT | HOLDS_LISTENER | HOLDS_BACKEND | HOLDS_SERVER, HOLDS_WAIT,
};

START_TEST(the_dead_give_back_exactly_what_they_held)
{
	uint32_t holds = held[_i], place;
	struct worker_slot *w;
	struct counters *v, *l;
	struct backend_use *b;
	struct addr client;
	int at;

	state_help_start(&state, first);
	v = counters_at("c.one.l", "b");
	b = backend_use_at("c.one.l");
	l = listener_counters("l");
	ck_assert(addr_parse_ip("192.0.2.1", &client));
	at = shared_take_worker(&state.shared);
	w = &state.shared.worker[at];
	atomic_store(&w->state, WORKER_RELAYING);
	state.shared.post[at].listener = state.map->listener[0];
	atomic_store(&w->backend, (int32_t)state.map->backend[0]);
	atomic_store(&w->server, (int32_t)state.map->server[0][1]);
	sources_enter(state.shared.sources, 0, &client, &place);
	sources_enter(state.shared.sources, 0, &client, &place);
	atomic_store(&w->source, place);
	atomic_store(&w->bytes_in, 1000);
	atomic_store(&w->bytes_out, 5000);
	atomic_store(&state.shared.post[at].pid, 4711);
	atomic_store(&state.shared.use->connections, 2);
	atomic_store(&l->current, 2);
	atomic_store(&b->c.current, 2);
	atomic_store(&b->c.queued, 2);
	atomic_store(&b->waiters, 2);
	atomic_store(&state.shared.use->permit_waiters, 2);
	atomic_store(&v->current, 2);
	atomic_store(&w->holds, holds);
	for (int twice = 0; twice < 2; twice++) {
		shared_bury_worker(&state.shared, (unsigned)at);	/* the second finds nothing */
		ck_assert_int_eq(atomic_load(&state.shared.use->connections), holds & HOLDS_PERMIT ? 1 : 2);
		ck_assert_int_eq(atomic_load(&l->current), holds & HOLDS_LISTENER ? 1 : 2);
		ck_assert_int_eq(atomic_load(&b->c.current), holds & HOLDS_BACKEND ? 1 : 2);
		ck_assert_int_eq(atomic_load(&b->c.queued), holds & HOLDS_QUEUE ? 1 : 2);
		ck_assert_int_eq(atomic_load(&b->waiters), holds & HOLDS_QUEUE ? 1 : 2);
		ck_assert_int_eq(atomic_load(&state.shared.use->permit_waiters), holds & HOLDS_WAIT ? 1 : 2);
		ck_assert_int_eq(atomic_load(&v->current), holds & HOLDS_SERVER ? 1 : 2);
		ck_assert_uint_eq(sources_count(state.shared.sources, 0, &client), holds & HOLDS_SOURCE ? 1 : 2);
		ck_assert_uint_eq(counter_get(&l->bytes_in), holds & HOLDS_LISTENER ? 1000 : 0);
		ck_assert_uint_eq(counter_get(&b->c.bytes_out), holds & HOLDS_BACKEND ? 5000 : 0);
		ck_assert_uint_eq(counter_get(&v->bytes_out), holds & HOLDS_SERVER ? 5000 : 0);
		ck_assert_int_eq(atomic_load(&state.shared.post[at].pid), 0);
		ck_assert_uint_eq(atomic_load(&w->state), WORKER_DEAD);
	}
	/* others are not touched */
	ck_assert_int_eq(atomic_load(&counters_at("c.one.l", "a")->current), 0);
	ck_assert_int_eq(atomic_load(&backend_use_at("c.one.m")->c.current), 0);
}
END_TEST

START_TEST(worker_slots_are_clean_and_used_again)
{
	struct worker_slot *w;
	struct addr client;
	char host[256];

	state_help_start(&state, first);
	ck_assert_int_eq(shared_take_worker(&state.shared), 0);
	ck_assert_int_eq(shared_take_worker(&state.shared), 1);
	ck_assert_int_eq(shared_take_worker(&state.shared), 2);
	w = &state.shared.worker[1];
	ck_assert(addr_parse_ip("192.0.2.1", &client));
	scoreboard_set_client(w, &client);
	scoreboard_set_host(w, "www.example.org");
	scoreboard_text(w, &client, host);
	ck_assert_str_eq(host, "www.example.org");
	atomic_store(&w->served, 5);
	atomic_store(&w->holds, HOLDS_PERMIT);
	shared_bury_worker(&state.shared, 1);
	ck_assert_int_eq(shared_take_worker(&state.shared), 1);
	ck_assert_int_eq(atomic_load(&state.shared.post[1].pid), -1);
	ck_assert_uint_eq(atomic_load(&w->state), WORKER_STARTING);
	ck_assert_uint_eq(atomic_load(&w->holds), 0);
	ck_assert_uint_eq(atomic_load(&w->served), 0);
	ck_assert_int_eq(atomic_load(&w->backend), -1);
	ck_assert_int_eq(atomic_load(&w->server), -1);
	scoreboard_text(w, &client, host);
	ck_assert_str_eq(host, "");
	ck_assert_uint_eq(atomic_load(&state.shared.head->nworker), 3);
}
END_TEST

START_TEST(texts_are_whole_whenever_their_writer_stopped)
{
	struct addr client, got;
	struct worker_slot *w;
	char host[256];

	state_help_start(&state, first);
	w = &state.shared.worker[shared_take_worker(&state.shared)];
	ck_assert(addr_parse_ip("192.0.2.1", &client));
	scoreboard_set_client(w, &client);
	scoreboard_text(w, &got, host);
	ck_assert(memcmp(&got, &client, sizeof(got)) == 0);
	ck_assert_str_eq(host, "");
	for (int i = 0; i < 5; i++) {
		char name[32];
		uint32_t seq;

		snprintf(name, sizeof(name), "host%d.example.org", i);
		scoreboard_set_host(w, name);
		/* the next writing, half done */
		seq = atomic_load(&w->text_seq);
		memset(&w->text[(seq + 1) % 2], 'x', sizeof(w->text[0]) / 2);
		scoreboard_text(w, &got, host);
		ck_assert_str_eq(host, name);
		ck_assert(memcmp(&got, &client, sizeof(got)) == 0);
	}
}
END_TEST

/* What was scribbled into an idle worker's slot is nobody's loss. */
START_TEST(an_idle_one_gives_nothing_back)
{
	static const uint32_t states[] = { WORKER_STARTING, WORKER_IDLE, WORKER_KEEPALIVE + 1 };
	struct worker_slot *w;
	int at;

	state_help_start(&state, first);
	for (int i = 0; i < COUNT(states); i++) {
		at = shared_take_worker(&state.shared);
		w = &state.shared.worker[at];
		atomic_store(&w->state, states[i]);
		atomic_store(&w->holds, UINT32_MAX);
		atomic_store(&state.shared.use->connections, 2);
		shared_bury_worker(&state.shared, (unsigned)at);
		ck_assert_int_eq(atomic_load(&state.shared.use->connections), 2);
	}
}
END_TEST

/* However they come and go, the lowest is taken: who scans stops at the highest. */
START_TEST(the_lowest_worker_slot_is_taken)
{
	static const int gone[] = { 70, 3, 50, 99, 4 }, lowest[] = { 3, 4, 50, 70, 99, 100 };

	state_help_start(&state, first);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(shared_take_worker(&state.shared), i);
	for (int i = 0; i < COUNT(gone); i++)
		shared_bury_worker(&state.shared, (unsigned)gone[i]);
	for (int i = 0; i < COUNT(lowest); i++)
		ck_assert_int_eq(shared_take_worker(&state.shared), lowest[i]);
	ck_assert_uint_eq(atomic_load(&state.shared.head->nworker), 101);
}
END_TEST

START_TEST(worker_slots_end_somewhere)
{
	state_help_start(&state, first);
	for (unsigned i = 0; i < SHARED_WORKERS; i += 1)
		atomic_store_explicit(&state.shared.post[i].pid, 1, memory_order_relaxed);
	errno = 0;
	ck_assert_int_eq(shared_take_worker(&state.shared), -1);
	ck_assert_int_eq(errno, ENOSPC);
}
END_TEST

/* --- what workers can only read --------------------------------------------------------- */

/* A kernel whose pages are of 64 KiB would make a whole one read-only. */
START_TEST(the_two_parts_share_no_page)
{
	state_help_start(&state, first);
	ck_assert_uint_eq((size_t)((char *)state.shared.use - (char *)state.shared.server) % 65536, 0);
	ck_assert_uint_le(sizeof(struct shared_head), (size_t)((char *)state.shared.use - (char *)state.shared.head));
}
END_TEST

static _Noreturn void
write_sealed(unsigned part)
{
	if (shared_seal(&state.shared) != 0)
		_exit(1);
	if (part == 0)
		atomic_fetch_add(&state.shared.use->connections, 1);
	else
		atomic_store(&state.shared.head->draining, SHARED_CLOSED);
	_exit(0);
}

START_TEST(a_seal_keeps_the_first_part)
{
	int status;
	pid_t pid;

	state_help_start(&state, first);
	for (unsigned part = 0; part < 2; part++) {
		if ((pid = fork()) == 0)
			write_sealed(part);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_msg((status == 0) == (part == 0), "part %u: %#x", part, (unsigned)status);
	}
	ck_assert_int_eq(atomic_load(&state.shared.use->connections), 1);
	ck_assert_uint_eq(atomic_load(&state.shared.head->draining), SHARED_OPEN);
}
END_TEST

/* --- another executable ----------------------------------------------------------------- */

START_TEST(a_segment_can_be_taken_over)
{
	struct shared other;

	state_help_start(&state, first);
	atomic_store(&server("c.one.l", "a")->admin, HEALTH_DRAIN);
	ck_assert_int_eq(shared_map(&other, state.shared.fd), 0);
	ck_assert_ptr_ne(other.head, state.shared.head);
	ck_assert_uint_eq(other.sources->seed, state.shared.sources->seed);
	state.shared = other;
	state_help_reload(&state, first);
	ck_assert_str_eq(health_word(server("c.one.l", "a")), "DRAIN");
}
END_TEST

START_TEST(another_layout_is_refused)
{
	struct shared other;
	int fd;

	state_help_start(&state, first);
	state.shared.head->layout++;
	ck_assert_int_eq(shared_map(&other, state.shared.fd), -1);
	ck_assert_int_eq(errno, EPROTO);
	ck_assert_ptr_null(other.head);		/* to begin anew is its caller's */
	state.shared.head->layout--;
	state.shared.head->size_of[3]++;
	ck_assert_int_eq(shared_map(&other, state.shared.fd), -1);
	ck_assert_int_eq(errno, EPROTO);
	state.shared.head->size_of[3]--;
	state.shared.head->magic++;
	ck_assert_int_eq(shared_map(&other, state.shared.fd), -1);
	state.shared.head->magic--;
	ck_assert_int_eq(shared_map(&other, state.shared.fd), 0);
	fd = open("/dev/null", O_RDWR);
	ck_assert_int_eq(shared_map(&other, fd), -1);
	ck_assert_int_eq(errno, EPROTO);
}
END_TEST

/* --- waiting ------------------------------------------------------------------------------ */

START_TEST(who_waits_is_woken)
{
	struct backend_use *b;
	int64_t begin = clock_ms();
	int status;
	pid_t pid;

	state_help_start(&state, first);
	b = backend_use_at("c.one.l");
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		uint32_t seen;

		seen = atomic_load(&b->queue_word);
		atomic_fetch_add(&b->waiters, 1);
		shared_sleep(&b->queue_word, seen, 30000);
		_exit(atomic_load(&b->queue_word) != seen ? 0 : 1);
	}
	while (atomic_load(&b->waiters) == 0)
		usleep(1000);
	shared_wake(&b->queue_word, &b->waiters);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_int_lt(clock_ms() - begin, 20000);
	/* a word that has changed meanwhile lets nobody sleep; a time-out ends it */
	shared_sleep(&b->queue_word, atomic_load(&b->queue_word) - 1, 30000);
	shared_sleep(&b->queue_word, atomic_load(&b->queue_word), 10);
	ck_assert_int_lt(clock_ms() - begin, 20000);
	/* where nobody waits there is nothing to do */
	atomic_store(&b->waiters, 0);
	shared_wake(&b->queue_word, &b->waiters);
	ck_assert_uint_eq(atomic_load(&b->queue_word), 1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("shared");
	TCase *t = tcase_create("shared");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, conf_help_setup, conf_help_teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, slots_have_names_and_addresses);
	tcase_add_test(t, slots_are_found_again_by_name);
	tcase_add_loop_test(t, what_a_reload_keeps, 0, COUNT(reloads));
	tcase_add_test(t, a_name_is_down_until_it_resolves);
	tcase_add_test(t, a_sweep_forgets_what_nobody_names);
	tcase_add_loop_test(t, a_sweep_waits_for_workers_of_others, 1, 4);
	tcase_add_test(t, many_reloads_take_no_more_room);
	tcase_add_loop_test(t, the_dead_give_back_exactly_what_they_held, 0, COUNT(held));
	tcase_add_test(t, worker_slots_are_clean_and_used_again);
	tcase_add_test(t, texts_are_whole_whenever_their_writer_stopped);
	tcase_add_test(t, the_lowest_worker_slot_is_taken);
	tcase_add_test(t, an_idle_one_gives_nothing_back);
	tcase_add_test(t, worker_slots_end_somewhere);
	tcase_add_test(t, a_segment_can_be_taken_over);
	tcase_add_test(t, the_two_parts_share_no_page);
	tcase_add_test(t, a_seal_keeps_the_first_part);
	tcase_add_test(t, another_layout_is_refused);
	tcase_add_test(t, who_waits_is_woken);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
