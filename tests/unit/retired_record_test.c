/* retired_record_test.c -- keys that wait to be erased, and certificates to be revoked: in which order, until when, and by what clock. */
#include "state_fixture.h"

static void certificates_to_be_revoked_wait_oldest_first_below_the_live_one(void **state)
{
	AUTO(store) struct store *store = open_it();
	struct store_superseded superseded = { .authority = "ra", .serial = "AB", .not_after = 9 }, back;

	(void)state;
	for (unsigned i = 3; i > 0; i--) {
		superseded.generation = i;
		assert_int_equal(store_superseded_add(store, "nrf", &superseded, NULL), RC_OK);
	}
	assert_int_equal(store_superseded_first(store, "nrf", 1, &back, NULL), RC_ABSENT);
	assert_int_equal(store_superseded_first(store, "nrf", 3, &back, NULL), RC_OK);
	assert_int_equal(back.generation, 1);
	assert_string_equal(back.authority, "ra");
	assert_string_equal(back.serial, "AB");
	assert_int_equal(back.not_after, 9);
	assert_int_equal(store_superseded_drop(store, "nrf", 1, NULL), RC_OK);
	assert_int_equal(store_superseded_first(store, "nrf", 3, &back, NULL), RC_OK);
	assert_int_equal(back.generation, 2);
	assert_int_equal(store_superseded_first(store, "amf", 9, &back, NULL), RC_ABSENT);
}

/* Live with generations 1, 2, 3, then 4: each retired key knows with what it was live, and how many came after it. */
static void retired_keys_are_told_apart_by_generation(void **state)
{
	AUTO(store) struct store *store = open_it();
	struct store_certificate record = { .name = "ausf" };
	struct store_retired retired[4], last;
	unsigned count = 0;
	int64_t first_at = 0;

	(void)state;
	for (uint8_t i = 1; i <= 4; i++) {
		record.generation = i;
		record.not_after = 1000 + i;
		record.live_key = key_of((uint8_t)(100 + i));
		assert_int_equal(store_certificate_save(store, &record, i, 500 + i, NULL, NULL), RC_OK);
	}
	/* One that was reserved and never live may go at once. */
	record.next_key = key_of(110);
	assert_int_equal(store_certificate_save(store, &record, 300, 900, NULL, NULL), RC_OK);
	record.next_key = (struct store_key){ 0 };
	assert_int_equal(store_certificate_save(store, &record, 300, 900, NULL, NULL), RC_OK);
	assert_int_equal(store_retired_count(store, "ausf", "hsm", &count, &first_at, NULL), RC_OK);
	assert_int_equal(count, 4);
	assert_int_equal(first_at, 300);
	assert_int_equal(store_retired_count(store, "ausf", "tpm", &count, &first_at, NULL), RC_OK);
	assert_int_equal(count, 0);
	assert_int_equal(store_retired_page(store, 600, NULL, retired, 4, &count, NULL), RC_OK);
	assert_int_equal(count, 4);
	assert_int_equal(retired[0].generation, 0);
	for (unsigned i = 1; i < 4; i++) {
		assert_int_equal(retired[i].generation, i);
		assert_int_equal(retired[i].not_after, 1000 + i);
		assert_int_equal(retired[i].newer, 3 - i);
	}
	last = retired[2];
	assert_int_equal(store_retired_page(store, 600, &last, retired, 4, &count, NULL), RC_OK);
	assert_int_equal(count, 1);
	assert_int_equal(retired[0].generation, 3);
	for (uint8_t i = 100; i <= 110; i++) {
		struct store_key key = key_of(i);

		assert_int_equal(store_retired_drop(store, &key.name, NULL), RC_OK);
	}
}

