/* SPDX-License-Identifier: ISC */
/*
 * Host names in one spelling.  Pure: bytes in, bytes out, in any process.
 */
#include "config.h"
#include "wire/hostname.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

#define NAME_MAX_LEN	253
#define LABEL_MAX_LEN	63

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool
is_name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

int
hostname_canon(const char *in, size_t len, char out[HOSTNAME_SIZE])
{
	size_t label = 0;

	if (len > 0 && in[len - 1] == '.')
		len--;
	if (len == 0 || len > NAME_MAX_LEN)
		return -1;
	for (size_t i = 0; i < len; i++) {
		out[i] = lower(in[i]);
		if (out[i] == '.') {
			if (label == 0)
				return -1;
			label = 0;
		} else if (!is_name_byte(out[i]) || ++label > LABEL_MAX_LEN) {
			return -1;
		}
	}
	out[len] = '\0';
	return label == 0 ? -1 : (int)len;
}

/* RFC 3986 3.2.3: the digits may be missing. */
static bool
port_is_good(const char *p, size_t len)
{
	unsigned n = 0;

	for (size_t i = 0; i < len; i++) {
		if (p[i] < '0' || p[i] > '9')
			return false;
		n = n * 10 + (unsigned)(p[i] - '0');
		if (n > 65535)
			return false;
	}
	return true;
}

/* "[V6]", and a port behind it; in the one spelling of RFC 5952. */
static int
bracketed(const char *in, size_t len, char out[HOSTNAME_SIZE])
{
	const char *end = memchr(in, ']', len);
	char ip[INET6_ADDRSTRLEN];
	struct in6_addr a;
	size_t n;

	if (end == NULL || (n = (size_t)(end - in)) > sizeof(ip))
		return -1;
	if (n + 1 < len && (in[n + 1] != ':' || !port_is_good(in + n + 2, len - n - 2)))
		return -1;
	memcpy(ip, in + 1, n - 1);
	ip[n - 1] = '\0';
	if (strlen(ip) != n - 1 || inet_pton(AF_INET6, ip, &a) != 1 ||
	    inet_ntop(AF_INET6, &a, out + 1, INET6_ADDRSTRLEN) == NULL)
		return -1;
	n = strlen(out + 1) + 1;
	out[0] = '[';
	out[n] = ']';
	out[n + 1] = '\0';
	return (int)n + 1;
}

int
hostname_from_host_field(const char *in, size_t len, char out[HOSTNAME_SIZE])
{
	const char *colon;

	if (len > 0 && in[0] == '[')
		return bracketed(in, len, out);
	colon = len > 0 ? memchr(in, ':', len) : NULL;
	if (colon != NULL) {
		size_t host = (size_t)(colon - in);

		if (!port_is_good(colon + 1, len - host - 1))
			return -1;
		len = host;
	}
	if (len > 0)
		return hostname_canon(in, len, out);
	out[0] = '\0';
	return 0;
}
