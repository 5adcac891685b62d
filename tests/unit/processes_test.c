/* processes_test.c -- the spawner starts keyd and hooks, and the environment forgets a PIN once it has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "processes.h"
#include "softhsm.h"
#include "token.h"

static struct softhsm softhsm;
static char label[] = "unit", pin_variable[] = "HWACME_TEST_PIN", shell[] = "/bin/sh", option[] = "-c", script[300];
static char *run[] = { shell, option, script };
static struct config_token tokens[1];
static struct config_certificate certificates[] = { { .name = (char[]){ "amf" },
						      .deploy_run = run,
						      .deploy_run_count = 3,
						      .deploy_timeout = 20,
						      .probe = { .run = run, .run_count = 3, .timeout = 20 } } };
static struct config config = { .tokens = tokens, .token_count = 1, .certificates = certificates, .certificate_count = 1 };

static int start(void **state)
{
	(void)state;
	if (softhsm_start(&softhsm) != 0 || softhsm_add(label) != 0)
		return -1;
	config.state = softhsm.dir;
	tokens[0] = softhsm_config(&softhsm, label);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	softhsm_stop(&softhsm);
	return 0;
}

static void a_token_is_opened_in_another_process(void **state)
{
	AUTO(processes) struct processes *processes = NULL;
	AUTO(token) struct token *token = NULL;
	struct err err = { 0 };
	char line[512];

	(void)state;
	assert_int_equal(processes_start(&config, &processes, &err), RC_OK);
	if (remote_open(processes_keyd(processes), tokens[0].name, &token, &err) != RC_OK)
		fail_msg("%s", err.text);
	FILE *maps = fopen("/proc/self/maps", "r");
	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps))
		assert_null(strstr(line, "softhsm"));
	assert_int_equal(fclose(maps), 0);
}

static void a_pin_from_the_environment_is_known_to_keyd_alone(void **state)
{
	AUTO(processes) struct processes *processes = NULL;
	AUTO(token) struct token *token = NULL;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(setenv(pin_variable, SOFTHSM_PIN, 1), 0);
	const char *value = getenv(pin_variable);
	tokens[0].pin = (struct config_secret){ SECRET_ENV, pin_variable };
	assert_int_equal(processes_start(&config, &processes, &err), RC_OK);
	assert_null(getenv(pin_variable));
	assert_int_equal(value[0], '\0');
	if (remote_open(processes_keyd(processes), tokens[0].name, &token, &err) != RC_OK)
		fail_msg("%s", err.text);
	tokens[0].pin = (struct config_secret){ SECRET_FILE, softhsm.pin_file };
}

static void hooks_run_as_configured_and_tell_how_they_ended(void **state)
{
	AUTO(processes) struct processes *processes = NULL;
	struct err err = { 0 };
	char words[PROGRAM_OUTPUT_MAX + 1];

	(void)state;
	snprintf(script, sizeof(script), "test \"$HWACME_NAME\" = amf && test \"$HWACME_LIVE\" = %s/live/amf", softhsm.dir);
	assert_int_equal(processes_start(&config, &processes, &err), RC_OK);
	/* What the engine makes of its configuration later is not asked: the spawner has its own. */
	assert_int_equal(processes_deploy(processes, &certificates[0], NULL, &err), RC_OK);
	strcpy(script, "exit 9");
	assert_int_equal(processes_deploy(processes, &certificates[0], NULL, &err), RC_OK);
	processes_stop(TAKE(processes));
	strcpy(script, "echo told; test $HWACME_HOOK = probe");
	assert_int_equal(processes_start(&config, &processes, &err), RC_OK);
	if (processes_probe(processes, &certificates[0], words, &err) != RC_OK)
		fail_msg("%s", err.text);
	assert_string_equal(words, "told");
	processes_stop(TAKE(processes));
	strcpy(script, "echo no luck; exit 9");
	assert_int_equal(processes_start(&config, &processes, &err), RC_OK);
	assert_int_equal(processes_deploy(processes, &certificates[0], NULL, &err), RC_RETRY);
	assert_non_null(strstr(err.text, "exited with 9: no luck"));
}

static void a_hook_finds_the_signals_as_a_program_expects_them(void **state)
{
	static const char *const lines[] = { "^SigBlk:.0*$", "^SigIgn:.[0-9a-f]{11}0{5}$" }; /* nothing up to SIGCHLD */

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		AUTO(processes) struct processes *processes = NULL;
		struct err err = { 0 };

		snprintf(script, sizeof(script), "exec grep -E '%s' /proc/self/status", lines[i]);
		assert_int_equal(processes_start(&config, &processes, &err), RC_OK);
		assert_int_equal(processes_deploy(processes, &certificates[0], NULL, &err), RC_OK);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_is_opened_in_another_process),
		cmocka_unit_test(a_pin_from_the_environment_is_known_to_keyd_alone),
		cmocka_unit_test(hooks_run_as_configured_and_tell_how_they_ended),
		cmocka_unit_test(a_hook_finds_the_signals_as_a_program_expects_them),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
