/* refusal_test.c -- a refused secret is known again after a restart, an attempt cut off is counted, and nothing of it is on disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "codec.h"
#include "refusal.h"
#include "refusal_file.h"

static char dir[64], keys_dir[96], file[128];

static int start(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/hwa-refusal-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	/* Neither STATE nor STATE/keys is there on a first start. */
	snprintf(keys_dir, sizeof(keys_dir), "%s/state/keys", dir);
	snprintf(file, sizeof(file), "%s/" REFUSAL_FILE, keys_dir);
	return 0;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
	(void)status, (void)kind, (void)walk;
	return remove(path);
}

static int stop(void **state)
{
	(void)state;
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static enum rc begin(const char *who, const char *secret, struct err *err)
{
	return refusal_begin(keys_dir, span_text(who), span_text(secret), err);
}

static enum rc end(const char *who, const char *secret, bool refused)
{
	return refusal_end(keys_dir, span_text(who), span_text(secret), refused, NULL);
}

static size_t file_read(char *text, size_t room)
{
	int fd = open(file, O_RDONLY);
	ssize_t got = fd < 0 ? 0 : read(fd, text, room - 1);

	if (fd >= 0)
		close(fd);
	text[got < 0 ? 0 : got] = '\0';
	return got < 0 ? 0 : (size_t)got;
}

static void file_write(const char *text)
{
	FILE *out = fopen(file, "w");

	assert_non_null(out);
	assert_true(fputs(text, out) >= 0);
	assert_int_equal(fclose(out), 0);
}

/* What a process does that is killed, or whose module crashes, in the middle of an attempt. */
static enum rc begin_and_die(const char *who, const char *secret)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0)
		_exit((int)begin(who, secret, NULL));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return (enum rc)WEXITSTATUS(status);
}

static void a_refused_secret_is_not_sent_again_after_a_restart(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_int_equal(begin("hsm", "1234", NULL), RC_OK);
	assert_int_equal(end("hsm", "1234", true), RC_OK);
	assert_int_equal(begin("hsm", "1234", &err), RC_DENIED);
	assert_non_null(strstr(err.text, "refused before"));
	assert_non_null(strstr(err.text, file)); /* what to remove where the token is what was wrong */
	assert_null(strstr(err.text, "1234"));
	assert_int_equal(begin_and_die("hsm", "1234"), RC_DENIED);
}

static void a_corrected_secret_is_tried_and_the_refused_one_stays_refused(void **state)
{
	(void)state;
	assert_int_equal(begin("hsm", "1234", NULL), RC_OK);
	assert_int_equal(end("hsm", "1234", true), RC_OK);
	assert_int_equal(begin("hsm", "1235", NULL), RC_OK);
	assert_int_equal(end("hsm", "1235", false), RC_OK);
	assert_int_equal(begin("hsm", "1235", NULL), RC_OK);
	assert_int_equal(end("hsm", "1235", false), RC_OK);
	assert_int_equal(begin("hsm", "1234", NULL), RC_DENIED);
}

static void another_token_may_take_the_same_secret(void **state)
{
	(void)state;
	assert_int_equal(begin("hsm", "1234", NULL), RC_OK);
	assert_int_equal(end("hsm", "1234", true), RC_OK);
	assert_int_equal(begin("hsm2", "1234", NULL), RC_OK);
	/* And both may be tried at once. */
	assert_int_equal(begin("hsm3", "1234", NULL), RC_OK);
	assert_int_equal(end("hsm2", "1234", false), RC_OK);
	assert_int_equal(end("hsm3", "1234", false), RC_OK);
}

static void an_attempt_cut_off_twice_is_not_made_a_third_time(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_int_equal(begin_and_die("hsm", "1234"), RC_OK);
	assert_int_equal(begin_and_die("hsm", "1234"), RC_OK);
	assert_int_equal(begin("hsm", "1234", &err), RC_DENIED);
	assert_non_null(strstr(err.text, "cut off"));
	assert_non_null(strstr(err.text, file));
	assert_int_equal(begin("hsm", "1235", NULL), RC_OK);
	assert_int_equal(end("hsm", "1235", false), RC_OK);
}

