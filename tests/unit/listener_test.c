/* listener_test.c -- one server an address and a kind, from the first answer to the last; what is looked up is the taker's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "free_port.h"
#include "listener.h"

/* A server without a thread: the test looks up in its place. */
static struct desk {
	unsigned started, stopped;
	bool is_failing;
	struct listener *last;
} desk;

static enum rc start(int fd, struct listener *listener, void **ret_server, struct err *err)
{
	if (desk.is_failing) {
		close(fd);
		return err_set(err, RC_RESOURCE, "no server");
	}
	desk.started++;
	desk.last = listener;
	int *kept = malloc(sizeof(*kept));
	assert_non_null(kept);
	*kept = fd;
	*ret_server = kept;
	return RC_OK;
}

static void stop(void *server)
{
	desk.stopped++;
	close(*(int *)server);
	free(server);
}

static const struct listener_kind ONE = { .type = "one", .start = start, .stop = stop };
static const struct listener_kind OTHER = { .type = "other", .start = start, .stop = stop };

struct word {
	struct listener_answer out;
	const char *key, *value;
};

static bool take(const struct listener_answer *out, const char *wanted, void *ret_taken)
{
	const struct word *word = (const struct word *)out;
	const char **ret_value = ret_taken;

	if (strcmp(word->key, wanted) != 0)
		return false;
	*ret_value = word->value;
	return true;
}

static int fresh(void **state)
{
	static char address[32];

	desk = (struct desk){ 0 };
	snprintf(address, sizeof(address), "127.0.0.1:%d", free_port());
	*state = address;
	return 0;
}

static void the_first_answer_starts_and_the_last_ends_the_server(void **state)
{
	struct word first = { .key = "a", .value = "A" }, second = { .key = "b", .value = "B" };
	const char *found = NULL;

	assert_int_equal(listener_show(&ONE, *state, &first.out, NULL), RC_OK);
	assert_int_equal(listener_show(&ONE, *state, &second.out, NULL), RC_OK);
	assert_int_equal(desk.started, 1);
	assert_true(listener_look(desk.last, "a", take, &found));
	assert_string_equal(found, "A");
	assert_false(listener_look(desk.last, "c", take, &found));
	listener_withdraw(&first.out);
	assert_false(listener_look(desk.last, "a", take, &found));
	assert_true(listener_look(desk.last, "b", take, &found));
	assert_int_equal(desk.stopped, 0);
	listener_withdraw(&second.out);
	assert_int_equal(desk.stopped, 1);
	assert_int_equal(listener_show(&ONE, *state, &first.out, NULL), RC_OK);
	assert_int_equal(desk.started, 2);
	listener_withdraw(&first.out);
}

static void two_kinds_do_not_share_an_address(void **state)
{
	struct word first = { .key = "a" }, second = { .key = "b" };
	struct err err = { 0 };

	assert_int_equal(listener_show(&ONE, *state, &first.out, NULL), RC_OK);
	assert_int_equal(listener_show(&OTHER, *state, &second.out, &err), RC_RETRY);
	assert_non_null(strstr(err.text, "other"));
	assert_non_null(strstr(err.text, *state));
	listener_withdraw(&first.out);
	assert_int_equal(desk.stopped, 1);
	assert_int_equal(listener_show(&OTHER, *state, &second.out, NULL), RC_OK);
	listener_withdraw(&second.out);
}

static void a_server_that_does_not_start_leaves_nothing(void **state)
{
	struct word word = { .key = "a" };

	desk.is_failing = true;
	assert_int_equal(listener_show(&ONE, *state, &word.out, NULL), RC_RESOURCE);
	desk.is_failing = false;
	assert_int_equal(listener_show(&ONE, *state, &word.out, NULL), RC_OK);
	listener_withdraw(&word.out);
	assert_int_equal(desk.started, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_first_answer_starts_and_the_last_ends_the_server, fresh),
		cmocka_unit_test_setup(two_kinds_do_not_share_an_address, fresh),
		cmocka_unit_test_setup(a_server_that_does_not_start_leaves_nothing, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
