/* order_test.c -- replays transcripts of orders, whole and cut off at every step, and compares them with what was written down. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "order.h"

#define TEXT_MAX     65536u
#define STEPS_MAX    40u
#define STEP_SECONDS 10 /* the clock goes on by this much at each step */
#define EPOCH        INT64_C(1000000)

/* What the CA of a scenario does; the head of each transcript. */
struct scenario {
	char submit[16]; /* status in the answer to newOrder */
	char solve[16];  /* "ready", "pending" (valid authorisation, order lags by one look), "invalid", "refused" */
	int processing;  /* looks that answer "processing" after finalize */
	int retry_after; /* seconds, with each "processing" */
	int drop;        /* the nth look answers 404; 0: never */
	char lose[16];   /* the first answer to this action is lost, its effect is not */
	int validating;  /* looks at the authorisations that find one still open */
	int expires;     /* seconds after its start; 0: never; negative: by the CA's clock, which is behind ours */
};

/* A CA for one order at a time, with no more memory than RFC 8555, 7.1.6 gives it. */
struct ca {
	const struct scenario *scenario;
	enum order_status status;
	int processing_left, validating_left, looks, orders, csrs;
	bool lost;
};

static struct order_event answer(struct ca *ca, struct order *order, enum order_action action, int64_t now)
{
	struct order_event event = { .rc = RC_OK };

	switch (action) {
	case ORDER_DO_SUBMIT:
		ca->orders++;
		ca->status = order_status_parse(ca->scenario->submit);
		ca->processing_left = ca->scenario->processing;
		ca->validating_left = ca->scenario->validating;
		break;
	case ORDER_DO_SOLVE:
		if (strcmp(ca->scenario->solve, "refused") == 0 || strcmp(ca->scenario->solve, "invalid") == 0) {
			ca->status = ORDER_IS_INVALID;
			event.rc = RC_DENIED;
			break;
		}
		/* fall through */
	case ORDER_DO_WATCH:
		if (action == ORDER_DO_WATCH && ca->validating_left > 0)
			ca->validating_left--;
		event.waiting = ca->validating_left > 0;
		if (!event.waiting)
			ca->status = ORDER_IS_READY;
		event.status = ORDER_IS_PENDING; /* what the driver reports: it has not asked yet */
		return event;
	case ORDER_DO_SEND_CSR:
		/* RFC 8555, 7.4: a CSR for an order that is not ready is an error: it must never be sent twice. */
		assert_int_equal(ca->status, ORDER_IS_READY);
		ca->csrs++;
		ca->status = ca->processing_left > 0 ? ORDER_IS_PROCESSING : ORDER_IS_VALID;
		break;
	case ORDER_DO_ASK:
		if (ca->scenario->drop && ++ca->looks == ca->scenario->drop)
			event.rc = RC_ABSENT;
		else if (ca->status == ORDER_IS_PROCESSING && --ca->processing_left <= 0)
			ca->status = ORDER_IS_VALID;
		break;
	case ORDER_DO_DOWNLOAD:
	case ORDER_DO_STOP:
	case ORDER_ACTION_COUNT: break;
	}
	event.status = ca->status;
	if (ca->status == ORDER_IS_PROCESSING && ca->scenario->retry_after)
		event.retry_at = now + ca->scenario->retry_after;
	if (!ca->lost && strcmp(order_action_name(action), ca->scenario->lose) == 0) {
		ca->lost = true;
		event.rc = RC_RETRY;
		return event;
	}
	/* What the driver takes over from an answer. */
	strcpy(order->url, "https://ca/order/1");
	if (ca->status == ORDER_IS_VALID)
		strcpy(order->certificate_url, "https://ca/cert/1");
	if (ca->scenario->expires)
		order_expires(order, EPOCH + ca->scenario->expires, now);
	return event;
}

static void note(struct buf *text, const char *action, const struct order_event *event, const struct order *order,
		 const struct order_next *next, int64_t now)
{
	static const char *const words[] = { [RC_OK] = "", [RC_RETRY] = "lost", [RC_DENIED] = "refused", [RC_ABSENT] = "404" };
	char status[16], phase[16];

	snprintf(status, sizeof(status), "%s", event->rc == RC_OK ? order_status_name(event->status) : words[event->rc]);
	snprintf(phase, sizeof(phase), "%s", order_phase_name(order->phase));
	assert_int_equal(buf_print(text, NULL, "%-9s -> %-10s : %-9s", action, status, phase), RC_OK);
	if (next->not_before > now)
		assert_int_equal(buf_print(text, NULL, " wait %d", (int)(next->not_before - now)), RC_OK);
	if (next->pause_ms)
		assert_int_equal(buf_print(text, NULL, " pause %u ms", next->pause_ms), RC_OK);
	assert_int_equal(buf_print(text, NULL, "\n"), RC_OK);
}

enum cut { CUT_NONE, CUT_AFTER, CUT_WITHIN }; /* within: the step had its effect, but its outcome was not stored */

/* Runs one order to its end, cut off once at step `at`; the number of steps it took. */
static unsigned run(const struct scenario *scenario, enum cut cut, unsigned at, struct buf *text, struct order *ret_order,
		    struct ca *ret_ca)
{
	struct ca ca = { .scenario = scenario };
	struct order order = { .phase = ORDER_START };
	struct order_next next = order_resume(&order);
	int64_t now = EPOCH;
	unsigned step = 0;

