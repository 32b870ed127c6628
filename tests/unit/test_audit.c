/* SPDX-License-Identifier: ISC */
/* Counts that a death left wrong: found, and put right once they stood still. */
#include "config.h"

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "conf_help.h"
#include "state/audit.h"
#include "state_help.h"

static struct state state;
static struct audit audit;
static struct worker_slot *worker;
static uint32_t place;

static const char conf[] = "listener \"l\" { bind = {\"*:1\"} protocol = \"tls\" }\n"
    "cluster \"c\" { service \"s\" { listeners = {\"l\"} hosts = {\"x.example\"}"
    " servers = {\"a=10.0.0.1\", \"b=10.0.0.2\"} } }\n";

enum which { CONNECTIONS, PERMIT_WAITERS, IDLE, LISTENER, BACKEND, QUEUED, WAITERS, SERVER, SOURCE, KINDS };

static gauge *
gauge_of(int which)
{
	struct shared *s = &state.shared;

	switch ((enum which)which) {
	case CONNECTIONS:	return &s->use->connections;
	case PERMIT_WAITERS:	return &s->use->permit_waiters;
	case IDLE:		return &s->pool_use[3].idle;
	case LISTENER:		return &s->listener_use[0].c.current;
	case BACKEND:		return &s->backend_use[0].c.current;
	case QUEUED:		return &s->backend_use[0].c.queued;
	case WAITERS:		return &s->backend_use[0].waiters;
	case SERVER:		return &s->server_use[1].c.current;
	case SOURCE:
	case KINDS:
		break;
	}
	return NULL;
}

static int32_t
count_of(int which)
{
	return which == SOURCE ? (int32_t)sources_held(state.shared.sources, place) :
	    atomic_load(gauge_of(which));
}

static void
change(int which, int32_t by)
{
	if (which == SOURCE)
		sources_correct(state.shared.sources, place, by);
	else
		atomic_fetch_add(gauge_of(which), by);
}

/* One worker with a client that holds all there is, one that is idle; every
 * count is right. */
static void
start(void)
{
	struct addr client;
	int at;

	state_help_start(&state, conf);
	memset(&audit, 0, sizeof(audit));
	at = shared_take_worker(&state.shared);
	worker = &state.shared.worker[at];
	state.shared.post[at].listener = 0;
	state.shared.post[at].pool = 3;
	atomic_store(&worker->backend, 0);
	atomic_store(&worker->server, 1);
	atomic_store(&worker->state, WORKER_RELAYING);
	ck_assert(addr_parse_ip("192.0.2.1", &client));
	sources_enter(state.shared.sources, 0, &client, &place);
	atomic_store(&worker->source, place);
	atomic_store(&worker->holds, HOLDS_PERMIT | HOLDS_WAIT | HOLDS_LISTENER | HOLDS_SOURCE |
	    HOLDS_BACKEND | HOLDS_SERVER | HOLDS_QUEUE);
	atomic_store(&state.shared.post[at].pid, 4711);
	at = shared_take_worker(&state.shared);
	state.shared.post[at].pool = 3;
	atomic_store(&state.shared.post[at].pid, 4712);
	for (int i = 0; i < KINDS; i++)
		if (i != SOURCE)
			atomic_store(gauge_of(i), 1);
	ck_assert_int_eq(audit_look(&audit, &state.shared), AUDIT_CLEAN);
}

static void
all_are(int32_t n)
{
	for (int i = 0; i < KINDS; i++)
		ck_assert_msg(count_of(i) == n, "count %d is %d", i, count_of(i));
}

START_TEST(what_is_right_stays)
{
	start();
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(audit_look(&audit, &state.shared), AUDIT_CLEAN);
	all_are(1);
}
END_TEST

START_TEST(one_that_is_off_is_put_right)
{
	static const int32_t by[] = { 1, -1, 5 };	/* of a count that should be 1 */

	for (int i = 0; i < 3; i++) {
		start();
		change(_i, by[i]);
		ck_assert_int_eq(audit_look(&audit, &state.shared), AUDIT_OFF);
		ck_assert_int_eq(count_of(_i), 1 + by[i]);
		ck_assert_int_eq(audit_look(&audit, &state.shared), AUDIT_MENDED);
		all_are(1);
		ck_assert_int_eq(audit_look(&audit, &state.shared), AUDIT_CLEAN);
		state_help_end(&state);
	}
}
END_TEST

