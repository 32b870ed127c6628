/* SPDX-License-Identifier: ISC */
/*
 * Heads as they go on, byte for byte, and durward's own answers.  What was
 * written must parse to the same meaning, and fit exactly or not at all.
 */
#include "config.h"
#include "wire/http_write.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/http_body.h"

#define HOST	"Host: a.example\r\n"
#define GET	"GET / HTTP/1.1\r\n"
#define OK	"HTTP/1.1 200 OK\r\n"
#define XFF	"X-Forwarded-For: "
#define END	"\r\n"

struct request_case {
	const char *name;
	enum http_connection connection;
	const char *client, *field, *value;	/* "" for none */
	const char *in, *out;
};

static const struct request_case requests[] = {
	{ "as it came", HTTP_CONNECTION_KEEP, "", "", "",
	    "GET /p?q HTTP/1.1\r\nhOsT: A.example:80\r\nX-y: a, b\r\n" END,
	    "GET /p?q HTTP/1.1\r\nhOsT: A.example:80\r\nX-y: a, b\r\n" END },
	{ "white space is not passed on", HTTP_CONNECTION_KEEP, "", "", "",
	    "\r\n" GET "Host:\t a.example \r\nX:\r\n" END, GET HOST "X: \r\n" END },
	{ "a client in a field of its own", HTTP_CONNECTION_KEEP, "192.0.2.7", "", "",
	    GET HOST END, GET HOST XFF "192.0.2.7\r\n" END },
	{ "a client behind others, in one field", HTTP_CONNECTION_KEEP, "2001:db8::1", "", "",
	    GET "X-Forwarded-For: 10.0.0.1\r\n" HOST "x-forwarded-for:\r\n"
	    "X-FORWARDED-FOR: 10.0.0.2, 10.0.0.3\r\nA: b\r\n" END,
	    GET HOST "A: b\r\n" XFF "10.0.0.1, 10.0.0.2, 10.0.0.3, 2001:db8::1\r\n" END },
	{ "forwarded-for off", HTTP_CONNECTION_KEEP, "", "", "",
	    GET XFF "10.0.0.1\r\n" HOST XFF "10.0.0.2\r\n" END,
	    GET XFF "10.0.0.1\r\n" HOST XFF "10.0.0.2\r\n" END },
	{ "a named X-Forwarded-For stays", HTTP_CONNECTION_KEEP, "192.0.2.7", "", "",
	    GET HOST XFF "10.0.0.1\r\nConnection: x-forwarded-for\r\n" END,
	    GET HOST XFF "10.0.0.1, 192.0.2.7\r\n" END },
	{ "hop-by-hop fields", HTTP_CONNECTION_KEEP, "", "", "",
	    GET "Connection: close, X-A\r\nx-a: 1\r\n" HOST "Keep-Alive: 5\r\n"
	    "Proxy-Connection: close\r\nTE: gzip\r\nX-B: 2\r\n" END,
	    GET HOST "X-B: 2\r\n" END },
	{ "close", HTTP_CONNECTION_CLOSE, "", "", "", GET HOST "Connection: keep-alive\r\n" END,
	    GET HOST "Connection: close\r\n" END },
	{ "keep-alive is said in 1.0", HTTP_CONNECTION_KEEP, "", "", "",
	    "GET / HTTP/1.0\r\n" HOST END, "GET / HTTP/1.0\r\n" HOST "Connection: keep-alive\r\n" END },
	{ "trailers are asked for", HTTP_CONNECTION_CLOSE, "", "", "",
	    GET HOST "TE: trailers\r\nConnection: TE\r\n" END,
	    GET HOST "TE: trailers\r\nConnection: close, TE\r\n" END },
	{ "an upgrade", HTTP_CONNECTION_UPGRADE, "", "", "",
	    GET HOST "Connection: Upgrade\r\nUpgrade: websocket\r\n" END,
	    GET HOST "Upgrade: websocket\r\nConnection: upgrade\r\n" END },
	{ "an upgrade the caller does not want", HTTP_CONNECTION_KEEP, "", "", "",
	    GET HOST "Connection: Upgrade\r\nUpgrade: websocket\r\n" END, GET HOST END },
	{ "an upgrade that is none", HTTP_CONNECTION_UPGRADE, "", "", "",
	    GET HOST "Connection: Upgrade\r\nUpgrade: h2c\r\n" END, GET HOST END },
	{ "the greatest length", HTTP_CONNECTION_KEEP, "", "", "",
	    GET HOST "Content-Length: 9223372036854775807\r\n" END,
	    GET HOST "Content-Length: 9223372036854775807\r\n" END },
	{ "a length, normalised", HTTP_CONNECTION_KEEP, "", "", "",
	    GET HOST "content-length: 0012\r\nX: y\r\n" END,
	    GET HOST "Content-Length: 12\r\nX: y\r\n" END },
	{ "chunked", HTTP_CONNECTION_KEEP, "", "", "",
	    GET "Transfer-Encoding:CHUNKED\r\n" HOST "Expect: 100-continue\r\n" END,
	    GET "Transfer-Encoding: CHUNKED\r\n" HOST "Expect: 100-continue\r\n" END },
	{ "absolute to origin", HTTP_CONNECTION_KEEP, "", "", "",
	    "GET http://a.example/p?q HTTP/1.1\r\n" HOST END, "GET /p?q HTTP/1.1\r\n" HOST END },
	{ "absolute without a path", HTTP_CONNECTION_KEEP, "", "", "",
	    "GET http://a.example HTTP/1.1\r\n" HOST END, GET HOST END },
	{ "absolute with only a query", HTTP_CONNECTION_KEEP, "", "", "",
	    "GET http://a.example?q HTTP/1.1\r\n" HOST END, "GET /?q HTTP/1.1\r\n" HOST END },
	{ "absolute OPTIONS", HTTP_CONNECTION_KEEP, "", "", "",
	    "OPTIONS http://a.example HTTP/1.1\r\n" HOST END, "OPTIONS * HTTP/1.1\r\n" HOST END },
	{ "absolute in 1.0 gives a Host", HTTP_CONNECTION_KEEP, "", "", "",
	    "GET http://a.example:80/ HTTP/1.0\r\n" END,
	    "GET / HTTP/1.0\r\nHost: a.example:80\r\nConnection: keep-alive\r\n" END },
	{ "a field with the server's name", HTTP_CONNECTION_KEEP, "", "X-Server", "compute0",
	    GET "x-server: evil\r\n" HOST "X-SERVER: evil\r\n" END,
	    GET HOST "X-Server: compute0\r\n" END },
	{ "the server's name as Host", HTTP_CONNECTION_KEEP, "192.0.2.7", "Host", "compute0",
	    GET HOST END, GET XFF "192.0.2.7\r\nHost: compute0\r\n" END },
	{ "the server's name as Host, absolute 1.0", HTTP_CONNECTION_CLOSE, "", "Host", "compute0",
	    "GET http://a.example/ HTTP/1.0\r\n" END,
	    "GET / HTTP/1.0\r\nHost: compute0\r\nConnection: close\r\n" END },
};

