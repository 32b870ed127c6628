/* SPDX-License-Identifier: ISC */
/* Into the background with a true exit status, and the pid file. */
#ifndef DURWARD_DETACH_H
#define DURWARD_DETACH_H

/* Fork; the parent waits until the child says how it went, and exits with
 * that.  Returns in the child: a descriptor for detach_done. */
int detach_begin(void);

/* Standard input and output to /dev/null: nobody here reads, or prints.  Not
 * stderr, which may still have something to say. */
void detach_stdio(void);

/* In a child of the daemon: let go of the terminal too, if this is no
 * foreground run.  Else whoever waits for the end of our output (a pipe, ssh,
 * $(...)) would wait for the last worker. */
void detach_child(void);

/* In a worker: of a foreground run's stderr too, which others write to; a client may
 * not get hold of it.  (With sanitizers it stays, for their reports.) */
void detach_worker(void);

/* Tell the waiting parent that all is well, and let go of the terminal. */
void detach_done(int fd);

/* 0, -1 with errno. */
int detach_write_pid(const char *path);

/* Remove it if it is ours. */
void detach_remove_pid(const char *path);

#endif
