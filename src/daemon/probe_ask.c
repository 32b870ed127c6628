/* SPDX-License-Identifier: ISC */
/* What probes ask.  In the checker. */
#include "config.h"
#include "daemon/probe_ask.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"

static uint8_t *
put16(uint8_t *p, size_t n)
{
	*p++ = (uint8_t)(n >> 8);
	*p++ = (uint8_t)n;
	return p;
}

static uint8_t *
put_bytes(uint8_t *p, const void *bytes, size_t n)
{
	memcpy(p, bytes, n);
	return p + n;
}

/* Different in each hello, and no secret: nothing is ever encrypted with it. */
static void
fill_random(uint8_t *out, size_t n)
{
	static uint64_t state;
	uint64_t z;
	size_t i;

	if (state == 0 && getrandom(&state, sizeof(state), 0) != sizeof(state))
		state = (uint64_t)clock_us();
	for (i = 0; i < n; i += sizeof(z)) {	/* splitmix64 */
		z = state += UINT64_C(0x9e3779b97f4a7c15);
		z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
		z ^= z >> 31;
		memcpy(out + i, &z, sizeof(z));
	}
}

/* A hello as today's clients send it (TLS 1.3 and 1.2), so that servers answer
 * it with a handshake and not with a complaint in their log. */
size_t
probe_ask_tls(uint8_t *out, const char *sni)
{
	static const uint8_t suites[] = { 0x13, 0x01, 0x13, 0x02, 0x13, 0x03,
	    0xc0, 0x2b, 0xc0, 0x2f, 0xc0, 0x2c, 0xc0, 0x30, 0xcc, 0xa9, 0xcc, 0xa8,
	    0x00, 0x9c, 0x00, 0x9d, 0x00, 0x2f, 0x00, 0x35 };
	static const uint8_t fixed[] = {
	    0x00, 0x2b, 0x00, 0x05, 0x04, 0x03, 0x04, 0x03, 0x03,	/* versions 1.3, 1.2 */
	    0x00, 0x0a, 0x00, 0x08, 0x00, 0x06, 0x00, 0x1d, 0x00, 0x17, 0x00, 0x18,	/* groups */
	    0x00, 0x0b, 0x00, 0x02, 0x01, 0x00,			/* point formats */
	    0x00, 0x0d, 0x00, 0x14, 0x00, 0x12, 0x04, 0x03, 0x08, 0x04, 0x04, 0x01, 0x05, 0x03,
	    0x08, 0x05, 0x05, 0x01, 0x08, 0x06, 0x06, 0x01, 0x02, 0x01,	/* signatures */
	    0x00, 0x33, 0x00, 0x26, 0x00, 0x24, 0x00, 0x1d, 0x00, 0x20 };	/* key share, X25519 */
	size_t n = strlen(sni);
	uint8_t random[32 + 32 + 32], *p = out + 9, *extensions;

	fill_random(random, sizeof(random));
	p = put_bytes(p, "\x03\x03", 2);
	p = put_bytes(p, random, 32);
	*p++ = 32;
	p = put_bytes(p, random + 32, 32);
	p = put16(p, sizeof(suites));
	p = put_bytes(p, suites, sizeof(suites));
	p = put_bytes(p, "\x01\x00", 2);
	extensions = p;
	p += 2;
	if (n > 0 && n < 254) {
		p = put16(p, 0);
		p = put16(p, n + 5);
		p = put16(p, n + 3);
		*p++ = 0;
		p = put16(p, n);
		p = put_bytes(p, sni, n);
	}
	p = put_bytes(p, fixed, sizeof(fixed));
	p = put_bytes(p, random + 64, 32);
	put16(extensions, (size_t)(p - extensions) - 2);
	memcpy(out, "\x16\x03\x01", 3);
	put16(out + 3, (size_t)(p - out) - 5);
	out[5] = 1;
	out[6] = 0;
	put16(out + 7, (size_t)(p - out) - 9);
	return (size_t)(p - out);
}

/* The server's own host; a zone is nobody's business but this machine's. */
const char *
probe_ask_host(const char *host, char buf[PROBE_HOST_MAX])
{
	snprintf(buf, PROBE_HOST_MAX, "%.*s", (int)strcspn(host, "%"), host);
	return buf;
}

size_t
probe_ask_http(const struct conf_check *check, const char *host, char *out, size_t size)
{
	bool given = check->host[0] != '\0', six = !given && strchr(host, ':') != NULL;
	char buf[PROBE_HOST_MAX];
	const char *name = given ? check->host : probe_ask_host(host, buf);
	/* an IPv6 address in brackets (RFC 3986, 3.2.2) */
	int n = snprintf(out, size,
	    "GET %s HTTP/1.1\r\nHost: %s%s%s\r\nUser-Agent: durward-check\r\nConnection: close\r\n\r\n",
	    check->path, six ? "[" : "", name, six ? "]" : "");

	return n > 0 && (size_t)n < size ? (size_t)n : 0;
}
