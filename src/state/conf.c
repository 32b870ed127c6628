/* SPDX-License-Identifier: ISC */
/*
 * Loading a configuration: the steps in their order, and what the rest of the
 * daemon asks of one.  Runs in the master (and in -t, -T, -r), before fork;
 * workers only read.  A load that fails leaves nothing behind.
 */
#include "config.h"
#include "state/conf.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "state/conf_priv.h"

static void
load_steps(struct conf_load *l, const char *path)
{
	if (!conf_parse(l, path))
		return;
	conf_build(l);
	if (l->incomplete)
		return;
	conf_build_backends(l);
	conf_check_all(l);
	if (l->nerror == 0) {
		conf_unused_all(l);
		conf_warn_all(l);
	}
}

static struct conf *
conf_new(const char *path, struct conf_load *l)
{
	struct conf_mem *m = conf_mem_new();

	if (m == NULL)
		return NULL;
	m->oom = &l->oom;
	l->conf = conf_alloc(m, sizeof(*l->conf));
	l->conf->memory = m;
	l->conf->path = conf_strdup(m, path);
	return l->conf;
}

static struct conf *
load(const char *path, conf_report *error, conf_report *warn, void *arg)
{
	struct conf_load *l = calloc(1, sizeof(*l));
	struct conf *c = NULL;

	if (l == NULL)
		goto oom;
	l->mem.oom = &l->oom;
	if (setjmp(l->oom) != 0)
		goto oom;
	if (conf_new(path, l) == NULL)
		goto oom;
	load_steps(l, path);
	conf_report_all(l, error, warn, arg);
	c = l->conf;
	c->memory->oom = NULL;
	if (l->nerror > 0) {
		conf_free(c);
		c = NULL;
	}
	conf_mem_fini(&l->mem);
	free(l);
	return c;
oom:
	error(arg, "out of memory");
	if (l != NULL) {
		conf_free(l->conf);
		conf_mem_fini(&l->mem);
	}
	free(l);
	return NULL;
}

/*
 * A clear password passes through libconfuse and stdio, who give its memory
 * back as it is; every process that is forked later would inherit it.  glibc
 * can overwrite what is freed, except for the few small pieces that it keeps
 * at hand: those are taken and wiped.  With another C library some copies stay.
 */
static void
wipe_what_is_freed(bool on)
{
#ifdef M_PERTURB
	mallopt(M_PERTURB, on ? 0xa5 : 0);
#else
	(void)on;
#endif
}

#define AT_HAND		8	/* pieces of a size, and one more */
#define SMALL_MOST	1040	/* bytes of the largest */

static void
wipe_small_pieces(void)
{
	void *piece[AT_HAND];
	size_t size;
	int i;

	for (size = 16; size <= SMALL_MOST; size += 16) {
		for (i = 0; i < AT_HAND; i++)
			if ((piece[i] = malloc(size)) != NULL)
				explicit_bzero(piece[i], size);
		for (i = 0; i < AT_HAND; i++)
			free(piece[i]);
	}
}

struct conf *
conf_load(const char *path, conf_report *error, conf_report *warn, void *arg)
{
	struct conf *c;

	wipe_what_is_freed(true);
	c = load(path, error, warn, arg);
	wipe_what_is_freed(false);
	wipe_small_pieces();
	return c;
}

void
conf_free(struct conf *c)
{
	struct conf_mem *m;

	if (c == NULL)
		return;
	m = c->memory;		/* it holds c itself */
	conf_mem_fini(m);
	free(m);
}

const char *
conf_protocol_name(enum conf_protocol p)
{
	return conf_words_protocol[p];
}

const char *
conf_balance_name(enum conf_balance b)
{
	return conf_words_balance[b];
}

const char *
conf_check_name(enum conf_check_type t)
{
	return conf_words_check[t];
}

int
conf_find_listener(const struct conf *c, const char *name)
{
	for (unsigned i = 0; i < c->nlistener; i++)
		if (strcmp(c->listener[i].name, name) == 0)
			return (int)i;
	return -1;
}
