/* metrics_test.c -- what is counted is printed in Prometheus' text format; names are escaped, and series are bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "metrics.h"

static struct buf printed(void)
{
	struct buf text = BUF_MAX(1024 * 1024);

	assert_int_equal(metrics_print(&text, NULL), RC_OK);
	return text;
}

static void has(const char *wanted)
{
	AUTO(buf) struct buf text = printed();

	if (!strstr(buf_text(&text), wanted))
		fail_msg("no \"%s\" in:\n%s", wanted, buf_text(&text));
}

static void each_kind_is_counted_by_its_labels(void **state)
{
	(void)state;
	metrics_renewal("renewed");
	metrics_renewal("renewed");
	metrics_renewal("failed");
	metrics_acme_request("newOrder", 201);
	metrics_acme_request("finalize", 0);
	metrics_acme_request(NULL, 200);
	has("hwacme_renewals_total{result=\"renewed\"} 2\n");
	has("hwacme_renewals_total{result=\"failed\"} 1\n");
	has("hwacme_acme_requests_total{endpoint=\"newOrder\",code=\"201\"} 1\n");
	has("hwacme_acme_requests_total{endpoint=\"finalize\",code=\"none\"} 1\n");
	has("hwacme_acme_requests_total{endpoint=\"other\",code=\"200\"} 1\n");
	has("hwacme_build_info{version=\"");
}

static void a_tokens_operations_are_timed_and_its_presence_known(void **state)
{
	(void)state;
	metrics_token_operation("hsm", "sign", RC_OK, 3);
	metrics_token_operation("hsm", "sign", RC_OK, 70);
	metrics_token_operation("hsm", "sign", RC_DENIED, 40000);
	has("hwacme_token_operations_total{token=\"hsm\",op=\"sign\",result=\"ok\"} 2\n");
	has("hwacme_token_operations_total{token=\"hsm\",op=\"sign\",result=\"denied\"} 1\n");
	has("hwacme_token_operation_seconds_bucket{token=\"hsm\",op=\"sign\",le=\"0.001\"} 0\n");
	has("hwacme_token_operation_seconds_bucket{token=\"hsm\",op=\"sign\",le=\"0.005\"} 1\n");
	has("hwacme_token_operation_seconds_bucket{token=\"hsm\",op=\"sign\",le=\"0.100\"} 2\n");
	has("hwacme_token_operation_seconds_bucket{token=\"hsm\",op=\"sign\",le=\"30.000\"} 2\n");
	has("hwacme_token_operation_seconds_bucket{token=\"hsm\",op=\"sign\",le=\"+Inf\"} 3\n");
	has("hwacme_token_operation_seconds_sum{token=\"hsm\",op=\"sign\"} 40.073\n");
	has("hwacme_token_operation_seconds_count{token=\"hsm\",op=\"sign\"} 3\n");
	/* A refusal says nothing of whether it is there. */
	has("hwacme_token_up{token=\"hsm\"} 1\n");
	metrics_token_operation("hsm", "sign", RC_RETRY, 1);
	has("hwacme_token_up{token=\"hsm\"} 0\n");
}

static void a_tokens_health_is_told_apart_from_its_neighbours(void **state)
{
	struct metrics_token health = { .operations = 7 };

	(void)state;
	metrics_token("tpm", &health);
	assert_false(health.is_known);
	assert_int_equal(health.operations, 0);
	metrics_token_operation("tpm", "open", RC_OK, 10);
	metrics_token_operation("tpm", "sign", RC_OK, 30);
	metrics_token_operation("tpm", "sign", RC_DENIED, 2);
	metrics_token_operation("tpm-2", "sign", RC_RETRY, 500);
	metrics_token("tpm", &health);
	assert_true(health.is_known && health.is_up);
	assert_int_equal(health.operations, 3);
	assert_int_equal(health.denied, 1);
	assert_int_equal(health.milliseconds, 42);
	metrics_token("tpm-2", &health);
	assert_true(health.is_known && !health.is_up);
}

/* A token that was never there, and a PIN that was never right: nobody has asked these successfully before. */
static void a_token_that_is_not_there_or_refuses_at_the_first_time_is_known(void **state)
{
	struct metrics_token health;

	(void)state;
	metrics_token_operation("gone", "open", RC_ABSENT, 1);
	has("hwacme_token_up{token=\"gone\"} 0\n");
	metrics_token("gone", &health);
	assert_true(health.is_known && !health.is_up && !health.is_refused);
	/* It is there, and has no such key. */
	metrics_token_operation("gone", "open", RC_OK, 1);
	metrics_token_operation("gone", "find", RC_ABSENT, 1);
	has("hwacme_token_up{token=\"gone\"} 1\n");
	metrics_token_operation("pin", "open", RC_DENIED, 1);
	has("hwacme_token_refused{token=\"pin\"} 1\n");
	metrics_token("pin", &health);
	assert_true(health.is_refused && !health.is_known);
	metrics_token_operation("pin", "open", RC_RETRY, 1);
	has("hwacme_token_refused{token=\"pin\"} 0\n");
	metrics_token_operation("pin", "open", RC_DENIED, 1);
	metrics_token_operation("pin", "open", RC_OK, 1);
	has("hwacme_token_refused{token=\"pin\"} 0\n");
}

static void a_name_cannot_break_out_of_its_quotes(void **state)
{
	char escaped[32];

	(void)state;
	assert_string_equal(metrics_label("a\"b\\c\nd", escaped, sizeof(escaped)), "a\\\"b\\\\c\\nd");
	assert_true(strlen(metrics_label("0123456789012345678901234567890123456789", escaped, sizeof(escaped))) <
		    sizeof(escaped));
	metrics_token_operation("x\"} 1\nevil{a=\"", "open", RC_OK, 0);
	AUTO(buf) struct buf text = printed();
	assert_null(strstr(buf_text(&text), "\nevil"));
}

static void series_are_bounded_and_what_is_too_much_is_counted(void **state)
{
	(void)state;
	for (int code = 1000; code < 1000 + 2 * METRICS_SERIES_MAX; code++)
		metrics_acme_request("newOrder", code);
	AUTO(buf) struct buf text = printed();
	const char *dropped = strstr(buf_text(&text), "\nhwacme_metrics_dropped_total ");
	assert_non_null(dropped);
	assert_true(dropped[strlen("\nhwacme_metrics_dropped_total ")] != '0');
	/* What has a series goes on being counted. */
	metrics_renewal("renewed");
	has("hwacme_renewals_total{result=\"renewed\"} 3\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_is_counted_by_its_labels),
		cmocka_unit_test(a_tokens_operations_are_timed_and_its_presence_known),
		cmocka_unit_test(a_tokens_health_is_told_apart_from_its_neighbours),
		cmocka_unit_test(a_token_that_is_not_there_or_refuses_at_the_first_time_is_known),
		cmocka_unit_test(a_name_cannot_break_out_of_its_quotes),
		cmocka_unit_test(series_are_bounded_and_what_is_too_much_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