struct response_case {
	const char *name;
	bool is_head, upgrade;
	unsigned client_minor;
	enum http_connection connection;
	const char *in, *out;
};

static const struct response_case responses[] = {
	{ "as it came", false, false, 1, HTTP_CONNECTION_KEEP,
	    OK "content-LENGTH: 5\r\nx: y\r\n" END, OK "Content-Length: 5\r\nx: y\r\n" END },
	{ "a 1.0 server's answer", false, false, 1, HTTP_CONNECTION_KEEP,
	    "HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n" END,
	    OK "Content-Length: 5\r\n" END },
	{ "the server closes, the client stays", false, false, 1, HTTP_CONNECTION_KEEP,
	    OK "Connection: close\r\nContent-Length: 5\r\n" END, OK "Content-Length: 5\r\n" END },
	{ "a 1.0 client stays", false, false, 0, HTTP_CONNECTION_KEEP,
	    OK "Content-Length: 5\r\n" END, OK "Content-Length: 5\r\nConnection: keep-alive\r\n" END },
	{ "close", false, false, 1, HTTP_CONNECTION_CLOSE, OK END, OK "Connection: close\r\n" END },
	{ "hop-by-hop fields", false, false, 1, HTTP_CONNECTION_KEEP,
	    OK "Connection: X-A\r\nX-A: 1\r\nKeep-Alive: 1\r\nTransfer-Encoding: chunked\r\n"
	    "Upgrade: h2\r\n" END, OK "Transfer-Encoding: chunked\r\n" END },
	{ "no reason", false, false, 1, HTTP_CONNECTION_KEEP,
	    "HTTP/1.1 200\r\nContent-Length: 0\r\n" END, "HTTP/1.1 200 \r\nContent-Length: 0\r\n" END },
	{ "to a HEAD", true, false, 1, HTTP_CONNECTION_KEEP,
	    OK "Content-Length: 5\r\n" END, OK "Content-Length: 5\r\n" END },
	{ "304", false, false, 1, HTTP_CONNECTION_KEEP,
	    "HTTP/1.1 304 N\r\nContent-Length: 5\r\n" END, "HTTP/1.1 304 N\r\nContent-Length: 5\r\n" END },
	{ "204", false, false, 1, HTTP_CONNECTION_KEEP,
	    "HTTP/1.1 204 N\r\nContent-Length: 0\r\nX: y\r\n" END, "HTTP/1.1 204 N\r\nX: y\r\n" END },
	{ "103", false, false, 1, HTTP_CONNECTION_CLOSE,
	    "HTTP/1.1 103 E\r\nLink: <a>\r\nConnection: close\r\n" END,
	    "HTTP/1.1 103 E\r\nLink: <a>\r\n" END },
	{ "101", false, true, 1, HTTP_CONNECTION_UPGRADE,
	    "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" END,
	    "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: upgrade\r\n" END },
	{ "426", false, false, 1, HTTP_CONNECTION_CLOSE,
	    "HTTP/1.1 426 U\r\nUpgrade: ws\r\nConnection: Upgrade\r\nContent-Length: 0\r\n" END,
	    "HTTP/1.1 426 U\r\nUpgrade: ws\r\nContent-Length: 0\r\nConnection: close, upgrade\r\n" END },
};

