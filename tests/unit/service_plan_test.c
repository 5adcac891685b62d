/* service_plan_test.c -- what a live certificate still wants, and when: its hook, then its probe, then what it left behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "service_plan.h"

#define NOW INT64_C(1795000000)
#define DAY INT64_C(86400)

static char PROGRAM[] = "/bin/true", PLACE[] = "amf.example:443";
static char *RUN[] = { PROGRAM };
static const struct config_certificate PLAIN = { .name = PROGRAM };
static const struct config_certificate HOOK = { .deploy_run = RUN, .deploy_run_count = 1 };
static const struct config_certificate BOTH = { .deploy_run = RUN,
						.deploy_run_count = 1,
						.probe = { .connect = PLACE, .every = DAY, .grace = 60 } };
static const struct config_certificate PROBE = { .probe = { .run = RUN, .run_count = 1, .every = 0, .grace = 60 } };

#define EXPECT(certificate, record, wanted, at)                                           \
	do {                                                                              \
		struct service_plan plan_ = service_next(&(certificate), &(record), NOW); \
		assert_int_equal(plan_.what, wanted);                                     \
		assert_int_equal(plan_.when, at);                                         \
	} while (0)

static void nothing_live_wants_nothing(void **state)
{
	struct store_certificate record = { .state = CERT_NEW };

	(void)state;
	EXPECT(BOTH, record, SERVICE_NOTHING, INT64_MAX);
}

static void what_went_live_wants_its_hook_and_then_its_probe(void **state)
{
	struct store_certificate record = { .state = CERT_INSTALLED, .generation = 2 };

	(void)state;
	EXPECT(BOTH, record, SERVICE_DEPLOY, 0);
	assert_false(service_is_proven(&BOTH, &record));
	record.service.attempts = 1;
	record.service.retry_at = NOW + 60;
	EXPECT(BOTH, record, SERVICE_DEPLOY, NOW + 60);
	record.service.deployed_at = record.service.grace_from = NOW;
	record.service.retry_at = 0;
	EXPECT(BOTH, record, SERVICE_PROBE, 0);
	assert_false(service_is_proven(&BOTH, &record));
	assert_false(service_is_proven(&PROBE, &record));
	record.service = (struct store_service){ .deployed_at = NOW, .probed_at = NOW - 1 };
	record.state = CERT_IN_SERVICE;
	assert_true(service_is_proven(&BOTH, &record));
	EXPECT(BOTH, record, SERVICE_PROBE, NOW - 1 + DAY);
	EXPECT(PROBE, record, SERVICE_NOTHING, INT64_MAX);
	EXPECT(HOOK, record, SERVICE_NOTHING, INT64_MAX);
}

/* A probe that fails in the time of grace has proven nothing; one that failed for good wants the hook once more. */
static void a_probe_that_fails_is_tried_again(void **state)
{
	struct store_certificate record = { .state = CERT_IN_SERVICE,
					    .generation = 2,
					    .service = { .deployed_at = NOW - DAY, .probed_at = NOW - DAY, .grace_from = NOW } };

	(void)state;
	EXPECT(BOTH, record, SERVICE_PROBE, 0);
	assert_false(service_is_proven(&BOTH, &record));
	record.state = CERT_NOT_IN_SERVICE;
	record.service.deployed_at = 0;
	record.service.attempts = 1;
	record.service.retry_at = NOW + 60;
	EXPECT(BOTH, record, SERVICE_DEPLOY, NOW + 60);
	EXPECT(PROBE, record, SERVICE_PROBE, NOW + 60);
}

static void who_asks_for_nothing_any_more_is_satisfied(void **state)
{
	struct store_certificate record = { .state = CERT_NOT_IN_SERVICE,
					    .generation = 2,
					    .service = { .attempts = 3, .retry_at = NOW + 60 } };

	(void)state;
	EXPECT(PLAIN, record, SERVICE_SETTLE, 0);
	record.state = CERT_INSTALLED;
	EXPECT(PLAIN, record, SERVICE_SETTLE, 0);
	assert_true(service_is_proven(&PLAIN, &record));
}

