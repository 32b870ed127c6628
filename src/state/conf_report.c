/* SPDX-License-Identifier: ISC */
/*
 * Errors and warnings of one load: gathered while it runs, then told in the
 * order of files and lines.  Messages are rendered here, once; what came from
 * the file is an argument, never a format, and control characters in it do
 * not reach the terminal.
 */
#include "config.h"
#include "state/conf_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned
file_order(const struct conf_load *l, const char *file)
{
	unsigned i;

	for (i = 0; i < l->nfile && l->file[i] != file; i++)
		;
	return i;
}

static void __attribute__((format(printf, 4, 0)))
add_message(struct conf_load *l, struct conf_where w, bool warning, const char *fmt, va_list ap)
{
	struct conf_message *m = conf_alloc(&l->mem, sizeof(*m));
	va_list again;
	int len;

	va_copy(again, ap);
	len = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	m->text = conf_alloc(&l->mem, (size_t)(len < 0 ? 0 : len) + 1);
	if (len > 0)
		vsnprintf(m->text, (size_t)len + 1, fmt, ap);
	for (char *p = m->text; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	m->where = w;
	m->file = file_order(l, w.file);
	m->warning = warning;
	m->seq = l->nmessage++;
	m->next = l->messages;
	l->messages = m;
}

void
conf_verror(struct conf_load *l, struct conf_where w, const char *fmt, va_list ap)
{
	l->nerror++;
	add_message(l, w, false, fmt, ap);
}

void
conf_error(struct conf_load *l, struct conf_where w, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	conf_verror(l, w, fmt, ap);
	va_end(ap);
}

void
conf_warn(struct conf_load *l, struct conf_where w, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_message(l, w, true, fmt, ap);
	va_end(ap);
}

const char *
conf_where_text(struct conf_load *l, struct conf_where w, struct conf_where from)
{
	if (w.file == from.file)
		return conf_printf(&l->mem, "line %d", w.line);
	return conf_printf(&l->mem, "%s:%d", w.file, w.line);
}

static int
message_cmp(const void *va, const void *vb)
{
	const struct conf_message *a = *(struct conf_message *const *)va;
	const struct conf_message *b = *(struct conf_message *const *)vb;

	if (a->file != b->file)
		return a->file < b->file ? -1 : 1;
	if (a->where.line != b->where.line)
		return a->where.line < b->where.line ? -1 : 1;
	return a->seq < b->seq ? -1 : 1;
}

void
conf_report_all(struct conf_load *l, conf_report *error, conf_report *warn, void *arg)
{
	struct conf_message **sorted = conf_array(&l->mem, l->nmessage, sizeof(*sorted));
	unsigned n = 0;

	for (struct conf_message *m = l->messages; m != NULL; m = m->next)
		sorted[n++] = m;
	if (n > 1)
		qsort(sorted, n, sizeof(*sorted), message_cmp);
	for (unsigned i = 0; i < n; i++) {
		const struct conf_message *m = sorted[i];
		conf_report *to = m->warning ? warn : error;

		if (to == NULL)
			continue;
		to(arg, m->where.line > 0 ?
		    conf_printf(&l->mem, "%s:%d: %s%s", m->where.file, m->where.line,
			m->warning ? "warning: " : "", m->text) :
		    conf_printf(&l->mem, "%s: %s%s", m->where.file,
			m->warning ? "warning: " : "", m->text));
	}
}
