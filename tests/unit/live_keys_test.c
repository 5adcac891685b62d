/* live_keys_test.c -- which certificate is live for a key, by its fingerprint. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "archive.h"
#include "fingerprint.h"
#include "live_keys.h"
#include "made_certificate.h"
#include "tls_pair.h"

#define SETS 20 /* more than there is room for at first */

static char dir[] = "/tmp/hwa-live-keys-XXXXXX";

static void spki_of(EVP_PKEY *key, struct buf *ret_spki)
{
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(key, &der);

	assert_true(len > 0);
	assert_int_equal(buf_append(ret_spki, span_of(der, (size_t)len), NULL), RC_OK);
	OPENSSL_free(der);
}

static void pem_of(struct span der, struct buf *ret_pem)
{
	const unsigned char *at = der.at;
	X509 *certificate = d2i_X509(NULL, &at, (long)der.len);

	tls_pem_append(ret_pem, certificate);
	X509_free(certificate);
}

/* A set that is live, for a new key, whose fingerprint is told. */
static void make_live(const char *name, char ret_fingerprint[65])
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	AUTO(buf) struct buf spki = BUF_MAX(4096);
	AUTO(buf) struct buf der = BUF_MAX(4096);
	AUTO(buf) struct buf pem = BUF_MAX(4096);

	spki_of(key, &spki);
	fingerprint_print(buf_span(&spki), ret_fingerprint);
	made_certificate(buf_span(&spki), name, 1, &der);
	pem_of(buf_span(&der), &pem);
	const struct archive_set set = { .fullchain = buf_span(&pem),
					 .chain = span_text(""),
					 .leaf = buf_span(&pem),
					 .key_pem = span_text("reference"),
					 .key_uri = span_text("pkcs11:token=t?pin-source=/p") };
	assert_int_equal(archive_stage(dir, name, 1, &set, NULL), RC_OK);
	assert_int_equal(archive_switch(dir, name, 1, NULL), RC_OK);
	EVP_PKEY_free(key);
}

static void each_key_has_its_certificate(void **state)
{
	AUTO(live_keys) struct live_keys *keys = NULL;
	char fingerprints[SETS][65], name[16];

	(void)state;
	for (int i = 0; i < SETS; i++) {
		snprintf(name, sizeof(name), "nf%d", i);
		make_live(name, fingerprints[i]);
	}
	assert_int_equal(live_keys_read(dir, &keys, NULL), RC_OK);
	for (int i = 0; i < SETS; i++) {
		snprintf(name, sizeof(name), "nf%d", i);
		assert_string_equal(live_keys_owner(keys, fingerprints[i]), name);
	}
	fingerprints[0][0] ^= 1;
	assert_null(live_keys_owner(keys, fingerprints[0]));
	assert_null(live_keys_owner(keys, "")); /* a key without a public half */
}

static void a_set_that_is_not_understood_is_an_error_that_names_it(void **state)
{
	AUTO(live_keys) struct live_keys *keys = NULL;
	struct err err = { 0 };
	char command[100];

	(void)state;
	snprintf(command, sizeof(command), "echo damaged > %s/archive/nf7/1/cert.pem", dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(live_keys_read(dir, &keys, &err), RC_INPUT);
	assert_non_null(strstr(err.text, "live/nf7/cert.pem"));
	assert_null(keys);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

static int start(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_key_has_its_certificate),
		cmocka_unit_test(a_set_that_is_not_understood_is_an_error_that_names_it),
	};
	return cmocka_run_group_tests(tests, start, NULL);
}
