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

#define TEXT_MAX        65536u
#define STEPS_MAX       100000u
#define STEP_SECONDS    10 /* the clock goes on by this much at each step */
#define UNREADY_SECONDS 3
#define LONG_CUTS       100u /* places at which a long one is cut off */
#define EPOCH           INT64_C(1000000)

/* What the CA of a scenario does; the head of each transcript. */
struct scenario {
	char submit[16]; /* status in the answer to newOrder */
	char solve[16];  /* "ready", "pending" (valid authorisation, order lags by one look), "invalid", "refused" */
	int processing;  /* looks that answer "processing" after finalize */
	int retry_after; /* seconds, with each "processing" */
	int drop;        /* the nth look answers 404; 0: never */
	char lose[16];   /* the first answer to this action is lost, its effect is not */
	int validating;  /* looks at the authorisations that find one still open */
	int unready;     /* looks at our own answers that find one that cannot be seen yet */
	int lags;        /* CSRs that come too early: the order is pending still, its authorisations are valid */
	int circles;     /* times that it takes the CSR, and then says "pending" once more */
	int expires;     /* seconds after its start; 0: never; negative: by the CA's clock, which is behind ours */
	bool is_long;    /* the same looks are counted, and what comes of restarts is checked, but not written down */
};

/* A CA for one order at a time, with no more memory than RFC 8555, 7.1.6 gives it. */
struct ca {
	const struct scenario *scenario;
	enum order_status status;
	int processing_left, validating_left, unready_left, lags_left, circles_left, looks, orders, csrs;
	bool lost;
};

/* What the driver reports: it has not asked about the order yet. */
static struct order_event validate(struct ca *ca, enum order_action action, int64_t now)
{
	struct order_event event = { .rc = RC_OK, .status = ORDER_IS_PENDING };

	if (ca->unready_left > 0) {
		ca->unready_left--;
		event.waiting = 1;
		event.is_unready = true;
		event.retry_at = now + UNREADY_SECONDS;
		return event;
	}
	if (action == ORDER_DO_WATCH && ca->validating_left > 0)
		ca->validating_left--;
	event.waiting = ca->validating_left > 0;
	if (!event.waiting)
		ca->status = ORDER_IS_READY;
	return event;
}

static struct order_event answer(struct ca *ca, struct order *order, enum order_action action, int64_t now)
{
	struct order_event event = { .rc = RC_OK };

