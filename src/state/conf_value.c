/* SPDX-License-Identifier: ISC */
/*
 * Values of the configuration: text to what it means, or to the reason why it
 * means nothing.  Nothing here knows sections or keys; callers name them.
 */
#include "config.h"
#include "state/conf_priv.h"

#include <ctype.h>
#include <limits.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <syslog.h>

#include "wire/hostname.h"

#define NAME_MAX_LEN	63

/* Digits only; -1 where there are none, LONG_MAX for what is more. */
static long
digits(const char *p, const char **end)
{
	long n = 0;

	if (!isdigit((unsigned char)*p))
		return -1;
	for (; isdigit((unsigned char)*p); p++) {
		n = n > (LONG_MAX - 9) / 10 ? LONG_MAX : n * 10 + (*p - '0');
	}
	*end = p;
	return n;
}

bool
conf_parse_duration(const char *text, long *ms, const char **why)
{
	static const struct { const char *unit; long ms; } units[] = {
		{ "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 }
	};
	const char *end;
	long n = digits(text, &end);

	*why = "a duration is a whole number and a unit: ms, s, m, h or d, as in \"10s\"";
	if (n < 0)
		return false;
	if (*end == '\0') {
		*why = "a unit is missing: ms, s, m, h or d";
		return false;
	}
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].unit) != 0)
			continue;
		*why = "more than 24 days";
		if (n == LONG_MAX || n > INT_MAX / units[i].ms)
			return false;
		*ms = n * units[i].ms;
		return true;
	}
	return false;
}

const char *
conf_duration_text(char buf[CONF_DURATION_LEN], long ms)
{
	static const struct { long ms; const char *unit; } units[] = {
		{ 86400000, "d" }, { 3600000, "h" }, { 60000, "m" }, { 1000, "s" }, { 1, "ms" }
	};
	unsigned i = 0;

	while (ms == 0 ? units[i].ms > 1000 : ms % units[i].ms != 0)
		i++;
	snprintf(buf, CONF_DURATION_LEN, "%ld%s", ms / units[i].ms, units[i].unit);
	return buf;
}

bool
conf_parse_count(const char *text, long *n, const char **why)
{
	const char *end;
	long unit = 1;

	*why = "not a whole number";
	if ((*n = digits(text, &end)) < 0)
		return false;
	if (*end == 'k')
		unit = 1024;
	else if (*end == 'M')
		unit = 1024L * 1024;
	if (end[unit > 1] != '\0')
		return false;
	*why = "too large a number";
	if (*n == LONG_MAX || *n > INT_MAX / unit)
		return false;
	*n *= unit;
	return true;
}

bool
conf_parse_bool(const char *text, bool *b)
{
	static const char *const yes[] = { "true", "yes", "on", NULL };
	static const char *const no[] = { "false", "no", "off", NULL };

	*b = conf_parse_word(text, yes) >= 0;
	return *b || conf_parse_word(text, no) >= 0;
}

int
conf_parse_word(const char *text, const char *const *words)
{
	for (int i = 0; words[i] != NULL; i++)
		if (strcmp(text, words[i]) == 0)
			return i;
	return -1;
}

const char *
conf_words_text(struct conf_mem *m, const char *const *words)
{
	const char *text = conf_printf(m, "\"%s\"", words[0]);

	for (unsigned i = 1; words[i] != NULL; i++)
		text = conf_printf(m, "%s%s\"%s\"", text, words[i + 1] == NULL ? " or " : ", ",
		    words[i]);
	return text;
}

bool
conf_parse_port(const char *text, size_t len, uint16_t *port)
{
	unsigned n = 0;

	if (len == 0 || len > 5)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!isdigit((unsigned char)text[i]))
			return false;
		n = n * 10 + (unsigned)(text[i] - '0');
	}
	*port = (uint16_t)n;
	return n >= 1 && n <= 65535;
}

bool
conf_is_name(const char *text, bool dots)
{
	size_t n = strlen(text);

	for (const char *p = text; *p != '\0'; p++)
		if (!isalnum((unsigned char)*p) && *p != '-' && *p != '_' && !(dots && *p == '.'))
			return false;
	return n >= 1 && n <= NAME_MAX_LEN;
}

/* Split "HOST:PORT" or "[V6]:PORT" at its last colon; port stays NULL where
 * there is none.  A bare IPv6 address has no port. */
static void
split_port(struct conf_mem *m, const char *text, char **host, const char **port)
{
	const char *colon = strrchr(text, ':');
	struct addr a;

	*port = NULL;
	if (colon == NULL || strchr(colon, ']') != NULL || addr_parse_ip(text, &a)) {
		*host = conf_strdup(m, text);
		return;
	}
	*host = conf_strndup(m, text, (size_t)(colon - text));
	*port = colon + 1;
}

