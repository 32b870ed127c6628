/* SPDX-License-Identifier: ISC */
/* The health table: texts that are whole, and words for people. */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "state/health.h"
#include "state_help.h"

#define COUNT(a)	((int)(sizeof(a) / sizeof(*(a))))

static struct server_slot *
fresh(void)
{
	struct server_slot *v = mmap(NULL, sizeof(*v), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert(v != MAP_FAILED);
	return v;
}

static const struct {
	enum health_state state;
	enum health_admin admin;
	int checked;
	const char *word;
	bool usable;
} words[] = {
	{ HEALTH_UP, HEALTH_READY, 1, "UP", true },
	{ HEALTH_UP, HEALTH_READY, 0, "NO CHECK", true },
	{ HEALTH_DOWN, HEALTH_READY, 1, "DOWN", false },
	{ HEALTH_DOWN, HEALTH_READY, 0, "DOWN", false },
	{ HEALTH_UP, HEALTH_DRAIN, 1, "DRAIN", false },
	{ HEALTH_DOWN, HEALTH_DRAIN, 1, "DRAIN", false },
	{ HEALTH_UP, HEALTH_DRAIN, 0, "DRAIN", false },
	{ HEALTH_UP, HEALTH_MAINT, 1, "MAINT", false },
	{ HEALTH_DOWN, HEALTH_MAINT, 0, "MAINT", false },
};

START_TEST(words_and_use)
{
	struct server_slot *v = fresh();

	atomic_store(&v->state, words[_i].state);
	atomic_store(&v->admin, words[_i].admin);
	atomic_store(&v->checked, (uint32_t)words[_i].checked);
	ck_assert_str_eq(health_word(v), words[_i].word);
	ck_assert_int_eq(health_usable(v), words[_i].usable);
}
END_TEST

/* As HAProxy 2.6 spells them, in its CSV and in its log. */
static const struct {
	enum health_result result;
	const char *name, *text;
} results[] = {
	{ HEALTH_UNKNOWN, "UNK", "Unknown" },
	{ HEALTH_INI, "INI", "Initializing" },
	{ HEALTH_SOCKERR, "SOCKERR", "Socket error" },
	{ HEALTH_L4OK, "L4OK", "Layer4 check passed" },
	{ HEALTH_L4TOUT, "L4TOUT", "Layer4 timeout" },
	{ HEALTH_L4CON, "L4CON", "Layer4 connection problem" },
	{ HEALTH_L6OK, "L6OK", "Layer6 check passed" },
	{ HEALTH_L6TOUT, "L6TOUT", "Layer6 timeout" },
	{ HEALTH_L6RSP, "L6RSP", "Layer6 invalid response" },
	{ HEALTH_L7OK, "L7OK", "Layer7 check passed" },
	{ HEALTH_L7TOUT, "L7TOUT", "Layer7 timeout" },
	{ HEALTH_L7RSP, "L7RSP", "Layer7 invalid response" },
	{ HEALTH_L7STS, "L7STS", "Layer7 wrong status" },
	{ (enum health_result)999, "UNK", "Unknown" },
};

START_TEST(results_in_haproxys_words)
{
	ck_assert_str_eq(health_result_name(results[_i].result), results[_i].name);
	ck_assert_str_eq(health_result_text(results[_i].result), results[_i].text);
}
END_TEST

START_TEST(infos_are_cut_to_their_room)
{
	char text[HEALTH_INFO_MAX * 2], out[HEALTH_INFO_MAX];
	struct server_slot *v = fresh();

	health_info(v, out);
	ck_assert_str_eq(out, "");
	health_set_info(v, "Connection refused");
	health_info(v, out);
	ck_assert_str_eq(out, "Connection refused");
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	health_set_info(v, text);
	health_info(v, out);
	ck_assert_uint_eq(strlen(out), HEALTH_INFO_MAX - 1);
	health_set_info(v, "");
	health_info(v, out);
	ck_assert_str_eq(out, "");
}
END_TEST

struct pair {
	struct server_slot *slot;
	_Atomic uint32_t over;
};

/* One writes, the others read: never half of one and half of another. */
static void
write_or_read(void *arg, unsigned who)
{
	struct pair *p = arg;
	char text[HEALTH_INFO_MAX];
	struct addr a, b;

	memset(&a, 0, sizeof(a));
	for (uint32_t i = 0; who == 0 && i < 100000; i++) {
		memset(a.ip, (int)(i & 63) + 1, sizeof(a.ip));
		a.port = (uint16_t)((i & 63) + 1);
		health_set_addr(p->slot, &a);
		memset(text, 'a' + (int)(i % 26), 60);
		text[60] = '\0';
		health_set_info(p->slot, text);
	}
	if (who == 0) {
		atomic_store(&p->over, 1);
		return;
	}
	while (!atomic_load(&p->over)) {
		health_addr(p->slot, &b);
		for (size_t i = 0; i < sizeof(b.ip); i++)
			if (b.ip[i] != b.port)
				_exit(1);
		health_info(p->slot, text);
		for (size_t i = 1; text[0] != '\0' && i < 60; i++)
			if (text[i] != text[0])
				_exit(2);
	}
}

START_TEST(readers_see_whole_texts)
{
	struct pair *p = mmap(NULL, sizeof(*p), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert(p != MAP_FAILED);
	p->slot = fresh();
	state_help_processes(3, write_or_read, p);
}
END_TEST

START_TEST(a_writer_that_died_half_way_harms_nobody)
{
	struct server_slot *v = fresh();
	struct addr a, b, out;

	ck_assert(addr_parse_ip("192.0.2.1", &a));
	ck_assert(addr_parse_ip("2001:db8::2", &b));
	for (int i = 0; i < 2; i++) {
		health_set_addr(v, &a);
		/* it had begun with the other copy */
		memset(&v->addr[1 - (atomic_load(&v->addr_seq) & 1)], 0x5a, 9);
		health_addr(v, &out);
		ck_assert(addr_equal(&out, &a));
		health_set_addr(v, &b);
		health_addr(v, &out);
		ck_assert(addr_equal(&out, &b));
		health_set_addr(v, &a);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("health");
	TCase *t = tcase_create("health");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, words_and_use, 0, COUNT(words));
	tcase_add_loop_test(t, results_in_haproxys_words, 0, COUNT(results));
	tcase_add_test(t, infos_are_cut_to_their_room);
	tcase_add_test(t, readers_see_whole_texts);
	tcase_add_test(t, a_writer_that_died_half_way_harms_nobody);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