	switch (action) {
	case ORDER_DO_SUBMIT:
		ca->orders++;
		ca->status = order_status_parse(ca->scenario->submit);
		ca->processing_left = ca->scenario->processing;
		ca->validating_left = ca->scenario->validating;
		ca->unready_left = ca->scenario->unready;
		ca->lags_left = ca->scenario->lags;
		ca->circles_left = ca->scenario->circles;
		break;
	case ORDER_DO_SOLVE:
		if (strcmp(ca->scenario->solve, "refused") == 0 || strcmp(ca->scenario->solve, "invalid") == 0) {
			ca->status = ORDER_IS_INVALID;
			event.rc = RC_DENIED;
			break;
		}
		/* fall through */
	case ORDER_DO_WATCH: return validate(ca, action, now);
	case ORDER_DO_SEND_CSR:
		if (ca->lags_left-- > 0) /* RFC 8555, 7.4: orderNotReady */
			return (struct order_event){ .rc = RC_OK, .status = ORDER_IS_PENDING };
		/* RFC 8555, 7.4: a CSR for an order that is not ready is an error: it must never be sent twice. */
		assert_int_equal(ca->status, ORDER_IS_READY);
		ca->csrs++;
		ca->status = ca->processing_left > 0 ? ORDER_IS_PROCESSING : ORDER_IS_VALID;
		break;
	case ORDER_DO_ASK:
		if (ca->scenario->drop && ++ca->looks == ca->scenario->drop)
			event.rc = RC_ABSENT;
		else if (ca->status == ORDER_IS_PROCESSING && ca->circles_left-- > 0)
			ca->status = ORDER_IS_PENDING;
		else if (ca->status == ORDER_IS_PROCESSING && --ca->processing_left <= 0)
			ca->status = ORDER_IS_VALID;
		break;
	case ORDER_DO_DOWNLOAD:
	case ORDER_DO_STOP:
	case ORDER_ACTION_COUNT: break;
	}
	event.status = ca->status == ORDER_IS_READY && ca->lags_left > 0 ? ORDER_IS_PENDING : ca->status;
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

/* What is written down; where `text` is NULL, nothing. */
struct transcript {
	struct buf *text;
	bool is_long;
	char last[128];
	unsigned count; /* of `last`, which is not in the text yet */
};

static void write_last(struct transcript *transcript)
{
	if (transcript->count > 1)
		assert_int_equal(buf_print(transcript->text, NULL, "%s, %u times\n", transcript->last, transcript->count), RC_OK);
	else if (transcript->count == 1)
		assert_int_equal(buf_print(transcript->text, NULL, "%s\n", transcript->last), RC_OK);
	transcript->count = 0;
}

static void write_line(struct transcript *transcript, const char *line)
{
	if (!transcript->text)
		return;
	if (!transcript->is_long || strcmp(transcript->last, line) != 0)
		write_last(transcript);
	snprintf(transcript->last, sizeof(transcript->last), "%s", line);
	transcript->count++;
}

static void note(struct transcript *transcript, const char *action, const struct order_event *event, const struct order *order,
		 const struct order_next *next, int64_t now)
{
	static const char *const words[] = { [RC_OK] = "", [RC_RETRY] = "lost", [RC_DENIED] = "refused", [RC_ABSENT] = "404" };
	char status[16], phase[16], line[128];

	snprintf(status, sizeof(status), "%s", event->rc == RC_OK ? order_status_name(event->status) : words[event->rc]);
	snprintf(phase, sizeof(phase), "%s", order_phase_name(order->phase));
	int len = snprintf(line, sizeof(line), "%-9s -> %-10s : %-9s", action, status, phase);
	if (next->not_before > now)
		len += snprintf(line + len, sizeof(line) - (size_t)len, " wait %d", (int)(next->not_before - now));
	if (next->pause_ms)
		snprintf(line + len, sizeof(line) - (size_t)len, " pause %u ms", next->pause_ms);
	write_line(transcript, line);
}

static void note_end(struct transcript *transcript, const struct err *err, const struct ca *ca)
{
	if (!transcript->text)
		return;
	write_last(transcript);
	if (err->rc != RC_OK)
		assert_int_equal(buf_print(transcript->text, NULL, "%s\n", err->text), RC_OK);
	assert_int_equal(buf_print(transcript->text, NULL, "orders %d, CSRs %d\n", ca->orders, ca->csrs), RC_OK);
}

enum cut { CUT_NONE, CUT_AFTER, CUT_WITHIN }; /* within: the step had its effect, but its outcome was not stored */

/* Runs one order to its end, cut off once at step `at`; the number of steps it took. */
static unsigned run(const struct scenario *scenario, enum cut cut, unsigned at, struct buf *text, struct order *ret_order,
		    struct ca *ret_ca)
{
	struct transcript transcript = { .text = text, .is_long = scenario->is_long };
	struct ca ca = { .scenario = scenario };
	struct order order = { .phase = ORDER_START };
	struct order_next next = order_resume(&order);
	struct err err = { 0 };
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
		(void)!order_step(&order, &event, now, &next, &err);
		note(&transcript, action, &event, &order, &next, now);
		now += scenario->is_long ? 0 : STEP_SECONDS;
		if (cut != CUT_NONE && step == at) {
			if (cut == CUT_WITHIN)
				order = stored;
			next = order_resume(&order);
			write_line(&transcript, cut == CUT_AFTER ? "-(restart)-" : "-(killed before it was stored)-");
		}
	}
	assert_true(step < STEPS_MAX);
	note_end(&transcript, &err, &ca);
	*ret_order = order;
	*ret_ca = ca;
	return step;
}

