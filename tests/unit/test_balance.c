/* SPDX-License-Identifier: ISC */
/* From a key to a server: the same one on every machine and in every version,
 * evenly by weight, and moving nobody who need not move. */
#include "config.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf_help.h"
#include "state_help.h"

#define COUNT(a)	((int)(sizeof(a) / sizeof(*(a))))
#define KEYS		100000

/* One backend with these servers. */
#define SERVICE(how, servers) \
	"listener \"l\" { bind = {\"*:1\"} protocol = \"tls\" }\n" \
	"cluster \"a\" { service \"s\" { listeners = {\"l\"} hosts = {\"x.example\"} balance = \"" how "\"\n" \
	servers " } }\n"
#define SERVER(name, keys) \
	" server \"" name "\" { address = \"10.0.0.1\" " keys " }\n"

static struct state state;

/* In the place of the one before, which it frees. */
static struct balance *
start(const char *text)
{
	static struct balance *b;

	if (b != NULL) {
		balance_free(b);
		state_help_end(&state);
	}
	state_help_start(&state, text);
	b = balance_new(state.conf, &state.shared, state.map);
	ck_assert_ptr_nonnull(b);
	return b;
}

static struct server_slot *
server(unsigned k)
{
	return state_help_server(&state, 0, k);
}

static struct counters *
counters(unsigned k)
{
	return state_help_counters(&state, 0, k);
}

static int
by_text(const struct balance *b, const char *key)
{
	struct balance_key k = { key, strlen(key) };

	return balance_next(b, 0, k, NULL, 0);
}

static int
by_number(const struct balance *b, unsigned i)
{
	char key[32];

	snprintf(key, sizeof(key), "host%u.example", i);
	return by_text(b, key);
}

static int
by_turn(const struct balance *b)
{
	return by_text(b, "");
}

/* --- what must never change ----------------------------------------------- */

static const char known_servers[] = SERVICE("host",
    SERVER("compute0", "") SERVER("compute1", "") SERVER("compute2", "") SERVER("192.168.125.20", "")
    SERVER("node.example.org", ""));
static const char known_weights[] = SERVICE("host",
    SERVER("compute0", "weight = 1") SERVER("compute1", "weight = 2") SERVER("compute2", "weight = 4")
    SERVER("192.168.125.20", "weight = 16") SERVER("node.example.org", "weight = 256"));

/* The server of each key, with equal weights and with known_weights'. */
static const struct {
	const char *host, *address;
	int equal, weighted;
} known[] = {
	{ "api.hub-cluster.linuxera.lab", NULL, 4, 4 },
	{ "console-openshift-console.apps.hub.linuxera.lab", NULL, 1, 4 },
	{ "a", NULL, 3, 3 },
	{ "b", NULL, 3, 3 },
	{ "c", NULL, 2, 4 },
	{ "www.example.org", NULL, 3, 4 },
	{ "x.y.z.example.com", NULL, 0, 4 },
	{ "0", NULL, 0, 4 },
	{ "oauth.apps.managed1.linuxera.lab", NULL, 1, 4 },
	{ "[2001:db8::1]", NULL, 3, 3 },
	{ "a-very-long-name-indeed-so-that-xxh3-takes-its-path-for-more-than-128-bytes.and-then-some-more.to-be-quite-sure-of-it.under.the.domain.example.org", NULL, 0, 4 },
	{ "a-very-long-name-indeed-so-that-xxh3-takes-its-path-for-more-than-240-bytes.and-then-some-more.to-be-quite-sure-of-it.under.the.domain.example.org.a-very-long-name-indeed-so-that-xxh3-takes-its-path.and-then-some-more.to-be-quite-sure.example.com", NULL, 4, 4 },
	{ NULL, "127.0.0.1", 3, 4 },
	{ NULL, "10.0.0.1", 2, 4 },
	{ NULL, "10.0.0.2", 3, 3 },
	{ NULL, "192.168.125.10", 4, 4 },
	{ NULL, "203.0.113.7", 3, 4 },
	{ NULL, "::ffff:203.0.113.7", 3, 4 },
	{ NULL, "255.255.255.255", 4, 4 },
	{ NULL, "2001:db8::1", 2, 4 },
	{ NULL, "2001:db8::2", 0, 4 },
	{ NULL, "::1", 3, 4 },
	{ NULL, "fe80::1", 2, 2 },
	{ NULL, "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", 4, 4 },
};

