/* SPDX-License-Identifier: ISC */
/*
 * Reading and writing PROXY headers.  Pure, in a worker; must never take for
 * whole what another reader of the protocol could take for something else.
 */
#include "config.h"
#include "wire/proxy_header.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define V1_START	"PROXY "
#define V2_HEADER	16u
#define TLV_HEADER	3u

enum { TLV_CRC32C = 3 };

static const uint8_t signature[12] = {
	'\r', '\n', '\r', '\n', '\0', '\r', '\n', 'Q', 'U', 'I', 'T', '\n'
};

/* --- version 1: a line of text ------------------------------------------------- */

/* A decimal port without leading zeros or signs. */
static bool
parse_port(const char *text, uint16_t *port)
{
	unsigned n = 0;
	const char *p;

	if (text[0] == '\0' || (text[0] == '0' && text[1] != '\0') || strlen(text) > 5)
		return false;
	for (p = text; *p != '\0'; p++) {
		if (*p < '0' || *p > '9')
			return false;
		n = n * 10 + (unsigned)(*p - '0');
	}
	*port = (uint16_t)n;
	return n <= 65535;
}

static bool
parse_address(enum proxy_family family, const char *text, struct proxy_addr *a)
{
	a->family = family;
	return inet_pton(family == PROXY_FAMILY_IPV4 ? AF_INET : AF_INET6, text, a->bytes) == 1;
}

/* Cut the next word off; exactly one space between two.  NULL: none left. */
static char *
next_word(char **rest)
{
	char *word = *rest, *end;

	if (word == NULL || *word == '\0')
		return NULL;
	end = strchr(word, ' ');
	if (end != NULL)
		*end++ = '\0';
	*rest = end;
	return word;
}

static bool
is_unknown(const char *line)
{
	size_t n = strlen("UNKNOWN");

	return strncmp(line, "UNKNOWN", n) == 0 && (line[n] == '\0' || line[n] == ' ');
}

static bool
parse_v1_words(char *line, struct proxy_header *out)
{
	enum proxy_family family;
	char *rest = line, *word[5];

	if (is_unknown(line)) {
		out->local = true;	/* the rest of the line is to be ignored */
		return true;
	}
	for (unsigned i = 0; i < 5; i++)
		if ((word[i] = next_word(&rest)) == NULL)
			return false;
	if (strcmp(word[0], "TCP4") == 0)
		family = PROXY_FAMILY_IPV4;
	else if (strcmp(word[0], "TCP6") == 0)
		family = PROXY_FAMILY_IPV6;
	else
		return false;
	return rest == NULL && parse_address(family, word[1], &out->source) &&
	    parse_address(family, word[2], &out->destination) &&
	    parse_port(word[3], &out->source.port) && parse_port(word[4], &out->destination.port);
}

/* Whether the line begins as one of the three can, as far as it is there. */
static bool
v1_begins_well(const uint8_t *buf, size_t len)
{
	static const char *const starts[] = {
		V1_START "TCP4 ", V1_START "TCP6 ", V1_START "UNKNOWN"
	};

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		size_t n = strlen(starts[i]);

		if (memcmp(buf, starts[i], len < n ? len : n) == 0)
			return true;
	}
	return false;
}

static enum proxy_header_verdict
parse_v1(const uint8_t *buf, size_t len, struct proxy_header *out)
{
	char line[PROXY_HEADER_V1_MAX];
	size_t start = strlen(V1_START), i;

	if (!v1_begins_well(buf, len))
		return PROXY_HEADER_MALFORMED;
	for (i = start; i < len && buf[i] != '\n'; i++)
		if (i == PROXY_HEADER_V1_MAX - 1 || buf[i] == '\0' || buf[i - 1] == '\r')
			return PROXY_HEADER_MALFORMED;
	if (i >= len)
		return PROXY_HEADER_MORE;
	if (buf[i - 1] != '\r')
		return PROXY_HEADER_MALFORMED;
	memcpy(line, buf + start, i - 1 - start);
	line[i - 1 - start] = '\0';
	out->len = i + 1;
	return parse_v1_words(line, out) ? PROXY_HEADER_FOUND : PROXY_HEADER_MALFORMED;
}

/* --- version 2: binary ----------------------------------------------------------- */

/* CRC-32C of the whole header, in which the checksum itself, at hole, counts
 * as four zero bytes. */
static uint32_t
crc32c(const uint8_t *p, size_t len, size_t hole)
{
	uint32_t crc = 0xffffffffu;

	for (size_t i = 0; i < len; i++) {
		crc ^= i >= hole && i < hole + 4 ? 0u : p[i];
		for (int k = 0; k < 8; k++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0u);
	}
	return ~crc;
}

/* The extensions behind the addresses: each whole, and a checksum right. */
static bool
tlvs_are_good(const uint8_t *buf, size_t at, size_t end)
{
	size_t n;

	for (; at < end; at += TLV_HEADER + n) {
		const uint8_t *c = buf + at + TLV_HEADER;

		if (end - at < TLV_HEADER)
			return false;
		n = (size_t)buf[at + 1] << 8 | buf[at + 2];
		if (n > end - at - TLV_HEADER)
			return false;
		if (buf[at] == TLV_CRC32C && (n != 4 || crc32c(buf, end, at + TLV_HEADER) !=
		    ((uint32_t)c[0] << 24 | (uint32_t)c[1] << 16 | (uint32_t)c[2] << 8 | c[3])))
			return false;
	}
	return true;
}

