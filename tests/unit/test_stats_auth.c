/* SPDX-License-Identifier: ISC */
/* Who may see the statistics: Basic credentials (RFC 7617) as they come, against
 * the hashes that crypt(3) knows.  Calls of crypt are counted: a wrong user must
 * cost what a wrong password costs. */
#include "config.h"

#include <check.h>
#include <crypt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/stats_auth.h"

#define COUNT(a)	((int)(sizeof(a) / sizeof(*(a))))

/* of "se:cret" */
#define SHA512	"$6$abcdefgh$x0o6yD48j5ARRWoAMCR7LyNAWftPgohpTO.7j6t6LpTHU7.o.QoRxMMr0cKvnus44" \
		"//Pxz.RElGv2Bdbw0Kmz1"
#define ROUNDS	"$6$rounds=1000$abcdefgh$"

static unsigned hashed;
static char last_password[600];

char *__real_crypt_r(const char *phrase, const char *setting, struct crypt_data *data);
char *__wrap_crypt_r(const char *phrase, const char *setting, struct crypt_data *data);

char *
__wrap_crypt_r(const char *phrase, const char *setting, struct crypt_data *data)
{
	hashed++;
	snprintf(last_password, sizeof(last_password), "%s", phrase);
	return __real_crypt_r(phrase, setting, data);
}

/* --- base64 (RFC 4648, 4) ------------------------------------------------------ */

static const struct { const char *text, *want; } codes[] = {
	{ "", "" },
	{ "Zg==", "f" }, { "Zm8=", "fo" }, { "Zm9v", "foo" }, { "Zm9vYg==", "foob" },
	{ "Zm9vYmE=", "fooba" }, { "Zm9vYmFy", "foobar" },
	{ "YWRtaW46cGFzczp3b3Jk", "admin:pass:word" },
	{ "+/+/", "\xfb\xff\xbf" },
	{ "cMOkc3M=", "p\xc3\xa4ss" },
	{ "Zg", NULL }, { "Zg=", NULL }, { "Zg===", NULL }, { "Z", NULL }, { "=", NULL },
	{ "====", NULL }, { "Z===", NULL }, { "Z=g=", NULL }, { "Zg==Zg==", NULL }, { "Zm9v\n", NULL },
	{ " Zm9", NULL }, { "Zm 9", NULL }, { "Zm9-", NULL }, { "Zm9_", NULL }, { "!!!!", NULL },
	{ "Zm\xc3\xa4", NULL },
};

START_TEST(base64_is_decoded_or_refused)
{
	size_t len = strlen(codes[_i].text);
	char *text = malloc(len + 1), out[64];	/* exactly as long: sanitizers see a step beyond */
	int n;

	ck_assert_ptr_nonnull(text);
	memcpy(text, codes[_i].text, len);
	n = stats_auth_decode(text, len, out, sizeof(out));
	if (codes[_i].want == NULL) {
		ck_assert_int_eq(n, -1);
	} else {
		ck_assert_int_eq(n, (int)strlen(codes[_i].want));
		ck_assert_mem_eq(out, codes[_i].want, (size_t)n);
	}
	free(text);
}
END_TEST

START_TEST(what_does_not_fit_is_refused)
{
	char out[6];

	ck_assert_int_eq(stats_auth_decode("Zm9vYmFy", 8, out, 6), 6);
	ck_assert_int_eq(stats_auth_decode("Zm9vYmFy", 8, out, 5), -1);
	ck_assert_int_eq(stats_auth_decode("Zm9v", 4, out, 0), -1);
}
END_TEST

/* --- the check ------------------------------------------------------------------- */

static enum stats_auth
check_head(const char *user, const char *hash, const char *fields)
{
	struct conf_listener l;
	struct http_request r;
	char head[4096], user_copy[64], hash_copy[256];
	int n = snprintf(head, sizeof(head), "GET / HTTP/1.1\r\nHost: x\r\n%s\r\n", fields);

	memset(&l, 0, sizeof(l));
	snprintf(user_copy, sizeof(user_copy), "%s", user);
	snprintf(hash_copy, sizeof(hash_copy), "%s", hash);
	l.user = user_copy;
	l.password = hash_copy;
	http_request_init(&r);
	ck_assert_int_eq(http_request_parse(&r, head, (size_t)n, sizeof(head)), HTTP_OK);
	hashed = 0;
	return stats_auth_check(&l, &r);
}

/* "admin:se:cret" is YWRtaW46c2U6Y3JldA== */
#define GOOD	"YWRtaW46c2U6Y3JldA=="

