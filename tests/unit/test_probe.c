/* SPDX-License-Identifier: ISC */
/* One probe against a server of this process: what it asks, and what it makes
 * of each answer, however it is cut. */
#include "config.h"

#include <arpa/inet.h>
#include <check.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/probe.h"
#include "daemon/probe_https.h"
#include "wire/http_head.h"
#include "wire/tls_hello.h"

#define COUNT(a)	((int)(sizeof(a) / sizeof(*(a))))
#define BYTES(s)	s, sizeof(s) - 1
#define PATIENCE_MS	5000

static int listening, serving;
static struct addr address;
static char asked[4096];
static size_t asked_len;

static void
listen_on(const char *ip)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	ck_assert(addr_parse_ip(ip, &address));
	len = addr_to_sockaddr(&address, &ss);
	listening = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(listening, 0);
	ck_assert_int_eq(bind(listening, (struct sockaddr *)&ss, len), 0);
	ck_assert_int_eq(listen(listening, 8), 0);
	len = sizeof(ss);
	ck_assert_int_eq(getsockname(listening, (struct sockaddr *)&ss, &len), 0);
	addr_from_sockaddr(&address, (struct sockaddr *)&ss);
}

static void
setup(void)
{
	listen_on("127.0.0.1");
	serving = -1;
	asked_len = 0;
}

static void
teardown(void)
{
	close(listening);
	if (serving >= 0)
		close(serving);
}

static struct conf_check
check_of(enum conf_check_type type)
{
	static struct conf_range ranges[] = { { 200, 399 } };
	static char path[] = "/readyz", none[1];
	struct conf_check c = { .type = type, .path = path, .host = none };

	c.status = ranges;
	c.nstatus = 1;
	return c;
}

static void
wait_ready(int fd, short events)
{
	struct pollfd pfd = { fd, events, 0 };

	ck_assert_int_eq(poll(&pfd, 1, PATIENCE_MS), 1);
}

/* A step of the probe once its socket is ready for it. */
static bool
step(struct probe *p)
{
	wait_ready(p->fd, p->phase == PROBE_CONNECTING ? POLLOUT : POLLIN);
	return probe_step(p);
}

/* From the connection to the last byte of the question. */
static bool
ask(struct probe *p)
{
	bool on = probe_start(p, &address);

	serving = accept(listening, NULL, NULL);
	ck_assert_int_ge(serving, 0);
	while (on && p->phase != PROBE_READING)
		on = step(p);
	return on;
}

/* The server's side: all of it, until it ends as a question must. */
static void
hear(const char *end)
{
	ssize_t n;

	do {
		wait_ready(serving, POLLIN);
		n = recv(serving, asked + asked_len, sizeof(asked) - 1 - asked_len, 0);
		ck_assert_int_gt(n, 0);
		asked_len += (size_t)n;
		asked[asked_len] = '\0';
	} while (end != NULL && strstr(asked, end) == NULL);
}

/* --- what is asked ---------------------------------------------------------------- */

#define LABEL	"sixty-three-bytes-is-as-long-as-a-label-of-a-name-may-be-012345"

static const char *const names[] = { "www.example.org", "", "a",
    LABEL "." LABEL "." LABEL ".as-many-bytes-as-it-takes-to-make-253-of-them-in-all-.example" };

START_TEST(a_hello_is_one_that_we_let_through)
{
	struct conf_check check = check_of(CONF_CHECK_TLS);
	struct probe p = { .check = &check, .sni = names[_i], .host = "127.0.0.1", .fd = -1 };
	struct tls_hello h;
	enum tls_hello_verdict v;

	ck_assert(ask(&p));
	while (asked_len < 5 || asked_len < 5 + (size_t)((uint8_t)asked[3] << 8 | (uint8_t)asked[4]))
		hear(NULL);
	v = tls_hello_parse((const uint8_t *)asked, asked_len, &h);
	if (names[_i][0] == '\0') {
		ck_assert_int_eq(v, TLS_HELLO_NO_NAME);
	} else {
		ck_assert_int_eq(v, TLS_HELLO_FOUND);
		ck_assert_uint_eq(h.name_len, strlen(names[_i]));
		ck_assert_mem_eq(h.name, names[_i], h.name_len);
	}
	probe_timeout(&p);
}
END_TEST

