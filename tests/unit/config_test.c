/* config_test.c -- hwacme.yaml is taken whole or refused with its line and what to write instead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "config_file.h"

/* Good as it stands; each test changes one line of it. */
static const char *const LINES[] = {
	"state: /var/lib/hwacme",
	"tokens:",
	"  - name: hsm",
	"    pkcs11: { module: /usr/lib/m.so, token: nf, pin: { file: /etc/pin } }",
	"  - name: tpm",
	"    tpm2: { tcti: \"device:/dev/tpmrm0\" }",
	"authorities:",
	"  - name: ra",
	"    directory: https://ra.example/dir",
	"    contact: [\"mailto:noc@example.org\"]",
	"    terms-agreed: true",
	"    account-key: { token: hsm, type: ec-p256 }",
	"policies:",
	"  - name: sba",
	"    renew-after: 66%",
	"    preauthorized: 336h",
	"    retire-after: 0s",
	"certificates:",
	"  - name: amf",
	"    authority: ra",
	"    policy: sba",
	"    key: { token: tpm, type: rsa-2048, rotate: 365d }",
	"    names: [\"dns:amf.example\"]",
	"    challenge: { http-01: { listen: \"0.0.0.0:80\" } }",
	"    deploy: { run: [systemctl, reload, nginx] }",
};
#define LINE_COUNT (sizeof(LINES) / sizeof(LINES[0]))

/* Line `number` (from 1) is written as `text`. */
static enum rc load_with(unsigned number, const char *text, struct config **ret_config, struct err *err)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	for (unsigned i = 0; i < LINE_COUNT; i++)
		fprintf(file, "%s\n", i + 1 == number ? text : LINES[i]);
	assert_int_equal(fclose(file), 0);
	return config_load(path, ret_config, err);
}

static void expect_refused(unsigned number, const char *text, const char *words)
{
	struct config *config = NULL;
	struct err err = { 0 };
	char place[64];

	assert_int_equal(load_with(number, text, &config, &err), RC_INPUT);
	assert_null(config);
	snprintf(place, sizeof(place), "%s:%u:", path, number);
	if (!strstr(err.text, place) || !strstr(err.text, words))
		fail_msg("no \"%s\" and \"%s\" in: %s", place, words, err.text);
}

static void a_good_file_is_understood(void **state)
{
	AUTO(config) struct config *config = NULL;
	struct err err = { 0 };

	(void)state;
	if (load_with(0, "", &config, &err) != RC_OK)
		fail_msg("%s", err.text);
	assert_string_equal(config->state, "/var/lib/hwacme");
	assert_int_equal(config->token_count, 2);
	assert_string_equal(config_token_get(config, "hsm")->token_label, "nf");
	assert_int_equal(config_token_get(config, "hsm")->pin.source, SECRET_FILE);
	assert_int_equal(config_token_get(config, "hsm")->sessions, 0);
	assert_false(config_token_get(config, "hsm")->accept_wrapping);
	assert_string_equal(config_token_get(config, "tpm")->tcti, "device:/dev/tpmrm0");
	assert_true(config_authority_get(config, "ra")->terms_agreed);
	const struct config_policy *policy = config_policy_get(config, "sba");
	assert_int_equal(policy->renew_after_percent, 66);
	assert_int_equal(policy->preauthorized, 1209600);
	assert_int_equal(policy->margin, 86400);
	assert_int_equal(policy->retire_after, 0);
	const struct config_certificate *certificate = config_certificate_get(config, "amf");
	assert_int_equal(certificate->key.type, KEY_RSA_2048);
	assert_int_equal(certificate->rotate, ROTATE_AGE);
	assert_int_equal(certificate->rotate_age, 365 * 86400);
	assert_string_equal(certificate->names[0], "dns:amf.example");
	assert_int_equal(certificate->deploy_run_count, 3);
	assert_int_equal(certificate->deploy_timeout, 30);
	assert_int_equal(certificate->line, 19);
	assert_null(config_certificate_get(config, "nobody"));
	assert_int_equal(config_policy_get(config, NULL)->margin, 86400);
}

