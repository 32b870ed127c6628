/* SPDX-License-Identifier: ISC */
#include "config.h"
#include "state_help.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conf_help.h"

void
state_help_start(struct state *s, const char *text)
{
	memset(s, 0, sizeof(*s));
	ck_assert_int_eq(shared_map(&s->shared, -1), 0);
	s->conf = conf_help_text(text);
	s->map = shared_bind(&s->shared, s->conf);
	ck_assert_ptr_nonnull(s->map);
}

void
state_help_reload(struct state *s, const char *text)
{
	struct conf *c = conf_help_text(text);
	struct shared_map *m = shared_bind(&s->shared, c);

	ck_assert_ptr_nonnull(m);
	shared_map_free(s->map, s->conf);
	conf_free(s->conf);
	s->conf = c;
	s->map = m;
}

void
state_help_end(struct state *s)
{
	shared_map_free(s->map, s->conf);
	conf_free(s->conf);
	close(s->shared.fd);
}

struct server_slot *
state_help_server(struct state *s, unsigned b, unsigned k)
{
	return &s->shared.server[s->map->server[b][k]];
}

struct counters *
state_help_counters(struct state *s, unsigned b, unsigned k)
{
	return &s->shared.server_use[s->map->server[b][k]].c;
}

void
state_help_processes(unsigned n, void (*job)(void *arg, unsigned i), void *arg)
{
	pid_t pid[64];
	int status;

	ck_assert_uint_le(n, 64);
	for (unsigned i = 0; i < n; i++) {
		pid[i] = fork();
		ck_assert_int_ge(pid[i], 0);
		if (pid[i] == 0) {
			job(arg, i);
			_exit(0);
		}
	}
	for (unsigned i = 0; i < n; i++) {
		ck_assert_int_eq(waitpid(pid[i], &status, 0), pid[i]);
		ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
		    "process %u ended with %#x", i, (unsigned)status);
	}
}
