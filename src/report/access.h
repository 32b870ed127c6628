/* SPDX-License-Identifier: ISC */
/*
 * What the lines of the access log have in common, in HAProxy's words: its
 * tcplog and httplog begin alike, and count alike.
 */
#ifndef DURWARD_ACCESS_H
#define DURWARD_ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/text.h"
#include "state/scoreboard.h"
#include "state/shared.h"

/* "IP:PORT [DATE.MS] LISTENER BACKEND/SERVER"; wall_ms is clock_wall_ms of the
 * accept. */
void access_head(struct text *t, const struct addr *from, int64_t wall_ms, const char *listener,
    const char *backend, const char *server);

/* Times in ms, as "A/B/C"; below zero is -1, not reached. */
void access_times(struct text *t, const int64_t *ms, unsigned n);

/* Connections as they stand: all, of the listener, the backend, the server. */
struct access_counts {
	int all, listener, backend, server;
	unsigned retries;
	bool redispatched, queued;
};

/* "ALL/LISTENER/BACKEND/SERVER/RETRIES SQ/BQ" */
void access_counts(struct text *t, const struct access_counts *c);

/*
 * The line of a client whose worker died, from what its slot says: times as far
 * as it came, -1 beyond; a request's text is not known (<BADREQ>).
 * Nothing in the slot is believed.  cause is HAProxy's first letter.  Returns
 * the length; 0 where the worker had no client that is due a line.
 */
enum access_kind { ACCESS_TLS, ACCESS_HTTP, ACCESS_STATS };

size_t access_last_line(const struct shared *s, const struct worker_slot *w, uint32_t listener,
    enum access_kind kind, char cause, int64_t now_ms, int64_t wall_ms, char *buf, size_t size);

#endif