static void an_account_key_signs_with_the_algorithm_of_its_type_or_another_that_fits(void **state)
{
	static const struct {
		const char *line;
		enum jws_algorithm algorithm;
	} cases[] = {
		{ "    account-key: { token: hsm, type: rsa-4096, algorithm: PS256 }", JWS_PS256 },
		{ "    account-key: { token: hsm, type: ed25519, algorithm: EdDSA }", JWS_EDDSA },
		{ "    account-key: { token: hsm, type: ec-p521 }", JWS_BY_KEY_TYPE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		AUTO(config) struct config *config = NULL;
		struct err err = { 0 };

		if (load_with(12, cases[i].line, &config, &err) != RC_OK)
			fail_msg("%s", err.text);
		assert_int_equal(config_authority_get(config, "ra")->account_algorithm, cases[i].algorithm);
	}
}

static void a_token_may_be_chosen_by_serial_number_or_uri(void **state)
{
	AUTO(config) struct config *serial = NULL;
	AUTO(config) struct config *uri = NULL;
	struct err err = { 0 };

	(void)state;
	if (load_with(4, "    pkcs11: { module: /m.so, serial: 17ab, sessions: 8, accept-wrapping: true, init-args: \"a='b'\" }",
		      &serial, &err) != RC_OK)
		fail_msg("%s", err.text);
	assert_string_equal(serial->tokens[0].token_serial, "17ab");
	assert_null(serial->tokens[0].token_label);
	assert_int_equal(serial->tokens[0].sessions, 8);
	assert_true(serial->tokens[0].accept_wrapping);
	assert_string_equal(serial->tokens[0].init_args, "a='b'");
	if (load_with(4, "    pkcs11: { uri: \"pkcs11:token=nf?module-path=/m.so\" }", &uri, &err) != RC_OK)
		fail_msg("%s", err.text);
	assert_string_equal(uri->tokens[0].token_uri, "pkcs11:token=nf?module-path=/m.so");
	assert_null(uri->tokens[0].module);
	expect_refused(4, "    pkcs11: { module: /m.so, uri: \"pkcs11:token=nf\", token: nf }", "either \"uri\" or");
	expect_refused(4, "    pkcs11: { module: /m.so, uri: \"pkcs11:token=nf;slot-id=0\" }", "and nothing else; write");
	/* It is not shown, whatever else is wrong with it. */
	expect_refused(4, "    pkcs11: { module: /m.so, uri: \"token=nf?pin-value=1234\" }", "\"pkcs11:...\": is no PKCS#11 URI");
	expect_refused(4, "    pkcs11: { module: /m.so, uri: \"pkcs11:token=nf?pin-value=1234\" }", "pin: { file: PATH }");
	expect_refused(4, "    pkcs11: { uri: \"pkcs11:token=nf\" }", "module: PATH");
	expect_refused(4, "    pkcs11: { module: /m.so, token: 0123456789012345678901234567890123 }", "1 to 32 bytes");
	expect_refused(4, "    pkcs11: { module: /m.so, token: nf, serial: 01234567890123456 }", "pkcs11.serial: \"0123456");
	expect_refused(4, "    pkcs11: { module: /m.so, token: nf, sessions: 0 }", "1 to 64");
	expect_refused(4, "    pkcs11: { module: /m.so, token: nf, accept-wrapping: yes }", "true or false");
}

static void an_unknown_option_is_told_what_was_meant(void **state)
{
	(void)state;
	expect_refused(15, "    renew-aftr: 66%", "write \"renew-after\"");
	expect_refused(15, "    wait: 25h", "from 0s to 24h");
	expect_refused(20, "    ca: ra", "names");
	expect_refused(1, "stat: /var/lib/hwacme", "write \"state\"");
	expect_refused(1, "foo: bar", "at the top there are: state");
}

static void a_tpm_is_told_its_parent_its_secrets_and_its_registers(void **state)
{
	AUTO(config) struct config *config = NULL;
	struct err err = { 0 };

	(void)state;
	if (load_with(6,
		      "    tpm2: { tcti: \"device:/dev/tpmrm0\", parent: 0x81000001, auth: { credential: keys }, owner-auth: { "
		      "file: "
		      "/etc/owner }, pcrs: \"sha256:0,7,23\", keep-loaded: true }",
		      &config, &err) != RC_OK)
		fail_msg("%s", err.text);
	const struct config_token *tpm = config_token_get(config, "tpm");
	assert_int_equal(tpm->parent, 0x81000001);
	assert_int_equal(tpm->auth.source, SECRET_CREDENTIAL);
	assert_string_equal(tpm->auth.where, "keys");
	assert_string_equal(tpm->owner_auth.where, "/etc/owner");
	assert_string_equal(tpm->pcrs.bank, "sha256");
	assert_int_equal(tpm->pcrs.mask, 1u << 0 | 1u << 7 | 1u << 23);
	assert_true(tpm->keep_loaded);
	/* None of them is the engine's to read. */
	unsigned seen = 0, count = 0;
	for (const struct config_secret *secret; (secret = config_secret_at(config, count)); count++)
		seen += secret == &tpm->auth || secret == &tpm->owner_auth || secret == &config->tokens[0].pin;
	assert_int_equal(seen, 3);
	assert_int_equal(count, 3 * config->token_count + config->authority_count);
}

static void a_wrong_option_of_a_tpm_is_told_what_to_write(void **state)
{
	(void)state;
	expect_refused(6, "    tpm2: { tcti: \"device:/dev/tpmrm0\", parent: 0x40000001 }", "0x81000000");
	expect_refused(6, "    tpm2: { tcti: \"device:/dev/tpmrm0\", parent: 81000001 }", "0x81000000");
	expect_refused(6, "    tpm2: { tcti: \"device:/dev/tpmrm0\", pcrs: \"0,7\" }", "sha256:0,7");
	expect_refused(6, "    tpm2: { tcti: \"device:/dev/tpmrm0\", pcrs: \"sha1:0\" }", "sha256:0,7");
	expect_refused(6, "    tpm2: { tcti: \"device:/dev/tpmrm0\", pcrs: \"sha256:0,24\" }", "from 0 to 23");
	expect_refused(6, "    tpm2: { tcti: \"device:/dev/tpmrm0\", auth: { file: secret } }", "absolute path");
	expect_refused(6, "    tpm2: { tcti: \"device:/dev/tpmrm0\", owner-auth: { file: /a, env: B } }", "exactly one of");
	expect_refused(6, "    tpm2: { tcti: \"device:/dev/tpmrm0\", keep-loaded: yes }", "true or false");
	expect_refused(6, "    tpm2: { tcti: \"device:/dev/tpm0\", keep-loaded: true }", "tpmrm0");
}

static void profiles_and_renewal_information_are_understood(void **state)
{
	AUTO(config) struct config *plain = NULL;
	AUTO(config) struct config *config = NULL;

	(void)state;
	assert_int_equal(load_with(0, "", &plain, NULL), RC_OK);
	assert_null(config_authority_get(plain, "ra")->profile);
	assert_null(config_certificate_get(plain, "amf")->profile);
	assert_true(config_policy_get(plain, "sba")->ari);
	assert_true(config_policy_get(plain, NULL)->ari);
	assert_int_equal(load_with(16, "    ari: false", &config, NULL), RC_OK);
	assert_false(config_policy_get(config, "sba")->ari);
	config_free(config);
	config = NULL;
	assert_int_equal(load_with(11, "    profile: nf-tls", &config, NULL), RC_OK);
	assert_string_equal(config_authority_get(config, "ra")->profile, "nf-tls");
	config_free(config);
	config = NULL;
	assert_int_equal(load_with(24, "    profile: short", &config, NULL), RC_OK);
	assert_string_equal(config_certificate_get(config, "amf")->profile, "short");
	expect_refused(16, "    ari: yes", "true or false");
	expect_refused(11, "    profile: \"a b\"", "hwacme check");
}

static void an_option_of_a_later_release_is_refused_as_such(void **state)
{
	(void)state;
	expect_refused(24, "    challenge: { device-attest-01: {} }", "not in this release");
}

static void lines_are_for_people_unless_json_is_asked_for(void **state)
{
	AUTO(config) struct config *config = NULL;
	AUTO(config) struct config *json = NULL;

	(void)state;
	assert_int_equal(load_with(1, "log: { format: text }", &config, NULL), RC_OK);
	assert_int_equal(config->log_format, LOG_TEXT);
	assert_int_equal(load_with(1, "log: { format: json }", &json, NULL), RC_OK);
	assert_int_equal(json->log_format, LOG_JSON);
	expect_refused(1, "log: { format: xml }", "json");
	expect_refused(1, "log: json", "log");
}

static void metrics_are_listened_for_where_it_says(void **state)
{
	AUTO(config) struct config *config = NULL;
	struct err err = { 0 };

	(void)state;
	if (load_with(1, "metrics: { listen: \"127.0.0.1:9642\" }", &config, &err) != RC_OK)
		fail_msg("%s", err.text);
	assert_string_equal(config->metrics_listen, "127.0.0.1:9642");
	expect_refused(1, "metrics: { listen: everywhere }", "127.0.0.1:9642");
	expect_refused(1, "metrics: {}", "listen");
}

static void maintenance_windows_are_understood(void **state)
{
	AUTO(config) struct config *config = NULL;
	struct err err = { 0 };

	(void)state;
	if (load_with(15, "    windows: [\"Sat-Sun 01:00-05:00 Europe/Paris\", \"daily 22:00-04:00\"]", &config, &err) != RC_OK)
		fail_msg("%s", err.text);
	const struct config_policy *policy = config_policy_get(config, "sba");
	assert_int_equal(policy->window_count, 2);
	assert_int_equal(policy->windows[0].days, 0x60);
	assert_int_equal(policy->windows[1].closes, 240);
	expect_refused(15, "    windows: [\"weekends\"]", "write days, hours and a time zone");
	expect_refused(15, "    windows: [\"Sat 01:00-05:00\", \"Sat 01:00-05:00 Mars/Olympus\"]", "no such time zone");
	expect_refused(15, "    windows: []", "windows");
}

static void a_missing_option_is_named(void **state)
{
	(void)state;
	expect_refused(4, "    pkcs11: { module: /usr/lib/m.so }", "token: LABEL, serial: NUMBER or uri:");
	expect_refused(4, "    pkcs11: { token: nf }", "module: PATH");
	expect_refused(22, "    key: { token: tpm }", "\"type\" is missing");
}

static void wrong_values_are_told_what_to_write(void **state)
{
	(void)state;
	expect_refused(1, "state: var/lib", "absolute path");
	expect_refused(3, "  - name: ../hsm", "letters");
	expect_refused(4, "    pkcs11: { module: /usr/lib/m.so, token: nf, pin: { file: /a, env: B } }", "exactly one");
	expect_refused(6, "    tpm2: { tcti: tpm }", "TCTI");
	expect_refused(9, "    directory: ra.example", "https://");
	expect_refused(9, "    directory: https:///dir", "https://HOST");
	expect_refused(9, "    directory: \"https://ra.example/dir \"", "https://HOST");
	expect_refused(9, "    directory: https://nf:secret@ra.example/dir", "\"https://...@ra.example/dir\": write the URL");
	/* Whatever else is wrong with it. */
	expect_refused(9, "    directory: https://nf:sec/ret@x@ra.example/dir", "\"https://...@ra.example/dir\"");
	expect_refused(9, "    directory: nf:secret@ra.example", "\"...@ra.example\"");
	expect_refused(10, "    contact: [noc]", "mailto:");
	expect_refused(11, "    terms-agreed: yes", "true or false");
	expect_refused(12, "    account-key: { token: hsm, type: ec-p999 }", "ec-p384");
	expect_refused(12, "    account-key: { token: hsm, type: rsa-2048, algorithm: ES256 }",
		       "a key of type rsa-2048 signs with RS256, RS384, RS512, PS256, write one of these");
	expect_refused(12, "    account-key: { token: hsm, type: ec-p384, algorithm: ES256 }", "signs with ES384, write");
	expect_refused(12, "    account-key: { token: hsm, type: ec-p256, algorithm: es256 }", "signs with ES256, write");
	expect_refused(15, "    renew-after: 100%", "1% to 99%");
	expect_refused(16, "    preauthorized: 2w", "weeks");
	expect_refused(16, "    preauthorized: 10h", "margin");
	expect_refused(16, "    preauthorized: 3651d", "up to 3650d");
	expect_refused(22, "    key: { token: tpm, type: rsa-2048, rotate: sometimes }", "always, never");
	expect_refused(23, "    names: [amf.example]", "dns:");
	expect_refused(23, "    names: [\"dns:*.example\"]", "dns-01");
	expect_refused(23, "    names: [\"uri:urn:uuid:4ace9d34\", \"dns:a.example\"]", "a UUID");
	expect_refused(23, "    names: [\"dns:a.example\", \"uri:amf\"]", "whole URI");
	expect_refused(23, "    names: [\"dns:a.example\", \"uri:https://a b/\"]", "no URI has");
	expect_refused(23, "    names: [\"uri:https://a/\"]", "ordered alone");
	expect_refused(23, "    names: [\"dns:a.example\", \"dns:A.example\"]", "twice");
	expect_refused(25, "    deploy: { run: [x], timeout: 0s }", "1s to 1h");
}

/* TS 33.310, 6.1.3c; TS 29.571, 5.3.2 (checklist C3): an upper-case instance is sent in lower case. */
static void a_network_function_is_understood(void **state)
{
	AUTO(config) struct config *config = NULL;
	struct err err = { 0 };

	(void)state;
	if (load_with(21, "    nf: { types: [SMF, 5G_EIR, AMF], instance: 4ACE9D34-2C69-4F99-92D5-A73A3FE8E23B }", &config,
		      &err) != RC_OK)
		fail_msg("%s", err.text);
	const struct config_certificate *certificate = config_certificate_get(config, "amf");
	assert_string_equal(certificate->nf_instance, "4ace9d34-2c69-4f99-92d5-a73a3fe8e23b");
	assert_int_equal(certificate->nf_type_count, 3);
	assert_string_equal(certificate->nf_types[0], "5G_EIR");
	assert_int_equal(certificate->name_count, 2);
	assert_string_equal(certificate->names[1], "uri:urn:uuid:4ace9d34-2c69-4f99-92d5-a73a3fe8e23b");
	assert_true(config->authorities[0].certificate_profile.server && config->authorities[0].certificate_profile.client);
}

static void an_instance_among_the_names_is_not_added_again(void **state)
{
	AUTO(config) struct config *config = NULL;

	(void)state;
	assert_int_equal(load_with(23,
				   "    names: [\"uri:URN:uuid:4ACE9D34-2c69-4f99-92d5-a73a3fe8e23b\", \"dns:a.example\"]\n"
				   "    nf: { instance: 4ace9d34-2c69-4f99-92d5-a73a3fe8e23b }",
				   &config, NULL),
			 RC_OK);
	assert_int_equal(config->certificates[0].name_count, 2);
	assert_string_equal(config->certificates[0].names[0], "uri:urn:uuid:4ace9d34-2c69-4f99-92d5-a73a3fe8e23b");
}

/* TS 33.310, annex J: proved with an authority token, the instance is an identifier of the order. */
static void an_instance_that_can_be_proved_is_an_identifier(void **state)
{
	AUTO(config) struct config *config = NULL;
	struct err err = { 0 };

	(void)state;
	if (load_with(24,
		      "    nf: { instance: 4ACE9D34-2c69-4f99-92d5-a73a3fe8e23b }\n"
		      "    challenge: { tkauth-01: { authority: \"https://oam.example/token\" } }",
		      &config, &err) != RC_OK)
		fail_msg("%s", err.text);
	assert_int_equal(config->certificates[0].name_count, 2);
	assert_string_equal(config->certificates[0].names[1], "nf-instance:4ace9d34-2c69-4f99-92d5-a73a3fe8e23b");
	expect_refused(24,
		       "    nf: { instance: f81d4fae-7dec-11d0-a765-00a0c91e6bf6 }\n"
		       "    challenge: { tkauth-01: { authority: \"https://oam.example/token\" } }",
		       "version 4");
}

static void what_an_authority_is_asked_for_is_understood(void **state)
{
	AUTO(config) struct config *config = NULL;
	struct err err = { 0 };

	(void)state;
	if (load_with(10,
		      "    certificate-profile: { ask: [key-usage, nf-types], usages: [client], accept-without: [nf-types], "
		      "country: DE, organization: Example }",
		      &config, &err) != RC_OK)
		fail_msg("%s", err.text);
	const struct config_certificate_profile *profile = &config->authorities[0].certificate_profile;
	assert_true(profile->has_ask);
	assert_int_equal(profile->ask, CONFIG_ASK_BIT(ASK_KEY_USAGE) | CONFIG_ASK_BIT(ASK_NF_TYPES));
	assert_int_equal(profile->accept_without, CONFIG_ASK_BIT(ASK_NF_TYPES));
	assert_true(profile->client && !profile->server);
	assert_string_equal(profile->country, "DE");
	assert_string_equal(profile->organization, "Example");
}

static void wrong_profiles_are_told_what_to_write(void **state)
{
	static const char long_type[] = "    nf: { types: [A23456789012345678901234567890123] }";
	AUTO(config) struct config *config = NULL;
	char longest[128];

	(void)state;
	expect_refused(21, "    nf: { types: [] }", "entries");
	expect_refused(21, "    nf: { types: [AMF, SMF, AMF] }", "twice");
	expect_refused(21, "    nf: { types: [\"A F\"] }", "1 to 32");
	expect_refused(21, "    nf: { types: [\"\\u00c4MF\"] }", "1 to 32");
	expect_refused(21, long_type, "1 to 32");
	expect_refused(21, "    nf: { instance: 4ace9d34 }", "UUID");
	expect_refused(21, "    nf: {}", "instance");
	expect_refused(10, "    certificate-profile: { ask: [nf-type] }", "nf-types");
	expect_refused(10, "    certificate-profile: { accept-without: [everything] }", "subject, uri");
	expect_refused(10, "    certificate-profile: { usages: [both] }", "server, client");
	expect_refused(10, "    certificate-profile: { country: Germany }", "two capital letters");
	expect_refused(10, "    certificate-profile: { organization: \"\\u00c4\" }", "ASCII");
	/* RFC 5280, A.1: 64 characters and no more. */
	snprintf(longest, sizeof(longest), "    certificate-profile: { organization: O%064d }", 0);
	expect_refused(10, longest, "up to 64");
	snprintf(longest, sizeof(longest), "    certificate-profile: { organization: O%063d }", 0);
	assert_int_equal(load_with(10, longest, &config, NULL), RC_OK);
}

static void names_of_every_kind_have_one_text(void **state)
{
	AUTO(config) struct config *config = NULL;
	struct err err = { 0 };

	(void)state;
	if (load_with(23,
		      "    names: [\"dns:AMF.example\", \"ip:2001:DB8:0::1\", "
		      "\"nf-instance:4ACE9D34-2C69-4F99-92D5-A73A3FE8E23B\", "
		      "\"uri:urn:x:y\"]",
		      &config, &err) != RC_OK)
		fail_msg("%s", err.text);
	const struct config_certificate *certificate = config_certificate_get(config, "amf");
	assert_int_equal(certificate->name_count, 4);
	assert_string_equal(certificate->names[0], "dns:amf.example");
	assert_string_equal(certificate->names[1], "ip:2001:db8::1");
	assert_string_equal(certificate->names[2], "nf-instance:4ace9d34-2c69-4f99-92d5-a73a3fe8e23b");
	expect_refused(23, "    names: [\"ip:300.1.1.1\"]", "IPv4 or IPv6");
	expect_refused(23, "    names: [\"nf-instance:1\"]", "UUID of version 4");
	expect_refused(23, "    names: [\"uri:urn:x:y\"]", "ordered alone");
	expect_refused(23, "    names: [\"ip:2001:db8::1\", \"ip:2001:db8:0::1\"]", "twice");
}

static void challenges_keep_the_order_of_the_file(void **state)
{
	AUTO(config) struct config *config = NULL;
	struct err err = { 0 };

	(void)state;
	if (load_with(24,
		      "    challenge: { dns-01: { hook: [/bin/hook, -x], timeout: 5s, propagation: 2m }, tls-alpn-01: { listen: "
		      "systemd:tls }, "
		      "dns-persist-01: {}, http-01: { webroot: /var/www }, tkauth-01: { authority: \"https://oam/t\", allow: "
		      "[oam] } }",
		      &config, &err) != RC_OK)
		fail_msg("%s", err.text);
	const struct config_certificate *certificate = config_certificate_get(config, "amf");
	static const enum challenge_type order[] = { CHALLENGE_DNS_01, CHALLENGE_TLS_ALPN_01, CHALLENGE_DNS_PERSIST_01,
						     CHALLENGE_HTTP_01, CHALLENGE_TKAUTH_01 };
	assert_int_equal(certificate->challenge_count, 5);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(certificate->challenges[i].type, order[i]);
	const struct config_challenge *dns = config_challenge_get(certificate, CHALLENGE_DNS_01);
	assert_int_equal(dns->run_count, 2);
	assert_string_equal(dns->run[0], "/bin/hook");
	assert_int_equal(dns->timeout, 5);
	assert_int_equal(dns->propagation, 120);
	assert_string_equal(config_challenge_get(certificate, CHALLENGE_TLS_ALPN_01)->listen, "systemd:tls");
	assert_string_equal(config_challenge_get(certificate, CHALLENGE_HTTP_01)->webroot, "/var/www");
	assert_string_equal(config_challenge_get(certificate, CHALLENGE_TKAUTH_01)->allow[0], "oam");
	assert_int_equal(config_challenge_get(certificate, CHALLENGE_TKAUTH_01)->timeout, 60);
	assert_null(config_challenge_get(certificate, CHALLENGE_DNS_ACCOUNT_01));
}

static void wrong_challenges_are_told_what_to_write(void **state)
{
	static const struct {
		const char *challenge, *words;
	} cases[] = {
		{ "{ http-01: { listen: \"80\" } }", "systemd:NAME" },
		{ "{ http-01: {} }", "webroot: /var/www" },
		{ "{ http-01: { listen: \"0.0.0.0:80\", webroot: /var/www } }", "either" },
		{ "{ http-01: { webroot: www } }", "absolute path" },
		{ "{ tls-alpn-01: { listen: nowhere } }", "ADDRESS:PORT" },
		{ "{ dns-01: { hook: [hook] } }", "absolute path of the program" },
		{ "{ dns-01: { hook: [/hook], timeout: 1h } }", "1s to 10m" },
		{ "{ dns-01: { hook: [/hook], propagation: 2d } }", "0s to 1d" },
		{ "{ dns-persist-01: { issuer: \"*.x\" } }", "issuer domain name" },
		{ "{ tkauth-01: {} }", "exactly one" },
		{ "{ tkauth-01: { authority: \"https://oam/\", token: { file: /x } } }", "exactly one" },
		{ "{ tkauth-01: { authority: \"http://oam/\" } }", "https://HOST" },
		{ "{ tkauth-01: { authority: \"https://oam:99999/\" } }", "https://HOST" },
		{ "{ tkauth-01: { allow: [\"https://oam\"] } }", "host names" },
		{ "{ tkauth-01: { command: [token] } }", "absolute path of the program" },
		{ "{}", "at least one" },
		{ "{ device-attest-01: {} }", "not in this release" },
	};
	char line[200];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(line, sizeof(line), "    challenge: %s", cases[i].challenge);
		expect_refused(24, line, cases[i].words);
	}
}