static struct http_request request, again;
static struct http_response response, response_again;

static struct http_span
span(const char *text)
{
	return (struct http_span){ text, strlen(text) };
}

START_TEST(requests_go_on)
{
	const struct request_case *c = &requests[_i];
	const struct http_request_change change = {
		c->connection, span(c->client), span(c->field), span(c->value)
	};
	const size_t len = strlen(c->out);
	char buf[1024];
	size_t size;

	http_request_init(&request);
	ck_assert_int_eq(http_request_parse(&request, c->in, strlen(c->in), HTTP_REQUEST_MAX),
	    HTTP_OK);
	for (size = 0; size < len; size++)
		ck_assert_int_eq(http_write_request(&request, &change, buf, size), -1);
	ck_assert_int_eq(http_write_request(&request, &change, buf, len), (ssize_t)len);
	ck_assert_msg(memcmp(buf, c->out, len) == 0, "%s:\n%.*s", c->name, (int)len, buf);
	ck_assert_uint_le(len, request.head.len + 512);
	http_request_init(&again);
	ck_assert_int_eq(http_request_parse(&again, buf, len, HTTP_REQUEST_MAX), HTTP_OK);
	ck_assert_uint_eq(again.head.len, len);
	ck_assert_uint_eq(again.head.framing, request.head.framing);
	ck_assert_uint_eq(again.head.content_length, request.head.content_length);
}
END_TEST

START_TEST(answers_go_on)
{
	const struct response_case *c = &responses[_i];
	const size_t len = strlen(c->out);
	char buf[1024];
	size_t size;

	http_response_init(&response);
	ck_assert_int_eq(http_response_parse(&response, c->in, strlen(c->in), HTTP_RESPONSE_MAX,
	    c->is_head, c->upgrade), HTTP_OK);
	for (size = 0; size < len; size++)
		ck_assert_int_eq(http_write_response(&response, c->client_minor, c->connection,
		    buf, size), -1);
	ck_assert_int_eq(http_write_response(&response, c->client_minor, c->connection, buf, len),
	    (ssize_t)len);
	ck_assert_msg(memcmp(buf, c->out, len) == 0, "%s:\n%.*s", c->name, (int)len, buf);
	http_response_init(&response_again);
	ck_assert_int_eq(http_response_parse(&response_again, buf, len, HTTP_RESPONSE_MAX,
	    c->is_head, c->upgrade), HTTP_OK);
	ck_assert_uint_eq(response_again.head.framing, response.head.framing);
	ck_assert_uint_eq(response_again.head.content_length, response.head.content_length);
}
END_TEST

