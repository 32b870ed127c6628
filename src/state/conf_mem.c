/* SPDX-License-Identifier: ISC */
/*
 * Memory of a configuration: an arena that only grows and goes back whole,
 * and a set of strings in it.  One arena a configuration keeps it together in
 * few pages, which every worker shares by fork.  Runs in whoever loads a
 * configuration; never in a worker.
 */
#include "config.h"
#include "state/conf_priv.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#define XXH_INLINE_ALL	/* no library to map into every worker */
#include <xxhash.h>

#define CHUNK	((size_t)64 * 1024)
#define ALIGN	(sizeof(void *) * 2)

struct conf_chunk {
	struct conf_chunk *next;
	size_t used, size;
	_Alignas(16) char data[];
};

static _Noreturn void
out_of_memory(struct conf_mem *m)
{
	if (m->oom != NULL)
		longjmp(*m->oom, 1);
	abort();	/* nobody allocates before a load has said where to go */
}

struct conf_mem *
conf_mem_new(void)
{
	return calloc(1, sizeof(struct conf_mem));
}

void
conf_mem_fini(struct conf_mem *m)
{
	struct conf_chunk *c, *next;

	for (c = m->chunk; c != NULL; c = next) {
		next = c->next;
		explicit_bzero(c->data, c->used);
		free(c);
	}
	m->chunk = NULL;
	if (m->secret != NULL)
		munmap(m->secret, CONF_SECRETS);
	m->secret = NULL;
	m->secret_used = 0;
}

void *
conf_alloc(struct conf_mem *m, size_t size)
{
	struct conf_chunk *c = m->chunk;
	char *p;

	size = (size + ALIGN - 1) / ALIGN * ALIGN;
	if (c == NULL || c->size - c->used < size) {
		size_t room = size > CHUNK ? size : CHUNK;

		c = calloc(1, sizeof(*c) + room);
		if (c == NULL)
			out_of_memory(m);
		c->size = room;
		c->next = m->chunk;
		m->chunk = c;
	}
	p = c->data + c->used;
	c->used += size;
	return p;
}

void *
conf_array(struct conf_mem *m, size_t n, size_t size)
{
	if (size != 0 && n > SIZE_MAX / 2 / size)
		out_of_memory(m);
	return conf_alloc(m, n * size);
}

char *
conf_strndup(struct conf_mem *m, const char *s, size_t len)
{
	char *p = conf_alloc(m, len + 1);

	memcpy(p, s, len);
	return p;
}

char *
conf_strdup(struct conf_mem *m, const char *s)
{
	return conf_strndup(m, s, strlen(s));
}

char *
conf_printf(struct conf_mem *m, const char *fmt, ...)
{
	va_list ap;
	char *p;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (len < 0)
		out_of_memory(m);
	p = conf_alloc(m, (size_t)len + 1);
	va_start(ap, fmt);
	vsnprintf(p, (size_t)len + 1, fmt, ap);
	va_end(ap);
	return p;
}

char *
conf_secret(struct conf_mem *m, const char *s)
{
	size_t len = strlen(s) + 1;
	char *p;

	if (m->secret == NULL) {
		p = mmap(NULL, CONF_SECRETS, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			out_of_memory(m);
		m->secret = p;
	}
	if (len > CONF_SECRETS - m->secret_used)
		out_of_memory(m);
	p = memcpy(m->secret + m->secret_used, s, len);
	m->secret_used += len;
	return p;
}

void
conf_share_secrets(const struct conf *c, bool share)
{
	if (c->memory->secret != NULL)
		madvise(c->memory->secret, CONF_SECRETS, share ? MADV_DOFORK : MADV_DONTFORK);
}

void
conf_set_init(struct conf_set *s, struct conf_mem *m, size_t expect)
{
	s->mem = m;
	s->used = 0;
	for (s->size = 16; s->size < expect * 2; s->size *= 2)
		;
	s->slot = conf_array(m, s->size, sizeof(*s->slot));
}

static struct conf_set_slot *
set_slot(const struct conf_set *s, unsigned space, const char *key)
{
	size_t i = (size_t)XXH3_64bits_withSeed(key, strlen(key), space);

	for (;; i++) {
		struct conf_set_slot *slot = &s->slot[i & (s->size - 1)];

		if (slot->key == NULL || (slot->space == space && strcmp(slot->key, key) == 0))
			return slot;
	}
}

static void
set_grow(struct conf_set *s)
{
	struct conf_set bigger;

	conf_set_init(&bigger, s->mem, s->size);
	for (size_t i = 0; i < s->size; i++)
		if (s->slot[i].key != NULL)
			*set_slot(&bigger, s->slot[i].space, s->slot[i].key) = s->slot[i];
	bigger.used = s->used;
	*s = bigger;
}

const void *
conf_set_add(struct conf_set *s, unsigned space, const char *key, const void *value)
{
	struct conf_set_slot *slot;

	if (s->used * 2 >= s->size)
		set_grow(s);
	slot = set_slot(s, space, key);
	if (slot->key != NULL)
		return slot->value;
	*slot = (struct conf_set_slot){ .key = key, .space = space, .value = value };
	s->used++;
	return NULL;
}

const void *
conf_set_find(const struct conf_set *s, unsigned space, const char *key)
{
	return set_slot(s, space, key)->value;
}