bool
conf_parse_bind(struct conf_mem *m, const char *text, struct conf_bind *b, const char **why)
{
	const char *port;
	char *host;

	*b = (struct conf_bind){ .text = conf_strdup(m, text) };
	if (strncmp(text, "unix:", 5) == 0) {
		*why = "a path of 1 to 107 bytes goes behind unix:";
		if (text[5] == '\0' || strlen(text + 5) >= sizeof(((struct sockaddr_un *)0)->sun_path))
			return false;
		b->path = conf_strdup(m, text + 5);
		b->addr.family = ADDR_UNIX;
		return true;
	}
	*why = "expected \"*:PORT\", \"A.B.C.D:PORT\", \"[V6]:PORT\" or \"unix:PATH\"";
	split_port(m, text, &host, &port);
	if (port == NULL)
		return false;
	if (strcmp(host, "*") == 0) {
		b->any = true;
		addr_parse_ip("::", &b->addr);
	} else if ((strchr(host, ':') != NULL && *host != '[') || !addr_parse_ip(host, &b->addr)) {
		return false;
	}
	*why = "a port is a number from 1 to 65535";
	return conf_parse_port(port, strlen(port), &b->addr.port);
}

/* A DNS name, not something that means to be an IPv4 address. */
static bool
dns_name(struct conf_mem *m, const char *text, char **name)
{
	char canon[256];
	int len = hostname_canon(text, strlen(text), canon);
	const char *last;

	if (len <= 0)
		return false;
	last = strrchr(canon, '.');
	last = last == NULL ? canon : last + 1;
	if (last[strspn(last, "0123456789")] == '\0')
		return false;
	*name = conf_strndup(m, canon, (size_t)len);
	return true;
}

/* In one spelling, and with its zone, as written: an interface has two names,
 * and its number may be another one after the next boot. */
static char *
address_text(struct conf_mem *m, const struct addr *a, const char *host)
{
	const char *zone = strchr(host, '%');
	char ip[ADDR_IP_STRLEN];

	addr_format_ip(a, ip);
	if (zone == NULL)
		return conf_strdup(m, ip);
	return conf_printf(m, "%s%.*s", ip, (int)strcspn(zone, "]"), zone);
}

/* ADDRESS[:PORT] into s; its name is untouched. */
static bool
server_address(struct conf_mem *m, const char *text, struct conf_server *s, const char **why)
{
	const char *port;
	uint16_t number = 0;
	char *host;

	split_port(m, text, &host, &port);
	*why = "a port is a number from 1 to 65535";
	if (port != NULL && !conf_parse_port(port, strlen(port), &number))
		return false;
	*why = "not an address, nor a DNS name";
	if (addr_parse_ip(host, &s->addr)) {
		s->address = address_text(m, &s->addr, host);
	} else {
		s->is_dns = true;
		s->addr = (struct addr){ .family = ADDR_NONE };
		if (!dns_name(m, host, &s->address))
			return false;
	}
	s->addr.port = number;
	return true;
}

bool
conf_parse_server(struct conf_mem *m, const char *text, bool named, struct conf_server *s,
    const char **why)
{
	const char *eq = named ? strchr(text, '=') : NULL;

	if (!server_address(m, eq == NULL ? text : eq + 1, s, why))
		return false;
	if (!named)
		return true;
	s->name = eq == NULL ? s->address : conf_strndup(m, text, (size_t)(eq - text));
	*why = "a server's name is made of letters, digits, \"-\", \"_\" and \".\"";
	return eq == NULL || conf_is_name(s->name, true);
}

/* ---- log ------------------------------------------------------------ */

