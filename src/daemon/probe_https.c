/* SPDX-License-Identifier: ISC */
/* Finds and loads the plugin for "https" probes.  In the checker. */
#include "config.h"
#include "daemon/probe_https.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

const struct https_ops *probe_https_ops;

static void *
open_beside_us(void)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 64);
	char *slash;

	if (n <= 0)
		return NULL;
	path[n] = '\0';
	if ((slash = strrchr(path, '/')) == NULL)
		return NULL;
	strcpy(slash + 1, "durward-https.so");
	return dlopen(path, RTLD_NOW | RTLD_LOCAL);
}

const struct https_ops *
probe_https_load(void)
{
	void *lib = dlopen(PKGLIBDIR "/durward-https.so", RTLD_NOW | RTLD_LOCAL);

	if (lib == NULL)
		lib = open_beside_us();	/* a build tree */
	if (lib != NULL)
		probe_https_ops = dlsym(lib, HTTPS_OPS_SYMBOL);
	if (probe_https_ops == NULL)
		log_errx("cannot load " PKGLIBDIR "/durward-https.so for \"https\" checks: %s", dlerror());
	return probe_https_ops;
}