static struct balance_key
known_key(int i)
{
	static struct addr a;

	if (known[i].host != NULL)
		return balance_key(CONF_HOST, &a, known[i].host, strlen(known[i].host));
	ck_assert(addr_parse_ip(known[i].address, &a));
	return balance_key(CONF_SOURCE, &a, "ignored.example", 15);
}

START_TEST(choices_of_all_times)
{
	struct balance *b = start(known_servers);

	for (int i = 0; i < COUNT(known); i++)
		ck_assert_msg(balance_next(b, 0, known_key(i), NULL, 0) == known[i].equal,
		    "%s%s: %d", known[i].host ? known[i].host : "", known[i].address ? known[i].address : "",
		    balance_next(b, 0, known_key(i), NULL, 0));
	b = start(known_weights);
	for (int i = 0; i < COUNT(known); i++)
		ck_assert_msg(balance_next(b, 0, known_key(i), NULL, 0) == known[i].weighted,
		    "weighted, %s%s: %d", known[i].host ? known[i].host : "",
		    known[i].address ? known[i].address : "", balance_next(b, 0, known_key(i), NULL, 0));
}
END_TEST

START_TEST(the_choice_hangs_on_names_and_weights_alone)
{
	struct balance *b = start(known_weights);
	int first[200];

	for (unsigned i = 0; i < 200; i++)
		first[i] = by_number(b, i);
	/* another order, other addresses, other names around it */
	b = start("listener \"m\" { bind = {\"*:7\"} protocol = \"tls\" }\n"
	    "cluster \"z\" { service \"y\" { listeners = {\"m\"} hosts = {\"q.example\"} balance = \"host\"\n"
	    " server \"node.example.org\" { address = \"10.9.9.9:99\" weight = 256 }\n"
	    SERVER("192.168.125.20", "weight = 16") SERVER("compute2", "weight = 4")
	    SERVER("compute1", "weight = 2") SERVER("compute0", "weight = 1") " } }\n");
	for (unsigned i = 0; i < 200; i++)
		ck_assert_int_eq(by_number(b, i), 4 - first[i]);
	/* durward -r has no health table */
	b = balance_new(state.conf, NULL, NULL);
	for (unsigned i = 0; i < 200; i++)
		ck_assert_int_eq(by_number(b, i), 4 - first[i]);
	balance_free(b);
	balance_free(NULL);
}
END_TEST

START_TEST(equal_weights_choose_as_no_weights)
{
	struct balance *plain = start(SERVICE("host", SERVER("a", "") SERVER("b", "") SERVER("c", ""))), *b;
	int first[2000];

	for (unsigned i = 0; i < 2000; i++)
		first[i] = by_number(plain, i);
	b = start(SERVICE("host", SERVER("a", "weight = 7") SERVER("b", "weight = 7") SERVER("c", "weight = 7")));
	for (unsigned i = 0; i < 2000; i++)
		ck_assert_int_eq(by_number(b, i), first[i]);
	/* another weight elsewhere changes how it is reckoned, not what comes out */
	b = start(SERVICE("host", SERVER("a", "") SERVER("b", "") SERVER("c", "")
	    SERVER("d", "weight = 9 backup = true")));
	for (unsigned i = 0; i < 2000; i++)
		ck_assert_int_eq(by_number(b, i), first[i]);
}
END_TEST

