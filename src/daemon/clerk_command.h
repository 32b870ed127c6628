/* SPDX-License-Identifier: ISC */
/*
 * What durwardctl may ask, and what it is answered.
 *
 * A question is one line: words with a tab between them, the first is a
 * command, or "-j" for JSON and then a command.  An answer is a line "ok" or
 * "error", then text for stdout or stderr, up to end-of-file; or "again",
 * for another clerk has taken over.  Tables for
 * people are lines of fields with tabs between them; a column whose name
 * begins with ">" is one of numbers.
 */
#ifndef DURWARD_CLERK_COMMAND_H
#define DURWARD_CLERK_COMMAND_H

#include <stdbool.h>

#include "daemon/clerk.h"
#include "report/out.h"

/* A question that only the master can settle. */
struct clerk_ask {
	struct clerk_request request;
	bool json;
};

/* Answer line (its end cut off; it is taken apart) into o.  True: *ask must
 * be asked first; what is in o then holds only where the master agrees. */
bool clerk_command(const struct clerk *c, char *line, struct out *o, struct clerk_ask *ask);

/* The master has answered. */
void clerk_command_settled(const struct clerk *c, const struct clerk_ask *ask,
    const struct clerk_reply *reply, struct out *o);

#endif
