/* SPDX-License-Identifier: ISC */
/* Lines of the access log: HAProxy's fields, and the last line of a worker that
 * died, whatever it left in its slot. */
#include "config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "conf_help.h"
#include "report/access.h"
#include "state_help.h"

#define COUNT(a)	((int)(sizeof(a) / sizeof(*(a))))
#define LINE_SIZE	4096
#define NOW_MS		1000000
#define WALL_MS		INT64_C(1700000005123)		/* five seconds after the client came */

static struct state state;

static const char conf_text[] =
    "listener \"l\" { bind = {\"*:1\"} protocol = \"tls\" }\n"
    "listener \"h\" { bind = {\"*:2\"} protocol = \"http\" }\n"
    "cluster \"c\" { service \"one\" { listeners = {\"l\", \"h\"} hosts = {\"*\"}"
    " servers = {\"a=10.0.0.1\"} } }\n";

static struct worker_slot *
slot(const char *client, const char *host, uint32_t worker_state)
{
	struct worker_slot *w;
	struct addr a;

	w = &state.shared.worker[shared_take_worker(&state.shared)];
	ck_assert(addr_parse_ip(client, &a));
	a.port = 1234;
	scoreboard_set_client(w, &a);
	scoreboard_set_host(w, host);
	atomic_store(&w->state, worker_state);
	scoreboard_begin(w, NOW_MS - 5000);
	atomic_store(&w->holds, HOLDS_LISTENER);
	atomic_store(&w->bytes_in, 10);
	atomic_store(&w->bytes_out, 20);
	return w;
}

static size_t
last_line(const struct worker_slot *w, enum access_kind kind, char cause, char *line, size_t size)
{
	return access_last_line(&state.shared, w, state.map->listener[kind == ACCESS_HTTP], kind, cause, NOW_MS,
	    WALL_MS, line, size);
}

START_TEST(heads_and_counts_are_haproxys)
{
	const struct access_counts c = { 7, 6, 5, 4, 3, true, true };
	const int64_t times[] = { 0, -5, 2, 60000 };
	char line[256], small[10];
	struct addr a;
	struct text t;

	setenv("TZ", "UTC", 1);
	tzset();
	ck_assert(addr_parse_ip("2001:db8::1", &a));
	a.port = 99;
	t = text_in(line, sizeof(line));
	access_head(&t, &a, WALL_MS, "l", "c.one.l", "<NOSRV>");
	ck_assert_str_eq(line, "2001:db8::1:99 [14/Nov/2023:22:13:25.123] l c.one.l/<NOSRV>");
	t = text_in(line, sizeof(line));
	access_times(&t, times, 4);
	ck_assert_str_eq(line, "0/-1/2/60000");
	t = text_in(line, sizeof(line));
	access_counts(&t, &c);
	ck_assert_str_eq(line, "7/6/5/4/+3 0/1");
	/* what does not fit is cut */
	t = text_in(small, sizeof(small));
	access_head(&t, &a, WALL_MS, "l", "b", "s");
	ck_assert_str_eq(small, "2001:db8:");
}
END_TEST

static const struct {
	uint32_t state;
	enum access_kind kind;
	char cause;
	bool server;
	uint64_t out;
	const char *want;	/* from the backend on; NULL: no line */
} ends[] = {
	{ WORKER_READING, ACCESS_TLS, 'I', false, 0, "l/<NOSRV> -1/-1/5000 0 IR 0/0/0/0/0 0/0 {x.test}" },
	{ WORKER_QUEUED, ACCESS_TLS, 'K', false, 0, "l/<NOSRV> -1/-1/5000 0 KQ 0/0/0/0/0 0/0 {x.test}" },
	{ WORKER_DIALING, ACCESS_TLS, 'I', true, 0, "c.one.l/a -1/-1/5000 0 IC 0/0/0/0/0 0/0 {x.test}" },
	{ WORKER_RELAYING, ACCESS_TLS, 'I', true, 20, "c.one.l/a -1/-1/5000 20 ID 0/0/0/0/0 0/0 {x.test}" },
	{ WORKER_RELAYING, ACCESS_HTTP, 'I', true, 0,
	    "c.one.h/a -1/-1/-1/-1/5000 -1 0 - - IH-- 0/0/0/0/0 0/0 {x.test} \"<BADREQ>\"" },
	{ WORKER_RELAYING, ACCESS_HTTP, 'K', true, 20,
	    "c.one.h/a -1/-1/-1/-1/5000 -1 20 - - KD-- 0/0/0/0/0 0/0 {x.test} \"<BADREQ>\"" },
	{ WORKER_RELAYING, ACCESS_STATS, 'I', false, 20,
	    "l/<STATS> -1/-1/-1/-1/5000 -1 20 - - ID-- 0/0/0/0/0 0/0 {x.test} \"<BADREQ>\"" },
	/* nobody is due a line here */
	{ WORKER_STARTING, ACCESS_TLS, 'I', false, 0, NULL },
	{ WORKER_IDLE, ACCESS_TLS, 'I', false, 0, NULL },
	{ WORKER_WAITING, ACCESS_TLS, 'I', false, 0, NULL },
	{ WORKER_KEEPALIVE, ACCESS_HTTP, 'I', true, 0, NULL },
	{ 77, ACCESS_TLS, 'I', false, 0, NULL },
};