START_TEST(a_key_is_the_client_or_the_host)
{
	struct addr four, mapped, six, port;
	struct balance_key k;

	ck_assert(addr_parse_ip("192.0.2.7", &four));
	ck_assert(addr_parse_ip("::ffff:192.0.2.7", &mapped));
	ck_assert(addr_parse_ip("2001:db8::1", &six));
	port = four;
	port.port = 4711;
	k = balance_key(CONF_SOURCE, &four, "h", 1);
	ck_assert_uint_eq(k.len, 4);
	ck_assert_mem_eq(k.bytes, "\xc0\x00\x02\x07", 4);
	k = balance_key(CONF_SOURCE, &mapped, "h", 1);
	ck_assert(k.len == 4 && memcmp(k.bytes, "\xc0\x00\x02\x07", 4) == 0);
	k = balance_key(CONF_SOURCE, &port, "h", 1);
	ck_assert(k.len == 4 && memcmp(k.bytes, "\xc0\x00\x02\x07", 4) == 0);
	k = balance_key(CONF_SOURCE, &six, "h", 1);
	ck_assert_uint_eq(k.len, 16);
	k = balance_key(CONF_HOST, &four, "h.example", 9);
	ck_assert(k.len == 9 && memcmp(k.bytes, "h.example", 9) == 0);
	/* who names nobody is known by the address */
	k = balance_key(CONF_HOST, &four, "", 0);
	ck_assert_uint_eq(k.len, 4);
}
END_TEST

/* --- the logarithm ----------------------------------------------------------- */

static const struct {
	uint64_t h, want;
} logs[] = {
	{ UINT64_C(1) << 63, UINT64_C(1) << 32 },
	{ UINT64_C(1) << 62, UINT64_C(2) << 32 },
	{ UINT64_C(1) << 32, UINT64_C(32) << 32 },
	{ 1, UINT64_C(64) << 32 },
	{ 0, UINT64_C(64) << 32 },
	{ UINT64_MAX, 1 },
};

START_TEST(logarithms)
{
	uint64_t h = 0x9e3779b97f4a7c15, last = 0;

	for (int i = 0; i < COUNT(logs); i++)
		ck_assert_msg(balance_neg_log2(logs[i].h) == logs[i].want, "%llx: %llu",
		    (unsigned long long)logs[i].h, (unsigned long long)balance_neg_log2(logs[i].h));
	for (int i = 0; i < 100000; i++) {
		double want, got = (double)balance_neg_log2(h) / 4294967296.0;

		want = 64 - log2((double)h);
		ck_assert_msg(fabs(got - want) < 1e-8, "%llx: %.12f, want %.12f", (unsigned long long)h,
		    got, want);
		h = h * 6364136223846793005u + 1442695040888963407u;
	}
	/* never up where the hash goes up */
	last = UINT64_MAX;
	for (h = 1; h < UINT64_MAX - UINT64_MAX / 4096 - 2; h += h / 4096 + 1) {
		ck_assert_uint_le(balance_neg_log2(h), last);
		last = balance_neg_log2(h);
	}
}
END_TEST

static const struct {
	uint64_t m, want;
} squares[] = {
	{ 0, 0 },
	{ UINT32_MAX, 0 },
	{ UINT64_C(1) << 32, 1 },
	{ UINT64_C(1) << 63, UINT64_C(1) << 62 },
	{ UINT64_MAX, UINT64_MAX - 1 },
	{ 0xb504f333f9de6484, 0x7fffffffffffffff },	/* the root of a half */
	{ 0xb504f333f9de6485, 0x8000000000000000 },
};

/* The form for machines without a wider type, on every machine. */
START_TEST(squares_by_halves)
{
	uint64_t m = 0x9e3779b97f4a7c15;

	for (int i = 0; i < COUNT(squares); i++)
		ck_assert_msg(balance_square_high_by_halves(squares[i].m) == squares[i].want, "%llx: %llx",
		    (unsigned long long)squares[i].m,
		    (unsigned long long)balance_square_high_by_halves(squares[i].m));
	for (int i = 0; i < 1000000; i++) {
		ck_assert_msg(balance_square_high_by_halves(m) == balance_square_high(m), "%llx",
		    (unsigned long long)m);
		m = m * 6364136223846793005u + 1442695040888963407u;
	}
}
END_TEST

/* --- properties of hashing ------------------------------------------------------ */

static const struct {
	const char *text;
	unsigned weight[6];
} spreads[] = {
	{ SERVICE("host", SERVER("a", "") SERVER("b", "")), { 1, 1 } },
	{ SERVICE("host", SERVER("a", "") SERVER("b", "") SERVER("c", "")), { 1, 1, 1 } },
	{ SERVICE("host", SERVER("compute0", "") SERVER("compute1", "") SERVER("compute2", "")
	    SERVER("compute3", "") SERVER("compute4", "") SERVER("compute5", "")), { 1, 1, 1, 1, 1, 1 } },
	{ SERVICE("host", SERVER("a", "weight = 1") SERVER("b", "weight = 2") SERVER("c", "weight = 3")),
	    { 1, 2, 3 } },
	{ SERVICE("host", SERVER("a", "weight = 10") SERVER("b", "weight = 1")), { 10, 1 } },
	{ SERVICE("host", SERVER("a", "weight = 100") SERVER("b", "weight = 0") SERVER("c", "weight = 50")
	    SERVER("d", "weight = 256")), { 100, 0, 50, 256 } },
};