static const struct {
	const char *host, *own, *want;
} hosts[] = {
	{ "", "192.0.2.1", "192.0.2.1" },
	{ "", "node.example", "node.example" },
	{ "", "2001:db8::1", "[2001:db8::1]" },
	{ "", "fe80::1%eth0", "[fe80::1]" },
	{ "probe.example", "2001:db8::1", "probe.example" },
};

START_TEST(a_request_is_one_that_we_let_through)
{
	struct conf_check check = check_of(CONF_CHECK_HTTP);
	struct probe p = { .check = &check, .sni = "", .host = hosts[_i].own, .fd = -1 };
	struct http_request r;
	char given[64];

	snprintf(given, sizeof(given), "%s", hosts[_i].host);
	check.host = given;
	ck_assert(ask(&p));
	hear("\r\n\r\n");
	http_request_init(&r);
	ck_assert_int_eq(http_request_parse(&r, asked, asked_len, HTTP_REQUEST_MAX), HTTP_OK);
	ck_assert_uint_eq(r.head.len, asked_len);
	ck_assert_uint_eq(r.method.len, 3);
	ck_assert_mem_eq(r.target.p, "/readyz", r.target.len);
	ck_assert_msg(r.host.len == strlen(hosts[_i].want) &&
	    memcmp(r.host.p, hosts[_i].want, r.host.len) == 0, "%.*s", (int)r.host.len, r.host.p);
	ck_assert(!r.head.keep_alive);
	probe_timeout(&p);
}
END_TEST

static const struct {
	enum conf_send_proxy proxy;
	const char *bytes;
	size_t len;
} headers[] = {
	{ CONF_PROXY_V1, BYTES("PROXY UNKNOWN\r\n") },
	{ CONF_PROXY_V2, BYTES("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0") },
};

START_TEST(a_proxy_header_comes_first)
{
	struct conf_check check = check_of(CONF_CHECK_HTTP);
	struct probe p = { .check = &check, .sni = "", .host = "h", .fd = -1, .proxy = headers[_i].proxy };

	ck_assert(ask(&p));
	hear(NULL);
	while (asked_len < headers[_i].len + 5)
		hear(NULL);
	ck_assert_mem_eq(asked, headers[_i].bytes, headers[_i].len);
	ck_assert_mem_eq(asked + headers[_i].len, "GET /", 5);
	probe_timeout(&p);
}
END_TEST

/* --- TLS is another module's: what is made of its verdicts ------------------------------ */

static enum https_status verdicts[3];
static unsigned nverdict, closed;

static void *
fake_context(const char *ca_file, char *error, size_t size)
{
	(void)ca_file;
	snprintf(error, size, "none");
	return verdicts;
}

static void *
fake_open(void *context, int fd, const char *name)
{
	(void)fd;
	ck_assert_str_eq(name, "h.example");
	return context;
}

static enum https_status
fake_handshake(void *tls, char *error, size_t size)
{
	(void)tls;
	snprintf(error, size, "a reason");
	return verdicts[nverdict++];
}

static enum https_status
fake_write(void *tls, const void *p, size_t n, size_t *done)
{
	(void)p;
	(void)tls;
	*done = n;
	return verdicts[nverdict++];
}

static enum https_status
fake_read(void *tls, void *p, size_t n, size_t *done)
{
	(void)tls;
	*done = (size_t)snprintf(p, n, "HTTP/1.1 200 OK\r\n");
	return verdicts[nverdict++];
}

static void
fake_close(void *tls)
{
	(void)tls;
	closed++;
}

static const struct https_ops fake = {
	fake_context, fake_open, fake_handshake, fake_write, fake_read, fake_close
};
const struct https_ops *probe_https_ops = &fake;

