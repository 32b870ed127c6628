/* SPDX-License-Identifier: ISC */
/*
 * Who may see the statistics.  In a worker of a stats listener.  What takes
 * time or not must not tell which of user and password was wrong, nor how
 * much of it was right.
 */
#include "config.h"
#include "proxy/stats_auth.h"

#include <crypt.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CREDENTIALS	512

static int
value_of(char c)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c != '\0' ? strchr(alphabet, c) : NULL;

	return at != NULL ? (int)(at - alphabet) : -1;
}

int
stats_auth_decode(const char *text, size_t len, char *out, size_t size)
{
	uint32_t bits = 0;
	size_t i, n = 0;

	if (len % 4 != 0)
		return -1;
	if (len > 0 && text[len - 1] == '=')
		len -= text[len - 2] == '=' ? 2 : 1;
	for (i = 0; i < len; i++) {
		int v = value_of(text[i]);

		if (v < 0)
			return -1;
		bits = bits << 6 | (uint32_t)v;
		if (i % 4 == 0)
			continue;
		if (n == size)
			return -1;
		out[n++] = (char)(bits >> (6 - 2 * (i % 4)) & 0xff);
	}
	return (int)n;
}

/* Takes as long for any a of the same length. */
static bool
equal(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b), i;
	volatile unsigned char differ = la != lb;

	for (i = 0; i < la; i++)
		differ = (unsigned char)(differ | (a[i] ^ b[lb > 0 ? i % lb : 0]));
	return differ == 0;
}

static bool
password_is(const char *password, const char *hash)
{
	struct crypt_data *data = calloc(1, sizeof(*data));
	const char *made;
	bool same;

	if (data == NULL)
		return false;
	made = crypt_r(password, hash, data);
	same = made != NULL && made[0] != '*' && equal(made, hash);
	explicit_bzero(data, sizeof(*data));
	free(data);
	return same;
}

static bool
is_field(const struct http_field *f, const char *name)
{
	return f->name.len == strlen(name) && strncasecmp(f->name.p, name, f->name.len) == 0;
}

static enum stats_auth
check_credentials(const struct conf_listener *l, const char *text, size_t len)
{
	char pair[CREDENTIALS + 1], *colon;
	int n = stats_auth_decode(text, len, pair, CREDENTIALS);
	bool user, password;

	if (n < 0 || memchr(pair, '\0', (size_t)n) != NULL)
		return STATS_AUTH_WRONG;
	pair[n] = '\0';
	if ((colon = strchr(pair, ':')) == NULL)
		return STATS_AUTH_WRONG;
	*colon = '\0';
	user = equal(pair, l->user);
	password = password_is(colon + 1, l->password);
	explicit_bzero(pair, sizeof(pair));
	return user && password ? STATS_AUTH_OK : STATS_AUTH_WRONG;
}

enum stats_auth
stats_auth_check(const struct conf_listener *l, const struct http_request *r)
{
	const struct http_field *found = NULL;
	unsigned i;
	size_t skip = strlen("Basic");

	if (l->password[0] == '\0')
		return STATS_AUTH_OK;
	for (i = 0; i < r->head.nfields; i++) {
		if (!is_field(&r->head.fields[i], "Authorization"))
			continue;
		if (found != NULL)
			return STATS_AUTH_WRONG;
		found = &r->head.fields[i];
	}
	if (found == NULL || found->value.len <= skip || strncasecmp(found->value.p, "Basic", skip) != 0 ||
	    found->value.p[skip] != ' ')
		return STATS_AUTH_NONE;
	while (skip < found->value.len && found->value.p[skip] == ' ')
		skip++;
	return check_credentials(l, found->value.p + skip, found->value.len - skip);
}
