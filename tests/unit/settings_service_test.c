/* settings_service_test.c -- hooks, probes and what is kept are understood, or refused with what to write instead. */
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

/* A good file with these lines more in its policy and its certificate. */
static enum rc load(const char *policy, const char *certificate, struct config **ret_config, struct err *err)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fprintf(file,
		"tokens:\n  - { name: hsm, pkcs11: { module: /m.so, token: nf } }\n"
		"authorities:\n  - { name: ra, directory: \"https://ra.example/\", account-key: { token: hsm, type: ec-p256 } }\n"
		"policies:\n  - name: sba\n    margin: 1h\n%s\n"
		"certificates:\n  - name: amf\n    authority: ra\n    key: { token: hsm, type: ec-p256 }\n    names: "
		"[\"dns:amf.example\"]\n"
		"    challenge: { http-01: { listen: \"0.0.0.0:80\" } }\n%s\n",
		policy, certificate);
	assert_int_equal(fclose(file), 0);
	return config_load(path, ret_config, err);
}

static void refused(const char *policy, const char *certificate, const char *words)
{
	struct config *config = NULL;
	struct err err = { 0 };

	assert_int_equal(load(policy, certificate, &config, &err), RC_INPUT);
	if (!strstr(err.text, words))
		fail_msg("no \"%s\" in: %s", words, err.text);
}

static void a_service_is_told_and_looked_at_as_it_says(void **state)
{
	AUTO(config) struct config *config = NULL;
	struct err err = { 0 };

	(void)state;
	if (load("",
		 "    deploy: { run: [reload], timeout: 5m, user: www-data }\n    probe: { connect: \"amf.example:443\", "
		 "server-name: "
		 "b.example, timeout: 5s, grace: 2m, every: 12h }",
		 &config, &err) != RC_OK)
		fail_msg("%s", err.text);
	const struct config_certificate *certificate = config_certificate_get(config, "amf");
	assert_string_equal(certificate->deploy_user, "www-data");
	assert_int_equal(certificate->deploy_timeout, 300);
	assert_true(config_has_probe(certificate));
	assert_string_equal(certificate->probe.connect, "amf.example:443");
	assert_string_equal(certificate->probe.server_name, "b.example");
	assert_int_equal(certificate->probe.timeout, 5);
	assert_int_equal(certificate->probe.grace, 120);
	assert_int_equal(certificate->probe.every, 43200);
	config_free(config);
	config = NULL;
	assert_int_equal(load("", "    probe: { run: [/bin/look], user: nobody, every: 0s }", &config, NULL), RC_OK);
	certificate = config_certificate_get(config, "amf");
	assert_int_equal(certificate->probe.run_count, 1);
	assert_string_equal(certificate->probe.user, "nobody");
	assert_int_equal(certificate->probe.timeout, 10);
	assert_int_equal(certificate->probe.grace, 60);
	assert_int_equal(certificate->probe.every, 0);
	config_free(config);
	config = NULL;
	assert_int_equal(load("", "", &config, NULL), RC_OK);
	assert_false(config_has_probe(config_certificate_get(config, "amf")));
	refused("", "    deploy: { run: [reload], user: \"a b\" }", "www-data");
	refused("", "    probe: { timeout: 5s }", "either connect");
	refused("", "    probe: { connect: \"a:1\", run: [b] }", "either connect");
	refused("", "    probe: { connect: \"amf.example\" }", "HOST:PORT");
	refused("", "    probe: { connect: \"a:443\", user: b }", "goes with");
	refused("", "    probe: { run: [b], server-name: a }", "goes with");
	refused("", "    probe: { connect: \"a:443\", grace: 11m }", "10m");
	refused("", "    probe: { connect: \"a:443\", timeout: 0s }", "60s");
	refused("", "    probe: { connect: \"a:443\", every: 1s }", "0s for never");
}

static void superseded_generations_are_kept_and_revoked_as_the_policy_says(void **state)
{
	AUTO(config) struct config *config = NULL;

	(void)state;
	assert_int_equal(load("    keep: 3\n    revoke-superseded: true", "", &config, NULL), RC_OK);
	assert_int_equal(config_policy_get(config, "sba")->keep, 3);
	assert_true(config_policy_get(config, "sba")->revoke_superseded);
	assert_int_equal(config_policy_get(config, NULL)->keep, 1);
	assert_false(config_policy_get(config, NULL)->revoke_superseded);
	config_free(config);
	config = NULL;
	assert_int_equal(load("", "", &config, NULL), RC_OK);
	assert_int_equal(config_policy_get(config, "sba")->keep, 1);
	refused("    keep: 0", "", "the live generation alone");
	refused("    revoke-superseded: yes", "", "true or false");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_service_is_told_and_looked_at_as_it_says),
		cmocka_unit_test(superseded_generations_are_kept_and_revoked_as_the_policy_says),
	};

	return cmocka_run_group_tests(tests, config_file_start, config_file_stop);
}
