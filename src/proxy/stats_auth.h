/* SPDX-License-Identifier: ISC */
/* HTTP Basic authentication (RFC 7617) against a stats listener's user and
 * crypt(3) hash. */
#ifndef DURWARD_STATS_AUTH_H
#define DURWARD_STATS_AUTH_H

#include <stdbool.h>

#include "state/conf.h"
#include "wire/http_head.h"

enum stats_auth {
	STATS_AUTH_OK,		/* known, or no password is asked for */
	STATS_AUTH_NONE,	/* said nothing: be told to */
	STATS_AUTH_WRONG	/* guessed: make the next guess cost time */
};

enum stats_auth stats_auth_check(const struct conf_listener *l, const struct http_request *r);

/* "dXNlcjpwYXNz" decoded; the length, -1 where it is not base64 or too long. */
int stats_auth_decode(const char *text, size_t len, char *out, size_t size);

#endif