static void inline_secrets_and_wrong_shapes_are_refused(void **state)
{
	(void)state;
	expect_refused(4, "    pkcs11: { module: /usr/lib/m.so, token: nf, pin: 1234 }", "expected options");
	expect_refused(23, "    names: dns:a.example", "expected a list");
	expect_refused(23, "    names: []", "entries");
	expect_refused(9, "    directory: [https://a/]", "one value");
	expect_refused(9, "    directory:", "no value");
}

static void references_lead_somewhere_and_names_are_unique(void **state)
{
	(void)state;
	expect_refused(20, "    authority: other", "authorities");
	expect_refused(21, "    policy: other", "policies");
	expect_refused(22, "    key: { token: other, type: ec-p256 }", "tokens");
	expect_refused(12, "    account-key: { token: other, type: ec-p256 }", "tokens");
	expect_refused(5, "  - name: hsm", "used twice");
	expect_refused(21, "    authority: ra", "given twice");
}

static void yaml_tricks_are_refused(void **state)
{
	(void)state;
	expect_refused(1, "state: &a /var/lib", "anchors");
	expect_refused(1, "state: *a", "anchors");
	expect_refused(1, "\tstate: /x", "not YAML");
	expect_refused(7, "---", "second");
}

static void a_missing_file_says_how_to_name_another(void **state)
{
	struct config *config = NULL;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(config_load("/nowhere/hwacme.yaml", &config, &err), RC_INPUT);
	assert_non_null(strstr(err.text, "/nowhere/hwacme.yaml"));
	assert_non_null(strstr(err.text, "-c FILE"));
	assert_int_equal(config_load("/dev/zero", &config, &err), RC_INPUT);
	assert_int_equal(config_load("/tmp", &config, &err), RC_INPUT);
}

