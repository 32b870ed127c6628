/* SPDX-License-Identifier: ISC */
/*
 * Configurations, of up to three files with a line "%%" between them.  What
 * is refused comes with a reason that has a place; what loads is printed, and
 * the print loads again, without an error, to the same print and the same
 * routes; and each name that a service lists gets there, or to a pattern that
 * is more specific.
 *
 * The loader opens nothing but these files: the linker sends its fopen and
 * glob here (--wrap).  So it does with crypt_r and regcomp, whose time an
 * input could choose; what they find out about their argument is kept.
 */
#include "config.h"
#include "state/conf.h"
#include "state/route.h"

#include <crypt.h>
#include <errno.h>
#include <fnmatch.h>
#include <glob.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "wire/hostname.h"

#define MUST(x)		do { if (!(x)) abort(); } while (0)
#define FILES		3
#define SEPARATOR	"\n%%\n"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
FILE *__real_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode);
int __wrap_glob(const char *pattern, int flags, int (*failed)(const char *, int), glob_t *found);
void __wrap_globfree(glob_t *found);
char *__wrap_crypt_r(const char *phrase, const char *setting, struct crypt_data *data);
int __real_regcomp(regex_t *re, const char *pattern, int flags);
int __wrap_regcomp(regex_t *re, const char *pattern, int flags);
const char *__lsan_default_suppressions(void);

static char first_name[] = "durward.conf", second_name[] = "a.conf", third_name[] = "b.conf";
static char *const names[FILES] = { first_name, second_name, third_name };
static int fds[FILES] = { -1, -1, -1 };
static bool loading;
static unsigned errors, warnings;

/* ---- what the loader may see of the world ------------------------------ */

/* libconfuse forgets its last string where a call's arguments are no good. */
const char *
__lsan_default_suppressions(void)
{
	return "leak:cfg_yylex\nleak:libconfuse\n";
}

FILE *
__wrap_fopen(const char *path, const char *mode)
{
	unsigned i;
	int fd;

	if (!loading)
		return __real_fopen(path, mode);
	for (i = 0; i < FILES && strcmp(path, names[i]) != 0; i++)
		;
	if (i == FILES || (fd = dup(fds[i])) < 0) {
		errno = ENOENT;
		return NULL;
	}
	lseek(fd, 0, SEEK_SET);
	return fdopen(fd, mode);
}

int
__wrap_glob(const char *pattern, int flags, int (*failed)(const char *, int), glob_t *found)
{
	static char *matched[FILES + 1];
	unsigned i;

	(void)failed;
	MUST(loading && (flags & ~GLOB_ERR) == 0);
	found->gl_pathc = 0;
	found->gl_pathv = matched;
	for (i = 0; i < FILES; i++)
		if (fnmatch(pattern, names[i], 0) == 0)
			matched[found->gl_pathc++] = names[i];
	return found->gl_pathc > 0 ? 0 : GLOB_NOMATCH;
}

void
__wrap_globfree(glob_t *found)
{
	found->gl_pathc = 0;
}

/* A hash is a setting; nobody's time is spent. */
char *
__wrap_crypt_r(const char *phrase, const char *setting, struct crypt_data *data)
{
	static char output[384];

	(void)phrase;
	(void)data;
	snprintf(output, sizeof(output), "%s",
	    strchr(setting + 1, '$') != NULL ? setting : "*0");
	return output;
}

/* Repeated repetitions take memory and time that are their author's to spend. */
int
__wrap_regcomp(regex_t *re, const char *pattern, int flags)
{
	unsigned costly = 0;
	const char *p;

	for (p = pattern; *p != '\0'; p++)
		costly += strchr("{(*+", *p) != NULL;
	return costly > 2 || strlen(pattern) > 100 ? REG_ESPACE : __real_regcomp(re, pattern, flags);
}

/* ---- loading ----------------------------------------------------------- */

/* One line; "FILE: " or "FILE:LINE: " and something behind it. */
static void
check_message(const char *text)
{
	unsigned i;
	size_t n = 0;

	for (const char *p = text; *p != '\0'; p++)
		MUST((unsigned char)*p >= ' ' && *p != 0x7f);
	for (i = 0; i < FILES; i++)
		if (strncmp(text, names[i], strlen(names[i])) == 0)
			n = strlen(names[i]);
	MUST(n > 0 && text[n] == ':');
	if (text[n + 1] != ' ')
		n += 1 + strspn(text + n + 1, "0123456789");
	MUST(text[n] == ':' && text[n + 1] == ' ' && text[n + 2] != '\0');
}

static void
on_error(void *arg, const char *text)
{
	(void)arg;
	check_message(text);
	errors++;
}

static void
on_warning(void *arg, const char *text)
{
	(void)arg;
	check_message(text);
	MUST(strstr(text, ": warning: ") != NULL);
	warnings++;
}