/* Retired while the clock was months ahead: once it is right, the key waits as long as one that is retired then, and not for months. */
static void a_key_retired_by_a_clock_that_was_ahead_waits_no_longer_than_others(void **state)
{
	AUTO(store) struct store *store = open_it();
	struct store_certificate record = { .name = "udr", .generation = 1, .not_before = 1000, .not_after = 9000 };
	struct store_retired retired[2];
	unsigned count = 0;

	(void)state;
	record.live_key = key_of(120);
	assert_int_equal(store_certificate_save(store, &record, 1000, 0, NULL, NULL), RC_OK);
	record.live_key = key_of(121);
	assert_int_equal(store_certificate_save(store, &record, 7000, 7000 + 100, NULL, NULL), RC_OK);
	/* The CA has said that it is later: the clock is wrong now, and was right. */
	assert_int_equal(store_retired_hasten(store, 500 + 100, 500, &count, NULL), RC_OK);
	assert_int_equal(count, 0);
	/* As it should be. */
	assert_int_equal(store_retired_hasten(store, 7050 + 100, 7050, &count, NULL), RC_OK);
	assert_int_equal(count, 0);
	assert_int_equal(store_retired_hasten(store, 2000 + 100, 2000, &count, NULL), RC_OK);
	assert_int_equal(count, 1);
	assert_int_equal(store_retired_page(store, 2099, NULL, retired, 2, &count, NULL), RC_OK);
	assert_int_equal(count, 0);
	assert_int_equal(store_retired_page(store, 2100, NULL, retired, 2, &count, NULL), RC_OK);
	assert_int_equal(count, 1);
	assert_int_equal(store_retired_drop(store, &retired[0].key.name, NULL), RC_OK);
}

/* So is a certificate that was superseded then; but one of which its CA was told in vain is asked about when that was to be. */
static void a_certificate_superseded_by_a_clock_that_was_ahead_is_revoked_as_others_are(void **state)
{
	AUTO(store) struct store *store = open_it();
	struct store_certificate record = { .name = "nef", .generation = 2, .not_before = 1000, .not_after = 9000 }, back;
	unsigned count = 0;

	(void)state;
	record.service.revoke_at = record.service.prune_at = 7100;
	record.service.revoke_failures = 1;
	assert_int_equal(store_certificate_save(store, &record, 7000, 0, NULL, NULL), RC_OK);
	assert_int_equal(store_superseded_hasten(store, 2100, 2000, &count, NULL), RC_OK);
	assert_int_equal(count, 0);
	record.service.revoke_failures = 0;
	assert_int_equal(store_certificate_save(store, &record, 7000, 0, NULL, NULL), RC_OK);
	assert_int_equal(store_superseded_hasten(store, 600, 500, &count, NULL), RC_OK);
	assert_int_equal(count, 0);
	assert_int_equal(store_superseded_hasten(store, 2100, 2000, &count, NULL), RC_OK);
	assert_int_equal(count, 1);
	assert_int_equal(store_certificate_load(store, "nef", &back, NULL), RC_OK);
	assert_int_equal(back.service.revoke_at, 2100);
	assert_int_equal(back.service.prune_at, 7100);
	assert_int_equal(store_prune_hasten(store, 600, 500, &count, NULL), RC_OK);
	assert_int_equal(count, 0);
	assert_int_equal(store_prune_hasten(store, 2100, 2000, &count, NULL), RC_OK);
	assert_int_equal(count, 1);
	assert_int_equal(store_certificate_load(store, "nef", &back, NULL), RC_OK);
	assert_int_equal(back.service.prune_at, 2100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(certificates_to_be_revoked_wait_oldest_first_below_the_live_one),
		cmocka_unit_test(retired_keys_are_told_apart_by_generation),
		cmocka_unit_test(a_certificate_superseded_by_a_clock_that_was_ahead_is_revoked_as_others_are),
		cmocka_unit_test(a_key_retired_by_a_clock_that_was_ahead_waits_no_longer_than_others),
	};

	return cmocka_run_group_tests(tests, state_fixture_start, state_fixture_stop);
}
