/* processes_test.c -- the spawner starts keyd and hooks, has nothing of the network's, and the environment forgets a PIN once it has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

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

/* In a child, whose descriptor 3 is what the service manager handed over: the end of a pipe, since that tells when nobody has the other
 * any more. */
static int handed_over(void)
{
	AUTO(processes) struct processes *processes = NULL;
	AUTO(token) struct token *token = NULL;
	char pid[24], byte;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
		return 1;
	int reader = fcntl(ends[0], F_DUPFD_CLOEXEC, 100);
	if (dup2(ends[1], 50) < 0)
		return 1;
	close(ends[0]);
	close(ends[1]);
	if (dup2(50, 3) < 0)
		return 1;
	close(50);
	snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	if (processes_start(&config, &processes, NULL) != RC_OK ||
	    remote_open(processes_keyd(processes), tokens[0].name, &token, NULL) != RC_OK)
		return 2;
	/* We have it still. */
	if (read(reader, &byte, 1) != -1 || errno != EAGAIN)
		return 3;
	close(3);
	return read(reader, &byte, 1) == 0 ? 0 : 4;
}

static void a_socket_that_was_handed_over_is_the_engine_s_alone(void **state)
{
	int status = -1;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(handed_over());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_is_opened_in_another_process),
		cmocka_unit_test(a_pin_from_the_environment_is_known_to_keyd_alone),
		cmocka_unit_test(a_socket_that_was_handed_over_is_the_engine_s_alone),
		cmocka_unit_test(hooks_run_as_configured_and_tell_how_they_ended),
		cmocka_unit_test(a_hook_finds_the_signals_as_a_program_expects_them),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