static void the_first_attempt_writes_nothing_of_the_secret_and_one_cut_off_counts_against_the_next(void **state)
{
	char first[4096], second[4096];

	(void)state;
	assert_int_equal(begin_and_die("hsm", "1234"), RC_OK);
	file_read(first, sizeof(first));
	assert_non_null(strstr(first, " token begun 1\n"));
	/* Another token is not held back by it, and neither has to be told from the other. */
	assert_int_equal(begin("hsm2", "1234", NULL), RC_OK);
	assert_int_equal(end("hsm2", "1234", false), RC_OK);
	/* Which secret was cut off is not known: it may have been this one. */
	assert_int_equal(begin_and_die("hsm", "1235"), RC_OK);
	file_read(second, sizeof(second));
	assert_null(strstr(second, " token "));
	assert_non_null(strstr(second, " begun 2\n"));
	assert_int_equal(begin("hsm", "1235", NULL), RC_DENIED);
	assert_int_equal(begin("hsm", "1234", NULL), RC_OK);
	assert_int_equal(end("hsm", "1234", true), RC_OK);
	assert_int_equal(begin("hsm", "1234", NULL), RC_DENIED);
}

static void while_all_goes_well_there_is_no_file(void **state)
{
	char text[4096];

	(void)state;
	assert_int_equal(begin("hsm", "1234", NULL), RC_OK);
	assert_int_equal(end("hsm", "1234", false), RC_OK);
	assert_int_equal(file_read(text, sizeof(text)), 0);
}

static void an_accepted_secret_forgets_that_it_was_cut_off(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		assert_int_equal(begin_and_die("hsm", "1234"), RC_OK);
		assert_int_equal(begin("hsm", "1234", NULL), RC_OK);
		assert_int_equal(end("hsm", "1234", false), RC_OK);
	}
}

static void what_ended_without_a_beginning_is_our_own_fault(void **state)
{
	(void)state;
	assert_int_equal(end("hsm", "1234", false), RC_BUG);
}

static void *try_it(void *sent)
{
	if (begin("hsm", "1234", NULL) == RC_OK) {
		__atomic_add_fetch((int *)sent, 1, __ATOMIC_SEQ_CST);
		usleep(2000); /* the token thinks; the others must not go past us meanwhile */
		assert_int_equal(end("hsm", "1234", true), RC_OK);
	}
	return NULL;
}

static void however_many_start_together_a_wrong_secret_is_sent_once(void **state)
{
	pthread_t threads[8];
	int sent = 0;

	(void)state;
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, try_it, &sent), 0);
	for (size_t i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(sent, 1);
}

static void processes_exclude_each_other_too(void **state)
{
	int sent = 0, status;

	(void)state;
	for (int i = 0; i < 6; i++) {
		if (fork() == 0) {
			int mine = 0;

			try_it(&mine);
			_exit(mine);
		}
	}
	while (wait(&status) > 0)
		sent += WEXITSTATUS(status);
	assert_int_equal(sent, 1);
}

