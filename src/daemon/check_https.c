/* SPDX-License-Identifier: ISC */
/*
 * The plugin for "https" probes: TLS by OpenSSL.  Loaded by the checker and by
 * nobody else.  Certificate and name are verified only against a CA file.
 */
#include "daemon/probe_https.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static void
why(char *error, size_t size, const char *otherwise)
{
	unsigned long e = ERR_get_error();
	const char *text = e != 0 ? ERR_reason_error_string(e) : NULL;

	snprintf(error, size, "%s", text != NULL ? text : otherwise);
	ERR_clear_error();
}

static void *
https_context(const char *ca_file, char *error, size_t size)
{
	SSL_CTX *c = SSL_CTX_new(TLS_client_method());

	if (c == NULL) {
		why(error, size, "no TLS context");
		return NULL;
	}
	SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	if (ca_file == NULL || ca_file[0] == '\0')
		return c;
	if (SSL_CTX_load_verify_locations(c, ca_file, NULL) != 1) {
		why(error, size, "cannot read the CA file");
		SSL_CTX_free(c);
		return NULL;
	}
	SSL_CTX_set_verify(c, SSL_VERIFY_PEER, NULL);
	return c;
}

static void *
https_open(void *context, int fd, const char *name)
{
	SSL *s = SSL_new(context);
	unsigned char ip[16];
	int is_ip;

	if (s == NULL)
		return NULL;
	is_ip = inet_pton(AF_INET, name, ip) == 1 || inet_pton(AF_INET6, name, ip) == 1;
	if (name[0] != '\0' && !is_ip)
		SSL_ctrl(s, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
		    (void *)(uintptr_t)name);
	if (name[0] != '\0' && SSL_CTX_get_verify_mode(context) == SSL_VERIFY_PEER) {
		X509_VERIFY_PARAM *p = SSL_get0_param(s);

		if (is_ip)
			X509_VERIFY_PARAM_set1_ip_asc(p, name);
		else
			X509_VERIFY_PARAM_set1_host(p, name, 0);
	}
	SSL_set_fd(s, fd);
	SSL_set_connect_state(s);
	return s;
}

static enum https_status
status(SSL *s, int ret)
{
	switch (SSL_get_error(s, ret)) {
	case SSL_ERROR_WANT_READ:
		return HTTPS_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return HTTPS_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return HTTPS_CLOSED;
	default:
		return HTTPS_FAILED;
	}
}

static enum https_status
https_handshake(void *tls, char *error, size_t size)
{
	enum https_status st;
	long verified;
	int r;

	ERR_clear_error();
	if ((r = SSL_do_handshake(tls)) == 1)
		return HTTPS_OK;
	st = status(tls, r);
	if (st == HTTPS_FAILED) {
		verified = SSL_get_verify_result(tls);
		if (verified != X509_V_OK)
			snprintf(error, size, "%s", X509_verify_cert_error_string(verified));
		else
			why(error, size, "connection closed in the TLS handshake");
		ERR_clear_error();
	}
	return st;
}

static enum https_status
https_write(void *tls, const void *p, size_t n, size_t *done)
{
	int r;

	ERR_clear_error();
	return (r = SSL_write_ex(tls, p, n, done)) == 1 ? HTTPS_OK : status(tls, r);
}

static enum https_status
https_read(void *tls, void *p, size_t n, size_t *done)
{
	int r;

	ERR_clear_error();
	return (r = SSL_read_ex(tls, p, n, done)) == 1 ? HTTPS_OK : status(tls, r);
}

static void
https_close(void *tls)
{
	SSL_shutdown(tls);	/* close_notify, so that the server's log stays quiet */
	SSL_free(tls);
}

const struct https_ops durward_https_ops = {
	https_context, https_open, https_handshake, https_write, https_read, https_close
};
