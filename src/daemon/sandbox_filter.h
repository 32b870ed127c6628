/* SPDX-License-Identifier: ISC */
/*
 * The system call filters: which calls each kind of child may make, and why.
 * Compiled once by the master (libseccomp), loaded by each child with one
 * call.  Anything else kills the process (in the resolver, it fails).
 */
#ifndef DURWARD_SANDBOX_FILTER_H
#define DURWARD_SANDBOX_FILTER_H

#include "daemon/sandbox.h"

/* Compile all filters; they stay NULL where built without libseccomp.  0, or
 * -1 after saying why. */
int sandbox_filter_prepare(void *filter[SANDBOX_KINDS]);

/* Load one (after no_new_privs); NULL does nothing.  0, or -1 with errno. */
int sandbox_filter_enter(const void *filter);

/* Does this kernel know such filters? */
bool sandbox_filter_offered(void);

#endif