static int
facility_find(const char *name)
{
	static const struct { const char *name; int facility; } table[] = {
		{ "auth", LOG_AUTH }, { "authpriv", LOG_AUTHPRIV }, { "cron", LOG_CRON },
		{ "daemon", LOG_DAEMON }, { "ftp", LOG_FTP }, { "kern", LOG_KERN },
		{ "lpr", LOG_LPR }, { "mail", LOG_MAIL }, { "news", LOG_NEWS },
		{ "syslog", LOG_SYSLOG }, { "user", LOG_USER }, { "uucp", LOG_UUCP },
		{ "local0", LOG_LOCAL0 }, { "local1", LOG_LOCAL1 }, { "local2", LOG_LOCAL2 },
		{ "local3", LOG_LOCAL3 }, { "local4", LOG_LOCAL4 }, { "local5", LOG_LOCAL5 },
		{ "local6", LOG_LOCAL6 }, { "local7", LOG_LOCAL7 }
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (strcmp(table[i].name, name) == 0)
			return table[i].facility;
	return -1;
}

static bool
log_udp(struct conf_mem *m, const char *text, struct conf_log *log, const char **why)
{
	const char *colon = strrchr(text, ':'), *port;
	char *address, *host;

	*why = "expected \"udp:ADDRESS:PORT:FACILITY\"";
	if (colon == NULL)
		return false;
	address = conf_strndup(m, text, (size_t)(colon - text));
	split_port(m, address, &host, &port);
	if (port == NULL || !addr_parse_ip(host, &log->addr))
		return false;
	*why = "a port is a number from 1 to 65535";
	if (!conf_parse_port(port, strlen(port), &log->addr.port))
		return false;
	*why = "no such syslog facility";
	return (log->facility = facility_find(colon + 1)) >= 0;
}

bool
conf_parse_log(struct conf_mem *m, const char *text, struct conf_log *log, const char **why)
{
	*log = (struct conf_log){ .text = conf_strdup(m, text), .facility = LOG_LOCAL2 };
	if (strcmp(text, "stderr") == 0) {
		log->kind = CONF_LOG_STDERR;
		return true;
	}
	if (strncmp(text, "syslog:", 7) == 0) {
		log->kind = CONF_LOG_SYSLOG;
		*why = "no such syslog facility";
		return (log->facility = facility_find(text + 7)) >= 0;
	}
	if (strncmp(text, "file:", 5) == 0) {
		log->kind = CONF_LOG_FILE;
		log->path = conf_strdup(m, text + 5);
		*why = "a path goes behind file:";
		return *log->path != '\0';
	}
	if (strncmp(text, "udp:", 4) == 0) {
		log->kind = CONF_LOG_UDP;
		return log_udp(m, text + 4, log, why);
	}
	*why = "expected \"syslog:FACILITY\", \"stderr\", \"file:PATH\" or \"udp:ADDRESS:PORT:FACILITY\"";
	return false;
}

/* ---- status codes ---------------------------------------------------- */

static bool
status_range(const char **p, struct conf_range *r)
{
	const char *end;
	long first = digits(*p, &end), last = first;

	if (first < 100)
		return false;
	if (*end == '-')
		last = digits(end + 1, &end);
	*p = end;
	r->first = (int)first;
	r->last = (int)last;
	return last >= first && last <= 599;
}

bool
conf_parse_status(struct conf_mem *m, const char *text, struct conf_check *check, const char **why)
{
	const char *p = text;
	unsigned n = 1;

	*why = "expected HTTP status codes and ranges of them, as in \"200-399\" or \"200,204\"";
	for (; *p != '\0'; p++)
		n += *p == ',';
	check->status = conf_array(m, n, sizeof(*check->status));
	check->nstatus = 0;
	check->status_text = conf_strdup(m, text);
	for (p = text;; p++) {
		if (!status_range(&p, &check->status[check->nstatus]))
			return false;
		check->nstatus++;
		if (*p == '\0')
			return true;
		if (*p != ',')
			return false;
	}
}

/* ---- hosts ------------------------------------------------------------ */

static bool
host_regex(struct conf_mem *m, const char *text, char **canonical, const char **why)
{
	char reason[128];
	regex_t re;
	int rc;

	*why = "a regular expression is missing; for every name, write \"*\"";
	if (text[1] == '\0')
		return false;
	*why = "a control character in it: for a backslash write \"\\\\\", or put the whole between "
	    "single quotes";
	for (const char *p = text; *p != '\0'; p++)
		if (iscntrl((unsigned char)*p))
			return false;
	rc = regcomp(&re, text + 1, REG_EXTENDED | REG_ICASE | REG_NOSUB);
	*canonical = conf_strdup(m, text);
	if (rc == 0) {
		regfree(&re);
		return true;
	}
	regerror(rc, &re, reason, sizeof(reason));
	*why = conf_strdup(m, reason);
	return false;
}

/* What HTTP clients send that were given an address: "[2001:db8::1]". */
static bool
host_ipv6(struct conf_mem *m, const char *text, char **canonical, const char **why)
{
	size_t len = strlen(text);
	char name[256];

	*why = "not an IPv6 address in brackets";
	if (text[len - 1] != ']' || hostname_from_host_field(text, len, name) <= 0)
		return false;
	*canonical = conf_strdup(m, name);
	return true;
}

/* What is most likely wrong with a pattern. */
static const char *
why_no_host(const char *text)
{
	struct addr a;

	if (addr_parse_ip(text, &a) && a.family == ADDR_IPV6)
		return "an IPv6 address stands in brackets here, as in \"[2001:db8::1]\"";
	if (strstr(text, "://") != NULL)
		return "a scheme, as \"https://\", is not part of a host name";
	if (strchr(text, '/') != NULL)
		return "a path is not part of a host name";
	if (strchr(text, ':') != NULL)
		return "a port is not part of a host name";
	if (strchr(text, '*') != NULL)
		return "a wildcard is \"*.suffix\", \"**.suffix\" or \"*\"";
	return "not a host name";
}

bool
conf_parse_host(struct conf_mem *m, const char *text, char **canonical, const char **why)
{
	size_t stars = strncmp(text, "**.", 3) == 0 ? 3 : strncmp(text, "*.", 2) == 0 ? 2 : 0;
	char name[256];
	int len;

	if (strcmp(text, "*") == 0) {
		*canonical = conf_strdup(m, text);
		return true;
	}
	if (*text == '~')
		return host_regex(m, text, canonical, why);
	if (*text == '[')
		return host_ipv6(m, text, canonical, why);
	*why = why_no_host(text);
	len = hostname_canon(text + stars, strlen(text + stars), name);
	if (len <= 0)
		return false;
	*canonical = conf_printf(m, "%.*s%.*s", (int)stars, text, len, name);
	return true;
}
