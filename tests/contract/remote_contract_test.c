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
/* Each wants a client certificate, whose key an operator made in one of the tokens. */
static struct config_authority authorities[2];
static char hsm_name[] = "hsm", tpm_name[] = "tpm", stable[] = "contract-tls";
static struct config_certificate certificates[] = { { .key = { hsm_name, KEY_EC_P256 }, .objects = { .label = stable } } };
static struct config config = { .tokens = tokens,
				.token_count = 2,
				.authorities = authorities,
				.authority_count = 2,
				.certificates = certificates,
				.certificate_count = 1 };
static struct keyd_process keyd = { .config = &config };
static struct remote_link *engine_link;
static char label[] = "remote", client_label[] = "oam-client", chain[] = "/nowhere.pem";

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

/* There are two of its id, and one of them was made outside the token; keyd remembers neither. */
static void hsm_refuse(const struct token_key_name *name, bool is_refused)
{
	int failed = is_refused ? softhsm_import(&softhsm, label, "import", name->id) : softhsm_delete(label, "import", name->id);

	assert_int_equal(failed, 0);
	kill(keyd.pid, SIGKILL);
}

/* The same, of a TPM that is taken for another one. */
static void tpm_refuse(const struct token_key_name *name, bool is_refused)
{
	char dir[80];

	(void)name;
	snprintf(dir, sizeof(dir), "%s/keys", softhsm.dir);
	assert_int_equal(swtpm_disown(dir, is_refused), 0);
	kill(keyd.pid, SIGKILL);
}

static struct token_fixture hsm = {
	.name = "SoftHSM in keyd", .open = open_hsm, .can = hsm_can, .stable = stable, .refuse = hsm_refuse, .secret = SOFTHSM_PIN
};
static struct token_fixture tpm = {
	.name = "swtpm in keyd", .open = open_tpm, .can = tpm_can, .refuse = tpm_refuse, .keeps_no_certificates = true
};

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
	for (size_t i = 0; i < 2; i++)
		authorities[i].client = (struct config_client){ .file = chain, .token = tokens[i].name, .label = client_label };
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
		{ .label = "hwacme-amf-00000000000000000000000000000000" },
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

static void made_by_another_keyd(const char *token_name, const struct token_key_name *name)
{
	struct keyd_process another = { .config = keyd.config };
	struct remote_link *link = keyd_process_link(&another);
	struct token *token = NULL;
	struct token_key *key = NULL;
	struct err err = { 0 };

	assert_non_null(link);
	contract_expect(remote_open(link, token_name, &token, &err), RC_OK, &err, "open");
	contract_expect(token_generate(token, name, KEY_EC_P256, &key, &err), RC_OK, &err, "generate by another keyd");
	token_key_free(key);
	token_close(token);
	remote_link_free(link);
	keyd_process_kill(&another);
}

/* keyd looks for no key of a name that it has drawn itself; what the engine, or an earlier keyd, says of a name is not believed. */
static void a_name_that_keyd_has_drawn_is_fresh_once_and_for_that_keyd_alone(void **state)
{
	struct token *token = contract_open(*state);
	struct token_key_name name;
	struct token_info info;
	struct token_key *key = NULL, *other = NULL;
	struct err err = { 0 };

	contract_expect(remote_key_name(engine_link, "amf", 7, &name, &err), RC_OK, &err, "draw");
	assert_int_equal(strncmp(name.label, "hwacme-amf-", 11), 0);
	contract_expect(token_generate(token, &name, KEY_EC_P256, &key, &err), RC_OK, &err, "generate");
	contract_expect(token_generate(token, &name, KEY_EC_P256, &other, &err), RC_INPUT, &err, "generate once more");
	assert_null(other);
	contract_sign(key, TOKEN_ECDSA, TOKEN_SHA256);
	contract_drop(key);
	contract_expect(remote_key_name(engine_link, "amf", 7, &name, &err), RC_OK, &err, "draw");
	made_by_another_keyd(token->name, &name);
	kill(keyd.pid, SIGKILL);
	contract_expect(token_info(token, &info, &err), RC_OK, &err, "start a new keyd");
	contract_expect(token_generate(token, &name, KEY_EC_P256, &other, &err), RC_INPUT, &err, "generate by a new keyd");
	assert_null(other);
	contract_expect(token_erase_name(token, &name, &err), RC_OK, &err, "erase");
	contract_expect(remote_key_name(engine_link, "a b", 7, &name, &err), RC_INPUT, &err, "draw for what no label can hold");
	token_close(token);
}

