/* remote_contract_test.c -- tokens in keyd keep the token contract, over SoftHSM and over swtpm; and keyd's own promises. */
#include "token_contract.h"
#include "token_contract.c"

#include "keyd_process.h"
#include "softhsm.h"
#include "swtpm.h"
#include "wire.h"

static struct softhsm softhsm;
static struct swtpm swtpm;
static struct config_token tokens[2];
static struct config config = { .tokens = tokens, .token_count = 2 };
static struct keyd_process keyd = { .config = &config };
static struct remote_link *engine_link;
static char label[] = "remote", hsm_name[] = "hsm", tpm_name[] = "tpm";

/* What both tokens can when driven directly. */
static bool hsm_can(enum key_type type)
{
	(void)type;
	return true;
}

static bool tpm_can(enum key_type type)
{
	return type != KEY_RSA_4096 && type != KEY_ED25519;
}

static enum rc open_hsm(struct token **ret_token, struct err *err)
{
	return remote_open(engine_link, hsm_name, ret_token, err);
}

static enum rc open_tpm(struct token **ret_token, struct err *err)
{
	return remote_open(engine_link, tpm_name, ret_token, err);
}

static struct token_fixture hsm = { .name = "SoftHSM in keyd", .open = open_hsm, .can = hsm_can, .secret = SOFTHSM_PIN };
static struct token_fixture tpm = { .name = "swtpm in keyd", .open = open_tpm, .can = tpm_can };

static int start_process(void)
{
	char path[96];

	if (softhsm_start(&softhsm) != 0 || softhsm_add(label) != 0 || swtpm_start(&swtpm) != 0)
		return -1;
	config.state = softhsm.dir;
	snprintf(path, sizeof(path), "%s/live", softhsm.dir);
	if (mkdir(path, 0755) != 0)
		return -1;
	tokens[0] = softhsm_config(&softhsm, label);
	tokens[0].name = hsm_name;
	tokens[1] = (struct config_token){ .name = tpm_name, .tcti = swtpm.tcti };
	engine_link = keyd_process_link(&keyd);
	return engine_link ? 0 : -1;
}

static int start_hsm(void **state)
{
	*state = &hsm;
	return start_process();
}

static int start_tpm(void **state)
{
	*state = &tpm;
	return start_process();
}

static int stop(void **state)
{
	(void)state;
	remote_link_free(engine_link);
	int status = keyd_process_end(&keyd);
	swtpm_stop(&swtpm);
	softhsm_stop(&softhsm);
	return status; /* keyd closed its tokens, and the sanitizers found nothing in it */
}

static void keyd_killed_between_calls_costs_one_retry(void **state)
{
	struct token *token = contract_open(*state);
	struct token_key *key = contract_key(*state, token);
	unsigned before = keyd.starts;

	for (unsigned i = 0; i < 3; i++) {
		kill(keyd.pid, SIGKILL);
		contract_sign(key, TOKEN_ECDSA, TOKEN_SHA256);
	}
	assert_int_equal(keyd.starts, before + 3);
	contract_drop(key);
	token_close(token);
}

static void a_live_key_is_not_erased_whoever_asks(void **state)
{
	struct token *token = contract_open(*state);
	struct token_key *key = contract_key(*state, token);
	AUTO(buf) struct buf pem = BUF_MAX(TOKEN_REFERENCE_MAX);
	AUTO(buf) struct buf uri = BUF_MAX(TOKEN_REFERENCE_MAX);
	char directory[96], path[128];
	struct err err = { 0 };

	contract_expect(token_reference(key, &pem, &uri, &err), RC_OK, &err, "reference");
	snprintf(directory, sizeof(directory), "%s/live/contract", softhsm.dir);
	snprintf(path, sizeof(path), "%s/key.uri", directory);
	assert_int_equal(mkdir(directory, 0755), 0);
	assert_int_equal(softhsm_write(path, buf_text(&uri)), 0);
	contract_expect(token_erase(key, &err), RC_DENIED, &err, "erase");
	assert_non_null(strstr(err.text, "live key of certificate \"contract\""));
	contract_sign(key, TOKEN_ECDSA, TOKEN_SHA256);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(directory), 0);
	contract_drop(key);
	token_close(token);
}

static void a_key_that_is_not_called_as_ours_is_not_touched(void **state)
{
	static const struct token_key_name foreign[] = {
		{ .label = "somebody-else", .id = { 1 } },
		{ .label = "hwacme-amf-00000000000000000000000000000000", .id = { 1 } },
		{ .label = "hwacme-01000000000000000000000000000000x", .id = { 1 } },
	};
	struct token *token = contract_open(*state);
	struct token_key *key = NULL;

	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
		struct err err = { 0 };

		contract_expect(token_find(token, &foreign[i], &key, &err), RC_DENIED, &err, "find");
		contract_expect(token_generate(token, &foreign[i], KEY_EC_P256, &key, &err), RC_DENIED, &err, "generate");
		assert_null(key);
	}
	token_close(token);
}

static void an_unknown_token_is_absent(void **state)
{
	struct token *token = NULL;
	struct err err = { 0 };

	(void)state;
	contract_expect(remote_open(engine_link, "nobody", &token, &err), RC_ABSENT, &err, "open");
}

/* One request as a hostile engine might write it; keyd answers with an error, or closes, and lives. */
static void send_raw(struct wire *wire, int fd)
{
	struct err err = { 0 };

	assert_int_equal(wire_send(wire, fd, NULL), RC_OK);
	assert_int_equal(wire_receive(wire, fd, clock_monotonic_ms() + 20000, &err), RC_OK);
	assert_int_equal(wire_get_number(wire, 1), KEYD_ANSWER_END);
	assert_int_not_equal(wire_get_err(wire, &err), RC_OK);
}

static void odd_requests_are_answered_with_an_error(void **state)
{
	static struct wire wire;
	struct keyd_process other = { .config = &config };
	int fds[1] = { -1 };

	(void)state;
	assert_int_equal(keyd_process_start(&other, fds, 1, NULL), RC_OK);
	assert_int_equal(wire_socket(fds[0], NULL), RC_OK);
	for (unsigned operation = 0; operation < 256; operation++) {
		wire_clear(&wire);
		wire_put_number(&wire, operation, 1);
		send_raw(&wire, fds[0]);
		wire_clear(&wire);
		wire_put_number(&wire, operation, 1);
		wire_put_text(&wire, hsm_name);
		wire_put_bytes(&wire, span_of(NULL, 0));
		wire_put_number(&wire, UINT64_MAX, 8);
		send_raw(&wire, fds[0]);
	}
	close(fds[0]);
	assert_int_equal(keyd_process_end(&other), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TOKEN_CONTRACT_TESTS,
		cmocka_unit_test(keyd_killed_between_calls_costs_one_retry),
		cmocka_unit_test(a_live_key_is_not_erased_whoever_asks),
		cmocka_unit_test(a_key_that_is_not_called_as_ours_is_not_touched),
		cmocka_unit_test(an_unknown_token_is_absent),
		cmocka_unit_test(odd_requests_are_answered_with_an_error),
	};
	int failed = cmocka_run_group_tests_name("SoftHSM in keyd", tests, start_hsm, stop);

	return failed + cmocka_run_group_tests_name("swtpm in keyd", tests, start_tpm, stop);
}
