/* SPDX-License-Identifier: ISC */
/*
 * The configuration: a file becomes a checked, self-owned, constant struct.
 *
 * conf_parse.c is the only includer of confuse.h.  After conf_load nothing here
 * changes; every string is the struct's own; indexes, not pointers, cross to
 * shared memory.  Durations are milliseconds, sizes bytes.
 */
#ifndef DURWARD_CONF_H
#define DURWARD_CONF_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/addr.h"
#include "wire/cidr.h"

enum conf_protocol { CONF_TLS, CONF_HTTP, CONF_STATS };
enum conf_balance { CONF_SOURCE, CONF_HOST, CONF_ROUNDROBIN, CONF_LEASTCONN };
enum conf_send_proxy { CONF_PROXY_OFF, CONF_PROXY_V1, CONF_PROXY_V2 };
enum conf_check_type {
	CONF_CHECK_TLS, CONF_CHECK_TCP, CONF_CHECK_HTTP, CONF_CHECK_HTTPS, CONF_CHECK_NONE
};

struct conf_mem;

struct conf_where {		/* for messages: the line to blame */
	const char *file;
	int line;
};

struct conf_timeouts {		/* ms; 0 means no limit */
	int handshake, request, connect, idle, client, server, keep_alive, queue;
};

struct conf_range { int first, last; };	/* of HTTP status codes */

struct conf_check {
	enum conf_check_type type;
	int interval_ms;
	int timeout_ms;		/* for the whole probe */
	int rise, fall;
	uint16_t port;		/* 0: the server's */
	char *path;
	char *host;		/* "": the server's address */
	char *ca_file;		/* "": certificate and name not verified */
	struct conf_range *status;
	unsigned nstatus;
	char *status_text;	/* as written */
};

struct conf_nets {		/* a list of networks; n == 0 is an empty list */
	struct cidr *net;
	char **text;		/* as written, for -T */
	unsigned n;
};

struct conf_bind {
	char *text;		/* as written */
	bool any;		/* "*:PORT": IPv6 and IPv4 in one socket */
	struct addr addr;	/* family ADDR_UNIX: see path */
	char *path;		/* unix:PATH, else NULL */
};

struct conf_listener {
	char *name;
	struct conf_where where;
	enum conf_protocol protocol;
	struct conf_bind *bind;
	unsigned nbind;
	unsigned max_connections;
	unsigned max_per_source;	/* 0: no limit */
	struct conf_nets allow, deny, accept_proxy;
	enum conf_balance balance;
	char *default_service;		/* "CLUSTER.SERVICE" or "" */
	char *no_name_service;		/* "" means as default_service */
	int default_backend;		/* index into conf.backend, -1 none */
	int no_name_backend;		/* -1 none; follows default_backend where not set */
	int backlog;
	struct conf_timeouts timeouts;	/* complete */
	struct conf_check check;	/* complete */
	/* protocol "stats" */
	char *uri, *user, *password;	/* password: a crypt(3) hash always; "" none */
	int refresh_ms;
	bool hide_version, show_node;
};

struct conf_server {
	char *name;
	struct conf_where where;
	char *address;		/* as written, without the port */
	bool is_dns;		/* a name to resolve; addr is then ADDR_NONE */
	struct addr addr;	/* port 0: the listener's */
	unsigned weight;	/* 0: no new clients */
	unsigned max_connections;	/* 0: no limit */
	bool backup;
};

struct conf_host {		/* one pattern of `hosts` */
	char *text;		/* as written; names in their one spelling (wire/hostname.h) */
	struct conf_where where;
};

struct conf_service {
	char *name;
	char *cluster;		/* the cluster's name */
	struct conf_where where;
	unsigned *listener;	/* indexes into conf.listener */
	unsigned nlistener;
	struct conf_host *host;
	unsigned nhost;
	struct conf_server *server;
	unsigned nserver;
	int retries;
	enum conf_send_proxy send_proxy;
	bool forwarded_for;
	char *server_name_header;	/* "" none */
	bool on_down_close;
	struct conf_nets allow, deny;
	bool has_balance;		/* else the listener's */
	enum conf_balance balance;
	/* What the service's own sections say; a bit of `given` for each key, in
	 * the order of conf_keys.c.  A backend has the outcome. */
	struct conf_timeouts timeouts;
	struct conf_check check;
	unsigned timeouts_given, check_given;
};

/* A backend is one service on one listener, with all that applies to it. */
struct conf_backend {
	char *name;			/* CLUSTER.SERVICE.LISTENER */
	const struct conf_service *service;
	unsigned listener;		/* index into conf.listener */
	enum conf_balance balance;
	struct conf_timeouts timeouts;	/* complete: service, else listener, else global */
	struct conf_check check;	/* complete */
	struct conf_server *server;	/* the service's, each with its port filled in */
	unsigned nserver;
	bool fallback_only;		/* there because a listener's default or no-name asks */
};

enum conf_log_kind { CONF_LOG_SYSLOG, CONF_LOG_STDERR, CONF_LOG_FILE, CONF_LOG_UDP };

struct conf_log {
	char *text;			/* as written */
	enum conf_log_kind kind;
	int facility;			/* LOG_LOCAL2 ... */
	char *path;			/* file: */
	struct addr addr;		/* udp: */
};

struct conf {
	char *path;			/* the file it came from */
	char *user, *group;
	struct conf_where user_where, group_where;	/* line 0: not given */
	char *pid_file, *control;
	struct conf_log log;
	bool log_given;			/* the file says `log` (with -f stderr is the default) */
	int log_level;			/* LOG_ERR ... LOG_DEBUG */
	int tcp_keepalive_ms;		/* 0: off */
	unsigned max_connections;
	int drain_delay_ms;		/* after QUIT: listeners stay open for this long */
	int drain_timeout_ms;		/* and from there connections have this long */
	int resolve_interval_ms;
	unsigned spare_min, spare_max;
	struct conf_timeouts timeouts;
	struct conf_listener *listener;
	unsigned nlistener;
	struct conf_service *service;
	unsigned nservice;
	struct conf_backend *backend;
	unsigned nbackend;
	struct conf_mem *memory;	/* all of it, this struct too */
};

/* Where messages go: each is one line, "FILE:LINE: message" ready to print
 * after "durward: ". */
typedef void conf_report(void *arg, const char *message);

/*
 * Read and check a file.  NULL where it has errors: each was reported (all of
 * them, where the syntax allows).  Warnings (hidden names, slow detection,
 * clusters that one wildcard certificate could join) go to warn, which may be
 * NULL.  conf_free takes NULL.
 */
struct conf *conf_load(const char *path, conf_report *error, conf_report *warn, void *arg);
void conf_free(struct conf *c);

/* Whether processes that are forked from now on get the stats passwords' hashes
 * (at first they do).  One that does not must not look at them. */
void conf_share_secrets(const struct conf *c, bool share);

/* -T: the effective configuration, every default filled in; parses back to
 * the same.  Returns 0, -1 where writing failed. */
int conf_print(const struct conf *c, FILE *out);

/* Names for messages and for -T. */
const char *conf_protocol_name(enum conf_protocol p);
const char *conf_balance_name(enum conf_balance b);
const char *conf_check_name(enum conf_check_type t);

/* Index of the listener with this name, -1 if none. */
int conf_find_listener(const struct conf *c, const char *name);

#endif