START_TEST(clients_are_spread_by_weight)
{
	struct balance *b = start(spreads[_i].text);
	unsigned got[6] = { 0 }, total = 0;

	for (int k = 0; k < 6; k++)
		total += spreads[_i].weight[k];
	for (unsigned i = 0; i < KEYS; i++)
		got[by_number(b, i)]++;
	for (int k = 0; k < 6; k++) {
		double want = (double)KEYS * spreads[_i].weight[k] / total;

		ck_assert_msg(fabs(got[k] - want) <= want * 0.05, "server %d of spread %d: %u, want %.0f",
		    k, _i, got[k], want);
	}
}
END_TEST

/* Addresses are near neighbours, unlike names. */
START_TEST(neighbours_are_spread_too)
{
	struct balance *b = start(SERVICE("source", SERVER("a", "") SERVER("b", "") SERVER("c", "")));
	unsigned got[3] = { 0 };
	uint8_t ip[4] = { 10, 0, 0, 0 };
	struct balance_key key = { ip, 4 };

	for (unsigned i = 0; i < KEYS; i++) {
		ip[1] = (uint8_t)(i >> 16);
		ip[2] = (uint8_t)(i >> 8);
		ip[3] = (uint8_t)i;
		got[balance_next(b, 0, key, NULL, 0)]++;
	}
	for (int k = 0; k < 3; k++)
		ck_assert_msg(abs((int)got[k] - KEYS / 3) < KEYS / 60, "server %d: %u", k, got[k]);
}
END_TEST

static const char *const leaving[] = {
	SERVICE("host", SERVER("a", "") SERVER("b", "") SERVER("c", "") SERVER("d", "") SERVER("e", "")),
	SERVICE("host", SERVER("a", "weight = 5") SERVER("b", "") SERVER("c", "weight = 3") SERVER("d", "")
	    SERVER("e", "weight = 2")),
};

START_TEST(only_the_clients_of_the_one_that_leaves_move)
{
	struct balance *b = start(leaving[_i]);
	static int before[KEYS];

	for (unsigned i = 0; i < KEYS; i++)
		before[i] = by_number(b, i);
	for (unsigned gone = 0; gone < 5; gone++) {
		unsigned moved[5] = { 0 };

		switch (gone % 3) {
		case 0:
			atomic_store(&server(gone)->state, HEALTH_DOWN);
			break;
		case 1:
			atomic_store(&server(gone)->admin, HEALTH_DRAIN);
			break;
		case 2:
			atomic_store(&server(gone)->admin, HEALTH_MAINT);
			break;
		}
		for (unsigned i = 0; i < KEYS; i++) {
			int now = by_number(b, i);

			if (before[i] != (int)gone)
				ck_assert_int_eq(now, before[i]);
			else
				moved[now]++;
		}
		/* and to all the others, not to one of them */
		for (unsigned k = 0; k < 5; k++)
			ck_assert_msg((moved[k] > 0) == (k != gone), "from %u to %u: %u", gone, k, moved[k]);
		atomic_store(&server(gone)->state, HEALTH_UP);
		atomic_store(&server(gone)->admin, HEALTH_READY);
		for (unsigned i = 0; i < KEYS; i += 97)
			ck_assert_int_eq(by_number(b, i), before[i]);
	}
}
END_TEST