static const unsigned errors[] = { 400, 404, 408, 431, 502, 503, 504, 505 };

START_TEST(own_answers_are_whole)
{
	const unsigned status = errors[_i];
	char buf[HTTP_ERROR_MAX + 1], title[64];
	struct http_body body;
	ssize_t len;
	size_t used, size;

	len = http_write_error(status, 1, true, false, buf, HTTP_ERROR_MAX);
	ck_assert_int_gt(len, 0);
	buf[len] = '\0';
	http_response_init(&response);
	ck_assert_int_eq(http_response_parse(&response, buf, (size_t)len, HTTP_RESPONSE_MAX,
	    false, false), HTTP_OK);
	ck_assert_uint_eq(response.status, status);
	ck_assert(!response.head.keep_alive);
	ck_assert_uint_eq(response.head.framing, HTTP_LENGTH);
	http_body_init(&body, &response.head);
	ck_assert_int_eq(http_body_feed(&body, buf + response.head.len,
	    (size_t)len - response.head.len, &used), HTTP_OK);
	ck_assert_uint_eq(response.head.len + used, (size_t)len);
	snprintf(title, sizeof title, "<h1>%u %s</h1>", status, http_reason(status));
	ck_assert_ptr_nonnull(strstr(buf + response.head.len, title));
	ck_assert_ptr_nonnull(strstr(buf, "\r\nCache-Control: no-cache\r\n"));
	ck_assert_ptr_nonnull(strstr(buf, "\r\nContent-Type: text/html\r\n"));
	for (size = 0; size < (size_t)len; size++)
		ck_assert_int_eq(http_write_error(status, 1, true, false, buf, size), -1);
}
END_TEST

START_TEST(own_answers_keep_where_asked)
{
	char buf[HTTP_ERROR_MAX + 1];
	ssize_t len, head;

	len = http_write_error(404, 1, false, false, buf, HTTP_ERROR_MAX);
	buf[len] = '\0';
	ck_assert_ptr_null(strstr(buf, "Connection:"));
	head = http_write_error(404, 0, false, true, buf, HTTP_ERROR_MAX);
	buf[head] = '\0';
	ck_assert_ptr_nonnull(strstr(buf, "\r\nConnection: keep-alive\r\n"));
	ck_assert_ptr_nonnull(strstr(buf, "\r\nContent-Length: "));
	ck_assert_ptr_null(strstr(buf, "<html>"));
	ck_assert_int_lt(head, len);
	ck_assert_int_eq(http_write_error(418, 1, false, false, buf, HTTP_ERROR_MAX), -1);
	ck_assert_str_eq(http_reason(418), "");
}
END_TEST

START_TEST(names_of_the_server_name_header)
{
	static const char *const no[] = { "", "a b", "X:", "Connection", "content-length",
	    "TRANSFER-ENCODING", "TE", "Upgrade", "Keep-Alive", "X-Forwarded-For", "\xe4" };
	size_t i;

	for (i = 0; i < sizeof no / sizeof no[0]; i++)
		ck_assert_msg(!http_write_name_ok(no[i], strlen(no[i])), "%s", no[i]);
	ck_assert(http_write_name_ok("Host", 4));
	ck_assert(http_write_name_ok("X-Server", 8));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("http_write");
	TCase *t = tcase_create("write");
	SRunner *sr;
	int failed;

	tcase_add_loop_test(t, requests_go_on, 0, (int)(sizeof requests / sizeof requests[0]));
	tcase_add_loop_test(t, answers_go_on, 0, (int)(sizeof responses / sizeof responses[0]));
	tcase_add_loop_test(t, own_answers_are_whole, 0, (int)(sizeof errors / sizeof errors[0]));
	tcase_add_test(t, own_answers_keep_where_asked);
	tcase_add_test(t, names_of_the_server_name_header);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
