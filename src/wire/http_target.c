/* SPDX-License-Identifier: ISC */
/*
 * Request targets and authorities.  In workers; pure.
 *
 * Strict where it decides who is asked (the host), lenient where it does not
 * (the path, any visible ASCII): a proxy must not stand between a client and
 * its application over a character that neither minds.
 */
#include "config.h"
#include "wire/http_target.h"

#include <arpa/inet.h>
#include <string.h>

#include "wire/http_text.h"

static struct http_span
without_dot(struct http_span name)
{
	if (name.len > 0 && name.p[name.len - 1] == '.')
		name.len--;
	return name;
}

static bool
name_is_good(struct http_span name)
{
	size_t i;
	char c;

	for (i = 0; i < name.len; i++) {
		c = http_lower(name.p[i]);
		if (!(c >= 'a' && c <= 'z') && !http_is_digit(c) && c != '-' &&
		    c != '.' && c != '_')
			return false;
	}
	return true;
}

/* "[...]", brackets included. */
static bool
literal_is_good(struct http_span name)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr ip;
	size_t len = name.len - 2;

	if (len >= sizeof text || memchr(name.p, '\0', name.len) != NULL)
		return false;
	memcpy(text, name.p + 1, len);
	text[len] = '\0';
	return inet_pton(AF_INET6, text, &ip) == 1;
}

/* ":" and digits, possibly none (RFC 3986, 3.2.3). */
static bool
port_parse(struct http_span text, unsigned *port)
{
	size_t i;

	*port = 0;
	if (text.len == 0)
		return true;
	if (text.p[0] != ':' || text.len > 6)
		return false;
	for (i = 1; i < text.len; i++) {
		if (!http_is_digit(text.p[i]))
			return false;
		*port = *port * 10 + (unsigned)(text.p[i] - '0');
	}
	return *port <= 65535;
}

bool
http_authority_parse(struct http_span text, struct http_authority *a)
{
	const char *end;
	struct http_span port;
	bool literal = text.len > 0 && text.p[0] == '[';

	a->name = text;
	a->port = 0;
	if (text.len == 0)
		return true;
	end = memchr(text.p, literal ? ']' : ':', text.len);
	if (literal && end == NULL)
		return false;
	if (literal)
		end++;
	else if (end == NULL)
		end = text.p + text.len;
	a->name.len = (size_t)(end - text.p);
	port.p = end;
	port.len = text.len - a->name.len;
	/* "." names nobody, and would be the same as an empty name. */
	if (without_dot(a->name).len == 0 || !port_parse(port, &a->port))
		return false;
	return literal ? literal_is_good(a->name) : name_is_good(a->name);
}

bool
http_authority_same(const struct http_authority *a, const struct http_authority *b,
    unsigned default_port)
{
	return http_span_same(without_dot(a->name), without_dot(b->name)) &&
	    (a->port ? a->port : default_port) == (b->port ? b->port : default_port);
}

/* The length of "http://" or "https://" at the beginning, else 0. */
static size_t
scheme_len(struct http_span target)
{
	struct http_span s = target;

	s.len = 7;
	if (target.len >= 7 && http_span_is(s, "http://"))
		return 7;
	s.len = 8;
	return target.len >= 8 && http_span_is(s, "https://") ? 8 : 0;
}

unsigned
http_target_port(const struct http_request *r)
{
	return scheme_len(r->target) == 8 ? 443 : 80;
}

static bool
absolute_sort(struct http_request *r)
{
	const char *end = r->target.p + r->target.len;
	struct http_authority a;
	size_t scheme = scheme_len(r->target);

	if (scheme == 0)
		return false;
	r->host.p = r->path.p = r->target.p + scheme;
	while (r->path.p < end && *r->path.p != '/' && *r->path.p != '?')
		r->path.p++;
	r->path.len = (size_t)(end - r->path.p);
	r->host.len = (size_t)(r->path.p - r->host.p);
	r->form = HTTP_ABSOLUTE;
	/* Empty: must be refused (RFC 9110, 4.2.1). */
	return r->host.len > 0 && http_authority_parse(r->host, &a);
}

/* Methods are case-sensitive (RFC 9110, 9.1). */
static bool
method_is(const struct http_request *r, const char *method)
{
	return r->method.len == strlen(method) &&
	    memcmp(r->method.p, method, r->method.len) == 0;
}

bool
http_target_sort(struct http_request *r)
{
	r->path = r->target;
	if (method_is(r, "CONNECT"))
		return false;
	r->form = HTTP_ORIGIN;
	if (r->target.p[0] == '/')
		return true;
	if (r->target.len == 1 && r->target.p[0] == '*') {
		r->form = HTTP_ASTERISK;
		return method_is(r, "OPTIONS");
	}
	return absolute_sort(r);
}
