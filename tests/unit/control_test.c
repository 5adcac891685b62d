/* control_test.c -- who asks is told each step and the end; nonsense and unknown names are answered so; a socket left behind is no bar. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control.h"
#include "control_address.h"
#include "descriptors.h"

static char AMF[] = "amf", SMF[] = "smf", directory[256];
static struct config_certificate certificates[] = { { .name = AMF }, { .name = SMF } };
static struct config config = { .state = directory, .certificates = certificates, .certificate_count = 2 };
static const struct config_certificate *by_name[] = { &certificates[0], &certificates[1] };
static struct control *control;
static struct loop_ear ear;

/* The loop, as control.c sees it: it tells one step and the end at once. */
void loop_listen(struct loop *loop, const struct loop_ear *given)
{
	(void)loop;
	ear = *given;
}

static atomic_bool is_ending;

bool loop_is_ending(const struct loop *loop)
{
	(void)loop;
	return is_ending;
}

static void *answer(void *ctx)
{
	const struct config_certificate *certificate = ctx;
	struct renewal_outcome outcome = { .result = RENEWAL_RENEWED,
					   .blame = BLAME_AUTHORITY,
					   .plan = { .when = 5, .why = "asked" } };
	struct err why = { .rc = RC_RETRY, .text = "no luck" };
	bool is_well = certificate == &certificates[0];

	ear.event(ear.ctx, certificate, "ordering");
	ear.done(ear.ctx, certificate, &outcome, is_well ? RC_OK : RC_RETRY, &why);
	return NULL;
}

static atomic_uint asked;
static pthread_t answering[8];

/* As the loop does before the control is stopped. */
static void stop_control(void)
{
	for (unsigned i = 0; i < asked; i++)
		pthread_join(answering[i], NULL);
	asked = 0;
	control_stop(control);
	control = NULL;
}

void loop_ask(struct loop *loop, const struct config_certificate *certificate, enum renewal_call call)
{
	(void)loop;
	assert_int_equal(call, RENEWAL_FORCED);
	assert_int_equal(pthread_create(&answering[asked], NULL, answer, (void *)(uintptr_t)certificate), 0);
	atomic_fetch_add(&asked, 1);
}

static int start(void **state)
{
	(void)state;
	config.by_name = by_name;
	asked = 0;
	/* Longer than a socket's address may be. */
	snprintf(directory, sizeof(directory), "/tmp/hwacme-control-%0120d-XXXXXX", 0);
	if (!mkdtemp(directory) || control_open(&config, &control, NULL) != RC_OK)
		return -1;
	return control_start(control, NULL, NULL) == RC_OK ? 0 : -1;
}

static int stop(void **state)
{
	char command[512];

	(void)state;
	stop_control();
	snprintf(command, sizeof(command), "rm -r %s", directory);
	return system(command);
}

static void test_asked_and_told(void **state)
{
	struct control_message message;
	char path[512];
	struct stat status;
	int fd = -1;

	(void)state;
	snprintf(path, sizeof(path), "%s/control", directory);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(control_connect(directory, &fd, NULL), RC_OK);
	assert_int_equal(control_ask(fd, "amf", RENEWAL_FORCED, NULL), RC_OK);
	assert_int_equal(control_hear(fd, &message, NULL), RC_OK);
	assert_int_equal(message.kind, CONTROL_EVENT);
	assert_string_equal(message.name, "amf");
	assert_string_equal(message.text, "ordering");
	assert_int_equal(control_hear(fd, &message, NULL), RC_OK);
	assert_int_equal(message.kind, CONTROL_DONE);
	assert_int_equal(message.rc, RC_OK);
	assert_int_equal(message.result, RENEWAL_RENEWED);
	assert_string_equal(message.why, "asked");
	assert_string_equal(message.text, "");
	assert_int_equal(control_ask(fd, "smf", RENEWAL_FORCED, NULL), RC_OK);
	assert_int_equal(control_hear(fd, &message, NULL), RC_OK);
	assert_int_equal(control_hear(fd, &message, NULL), RC_OK);
	assert_int_equal(message.rc, RC_RETRY);
	assert_int_equal(message.blame, BLAME_AUTHORITY);
	assert_string_equal(message.text, "no luck");
	close(fd);
}

