/* set_file_print_test.c -- what servers include names the files of one generation, and a key where they find it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "set_file_print.h"

#define FOLDER "/s/archive/amf/7"

static const struct config_token HSM = { .name = (char[]){ "hsm" }, .module = (char[]){ "/usr/lib/my $module#1.so" } };
static const struct config_token TPM = { .name = (char[]){ "tpm" }, .tcti = (char[]){ "device:/dev/tpmrm0" } };

static void expect_printed(enum set_file file, const struct config_token *token, const char *uri, const char *words)
{
	AUTO(buf) struct buf text = BUF_MAX(SET_FILE_MAX);
	const struct archive_set set = { .fullchain = span_text("LEAF\nCA\n"),
					 .key_pem = span_text("REFERENCE\n"),
					 .key_uri = span_text(uri),
					 .token = token };
	struct err err = { 0 };

	assert_int_equal(set_file_print(file, "amf", FOLDER, &set, &text, &err), RC_OK);
	if (!strstr(buf_text(&text), words))
		fail_msg("no \"%s\" in: %s", words, buf_text(&text));
	/* live/ is switched between two readings. */
	assert_null(strstr(buf_text(&text), "/live/"));
}

static void a_server_is_told_of_the_key_in_the_hsm_through_the_engine(void **state)
{
	static const char uri[] = "pkcs11:token=t;id=%01?pin-source=/p";

	(void)state;
	expect_printed(SET_FILE_NGINX, &HSM, uri, "ssl_certificate \"" FOLDER "/fullchain.pem\";\n");
	expect_printed(SET_FILE_NGINX, &HSM, uri,
		       "\nssl_certificate_key \"engine:pkcs11:pkcs11:token=t;id=%01?pin-source=/p\";\n");
	expect_printed(SET_FILE_APACHE, &HSM, uri, "\nSSLCertificateKeyFile \"pkcs11:token=t;id=%01?pin-source=/p\"\n");
	expect_printed(SET_FILE_OPENSSL, &HSM, uri, "\nMODULE_PATH = /usr/lib/my\\ \\$module\\#1.so\ninit = 0\n");
	expect_printed(SET_FILE_OPENSSL, NULL, uri, "\n# MODULE_PATH = ");
}

static void a_server_is_told_of_the_key_in_the_tpm_by_its_file(void **state)
{
	(void)state;
	expect_printed(SET_FILE_NGINX, &TPM, "", "\nssl_certificate_key \"" FOLDER "/key.pem\";\n");
	expect_printed(SET_FILE_APACHE, &TPM, "", "\nSSLCertificateKeyFile \"" FOLDER "/key.pem\"\n");
	expect_printed(SET_FILE_OPENSSL, &TPM, "", "\n# TPM2OPENSSL_TCTI=device:/dev/tpmrm0\n");
	expect_printed(SET_FILE_OPENSSL, &TPM, "", "\ndefault = on\ntpm2 = on\n");
}

static void one_file_has_the_chain_and_the_reference_after_it(void **state)
{
	(void)state;
	expect_printed(SET_FILE_HAPROXY, &TPM, "", "LEAF\nCA\nREFERENCE\n");
	expect_printed(SET_FILE_ENVOY, &TPM, "", "private_key: { filename: \"" FOLDER "/key.pem\" }\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_is_told_of_the_key_in_the_hsm_through_the_engine),
		cmocka_unit_test(a_server_is_told_of_the_key_in_the_tpm_by_its_file),
		cmocka_unit_test(one_file_has_the_chain_and_the_reference_after_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