static void write_transcript(const struct scenario *scenario, struct buf *text)
{
	struct order whole, other;
	struct ca ca;
	unsigned steps = run(scenario, CUT_NONE, 0, text, &whole, &ca);

	for (unsigned at = 1; at <= steps; at += scenario->is_long ? 1 + steps / LONG_CUTS : 1)
		for (int cut = CUT_AFTER; cut <= CUT_WITHIN; cut++) {
			if (!scenario->is_long)
				assert_int_equal(buf_print(text, NULL, "\n"), RC_OK);
			run(scenario, (enum cut)cut, at, scenario->is_long ? NULL : text, &other, &ca);
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
	else if (strcmp(key, "lags") == 0)
		scenario->lags = atoi(value);
	else if (strcmp(key, "unready") == 0)
		scenario->unready = atoi(value);
	else if (strcmp(key, "long") == 0)
		scenario->is_long = strcmp(value, "yes") == 0;
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

/* It takes the CSR, calls the order pending, and so on: that is waiting, too, and is not done without a pause. */
static void a_ca_that_leads_in_circles_is_asked_ever_less_often_and_given_up(void **state)
{
	const struct scenario scenario = {
		.submit = "pending", .solve = "ready", .processing = 1, .circles = INT32_MAX, .is_long = true
	};
	struct order order;
	struct ca ca;

	(void)state;
	run(&scenario, CUT_NONE, 0, NULL, &order, &ca);
	assert_int_equal(order.phase, ORDER_FAILED);
	assert_int_equal(ca.orders, 1);
	assert_in_range(order.waited_ms, ORDER_WAIT_MAX * 1000, (ORDER_WAIT_MAX + ORDER_PAUSE_MOST) * 1000);
	assert_in_range(ca.csrs, 1, ORDER_WAIT_MAX / (ORDER_PAUSE_MOST / ORDER_PAUSE_SHARE) + 2000);
}

/* RFC 8555, 7.4: each orderNotReady is followed by a look, after a pause as long as where only the CA is waited for. */
static void a_ca_that_never_calls_its_order_ready_is_asked_ever_less_often_and_given_up(void **state)
{
	const struct scenario scenario = { .submit = "pending", .solve = "ready", .lags = INT32_MAX, .is_long = true };
	struct order order;
	struct ca ca;

	(void)state;
	run(&scenario, CUT_NONE, 0, NULL, &order, &ca);
	assert_int_equal(order.phase, ORDER_FAILED);
	assert_int_equal(ca.orders, 1);
	assert_in_range(order.waited_ms, ORDER_WAIT_MAX * 1000, (ORDER_WAIT_MAX + ORDER_PAUSE_MOST) * 1000);
	assert_in_range(INT32_MAX - ca.lags_left, 1, ORDER_WAIT_MAX / ORDER_PAUSE_MOST + 200);
}

/* A look that is lost is followed by the caller's back-off, whatever that is. */
static void a_ca_that_never_answers_about_an_order_is_given_up(void **state)
{
	struct order order = { .phase = ORDER_AWAIT, .url = "https://ca/order/1" };
	const struct order_event lost = { .rc = RC_RETRY };
	struct order_next next = order_resume(&order);
	unsigned looks = 0;

	(void)state;
	for (; order.phase == ORDER_AWAIT; looks++)
		(void)!order_step(&order, &lost, EPOCH, &next, NULL);
	assert_int_equal(order.phase, ORDER_FAILED);
	assert_in_range(looks, 100, 300);
}

/* What is stored of it may be read by a clock that was set right since. */
static void a_wait_that_a_clock_noted_that_was_ahead_is_over(void **state)
{
	struct order order = { .phase = ORDER_POLL, .url = "https://ca/order/1" };
	const struct order_event later = { .rc = RC_OK, .status = ORDER_IS_PROCESSING, .retry_at = EPOCH + 300 };
	struct order_next next = { 0 };

	(void)state;
	assert_int_equal(order_waits_until(&order, EPOCH), 0);
	assert_int_equal(order_step(&order, &later, EPOCH, &next, NULL), RC_OK);
	next = order_resume(&order);
	assert_int_equal(next.not_before, EPOCH + 300);
	assert_int_equal(order_waits_until(&order, EPOCH), EPOCH + 300);
	assert_int_equal(order_waits_until(&order, EPOCH + 299), EPOCH + 300);
	assert_true(order_waits_until(&order, EPOCH + 301) <= EPOCH + 301);
	/* Back by hours, or by a second. */
	assert_int_equal(order_waits_until(&order, EPOCH - 7200), EPOCH - 7200);
	assert_int_equal(order_waits_until(&order, EPOCH - 1), EPOCH - 1);
	/* An older hwacme did not say when it began: it is believed, but to be longer than any Retry-After. */
	order.asked_at = 0;
	assert_int_equal(order_waits_until(&order, EPOCH - 7200), EPOCH + 300);
	assert_int_equal(order_waits_until(&order, EPOCH - 100000), EPOCH - 100000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_transcript_is_followed_with_a_restart_at_each_step),
		cmocka_unit_test(a_ca_that_leads_in_circles_is_asked_ever_less_often_and_given_up),
		cmocka_unit_test(a_ca_that_never_calls_its_order_ready_is_asked_ever_less_often_and_given_up),
		cmocka_unit_test(a_ca_that_never_answers_about_an_order_is_given_up),
		cmocka_unit_test(a_wait_that_a_clock_noted_that_was_ahead_is_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
