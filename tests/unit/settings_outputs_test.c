/* settings_outputs_test.c -- `outputs` of a certificate, and the state path that published files name. */
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

/* A whole configuration, with that line in its certificate and that state. */
static enum rc load(const char *line, const char *state_dir, struct config **ret_config, struct err *err)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fprintf(file,
		"state: %s\ntokens:\n  - name: tpm\n    tpm2: { tcti: \"device:/dev/tpmrm0\" }\n"
		"authorities:\n  - name: ra\n    directory: https://ra.example/dir\n    account-key: { token: tpm, type: ec-p256 "
		"}\n"
		"certificates:\n  - name: amf\n    authority: ra\n    key: { token: tpm, type: ec-p256 }\n    names: "
		"[\"dns:amf.example\"]\n"
		"    challenge: { http-01: { listen: \"0.0.0.0:80\" } }\n%s\n",
		state_dir, line);
	assert_int_equal(fclose(file), 0);
	return config_load(path, ret_config, err);
}

static void expect_refused(const char *line, const char *state_dir, const char *words)
{
	struct config *config = NULL;
	struct err err = { 0 };

	assert_int_equal(load(line, state_dir, &config, &err), RC_INPUT);
	assert_null(config);
	if (!strstr(err.text, path) || !strstr(err.text, words))
		fail_msg("no \"%s\" in: %s", words, err.text);
}

static void outputs_are_understood_with_what_they_bring(void **state)
{
	AUTO(config) struct config *plain = NULL;
	AUTO(config) struct config *chosen = NULL;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(load("", "/s", &plain, &err), RC_OK);
	const struct set_files *files = &config_certificate_get(plain, "amf")->outputs;
	assert_int_equal(files->formats, set_file_defaults());
	assert_int_equal(files->mode, 0);
	assert_true(files->owner == (uid_t)-1 && files->group == (gid_t)-1);
	if (load("    outputs: { formats: [haproxy.pem, nginx.conf], owner: daemon, group: daemon, mode: 0440 }", "/s", &chosen,
		 &err) != RC_OK)
		fail_msg("%s", err.text);
	files = &config_certificate_get(chosen, "amf")->outputs;
	assert_int_equal(files->formats, set_file_complete(SET_FILE_BIT(SET_FILE_HAPROXY) | SET_FILE_BIT(SET_FILE_NGINX)));
	assert_int_equal(files->mode, 0440);
	assert_int_equal(files->owner, 1); /* base-passwd: daemon is 1 everywhere */
	assert_int_equal(files->group, 1);
}

static void wrong_outputs_are_told_what_to_write(void **state)
{
	(void)state;
	expect_refused("    outputs: { formats: [privkey.pem] }", "/s",
		       "write some of fullchain, chain, cert, key.pem, key.uri, nginx.conf");
	expect_refused("    outputs: { formats: [] }", "/s", "outputs.formats");
	expect_refused("    outputs: { owner: no-such-user }", "/s", "no such user");
	expect_refused("    outputs: { group: no-such-group }", "/s", "no such group");
	expect_refused("    outputs: { mode: 0660 }", "/s", "nobody else writes");
	expect_refused("", "/var/lib/$HOME", "without quotes");
	expect_refused("", "\"/var/lib/a\\nb\"", "without quotes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(outputs_are_understood_with_what_they_bring),
		cmocka_unit_test(wrong_outputs_are_told_what_to_write),
	};

	return cmocka_run_group_tests(tests, config_file_start, config_file_stop);
}