START_TEST(one_more_server_takes_its_share_and_no_more)
{
	struct balance *b = start(SERVICE("host", SERVER("a", "") SERVER("b", "") SERVER("c", "")
	    SERVER("d", "")));
	static int before[KEYS];
	unsigned moved = 0;

	for (unsigned i = 0; i < KEYS; i++)
		before[i] = by_number(b, i);
	b = start(SERVICE("host", SERVER("a", "") SERVER("b", "") SERVER("c", "") SERVER("d", "")
	    SERVER("e", "")));
	for (unsigned i = 0; i < KEYS; i++) {
		int now = by_number(b, i);

		ck_assert(now == 4 || now == before[i]);
		moved += now == 4;
	}
	ck_assert_msg(moved > KEYS / 5 * 0.95 && moved < KEYS / 5 * 1.05, "%u moved", moved);
}
END_TEST

START_TEST(what_was_tried_is_passed_over_in_hash_order)
{
	struct balance *b = start(leaving[0]);

	for (unsigned i = 0; i < 500; i++) {
		char text[32];
		struct balance_key key = { text, (size_t)snprintf(text, sizeof(text), "k%u", i) };
		uint16_t tried[5];

		for (unsigned n = 0; n < 5; n++) {
			int k = balance_next(b, 0, key, tried, n);

			ck_assert_int_ge(k, 0);
			for (unsigned j = 0; j < n; j++)
				ck_assert_int_ne(tried[j], k);
			/* as if those tried were down */
			for (unsigned j = 0; j < n; j++)
				atomic_store(&server(tried[j])->state, HEALTH_DOWN);
			ck_assert_int_eq(balance_next(b, 0, key, NULL, 0), k);
			for (unsigned j = 0; j < n; j++)
				atomic_store(&server(tried[j])->state, HEALTH_UP);
			tried[n] = (uint16_t)k;
		}
		ck_assert_int_eq(balance_next(b, 0, key, tried, 5), BALANCE_NONE);
	}
}
END_TEST

/* --- turn by turn --------------------------------------------------------------- */

START_TEST(roundrobin_is_exact)
{
	struct balance *b = start(SERVICE("roundrobin", SERVER("a", "") SERVER("b", "") SERVER("c", "")));

	for (int i = 0; i < 300; i++)
		ck_assert_int_eq(by_turn(b), i % 3);
	/* the rest share alike */
	atomic_store(&server(1)->state, HEALTH_DOWN);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(by_turn(b), i % 2 == 0 ? 0 : 2);
	atomic_store(&server(0)->admin, HEALTH_DRAIN);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(by_turn(b), 2);
	atomic_store(&server(2)->admin, HEALTH_MAINT);
	ck_assert_int_eq(by_turn(b), BALANCE_NONE);
}
END_TEST

START_TEST(roundrobin_is_exact_by_weight)
{
	struct balance *b = start(SERVICE("roundrobin", SERVER("a", "weight = 3") SERVER("b", "")
	    SERVER("c", "weight = 2") SERVER("d", "weight = 0")));
	static const int order[6] = { 0, 1, 2, 0, 2, 0 };

	for (int i = 0; i < 600; i++)
		ck_assert_int_eq(by_turn(b), order[i % 6]);
}
END_TEST

static void
take_turns(void *arg, unsigned i)
{
	const struct balance *b = arg;

	(void)i;
	for (int n = 0; n < 3000; n++) {
		int k = by_turn(b);

		if (k < 0)
			_exit(1);
		counter_add(&counters((unsigned)k)->chosen, 1);
	}
}

START_TEST(processes_share_the_turns)
{
	struct balance *b = start(SERVICE("roundrobin", SERVER("a", "weight = 3") SERVER("b", "")
	    SERVER("c", "weight = 2")));

	state_help_processes(8, take_turns, b);
	ck_assert_uint_eq(counter_get(&counters(0)->chosen), 12000);
	ck_assert_uint_eq(counter_get(&counters(1)->chosen), 4000);
	ck_assert_uint_eq(counter_get(&counters(2)->chosen), 8000);
}
END_TEST

/* One that comes and goes is no reason to turn a client away. */
static void
take_turns_beside_one_that_flaps(void *arg, unsigned i)
{
	const struct balance *b = arg;
	counter *finished = &server(0)->probes;

	if (i == 0) {
		for (unsigned n = 0; counter_get(finished) < 2; n++)
			atomic_store(&server(2)->state, n % 2 == 0 ? HEALTH_DOWN : HEALTH_UP);
		return;
	}
	for (int n = 0; n < 200000; n++)
		if (by_turn(b) < 0) {
			counter_add(finished, 2);
			_exit(1);
		}
	counter_add(finished, 1);
}