START_TEST(the_dead_have_their_line)
{
	char line[LINE_SIZE], want[512];
	struct worker_slot *w;
	unsigned b;
	size_t n;

	setenv("TZ", "UTC", 1);
	tzset();
	state_help_start(&state, conf_text);
	w = slot("192.0.2.1", "x.test", ends[_i].state);
	atomic_store(&w->bytes_out, ends[_i].out);
	b = ends[_i].kind == ACCESS_HTTP;
	if (ends[_i].server) {
		atomic_store(&w->backend, (int32_t)state.map->backend[b]);
		atomic_store(&w->server, (int32_t)state.map->server[b][0]);
	}
	n = last_line(w, ends[_i].kind, ends[_i].cause, line, sizeof(line));
	if (ends[_i].want == NULL) {
		ck_assert_uint_eq(n, 0);
		return;
	}
	snprintf(want, sizeof(want), "192.0.2.1:1234 [14/Nov/2023:22:13:20.123] %s %s", b ? "h" : "l",
	    ends[_i].want);
	ck_assert_str_eq(line, want);
	ck_assert_uint_eq(n, strlen(line));
	/* one that does not hold its listener was not counted, and has none */
	atomic_store(&w->holds, 0);
	ck_assert_uint_eq(last_line(w, ends[_i].kind, ends[_i].cause, line, sizeof(line)), 0);
}
END_TEST

/* What the slot of a worker says of its times, and what the line does. */
static const struct {
	enum access_kind kind;
	int32_t head, queue, connect, answer, status;
	const char *want;
} known[] = {
	{ ACCESS_TLS, -1, 30, -1, -1, -1, " 30/-1/5000 20 ID " },
	{ ACCESS_TLS, -1, 0, 12, -1, -1, " 0/12/5000 20 ID " },
	{ ACCESS_HTTP, 7, -1, -1, -1, -1, " 7/-1/-1/-1/5000 -1 20 " },
	{ ACCESS_HTTP, 7, 0, 3, -1, -1, " 7/0/3/-1/5000 -1 20 " },
	{ ACCESS_HTTP, 7, 0, 3, 5000, 206, " 7/0/3/5000/5000 206 20 " },
	/* more than the whole, and no status that there is */
	{ ACCESS_HTTP, 5001, INT32_MAX, -2, INT32_MIN, 99, " -1/-1/-1/-1/5000 -1 20 " },
	{ ACCESS_HTTP, 0, 5000, 5001, 0, 1000, " 0/5000/-1/0/5000 -1 20 " },
};

START_TEST(what_is_known_is_said)
{
	char line[LINE_SIZE];
	struct worker_slot *w;

	state_help_start(&state, conf_text);
	w = slot("192.0.2.1", "x.test", WORKER_RELAYING);
	atomic_store(&w->head_ms, known[_i].head);
	atomic_store(&w->queue_ms, known[_i].queue);
	atomic_store(&w->connect_ms, known[_i].connect);
	atomic_store(&w->answer_ms, known[_i].answer);
	atomic_store(&w->status, known[_i].status);
	last_line(w, known[_i].kind, 'I', line, sizeof(line));
	ck_assert_msg(strstr(line, known[_i].want) != NULL, "no \"%s\" in \"%s\"", known[_i].want, line);
	/* the next request knows nothing of it */
	scoreboard_begin(w, NOW_MS - 100);
	last_line(w, ACCESS_HTTP, 'I', line, sizeof(line));
	ck_assert_msg(strstr(line, " -1/-1/-1/-1/100 -1 20 ") != NULL, "%s", line);
}
END_TEST

static bool
is_one_clean_line(const char *line, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (line[i] < 0x20 || line[i] > 0x7e)
			return false;
	return strlen(line) == n;
}

/* A worker that was taken over can write anything: its slot, and the names. */
START_TEST(nothing_in_a_slot_is_believed)
{
	static const int32_t indexes[] = { INT32_MIN, -2, -1, 0, SHARED_BACKENDS, SHARED_SERVERS, INT32_MAX };
	static const int64_t times[] = { INT64_MIN, -1, 0, NOW_MS, NOW_MS + 1, INT64_MAX };
	char line[LINE_SIZE], tiny[40];
	struct worker_slot *w;
	size_t n;

	state_help_start(&state, conf_text);
	w = slot("192.0.2.1", "x.test", WORKER_RELAYING);
	memset(w->text, 0xff, sizeof(w->text));
	memset(state.shared.listener[state.map->listener[0]].name, '\n',
	    sizeof(state.shared.listener[0].name));
	memset(state.shared.backend[0].name, 0x1b, sizeof(state.shared.backend[0].name));
	memset(state.shared.server[0].name, '"', sizeof(state.shared.server[0].name));
	for (int i = 0; i < COUNT(indexes); i++)
		for (int j = 0; j < COUNT(indexes); j++)
			for (int k = 0; k < COUNT(times); k++) {
				atomic_store(&w->backend, indexes[i]);
				atomic_store(&w->server, indexes[j]);
				atomic_store(&w->began_ms, times[k]);
				n = last_line(w, ACCESS_TLS, 'I', line, sizeof(line));
				ck_assert_uint_gt(n, 0);
				ck_assert_msg(is_one_clean_line(line, n), "%zu of %zu: %s", strlen(line), n,
				    line);
				n = last_line(w, ACCESS_STATS, 'I', tiny, sizeof(tiny));
				ck_assert_uint_lt(n, sizeof(tiny));
			}
	ck_assert_uint_eq(access_last_line(&state.shared, w, SHARED_LISTENERS, ACCESS_TLS, 'I', NOW_MS, WALL_MS,
	    line, sizeof(line)), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("access");
	TCase *t = tcase_create("access");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, conf_help_setup, conf_help_teardown);
	tcase_add_test(t, heads_and_counts_are_haproxys);
	tcase_add_loop_test(t, the_dead_have_their_line, 0, COUNT(ends));
	tcase_add_loop_test(t, what_is_known_is_said, 0, COUNT(known));
	tcase_add_test(t, nothing_in_a_slot_is_believed);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
