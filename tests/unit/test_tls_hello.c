/* SPDX-License-Identifier: ISC */
/*
 * The ClientHello: names found, in every split; what is malformed, and after
 * how many bytes that is said; what is no TLS.  All input ends where memory
 * ends.
 */
#include "config.h"
#include "wire/tls_hello.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "guard.h"
#include "hello.h"

#define BYTES(s)	s, sizeof(s) - 1
#define EXT(s)		.ext = s, .ext_len = sizeof(s) - 1
#define COUNT(a)	((int)(sizeof(a) / sizeof((a)[0])))
#define NAME		"\0\0\0\024\0\022\0\0\017www.Example.org"	/* the whole extension */

static struct hello hello;
static uint8_t wire[HELLO_SIZE * 6];

static enum tls_hello_verdict
parse(const uint8_t *bytes, size_t len, struct tls_hello *out)
{
	memset(out, 0x5a, sizeof(*out));
	return tls_hello_parse(guard_copy(bytes, len), len, out);
}

/* The verdict on the whole; *at is the first length that has it.  Every
 * shorter one must say MORE, every longer one the same. */
static enum tls_hello_verdict
parse_prefixes(const char *name, const uint8_t *bytes, size_t len, size_t *at, struct tls_hello *out)
{
	enum tls_hello_verdict v = TLS_HELLO_MORE, last;

	*at = len;
	for (size_t n = 0; n <= len; n++) {
		last = v;
		v = parse(bytes, n, out);
		if (last == TLS_HELLO_MORE && v != TLS_HELLO_MORE)
			*at = n;
		ck_assert_msg(last == TLS_HELLO_MORE || v == last,
		    "%s: %d at %zu bytes, but %d at %zu", name, last, n - 1, v, n);
	}
	return v;
}

/* --- good ones ------------------------------------------------------------- */

struct good {
	const char *name;
	struct hello_spec spec;
	const char *host;	/* NULL: none */
	size_t host_len;
	bool ech;
};

static const struct good good[] = {
	{ "no extensions", { 0 }, NULL, 0, false },
	{ "an empty block", { EXT("") }, NULL, 0, false },
	{ "only a name", { EXT(NAME) }, BYTES("www.Example.org"), false },
	{ "no session id", { .session = HELLO_NONE, EXT(NAME) }, BYTES("www.Example.org"), false },
	{ "one cipher suite", { .suites = 2, EXT(NAME) }, BYTES("www.Example.org"), false },
	{ "a thousand cipher suites", { .suites = 2000, EXT(NAME) }, BYTES("www.Example.org"), false },
	{ "255 compression methods", { .methods = 255, EXT(NAME) }, BYTES("www.Example.org"), false },
	{ "SSL 3.0", { .version = 0x300 }, NULL, 0, false },
	{ "TLS 1.0", { .version = 0x301, EXT(NAME) }, BYTES("www.Example.org"), false },
	{ "an unknown minor version", { .version = 0x3ff, EXT(NAME) }, BYTES("www.Example.org"), false },
	{ "a name of one byte", { EXT("\0\0\0\6\0\4\0\0\1a") }, BYTES("a"), false },
	{ "a name with a NUL", { EXT("\0\0\0\10\0\6\0\0\3a\0b") }, BYTES("a\0b"), false },
	{ "a name after other extensions", { EXT("\x4a\x4a\0\0\0\027\0\0\377\1\0\1\0" NAME) },
	    BYTES("www.Example.org"), false },
	{ "a name before other extensions", { EXT(NAME "\0\027\0\0\xff\x01\0\1\0\x1a\x1a\0\1\0") },
	    BYTES("www.Example.org"), false },
	{ "a name of another type before it", { EXT("\0\0\0\013\0\011\7\0\2xy\0\0\1a") }, BYTES("a"), false },
	{ "a name of another type behind it", { EXT("\0\0\0\013\0\011\0\0\1a\7\0\2xy") }, BYTES("a"), false },
	{ "an empty name of another type", { EXT("\0\0\0\011\0\7\7\0\0\0\0\1a") }, BYTES("a"), false },
	{ "only a name of another type", { EXT("\0\0\0\6\0\4\1\0\1a") }, NULL, 0, false },
	{ "an outer hello of ECH", { EXT(NAME "\xfe\x0d\0\3\0xy") }, BYTES("www.Example.org"), true },
	{ "an inner hello of ECH", { EXT("\xfe\x0d\0\1\1") }, NULL, 0, true },
};