START_TEST(a_turn_always_finds_one_that_is_up)
{
	struct balance *b = start(SERVICE("roundrobin", SERVER("a", "weight = 20") SERVER("b", "")
	    SERVER("c", "weight = 20")));

	state_help_processes(3, take_turns_beside_one_that_flaps, b);
}
END_TEST

/* --- the least loaded -------------------------------------------------------------- */

static const struct {
	int current[3];
	unsigned want;		/* bits of those that may be chosen */
} loads[] = {
	{ { 5, 4, 6 }, 2 }, { { 1, 2, 3 }, 1 }, { { 9, 9, 8 }, 4 }, { { 0, 0, 0 }, 7 },
	{ { 4, 4, 5 }, 3 }, { { 1000000, 3, 2000000000 }, 2 },
};

START_TEST(the_least_loaded_serves)
{
	struct balance *b = start(SERVICE("leastconn", SERVER("a", "") SERVER("b", "") SERVER("c", "")));
	unsigned seen = 0;

	for (unsigned k = 0; k < 3; k++)
		atomic_store(&counters(k)->current, loads[_i].current[k]);
	for (int i = 0; i < 12; i++)
		seen |= 1u << by_turn(b);
	ck_assert_uint_eq(seen, loads[_i].want);
}
END_TEST

START_TEST(the_least_loaded_by_weight)
{
	struct balance *b = start(SERVICE("leastconn", SERVER("a", "weight = 3") SERVER("b", "")
	    SERVER("c", "weight = 2")));

	for (int i = 0; i < 600; i++)
		atomic_fetch_add(&counters((unsigned)by_turn(b))->current, 1);
	for (unsigned k = 0; k < 3; k++)
		ck_assert_msg(abs(atomic_load(&counters(k)->current) - (int)state.conf->backend[0].server[k].weight * 100) <= 1,
		    "server %u: %d", k, atomic_load(&counters(k)->current));
	atomic_store(&server(0)->state, HEALTH_DOWN);
	atomic_store(&server(1)->state, HEALTH_DOWN);
	ck_assert_int_eq(by_turn(b), 2);
	atomic_store(&server(2)->state, HEALTH_DOWN);
	ck_assert_int_eq(by_turn(b), BALANCE_NONE);
}
END_TEST

/* --- who may serve, whatever the way ------------------------------------------------ */

static const char *const ways[] = { "source", "host", "roundrobin", "leastconn" };

static struct balance *
start_way(int i, const char *servers)
{
	char text[2048];

	snprintf(text, sizeof(text),
	    "listener \"l\" { bind = {\"*:1\"} protocol = \"tls\" }\n"
	    "cluster \"a\" { service \"s\" { listeners = {\"l\"} hosts = {\"x.example\"}\n"
	    " balance = \"%s\"\n%s } }\n", ways[i], servers);
	return start(text);
}

START_TEST(backups_serve_when_no_other_is_up)
{
	struct balance *b = start_way(_i, SERVER("a", "") SERVER("b", "backup = true")
	    SERVER("c", "") SERVER("d", "backup = true"));
	static const uint16_t both[2] = { 0, 2 };
	unsigned seen = 0;
	char text[8];

	for (unsigned i = 0; i < 40; i++)
		seen |= 1u << by_number(b, i);
	ck_assert_uint_eq(seen, 5);
	atomic_store(&server(0)->state, HEALTH_DOWN);
	for (unsigned i = 0; i < 40; i++)
		ck_assert_int_eq(by_number(b, i), 2);
	/* a client that was refused by all of them gets a backup too */
	atomic_store(&server(0)->state, HEALTH_UP);
	seen = 0;
	for (unsigned i = 0; i < 40; i++) {
		struct balance_key key = { text, (size_t)snprintf(text, sizeof(text), "%u", i) };

		seen |= 1u << balance_next(b, 0, key, both, 2);
	}
	ck_assert_uint_eq(seen, 10);
	atomic_store(&server(0)->state, HEALTH_DOWN);
	atomic_store(&server(2)->admin, HEALTH_DRAIN);
	seen = 0;
	for (unsigned i = 0; i < 40; i++)
		seen |= 1u << by_number(b, i);
	ck_assert_uint_eq(seen, 10);
	atomic_store(&server(1)->state, HEALTH_DOWN);
	atomic_store(&server(3)->state, HEALTH_DOWN);
	ck_assert_int_eq(by_number(b, 1), BALANCE_NONE);
}
END_TEST

