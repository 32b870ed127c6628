/* SPDX-License-Identifier: ISC */
/*
 * libconfuse at work: a file, and those it includes, becomes a tree of plain
 * text in which each value knows its line.  The only file that knows
 * confuse.h.  Nothing of libconfuse outlives conf_parse.
 *
 * Every value is a CFGT_PTR whose parse callback keeps text and line; what
 * the text means is judged later, so that one bad value hides no other.
 * include() is ours: libconfuse's holds ten files, knows no wildcards, and
 * looks in the working directory.
 */
#include "config.h"
#include "state/conf_priv.h"

#include <confuse.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MARK		"@"		/* see conf_text.c */
#define MAX_DEPTH	16		/* of includes */
#define MAX_FILE	((size_t)256 << 20)

struct value {				/* what libconfuse holds for us */
	struct conf_where where;
	char text[];
};

struct nodes {				/* grows */
	struct conf_node *node;
	unsigned n, size;
};

/* libconfuse's callbacks take no argument of ours, hence this. */
_Alignas(4096) static struct parse {
	struct conf_load *load;
	const char *file;		/* the one being read */
	struct conf_seen top;		/* keys met outside of sections, in any file */
	struct { dev_t dev; ino_t ino; } open[MAX_DEPTH];
	unsigned depth;
	/* Sections read whose parent is not finished yet: of this kind, in that. */
	struct nodes waiting[CONF_NSECTIONS][CONF_NSECTIONS];
} parse;

static bool parse_file(cfg_t *cfg, const char *path, struct conf_where from);

static struct conf_where
here(const cfg_t *cfg)
{
	return (struct conf_where){ .file = parse.file, .line = cfg->line };
}

static void __attribute__((format(printf, 2, 0)))
on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	conf_verror(parse.load, here(cfg), fmt, ap);
}

static int
on_value(cfg_t *cfg, cfg_opt_t *opt, const char *text, void *result)
{
	size_t len = strlen(text);
	struct value *v = malloc(sizeof(*v) + len + 1);

	(void)opt;
	if (v == NULL)
		return -1;
	v->where = here(cfg);
	memcpy(v->text, text, len + 1);
	memcpy(result, &v, sizeof(v));
	return 0;
}

/* ---- include ------------------------------------------------------- */

static char *
beside(struct conf_load *l, const char *file, const char *name)
{
	const char *slash = strrchr(file, '/');

	if (*name == '/' || slash == NULL)
		return conf_strdup(&l->mem, name);
	return conf_printf(&l->mem, "%.*s/%s", (int)(slash - file), file, name);
}

static int
on_include(cfg_t *cfg, cfg_opt_t *opt, int argc, const char **argv)
{
	struct conf_where from = here(cfg);
	char *path;
	glob_t found;
	int rc;

	(void)opt;
	if (argc != 1) {
		conf_error(parse.load, from, "include takes one file name");
		return 0;
	}
	path = beside(parse.load, parse.file, argv[0]);
	if (strpbrk(path, "*?[") == NULL) {
		parse.load->incomplete |= !parse_file(cfg, path, from);
		return 0;
	}
	rc = glob(path, GLOB_ERR, NULL, &found);
	if (rc == GLOB_NOSPACE || (rc == GLOB_ABORTED && errno != ENOENT))
		conf_error(parse.load, from, "include %s: %s", path, strerror(errno));
	if (rc != 0)
		return 0;	/* none yet is fine: a directory for clusters to come */
	for (size_t i = 0; i < found.gl_pathc; i++)
		parse.load->incomplete |= !parse_file(cfg, found.gl_pathv[i], from);
	globfree(&found);
	return 0;
}

/* ---- reading a file ------------------------------------------------ */

static char *
read_all(FILE *f, size_t *len)
{
	size_t size = 16384, n = 0, got;
	char *buf = malloc(size), *more;

	while (buf != NULL && (got = fread(buf + n, 1, size - n, f)) > 0) {
		n += got;
		if (n < size)
			continue;
		if (size >= MAX_FILE) {
			errno = EFBIG;
			free(buf);
			return NULL;
		}
		if ((more = realloc(buf, size *= 2)) == NULL)
			free(buf);
		buf = more;
	}
	if (buf != NULL && ferror(f)) {
		free(buf);
		return NULL;
	}
	*len = n;
	return buf;
}

static bool
unreadable(const char *path, struct conf_where from, int error)
{
	if (from.line > 0)
		conf_error(parse.load, from, "include %s: %s", path, strerror(error));
	else
		conf_error(parse.load, from, "%s", strerror(error));
	return false;
}