static void the_file_is_ours_alone_and_holds_neither_secret_nor_name(void **state)
{
	AUTO(buf) struct buf hex = BUF_MAX(64);
	struct stat status;
	char text[4096];

	(void)state;
	assert_int_equal(begin("the-token", "canary-84", NULL), RC_OK);
	assert_true(file_read(text, sizeof(text)) > 64);
	assert_int_equal(stat(file, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(codec_hex(span_text("canary-84"), &hex, NULL), RC_OK);
	assert_null(strstr(text, "canary-84"));
	assert_null(strstr(text, buf_text(&hex)));
	assert_null(strstr(text, "the-token"));
	assert_non_null(strstr(text, " begun 1\n"));
	assert_int_equal(end("the-token", "canary-84", true), RC_OK);
	file_read(text, sizeof(text));
	assert_non_null(strstr(text, " refused\n"));
}

static void a_damaged_file_sends_nothing_and_says_what_to_do(void **state)
{
	static const char *const damaged[] = { "", "x", "hwacme-refused 2 00112233445566778899aabbccddeeff\n",
					       "hwacme-refused 1 00112233445566778899aabbccddeeff\n00 refused\n",
					       "hwacme-refused 1 00112233445566778899aabbccddeefg\n" };
	(void)state;
	assert_int_equal(begin("hsm", "1234", NULL), RC_OK);
	assert_int_equal(end("hsm", "1234", false), RC_OK);
	for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
		struct err err = { 0 };

		file_write(damaged[i]);
		assert_int_not_equal(begin("hsm", "1234", &err), RC_OK);
		assert_non_null(strstr(err.text, file));
		assert_non_null(strstr(err.text, "remove the file"));
	}
	unlink(file);
	assert_int_equal(begin("hsm", "1234", NULL), RC_OK);
	assert_int_equal(end("hsm", "1234", false), RC_OK);
}

static void what_cannot_be_written_down_is_not_sent(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_int_equal(begin("hsm", "1234", NULL), RC_OK);
	assert_int_equal(end("hsm", "1234", false), RC_OK);
	file_write("a file where a directory should be");
	snprintf(keys_dir, sizeof(keys_dir), "%s/state/keys/" REFUSAL_FILE "/keys", dir);
	assert_int_equal(begin("hsm", "1234", &err), RC_RESOURCE);
	assert_non_null(strstr(err.text, "cannot"));
	keys_dir[0] = '\0';
	assert_int_equal(begin("hsm", "1234", NULL), RC_BUG);
}

static void the_file_is_bounded_and_keeps_the_newest(void **state)
{
	static struct refusal_file many, read;
	uint8_t digest[REFUSAL_DIGEST_LEN] = { 0 };

	(void)state;
	for (unsigned i = 0; i < REFUSAL_ENTRIES_MAX + 50; i++) {
		digest[0] = (uint8_t)i;
		digest[1] = (uint8_t)(i >> 8);
		refusal_file_add(&many, digest)->refused = true;
	}
	int fd = open(dir, O_RDONLY | O_DIRECTORY);
	assert_int_equal(refusal_file_save(fd, dir, &many, NULL), RC_OK);
	assert_int_equal(refusal_file_load(fd, dir, &read, NULL), RC_OK);
	close(fd);
	assert_int_equal(read.count, REFUSAL_ENTRIES_MAX);
	assert_non_null(refusal_file_find(&read, digest));
	digest[0] = 0;
	digest[1] = 0;
	assert_null(refusal_file_find(&read, digest));
}

/* The lock's mode is ours to set, and waiting for it ours to decide: not where it is a file of somebody else's. */
static void a_lock_that_is_not_ours_alone_is_refused(void **state)
{
	static const char *const plants[] = { "ln ../victim .refused.lock", "ln -s ../victim .refused.lock",
					      "mkfifo .refused.lock" };
	char command[512];

	(void)state;
	assert_int_equal(begin("hsm", "secret", NULL), RC_OK);
	assert_int_equal(end("hsm", "secret", false), RC_OK);
	for (size_t i = 0; i < sizeof(plants) / sizeof(plants[0]); i++) {
		struct err err = { 0 };

		snprintf(command, sizeof(command),
			 "cd %s && rm -f .refused.lock && echo x >../victim && chmod 640 ../victim && %s", keys_dir, plants[i]);
		assert_int_equal(system(command), 0);
		assert_int_equal(begin("hsm", "secret", &err), RC_RESOURCE);
		assert_non_null(strstr(err.text, "no PIN is sent"));
		assert_non_null(strstr(err.text, "/.refused.lock "));
		snprintf(command, sizeof(command), "[ $(stat -c %%a %s/../victim) = 640 ]", keys_dir);
		assert_int_equal(system(command), 0);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_refused_secret_is_not_sent_again_after_a_restart),
		TEST(a_corrected_secret_is_tried_and_the_refused_one_stays_refused),
		TEST(another_token_may_take_the_same_secret),
		TEST(an_attempt_cut_off_twice_is_not_made_a_third_time),
		TEST(the_first_attempt_writes_nothing_of_the_secret_and_one_cut_off_counts_against_the_next),
		TEST(while_all_goes_well_there_is_no_file),
		TEST(an_accepted_secret_forgets_that_it_was_cut_off),
		TEST(what_ended_without_a_beginning_is_our_own_fault),
		TEST(however_many_start_together_a_wrong_secret_is_sent_once),
		TEST(processes_exclude_each_other_too),
		TEST(the_file_is_ours_alone_and_holds_neither_secret_nor_name),
		TEST(a_damaged_file_sends_nothing_and_says_what_to_do),
		TEST(what_cannot_be_written_down_is_not_sent),
		TEST(a_lock_that_is_not_ours_alone_is_refused),
		TEST(the_file_is_bounded_and_keeps_the_newest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
