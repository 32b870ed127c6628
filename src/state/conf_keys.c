/* SPDX-License-Identifier: ISC */
/*
 * The table of keys.  Pure data and look-ups in it; read by the master when a
 * configuration is loaded, by -T, and by the tests.
 */
#include "config.h"
#include "state/conf_keys.h"

#include <limits.h>
#include <string.h>
#include <syslog.h>

#include "state/conf.h"

#define HOUR		3600000L
#define MANY		1000000L	/* more connections than any machine here holds */
#define BIT(p)		(1u << (p))
#define TRAFFIC		(BIT(CONF_TLS) | BIT(CONF_HTTP))

const char *const conf_words_protocol[] = { "tls", "http", "stats", NULL };
const char *const conf_words_balance[] = { "source", "host", "roundrobin", "leastconn", NULL };
const char *const conf_words_check[] = { "tls", "tcp", "http", "https", "none", NULL };
static const char *const words_level[] = { "err", "warning", "notice", "info", "debug", NULL };
static const char *const words_proxy[] = { "off", "v1", "v2", NULL };

/* Rows by type, so that the table below reads like the manual page. */
#define TEXT(s, n, d, st, f) \
	{ .section = (s), .name = (n), .type = CONF_T_TEXT, .def = (d), .offset = offsetof(struct st, f) }
#define TIME(s, n, d, lo, hi, st, f) \
	{ .section = (s), .name = (n), .type = CONF_T_DURATION, .def = (d), .min = (lo), .max = (hi), \
	  .offset = offsetof(struct st, f) }
#define COUNT(s, n, d, lo, hi, st, f) \
	{ .section = (s), .name = (n), .type = CONF_T_COUNT, .def = (d), .min = (lo), .max = (hi), \
	  .offset = offsetof(struct st, f) }
#define INT(s, n, d, lo, hi, st, f) \
	{ .section = (s), .name = (n), .type = CONF_T_INT, .def = (d), .min = (lo), .max = (hi), \
	  .offset = offsetof(struct st, f) }
#define BOOL(s, n, d, st, f) \
	{ .section = (s), .name = (n), .type = CONF_T_BOOL, .def = (d), .offset = offsetof(struct st, f) }
#define WORD(s, n, d, w, lo, st, f) \
	{ .section = (s), .name = (n), .type = CONF_T_WORD, .def = (d), .words = (w), .min = (lo), \
	  .offset = offsetof(struct st, f) }
#define NETS(s, n, st, f) \
	{ .section = (s), .name = (n), .type = CONF_T_NETS, .offset = offsetof(struct st, f) }
#define SPECIAL(s, n, d) \
	{ .section = (s), .name = (n), .type = CONF_T_SPECIAL, .def = (d) }
#define LIST(s, n) \
	{ .section = (s), .name = (n), .type = CONF_T_LIST }
#define SECTION(s, n, c) \
	{ .section = (s), .name = (n), .type = CONF_T_SECTION, .child = (c) }
#define STATS_ONLY	.protocols = BIT(CONF_STATS)