static const char *
remember_file(struct conf_load *l, const char *path)
{
	if ((l->nfile & (l->nfile - 1)) == 0) {	/* 0, 1, 2, 4 ...: full */
		char **more = conf_array(&l->mem, l->nfile * 2 + 1, sizeof(char *));

		if (l->nfile > 0)
			memcpy(more, l->file, l->nfile * sizeof(char *));
		l->file = more;
	}
	l->file[l->nfile] = conf_strdup(l->conf->memory, path);
	return l->file[l->nfile++];
}

/* Hand prepared text to libconfuse, which reads it into cfg. */
static bool
feed(cfg_t *cfg, char *text, size_t len)
{
	unsigned before = parse.load->nerror;
	int line = cfg->line;
	FILE *f = fmemopen(text, len, "r");
	int rc;

	if (f == NULL) {
		conf_error(parse.load, here(cfg), "%s", strerror(errno));
		return false;
	}
	rc = cfg_parse_fp(cfg, f);
	fclose(f);
	if (rc != CFG_SUCCESS && parse.load->nerror == before)
		conf_error(parse.load, here(cfg), "this can't be understood");
	cfg->line = line;
	return rc == CFG_SUCCESS;
}

static bool
parse_open(cfg_t *cfg, FILE *f, const char *path, struct conf_where from)
{
	const char *outer = parse.file;
	char *text, *ready;
	size_t len, ready_len;
	bool ok = false;

	text = read_all(f, &len);
	if (text == NULL)
		return unreadable(path, from, errno);
	parse.file = remember_file(parse.load, path);
	if (memchr(text, '\0', len) != NULL)
		conf_error(parse.load, (struct conf_where){ parse.file, 0 },
		    "not a text file: it has a NUL byte in it");
	else if (conf_text_prepare(parse.load, parse.file, text, len, &parse.top, &ready,
	    &ready_len))
		ok = feed(cfg, ready, ready_len);
	free(text);
	parse.file = outer;
	return ok;
}

static bool
enter_file(FILE *f, const char *path, struct conf_where from)
{
	struct stat st;

	if (fstat(fileno(f), &st) != 0)
		return unreadable(path, from, errno);
	if (S_ISDIR(st.st_mode))
		return unreadable(path, from, EISDIR);
	for (unsigned i = 0; i < parse.depth; i++)
		if (parse.open[i].dev == st.st_dev && parse.open[i].ino == st.st_ino) {
			conf_error(parse.load, from, "include %s: the file includes itself", path);
			return false;
		}
	if (parse.depth == MAX_DEPTH) {
		conf_error(parse.load, from, "include %s: more than %d files deep", path, MAX_DEPTH);
		return false;
	}
	parse.open[parse.depth].dev = st.st_dev;
	parse.open[parse.depth].ino = st.st_ino;
	return true;
}

static bool
parse_file(cfg_t *cfg, const char *path, struct conf_where from)
{
	FILE *f = fopen(path, "re");
	bool ok = false;

	if (f == NULL)
		return unreadable(path, from, errno);
	if (enter_file(f, path, from)) {
		parse.depth++;
		ok = parse_open(cfg, f, path, from);
		parse.depth--;
	}
	fclose(f);
	return ok;
}

/* ---- from cfg_t to a tree of our own ------------------------------- */

static struct conf_item
copy_item(struct conf_load *l, cfg_opt_t *opt, unsigned i)
{
	struct value *v = cfg_opt_getnptr(opt, i);

	return (struct conf_item){ .where = v->where, .text = conf_strdup(&l->mem, v->text) };
}

static void
copy_values(struct conf_load *l, cfg_opt_t *opt, struct conf_entry *e)
{
	e->n = cfg_opt_size(opt);
	e->given = e->n > 0 || (opt->flags & CFGF_MODIFIED) != 0;
	e->item = conf_array(&l->mem, e->n, sizeof(*e->item));
	for (unsigned i = 0; i < e->n; i++)
		e->item[i] = copy_item(l, opt, i);
	if (e->n > 0)
		e->where = e->item[0].where;
}

static void
take_sections(struct nodes *waiting, struct conf_entry *e)
{
	e->n = waiting->n;
	e->given = e->n > 0;
	e->node = waiting->node;
	if (e->n > 0)
		e->where = e->node[0].title.where;
	*waiting = (struct nodes){ .node = NULL };
}