static const struct {
	enum https_status verdict[3];
	enum health_result want;
	const char *info;
} secured[] = {
	{ { HTTPS_OK, HTTPS_OK, HTTPS_OK }, HEALTH_L7OK, "" },
	{ { HTTPS_FAILED }, HEALTH_L6RSP, "a reason" },
	{ { HTTPS_CLOSED }, HEALTH_L6RSP, "a reason" },
	{ { HTTPS_OK, HTTPS_FAILED }, HEALTH_SOCKERR, "Broken pipe" },
	{ { HTTPS_OK, HTTPS_OK, HTTPS_CLOSED }, HEALTH_L7RSP, "the server closed without an answer" },
	{ { HTTPS_OK, HTTPS_OK, HTTPS_FAILED }, HEALTH_SOCKERR, "Connection reset by peer" },
};

START_TEST(https_goes_by_what_tls_says)
{
	struct conf_check check = check_of(CONF_CHECK_HTTPS);
	struct probe p = { .check = &check, .sni = "h.example", .host = "h", .fd = -1, .tls_context = verdicts };
	bool on;

	memcpy(verdicts, secured[_i].verdict, sizeof(verdicts));
	nverdict = closed = 0;
	on = probe_start(&p, &address);
	if (on)		/* all the way: the fake waits for no socket */
		on = step(&p);
	ck_assert(!on);
	ck_assert_int_eq(p.result, secured[_i].want);
	ck_assert_str_eq(p.info, secured[_i].info);
	ck_assert_uint_eq(closed, 1);
}
END_TEST

START_TEST(a_handshake_waits_for_what_tls_wants)
{
	struct conf_check check = check_of(CONF_CHECK_HTTPS);
	struct probe p = { .check = &check, .sni = "h.example", .host = "h", .fd = -1, .tls_context = verdicts };

	verdicts[0] = HTTPS_WANT_READ;
	verdicts[1] = HTTPS_WANT_WRITE;
	nverdict = closed = 0;
	ck_assert(probe_start(&p, &address));
	ck_assert(step(&p));
	ck_assert(probe_step(&p));
	ck_assert_uint_eq(nverdict, 2);
	probe_timeout(&p);
	ck_assert_int_eq(p.result, HEALTH_L6TOUT);
	ck_assert_uint_eq(closed, 1);
}
END_TEST

START_TEST(https_without_tls)
{
	struct conf_check check = check_of(CONF_CHECK_HTTPS);
	struct probe p = { .check = &check, .sni = "h.example", .host = "h", .fd = -1 };

	ck_assert(!ask(&p));
	ck_assert_int_eq(p.result, HEALTH_L6RSP);
}
END_TEST

/* --- what is made of the answer ------------------------------------------------------ */