	while (next.action != ORDER_DO_STOP && step < STEPS_MAX) {
		struct order stored = order;
		char action[16];

		step++;
		if (next.not_before > now)
			now = next.not_before;
		snprintf(action, sizeof(action), "%s", order_action_name(next.action));
		struct order_event event = answer(&ca, &order, next.action, now);
		(void)!order_step(&order, &event, now, &next, NULL);
		note(text, action, &event, &order, &next, now);
		now += STEP_SECONDS;
		if (cut != CUT_NONE && step == at) {
			if (cut == CUT_WITHIN)
				order = stored;
			next = order_resume(&order);
			assert_int_equal(
				buf_print(text, NULL, "-(%s)-\n", cut == CUT_AFTER ? "restart" : "killed before it was stored"),
				RC_OK);
		}
	}
	assert_true(step < STEPS_MAX);
	*ret_order = order;
	*ret_ca = ca;
	return step;
}

static void write_transcript(const struct scenario *scenario, struct buf *text)
{
	struct order whole, other;
	struct ca ca;
	unsigned steps = run(scenario, CUT_NONE, 0, text, &whole, &ca);

	assert_int_equal(buf_print(text, NULL, "orders %d, CSRs %d\n", ca.orders, ca.csrs), RC_OK);
	for (unsigned at = 1; at <= steps; at++)
		for (int cut = CUT_AFTER; cut <= CUT_WITHIN; cut++) {
			assert_int_equal(buf_print(text, NULL, "\n"), RC_OK);
			run(scenario, (enum cut)cut, at, text, &other, &ca);
			assert_int_equal(buf_print(text, NULL, "orders %d, CSRs %d\n", ca.orders, ca.csrs), RC_OK);
			/* It ends as if nothing had happened, unless the CA's own clock or memory ended it. */
			if (!scenario->drop && scenario->expires <= 0 && strcmp(scenario->solve, "ready") == 0)
				assert_int_equal(other.phase, whole.phase);
			assert_true(ca.orders <= 2 + (scenario->lose[0] != '\0'));
		}
}

static void read_option(struct scenario *scenario, const char *key, const char *value)
{
	if (strcmp(key, "submit") == 0)
		snprintf(scenario->submit, sizeof(scenario->submit), "%s", value);
	else if (strcmp(key, "solve") == 0)
		snprintf(scenario->solve, sizeof(scenario->solve), "%s", value);
	else if (strcmp(key, "lose") == 0)
		snprintf(scenario->lose, sizeof(scenario->lose), "%s", value);
	else if (strcmp(key, "processing") == 0)
		scenario->processing = atoi(value);
	else if (strcmp(key, "retry-after") == 0)
		scenario->retry_after = atoi(value);
	else if (strcmp(key, "validating") == 0)
		scenario->validating = atoi(value);
	else if (strcmp(key, "drop") == 0)
		scenario->drop = atoi(value);
	else if (strcmp(key, "expires") == 0)
		scenario->expires = atoi(value);
	else
		assert_string_equal(key, "title");
}

/* The head ends with an empty line; what follows is the expected transcript. */
static void check_file(const char *path)
{
	struct scenario scenario = { .submit = "pending", .solve = "ready" };
	AUTO(buf) struct buf text = BUF_MAX(TEXT_MAX);
	static char expected[TEXT_MAX];
	char line[160], head[1024] = "";
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	while (fgets(line, sizeof(line), file) && line[0] != '\n') {
		char key[16], value[120];

		strncat(head, line, sizeof(head) - strlen(head) - 1);
		assert_int_equal(sscanf(line, "%15[^:]: %119[^\n]", key, value), 2);
		read_option(&scenario, key, value);
	}
	expected[fread(expected, 1, sizeof(expected) - 1, file)] = '\0';
	fclose(file);
	write_transcript(&scenario, &text);
	/* HWACME_GOLDEN=write takes the present behaviour as the expected one: read the difference before it is committed. */
	if (getenv("HWACME_GOLDEN")) {
		file = fopen(path, "w");
		assert_non_null(file);
		fprintf(file, "%s\n%s", head, buf_text(&text));
		fclose(file);
	} else if (strcmp(buf_text(&text), expected) != 0) {
		fprintf(stderr, "%s\n", path);
		assert_string_equal(buf_text(&text), expected);
	}
}

static void every_transcript_is_followed_with_a_restart_at_each_step(void **state)
{
	struct dirent **entries = NULL;
	int count = scandir(TESTS_DIR "/golden/order", &entries, NULL, alphasort);
	unsigned checked = 0;

	(void)state;
	assert_true(count > 0);
	for (int i = 0; i < count; i++) {
		char path[4096];

		snprintf(path, sizeof(path), TESTS_DIR "/golden/order/%s", entries[i]->d_name);
		if (strstr(entries[i]->d_name, ".txt")) {
			check_file(path);
			checked++;
		}
		free(entries[i]);
	}
	free(entries);
	assert_true(checked >= 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_transcript_is_followed_with_a_restart_at_each_step) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
