/* settings_objects_test.c -- `token-objects` of a certificate: what it means, and where it cannot be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "config_file.h"

#define HSM(name) "  - name: " name "\n    pkcs11: { module: /usr/lib/hsm.so, token: one, pin: { file: /etc/pin } }\n"

/* Two certificates, each in that token and with that line. */
static enum rc load(const char *const tokens[2], const char *const lines[2], struct config **ret_config, struct err *err)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs("state: /s\ntokens:\n" HSM("hsm") HSM(
		      "same") "  - name: other\n    pkcs11: { module: /usr/lib/hsm.so, token: two, pin: { file: /etc/pin } }\n"
			      "  - name: tpm\n    tpm2: { tcti: \"device:/dev/tpmrm0\" }\n"
			      "authorities:\n  - name: ra\n    directory: https://ra.example/dir\n    account-key: { token: tpm, "
			      "type: ec-p256 }\n"
			      "certificates:\n",
	      file);
	for (int i = 0; i < 2; i++)
		fprintf(file,
			"  - name: nf%d\n    authority: ra\n    key: { token: %s, type: ec-p256 }\n    names: "
			"[\"dns:nf%d.example\"]\n"
			"    challenge: { http-01: { listen: \"0.0.0.0:80\" } }\n    outputs: { formats: [cert, key.uri] }\n%s\n",
			i, tokens[i], i, lines[i]);
	assert_int_equal(fclose(file), 0);
	return config_load(path, ret_config, err);
}

static struct config_objects expect_read(const char *line, unsigned *ret_formats)
{
	static const char *const tokens[] = { "hsm", "hsm" };
	AUTO(config) struct config *config = NULL;
	struct err err = { 0 };
	static char label[64];

	if (load(tokens, (const char *const[]){ line, "" }, &config, &err) != RC_OK)
		fail_msg("%s", err.text);
	struct config_objects objects = config->certificates[0].objects;
	snprintf(label, sizeof(label), "%s", objects.label ? objects.label : "");
	objects.label = objects.label ? label : NULL;
	*ret_formats = config->certificates[0].outputs.formats;
	return objects;
}

static void objects_are_understood_with_what_they_bring(void **state)
{
	unsigned formats;
	struct config_objects objects = expect_read("", &formats);

	(void)state;
	assert_false(objects.certificate || objects.chain || objects.label);
	objects = expect_read("    token-objects: { label: nf-tls }", &formats);
	assert_true(objects.certificate && !objects.chain);
	assert_string_equal(objects.label, "nf-tls");
	assert_false(formats & SET_FILE_BIT(SET_FILE_CHAIN));
	objects = expect_read("    token-objects: { chain: true }", &formats);
	assert_true(objects.certificate && objects.chain && !objects.label);
	/* It is read from there. */
	assert_true(formats & SET_FILE_BIT(SET_FILE_CHAIN));
	objects = expect_read("    token-objects: { certificate: false, label: nf-tls }", &formats);
	assert_true(!objects.certificate && objects.label);
}

static void expect_refused(const char *first_token, const char *first, const char *second_token, const char *second,
			   const char *words)
{
	struct config *config = NULL;
	struct err err = { 0 };

	assert_int_equal(
		load((const char *const[]){ first_token, second_token }, (const char *const[]){ first, second }, &config, &err),
		RC_INPUT);
	assert_null(config);
	if (!strstr(err.text, path) || !strstr(err.text, words))
		fail_msg("no \"%s\" in: %s", words, err.text);
}

static void wrong_objects_are_told_what_to_write(void **state)
{
	(void)state;
	expect_refused("hsm", "    token-objects: { certificate: yes }", "hsm", "", "write true or false");
	expect_refused("hsm", "    token-objects: { chain: 1 }", "hsm", "", "write true or false");
	expect_refused("hsm", "    token-objects: { certificate: false, chain: true }", "hsm", "", "beside the certificate only");
	expect_refused("hsm", "    token-objects: { certificate: false }", "hsm", "", "asks for nothing");
	expect_refused("hsm", "    token-objects: { label: \"a:b\" }", "hsm", "", "write up to 63 letters");
	expect_refused("hsm", "    token-objects: { label: hwacme-amf }", "hsm", "", "as other keys are called");
}

static void a_tpm_and_a_label_wanted_twice_are_refused(void **state)
{
	static const char line[] = "    token-objects: { label: nf-tls }";
	AUTO(config) struct config *config = NULL;
	struct err err = { 0 };

	(void)state;
	expect_refused("hsm", "", "tpm", "    token-objects: { chain: true }", "is a TPM, which keeps no certificates");
	expect_refused("hsm", line, "hsm", line, "another certificate has this label in the same token");
	/* Two entries for one token. */
	expect_refused("hsm", line, "same", line, "certificates[1].token-objects.label");
	if (load((const char *const[]){ "hsm", "other" }, (const char *const[]){ line, line }, &config, &err) != RC_OK)
		fail_msg("%s", err.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_are_understood_with_what_they_bring),
		cmocka_unit_test(wrong_objects_are_told_what_to_write),
		cmocka_unit_test(a_tpm_and_a_label_wanted_twice_are_refused),
	};

	return cmocka_run_group_tests(tests, config_file_start, config_file_stop);
}
