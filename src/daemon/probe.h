/* SPDX-License-Identifier: ISC */
/*
 * One probe of one server: connect, ask, judge the answer.  Never blocks; the
 * checker calls it at each edge of its socket, and ends it at its deadline.
 */
#ifndef DURWARD_PROBE_H
#define DURWARD_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "daemon/probe_ask.h"
#include "state/conf.h"
#include "state/health.h"

enum probe_phase { PROBE_IDLE, PROBE_CONNECTING, PROBE_SECURING, PROBE_SENDING, PROBE_READING };

struct probe {
	/* what to ask; set once */
	const struct conf_check *check;
	const char *sni;		/* "" none */
	const char *host;		/* the server's own host for Host: */
	void *tls_context;		/* "https": see probe_https.h */
	enum conf_send_proxy proxy;	/* the server expects a PROXY header first */

	/* the probe under way */
	enum probe_phase phase;
	int fd;				/* -1 none */
	int64_t started_us;
	uint8_t out[PROBE_ASK_MAX];
	size_t out_len, out_sent;
	char in[256];
	size_t in_len;
	bool drained;			/* the last read left nothing behind */
	void *tls;			/* "https" */

	/* how it ended */
	enum health_result result;
	int code;			/* HTTP status, 0 none */
	char info[HEALTH_INFO_MAX];	/* why it failed; "" it did not */
};

/* Begin: connect to a.  True: it goes on; false: it has ended already, with
 * HEALTH_UNKNOWN where this machine had no socket for it: no verdict. */
bool probe_start(struct probe *p, const struct addr *a);

/* Its socket became readable or writable.  True: it goes on; false: it has ended. */
bool probe_step(struct probe *p);

/* The deadline passed. */
void probe_timeout(struct probe *p);

static inline bool
probe_good(const struct probe *p)
{
	return p->result == HEALTH_L4OK || p->result == HEALTH_L6OK || p->result == HEALTH_L7OK;
}

#endif