static void
copy_node(struct conf_load *l, cfg_t *cfg, enum conf_section section, struct conf_node *node)
{
	unsigned n;
	const struct conf_key *k = conf_keys(section, &n);

	node->section = section;
	node->title = (struct conf_item){ .text = NULL };
	if (cfg_opt_size(&cfg->opts[n]) > 0)	/* the mark stands behind the keys */
		node->title = copy_item(l, &cfg->opts[n], 0);
	else
		node->title.text = conf_strdup(&l->mem, "");
	node->entry = conf_array(&l->mem, n, sizeof(*node->entry));
	for (unsigned i = 0; i < n; i++) {
		node->entry[i].where = node->title.where;
		if (k[i].type == CONF_T_SECTION)
			take_sections(&parse.waiting[section][k[i].child], &node->entry[i]);
		else if (k[i].type != CONF_T_CALL)
			copy_values(l, &cfg->opts[i], &node->entry[i]);
	}
}

static struct conf_node *
new_node(struct conf_load *l, struct nodes *list)
{
	if (list->n == list->size) {
		struct conf_node *more;

		list->size = list->size == 0 ? 1 : list->size * 2;
		more = conf_array(&l->mem, list->size, sizeof(*more));
		if (list->n > 0)
			memcpy(more, list->node, list->n * sizeof(*more));
		list->node = more;
	}
	return &list->node[list->n++];
}

static enum conf_section
section_of(const char *name)
{
	for (unsigned i = 1; i < CONF_NSECTIONS; i++)
		if (strcmp(name, conf_section_name((enum conf_section)i)) == 0)
			return (enum conf_section)i;
	return CONF_SEC_ROOT;
}

/* A section has ended.  It is copied and given back at once: libconfuse takes
 * some ten kilobytes for each, whatever stands in it. */
static int
on_section(cfg_t *cfg, cfg_opt_t *opt)
{
	enum conf_section parent = section_of(cfg->name), child = section_of(opt->name);
	struct conf_node node;

	copy_node(parse.load, cfg_opt_getnsec(opt, 0), child, &node);
	*new_node(parse.load, &parse.waiting[parent][child]) = node;
	cfg_opt_rmnsec(opt, 0);
	return 0;
}

/* ---- options from the table ---------------------------------------- */

_Alignas(4096) static cfg_opt_t options[CONF_NSECTIONS][CONF_MAX_KEYS + 2];	/* the mark, the end */

static void
make_options(enum conf_section section)
{
	unsigned n, i;
	const struct conf_key *k = conf_keys(section, &n);
	cfg_opt_t *o = options[section];

	if (n > CONF_MAX_KEYS)
		abort();	/* the table has outgrown what is made of it */
	for (i = 0; i < n; i++) {
		cfg_opt_t one = CFG_PTR_CB(k[i].name, NULL, CFGF_NONE, on_value, free);
		cfg_opt_t list = CFG_PTR_LIST_CB(k[i].name, NULL, CFGF_NONE, on_value, free);
		cfg_opt_t call = CFG_FUNC(k[i].name, on_include);
		cfg_opt_t sub = CFG_SEC(k[i].name, options[k[i].child], CFGF_MULTI);

		if (k[i].type == CONF_T_SECTION) {
			make_options(k[i].child);
			o[i] = sub;
			o[i].validcb = on_section;
		} else if (k[i].type == CONF_T_CALL) {
			o[i] = call;
		} else {
			o[i] = k[i].type == CONF_T_NETS || k[i].type == CONF_T_LIST ? list : one;
		}
	}
	o[i++] = (cfg_opt_t)CFG_PTR_CB(MARK, NULL, CFGF_NONE, on_value, free);
	o[i] = (cfg_opt_t)CFG_END();
}

bool
conf_parse(struct conf_load *l, const char *path)
{
	struct conf_where from = { .file = l->conf->path, .line = 0 };
	cfg_t *cfg;
	bool ok;

	make_options(CONF_SEC_ROOT);
	memset(&parse, 0, sizeof(parse));
	parse.load = l;
	parse.file = l->conf->path;
	cfg = cfg_init(options[CONF_SEC_ROOT], CFGF_NONE);
	if (cfg == NULL)
		longjmp(l->oom, 1);
	cfg_set_error_function(cfg, on_error);
	ok = parse_file(cfg, path, from);
	if (ok) {
		l->root = conf_alloc(&l->mem, sizeof(*l->root));
		copy_node(l, cfg, CONF_SEC_ROOT, l->root);
	}
	cfg_free(cfg);
	return ok;
}