static const struct {
	const char *fields;
	enum stats_auth want;
	unsigned hashed;	/* calls of crypt */
} heads[] = {
	{ "Authorization: Basic " GOOD "\r\n", STATS_AUTH_OK, 1 },
	{ "authorization: bAsIc   " GOOD "\r\n", STATS_AUTH_OK, 1 },
	{ "", STATS_AUTH_NONE, 0 },
	{ "Authorization:\r\n", STATS_AUTH_NONE, 0 },
	{ "Authorization: Basic\r\n", STATS_AUTH_NONE, 0 },
	{ "Authorization: Basic" GOOD "\r\n", STATS_AUTH_NONE, 0 },
	{ "Authorization: Bearer " GOOD "\r\n", STATS_AUTH_NONE, 0 },
	{ "Authorization: Digest username=\"admin\"\r\n", STATS_AUTH_NONE, 0 },
	{ "Proxy-Authorization: Basic " GOOD "\r\n", STATS_AUTH_NONE, 0 },
	{ "Authorization: Basic " GOOD "\r\nAuthorization: Basic " GOOD "\r\n", STATS_AUTH_WRONG, 0 },
	{ "Authorization: Basic " GOOD "\r\nAuthorization: Basic x\r\n", STATS_AUTH_WRONG, 0 },
	{ "Authorization: Basic " GOOD "," GOOD "\r\n", STATS_AUTH_WRONG, 0 },
	{ "Authorization: Basic " GOOD " x\r\n", STATS_AUTH_WRONG, 0 },
	{ "Authorization: Basic !!!!\r\n", STATS_AUTH_WRONG, 0 },
	{ "Authorization: Basic YWRtaW4=\r\n", STATS_AUTH_WRONG, 0 },		/* no colon */
	{ "Authorization: Basic YWRtaW46c2U6Y3JldAA=\r\n", STATS_AUTH_WRONG, 0 },	/* a NUL behind */
	{ "Authorization: Basic YWRtaW4AOnNlOmNyZXQ=\r\n", STATS_AUTH_WRONG, 0 },	/* admin NUL :se.. */
	{ "Authorization: Basic YWRtaW46c2U6Y3JlVA==\r\n", STATS_AUTH_WRONG, 1 },	/* se:creT */
	{ "Authorization: Basic YWRtaW46c2U6Y3Jl\r\n", STATS_AUTH_WRONG, 1 },	/* se:cre */
	{ "Authorization: Basic YWRtaW46c2U6Y3JldHg=\r\n", STATS_AUTH_WRONG, 1 },	/* se:cretx */
	{ "Authorization: Basic YWRtaW46\r\n", STATS_AUTH_WRONG, 1 },		/* none */
	{ "Authorization: Basic Og==\r\n", STATS_AUTH_WRONG, 1 },			/* ":" */
	/* a wrong user costs as much: root, Admin, admi, adminx, none */
	{ "Authorization: Basic cm9vdDpzZTpjcmV0\r\n", STATS_AUTH_WRONG, 1 },
	{ "Authorization: Basic QWRtaW46c2U6Y3JldA==\r\n", STATS_AUTH_WRONG, 1 },
	{ "Authorization: Basic YWRtaTpzZTpjcmV0\r\n", STATS_AUTH_WRONG, 1 },
	{ "Authorization: Basic YWRtaW54OnNlOmNyZXQ=\r\n", STATS_AUTH_WRONG, 1 },
	{ "Authorization: Basic OnNlOmNyZXQ=\r\n", STATS_AUTH_WRONG, 1 },
};

START_TEST(credentials_as_they_come)
{
	ck_assert_int_eq(check_head("admin", SHA512, heads[_i].fields), heads[_i].want);
	ck_assert_uint_eq(hashed, heads[_i].hashed);
	if (heads[_i].want == STATS_AUTH_OK)
		ck_assert_str_eq(last_password, "se:cret");
}
END_TEST

START_TEST(without_a_password_all_may_see)
{
	ck_assert_int_eq(check_head("", "", ""), STATS_AUTH_OK);
	ck_assert_int_eq(check_head("", "", "Authorization: Basic !!!!\r\n"), STATS_AUTH_OK);
	ck_assert_uint_eq(hashed, 0);
}
END_TEST

/* A name or password as long as a field can be is refused, not cut. */
START_TEST(credentials_have_an_end)
{
	char fields[2048], *p = fields;

	p += sprintf(p, "Authorization: Basic ");
	for (int i = 0; i < 300; i++)
		p += sprintf(p, "YWFh");
	sprintf(p, "\r\n");
	ck_assert_int_eq(check_head("admin", SHA512, fields), STATS_AUTH_WRONG);
	ck_assert_uint_eq(hashed, 0);
}
END_TEST