static void what_was_replaced_goes_when_its_successor_is_proven(void **state)
{
	struct store_certificate record = { .state = CERT_INSTALLED,
					    .generation = 2,
					    .service = { .prune_at = NOW - 2, .revoke_at = NOW - 1 } };

	(void)state;
	EXPECT(HOOK, record, SERVICE_DEPLOY, 0);
	record.service.deployed_at = NOW;
	record.state = CERT_IN_SERVICE;
	EXPECT(HOOK, record, SERVICE_PRUNE, NOW - 2);
	record.service.prune_at = 0;
	EXPECT(HOOK, record, SERVICE_REVOKE, NOW - 1);
	EXPECT(PLAIN, record, SERVICE_REVOKE, NOW - 1);
}

/* Objects in the token come before the hook; other ones, or none, are as much owed as the first. */
static void what_is_wanted_in_the_token_comes_first(void **state)
{
	static char label[] = "amf-tls";
	struct config_certificate certificate = HOOK;
	struct store_certificate record = { .state = CERT_INSTALLED, .generation = 2 };
	char text[STORE_OBJECTS_MAX];

	(void)state;
	certificate.objects = (struct config_objects){ .certificate = true, .chain = true, .label = label };
	record.service.retry_at = NOW + 60;
	EXPECT(certificate, record, SERVICE_PUBLISH, NOW + 60);
	assert_false(service_is_proven(&certificate, &record));
	service_objects(&certificate, record.service.published);
	assert_string_equal(record.service.published, "certificate, chain, label amf-tls");
	EXPECT(certificate, record, SERVICE_DEPLOY, NOW + 60);
	record.service.deployed_at = NOW;
	record.state = CERT_IN_SERVICE;
	EXPECT(certificate, record, SERVICE_NOTHING, INT64_MAX);
	certificate.objects = (struct config_objects){ .label = label };
	service_objects(&certificate, text);
	assert_string_equal(text, "label amf-tls");
	EXPECT(certificate, record, SERVICE_PUBLISH, NOW + 60);
	assert_false(service_is_proven(&certificate, &record));
	EXPECT(HOOK, record, SERVICE_PUBLISH, NOW + 60);
	record.service.published[0] = '\0';
	EXPECT(HOOK, record, SERVICE_NOTHING, INT64_MAX);
}

/* The service goes on with the pair that it has; when the certificate of that is about to expire, its hook is run without them. */
static void what_cannot_be_put_into_the_token_holds_the_hook_until_the_old_certificate_is_about_to_expire(void **state)
{
	static char label[] = "amf-tls";
	struct config_certificate certificate = HOOK;
	struct store_certificate record = { .state = CERT_INSTALLED, .generation = 2 };
	struct store_service *service = &record.service;

	(void)state;
	certificate.objects = (struct config_objects){ .label = label };
	*service = (struct store_service){ .hook_by = NOW + 1, .attempts = 1, .retry_at = NOW + 60 };
	EXPECT(certificate, record, SERVICE_PUBLISH, NOW + 60);
	service->hook_by = NOW;
	EXPECT(certificate, record, SERVICE_DEPLOY, NOW + 60);
	/* Not before they were tried, and where it fails it is their turn. */
	service->attempts = 0;
	EXPECT(certificate, record, SERVICE_PUBLISH, NOW + 60);
	service->attempts = 2;
	EXPECT(certificate, record, SERVICE_PUBLISH, NOW + 60);
	service->attempts = 3;
	service->deployed_at = NOW;
	EXPECT(certificate, record, SERVICE_PUBLISH, NOW + 60);
	assert_false(service_is_proven(&certificate, &record));
	/* The first certificate has no old one. */
	*service = (struct store_service){ .attempts = 1, .retry_at = NOW + 60 };
	EXPECT(certificate, record, SERVICE_PUBLISH, NOW + 60);
}

