/* tpm2_device_contract_test.c -- a TPM that is a device file: the contract. */
#include "tpm2_fixture.h"

#include "tpm_device.h"

static struct tpm_device device;
static char tcti[96];

static int start(void **state)
{
	*state = &fixture;
	if (tpm2_fixture_start("TPM 2.0 as a device") != 0 || tpm_device_start(&device, &swtpm) != 0)
		return -1;
	snprintf(tcti, sizeof(tcti), "device:%s", device.path);
	config.tcti = tcti;
	return 0;
}

static int stop(void **state)
{
	tpm_device_stop(&device);
	return tpm2_fixture_stop(state);
}

static void a_missing_device_is_absent_and_named(void **state)
{
	char missing[] = "device:/dev/tpmrm77";
	struct config_token other = config;
	struct token *token = NULL;
	struct err err = { 0 };

	(void)state;
	other.tcti = missing;
	contract_expect(token_open(&other, keys_dir, &token, &err), RC_ABSENT, &err, "open");
	assert_null(token);
	expect_says(&err, missing);
}

static void nothing_is_left_in_the_tpm(void **state)
{
	struct token *token = contract_open(*state);
	struct token_key *key = contract_generate(token, KEY_EC_P256);

	expect_signs(key);
	contract_drop(key);
	token_close(token);
	expect_nothing_left();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TOKEN_CONTRACT_TESTS,
		cmocka_unit_test(a_missing_device_is_absent_and_named),
		cmocka_unit_test(nothing_is_left_in_the_tpm),
	};

	return cmocka_run_group_tests_name("TPM 2.0 as a device", tests, start, stop);
}
