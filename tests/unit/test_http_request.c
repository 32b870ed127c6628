/* SPDX-License-Identifier: ISC */
/*
 * Request heads.  Each case is parsed whole, against an unmapped page, and in
 * every split; each proper prefix of a good one must say MORE.
 */
#include "config.h"
#include "wire/http_head.h"

#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guard.h"

#define BYTES(s)	s, sizeof s - 1
#define HOST		"Host: a.example\r\n"
#define GET		"GET / HTTP/1.1\r\n"
#define END		"\r\n"
#define REST		GET HOST	/* to be followed by fields and END */

struct bad {
	const char *name;
	enum http_verdict verdict;
	const char *text;
	size_t len;
};

static const struct bad bad[] = {
	/* the first bytes */
	{ "a TLS record", HTTP_IS_TLS, BYTES("\x16\x03\x01\x02\x00\x01") },
	{ "0x16 but no TLS", HTTP_MALFORMED, BYTES("\x16\x02\x01") },
	{ "a TLS record after an empty line", HTTP_MALFORMED, BYTES("\r\n\x16\x03\x01") },
	{ "an SSLv2 hello", HTTP_MALFORMED, BYTES("\x80\x2e\x01\x00\x02") },
	{ "a NUL first", HTTP_MALFORMED, BYTES("\0GET / HTTP/1.1\r\n") },
	{ "a space first", HTTP_MALFORMED, BYTES(" GET / HTTP/1.1\r\n") },
	{ "a tab first", HTTP_MALFORMED, BYTES("\tGET / HTTP/1.1\r\n") },
	{ "a bare LF first", HTTP_MALFORMED, BYTES("\nGET / HTTP/1.1\r\n") },
	{ "a bare CR first", HTTP_MALFORMED, BYTES("\rGET / HTTP/1.1\r\n") },
	{ "five empty lines first", HTTP_MALFORMED,
	    BYTES("\r\n\r\n\r\n\r\n\r\n" REST END) },
	{ "a PROXY header v2", HTTP_MALFORMED, BYTES("\r\n\r\n\0\r\nQUIT\n") },
	{ "a PROXY header v1", HTTP_MALFORMED,
	    BYTES("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n") },
	{ "SSH", HTTP_MALFORMED, BYTES("SSH-2.0-OpenSSH_9.2\r\n") },

	/* the request line */
	{ "HTTP/0.9", HTTP_MALFORMED, BYTES("GET /\r\n") },
	{ "no target", HTTP_MALFORMED, BYTES("GET HTTP/1.1\r\n") },
	{ "an empty target", HTTP_MALFORMED, BYTES("GET  HTTP/1.1\r\n") },
	{ "two spaces before the target", HTTP_MALFORMED, BYTES("GET  / HTTP/1.1\r\n") },
	{ "two spaces after the target", HTTP_MALFORMED, BYTES("GET /  HTTP/1.1\r\n") },
	{ "a tab before the target", HTTP_MALFORMED, BYTES("GET\t/ HTTP/1.1\r\n") },
	{ "a tab after the target", HTTP_MALFORMED, BYTES("GET /\tHTTP/1.1\r\n") },
	{ "a space behind the version", HTTP_MALFORMED, BYTES("GET / HTTP/1.1 \r\n") },
	{ "a space in the target", HTTP_MALFORMED, BYTES("GET /a b HTTP/1.1\r\n") },
	{ "a control in the target", HTTP_MALFORMED, BYTES("GET /a\x01 HTTP/1.1\r\n") },
	{ "a DEL in the target", HTTP_MALFORMED, BYTES("GET /a\x7f HTTP/1.1\r\n") },
	{ "a NUL in the target", HTTP_MALFORMED, BYTES("GET /a\0 HTTP/1.1\r\n") },
	{ "a CR in the target", HTTP_MALFORMED, BYTES("GET /a\r HTTP/1.1\r\n") },
	{ "8 bits in the target", HTTP_MALFORMED, BYTES("GET /\xc3\xa4 HTTP/1.1\r\n") },
	{ "8 bits far into the target", HTTP_MALFORMED,
	    BYTES("GET /0123456789abcdef\x80 HTTP/1.1\r\n") },
	{ "a fragment", HTTP_MALFORMED, BYTES("GET /a#b HTTP/1.1\r\n") },
	{ "a fragment far into the target", HTTP_MALFORMED,
	    BYTES("GET /0123456789abcdef#b HTTP/1.1\r\n") },
	{ "a relative target", HTTP_MALFORMED, BYTES("GET a/b HTTP/1.1\r\n") },
	{ "a target that is a query", HTTP_MALFORMED, BYTES("GET ?a HTTP/1.1\r\n") },
	{ "an asterisk with GET", HTTP_MALFORMED, BYTES("GET * HTTP/1.1\r\n") },
	{ "an asterisk with more", HTTP_MALFORMED, BYTES("OPTIONS *a HTTP/1.1\r\n") },
	{ "CONNECT", HTTP_MALFORMED, BYTES("CONNECT a.example:443 HTTP/1.1\r\n") },
	{ "CONNECT with a path", HTTP_MALFORMED, BYTES("CONNECT / HTTP/1.1\r\n") },
	{ "an authority with GET", HTTP_MALFORMED, BYTES("GET a.example:80 HTTP/1.1\r\n") },
	{ "an unknown scheme", HTTP_MALFORMED, BYTES("GET ftp://a.example/ HTTP/1.1\r\n") },
	{ "a scheme and no authority", HTTP_MALFORMED, BYTES("GET http:/a HTTP/1.1\r\n") },
	{ "an empty authority", HTTP_MALFORMED, BYTES("GET http:///a HTTP/1.1\r\n") },
	{ "a dot for an authority", HTTP_MALFORMED, BYTES("GET http://./a HTTP/1.1\r\n") },
	{ "an authority with a user", HTTP_MALFORMED,
	    BYTES("GET http://u@a.example/ HTTP/1.1\r\n") },
	{ "an authority with a bad port", HTTP_MALFORMED,
	    BYTES("GET http://a.example:x/ HTTP/1.1\r\n") },
	{ "a colon in the method", HTTP_MALFORMED, BYTES("GE:T / HTTP/1.1\r\n") },
	{ "a control in the method", HTTP_MALFORMED, BYTES("GE\x02T / HTTP/1.1\r\n") },
	{ "8 bits in the method", HTTP_MALFORMED, BYTES("G\xc9T / HTTP/1.1\r\n") },
	{ "a method and nothing else", HTTP_MALFORMED, BYTES("GET\r\n") },

	/* the version */
	{ "the h2c preface", HTTP_BAD_VERSION, BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") },
	{ "HTTP/2.0", HTTP_BAD_VERSION, BYTES("GET / HTTP/2.0\r\n") },
	{ "HTTP/1.2 without a host", HTTP_MALFORMED, BYTES("GET / HTTP/1.2\r\n\r\n") },
	{ "HTTP/0.9 said aloud", HTTP_BAD_VERSION, BYTES("GET / HTTP/0.9\r\n") },
	{ "HTTP/3.0", HTTP_BAD_VERSION, BYTES("GET / HTTP/3.0\r\n") },
	{ "HTTP/2", HTTP_MALFORMED, BYTES("GET / HTTP/2\r\n") },
	{ "HTTP/1.11", HTTP_MALFORMED, BYTES("GET / HTTP/1.11\r\n") },
	{ "HTTP/2.00", HTTP_MALFORMED, BYTES("GET / HTTP/2.00\r\n") },
	{ "HTTP/11.1", HTTP_MALFORMED, BYTES("GET / HTTP/11.1\r\n") },
	{ "HTTP/1,1", HTTP_MALFORMED, BYTES("GET / HTTP/1,1\r\n") },
	{ "HTTP/+1.1", HTTP_MALFORMED, BYTES("GET / HTTP/+1.1\r\n") },
	{ "lower-case http/1.1", HTTP_MALFORMED, BYTES("GET / http/1.1\r\n") },
	{ "another protocol", HTTP_MALFORMED, BYTES("GET / RTSP/1.0\r\n") },
	{ "no version but a space", HTTP_MALFORMED, BYTES("GET / \r\n") },

	/* line ends */
	{ "the request line ends in LF", HTTP_MALFORMED, BYTES("GET / HTTP/1.1\n" HOST END) },
	{ "the request line ends in CR", HTTP_MALFORMED, BYTES("GET / HTTP/1.1\rHost: a\r\n") },
	{ "a field ends in LF", HTTP_MALFORMED, BYTES(GET "Host: a.example\n" END) },
	{ "the head ends in LF", HTTP_MALFORMED, BYTES(REST "\n") },
	{ "the head ends in CR and more", HTTP_MALFORMED, BYTES(REST "\rX") },
	{ "CR CR LF", HTTP_MALFORMED, BYTES(GET "Host: a.example\r\r\n" END) },
	{ "a bare CR in a value", HTTP_MALFORMED, BYTES(REST "X: a\rb\r\n" END) },
	{ "a bare CR begins a line", HTTP_MALFORMED, BYTES(REST "\rX: a\r\n" END) },
	{ "a bare LF in a value", HTTP_MALFORMED, BYTES(REST "X: a\nY: b\r\n" END) },

	/* field syntax */
	{ "a fold", HTTP_MALFORMED, BYTES(REST "X: a\r\n b\r\n" END) },
	{ "a fold with a tab", HTTP_MALFORMED, BYTES(REST "X: a\r\n\tb\r\n" END) },
	{ "a fold before any field", HTTP_MALFORMED, BYTES(GET " " HOST END) },
	{ "a fold that is blank", HTTP_MALFORMED, BYTES(REST "X: a\r\n \r\n" END) },
	{ "a fold of Transfer-Encoding", HTTP_MALFORMED,
	    BYTES(REST "Transfer-Encoding:\r\n chunked\r\n" END) },
	{ "space before the colon", HTTP_MALFORMED, BYTES(GET "Host : a.example\r\n" END) },
	{ "a tab before the colon", HTTP_MALFORMED, BYTES(GET "Host\t: a.example\r\n" END) },
	{ "no colon", HTTP_MALFORMED, BYTES(REST "X\r\n" END) },
	{ "no name", HTTP_MALFORMED, BYTES(REST ": a\r\n" END) },
	{ "a space in a name", HTTP_MALFORMED, BYTES(REST "X Y: a\r\n" END) },
	{ "a NUL in a name", HTTP_MALFORMED, BYTES(REST "X\0: a\r\n" END) },
	{ "8 bits in a name", HTTP_MALFORMED, BYTES(REST "X\xe4: a\r\n" END) },
	{ "a slash in a name", HTTP_MALFORMED, BYTES(REST "X/Y: a\r\n" END) },
	{ "parentheses in a name", HTTP_MALFORMED, BYTES(REST "X(Y): a\r\n" END) },
	{ "a quoted name", HTTP_MALFORMED, BYTES(REST "\"X\": a\r\n" END) },
	{ "a NUL in a value", HTTP_MALFORMED, BYTES(REST "X: a\0b\r\n" END) },
	{ "a NUL ends a value", HTTP_MALFORMED, BYTES(REST "X: a\0\r\n" END) },
	{ "a control in a value", HTTP_MALFORMED, BYTES(REST "X: a\x1b[0m\r\n" END) },
	{ "a control far into a value", HTTP_MALFORMED,
	    BYTES(REST "X: 0123456789abcdef0123\x08\r\n" END) },
	{ "a DEL in a value", HTTP_MALFORMED, BYTES(REST "X: 0123456789a\x7f\r\n" END) },
	{ "a vertical tab in a value", HTTP_MALFORMED, BYTES(REST "X: a\vb\r\n" END) },
	{ "a form feed before a value", HTTP_MALFORMED, BYTES(REST "X:\fa\r\n" END) },

	/* Host */
	{ "no Host in 1.1", HTTP_MALFORMED, BYTES(GET END) },
	{ "no Host in 1.1, other fields", HTTP_MALFORMED, BYTES(GET "X: a\r\n" END) },
	{ "an absolute target without Host in 1.1", HTTP_MALFORMED,
	    BYTES("GET http://a.example/ HTTP/1.1\r\n" END) },
	{ "two Hosts", HTTP_MALFORMED, BYTES(REST "Host: b.example\r\n" END) },
	{ "the same Host twice", HTTP_MALFORMED, BYTES(REST HOST END) },
	{ "Host and HOST", HTTP_MALFORMED, BYTES(REST "HOST: b.example\r\n" END) },
	{ "an empty Host and another", HTTP_MALFORMED, BYTES(GET "Host:\r\n" HOST END) },
	{ "two Hosts in 1.0", HTTP_MALFORMED,
	    BYTES("GET / HTTP/1.0\r\n" HOST "Host: b.example\r\n" END) },
	{ "a list in Host", HTTP_MALFORMED, BYTES(GET "Host: a.example, b.example\r\n" END) },
	{ "a comma in Host", HTTP_MALFORMED, BYTES(GET "Host: a.example,b.example\r\n" END) },
	{ "a space in Host", HTTP_MALFORMED, BYTES(GET "Host: a.example b\r\n" END) },
	{ "a tab in Host", HTTP_MALFORMED, BYTES(GET "Host: a.example\tb\r\n" END) },
	{ "a user in Host", HTTP_MALFORMED, BYTES(GET "Host: u@a.example\r\n" END) },
	{ "a path in Host", HTTP_MALFORMED, BYTES(GET "Host: a.example/x\r\n" END) },
	{ "a query in Host", HTTP_MALFORMED, BYTES(GET "Host: a.example?x\r\n" END) },
	{ "a dot for a Host", HTTP_MALFORMED, BYTES(GET "Host: .\r\n" END) },
	{ "a dot and a port for a Host", HTTP_MALFORMED, BYTES(GET "Host: .:80\r\n" END) },
	{ "a scheme in Host", HTTP_MALFORMED, BYTES(GET "Host: http://a.example\r\n" END) },
	{ "a backslash in Host", HTTP_MALFORMED, BYTES(GET "Host: a\\b\r\n" END) },
	{ "a percent in Host", HTTP_MALFORMED, BYTES(GET "Host: a%2eexample\r\n" END) },
	{ "8 bits in Host", HTTP_MALFORMED, BYTES(GET "Host: \xc3\xa4.example\r\n" END) },
	{ "only a port in Host", HTTP_MALFORMED, BYTES(GET "Host: :80\r\n" END) },
	{ "a port of letters", HTTP_MALFORMED, BYTES(GET "Host: a.example:http\r\n" END) },
	{ "a port too high", HTTP_MALFORMED, BYTES(GET "Host: a.example:65536\r\n" END) },
	{ "a port of six digits", HTTP_MALFORMED, BYTES(GET "Host: a.example:000080\r\n" END) },
	{ "a negative port", HTTP_MALFORMED, BYTES(GET "Host: a.example:-1\r\n" END) },
	{ "two ports", HTTP_MALFORMED, BYTES(GET "Host: a.example:80:80\r\n" END) },
	{ "IPv6 without brackets", HTTP_MALFORMED, BYTES(GET "Host: ::1\r\n" END) },
	{ "IPv6 half bracketed", HTTP_MALFORMED, BYTES(GET "Host: [::1\r\n" END) },
	{ "IPv6 and a tail", HTTP_MALFORMED, BYTES(GET "Host: [::1]a\r\n" END) },
	{ "IPv6 with a zone", HTTP_MALFORMED, BYTES(GET "Host: [fe80::1%25e0]\r\n" END) },
	{ "IPv6 of nonsense", HTTP_MALFORMED, BYTES(GET "Host: [1:2]\r\n" END) },
	{ "empty brackets", HTTP_MALFORMED, BYTES(GET "Host: []\r\n" END) },
	{ "an overlong IPv6", HTTP_MALFORMED, BYTES(GET
	    "Host: [0000:0000:0000:0000:0000:0000:0000:0000:0000:0001]\r\n" END) },
	{ "Host differs from the target", HTTP_MALFORMED,
	    BYTES("GET http://b.example/ HTTP/1.1\r\n" HOST END) },
	{ "Host's port differs from the target's", HTTP_MALFORMED,
	    BYTES("GET http://a.example:81/ HTTP/1.1\r\n" HOST END) },
	{ "Host's port is the other scheme's", HTTP_MALFORMED,
	    BYTES("GET https://a.example/ HTTP/1.1\r\nHost: a.example:80\r\n" END) },
	{ "Host is empty, the target is not", HTTP_MALFORMED,
	    BYTES("GET http://a.example/ HTTP/1.1\r\nHost:\r\n" END) },

	/* framing */
	{ "both Content-Length and chunked", HTTP_MALFORMED,
	    BYTES(REST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n" END) },
	{ "both chunked and Content-Length", HTTP_MALFORMED,
	    BYTES(REST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n" END) },
	{ "both, in other cases", HTTP_MALFORMED,
	    BYTES(REST "content-length: 0\r\nTRANSFER-ENCODING: CHUNKED\r\n" END) },
	{ "two Content-Lengths", HTTP_MALFORMED,
	    BYTES(REST "Content-Length: 5\r\nContent-Length: 6\r\n" END) },
	{ "the same Content-Length twice", HTTP_MALFORMED,
	    BYTES(REST "Content-Length: 5\r\nContent-Length: 5\r\n" END) },
	{ "a list of Content-Lengths", HTTP_MALFORMED, BYTES(REST "Content-Length: 5, 5\r\n" END) },
	{ "an empty Content-Length", HTTP_MALFORMED, BYTES(REST "Content-Length:\r\n" END) },
	{ "a blank Content-Length", HTTP_MALFORMED, BYTES(REST "Content-Length:  \r\n" END) },
	{ "a signed Content-Length", HTTP_MALFORMED, BYTES(REST "Content-Length: +5\r\n" END) },
	{ "a negative Content-Length", HTTP_MALFORMED, BYTES(REST "Content-Length: -1\r\n" END) },
	{ "a hexadecimal Content-Length", HTTP_MALFORMED, BYTES(REST "Content-Length: 0x5\r\n" END) },
	{ "hexadecimal digits", HTTP_MALFORMED, BYTES(REST "Content-Length: 1a\r\n" END) },
	{ "a fraction", HTTP_MALFORMED, BYTES(REST "Content-Length: 5.0\r\n" END) },
	{ "a Content-Length with a space", HTTP_MALFORMED, BYTES(REST "Content-Length: 1 2\r\n" END) },
	{ "a Content-Length with an underscore", HTTP_MALFORMED,
	    BYTES(REST "Content-Length: 1_0\r\n" END) },
	{ "a quoted Content-Length", HTTP_MALFORMED, BYTES(REST "Content-Length: \"5\"\r\n" END) },
	{ "2^63", HTTP_MALFORMED, BYTES(REST "Content-Length: 9223372036854775808\r\n" END) },
	{ "2^64", HTTP_MALFORMED, BYTES(REST "Content-Length: 18446744073709551616\r\n" END) },
	{ "2^64 + 5", HTTP_MALFORMED, BYTES(REST "Content-Length: 18446744073709551621\r\n" END) },
	{ "thirty nines", HTTP_MALFORMED,
	    BYTES(REST "Content-Length: 999999999999999999999999999999\r\n" END) },
	{ "an unknown coding", HTTP_MALFORMED, BYTES(REST "Transfer-Encoding: xchunked\r\n" END) },
	{ "identity", HTTP_MALFORMED, BYTES(REST "Transfer-Encoding: identity\r\n" END) },
	{ "gzip", HTTP_MALFORMED, BYTES(REST "Transfer-Encoding: gzip\r\n" END) },
	{ "gzip, chunked", HTTP_MALFORMED, BYTES(REST "Transfer-Encoding: gzip, chunked\r\n" END) },
	{ "chunked, gzip", HTTP_MALFORMED, BYTES(REST "Transfer-Encoding: chunked, gzip\r\n" END) },
	{ "chunked, chunked", HTTP_MALFORMED,
	    BYTES(REST "Transfer-Encoding: chunked, chunked\r\n" END) },
	{ "chunked in two fields", HTTP_MALFORMED,
	    BYTES(REST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n" END) },
	{ "chunked, then identity", HTTP_MALFORMED,
	    BYTES(REST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n" END) },
	{ "an empty coding", HTTP_MALFORMED, BYTES(REST "Transfer-Encoding:\r\n" END) },
	{ "chunked and a comma", HTTP_MALFORMED, BYTES(REST "Transfer-Encoding: chunked,\r\n" END) },
	{ "a comma and chunked", HTTP_MALFORMED, BYTES(REST "Transfer-Encoding: ,chunked\r\n" END) },
	{ "chunked with a parameter", HTTP_MALFORMED,
	    BYTES(REST "Transfer-Encoding: chunked;q=1\r\n" END) },
	{ "quoted chunked", HTTP_MALFORMED, BYTES(REST "Transfer-Encoding: \"chunked\"\r\n" END) },
	{ "chunked and a vertical tab", HTTP_MALFORMED,
	    BYTES(REST "Transfer-Encoding: \vchunked\r\n" END) },
	{ "chunked in 1.0", HTTP_MALFORMED,
	    BYTES("POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n" END) },

	/* Connection */
	{ "Connection names Host", HTTP_MALFORMED, BYTES(REST "Connection: Host\r\n" END) },
	{ "Connection names Content-Length", HTTP_MALFORMED,
	    BYTES(REST "Content-Length: 5\r\nConnection: content-length\r\n" END) },
	{ "Connection names Transfer-Encoding", HTTP_MALFORMED,
	    BYTES(REST "Connection: close, Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n" END) },
	{ "the second Connection names Host", HTTP_MALFORMED,
	    BYTES(REST "Connection: close\r\nConnection: X, host\r\n" END) },
	{ "Connection is no list of tokens", HTTP_MALFORMED, BYTES(REST "Connection: a b\r\n" END) },
	{ "Connection quotes", HTTP_MALFORMED, BYTES(REST "Connection: \"close\"\r\n" END) },
	{ "Connection with a semicolon", HTTP_MALFORMED, BYTES(REST "Connection: close;\r\n" END) },
};

struct good {
	const char *name;
	const char *means;	/* see describe() */
	const char *text;
	size_t len;
};

#define FAR	"0123456789abcdef0123456789abcdef"

static const struct good good[] = {
	{ "the least in 1.1", "GET / 1.1 host=a.example keep", BYTES(REST END) },
	{ "a later version is 1.1", "GET / 1.1 host=a.example keep", BYTES("GET / HTTP/1.2\r\n" HOST END) },
	{ "the least in 1.0", "GET / 1.0 host= close", BYTES("GET / HTTP/1.0\r\n\r\n") },
	{ "an empty line first", "GET / 1.1 host=a.example keep", BYTES("\r\n" REST END) },
	{ "four empty lines first", "GET / 1.1 host=a.example keep",
	    BYTES("\r\n\r\n\r\n\r\n" REST END) },
	{ "an empty Host", "GET / 1.1 host= keep", BYTES(GET "Host:\r\n" END) },
	{ "a blank Host", "GET / 1.1 host= keep", BYTES(GET "Host: \t \r\n" END) },
	{ "Host in upper case", "GET / 1.1 host=A.EXAMPLE keep",
	    BYTES(GET "HOST:A.EXAMPLE\r\n" END) },
	{ "Host with a port", "GET / 1.1 host=a.example:8080 keep",
	    BYTES(GET "Host: a.example:8080\r\n" END) },
	{ "Host with an empty port", "GET / 1.1 host=a.example: keep",
	    BYTES(GET "Host: a.example:\r\n" END) },
	{ "Host with a dot behind", "GET / 1.1 host=a.example. keep",
	    BYTES(GET "Host: a.example.\r\n" END) },
	{ "Host with an underscore", "GET / 1.1 host=a_b.example keep",
	    BYTES(GET "Host: a_b.example\r\n" END) },
	{ "IPv4", "GET / 1.1 host=192.0.2.1:80 keep", BYTES(GET "Host: 192.0.2.1:80\r\n" END) },
	{ "IPv6", "GET / 1.1 host=[2001:db8::1] keep", BYTES(GET "Host: [2001:db8::1]\r\n" END) },
	{ "IPv6 with a port", "GET / 1.1 host=[2001:DB8::1]:80 keep",
	    BYTES(GET "Host: [2001:DB8::1]:80\r\n" END) },
	{ "white space around a value", "GET / 1.1 host=a.example keep",
	    BYTES(GET "Host: \t a.example \t \r\n" END) },
	{ "an empty value", "GET / 1.1 host=a.example keep", BYTES(REST "X:\r\n" END) },
	{ "tabs and 8 bits in a value", "GET / 1.1 host=a.example keep",
	    BYTES(REST "X: a\tb \xc3\xa4 " FAR "\xff\r\n" END) },
	{ "an odd name", "GET / 1.1 host=a.example keep",
	    BYTES(REST "!#$%&'*+-.^_`|~09azAZ: \"(),/:;<=>?@[\\]{}\"\r\n" END) },
	{ "an odd method", "a-b_c!#$%&'*+.^`|~9 / 1.1 host=a.example keep",
	    BYTES("a-b_c!#$%&'*+.^`|~9 / HTTP/1.1\r\n" HOST END) },
	{ "an odd path", "GET /\"<>\\^`{|}~%zz;a=b?c[]=//../ 1.1 host=a.example keep",
	    BYTES("GET /\"<>\\^`{|}~%zz;a=b?c[]=//../ HTTP/1.1\r\n" HOST END) },
	{ "a path that looks like an authority", "GET //b.example/ 1.1 host=a.example keep",
	    BYTES("GET //b.example/ HTTP/1.1\r\n" HOST END) },
	{ "OPTIONS *", "OPTIONS * 1.1 host=a.example asterisk keep",
	    BYTES("OPTIONS * HTTP/1.1\r\n" HOST END) },
	{ "an absolute target", "GET /p?q 1.1 host=a.example absolute keep",
	    BYTES("GET http://a.example/p?q HTTP/1.1\r\n" HOST END) },
	{ "an absolute target, other spelling",
	    "GET / 1.1 host=A.Example.:80 absolute keep",
	    BYTES("GET HTTP://A.Example.:80/ HTTP/1.1\r\n" HOST END) },
	{ "an absolute https target", "GET / 1.1 host=a.example:443 absolute keep",
	    BYTES("GET https://a.example:443/ HTTP/1.1\r\n" HOST END) },
	{ "an absolute target without a path", "GET  1.1 host=a.example absolute keep",
	    BYTES("GET http://a.example HTTP/1.1\r\n" HOST END) },
	{ "an absolute target with only a query", "GET ?q 1.1 host=a.example absolute keep",
	    BYTES("GET http://a.example?q HTTP/1.1\r\n" HOST END) },
	{ "an absolute target in 1.0 without Host", "GET /p 1.0 host=a.example absolute close",
	    BYTES("GET http://a.example/p HTTP/1.0\r\n" END) },
	{ "an absolute target that holds a user in its path",
	    "GET /u@b.example 1.1 host=a.example absolute keep",
	    BYTES("GET http://a.example/u@b.example HTTP/1.1\r\n" HOST END) },

	{ "a length", "GET / 1.1 host=a.example length=5 keep",
	    BYTES(REST "Content-Length: 5\r\n" END) },
	{ "a length of nothing", "GET / 1.1 host=a.example length=0 keep",
	    BYTES(REST "Content-Length: 0\r\n" END) },
	{ "a length with zeroes", "GET / 1.1 host=a.example length=5 keep",
	    BYTES(REST "content-length: 0005\r\n" END) },
	{ "2^63 - 1", "GET / 1.1 host=a.example length=9223372036854775807 keep",
	    BYTES(REST "Content-Length: 9223372036854775807\r\n" END) },
	{ "chunked", "GET / 1.1 host=a.example chunked keep",
	    BYTES(REST "Transfer-Encoding: chunked\r\n" END) },
	{ "CHUNKED", "GET / 1.1 host=a.example chunked keep",
	    BYTES(REST "TRANSFER-ENCODING:\tCHUNKED \r\n" END) },

	{ "Connection: close", "GET / 1.1 host=a.example close hop=Connection",
	    BYTES(REST "Connection: close\r\n" END) },
	{ "keep-alive in 1.1", "GET / 1.1 host=a.example keep hop=Connection",
	    BYTES(REST "Connection: Keep-Alive\r\n" END) },
	{ "keep-alive in 1.0", "GET / 1.0 host=a.example keep hop=Connection",
	    BYTES("GET / HTTP/1.0\r\n" HOST "Connection: keep-alive\r\n" END) },
	{ "both close and keep-alive", "GET / 1.1 host=a.example close hop=Connection",
	    BYTES(REST "Connection: keep-alive, CLOSE\r\n" END) },
	{ "two Connections", "GET / 1.1 host=a.example close hop=Connection,connection",
	    BYTES(REST "Connection: keep-alive\r\nconnection: close\r\n" END) },
	{ "an empty Connection", "GET / 1.1 host=a.example keep hop=Connection",
	    BYTES(REST "Connection: , ,\r\n" END) },
	{ "a named field", "GET / 1.1 host=a.example keep hop=X-A,Connection,x-a",
	    BYTES(REST "X-A: 1\r\nX-B: 1\r\nConnection: x-A,,Y\r\nx-a: 2\r\n" END) },
	{ "X-Forwarded-For can't be stripped", "GET / 1.1 host=a.example keep hop=Connection",
	    BYTES(REST "X-Forwarded-For: 192.0.2.1\r\nConnection: X-Forwarded-For\r\n" END) },
	{ "Keep-Alive, Proxy-Connection",
	    "GET / 1.1 host=a.example keep hop=Keep-Alive,Proxy-Connection",
	    BYTES(REST "Keep-Alive: timeout=5\r\nProxy-Connection: close\r\n" END) },
	{ "TE: trailers", "GET / 1.1 host=a.example keep hop=Connection",
	    BYTES(REST "TE: trailers\r\nConnection: TE\r\n" END) },
	{ "TE: gzip", "GET / 1.1 host=a.example keep hop=TE,Connection",
	    BYTES(REST "TE: gzip, trailers\r\nConnection: TE\r\n" END) },

	{ "100-continue", "GET / 1.1 host=a.example length=5 keep continue",
	    BYTES(REST "Content-Length: 5\r\nExpect: 100-Continue\r\n" END) },
	{ "100-continue in 1.0", "GET / 1.0 host=a.example length=5 close",
	    BYTES("GET / HTTP/1.0\r\n" HOST "Content-Length: 5\r\nExpect: 100-continue\r\n" END) },
	{ "100-continue stripped", "GET / 1.1 host=a.example keep hop=Expect,Connection",
	    BYTES(REST "Expect: 100-continue\r\nConnection: expect\r\n" END) },
	{ "another expectation", "GET / 1.1 host=a.example keep",
	    BYTES(REST "Expect: x\r\n" END) },

	{ "an upgrade", "GET / 1.1 host=a.example keep upgrade hop=Connection",
	    BYTES(REST "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n" END) },
	{ "an upgrade of a POST", "GET / 1.1 host=a.example length=0 keep upgrade hop=Connection",
	    BYTES(REST "Upgrade: SPDY/3.1\r\nConnection: Upgrade\r\nContent-Length: 0\r\n" END) },
	{ "Upgrade without Connection", "GET / 1.1 host=a.example keep hop=Upgrade",
	    BYTES(REST "Upgrade: websocket\r\n" END) },
	{ "Connection without Upgrade", "GET / 1.1 host=a.example keep hop=Connection",
	    BYTES(REST "Connection: upgrade\r\n" END) },
	{ "an upgrade in 1.0", "GET / 1.0 host=a.example close hop=Upgrade,Connection",
	    BYTES("GET / HTTP/1.0\r\n" HOST "Upgrade: websocket\r\nConnection: upgrade\r\n" END) },
	{ "an upgrade with a body",
	    "GET / 1.1 host=a.example length=5 keep hop=Upgrade,Connection", BYTES(REST
	    "Upgrade: websocket\r\nConnection: upgrade\r\nContent-Length: 5\r\n" END) },
	{ "an upgrade of a HEAD", "HEAD / 1.1 host=a.example keep hop=Upgrade,Connection",
	    BYTES("HEAD / HTTP/1.1\r\n" HOST "Upgrade: websocket\r\nConnection: upgrade\r\n" END) },
	{ "an upgrade to h2c",
	    "GET / 1.1 host=a.example keep hop=Connection,Upgrade,HTTP2-Settings", BYTES(REST
	    "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAAB\r\n" END) },
	{ "an upgrade to websocket or h2c",
	    "GET / 1.1 host=a.example keep hop=Connection,Upgrade",
	    BYTES(REST "Connection: Upgrade\r\nUpgrade: websocket, H2C\r\n" END) },
	{ "an upgrade to HTTP/2.0", "GET / 1.1 host=a.example keep hop=Connection,Upgrade",
	    BYTES(REST "Connection: Upgrade\r\nUpgrade: HTTP/2.0\r\n" END) },
};

/* What a head means, in a line. */
static const char *
describe(const struct http_request *r)
{
	static char line[1024];
	const struct http_head *h = &r->head;
	const char *before = " hop=";
	int n;
	unsigned i;

	n = snprintf(line, sizeof line, "%.*s %.*s 1.%u host=%.*s", (int)r->method.len,
	    r->method.p, (int)r->path.len, r->path.p, h->minor, (int)r->host.len, r->host.p);
#define SAY(...)	n += snprintf(line + n, sizeof line - (size_t)n, __VA_ARGS__)
	if (r->form != HTTP_ORIGIN)
		SAY(r->form == HTTP_ASTERISK ? " asterisk" : " absolute");
	if (h->framing == HTTP_LENGTH)
		SAY(" length=%llu", (unsigned long long)h->content_length);
	if (h->framing == HTTP_CHUNKED)
		SAY(" chunked");
	SAY(h->keep_alive ? " keep" : " close");
	if (r->expect_continue)
		SAY(" continue");
	if (r->upgrade)
		SAY(" upgrade");
	for (i = 0; i < h->nfields; i++) {
		if (!h->fields[i].hop)
			continue;
		SAY("%s%.*s", before, (int)h->fields[i].name.len, h->fields[i].name.p);
		before = ",";
	}
	return line;
}

static struct http_request request;

static enum http_verdict
parse(const char *buf, size_t len)
{
	http_request_init(&request);
	return http_request_parse(&request, buf, len, HTTP_REQUEST_MAX);
}

/* The verdict falls at one byte, however the bytes come; returns that byte's
 * index + 1, after which it is final. */
static size_t
check_splits(const char *name, const char *text, size_t len, enum http_verdict verdict)
{
	static char buf[GUARD_SIZE];
	enum http_verdict v;
	size_t cut, i;

	for (cut = 0; cut < len; cut++)
		if (parse(guard_copy(text, cut), cut) != HTTP_MORE)
			break;
	for (i = cut; i <= len; i++)
		ck_assert_msg((v = parse(guard_copy(text, i), i)) == verdict,
		    "%s: %zu bytes say %d", name, i, v);
	for (i = 0; i < cut; i++) {		/* in two pieces */
		memset(buf, 0xff, len);
		memcpy(buf, text, i);
		ck_assert_msg(parse(buf, i) == HTTP_MORE, "%s: %zu", name, i);
		memcpy(buf, text, len);
		v = http_request_parse(&request, buf, len, HTTP_REQUEST_MAX);
		ck_assert_msg(v == verdict, "%s: split at %zu says %d", name, i, v);
	}
	memset(buf, 0xff, len);			/* byte by byte */
	http_request_init(&request);
	for (i = 0; i < cut; i++) {
		v = http_request_parse(&request, buf, i, HTTP_REQUEST_MAX);
		ck_assert_msg(v == HTTP_MORE, "%s: byte %zu says %d", name, i, v);
		buf[i] = text[i];
	}
	v = http_request_parse(&request, buf, cut, HTTP_REQUEST_MAX);
	ck_assert_msg(v == verdict, "%s: bytewise says %d", name, v);
	return cut;
}

START_TEST(malformed_or_ambiguous_is_refused)
{
	const struct bad *c = &bad[_i];

	ck_assert_int_ne(c->verdict, HTTP_OK);
	check_splits(c->name, c->text, c->len, c->verdict);
}
END_TEST

START_TEST(good_is_understood)
{
	const struct good *c = &good[_i];
	enum http_verdict v;

	ck_assert_msg((v = parse(guard_copy(c->text, c->len), c->len)) == HTTP_OK,
	    "%s says %d", c->name, v);
	ck_assert_msg(strcmp(describe(&request), c->means) == 0, "%s means\n%s\nnot\n%s",
	    c->name, describe(&request), c->means);
	ck_assert_uint_eq(check_splits(c->name, c->text, c->len, HTTP_OK), c->len);
	ck_assert_str_eq(describe(&request), c->means);
	ck_assert_uint_eq(request.head.len, c->len);
}
END_TEST

/* Whatever follows a head is not looked at. */
START_TEST(pipelined_requests_come_one_by_one)
{
	static const char text[] = "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
	    "\r\nGET /2 HTTP/1.1\r\nHost: b\r\n\r\n\x16\x03garbage";
	const char *p = guard_copy(text, sizeof text - 1);
	size_t at;

	ck_assert_int_eq(parse(p, sizeof text - 1), HTTP_OK);
	ck_assert_str_eq(describe(&request), "POST /1 1.1 host=a length=3 keep");
	at = request.head.len + 3;
	ck_assert_int_eq(parse(p + at, sizeof text - 1 - at), HTTP_OK);
	ck_assert_str_eq(describe(&request), "GET /2 1.1 host=b keep");
	at += request.head.len;
	ck_assert_int_eq(parse(p + at, sizeof text - 1 - at), HTTP_IS_TLS);
}
END_TEST

/* One byte changed anywhere: never a crash, and never two answers. */
START_TEST(every_changed_byte_has_one_answer)
{
	static const char text[] = "GET http://a.example/ HTTP/1.1\r\nHost: a.example:80\r\n"
	    "Content-Length: 12\r\nConnection: upgrade, x\r\nUpgrade: ws\r\nX: y\r\n\r\n";
	char changed[sizeof text];
	enum http_verdict whole, v;
	size_t i, k;
	unsigned c;

	for (i = 0; i < sizeof text - 1; i++) {
		for (c = 0; c < 256; c++) {
			memcpy(changed, text, sizeof text);
			changed[i] = (char)c;
			whole = parse(guard_copy(changed, sizeof text - 1), sizeof text - 1);
			http_request_init(&request);
			for (v = HTTP_MORE, k = 0; v == HTTP_MORE && k < sizeof text; k += 3)
				v = http_request_parse(&request, changed, k, HTTP_REQUEST_MAX);
			if (v == HTTP_MORE)
				v = http_request_parse(&request, changed, sizeof text - 1,
				    HTTP_REQUEST_MAX);
			ck_assert_int_eq(v, whole);
		}
	}
}
END_TEST

/* A head of exactly len bytes, filled up by one value. */
static char *
head_of(size_t len)
{
	static const char begin[] = REST "X: ", end[] = "\r\n\r\n";
	char *text = malloc(len);

	ck_assert_ptr_nonnull(text);
	memset(text, 'a', len);
	memcpy(text, begin, sizeof begin - 1);
	memcpy(text + len - (sizeof end - 1), end, sizeof end - 1);
	return text;
}

START_TEST(a_head_may_be_16_KiB_and_no_byte_more)
{
	char *text = head_of(HTTP_REQUEST_MAX);

	ck_assert_int_eq(parse(guard_copy(text, HTTP_REQUEST_MAX), HTTP_REQUEST_MAX), HTTP_OK);
	ck_assert_int_eq(parse(text, HTTP_REQUEST_MAX - 1), HTTP_MORE);
	free(text);
	text = head_of(HTTP_REQUEST_MAX + 1);
	ck_assert_int_eq(parse(text, HTTP_REQUEST_MAX - 1), HTTP_MORE);
	ck_assert_int_eq(parse(text, HTTP_REQUEST_MAX), HTTP_TOO_LARGE);
	ck_assert_int_eq(parse(text, HTTP_REQUEST_MAX + 1), HTTP_TOO_LARGE);
	ck_assert_uint_eq(request.method.len, 3);	/* for the log */
	free(text);
}
END_TEST

START_TEST(a_target_without_end_is_too_large)
{
	static char text[HTTP_REQUEST_MAX + 64] = "GET /";

	memset(text + 5, 'a', sizeof text - 5);
	ck_assert_int_eq(parse(text, HTTP_REQUEST_MAX - 1), HTTP_MORE);
	ck_assert_int_eq(parse(text, sizeof text), HTTP_TOO_LARGE);
}
END_TEST

START_TEST(a_head_may_have_100_fields_and_no_more)
{
	char text[4096] = REST;
	size_t len = strlen(text), i;

	for (i = 1; i < HTTP_REQUEST_FIELDS; i++, len += 5)
		memcpy(text + len, "X:1\r\n", 5);
	memcpy(text + len, "\r\n", 2);
	ck_assert_int_eq(parse(guard_copy(text, len + 2), len + 2), HTTP_OK);
	ck_assert_uint_eq(request.head.nfields, HTTP_REQUEST_FIELDS);
	memcpy(text + len, "X:1\r\n\r\n", 7);
	check_splits("101 fields", text, len + 7, HTTP_TOO_LARGE);
}
END_TEST

START_TEST(connection_may_name_100_options_and_no_more)
{
	char text[2048] = REST "Connection: ";
	size_t len = strlen(text), i;

	for (i = 0; i < HTTP_REQUEST_FIELDS; i++, len += 2)
		memcpy(text + len, "x,", 2);
	memcpy(text + len, "\r\n\r\n", 5);
	ck_assert_int_eq(parse(text, len + 4), HTTP_OK);
	memcpy(text + len, "x\r\n\r\n", 5);
	ck_assert_int_eq(parse(text, len + 5), HTTP_MALFORMED);
}
END_TEST

/* The error log wants what was read before the error. */
START_TEST(method_and_target_are_known_after_a_refusal)
{
	static const char text[] = "GET /x HTTP/1.1\r\nHost: a b\r\n";

	ck_assert_int_eq(parse(text, sizeof text - 1), HTTP_MALFORMED);
	ck_assert_uint_eq(request.method.len, 3);
	ck_assert_uint_eq(request.target.len, 2);
	ck_assert_uint_eq(request.version.len, 8);
	ck_assert_int_eq(parse("GE(", 3), HTTP_MALFORMED);
	ck_assert_ptr_null(request.method.p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("http_request");
	TCase *t = tcase_create("head");
	SRunner *sr;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, malformed_or_ambiguous_is_refused, 0,
	    (int)(sizeof bad / sizeof bad[0]));
	tcase_add_loop_test(t, good_is_understood, 0, (int)(sizeof good / sizeof good[0]));
	tcase_add_test(t, pipelined_requests_come_one_by_one);
	tcase_add_test(t, every_changed_byte_has_one_answer);
	tcase_add_test(t, a_head_may_be_16_KiB_and_no_byte_more);
	tcase_add_test(t, a_target_without_end_is_too_large);
	tcase_add_test(t, a_head_may_have_100_fields_and_no_more);
	tcase_add_test(t, connection_may_name_100_options_and_no_more);
	tcase_add_test(t, method_and_target_are_known_after_a_refusal);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