START_TEST(another_difference_is_another_finding)
{
	start();
	change(_i, 1);
	ck_assert_int_eq(audit_look(&audit, &state.shared), AUDIT_OFF);
	change(_i, 1);
	ck_assert_int_eq(audit_look(&audit, &state.shared), AUDIT_OFF);
	ck_assert_int_eq(count_of(_i), 3);
	change(_i, -2);		/* it was a step under way */
	ck_assert_int_eq(audit_look(&audit, &state.shared), AUDIT_CLEAN);
	all_are(1);
}
END_TEST

START_TEST(more_than_it_can_remember)
{
	start();
	for (unsigned i = 0; i < AUDIT_FINDINGS * 2; i++)
		sources_correct(state.shared.sources, i, 1);
	for (int i = 0; i < 10 && audit_look(&audit, &state.shared) != AUDIT_CLEAN; i++)
		;
	for (unsigned i = 0; i < AUDIT_FINDINGS * 2; i++)
		ck_assert_int_eq((int)sources_held(state.shared.sources, i), i == place);
	all_are(1);
}
END_TEST

/* A worker that was taken over may write anything into its slot. */
START_TEST(indexes_are_not_believed)
{
	start();
	atomic_store(&worker->backend, INT32_MAX);
	atomic_store(&worker->server, INT32_MIN);
	atomic_store(&worker->source, UINT32_MAX - 1);
	for (int i = 0; i < 3; i++)
		audit_look(&audit, &state.shared);
	ck_assert_int_eq(count_of(SERVER), 0);
	ck_assert_int_eq(count_of(CONNECTIONS), 1);
}
END_TEST

/* Nor does an idle one hold anything, or one in a state that there is not. */
START_TEST(what_cannot_be_held_is_not_counted)
{
	static const uint32_t states[] = { WORKER_IDLE, WORKER_STARTING, WORKER_KEEPALIVE + 1, UINT32_MAX };
	struct worker_slot *other;

	start();
	other = worker + 1;
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		atomic_store(&other->state, states[i]);
		atomic_store(&other->holds, UINT32_MAX);
		atomic_store(&other->backend, 0);
		atomic_store(&other->server, 1);
		atomic_store(gauge_of(CONNECTIONS), INT32_MAX);
		for (int k = 0; k < 3; k++)
			audit_look(&audit, &state.shared);
		ck_assert_int_eq(count_of(IDLE), states[i] <= WORKER_IDLE);
		for (int k = 0; k < KINDS; k++)
			ck_assert_msg(k == IDLE || count_of(k) == 1, "count %d is %d", k, count_of(k));
	}
}
END_TEST

START_TEST(while_something_moves_there_is_no_finding)
{
	enum audit_verdict verdict = AUDIT_OFF;
	int64_t end = clock_ms() + 10000;
	int status;
	pid_t pid;

	start();
	change(SERVER, 1);
	if ((pid = fork()) == 0)
		for (;;)
			atomic_fetch_add(&worker->bytes_in, 1);
	while (verdict != AUDIT_MOVED && clock_ms() < end) {
		memset(&audit, 0, sizeof(audit));
		verdict = audit_look(&audit, &state.shared);
	}
	ck_assert_int_eq(verdict, AUDIT_MOVED);
	ck_assert_uint_eq(audit.n, 0);
	ck_assert_int_eq(count_of(SERVER), 2);
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("audit");
	TCase *tc = tcase_create("audit");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(tc, conf_help_setup, conf_help_teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, what_is_right_stays);
	tcase_add_loop_test(tc, one_that_is_off_is_put_right, 0, KINDS);
	tcase_add_loop_test(tc, another_difference_is_another_finding, 0, KINDS);
	tcase_add_test(tc, more_than_it_can_remember);
	tcase_add_test(tc, indexes_are_not_believed);
	tcase_add_test(tc, what_cannot_be_held_is_not_counted);
	tcase_add_test(tc, while_something_moves_there_is_no_finding);
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