/* Of "se:cret", by each method that a system's crypt may know. */
static const char *const hashes[] = {
	SHA512,
	"$5$abcdefgh$tegRTvdccUdHGSvr2Qov3K7iDjo2qT9HvkntMyEsYm9",
	"$1$abcdefgh$y5IVzei8pZ4pviJaCwbiQ.",
	"$y$j9T$abcdefgh$geoivv/wILGCzvtHmkvVVEubSPuDn67gYJHlPuTTAM1",
	"$gy$j9T$abcdefgh$4n4DnPf.NOduBLm6iOTOgJBcAFa4O9Zcac92xo6YXfA",
	"$2b$05$abcdefghijklmnopqrstuuWqeDdmk0qhXLYvA33lbC9M700ynI2Oa",
	"$7$CU..../....abcdefgh$UcZfBxPmeva4ws08k2VoZbPwLMvj1i.3eMS/3lG73PA",
	ROUNDS "/apGQ5UZ.IQ1RWl5lwZl7D2c.8Vk18Nk5KZV31VvzgtRcoJl3QCJQ2fjChr5A0.4go7WXyOlwQ2u0hl/Vq5AW0",
};

static bool
known(const char *hash)
{
	struct crypt_data data;
	const char *made;

	memset(&data, 0, sizeof(data));
	made = crypt_r("x", hash, &data);
	return made != NULL && made[0] != '*';
}

START_TEST(each_hash_of_this_system)
{
	const char *hash = hashes[_i];
	char other[256];

	if (!known(hash)) {
		/* the configuration would not have had it; nobody gets in by it */
		ck_assert_int_eq(check_head("admin", hash, heads[0].fields), STATS_AUTH_WRONG);
		return;
	}
	ck_assert_int_eq(check_head("admin", hash, heads[0].fields), STATS_AUTH_OK);
	ck_assert_int_eq(check_head("admin", hash, "Authorization: Basic YWRtaW46c2U6Y3JlVA==\r\n"),
	    STATS_AUTH_WRONG);
	/* a hash that is cut, or longer, is another one */
	snprintf(other, sizeof(other), "%.*s", (int)strlen(hash) - 1, hash);
	ck_assert_int_eq(check_head("admin", other, heads[0].fields), STATS_AUTH_WRONG);
	snprintf(other, sizeof(other), "%sx", hash);
	ck_assert_int_eq(check_head("admin", other, heads[0].fields), STATS_AUTH_WRONG);
}
END_TEST

START_TEST(the_system_knows_the_usual_one)
{
	ck_assert(known(SHA512));
}
END_TEST

/* "*0" and "*1" are crypt's way to say no: they never equal a stored hash. */
START_TEST(no_hash_lets_nobody_in)
{
	static const char *const bad[] = { "*", "*0", "*1", "x", "!", "$", "$9$", "$6$", "plain" };

	for (int i = 0; i < COUNT(bad); i++)
		ck_assert_int_eq(check_head("admin", bad[i], heads[0].fields), STATS_AUTH_WRONG);
}
END_TEST

START_TEST(passwords_are_bytes)
{
	/* p..ssw..rd in UTF-8, and one without a character */
	ck_assert_int_eq(check_head("admin", ROUNDS "B1aVteGQOqUS9lI2PNDcl9wMunEnXU6fzjXrRnnjiKZoqU40kdv7"
	    "q7otlYDWg9vlTD2K40LzvOre3nE1Xv0Mm0", "Authorization: Basic YWRtaW46cMOkc3N3w7ZyZA==\r\n"),
	    STATS_AUTH_OK);
	ck_assert_int_eq(check_head("admin", ROUNDS "EXAhR4Ety06RoQxMGyf4SY5662XUrnNYnkMR4YirLV86Bn1i2FXJ"
	    "hH8vYFgzKA/hY4rwctuXaZYa3ju9zuElg/", "Authorization: Basic YWRtaW46\r\n"), STATS_AUTH_OK);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("stats_auth");
	TCase *t = tcase_create("stats_auth");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, base64_is_decoded_or_refused, 0, COUNT(codes));
	tcase_add_test(t, what_does_not_fit_is_refused);
	tcase_add_loop_test(t, credentials_as_they_come, 0, COUNT(heads));
	tcase_add_test(t, without_a_password_all_may_see);
	tcase_add_test(t, credentials_have_an_end);
	tcase_add_loop_test(t, each_hash_of_this_system, 0, COUNT(hashes));
	tcase_add_test(t, the_system_knows_the_usual_one);
	tcase_add_test(t, no_hash_lets_nobody_in);
	tcase_add_test(t, passwords_are_bytes);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
