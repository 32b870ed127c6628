/* SPDX-License-Identifier: ISC */
/*
 * Paths in a configuration.  A relative one starts from the directory of the
 * file that says it, as with include: the daemon is in "/" when it reads its
 * file again, and whoever asks -t may be anywhere.
 */
#include "config.h"
#include "state/conf_priv.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *
conf_path(struct conf_load *l, struct conf_where w, const char *path)
{
	const char *slash;
	char cwd[PATH_MAX];
	int dir;

	if (*path == '\0' || *path == '/')
		return conf_strdup(l->conf->memory, path);
	slash = strrchr(w.file, '/');
	dir = slash == NULL ? 0 : (int)(slash - w.file);
	if (*w.file == '/')
		return conf_printf(l->conf->memory, "%.*s/%s", dir, w.file, path);
	if (getcwd(cwd, sizeof(cwd)) == NULL) {
		conf_error(l, w, "\"%s\": where this is cannot be told: %s", path, strerror(errno));
		return conf_strdup(l->conf->memory, path);
	}
	return conf_printf(l->conf->memory, "%s%s%.*s/%s", strcmp(cwd, "/") == 0 ? "" : cwd,
	    dir > 0 ? "/" : "", dir, w.file, path);
}

/* A line that OpenSSL takes for the begin of a certificate. */
static bool
begins_certificate(const char *line)
{
	static const char *const kinds[] = { "CERTIFICATE-----", "TRUSTED CERTIFICATE-----",
	    "X509 CERTIFICATE-----" };
	size_t begin = strlen("-----BEGIN ");

	if (strncmp(line, "-----BEGIN ", begin) != 0)
		return false;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strncmp(line + begin, kinds[i], strlen(kinds[i])) == 0)
			return true;
	return false;
}

const char *
conf_path_no_certificate(const char *path)
{
	const char *why = "there is no certificate in it (PEM, -----BEGIN CERTIFICATE-----)";
	struct stat st;
	char line[256];
	FILE *f;

	if (stat(path, &st) != 0)
		return strerror(errno);
	if (!S_ISREG(st.st_mode))	/* a pipe would keep us */
		return S_ISDIR(st.st_mode) ? "a directory, where a file of certificates is due" :
		    "not a file";
	if ((f = fopen(path, "re")) == NULL)
		return strerror(errno);
	while (fgets(line, sizeof(line), f) != NULL)
		if (begins_certificate(line)) {
			why = NULL;
			break;
		}
	fclose(f);
	return why;
}