static void
take_v2_addresses(const uint8_t *p, size_t size, enum proxy_family family, struct proxy_header *out)
{
	out->source.family = out->destination.family = family;
	memcpy(out->source.bytes, p, size);
	memcpy(out->destination.bytes, p + size, size);
	p += 2 * size;
	out->source.port = (uint16_t)(p[0] << 8 | p[1]);
	out->destination.port = (uint16_t)(p[2] << 8 | p[3]);
}

static enum proxy_header_verdict
parse_v2(const uint8_t *buf, size_t len, struct proxy_header *out)
{
	/* of AF_UNSPEC, AF_INET, AF_INET6, AF_UNIX */
	static const size_t address_size[4] = { 0, 12, 36, 216 };
	size_t body, family;

	if (len > 12 && (buf[12] >> 4 != 2 || (buf[12] & 15) > 1))
		return PROXY_HEADER_MALFORMED;
	if (len > 13 && (buf[13] >> 4 > 3 || (buf[13] & 15) > 2))
		return PROXY_HEADER_MALFORMED;
	if (len < V2_HEADER)
		return PROXY_HEADER_MORE;
	body = (size_t)buf[14] << 8 | buf[15];
	family = buf[13] >> 4;
	out->len = V2_HEADER + body;
	/* what LOCAL and AF_UNSPEC carry has no known shape, and is to be ignored */
	out->local = (buf[12] & 15) == 0 || family == 0;
	if (out->len > PROXY_HEADER_MAX || (!out->local && body < address_size[family]))
		return PROXY_HEADER_MALFORMED;
	if (len < out->len)
		return PROXY_HEADER_MORE;
	if (out->local)
		return PROXY_HEADER_FOUND;
	if (!tlvs_are_good(buf, V2_HEADER + address_size[family], out->len))
		return PROXY_HEADER_MALFORMED;
	if (buf[13] == 0x11)
		take_v2_addresses(buf + V2_HEADER, 4, PROXY_FAMILY_IPV4, out);
	else if (buf[13] == 0x21)
		take_v2_addresses(buf + V2_HEADER, 16, PROXY_FAMILY_IPV6, out);
	else
		out->local = true;	/* UDP or a Unix socket: no address of a client of ours */
	return PROXY_HEADER_FOUND;
}

enum proxy_header_verdict
proxy_header_parse(const uint8_t *buf, size_t len, struct proxy_header *out)
{
	memset(out, 0, sizeof(*out));
	if (len == 0)
		return PROXY_HEADER_MORE;
	if (buf[0] != signature[0])
		return parse_v1(buf, len, out);
	if (memcmp(buf, signature, len < sizeof(signature) ? len : sizeof(signature)) != 0)
		return PROXY_HEADER_MALFORMED;
	return parse_v2(buf, len, out);
}

/* --- writing ------------------------------------------------------------------------ */

size_t
proxy_header_format_v1(const struct proxy_addr *source, const struct proxy_addr *destination,
    uint8_t *buf, size_t size)
{
	char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN], line[PROXY_HEADER_V1_MAX + 1];
	bool four = source != NULL && source->family == PROXY_FAMILY_IPV4;
	int family = four ? AF_INET : AF_INET6, n;

	if (source == NULL) {
		n = snprintf(line, sizeof(line), "PROXY UNKNOWN\r\n");
	} else {
		if (inet_ntop(family, source->bytes, from, sizeof(from)) == NULL ||
		    inet_ntop(family, destination->bytes, to, sizeof(to)) == NULL)
			return 0;
		n = snprintf(line, sizeof(line), "PROXY %s %s %s %u %u\r\n",
		    four ? "TCP4" : "TCP6", from, to, source->port, destination->port);
	}
	if (n < 0 || (size_t)n >= sizeof(line) || (size_t)n > size)
		return 0;
	memcpy(buf, line, (size_t)n);
	return (size_t)n;
}

size_t
proxy_header_format_v2(const struct proxy_addr *source, const struct proxy_addr *destination,
    uint8_t *buf, size_t size)
{
	size_t one = source == NULL ? 0 : source->family == PROXY_FAMILY_IPV4 ? 4 : 16;
	size_t body = source == NULL ? 0 : 2 * one + 4;
	uint8_t *p;

	if (size < V2_HEADER + body)
		return 0;
	memcpy(buf, signature, sizeof(signature));
	buf[12] = source == NULL ? 0x20 : 0x21;
	buf[13] = source == NULL ? 0x00 : one == 4 ? 0x11 : 0x21;
	buf[14] = 0;
	buf[15] = (uint8_t)body;
	if (source == NULL)
		return V2_HEADER;
	p = buf + V2_HEADER;
	memcpy(p, source->bytes, one);
	memcpy(p + one, destination->bytes, one);
	p += 2 * one;
	p[0] = (uint8_t)(source->port >> 8);
	p[1] = (uint8_t)source->port;
	p[2] = (uint8_t)(destination->port >> 8);
	p[3] = (uint8_t)destination->port;
	return V2_HEADER + body;
}
