/* SPDX-License-Identifier: ISC */
/* Reading and writing PROXY headers.  Pure. */
#include "wire/proxy_header.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static const uint8_t signature[12] = "\r\n\r\n\0\r\nQUIT\n";
#define V1_START	"PROXY "
#define V2_HEADER	16u

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
parse_v1_words(char *line, struct proxy_header *out)
{
	enum proxy_family family;
	char *rest = line, *word[5];
	unsigned i;

	word[0] = next_word(&rest);
	if (word[0] == NULL)
		return false;
	if (strcmp(word[0], "UNKNOWN") == 0) {
		out->local = true;	/* the rest of the line is to be ignored */
		return true;
	}
	if (strcmp(word[0], "TCP4") == 0)
		family = PROXY_FAMILY_IPV4;
	else if (strcmp(word[0], "TCP6") == 0)
		family = PROXY_FAMILY_IPV6;
	else
		return false;
	for (i = 1; i < 5; i++)
		if ((word[i] = next_word(&rest)) == NULL)
			return false;
	return rest == NULL && parse_address(family, word[1], &out->source) &&
	    parse_address(family, word[2], &out->destination) &&
	    parse_port(word[3], &out->source.port) && parse_port(word[4], &out->destination.port);
}

static enum proxy_header_verdict
parse_v1(const uint8_t *buf, size_t len, struct proxy_header *out)
{
	char line[PROXY_HEADER_V1_MAX + 1];
	size_t start = strlen(V1_START), most = len < PROXY_HEADER_V1_MAX ? len : PROXY_HEADER_V1_MAX, i;

	if (memcmp(buf, V1_START, len < start ? len : start) != 0)
		return PROXY_HEADER_MALFORMED;
	for (i = start; i < most && buf[i] != '\n'; i++)
		if (buf[i] == '\0' || (buf[i - 1] == '\r' && i > start))
			return PROXY_HEADER_MALFORMED;
	if (i >= most)
		return most == PROXY_HEADER_V1_MAX ? PROXY_HEADER_MALFORMED : PROXY_HEADER_MORE;
	if (i == start || buf[i - 1] != '\r')
		return PROXY_HEADER_MALFORMED;
	memcpy(line, buf + start, i - 1 - start);
	line[i - 1 - start] = '\0';
	out->len = i + 1;
	return parse_v1_words(line, out) ? PROXY_HEADER_FOUND : PROXY_HEADER_MALFORMED;
}

/* --- version 2: binary ----------------------------------------------------------- */

static uint32_t
crc32c(const uint8_t *p, size_t len, size_t hole)
{
	uint32_t crc = 0xffffffffu;
	size_t i;
	int k;

	for (i = 0; i < len; i++) {
		/* the checksum itself counts as four zero bytes */
		crc ^= i >= hole && i < hole + 4 ? 0u : p[i];
		for (k = 0; k < 8; k++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0u);
	}
	return ~crc;
}

/* The extensions behind the addresses: whole, and a checksum (type 3) right. */
static bool
check_tlvs(const uint8_t *buf, size_t at, size_t end)
{
	size_t n;

	while (at < end) {
		if (end - at < 3)
			return false;
		n = (size_t)buf[at + 1] << 8 | buf[at + 2];
		if (n > end - at - 3)
			return false;
		if (buf[at] == 0x03) {
			const uint8_t *c = buf + at + 3;

			if (n != 4 || crc32c(buf, end, at + 3) !=
			    ((uint32_t)c[0] << 24 | (uint32_t)c[1] << 16 | (uint32_t)c[2] << 8 | c[3]))
				return false;
		}
		at += 3 + n;
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
	size_t body, used = 0;

	if (len > 12 && (buf[12] >> 4 != 2 || (buf[12] & 15) > 1))
		return PROXY_HEADER_MALFORMED;
	if (len > 13 && (buf[13] >> 4 > 3 || (buf[13] & 15) > 2))
		return PROXY_HEADER_MALFORMED;
	if (len < V2_HEADER)
		return PROXY_HEADER_MORE;
	body = (size_t)buf[14] << 8 | buf[15];
	out->len = V2_HEADER + body;
	if (out->len > PROXY_HEADER_MAX)
		return PROXY_HEADER_MALFORMED;
	if (buf[13] >> 4 == 1)
		used = 12;
	else if (buf[13] >> 4 == 2)
		used = 36;
	else if (buf[13] >> 4 == 3)
		used = 216;
	out->local = (buf[12] & 15) == 0;
	if (!out->local && body < used)
		return PROXY_HEADER_MALFORMED;
	if (len < out->len)
		return PROXY_HEADER_MORE;
	if (out->local)
		return PROXY_HEADER_FOUND;	/* whatever it carries is to be ignored */
	if (!check_tlvs(buf, V2_HEADER + used, out->len))
		return PROXY_HEADER_MALFORMED;
	if (buf[13] == 0x11)
		take_v2_addresses(buf + V2_HEADER, 4, PROXY_FAMILY_IPV4, out);
	else if (buf[13] == 0x21)
		take_v2_addresses(buf + V2_HEADER, 16, PROXY_FAMILY_IPV6, out);
	else
		out->local = true;	/* UNSPEC, UDP, UNIX: no address we could use */
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
	char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];
	int family, n;

	if (source == NULL) {
		n = snprintf((char *)buf, size, "PROXY UNKNOWN\r\n");
	} else {
		family = source->family == PROXY_FAMILY_IPV4 ? AF_INET : AF_INET6;
		if (inet_ntop(family, source->bytes, from, sizeof(from)) == NULL ||
		    inet_ntop(family, destination->bytes, to, sizeof(to)) == NULL)
			return 0;
		n = snprintf((char *)buf, size, "PROXY %s %s %s %u %u\r\n",
		    family == AF_INET ? "TCP4" : "TCP6", from, to, source->port, destination->port);
	}
	return n > 0 && (size_t)n < size ? (size_t)n : 0;
}

size_t
proxy_header_format_v2(const struct proxy_addr *source, const struct proxy_addr *destination,
    uint8_t *buf, size_t size)
{
	size_t one = source == NULL ? 0 : source->family == PROXY_FAMILY_IPV4 ? 4 : 16;
	size_t body = source == NULL ? 0 : 2 * one + 4;
	uint8_t *p = buf + V2_HEADER;

	if (size < V2_HEADER + body)
		return 0;
	memcpy(buf, signature, sizeof(signature));
	buf[12] = source == NULL ? 0x20 : 0x21;
	buf[13] = source == NULL ? 0x00 : one == 4 ? 0x11 : 0x21;
	buf[14] = 0;
	buf[15] = (uint8_t)body;
	if (source == NULL)
		return V2_HEADER;
	memcpy(p, source->bytes, one);
	memcpy(p + one, destination->bytes, one);
	p += 2 * one;
	p[0] = (uint8_t)(source->port >> 8);
	p[1] = (uint8_t)source->port;
	p[2] = (uint8_t)(destination->port >> 8);
	p[3] = (uint8_t)destination->port;
	return V2_HEADER + body;
}