START_TEST(weight_0_gets_no_new_clients)
{
	struct balance *b = start_way(_i, SERVER("a", "weight = 0") SERVER("b", "")
	    SERVER("c", "weight = 0 backup = true"));

	for (unsigned i = 0; i < 40; i++)
		ck_assert_int_eq(by_number(b, i), 1);
	atomic_store(&server(1)->state, HEALTH_DOWN);
	ck_assert_int_eq(by_number(b, 1), BALANCE_NONE);
}
END_TEST

START_TEST(full_ones_are_passed_over)
{
	struct balance *b = start_way(_i, SERVER("a", "max-connections = 5") SERVER("b", "max-connections = 1")
	    SERVER("c", "backup = true"));
	static const uint16_t first[1] = { 0 };
	struct balance_key key = { "k", 1 };

	atomic_store(&counters(0)->current, 4);
	atomic_store(&counters(1)->current, 1);
	for (unsigned i = 0; i < 40; i++)
		ck_assert_int_eq(by_number(b, i), 0);
	/* all are full: wait, for a full server is not a dead one */
	atomic_store(&counters(0)->current, 5);
	for (unsigned i = 0; i < 40; i++)
		ck_assert_int_eq(by_number(b, i), BALANCE_FULL);
	ck_assert_int_eq(balance_next(b, 0, key, first, 1), BALANCE_FULL);
	/* one down and one full is full as well; both down is the backup's hour */
	atomic_store(&server(0)->state, HEALTH_DOWN);
	ck_assert_int_eq(by_number(b, 1), BALANCE_FULL);
	atomic_store(&server(1)->state, HEALTH_DOWN);
	ck_assert_int_eq(by_number(b, 1), 2);
}
END_TEST

START_TEST(full_backups_make_clients_wait)
{
	struct balance *b = start_way(_i, SERVER("a", "") SERVER("b", "backup = true max-connections = 1"));

	atomic_store(&server(0)->state, HEALTH_DOWN);
	atomic_store(&counters(1)->current, 1);
	ck_assert_int_eq(by_number(b, 1), BALANCE_FULL);
	atomic_store(&counters(1)->current, 0);
	ck_assert_int_eq(by_number(b, 1), 1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("balance");
	TCase *t = tcase_create("balance");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, conf_help_setup, conf_help_teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, choices_of_all_times);
	tcase_add_test(t, the_choice_hangs_on_names_and_weights_alone);
	tcase_add_test(t, equal_weights_choose_as_no_weights);
	tcase_add_test(t, a_key_is_the_client_or_the_host);
	tcase_add_test(t, logarithms);
	tcase_add_test(t, squares_by_halves);
	tcase_add_loop_test(t, clients_are_spread_by_weight, 0, COUNT(spreads));
	tcase_add_test(t, neighbours_are_spread_too);
	tcase_add_loop_test(t, only_the_clients_of_the_one_that_leaves_move, 0, COUNT(leaving));
	tcase_add_test(t, one_more_server_takes_its_share_and_no_more);
	tcase_add_test(t, what_was_tried_is_passed_over_in_hash_order);
	tcase_add_test(t, roundrobin_is_exact);
	tcase_add_test(t, roundrobin_is_exact_by_weight);
	tcase_add_test(t, processes_share_the_turns);
	tcase_add_test(t, a_turn_always_finds_one_that_is_up);
	tcase_add_loop_test(t, the_least_loaded_serves, 0, COUNT(loads));
	tcase_add_test(t, the_least_loaded_by_weight);
	tcase_add_loop_test(t, backups_serve_when_no_other_is_up, 0, COUNT(ways));
	tcase_add_loop_test(t, weight_0_gets_no_new_clients, 0, COUNT(ways));
	tcase_add_loop_test(t, full_ones_are_passed_over, 0, COUNT(ways));
	tcase_add_loop_test(t, full_backups_make_clients_wait, 0, COUNT(ways));
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