static const struct conf_key keys[] = {
	TEXT(CONF_SEC_ROOT, "user", "durward", conf, user),
	TEXT(CONF_SEC_ROOT, "group", "durward", conf, group),
	TEXT(CONF_SEC_ROOT, "pid-file", "/run/durward.pid", conf, pid_file),
	TEXT(CONF_SEC_ROOT, "control", "/run/durward.sock", conf, control),
	SPECIAL(CONF_SEC_ROOT, "log", "syslog:local2"),
	WORD(CONF_SEC_ROOT, "log-level", "info", words_level, LOG_ERR, conf, log_level),
	TIME(CONF_SEC_ROOT, "tcp-keepalive", "30s", 0, 32767000, conf, tcp_keepalive_ms),
	COUNT(CONF_SEC_ROOT, "max-connections", "4000", 1, MANY, conf, max_connections),
	TIME(CONF_SEC_ROOT, "drain-delay", "0s", 0, INT_MAX, conf, drain_delay_ms),
	TIME(CONF_SEC_ROOT, "drain-timeout", "30s", 0, INT_MAX, conf, drain_timeout_ms),
	TIME(CONF_SEC_ROOT, "resolve-interval", "30s", 1000, 24 * HOUR, conf, resolve_interval_ms),
	SECTION(CONF_SEC_ROOT, "spare-workers", CONF_SEC_SPARE),
	SECTION(CONF_SEC_ROOT, "timeouts", CONF_SEC_TIMEOUTS),
	SECTION(CONF_SEC_ROOT, "listener", CONF_SEC_LISTENER),
	SECTION(CONF_SEC_ROOT, "cluster", CONF_SEC_CLUSTER),
	{ .section = CONF_SEC_ROOT, .name = "include", .type = CONF_T_CALL },

	COUNT(CONF_SEC_SPARE, "min", "8", 1, 10000, conf, spare_min),
	COUNT(CONF_SEC_SPARE, "max", "64", 1, 10000, conf, spare_max),

	TIME(CONF_SEC_TIMEOUTS, "handshake", "5s", 0, INT_MAX, conf_timeouts, handshake),
	TIME(CONF_SEC_TIMEOUTS, "request", "10s", 0, INT_MAX, conf_timeouts, request),
	TIME(CONF_SEC_TIMEOUTS, "connect", "10s", 0, INT_MAX, conf_timeouts, connect),
	TIME(CONF_SEC_TIMEOUTS, "idle", "1h", 0, INT_MAX, conf_timeouts, idle),
	TIME(CONF_SEC_TIMEOUTS, "client", "1m", 0, INT_MAX, conf_timeouts, client),
	TIME(CONF_SEC_TIMEOUTS, "server", "1m", 0, INT_MAX, conf_timeouts, server),
	TIME(CONF_SEC_TIMEOUTS, "keep-alive", "10s", 0, INT_MAX, conf_timeouts, keep_alive),
	TIME(CONF_SEC_TIMEOUTS, "queue", "1m", 0, INT_MAX, conf_timeouts, queue),

	LIST(CONF_SEC_LISTENER, "bind"),
	WORD(CONF_SEC_LISTENER, "protocol", NULL, conf_words_protocol, 0, conf_listener, protocol),
	COUNT(CONF_SEC_LISTENER, "max-connections", "3000", 1, MANY, conf_listener, max_connections),
	COUNT(CONF_SEC_LISTENER, "max-connections-per-source", "0", 0, MANY, conf_listener, max_per_source),
	NETS(CONF_SEC_LISTENER, "allow", conf_listener, allow),
	NETS(CONF_SEC_LISTENER, "deny", conf_listener, deny),
	NETS(CONF_SEC_LISTENER, "accept-proxy", conf_listener, accept_proxy),
	{ .section = CONF_SEC_LISTENER, .name = "balance", .type = CONF_T_WORD,
	  .words = conf_words_balance, .offset = offsetof(struct conf_listener, balance),
	  .protocols = TRAFFIC },
	{ .section = CONF_SEC_LISTENER, .name = "default", .type = CONF_T_TEXT, .def = "",
	  .offset = offsetof(struct conf_listener, default_service), .protocols = TRAFFIC },
	{ .section = CONF_SEC_LISTENER, .name = "no-name", .type = CONF_T_TEXT, .def = "",
	  .offset = offsetof(struct conf_listener, no_name_service), .protocols = TRAFFIC },
	INT(CONF_SEC_LISTENER, "backlog", "4096", 1, 65535, conf_listener, backlog),
	SECTION(CONF_SEC_LISTENER, "timeouts", CONF_SEC_TIMEOUTS),
	{ .section = CONF_SEC_LISTENER, .name = "check", .type = CONF_T_SECTION,
	  .child = CONF_SEC_CHECK, .protocols = TRAFFIC },
	{ .section = CONF_SEC_LISTENER, .name = "uri", .type = CONF_T_TEXT, .def = "/haproxy?stats",
	  .offset = offsetof(struct conf_listener, uri), STATS_ONLY },
	{ .section = CONF_SEC_LISTENER, .name = "user", .type = CONF_T_TEXT, .def = "",
	  .offset = offsetof(struct conf_listener, user), STATS_ONLY },
	{ .section = CONF_SEC_LISTENER, .name = "password", .type = CONF_T_SPECIAL, .def = "",
	  STATS_ONLY },
	{ .section = CONF_SEC_LISTENER, .name = "refresh", .type = CONF_T_DURATION, .def = "30s",
	  .max = 24 * HOUR, .offset = offsetof(struct conf_listener, refresh_ms), STATS_ONLY },
	{ .section = CONF_SEC_LISTENER, .name = "hide-version", .type = CONF_T_BOOL, .def = "true",
	  .offset = offsetof(struct conf_listener, hide_version), STATS_ONLY },
	{ .section = CONF_SEC_LISTENER, .name = "show-node", .type = CONF_T_BOOL, .def = "true",
	  .offset = offsetof(struct conf_listener, show_node), STATS_ONLY },

	SECTION(CONF_SEC_CLUSTER, "service", CONF_SEC_SERVICE),

	LIST(CONF_SEC_SERVICE, "listeners"),
	LIST(CONF_SEC_SERVICE, "hosts"),
	LIST(CONF_SEC_SERVICE, "servers"),
	SECTION(CONF_SEC_SERVICE, "server", CONF_SEC_SERVER),
	WORD(CONF_SEC_SERVICE, "balance", NULL, conf_words_balance, 0, conf_service, balance),
	INT(CONF_SEC_SERVICE, "retries", "3", 0, 100, conf_service, retries),
	WORD(CONF_SEC_SERVICE, "send-proxy", "off", words_proxy, 0, conf_service, send_proxy),
	BOOL(CONF_SEC_SERVICE, "forwarded-for", "true", conf_service, forwarded_for),
	TEXT(CONF_SEC_SERVICE, "server-name-header", "", conf_service, server_name_header),
	SPECIAL(CONF_SEC_SERVICE, "on-down", "keep"),
	NETS(CONF_SEC_SERVICE, "allow", conf_service, allow),
	NETS(CONF_SEC_SERVICE, "deny", conf_service, deny),
	SECTION(CONF_SEC_SERVICE, "timeouts", CONF_SEC_TIMEOUTS),
	SECTION(CONF_SEC_SERVICE, "check", CONF_SEC_CHECK),

	SPECIAL(CONF_SEC_SERVER, "address", ""),
	COUNT(CONF_SEC_SERVER, "weight", "1", 0, 256, conf_server, weight),
	COUNT(CONF_SEC_SERVER, "max-connections", "0", 0, MANY, conf_server, max_connections),
	BOOL(CONF_SEC_SERVER, "backup", "false", conf_server, backup),

	WORD(CONF_SEC_CHECK, "type", NULL, conf_words_check, 0, conf_check, type),
	TIME(CONF_SEC_CHECK, "interval", "1s", 10, 24 * HOUR, conf_check, interval_ms),
	TIME(CONF_SEC_CHECK, "timeout", "2s", 1, 24 * HOUR, conf_check, timeout_ms),
	INT(CONF_SEC_CHECK, "rise", "2", 1, 1000, conf_check, rise),
	INT(CONF_SEC_CHECK, "fall", "3", 1, 1000, conf_check, fall),
	SPECIAL(CONF_SEC_CHECK, "port", "0"),
	TEXT(CONF_SEC_CHECK, "path", "/readyz", conf_check, path),
	TEXT(CONF_SEC_CHECK, "host", "", conf_check, host),
	TEXT(CONF_SEC_CHECK, "ca-file", "", conf_check, ca_file),
	SPECIAL(CONF_SEC_CHECK, "status", "200-399"),
};
#define NKEYS	(sizeof(keys) / sizeof(keys[0]))

static const char *const section_names[CONF_NSECTIONS] = {
	"", "spare-workers", "timeouts", "listener", "cluster", "service", "server", "check"
};

const struct conf_key *
conf_keys(enum conf_section section, unsigned *n)
{
	unsigned first = 0, last;

	while (keys[first].section != section)
		first++;
	for (last = first; last < NKEYS && keys[last].section == section; last++)
		;
	*n = last - first;
	return &keys[first];
}

int
conf_key_find(enum conf_section section, const char *name, size_t len)
{
	unsigned n;
	const struct conf_key *k = conf_keys(section, &n);

	for (unsigned i = 0; i < n; i++)
		if (strncmp(k[i].name, name, len) == 0 && k[i].name[len] == '\0')
			return (int)i;
	return -1;
}

const char *
conf_section_name(enum conf_section section)
{
	return section_names[section];
}

bool
conf_section_is_titled(enum conf_section section)
{
	return section == CONF_SEC_LISTENER || section == CONF_SEC_CLUSTER ||
	    section == CONF_SEC_SERVICE || section == CONF_SEC_SERVER;
}