/* Only who asked for it hears of it. */
static void test_unknown_name(void **state)
{
	struct control_message message;
	int fd = -1;

	(void)state;
	assert_int_equal(control_connect(directory, &fd, NULL), RC_OK);
	assert_int_equal(control_ask(fd, "upf", RENEWAL_FORCED, NULL), RC_OK);
	assert_int_equal(control_hear(fd, &message, NULL), RC_OK);
	assert_int_equal(message.kind, CONTROL_UNKNOWN);
	assert_int_equal(asked, 0);
	close(fd);
}

static int ask_for_unknown(void)
{
	int fd = -1;

	assert_int_equal(control_connect(directory, &fd, NULL), RC_OK);
	assert_int_equal(control_ask(fd, "upf", RENEWAL_FORCED, NULL), RC_OK);
	return fd;
}

/* More ask than are heard at once: whoever is too many waits, and is not told that the daemon has ended. */
static void test_those_who_are_too_many_wait(void **state)
{
	int heard[CONTROL_CLIENTS_MAX], waiting[CONTROL_CLIENTS_MAX * 2];
	struct control_message message;

	(void)state;
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		heard[i] = ask_for_unknown();
		assert_int_equal(control_hear(heard[i], &message, NULL), RC_OK);
	}
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX * 2; i++)
		waiting[i] = ask_for_unknown();
	struct pollfd one = { .fd = waiting[0], .events = POLLIN };
	long cpu = cpu_of_half_a_second();
	assert_in_range(cpu, 0, 100);
	assert_int_equal(poll(&one, 1, 0), 0);
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++)
		close(heard[i]);
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX * 2; i++) {
		assert_int_equal(control_hear(waiting[i], &message, NULL), RC_OK);
		assert_int_equal(message.kind, CONTROL_UNKNOWN);
		close(waiting[i]);
	}
	assert_int_equal(asked, 0);
}

static void test_where_the_page_is(void **state)
{
	char address[64];

	(void)state;
	assert_int_equal(control_page(directory, address, sizeof(address), NULL), RC_OK);
	assert_string_equal(address, "");
	control_set_page(control, "127.0.0.1:9642");
	assert_int_equal(control_page(directory, address, sizeof(address), NULL), RC_OK);
	assert_string_equal(address, "127.0.0.1:9642");
	assert_int_equal(control_page("/tmp/hwacme-nowhere", address, sizeof(address), NULL), RC_ABSENT);
	stop_control();
	assert_int_equal(control_page(directory, address, sizeof(address), NULL), RC_ABSENT);
	assert_int_equal(asked, 0);
}

static void expect_dropped(const void *packet, size_t len)
{
	struct control_message message;
	struct err err = { 0 };
	int fd = -1;

	assert_int_equal(control_connect(directory, &fd, NULL), RC_OK);
	assert_int_equal(send(fd, packet, len, MSG_NOSIGNAL), (ssize_t)len);
	assert_int_equal(control_hear(fd, &message, &err), RC_RETRY);
	assert_non_null(strstr(err.text, "what was begun goes on"));
	close(fd);
}

static void test_nonsense_is_let_go(void **state)
{
	struct control_message message = { .version = CONTROL_VERSION + 1, .kind = CONTROL_ASK, .name = "amf" };
	struct {
		struct control_message message;
		char more;
	} longer = { .message = { .version = CONTROL_VERSION, .kind = CONTROL_ASK, .call = RENEWAL_FORCED, .name = "amf" } };

	(void)state;
	expect_dropped(&longer, sizeof(longer));
	expect_dropped("renew", 5);
	expect_dropped(&message, sizeof(message));
	message.version = CONTROL_VERSION;
	message.kind = CONTROL_DONE;
	expect_dropped(&message, sizeof(message));
	message.kind = CONTROL_ASK;
	message.call = RENEWAL_FORCED + 1;
	expect_dropped(&message, sizeof(message));
	assert_int_equal(asked, 0);
	/* None of them is in the way of those who know how. */
	test_asked_and_told(state);
}

