/*
 * archive_reader_test.c -- readers that never stop see one set or the next through 1,000 renewals, never two.
 *
 * Every file of generation N says N.  One reader opens live/NAME once and reads below that descriptor; the other follows
 * nginx.conf to the files that it names.  HWACME_RENEWALS asks for another number.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive.h"

#define RENEWALS 1000u

/* In memory where there is such a place: what is tried here is the order of things, not the disk. */
static char dir[] = "/dev/shm/hwa-reader-XXXXXX";
static atomic_bool is_over;

struct reader {
	const char *(*read_once)(unsigned *ret_generation); /* NULL, or what was wrong */
	pthread_t thread;
	unsigned readings, generations, last;
	char fault[256];
};

/* The number a file of the set says; 0: it says none. */
static unsigned number_in(int folder, const char *name)
{
	char text[256] = "";
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	ssize_t len = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[len > 0 ? len : 0] = '\0';
	return (unsigned)strtoul(text + strcspn(text, "0123456789"), NULL, 10);
}

static const char *read_below_one_descriptor(unsigned *ret_generation)
{
	static const char *const names[] = { "key.pem", "haproxy.pem", "chain.pem", "fullchain.pem", "cert.pem" };
	char path[128];

	snprintf(path, sizeof(path), "%s/live/amf", dir);
	int live = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (live < 0)
		return "live/amf cannot be opened";
	*ret_generation = number_in(live, names[0]);
	bool is_one = *ret_generation != 0;
	for (size_t i = 1; i < sizeof(names) / sizeof(names[0]); i++)
		is_one = is_one && number_in(live, names[i]) == *ret_generation;
	close(live);
	return is_one ? NULL : "files of two sets below one descriptor";
}

/* The path between the quotes after `word`; the text is changed. */
static const char *named(char *text, const char *word)
{
	char *at = strstr(text, word);

	if (!at)
		return "";
	at += strlen(word);
	at[strcspn(at, "\"")] = '\0';
	return at;
}

static const char *read_as_nginx_does(unsigned *ret_generation)
{
	char path[128], text[1024] = "";

	snprintf(path, sizeof(path), "%s/live/amf/nginx.conf", dir);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return "nginx.conf cannot be opened";
	ssize_t len = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[len > 0 ? len : 0] = '\0';
	char *again = strdup(text);
	*ret_generation = number_in(AT_FDCWD, named(text, "ssl_certificate \""));
	bool is_one = again && *ret_generation && *ret_generation == number_in(AT_FDCWD, named(again, "ssl_certificate_key \""));
	free(again);
	return is_one ? NULL : "nginx.conf names files of two sets";
}

static void *read_on(void *at)
{
	struct reader *reader = at;

	while (!is_over && !reader->fault[0]) {
		unsigned generation = 0;
		const char *fault = reader->read_once(&generation);

		if (!fault && generation < reader->last)
			fault = "an older set after a newer one";
		if (fault)
			snprintf(reader->fault, sizeof(reader->fault), "%s, generation %u", fault, generation);
		reader->generations += generation != reader->last;
		reader->last = generation;
		reader->readings++;
	}
	return NULL;
}

static void renew(unsigned generation)
{
	char text[32];
	struct err err = { 0 };

	snprintf(text, sizeof(text), "generation %u", generation);
	/* A key in a TPM: nginx.conf names both files. */
	const struct archive_set set = { .fullchain = span_text(text),
					 .chain = span_text(text),
					 .leaf = span_text(text),
					 .key_pem = span_text(text),
					 .key_uri = span_text("handle") };
	if (archive_stage(dir, "amf", generation, &set, &err) != RC_OK || archive_switch(dir, "amf", generation, &err) != RC_OK)
		fail_msg("%s", err.text);
}

static void no_reader_sees_a_new_key_with_an_old_certificate(void **state)
{
	struct reader readers[] = { { .read_once = read_below_one_descriptor }, { .read_once = read_as_nginx_does } };
	const char *asked = getenv("HWACME_RENEWALS");
	unsigned renewals = asked ? (unsigned)strtoul(asked, NULL, 10) : RENEWALS;
	char command[64];

	(void)state;
	if (!mkdtemp(dir)) {
		snprintf(dir, sizeof(dir), "/tmp/hwa-reader-XXXXXX");
		assert_non_null(mkdtemp(dir));
	}
	renew(1);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&readers[i].thread, NULL, read_on, &readers[i]), 0);
	for (unsigned generation = 2; generation <= renewals; generation++)
		renew(generation);
	is_over = true;
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(readers[i].thread, NULL), 0);
		assert_string_equal(readers[i].fault, "");
		printf("%u readings, of %u generations\n", readers[i].readings, readers[i].generations);
		assert_true(readers[i].generations > 1);
	}
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_reader_sees_a_new_key_with_an_old_certificate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