static void
check_found(const struct good *g, const char *how, size_t n, enum tls_hello_verdict v,
    const struct tls_hello *out, size_t len)
{
	ck_assert_msg(v == (g->host == NULL ? TLS_HELLO_NO_NAME : TLS_HELLO_FOUND),
	    "%s: %s %zu: says %d", g->name, how, n, v);
	ck_assert_msg(out->len == len, "%s: %s %zu: ends at %zu", g->name, how, n, out->len);
	ck_assert_msg(out->name_len == g->host_len && out->ech == g->ech &&
	    out->name[out->name_len] == '\0' &&
	    (g->host == NULL || memcmp(out->name, g->host, g->host_len) == 0),
	    "%s: %s %zu: finds %s", g->name, how, n, out->name);
}

START_TEST(good_hellos_say_more_until_they_are_whole)
{
	const struct good *g = &good[_i];
	struct tls_hello out;
	enum tls_hello_verdict v;
	size_t len, at;

	hello_build(&hello, &g->spec);
	len = hello_records(hello.bytes, hello.len, hello.len, hello.len, wire);
	v = parse_prefixes(g->name, wire, len, &at, &out);
	check_found(g, "prefix", at, v, &out, len);
	ck_assert_uint_eq(at, len);
}
END_TEST

START_TEST(records_may_split_it_anywhere)
{
	const struct good *g = &good[_i];
	struct tls_hello out;
	enum tls_hello_verdict v;
	size_t n, len, at;

	hello_build(&hello, &g->spec);
	for (n = 1; n < hello.len; n++) {
		len = hello_records(hello.bytes, hello.len, n, hello.len, wire);
		ck_assert_uint_eq(len, hello.len + 10);
		v = parse(wire, len, &out);
		check_found(g, "two records split at", n, v, &out, len);
		ck_assert_int_eq(parse(wire, len - 1, &out), TLS_HELLO_MORE);
		len = hello_records(hello.bytes, hello.len, n, n, wire);
		v = parse(wire, len, &out);
		check_found(g, "records of", n, v, &out, len);
	}
	len = hello_records(hello.bytes, hello.len, 1, 1, wire);
	ck_assert_uint_eq(len, hello.len * 6);
	v = parse_prefixes(g->name, wire, len, &at, &out);
	check_found(g, "a record for each byte, prefix", at, v, &out, len);
	ck_assert_uint_eq(at, len);
}
END_TEST

START_TEST(what_follows_in_later_records_is_not_judged)
{
	const struct good *g = &good[_i];
	static const char behind[][7] = {
		"\x17\3\3\0\1x", "\x14\3\3\0\1\1", "\x16\3\1", "\x16\3\3\0\0", "GET / "
	};
	struct tls_hello out;
	size_t len;

	hello_build(&hello, &g->spec);
	len = hello_records(hello.bytes, hello.len, 7, hello.len, wire);
	for (int i = 0; i < COUNT(behind); i++) {
		memcpy(wire + len, behind[i], 6);
		check_found(g, behind[i], 0, parse(wire, len + 6, &out), &out, len);
	}
}
END_TEST

/* --- bad ones ---------------------------------------------------------------- */

struct bad {
	const char *name;
	struct hello_spec spec;
	size_t at;		/* bytes of the message after which it is said */
};

/* Where things stand in a usual message: type 0, length 1, version 4, session
 * id 38, cipher suites 71, methods 81, block 83, extensions from 85. */
