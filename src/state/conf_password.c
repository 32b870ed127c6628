/* SPDX-License-Identifier: ISC */
/*
 * Passwords: a clear one becomes a crypt(3) hash while the file is read, so
 * that memory, core files and -T never hold it.  A hash stays as it is, if
 * this system's crypt knows it.
 */
#include "config.h"
#include "state/conf_priv.h"

#include <crypt.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

/* Each page of the statistics asks for a hash, and a worker serves it: enough
 * rounds to slow a thief of the file down, few enough not to be noticed. */
#define SETTING	"$6$rounds=1000$"
#define SALT_LEN	16

static bool
hash_is_good(const char *hash)
{
	return hash != NULL && *hash != '*';
}

static bool
make_setting(char *setting, size_t size)
{
	static const char alphabet[] =
	    "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	unsigned char salt[SALT_LEN];
	size_t at = strlen(SETTING);

	if (size < at + SALT_LEN + 2 || getrandom(salt, sizeof(salt), 0) != (ssize_t)sizeof(salt))
		return false;
	memcpy(setting, SETTING, at);
	for (size_t i = 0; i < SALT_LEN; i++)
		setting[at++] = alphabet[salt[i] & 63];
	setting[at++] = '$';
	setting[at] = '\0';
	return true;
}

/* What crypt_r makes of it is wiped, but for the hash. */
static bool
hash_with(struct conf_mem *m, struct crypt_data *data, const char *text, char **hash, const char **why)
{
	char setting[64];
	const char *made;

	if (*text == '$') {
		*why = "it begins like a crypt(3) hash, but is none that this system knows";
		*hash = conf_secret(m, text);
		return hash_is_good(crypt_r("", text, data));
	}
	*why = "it can't be hashed on this system";
	if (!make_setting(setting, sizeof(setting)))
		return false;
	made = crypt_r(text, setting, data);
	if (!hash_is_good(made))
		return false;
	*hash = conf_secret(m, made);
	return true;
}

bool
conf_parse_password(struct conf_mem *m, const char *text, char **hash, const char **why)
{
	/* not on the stack, for its size, nor in m, for what it holds */
	_Alignas(4096) static struct crypt_data data;
	bool good;

	*hash = conf_strdup(m, "");
	if (*text == '\0')
		return true;
	good = hash_with(m, &data, text, hash, why);
	explicit_bzero(&data, sizeof(data));
	return good;
}