static const struct {
	const char *why;
	enum conf_check_type type;
	const char *bytes;
	size_t len;
	bool closes;
	enum health_result want;
	int code;
} answers[] = {
	{ "a handshake record", CONF_CHECK_TLS, BYTES("\x16\x03\x03\0\x7a\x02"), false, HEALTH_L6OK, 0 },
	{ "an alert", CONF_CHECK_TLS, BYTES("\x15\x03\x01\0\2\2\x28"), false, HEALTH_L6OK, 0 },
	{ "an alert, and closed", CONF_CHECK_TLS, BYTES("\x15\x03\x01\0\2\2\x28"), true, HEALTH_L6OK, 0 },
	{ "another record", CONF_CHECK_TLS, BYTES("\x17\x03\x03\0\x7a"), false, HEALTH_L6RSP, 0 },
	{ "SSL 2", CONF_CHECK_TLS, BYTES("\x16\x02\0\0\x7a"), false, HEALTH_L6RSP, 0 },
	{ "HTTP", CONF_CHECK_TLS, BYTES("HTTP/1.1 400 Bad Request\r\n"), true, HEALTH_L6RSP, 0 },
	{ "half a record", CONF_CHECK_TLS, BYTES("\x16\x03\x03"), true, HEALTH_L6RSP, 0 },
	{ "nothing", CONF_CHECK_TLS, BYTES(""), true, HEALTH_L6RSP, 0 },

	{ "an interim answer first", CONF_CHECK_HTTP,
	  BYTES("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Not yet\r\n\r\n"), false, HEALTH_L7STS, 503 },
	{ "two of them, and no more", CONF_CHECK_HTTP,
	  BYTES("HTTP/1.1 102 X\r\n\r\nHTTP/1.1 103 Y\r\nA: b\r\n\r\n"), true, HEALTH_L7RSP, 0 },
	{ "200", CONF_CHECK_HTTP, BYTES("HTTP/1.1 200 OK\r\n\r\n"), false, HEALTH_L7OK, 200 },
	{ "HTTP/1.0", CONF_CHECK_HTTP, BYTES("HTTP/1.0 204 No Content\r\n\r\n"), true, HEALTH_L7OK, 204 },
	{ "no reason", CONF_CHECK_HTTP, BYTES("HTTP/1.1 200\r\n\r\n"), true, HEALTH_L7OK, 200 },
	{ "the last of the range", CONF_CHECK_HTTP, BYTES("HTTP/1.1 399 x\r\n"), false, HEALTH_L7OK, 399 },
	{ "beyond it", CONF_CHECK_HTTP, BYTES("HTTP/1.1 400 x\r\n"), false, HEALTH_L7STS, 400 },
	{ "503", CONF_CHECK_HTTP, BYTES("HTTP/1.1 503 Service Unavailable\r\n"), true, HEALTH_L7STS, 503 },
	{ "no number", CONF_CHECK_HTTP, BYTES("HTTP/1.1 OK, I think\r\n"), false, HEALTH_L7RSP, 0 },
	{ "a number that is none", CONF_CHECK_HTTP, BYTES("HTTP/1.1 099 x\r\n"), false, HEALTH_L7RSP, 0 },
	{ "HTTP/2", CONF_CHECK_HTTP, BYTES("\0\0\x12\4\0\0\0\0\0\0\3\0\0\0"), false, HEALTH_L7RSP, 0 },
	{ "TLS", CONF_CHECK_HTTP, BYTES("\x15\x03\x01\0\2\2\x28"), true, HEALTH_L7RSP, 0 },
	{ "half a line", CONF_CHECK_HTTP, BYTES("HTTP/1.1"), true, HEALTH_L7RSP, 0 },
	{ "nothing at all", CONF_CHECK_HTTP, BYTES(""), true, HEALTH_L7RSP, 0 },
};

/* The answer in pieces of this many bytes. */
static void
judge(int i, size_t piece)
{
	struct conf_check check = check_of(answers[i].type);
	struct probe p = { .check = &check, .sni = "h.example", .host = "h", .fd = -1 };
	bool on = ask(&p);
	size_t sent, n;

	for (sent = 0; on && sent < answers[i].len; sent += n) {
		n = answers[i].len - sent < piece ? answers[i].len - sent : piece;
		ck_assert_int_eq(send(serving, answers[i].bytes + sent, n, MSG_NOSIGNAL), (ssize_t)n);
		on = step(&p);
	}
	if (on && answers[i].closes) {
		shutdown(serving, SHUT_WR);
		on = step(&p);
	}
	ck_assert_msg(!on, "%s in pieces of %zu: it wants more", answers[i].why, piece);
	ck_assert_msg(p.result == answers[i].want && p.code == answers[i].code, "%s in pieces of %zu: %s %d",
	    answers[i].why, piece, health_result_name(p.result), p.code);
	ck_assert_int_eq(p.phase, PROBE_IDLE);
	ck_assert_int_eq(p.fd, -1);
	ck_assert_int_eq(probe_good(&p), p.info[0] == '\0');
	close(serving);
	serving = -1;
}

START_TEST(answers_are_judged)
{
	judge(_i, 4096);
	judge(_i, 1);
	judge(_i, 7);
}
END_TEST