static const struct bad bad[] = {
	{ "a HelloRequest", { .type = HELLO_NONE }, 1 },
	{ "a ServerHello", { .type = 2 }, 1 },
	{ "a Finished", { .type = 20 }, 1 },
	{ "version 2", { .version = 0x0200 }, 5 },
	{ "version 4", { .version = 0x0400 }, 5 },
	{ "DTLS", { .version = 0xfefd }, 5 },
	{ "a session id of 33 bytes", { .session = 33 }, 39 },
	{ "a session id of 255 bytes", { .session = 255 }, 39 },
	{ "no cipher suite", { .suites = HELLO_NONE, EXT(NAME) }, 73 },
	{ "half a cipher suite", { .suites = 1, EXT(NAME) }, 73 },
	{ "odd cipher suites", { .suites = 9, EXT(NAME) }, 73 },
	{ "no compression method", { .methods = HELLO_NONE, EXT(NAME) }, 82 },
	{ "extensions that are too short by one", { EXT(NAME), .ext_lie = -1 }, 85 },
	{ "extensions that are too long by one", { EXT(NAME), .ext_lie = 1 }, 85 },
	{ "a message that ends in its extensions", { EXT(NAME), .message_lie = -1 }, 4 },
	{ "a message that ends in the random", { .message_lie = -60 }, 4 },
	{ "half an extension type", { EXT("\0") }, 85 },
	{ "an extension without a length", { EXT("\0\1") }, 87 },
	{ "half an extension header", { EXT(NAME "\0\1\0") }, 111 },
	{ "an extension past the block", { EXT("\xaa\xaa\0\5four") }, 89 },
	{ "the same extension twice", { EXT("\0\027\0\0" NAME "\0\027\0\0") }, 115 },
	{ "the same GREASE twice", { EXT("\x2a\x2a\0\0\x2a\x2a\0\0") }, 91 },
	{ "two server_name", { EXT(NAME NAME) }, 111 },
	{ "an empty server_name", { EXT("\0\0\0\0") }, 89 },
	{ "a server_name of one byte", { EXT("\0\0\0\1\0") }, 89 },
	{ "a server_name past the block", { EXT("\0\0\0\7\0\4\0\0\1a") }, 89 },
	{ "an empty list of names", { EXT("\0\0\0\2\0\0") }, 91 },
	{ "a list of names that is too short", { EXT("\0\0\0\6\0\3\0\0\1a") }, 91 },
	{ "a list of names that is too long", { EXT("\0\0\0\6\0\5\0\0\1a") }, 91 },
	{ "half a name in the list", { EXT("\0\0\0\4\0\2\0\0") }, 91 },
	{ "half a name behind a name", { EXT("\0\0\0\010\0\6\0\0\1a\0\0") }, 95 },
	{ "an empty name", { EXT("\0\0\0\5\0\3\0\0\0") }, 94 },
	{ "a name past its list", { EXT("\0\0\0\6\0\4\0\0\2a\0\027\0\0") }, 94 },
	{ "a name shorter than its list", { EXT("\0\0\0\7\0\5\0\0\1ab") }, 95 },
	{ "two host names", { EXT("\0\0\0\012\0\010\0\0\1a\0\0\1b") }, 98 },
	{ "two host names with another between", { EXT("\0\0\0\016\0\014\0\0\1a\7\0\1x\0\0\1b") }, 102 },
};

START_TEST(bad_hellos_are_told_at_once)
{
	const struct bad *b = &bad[_i];
	struct tls_hello out;
	enum tls_hello_verdict v;
	size_t len, at;

	hello_build(&hello, &b->spec);
	len = hello_records(hello.bytes, hello.len, hello.len, hello.len, wire);
	v = parse_prefixes(b->name, wire, len, &at, &out);
	ck_assert_msg(v == TLS_HELLO_MALFORMED, "%s: says %d", b->name, v);
	ck_assert_msg(at == 5 + b->at, "%s: said at %zu", b->name, at - 5);
}
END_TEST

