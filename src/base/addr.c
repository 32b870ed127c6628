/* SPDX-License-Identifier: ISC */
/*
 * One spelling for every address.  Runs in all processes; pure but for
 * if_nametoindex, which only parsing a configuration can reach.
 */
#include "config.h"
#include "base/addr.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static const uint8_t v4_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static void
addr_set_v4(struct addr *a, const void *four)
{
	a->family = ADDR_IPV4;
	memcpy(a->ip, v4_prefix, sizeof(v4_prefix));
	memcpy(a->ip + 12, four, 4);
}

void
addr_from_sockaddr(struct addr *a, const struct sockaddr *sa)
{
	memset(a, 0, sizeof(*a));
	if (sa->sa_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, sa, sizeof(in));
		addr_set_v4(a, &in.sin_addr);
		a->port = ntohs(in.sin_port);
	} else if (sa->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, sa, sizeof(in6));
		if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) {
			addr_set_v4(a, in6.sin6_addr.s6_addr + 12);
		} else {
			a->family = ADDR_IPV6;
			memcpy(a->ip, &in6.sin6_addr, sizeof(a->ip));
			a->scope = in6.sin6_scope_id;
		}
		a->port = ntohs(in6.sin6_port);
	} else if (sa->sa_family == AF_UNIX) {
		a->family = ADDR_UNIX;
	}
}

socklen_t
addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *ss)
{
	memset(ss, 0, sizeof(*ss));
	if (a->family == ADDR_IPV4) {
		struct sockaddr_in *in = (void *)ss;

		in->sin_family = AF_INET;
		in->sin_port = htons(a->port);
		memcpy(&in->sin_addr, a->ip + 12, 4);
		return sizeof(*in);
	}
	if (a->family == ADDR_IPV6) {
		struct sockaddr_in6 *in6 = (void *)ss;

		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(a->port);
		in6->sin6_scope_id = a->scope;
		memcpy(&in6->sin6_addr, a->ip, 16);
		return sizeof(*in6);
	}
	return 0;
}

const uint8_t *
addr_bytes(const struct addr *a, size_t *len)
{
	if (a->family == ADDR_IPV4) {
		*len = 4;
		return a->ip + 12;
	}
	*len = 16;
	return a->ip;
}

/* The zone of a link-local address ("eth0", "2"); false if unknown. */
static bool
addr_parse_zone(const char *zone, uint32_t *scope)
{
	size_t n = strspn(zone, "0123456789");

	*scope = if_nametoindex(zone);
	if (*scope == 0 && n > 0 && n <= 5 && zone[n] == '\0')
		*scope = (uint32_t)strtoul(zone, NULL, 10);
	return *scope != 0;
}

bool
addr_parse_ip(const char *text, struct addr *a)
{
	char copy[ADDR_IP_STRLEN], *zone;
	struct in6_addr six;
	struct in_addr four;
	size_t len = strlen(text);

	memset(a, 0, sizeof(*a));
	if (len < 2 || len >= sizeof(copy))
		return false;
	if (text[0] == '[') {
		if (text[len - 1] != ']')
			return false;
		memcpy(copy, text + 1, len - 2);
		copy[len - 2] = '\0';
	} else {
		memcpy(copy, text, len + 1);
		if (inet_pton(AF_INET, copy, &four) == 1) {
			addr_set_v4(a, &four);
			return true;
		}
	}
	if ((zone = strchr(copy, '%')) != NULL) {
		*zone++ = '\0';
		if (!addr_parse_zone(zone, &a->scope))
			return false;
	}
	if (inet_pton(AF_INET6, copy, &six) != 1)
		return false;
	if (zone != NULL && !IN6_IS_ADDR_LINKLOCAL(&six))
		return false;	/* or one address would be two */
	if (IN6_IS_ADDR_V4MAPPED(&six)) {
		addr_set_v4(a, six.s6_addr + 12);
	} else {
		a->family = ADDR_IPV6;
		memcpy(a->ip, &six, sizeof(a->ip));
	}
	return true;
}

/* inet_ntop would do; four small numbers are on the path of every log line. */
static char *
put_octet(char *p, uint8_t n)
{
	if (n >= 100)
		*p++ = (char)('0' + n / 100);
	if (n >= 10)
		*p++ = (char)('0' + n / 10 % 10);
	*p++ = (char)('0' + n % 10);
	return p;
}

const char *
addr_format_ip(const struct addr *a, char buf[ADDR_IP_STRLEN])
{
	char *p = buf;
	int i;

	/* a family that is none can stand in memory that others write */
	strcpy(buf, "?");
	switch ((enum addr_family)a->family) {
	case ADDR_IPV4:
		for (i = 12; i < 16; i++) {
			if (i > 12)
				*p++ = '.';
			p = put_octet(p, a->ip[i]);
		}
		*p = '\0';
		break;
	case ADDR_IPV6:
		if (inet_ntop(AF_INET6, a->ip, buf, ADDR_IP_STRLEN) == NULL)
			strcpy(buf, "?");
		break;
	case ADDR_UNIX:
		strcpy(buf, "unix");
		break;
	case ADDR_NONE:
		strcpy(buf, "-");
		break;
	}
	return buf;
}

const char *
addr_format(const struct addr *a, bool bracket, char buf[ADDR_STRLEN])
{
	char ip[ADDR_IP_STRLEN], digits[8];
	bool six = bracket && a->family == ADDR_IPV6;
	char *p = buf, *d = digits + sizeof(digits);
	unsigned n = a->port;
	size_t len;

	addr_format_ip(a, ip);
	len = strlen(ip);
	if (six)
		*p++ = '[';
	memcpy(p, ip, len);
	p += len;
	if (six)
		*p++ = ']';
	*--d = '\0';
	do {
		*--d = (char)('0' + n % 10);
	} while ((n /= 10) != 0);
	*p++ = ':';
	strcpy(p, d);
	return buf;
}

bool
addr_equal(const struct addr *a, const struct addr *b)
{
	return a->family == b->family && a->port == b->port && a->scope == b->scope &&
	    memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}