/* As an operator's tool makes it: a label and an id of its own; for a TPM, a file of its own. */
static void operators_key_make(struct token *token, const char *id)
{
	char command[512];

	snprintf(command, sizeof(command),
		 "pkcs11-tool --module " SOFTHSM_MODULE " --token-label %s --login --pin " SOFTHSM_PIN
		 " --keypairgen --key-type EC:prime256v1 --label %s --id %s >/dev/null 2>&1",
		 label, client_label, id);
	if (strcmp(token->name, tpm_name) == 0) {
		struct token_key *key = contract_generate(token, KEY_EC_P256);

		snprintf(command, sizeof(command), "mv %s/keys/%s.pem %s/keys/%s.pem", softhsm.dir, key->name.label, softhsm.dir,
			 client_label);
		token_key_free(key);
	}
	assert_int_equal(system(command), 0);
}

/* Nothing of the operator's can be done away with from here. */
static void expect_kept(struct token_key *key)
{
	struct err err = { 0 };

	contract_expect(token_erase(key, &err), RC_DENIED, &err, "erase");
	contract_expect(key->ops->erase(key, &err), RC_DENIED, &err, "erase, keyd asked");
	contract_expect(token_erase_unkept(key->token, &key->name, &err), RC_ABSENT, &err, "erase as one that is not kept");
}

static void the_key_of_a_client_certificate_is_found_by_its_label_signs_and_stays(void **state)
{
	static const struct token_key_name unknown = { .label = "oam-other" };
	struct token *token = contract_open(*state);
	struct token_key_name name = { 0 };
	struct token_key *key = NULL;
	struct err err = { 0 };

	snprintf(name.label, sizeof(name.label), "%s", client_label);
	contract_expect(token_find(token, &unknown, &key, &err), RC_DENIED, &err, "find what is not configured");
	contract_expect(token_find(token, &name, &key, &err), RC_ABSENT, &err, "find what is not there");
	contract_expect(token_generate(token, &name, KEY_EC_P256, &key, &err), RC_DENIED, &err, "generate");
	operators_key_make(token, "0a01");
	contract_expect(token_find(token, &name, &key, &err), RC_OK, &err, "find");
	assert_int_equal(key->type, KEY_EC_P256);
	contract_sign(key, TOKEN_ECDSA, TOKEN_SHA256);
	expect_kept(key);
	kill(keyd.pid, SIGKILL);
	contract_sign(key, TOKEN_ECDSA, TOKEN_SHA256);
	token_key_free(key);
	if (strcmp(token->name, hsm_name) == 0) {
		operators_key_make(token, "0a02");
		contract_expect(token_find(token, &name, &key, &err), RC_DENIED, &err, "find one of two");
		assert_non_null(strstr(err.text, "more than one key in the token has its label"));
	}
	token_close(token);
}

/* keyd gives no key a label but one of its own configuration, in that token. */
static void a_label_that_is_not_configured_is_refused(void **state)
{
	struct token *token = contract_open(*state);
	struct token_key *key = contract_key(*state, token);
	bool is_hsm = strcmp(token->name, hsm_name) == 0;
	struct err err = { 0 };

	contract_expect(token_publish(key, &(struct token_objects){ .label = "oam-client" }, &err), is_hsm ? RC_DENIED : RC_INPUT,
			&err, "publish");
	assert_non_null(strstr(err.text, is_hsm ? "no certificate of this token is configured with the label" : "token-objects"));
	contract_drop(key);
	token_close(token);
}

/* keyd says what happened, and the engine in front of it where. */
static void a_refused_erasure_says_once_of_what(void **state)
{
	struct token *token = contract_open(*state);
	struct token_key_name name;
	struct err err = { 0 };

	assert_int_equal(token_key_name_make("nobody", 1, &name, &err), RC_OK);
	contract_expect(token_erase_name(token, &name, &err), RC_ABSENT, &err, "erase what is not there");
	const char *where = strstr(err.text, "erase key \"");
	assert_non_null(where);
	if (strstr(where + 1, "erase key \""))
		fail_msg("twice: %s", err.text);
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
		cmocka_unit_test(a_name_that_keyd_has_drawn_is_fresh_once_and_for_that_keyd_alone),
		cmocka_unit_test(the_key_of_a_client_certificate_is_found_by_its_label_signs_and_stays),
		cmocka_unit_test(a_label_that_is_not_configured_is_refused),
		cmocka_unit_test(a_refused_erasure_says_once_of_what),
		cmocka_unit_test(an_unknown_token_is_absent),
		cmocka_unit_test(odd_requests_are_answered_with_an_error),
	};
	int failed = cmocka_run_group_tests_name("SoftHSM in keyd", tests, start_hsm, stop);

	return failed + cmocka_run_group_tests_name("swtpm in keyd", tests, start_tpm, stop);
}