START_TEST(bad_hellos_are_bad_in_any_records)
{
	const struct bad *b = &bad[_i];
	struct tls_hello out;
	size_t n, len, at;

	hello_build(&hello, &b->spec);
	for (n = 1; n < hello.len; n++) {
		len = hello_records(hello.bytes, hello.len, n, hello.len, wire);
		ck_assert_msg(parse(wire, len, &out) == TLS_HELLO_MALFORMED,
		    "%s: split at %zu", b->name, n);
	}
	len = hello_records(hello.bytes, hello.len, 1, 1, wire);
	ck_assert_int_eq(parse_prefixes(b->name, wire, len, &at, &out), TLS_HELLO_MALFORMED);
	/* a message cut short by its length is told when a record runs over it */
	if (b->spec.message_lie == 0)
		ck_assert_msg(at == 6 * b->at, "%s: said at %zu", b->name, at);
}
END_TEST

/* --- records that are wrong, and what is no TLS ------------------------------- */

struct raw {
	const char *name;
	enum tls_hello_verdict verdict;
	size_t at;		/* bytes after which it is said */
	const char *bytes;
	size_t len;
};

static const struct raw raws[] = {
	{ "nothing", TLS_HELLO_MORE, 0, BYTES("") },
	{ "half a record header", TLS_HELLO_MORE, 4, BYTES("\x16\3\1\2") },
	{ "a record header", TLS_HELLO_MORE, 5, BYTES("\x16\3\1\2\0") },
	{ "an alert", TLS_HELLO_MALFORMED, 2, BYTES("\x15\3\3\0\2\2\x28") },
	{ "a change of ciphers", TLS_HELLO_MALFORMED, 2, BYTES("\x14\3\3\0\1\1") },
	{ "data", TLS_HELLO_MALFORMED, 2, BYTES("\x17\3\3\0\1x") },
	{ "an empty record", TLS_HELLO_MALFORMED, 5, BYTES("\x16\3\1\0\0\x16\3\1") },
	{ "a record of 2^14 bytes", TLS_HELLO_MORE, 6, BYTES("\x16\3\1\x40\0\1") },
	{ "a record of 2^14 + 1 bytes", TLS_HELLO_MALFORMED, 5, BYTES("\x16\3\1\x40\1\1") },
	{ "a record of 2^15 bytes", TLS_HELLO_MALFORMED, 4, BYTES("\x16\3\1\x80\0\1") },
	{ "an empty record in the midst", TLS_HELLO_MALFORMED, 12, BYTES("\x16\3\1\0\2\1\0\x16\3\1\0\0") },
	{ "data in the midst", TLS_HELLO_MALFORMED, 8, BYTES("\x16\3\1\0\2\1\0\x17\3\1\0\1") },
	{ "an alert in the midst", TLS_HELLO_MALFORMED, 8, BYTES("\x16\3\1\0\2\1\0\x15\3\1\0\2") },
	{ "HTTP in the midst", TLS_HELLO_MALFORMED, 8, BYTES("\x16\3\1\0\2\1\0GET / ") },
	{ "version 2 in the midst", TLS_HELLO_MALFORMED, 9, BYTES("\x16\3\1\0\2\1\0\x16\2\1\0\1") },
	{ "a record too long in the midst", TLS_HELLO_MALFORMED, 11, BYTES("\x16\3\1\0\2\1\0\x16\3\1\x41\1") },
	{ "an empty message", TLS_HELLO_MALFORMED, 9, BYTES("\x16\3\1\0\4\1\0\0\0") },
	{ "an empty message, another behind it", TLS_HELLO_MALFORMED, 9, BYTES("\x16\3\1\0\5\1\0\0\0\1") },
	{ "a message of 2^16 bytes", TLS_HELLO_MALFORMED, 7, BYTES("\x16\3\1\0\x50\1\1\0\0") },
	{ "a message of 2^24 - 1 bytes", TLS_HELLO_MALFORMED, 7, BYTES("\x16\3\1\0\x50\1\xff\xff\xff") },
	{ "a message that fits no four records", TLS_HELLO_MALFORMED, 9, BYTES("\x16\3\1\x40\0\1\0\xff\xe9") },
	{ "a message that just fits four records", TLS_HELLO_MORE, 9, BYTES("\x16\3\1\x40\0\1\0\xff\xe8") },
	{ "the same with little in the first", TLS_HELLO_MALFORMED, 9, BYTES("\x16\3\1\0\4\1\0\xff\xe8") },

	{ "GET", TLS_HELLO_HTTP, 4, BYTES("GET / HTTP/1.1\r\n") },
	{ "POST", TLS_HELLO_HTTP, 5, BYTES("POST /a HTTP/1.1\r\n") },
	{ "HEAD", TLS_HELLO_HTTP, 5, BYTES("HEAD / HTTP/1.0\r\n") },
	{ "PUT", TLS_HELLO_HTTP, 4, BYTES("PUT / ") },
	{ "DELETE", TLS_HELLO_HTTP, 7, BYTES("DELETE / ") },
	{ "OPTIONS", TLS_HELLO_HTTP, 8, BYTES("OPTIONS * ") },
	{ "PATCH", TLS_HELLO_HTTP, 6, BYTES("PATCH / ") },
	{ "CONNECT", TLS_HELLO_HTTP, 8, BYTES("CONNECT a:443 ") },
	{ "TRACE", TLS_HELLO_HTTP, 6, BYTES("TRACE / ") },
	{ "WebDAV", TLS_HELLO_HTTP, 9, BYTES("PROPFIND / ") },
	{ "a method with a dash", TLS_HELLO_HTTP, 9, BYTES("M-SEARCH * ") },
	{ "the preface of HTTP/2", TLS_HELLO_HTTP, 4, BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") },
	{ "half a method", TLS_HELLO_MORE, 3, BYTES("OPT") },
	{ "a method and no space", TLS_HELLO_MORE, 3, BYTES("GET") },
	{ "a method and a tab", TLS_HELLO_NOT_TLS, 4, BYTES("GET\t/") },
	{ "a method that goes on", TLS_HELLO_NOT_TLS, 4, BYTES("GETS / ") },
	{ "a method of small letters", TLS_HELLO_NOT_TLS, 1, BYTES("get / ") },
	{ "no method", TLS_HELLO_NOT_TLS, 5, BYTES("PROPER / ") },

	{ "SSH", TLS_HELLO_NOT_TLS, 2, BYTES("SSH-2.0-OpenSSH_9.2\r\n") },
	{ "SSL 2", TLS_HELLO_NOT_TLS, 1, BYTES("\x80\x2e\1\0\2\0\x15\0\0\0\x10") },
	{ "a heartbeat", TLS_HELLO_NOT_TLS, 1, BYTES("\x18\3\1\0\1x") },
	{ "a handshake of version 2", TLS_HELLO_NOT_TLS, 2, BYTES("\x16\2\0\0\1\1") },
	{ "a handshake of DTLS", TLS_HELLO_NOT_TLS, 2, BYTES("\x16\xfe\xff\0\0\0") },
	{ "data of version 4", TLS_HELLO_NOT_TLS, 2, BYTES("\x17\4\0\0\1\1") },
	{ "zeroes", TLS_HELLO_NOT_TLS, 1, BYTES("\0\0\0\0") },
	{ "an empty line", TLS_HELLO_NOT_TLS, 1, BYTES("\r\nGET / ") },
	{ "a PROXY header", TLS_HELLO_NOT_TLS, 4, BYTES("PROXY TCP4 ") },
};

START_TEST(other_beginnings_get_their_verdict)
{
	const struct raw *r = &raws[_i];
	struct tls_hello out;
	enum tls_hello_verdict v;
	size_t at;

	memcpy(wire, r->bytes, r->len);
	v = parse_prefixes(r->name, wire, r->len, &at, &out);
	ck_assert_msg(v == r->verdict && at == r->at, "%s: says %d at %zu", r->name, v, at);
}
END_TEST

START_TEST(another_message_in_the_same_record_is_refused)
{
	struct tls_hello out;
	size_t len, at;

	hello_build(&hello, &(struct hello_spec){ EXT(NAME) });
	hello.bytes[hello.len++] = 1;
	len = hello_records(hello.bytes, hello.len, hello.len, hello.len, wire);
	/* known when both lengths are */
	ck_assert_int_eq(parse_prefixes("in one record", wire, len, &at, &out), TLS_HELLO_MALFORMED);
	ck_assert_uint_eq(at, 9);
	len = hello_records(hello.bytes, hello.len, 50, hello.len, wire);
	ck_assert_int_eq(parse_prefixes("in the second", wire, len, &at, &out), TLS_HELLO_MALFORMED);
	ck_assert_uint_eq(at, 5 + 50 + 5);
	len = hello_records(hello.bytes, hello.len, hello.len - 1, hello.len, wire);
	ck_assert_int_eq(parse(wire, len, &out), TLS_HELLO_FOUND);
	ck_assert_uint_eq(out.len, len - 6);
}
END_TEST

/* --- sizes -------------------------------------------------------------------- */

static void
build_padded(size_t len)
{
	hello_build(&hello, &(struct hello_spec){ EXT(NAME) });
	hello_pad(&hello, len);
	ck_assert_uint_eq(hello.len, len);
}

START_TEST(sixty_four_kibibytes_and_no_more)
{
	struct tls_hello out;
	size_t len;

	build_padded(TLS_HELLO_MAX - 4 * 5);
	len = hello_records(hello.bytes, hello.len, 16384, 16384, wire);
	ck_assert_uint_eq(len, TLS_HELLO_MAX);
	for (size_t n = 0; n < len; n += n < 200 || n > len - 200 ? 1 : 97)
		ck_assert_int_eq(parse(wire, n, &out), TLS_HELLO_MORE);
	ck_assert_int_eq(parse(wire, len, &out), TLS_HELLO_FOUND);
	ck_assert_uint_eq(out.len, TLS_HELLO_MAX);
	ck_assert_str_eq(out.name, "www.Example.org");

	build_padded(TLS_HELLO_MAX - 4 * 5 + 1);
	hello_records(hello.bytes, hello.len, 16384, 16384, wire);
	ck_assert_int_eq(parse(wire, 8, &out), TLS_HELLO_MORE);
	ck_assert_int_eq(parse(wire, 9, &out), TLS_HELLO_MALFORMED);

	/* with less in the first record it needs five, and has no room for that */
	build_padded(TLS_HELLO_MAX - 4 * 5);
	hello_records(hello.bytes, hello.len, 16364, 16384, wire);
	ck_assert_int_eq(parse(wire, 9, &out), TLS_HELLO_MORE);
	hello_records(hello.bytes, hello.len, 16363, 16384, wire);
	ck_assert_int_eq(parse(wire, 9, &out), TLS_HELLO_MALFORMED);
}
END_TEST

START_TEST(many_records_of_one_byte)
{
	size_t most = TLS_HELLO_MAX / 6, len;
	struct tls_hello out;

	build_padded(most);
	len = hello_records(hello.bytes, hello.len, 1, 1, wire);
	ck_assert_int_eq(parse(wire, len - 1, &out), TLS_HELLO_MORE);
	ck_assert_int_eq(parse(wire, len, &out), TLS_HELLO_FOUND);
	ck_assert_uint_eq(out.len, len);
	ck_assert_str_eq(out.name, "www.Example.org");

	build_padded(most + 1);
	len = hello_records(hello.bytes, hello.len, 1, 1, wire);
	ck_assert_int_eq(parse(wire, len, &out), TLS_HELLO_MALFORMED);
	ck_assert_int_eq(parse(wire, TLS_HELLO_MAX, &out), TLS_HELLO_MALFORMED);
}
END_TEST

START_TEST(as_many_extensions_as_fit)
{
	struct tls_hello out;
	unsigned type = 1;
	size_t len, last;

	hello_build(&hello, &(struct hello_spec){ EXT(NAME) });
	while (hello.len + 8 <= TLS_HELLO_MAX - 4 * 5)
		hello_add_extension(&hello, type++, NULL, 0);
	last = hello.len;
	hello_add_extension(&hello, 0xfe0d, NULL, 0);
	len = hello_records(hello.bytes, hello.len, 16384, 16384, wire);
	ck_assert_uint_gt(type, 16000);
	ck_assert_int_eq(parse(wire, len, &out), TLS_HELLO_FOUND);
	ck_assert(out.ech);

	/* the same again as the 64th, the 65th, the 66th and one far behind */
	for (type = 62; type < 16000; type = type < 66 ? type + 1 : type * 2) {
		hello.bytes[last] = (uint8_t)(type >> 8);
		hello.bytes[last + 1] = (uint8_t)type;
		hello_records(hello.bytes, hello.len, 16384, 16384, wire);
		ck_assert_int_eq(parse(wire, len, &out), TLS_HELLO_MALFORMED);
		ck_assert_int_eq(parse(wire, len - 2, &out), TLS_HELLO_MALFORMED);
		ck_assert_int_eq(parse(wire, len - 3, &out), TLS_HELLO_MORE);
	}
}
END_TEST

START_TEST(long_names)
{
	struct tls_hello out;
	char name[1000];
	size_t len, n;

	memset(name, 'x', sizeof(name));
	for (n = 250; n <= sizeof(name); n++) {
		hello_build(&hello, &(struct hello_spec){ 0 });
		hello_add_name(&hello, name, n);
		hello_add_extension(&hello, 23, NULL, 0);
		len = hello_records(hello.bytes, hello.len, 300, 300, wire);
		ck_assert_int_eq(parse(wire, len, &out), TLS_HELLO_FOUND);
		ck_assert_uint_eq(out.name_len, n < 255 ? n : 255);
		ck_assert_uint_eq(strlen(out.name), out.name_len);
	}
}
END_TEST

/* --- whatever comes -------------------------------------------------------------- */

START_TEST(any_byte_may_be_any_other)
{
	uint8_t usual[1024], changed[1024];
	size_t len = hello_usual("www.example.org", usual), n;
	enum tls_hello_verdict v, w;
	struct tls_hello out;

	for (size_t i = 0; i < len; i++) {
		memcpy(changed, usual, len);
		for (unsigned x = 1; x < 256; x++) {
			changed[i] = (uint8_t)(usual[i] ^ x);
			v = parse(changed, len, &out);
			/* and once said, it stays */
			for (n = i + 1; n < len; n += 11) {
				w = parse(changed, n, &out);
				ck_assert_msg(w == TLS_HELLO_MORE || w == v,
				    "byte %zu as %02x: %d at %zu, then %d", i, changed[i], w, n, v);
			}
		}
	}
}
END_TEST

START_TEST(a_usual_hello)
{
	uint8_t usual[1024];
	size_t len = hello_usual("console.apps.hub.linuxera.lab", usual);
	struct tls_hello out;

	ck_assert_int_eq(parse(usual, len, &out), TLS_HELLO_FOUND);
	ck_assert_str_eq(out.name, "console.apps.hub.linuxera.lab");
	ck_assert_uint_eq(out.len, len);
	len = hello_usual(NULL, usual);
	ck_assert_int_eq(parse(usual, len, &out), TLS_HELLO_NO_NAME);
	ck_assert_uint_eq(out.name_len, 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("tls_hello");
	TCase *t = tcase_create("hello");
	SRunner *sr;
	int failed;

	tcase_set_timeout(t, 120);	/* under valgrind, too */
	tcase_add_loop_test(t, good_hellos_say_more_until_they_are_whole, 0, COUNT(good));
	tcase_add_loop_test(t, records_may_split_it_anywhere, 0, COUNT(good));
	tcase_add_loop_test(t, what_follows_in_later_records_is_not_judged, 0, COUNT(good));
	tcase_add_loop_test(t, bad_hellos_are_told_at_once, 0, COUNT(bad));
	tcase_add_loop_test(t, bad_hellos_are_bad_in_any_records, 0, COUNT(bad));
	tcase_add_loop_test(t, other_beginnings_get_their_verdict, 0, COUNT(raws));
	tcase_add_test(t, another_message_in_the_same_record_is_refused);
	tcase_add_test(t, sixty_four_kibibytes_and_no_more);
	tcase_add_test(t, many_records_of_one_byte);
	tcase_add_test(t, as_many_extensions_as_fit);
	tcase_add_test(t, long_names);
	tcase_add_test(t, any_byte_may_be_any_other);
	tcase_add_test(t, a_usual_hello);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