static void it_is_about_to_expire_a_day_before_or_in_the_last_quarter_of_its_life(void **state)
{
	static char label[] = "amf-tls";
	struct config_certificate certificate = HOOK;
	struct store_certificate record = { .generation = 2, .not_before = NOW - 60 * DAY, .not_after = NOW + 30 * DAY };

	(void)state;
	assert_int_equal(service_hook_by(&certificate, &record), 0);
	certificate.objects = (struct config_objects){ .label = label };
	assert_int_equal(service_hook_by(&certificate, &record), NOW + 29 * DAY);
	record.not_before = NOW + 28 * DAY;
	assert_int_equal(service_hook_by(&certificate, &record), NOW + 30 * DAY - DAY / 2);
	/* Its own hook has not run: an older one is served. */
	record.service.hook_by = NOW + 3;
	assert_int_equal(service_hook_by(&certificate, &record), NOW + 3);
	record.service.deployed_at = NOW;
	assert_int_equal(service_hook_by(&certificate, &record), NOW + 30 * DAY - DAY / 2);
	record.generation = 0;
	assert_int_equal(service_hook_by(&certificate, &record), 0);
}

static void its_back_off_doubles_up_to_an_hour(void **state)
{
	(void)state;
	assert_int_equal(service_back_off(1, NOW), NOW + 60);
	assert_int_equal(service_back_off(2, NOW), NOW + 120);
	assert_int_equal(service_back_off(6, NOW), NOW + 1920);
	assert_int_equal(service_back_off(7, NOW), NOW + 3600);
	assert_int_equal(service_back_off(UINT32_MAX, NOW), NOW + 3600);
}

/* A hook that failed while the clock was two months ahead is not left alone for two months; nor is a probe that passed then. */
static void what_a_clock_that_was_ahead_wrote_down_is_not_waited_for(void **state)
{
	struct store_certificate record = { .state = CERT_INSTALLED, .generation = 2 };

	(void)state;
	record.service = (struct store_service){ .attempts = 1, .failed_at = NOW + 62 * DAY, .retry_at = NOW + 62 * DAY + 60 };
	EXPECT(BOTH, record, SERVICE_DEPLOY, NOW);
	record.service.failed_at = NOW;
	record.service.retry_at = service_back_off(UINT32_MAX, NOW);
	EXPECT(BOTH, record, SERVICE_DEPLOY, NOW + 3600);
	record.state = CERT_IN_SERVICE;
	record.service = (struct store_service){ .deployed_at = NOW + 62 * DAY, .probed_at = NOW + 62 * DAY };
	EXPECT(BOTH, record, SERVICE_PROBE, NOW);
	record.service = (struct store_service){ .deployed_at = NOW, .revoke_failures = 1, .revoke_at = NOW + 62 * DAY };
	EXPECT(HOOK, record, SERVICE_REVOKE, NOW);
	record.service.revoke_at = NOW + DAY;
	EXPECT(HOOK, record, SERVICE_REVOKE, NOW + DAY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_clock_that_was_ahead_wrote_down_is_not_waited_for),
		cmocka_unit_test(nothing_live_wants_nothing),
		cmocka_unit_test(what_went_live_wants_its_hook_and_then_its_probe),
		cmocka_unit_test(a_probe_that_fails_is_tried_again),
		cmocka_unit_test(who_asks_for_nothing_any_more_is_satisfied),
		cmocka_unit_test(what_was_replaced_goes_when_its_successor_is_proven),
		cmocka_unit_test(what_is_wanted_in_the_token_comes_first),
		cmocka_unit_test(what_cannot_be_put_into_the_token_holds_the_hook_until_the_old_certificate_is_about_to_expire),
		cmocka_unit_test(it_is_about_to_expire_a_day_before_or_in_the_last_quarter_of_its_life),
		cmocka_unit_test(its_back_off_doubles_up_to_an_hour),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