static void a_fallback_is_an_authority_of_its_certificate_as_well(void **state)
{
	static char first[] = "ra", second[] = "spare";
	static char *fallback[] = { second };
	const struct config_certificate certificate = { .authority = first, .fallback = fallback, .fallback_count = 1 };

	(void)state;
	assert_true(config_is_authority_of(&certificate, "ra") && config_is_authority_of(&certificate, "spare"));
	assert_false(config_is_authority_of(&certificate, "r") || config_is_authority_of(&certificate, "other"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_file_is_understood),
		cmocka_unit_test(an_account_key_signs_with_the_algorithm_of_its_type_or_another_that_fits),
		cmocka_unit_test(a_token_may_be_chosen_by_serial_number_or_uri),
		cmocka_unit_test(an_unknown_option_is_told_what_was_meant),
		cmocka_unit_test(a_tpm_is_told_its_parent_its_secrets_and_its_registers),
		cmocka_unit_test(a_wrong_option_of_a_tpm_is_told_what_to_write),
		cmocka_unit_test(profiles_and_renewal_information_are_understood),
		cmocka_unit_test(an_option_of_a_later_release_is_refused_as_such),
		cmocka_unit_test(metrics_are_listened_for_where_it_says),
		cmocka_unit_test(lines_are_for_people_unless_json_is_asked_for),
		cmocka_unit_test(maintenance_windows_are_understood),
		cmocka_unit_test(a_missing_option_is_named),
		cmocka_unit_test(wrong_values_are_told_what_to_write),
		cmocka_unit_test(a_network_function_is_understood),
		cmocka_unit_test(an_instance_among_the_names_is_not_added_again),
		cmocka_unit_test(an_instance_that_can_be_proved_is_an_identifier),
		cmocka_unit_test(what_an_authority_is_asked_for_is_understood),
		cmocka_unit_test(wrong_profiles_are_told_what_to_write),
		cmocka_unit_test(names_of_every_kind_have_one_text),
		cmocka_unit_test(challenges_keep_the_order_of_the_file),
		cmocka_unit_test(wrong_challenges_are_told_what_to_write),
		cmocka_unit_test(inline_secrets_and_wrong_shapes_are_refused),
		cmocka_unit_test(references_lead_somewhere_and_names_are_unique),
		cmocka_unit_test(yaml_tricks_are_refused),
		cmocka_unit_test(a_missing_file_says_how_to_name_another),
		cmocka_unit_test(a_fallback_is_an_authority_of_its_certificate_as_well),
	};

	return cmocka_run_group_tests(tests, config_file_start, config_file_stop);
}