static void
set_file(unsigned i, const void *text, size_t len)
{
	if (fds[i] < 0)
		fds[i] = memfd_create(names[i], MFD_CLOEXEC);
	MUST(ftruncate(fds[i], 0) == 0 && pwrite(fds[i], text, len, 0) == (ssize_t)len);
}

static void
set_files(const char *text, size_t len)
{
	const char *end;
	size_t n;
	unsigned i;

	for (i = 0; i < FILES; i++) {
		end = i + 1 < FILES ? memmem(text, len, SEPARATOR, strlen(SEPARATOR)) : NULL;
		n = end != NULL ? (size_t)(end - text) : len;
		set_file(i, text, n);
		n += end != NULL ? strlen(SEPARATOR) : 0;
		text += n;
		len -= n;
	}
}

static struct conf *
load(void)
{
	struct conf *c;

	errors = warnings = 0;
	loading = true;
	c = conf_load(first_name, on_error, on_warning, NULL);
	loading = false;
	MUST((c == NULL) == (errors > 0));
	return c;
}

static char *
print(const struct conf *c, size_t *len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, len);

	MUST(f != NULL && conf_print(c, f) == 0 && fclose(f) == 0);
	return text;
}

/* ---- routes ------------------------------------------------------------ */

static struct route *
route_of(const struct conf *c)
{
	struct route *r = route_new(c);

	MUST(r != NULL);
	return r;
}

/* A name that the pattern means; 0 where none comes to mind. */
static size_t
name_for(const char *pattern, char name[HOSTNAME_SIZE])
{
	const char *suffix = pattern + strspn(pattern, "*");

	if (pattern[0] == '~' || strcmp(pattern, "*") == 0 || strlen(pattern) > 250)
		return 0;
	return (size_t)snprintf(name, HOSTNAME_SIZE, "%s%s", suffix == pattern ? "" :
	    suffix - pattern == 1 ? "x" : "x.y", suffix);
}

static bool
is_exact(const char *pattern)
{
	return pattern[0] != '*' && pattern[0] != '~';
}

static void
check_host(const struct conf *c, const struct route *r, const struct conf_backend *b,
    const char *pattern)
{
	char name[HOSTNAME_SIZE];
	const char *got = NULL;
	size_t len = name_for(pattern, name);
	int found;

	if (len == 0)
		return;
	found = route_find(r, b->listener, name, len, &got);
	MUST(found >= 0 && found < (int)c->nbackend && got != NULL);
	MUST(c->backend[found].listener == b->listener);
	if (strcmp(got, pattern) == 0)
		MUST(&c->backend[found] == b);
	else			/* longer, or an exact name */
		MUST(!is_exact(pattern) && (is_exact(got) || strlen(got) > strlen(pattern)));
}

static void
check_routes(const struct conf *c)
{
	struct route *r = route_of(c);
	unsigned i, k;

	for (i = 0; i < c->nbackend; i++)
		for (k = 0; !c->backend[i].fallback_only && k < c->backend[i].service->nhost; k++)
			check_host(c, r, &c->backend[i], c->backend[i].service->host[k].text);
	route_free(r);
}

static void
check_same_routes(const struct conf *a, const struct conf *b)
{
	static const char *const asked[] = { "", "a", "a.b", "x.y.example", "192.0.2.1" };
	struct route *ra = route_of(a), *rb = route_of(b);
	const char *pa, *pb;
	unsigned i, k;
	int fa, fb;

	MUST(a->nlistener == b->nlistener && a->nbackend == b->nbackend);
	for (i = 0; i < a->nlistener; i++)
		for (k = 0; k < sizeof(asked) / sizeof(asked[0]); k++) {
			fa = route_find(ra, i, asked[k], strlen(asked[k]), &pa);
			fb = route_find(rb, i, asked[k], strlen(asked[k]), &pb);
			MUST((fa < 0) == (fb < 0) && (pa == NULL) == (pb == NULL));
			MUST(fa < 0 || strcmp(a->backend[fa].name, b->backend[fb].name) == 0);
			MUST(pa == NULL || strcmp(pa, pb) == 0);
		}
	route_free(ra);
	route_free(rb);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf *c, *again;
	char *text, *twice;
	size_t len, twice_len;
	unsigned warned;

	set_files((const char *)data, size);
	if ((c = load()) == NULL)
		return 0;
	warned = warnings;
	check_routes(c);
	text = print(c, &len);
	set_file(0, text, len);
	again = load();
	MUST(again != NULL && warnings == warned);
	twice = print(again, &twice_len);
	MUST(len == twice_len && memcmp(text, twice, len) == 0);
	check_same_routes(c, again);
	free(text);
	free(twice);
	conf_free(c);
	conf_free(again);
	return 0;
}