START_TEST(a_connection_is_enough_for_tcp)
{
	struct conf_check check = check_of(CONF_CHECK_TCP);
	struct probe p = { .check = &check, .sni = "", .host = "h", .fd = -1 };

	ck_assert(!ask(&p));
	ck_assert_int_eq(p.result, HEALTH_L4OK);
	ck_assert(probe_good(&p));
}
END_TEST

START_TEST(nobody_listens)
{
	struct conf_check check = check_of(CONF_CHECK_TLS);
	struct probe p = { .check = &check, .sni = "", .host = "h", .fd = -1 };
	bool on;

	close(listening);
	on = probe_start(&p, &address);
	while (on)
		on = step(&p);
	ck_assert_int_eq(p.result, HEALTH_L4CON);
	ck_assert_str_eq(p.info, "Connection refused");
	listening = -1;
}
END_TEST

START_TEST(a_name_that_does_not_resolve)
{
	struct conf_check check = check_of(CONF_CHECK_TLS);
	struct probe p = { .check = &check, .sni = "", .host = "h", .fd = -1 };
	struct addr none = { .family = ADDR_NONE };

	ck_assert(!probe_start(&p, &none));
	ck_assert_int_eq(p.result, HEALTH_L4CON);
	ck_assert_int_eq(p.phase, PROBE_IDLE);
}
END_TEST

/* The word for each phase in which time may run out. */
static const struct {
	enum conf_check_type type;
	bool reading;
	enum health_result want;
} late[] = {
	{ CONF_CHECK_TCP, false, HEALTH_L4TOUT },
	{ CONF_CHECK_TLS, false, HEALTH_L4TOUT },
	{ CONF_CHECK_TLS, true, HEALTH_L6TOUT },
	{ CONF_CHECK_HTTP, true, HEALTH_L7TOUT },
};

START_TEST(time_runs_out)
{
	struct conf_check check = check_of(late[_i].type);
	struct probe p = { .check = &check, .sni = "", .host = "h", .fd = -1 };

	ck_assert(late[_i].reading ? ask(&p) : probe_start(&p, &address));
	probe_timeout(&p);
	ck_assert_int_eq(p.result, late[_i].want);
	ck_assert_int_eq(p.fd, -1);
	ck_assert(!probe_step(&p));
	probe_timeout(&p);	/* one that has ended stays as it is */
	ck_assert_int_eq(p.result, late[_i].want);
}
END_TEST

START_TEST(over_ipv6)
{
	struct conf_check check = check_of(CONF_CHECK_TCP);
	struct probe p = { .check = &check, .sni = "", .host = "::1", .fd = -1 };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };

	if (fd < 0 || bind(fd, (struct sockaddr *)&six, sizeof(six)) != 0) {
		close(fd);	/* no IPv6 on this machine */
		return;
	}
	close(fd);
	close(listening);
	listen_on("::1");
	ck_assert(!ask(&p));
	ck_assert_int_eq(p.result, HEALTH_L4OK);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("probe");
	TCase *t = tcase_create("probe");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, a_hello_is_one_that_we_let_through, 0, COUNT(names));
	tcase_add_loop_test(t, a_request_is_one_that_we_let_through, 0, COUNT(hosts));
	tcase_add_loop_test(t, a_proxy_header_comes_first, 0, COUNT(headers));
	tcase_add_loop_test(t, https_goes_by_what_tls_says, 0, COUNT(secured));
	tcase_add_test(t, a_handshake_waits_for_what_tls_wants);
	tcase_add_test(t, https_without_tls);
	tcase_add_loop_test(t, answers_are_judged, 0, COUNT(answers));
	tcase_add_test(t, a_connection_is_enough_for_tcp);
	tcase_add_test(t, nobody_listens);
	tcase_add_test(t, a_name_that_does_not_resolve);
	tcase_add_loop_test(t, time_runs_out, 0, COUNT(late));
	tcase_add_test(t, over_ipv6);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
