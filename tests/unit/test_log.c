/* SPDX-License-Identifier: ISC */
/* Records and escapes: one message is one line, whatever is in it. */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/log_sink.h"
#include "state_help.h"

#define COUNT(a)	((int)(sizeof(a) / sizeof(*(a))))

static int ends[2];
static _Atomic uint64_t lost;
static char got[65536];

static void
open_pipe(void)
{
	ck_assert_int_eq(pipe2(ends, O_NONBLOCK), 0);
	atomic_store(&lost, 0);
	log_use_pipe(ends[1], &lost);
	log_set_level(LOG_DEBUG);
}

/* What is in the pipe now. */
static size_t
take(void)
{
	ssize_t n = read(ends[0], got, sizeof(got) - 1);

	got[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

/* The text of the one record in the pipe. */
static const char *
text_of(int priority)
{
	long pid;
	long long ms;
	int p, at = 0;
	size_t n = take();

	ck_assert_msg(n > 0 && got[n - 1] == '\n', "no record: %s", got);
	ck_assert_ptr_eq(strchr(got, '\n'), got + n - 1);
	got[n - 1] = '\0';
	ck_assert_int_eq(sscanf(got, "%1d %ld %lld%n", &p, &pid, &ms, &at), 3);
	ck_assert_int_eq(p, priority);
	ck_assert_int_eq(pid, getpid());
	ck_assert_int_le(llabs(clock_wall_ms() - ms), 60000);
	ck_assert_int_eq(got[at], ' ');
	return got + at + 1;
}

START_TEST(priorities)
{
	open_pipe();
	log_errx("e");
	ck_assert_str_eq(text_of(LOG_ERR), "e");
	log_warnx("w %d", 7);
	ck_assert_str_eq(text_of(LOG_WARNING), "w 7");
	log_notice("n");
	ck_assert_str_eq(text_of(LOG_NOTICE), "n");
	log_info("i");
	ck_assert_str_eq(text_of(LOG_INFO), "i");
	log_debug("d");
	ck_assert_str_eq(text_of(LOG_DEBUG), "d");
	log_at(LOG_ALERT, "%s", "a");
	ck_assert_str_eq(text_of(LOG_ALERT), "a");
	log_line(LOG_INFO, "line and more", 4);
	ck_assert_str_eq(text_of(LOG_INFO), "line");
}
END_TEST

START_TEST(levels)
{
	open_pipe();
	for (int level = LOG_ERR; level <= LOG_DEBUG; level++) {
		log_set_level(level);
		for (int p = LOG_ERR; p <= LOG_DEBUG; p++) {
			ck_assert_int_eq(log_enabled(p), p <= level);
			log_at(p, "x");
			log_line(p, "x", 1);
			ck_assert_msg((take() > 0) == (p <= level), "%d at level %d", p, level);
		}
	}
}
END_TEST

START_TEST(errno_is_told_and_kept)
{
	open_pipe();
	errno = ENOENT;
	log_warn("open %s", "it");
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_str_eq(text_of(LOG_WARNING), "open it: No such file or directory");
	errno = EPIPE;
	log_err("x");
	ck_assert_int_eq(errno, EPIPE);
	ck_assert_str_eq(text_of(LOG_ERR), "x: Broken pipe");
	errno = EACCES;
	log_info("x");
	ck_assert_int_eq(errno, EACCES);
}
END_TEST

START_TEST(no_line_within_a_line)
{
	open_pipe();
	log_notice("%s", "one\ntwo\r\nthree\n");
	ck_assert_str_eq(text_of(LOG_NOTICE), "one two  three ");
	log_notice("data is no format: %s", "%n%s%d");
	ck_assert_str_eq(text_of(LOG_NOTICE), "data is no format: %n%s%d");
}
END_TEST

static const size_t lengths[] = { 0, 1, 100, LOG_LINE_MAX - 65, LOG_LINE_MAX - 64, LOG_LINE_MAX - 63,
    LOG_LINE_MAX - 1, LOG_LINE_MAX, LOG_LINE_MAX + 1, 20000 };

START_TEST(long_lines_are_cut)
{
	size_t len = lengths[_i], want = len < LOG_LINE_MAX - 64 ? len : LOG_LINE_MAX - 64;
	static char text[20001];

	memset(text, 'x', len);
	open_pipe();
	log_line(LOG_INFO, text, len);
	ck_assert_uint_eq(strlen(text_of(LOG_INFO)), want);
	log_notice("%s", text);
	ck_assert_uint_eq(strlen(text_of(LOG_NOTICE)), want);
	errno = ENOENT;
	log_warn("%s", text);
	ck_assert_uint_ge(strlen(text_of(LOG_WARNING)), want);
	ck_assert_uint_lt(LOG_LINE_MAX, PIPE_BUF);
}
END_TEST

START_TEST(what_does_not_fit_is_counted)
{
	uint64_t written = 0;
	size_t n;

	open_pipe();
	while (atomic_load(&lost) < 3) {
		errno = ENOENT;
		log_notice("a line of some length, many times over: %080d", 7);
		ck_assert_int_eq(errno, ENOENT);
		written++;
	}
	written -= 3;
	while ((n = take()) > 0)
		for (size_t i = 0; i < n; i++)
			written -= got[i] == '\n';
	ck_assert_uint_eq(written, 0);
}
END_TEST

static void
write_many(void *arg, unsigned who)
{
	char text[256];

	(void)arg;
	memset(text, 'a' + (int)who, sizeof(text));
	for (int i = 0; i < 60; i++)
		log_line(LOG_INFO, text, 64 + who * 16);
}

START_TEST(lines_of_many_processes_never_mix)
{
	unsigned lines = 0;
	char *line, *save = NULL;

	open_pipe();
	state_help_processes(6, write_many, NULL);
	take();
	for (line = strtok_r(got, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
		const char *text = strrchr(line, ' ') + 1;

		ck_assert_uint_eq(strlen(text), 64 + (size_t)(text[0] - 'a') * 16);
		ck_assert_uint_eq(strspn(text, (char[2]){ text[0], '\0' }), strlen(text));
		lines++;
	}
	ck_assert_uint_eq(lines + atomic_load(&lost), 360);
}
END_TEST

/* --- what came from the wire ------------------------------------------------------ */

#define BYTES(s)	s, sizeof(s) - 1

static const struct {
	const char *in;
	size_t len;
	const char *out;
} escapes[] = {
	{ BYTES(""), "" },
	{ BYTES("www.example.org"), "www.example.org" },
	{ BYTES("GET /a?b=c&d HTTP/1.1"), "GET#20/a?b=c&d#20HTTP/1.1" },
	{ BYTES("a\nb\rc"), "a#0Ab#0Dc" },
	{ BYTES("\0\x01\x1b[31m"), "#00#01#1B[31m" },
	{ BYTES("\x7f\x80\xff"), "#7F#80#FF" },
	{ BYTES("a\\b\"c#{d|e}"), "a\\b#22c#23#7Bd#7Ce#7D" },
	{ BYTES("%n%s"), "%n%s" },
};

START_TEST(bytes_from_the_wire_are_escaped)
{
	char out[128];
	size_t n = log_escape(out, sizeof(out), escapes[_i].in, escapes[_i].len);

	ck_assert_str_eq(out, escapes[_i].out);
	ck_assert_uint_eq(n, strlen(out));
}
END_TEST

/* Every byte in every room: printable, ended, and no escape cut in two. */
START_TEST(escapes_fit_their_room)
{
	char in[256], out[300], whole[1100];

	for (int i = 0; i < 256; i++)
		in[i] = (char)i;
	log_escape(whole, sizeof(whole), in, sizeof(in));
	for (size_t i = 0; whole[i] != '\0'; i++)
		ck_assert(whole[i] > 0x20 && whole[i] < 0x7f);
	for (size_t size = 1; size < 200; size++) {
		size_t n;

		memset(out, '~', sizeof(out));
		n = log_escape(out, size, in, sizeof(in));
		ck_assert_uint_lt(n, size);
		ck_assert_uint_ge(n + 3, size);
		ck_assert_uint_eq(strlen(out), n);
		ck_assert_mem_eq(out, whole, n);
		ck_assert_int_eq(out[size], '~');
		ck_assert(n % 3 == 0 || n > 33 * 3);	/* the first 33 bytes are all escaped */
	}
}
END_TEST

/* --- the reading end ----------------------------------------------------------- */

static const struct {
	const char *record;
	const char *line;	/* as a file gets it */
} records[] = {
	{ "6 12 1700000005123 hello", "Nov 14 22:13:25 h durward[12]: hello\n" },
	{ "3 4194304 1700000006000 a  b ", "Nov 14 22:13:26 h durward[4194304]: a  b \n" },
	{ "6 12 999 ", "Jan  1 00:00:00 h durward[12]: \n" },
	/* the end of one whose beginning is lost, and what no process of ours writes */
	{ "", "" },
	{ "hello", "" },
	{ "0005123 hello", "" },
	{ "12 1700000005123 hello", "" },
	{ "6 12 1700000005123", "" },
	{ "6 12", "" },
	{ "6  12 1 x", "" },
	{ "-6 12 1 x", "" },
	{ "6 12 1234567890123456789 x", "" },
	{ "6 12 1x x", "" },
};

START_TEST(records_become_lines)
{
	struct log_sink sink = { .kind = LOG_SINK_FILE, .host = "h", .lost = &lost };
	size_t len = strlen(records[_i].record);
	char *record = malloc(len + 1);

	setenv("TZ", "UTC", 1);
	tzset();
	open_pipe();
	sink.fd = ends[1];
	ck_assert_ptr_nonnull(record);
	memcpy(record, records[_i].record, len);	/* and no NUL: none is looked for */
	record[len] = '7';
	log_sink_record(&sink, record, len);
	free(record);
	take();
	ck_assert_str_eq(got, records[_i].line);
	ck_assert_uint_eq(atomic_load(&lost), 0);
}
END_TEST

static const struct {
	enum log_sink_kind kind;
	const char *line;
} datagrams[] = {
	{ LOG_SINK_UDP, "<150>Nov 14 22:13:25 durward[12]: hello\n" },
	{ LOG_SINK_SYSLOG, "<150>Nov 14 22:13:25 durward[12]: hello" },
};

START_TEST(records_become_datagrams)
{
	struct log_sink sink = { .kind = datagrams[_i].kind, .facility = LOG_LOCAL2, .lost = &lost };
	static const char record[] = "6 12 1700000005123 hello";
	int pair[2];
	ssize_t n;

	setenv("TZ", "UTC", 1);
	tzset();
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
	sink.fd = pair[0];
	log_sink_record(&sink, record, sizeof(record) - 1);
	n = recv(pair[1], got, sizeof(got) - 1, MSG_DONTWAIT);
	ck_assert_int_ge(n, 0);
	got[n] = '\0';
	ck_assert_str_eq(got, datagrams[_i].line);
	close(pair[0]);
	close(pair[1]);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("log");
	TCase *t = tcase_create("log");
	SRunner *r;
	int failed;

	tcase_add_test(t, priorities);
	tcase_add_test(t, levels);
	tcase_add_test(t, errno_is_told_and_kept);
	tcase_add_test(t, no_line_within_a_line);
	tcase_add_loop_test(t, long_lines_are_cut, 0, COUNT(lengths));
	tcase_add_test(t, what_does_not_fit_is_counted);
	tcase_add_test(t, lines_of_many_processes_never_mix);
	tcase_add_loop_test(t, bytes_from_the_wire_are_escaped, 0, COUNT(escapes));
	tcase_add_test(t, escapes_fit_their_room);
	tcase_add_loop_test(t, records_become_lines, 0, COUNT(records));
	tcase_add_loop_test(t, records_become_datagrams, 0, COUNT(datagrams));
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
