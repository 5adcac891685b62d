/* settings_client_test.c -- who we are in TLS is one of our certificates, or a chain with a key in a token, or both; anything else is explained. */
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

#define AUTHORITY_LINE 9 /* where that of the authority stands in the file */
#define CHALLENGE_LINE 15

static enum rc load(const char *authority, const char *challenge, struct config **ret_config, struct err *err)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fprintf(file,
		"tokens:\n"
		"  - name: hsm\n"
		"    pkcs11: { module: /usr/lib/m.so, token: nf }\n"
		"authorities:\n"
		"  - name: ra\n"
		"    directory: https://ra.example/dir\n"
		"    account-key: { token: hsm, type: ec-p256 }\n"
		"    terms-agreed: true\n"
		"    %s\n"
		"certificates:\n"
		"  - name: amf\n"
		"    authority: ra\n"
		"    key: { token: hsm, type: ec-p256 }\n"
		"    names: [\"nf-instance:4ace9d34-2c69-4f99-92d5-a73a3fe8e23b\"]\n"
		"    challenge: { tkauth-01: { %s } }\n"
		"  - { name: ed, authority: ra, key: { token: hsm, type: ed25519 }, names: [\"dns:ed.example\"] }\n",
		authority, challenge);
	assert_int_equal(fclose(file), 0);
	return config_load(path, ret_config, err);
}

#define ONLINE "authority: \"https://oam.example/token\""

/* TS 33.310, annex J.2 */
static void both_places_take_both_forms(void **state)
{
	AUTO(config) struct config *config = NULL;
	struct err err = { 0 };

	(void)state;
	if (load("client-certificate: { certificate: amf }",
		 ONLINE ", client-certificate: { certificate: amf, file: /etc/oam.pem, token: hsm, label: oam-client }", &config,
		 &err) != RC_OK)
		fail_msg("%s", err.text);
	const struct config_client *authority = &config->authorities[0].client;
	assert_string_equal(authority->certificate, "amf");
	assert_null(authority->file);
	const struct config_client *challenge = &config->certificates[0].challenges[0].client;
	assert_string_equal(challenge->certificate, "amf");
	assert_string_equal(challenge->file, "/etc/oam.pem");
	assert_string_equal(challenge->token, "hsm");
	assert_string_equal(challenge->label, "oam-client");
}

static void without_the_option_there_is_none(void **state)
{
	AUTO(config) struct config *config = NULL;

	(void)state;
	assert_int_equal(load("", ONLINE, &config, NULL), RC_OK);
	assert_null(config->authorities[0].client.certificate);
	assert_null(config->authorities[0].client.file);
}

static void what_is_wrong_is_explained_with_its_line(void **state)
{
	static const struct {
		const char *client, *words;
	} cases[] = {
		{ "{ }", "write { certificate: NAME }" },
		{ "{ token: hsm, label: oam }", "write { certificate: NAME }" },
		{ "{ file: /etc/oam.pem }", "{ file: PATH, token: NAME, label: LABEL }" },
		{ "{ file: /etc/oam.pem, token: hsm }", "{ file: PATH, token: NAME, label: LABEL }" },
		{ "{ certificate: amf, label: oam }", "{ file: PATH, token: NAME, label: LABEL }" },
		{ "{ file: oam.pem, token: hsm, label: oam }", "absolute path" },
		{ "{ file: /etc/oam.pem, token: hsm, label: \"../oam\" }", "write the label of the key" },
		{ "{ file: /etc/oam.pem, token: tpm, label: oam }", "no such entry under \"tokens\"" },
		{ "{ certificate: smf }", "no such entry under \"certificates\"" },
		{ "{ certificate: ed }", "ed25519, which is not used for TLS here" },
		{ "{ key: amf }", "unknown option \"key\"" },
	};
	char line[256], place[64];

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		const char *client = cases[i / 2].client;
		struct config *config = NULL;
		struct err err = { 0 };
		bool in_challenge = i % 2;

		snprintf(line, sizeof(line), "%sclient-certificate: %s", in_challenge ? ONLINE ", " : "", client);
		snprintf(place, sizeof(place), "%s:%d:", path, in_challenge ? CHALLENGE_LINE : AUTHORITY_LINE);
		assert_int_equal(in_challenge ? load("", line, &config, &err) : load(line, ONLINE, &config, &err), RC_INPUT);
		if (!strstr(err.text, cases[i / 2].words) || !strstr(err.text, place) || !strstr(err.text, "client-certificate"))
			fail_msg("%s: %s", client, err.text);
	}
}

static void a_token_that_is_not_asked_for_needs_none(void **state)
{
	struct config *config = NULL;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(load("", "token: { file: /etc/t }, client-certificate: { certificate: amf }", &config, &err), RC_INPUT);
	assert_non_null(strstr(err.text, "goes with authority: or allow: alone"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_places_take_both_forms),
		cmocka_unit_test(without_the_option_there_is_none),
		cmocka_unit_test(what_is_wrong_is_explained_with_its_line),
		cmocka_unit_test(a_token_that_is_not_asked_for_needs_none),
	};

	return cmocka_run_group_tests(tests, config_file_start, config_file_stop);
}