/* It may be asked for a name that a configuration has which the next engine is to read: that one is asked again. */
static void test_one_that_ends_answers_nobody(void **state)
{
	struct control_message message;
	struct err err = { 0 };

	(void)state;
	is_ending = true;
	int fd = ask_for_unknown();
	assert_int_equal(control_hear(fd, &message, &err), RC_RETRY);
	is_ending = false;
	close(fd);
	assert_int_equal(asked, 0);
}

/* Who asks meanwhile is answered when there are descriptors again, and the daemon does not run in circles until then. */
static void test_without_descriptors_it_rests(void **state)
{
	struct control_address address = { .directory = -1 };
	struct control_message message;
	struct descriptors all;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	(void)state;
	assert_int_equal(control_address_make(directory, &address, NULL), RC_OK);
	assert_int_equal(descriptors_take(&all), 0);
	int connected = connect(fd, (const struct sockaddr *)&address.name, sizeof(address.name));
	long cpu = cpu_of_half_a_second();
	descriptors_give_back(&all);
	assert_int_equal(connected, 0);
	assert_in_range(cpu, 0, 100);
	assert_int_equal(control_ask(fd, "upf", RENEWAL_FORCED, NULL), RC_OK);
	assert_int_equal(control_hear(fd, &message, NULL), RC_OK);
	assert_int_equal(message.kind, CONTROL_UNKNOWN);
	control_address_clear(&address);
	close(fd);
}

static void test_what_was_left_behind_is_no_daemon(void **state)
{
	struct err err = { 0 };
	char path[512], kept[512];
	int fd = -1;

	(void)state;
	snprintf(path, sizeof(path), "%s/control", directory);
	snprintf(kept, sizeof(kept), "%s/kept", directory);
	assert_int_equal(rename(path, kept), 0);
	assert_int_equal(control_connect(directory, &fd, &err), RC_ABSENT);
	stop_control();
	assert_int_equal(rename(kept, path), 0);
	assert_int_equal(control_connect(directory, &fd, &err), RC_ABSENT);
	assert_int_equal(control_open(&config, &control, &err), RC_OK);
	assert_int_equal(control_start(control, NULL, NULL), RC_OK);
	test_unknown_name(state);
	assert_int_equal(control_connect("/tmp/hwacme-nowhere", &fd, &err), RC_ABSENT);
}

static void test_what_is_no_socket_of_ours_stays(void **state)
{
	static const char *const plants[] = { "ln -s other $PLACE", "ln -s nowhere $PLACE", "echo precious >$PLACE",
					      "mkfifo $PLACE", "mkdir $PLACE" };
	char command[512];

	(void)state;
	stop_control();
	for (size_t i = 0; i < sizeof(plants) / sizeof(plants[0]); i++) {
		struct err err = { 0 };

		snprintf(command, sizeof(command), "cd %s && rm -rf control && PLACE=control; %s", directory, plants[i]);
		assert_int_equal(system(command), 0);
		assert_int_equal(control_open(&config, &control, &err), RC_RESOURCE);
		assert_non_null(strstr(err.text, "/control is in the way: it is "));
		snprintf(command, sizeof(command), "cd %s && [ -e control -o -L control ] && [ ! -S control ]", directory);
		assert_int_equal(system(command), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_asked_and_told, start, stop),
		cmocka_unit_test_setup_teardown(test_unknown_name, start, stop),
		cmocka_unit_test_setup_teardown(test_those_who_are_too_many_wait, start, stop),
		cmocka_unit_test_setup_teardown(test_where_the_page_is, start, stop),
		cmocka_unit_test_setup_teardown(test_nonsense_is_let_go, start, stop),
		cmocka_unit_test_setup_teardown(test_one_that_ends_answers_nobody, start, stop),
		cmocka_unit_test_setup_teardown(test_without_descriptors_it_rests, start, stop),
		cmocka_unit_test_setup_teardown(test_what_is_no_socket_of_ours_stays, start, stop),
		cmocka_unit_test_setup_teardown(test_what_was_left_behind_is_no_daemon, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
