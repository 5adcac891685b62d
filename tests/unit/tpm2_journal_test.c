/* tpm2_journal_test.c -- sessions of processes that are gone are told from those of processes that live. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tpm2.h"

static char keys_dir[] = "/tmp/hwa-journal-XXXXXX", file[64];

static int start(void **state)
{
	(void)state;
	if (!mkdtemp(keys_dir))
		return -1;
	snprintf(file, sizeof(file), "%s/.sessions-tpm", keys_dir);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	return unlink(file) == 0 && rmdir(keys_dir) == 0 ? 0 : -1;
}

static struct tpm2_token opened(void)
{
	return (struct tpm2_token){ .base.name = "tpm", .keys_dir = keys_dir, .journal.fd = -1 };
}

static struct tpm2_journal_view seen(void)
{
	struct tpm2_token token = opened();
	struct tpm2_journal_view view;

	tpm2_journal_view(&token, &view);
	return view;
}

/* A process that noted `session` and was killed. */
static void leave(uint32_t session)
{
	int ready[2], status;
	char byte = 0;

	assert_int_equal(pipe(ready), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct tpm2_token token = opened();

		tpm2_journal_note(&token, session);
		(void)!write(ready[1], &byte, 1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(seen().left_count + seen().unknown, 0); /* it lives */
	assert_int_equal(seen().live_count, 1);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	close(ready[0]);
	close(ready[1]);
}

static void a_killed_process_leaves_its_session_behind(void **state)
{
	struct tpm2_token token = opened();

	(void)state;
	leave(0x02000001);
	assert_int_equal(seen().live_count, 0);
	assert_int_equal(seen().left_count, 1);
	assert_int_equal(seen().left[0], 0x02000001);
	tpm2_journal_settle(&token, NULL, 0);
	assert_int_equal(seen().left_count, 0);
}

static void one_killed_while_it_opened_a_session_left_one_of_unknown_number(void **state)
{
	struct tpm2_token token = opened();

	(void)state;
	leave(TPM2_JOURNAL_OPENING);
	assert_int_equal(seen().unknown, 1);
	assert_int_equal(seen().left_count, 0);
	tpm2_journal_settle(&token, NULL, 0);
	assert_int_equal(seen().unknown, 0);
}

static void what_the_tpm_still_has_loaded_stays_in_the_journal(void **state)
{
	static const uint32_t loaded[] = { 0x02000005, 0x02000001 }, others[] = { 0x02000005 };
	struct tpm2_token token = opened();

	(void)state;
	leave(0x02000001);
	tpm2_journal_settle(&token, loaded, 2);
	assert_int_equal(seen().left_count, 1);
	tpm2_journal_settle(&token, others, 1);
	assert_int_equal(seen().left_count, 0);
	leave(TPM2_JOURNAL_OPENING);
	tpm2_journal_settle(&token, others, 1); /* it may be that one */
	assert_int_equal(seen().unknown, 1);
	tpm2_journal_settle(&token, NULL, 0);
	assert_int_equal(seen().unknown, 0);
}

static void what_was_closed_is_not_left(void **state)
{
	struct tpm2_token token = opened();

	(void)state;
	tpm2_journal_note(&token, TPM2_JOURNAL_OPENING);
	tpm2_journal_note(&token, 0x03000002);
	assert_int_equal(seen().live_count, 1);
	assert_int_equal(seen().live[0], 0x03000002);
	tpm2_journal_settle(&token, NULL, 0); /* the living keep theirs */
	assert_int_equal(seen().live_count, 1);
	tpm2_journal_note(&token, TPM2_JOURNAL_NONE);
	tpm2_journal_close(&token);
	assert_int_equal(seen().live_count + seen().left_count + seen().unknown, 0);
}

static void a_line_of_an_earlier_boot_means_nothing(void **state)
{
	FILE *out = fopen(file, "w");

	(void)state;
	assert_non_null(out);
	fputs("02000001 00000000-0000-0000-0000-000000000000\n", out);
	fclose(out);
	assert_int_equal(seen().left_count, 0);
}

static void a_damaged_file_is_no_evidence(void **state)
{
	FILE *out = fopen(file, "w");

	(void)state;
	assert_non_null(out);
	for (int i = 0; i < 3000; i++)
		fputc('f', out);
	fclose(out);
	assert_int_equal(seen().left_count + seen().unknown, 0);
}

static void more_processes_than_lines_go_without(void **state)
{
	struct tpm2_token tokens[TPM2_JOURNAL_SLOTS + 2];

	(void)state;
	for (int i = 0; i < TPM2_JOURNAL_SLOTS + 2; i++) {
		tokens[i] = opened();
		tpm2_journal_note(&tokens[i], 0x02000000u + (unsigned)i);
	}
	assert_int_equal(seen().live_count, TPM2_JOURNAL_SLOTS);
	assert_int_equal(tokens[TPM2_JOURNAL_SLOTS].journal.fd, -1);
	for (int i = 0; i < TPM2_JOURNAL_SLOTS + 2; i++) {
		tpm2_journal_note(&tokens[i], TPM2_JOURNAL_NONE);
		tpm2_journal_close(&tokens[i]);
	}
	assert_int_equal(seen().left_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_killed_process_leaves_its_session_behind),
		cmocka_unit_test(one_killed_while_it_opened_a_session_left_one_of_unknown_number),
		cmocka_unit_test(what_the_tpm_still_has_loaded_stays_in_the_journal),
		cmocka_unit_test(what_was_closed_is_not_left),
		cmocka_unit_test(a_line_of_an_earlier_boot_means_nothing),
		cmocka_unit_test(a_damaged_file_is_no_evidence),
		cmocka_unit_test(more_processes_than_lines_go_without),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
