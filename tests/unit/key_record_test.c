/* key_record_test.c -- whose a key is: asked of the records, and of what was gathered of them for who asks of many keys. */
#include "state_fixture.h"

#include <string.h>

static void what_was_gathered_of_owners_is_what_the_records_said(void **state)
{
	AUTO(store) struct store *writer = open_it();
	AUTO(store) struct store *store = NULL;
	struct store_certificate record = { .name = "smf", .generation = 1, .live_key = key_of(20), .next_key = key_of(21) };
	struct store_account account = { .authority = "gathered", .directory = "https://ca/dir", .key = key_of(22) };
	char owner[128], asked[128];

	(void)state;
	assert_int_equal(store_certificate_save(writer, &record, 100, 200, NULL, NULL), RC_OK);
	record.live_key = record.next_key;
	record.next_key = (struct store_key){ 0 };
	assert_int_equal(store_certificate_save(writer, &record, 100, 200, NULL, NULL), RC_OK);
	assert_int_equal(store_account_save(writer, &account, NULL), RC_OK);
	assert_int_equal(store_open_readonly(state_dir, &store, NULL), RC_OK);
	assert_int_equal(store_key_owners_gather(store, NULL), RC_OK);
	for (uint8_t i = 20; i < 23; i++) {
		struct store_key key = key_of(i);

		assert_int_equal(store_key_owner_gathered(store, &key.name, owner, NULL), RC_OK);
		assert_int_equal(store_key_owner(store, &key.name, asked, NULL), RC_OK);
		assert_string_equal(owner, asked);
	}
	assert_string_equal(owner, "account at gathered");
	/* A later record is not among them; and for reading the store still is. */
	account.key = key_of(23);
	assert_int_equal(store_account_save(writer, &account, NULL), RC_OK);
	assert_int_equal(store_key_owner_gathered(store, &account.key.name, owner, NULL), RC_ABSENT);
	assert_int_equal(store_key_owner(store, &account.key.name, owner, NULL), RC_OK);
	assert_int_equal(store_account_save(store, &account, NULL), RC_RESOURCE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_gathered_of_owners_is_what_the_records_said),
	};
	return cmocka_run_group_tests(tests, state_fixture_start, state_fixture_stop);
}
