/* pkcs11_recovery_test.c -- sessions and tokens that go away under an open token come back by themselves; many threads share it. */
/* Its tools are used here, not its tests. */
#pragma GCC diagnostic ignored "-Wunused-function"
#define SOFTHSM_LEAKS
#include "token_contract.h"
#include "token_contract.c"

#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <pthread.h>
#include <stdatomic.h>

#include "clock.h"
#include "softhsm.h"

#define THREADS 8

static struct softhsm softhsm;
static char label[] = "recovery", second[] = "second", module[] = P11_PROXY;
static struct config_token config;
static CK_FUNCTION_LIST *raw;

static bool can(enum key_type type)
{
	(void)type;
	return true;
}

static struct token_fixture fixture = { .name = "PKCS#11 recovery", .config = &config, .can = can, .secret = SOFTHSM_PIN };

static int start(void **state)
{
	CK_C_GetFunctionList get_list;

	if (softhsm_start(&softhsm) != 0 || softhsm_add(label) != 0 || softhsm_add(second) != 0)
		return -1;
	config = softhsm_config(&softhsm, label);
	/* Through the proxy, which lets the sessions go only when no other call is inside the module. */
	config.module = module;
	fixture.keys_dir = softhsm.dir;
	*state = &fixture;
	/* The same instance of the module that the backend uses. */
	void *symbol = dlsym(dlopen(P11_PROXY, RTLD_NOW | RTLD_LOCAL), "C_GetFunctionList");
	memcpy(&get_list, &symbol, sizeof(get_list));
	return get_list(&raw) == CKR_OK ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	softhsm_stop(&softhsm);
	return 0;
}

/* What another program's C_Finalize, a removed card or a restarted daemon does to every session there is. */
static void raw_close_all(void)
{
	CK_SLOT_ID slots[16];
	CK_ULONG count = 16;

	if (raw->C_GetSlotList(CK_TRUE, slots, &count) == CKR_OK)
		for (CK_ULONG i = 0; i < count; i++)
			raw->C_CloseAllSessions(slots[i]);
}

static void move_tokens(const char *from, const char *to)
{
	char source[96], target[96];

	snprintf(source, sizeof(source), "%s/%s", softhsm.dir, from);
	snprintf(target, sizeof(target), "%s/%s", softhsm.dir, to);
	assert_int_equal(rename(source, target), 0);
}

static enum rc try_sign(struct token_key *key, struct err *err)
{
	AUTO(buf) struct buf sig = BUF_MAX(TOKEN_SIG_MAX);
	static const uint8_t digest[32] = { 7 };

	return token_sign(key, TOKEN_ECDSA, TOKEN_SHA256, SPAN(digest), &sig, err);
}

static void lost_sessions_are_opened_again_in_the_same_call(void **state)
{
	struct token *token = contract_open(*state);
	struct token_key *key = contract_generate(token, KEY_EC_P256), *found = NULL, *other = NULL;
	struct token_custody custody;
	struct contract_seen seen = { .wanted = { key->name } };
	struct token_info info;
	struct err err = { 0 };

	raw_close_all();
	contract_expect(try_sign(key, &err), RC_OK, &err, "sign");
	raw_close_all();
	contract_expect(token_find(token, &key->name, &found, &err), RC_OK, &err, "find");
	raw_close_all();
	contract_expect(token_custody(key, &custody, &err), RC_OK, &err, "custody");
	assert_true(custody.held);
	raw_close_all();
	contract_expect(token_list(token, contract_see, &seen, &err), RC_OK, &err, "list");
	assert_int_equal(seen.calls, 1);
	raw_close_all();
	other = contract_generate(token, KEY_EC_P256);
	raw_close_all();
	contract_expect(token_erase(other, &err), RC_OK, &err, "erase");
	raw->C_Finalize(NULL);
	contract_expect(token_info(token, &info, &err), RC_OK, &err, "info");
	contract_expect(try_sign(found, &err), RC_OK, &err, "sign with the key found before");
	token_key_free(found);
	token_key_free(other);
	contract_drop(key);
	token_close(token);
}

/* The sessions stay, and nobody is logged in in them any more: private objects are not there to be seen (PKCS#11 2.40, 5.6). */
static void raw_logout(void)
{
	CK_SLOT_ID slots[16];
	CK_ULONG count = 16;

	assert_int_equal(raw->C_GetSlotList(CK_TRUE, slots, &count), CKR_OK);
	for (CK_ULONG i = 0; i < count; i++) {
		CK_SESSION_HANDLE session;

		if (raw->C_OpenSession(slots[i], CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session) != CKR_OK)
			continue; /* no token is in it yet */
		(void)raw->C_Logout(session);
		assert_int_equal(raw->C_CloseSession(session), CKR_OK);
	}
}

/* Keys that cannot be seen are neither absent nor erased; and no half of one is, because the other cannot be seen. */
static void a_lost_login_is_made_anew_in_the_same_call(void **state)
{
	struct token *token = contract_open(*state);
	struct token_key *key = contract_generate(token, KEY_EC_P256), *found = NULL;
	struct token_key_name name = key->name;
	struct token_custody custody;
	struct contract_seen seen = { .wanted = { name } };
	struct err err = { 0 };

	raw_logout();
	contract_expect(token_find(token, &name, &found, &err), RC_OK, &err, "find");
	raw_logout();
	contract_expect(try_sign(key, &err), RC_OK, &err, "sign");
	raw_logout();
	contract_expect(token_custody(key, &custody, &err), RC_OK, &err, "custody");
	raw_logout();
	contract_expect(token_list(token, contract_see, &seen, &err), RC_OK, &err, "list");
	assert_int_equal(seen.calls, 1);
	raw_logout();
	contract_expect(token_erase(key, &err), RC_OK, &err, "erase");
	token_key_free(found);
	contract_expect(token_find(token, &name, &found, &err), RC_ABSENT, &err, "find what was erased");
	token_key_free(key);
	key = contract_generate(token, KEY_EC_P256);
	name = key->name;
	raw_logout();
	contract_expect(token_erase_name(token, &name, &err), RC_OK, &err, "erase by name");
	contract_expect(token_find(token, &name, &found, &err), RC_ABSENT, &err, "find what was erased");
	token_key_free(key);
	token_close(token);
}

static void a_token_that_is_away_is_unavailable_and_comes_back_by_itself(void **state)
{
	struct token *token = contract_open(*state);
	struct token_key *key = contract_generate(token, KEY_EC_P256), *found = NULL;
	struct token_key_name name = key->name;
	int64_t deadline = clock_monotonic_ms() + 30000;
	struct err err = { 0 };

	move_tokens("tokens", "away");
	contract_expect(try_sign(key, &err), RC_RETRY, &err, "sign while it is away");
	assert_non_null(strstr(err.text, "token unavailable"));
	/* Never RC_ABSENT: that would have a new key made. */
	contract_expect(token_find(token, &name, &found, &err), RC_RETRY, &err, "find while it is away");
	assert_non_null(strstr(err.text, "token unavailable"));
	move_tokens("away", "tokens");
	while (try_sign(key, &err) != RC_OK) {
		assert_non_null(strstr(err.text, "token unavailable"));
		if (clock_monotonic_ms() > deadline)
			fail_msg("not back in time: %s", err.text);
		clock_wait_until(INT64_MAX, 50);
	}
	contract_expect(token_find(token, &name, &found, &err), RC_OK, &err, "find");
	token_key_free(found);
	contract_drop(key);
	token_close(token);
}

/* SoftHSM makes the public object first: killed between the two, it leaves one that is not the half of any key. */
static void leave_public_half(const struct token_key *of, const struct token_key_name *name)
{
	CK_OBJECT_CLASS class = CKO_PUBLIC_KEY;
	CK_ATTRIBUTE wanted[] = { { CKA_CLASS, &class, sizeof(class) },
				  { CKA_ID, (void *)(uintptr_t)of->name.id, TOKEN_ID_LEN } };
	CK_ATTRIBUTE changed[] = { { CKA_ID, (void *)(uintptr_t)name->id, TOKEN_ID_LEN } };
	CK_SLOT_ID slots[16];
	CK_ULONG count = 16, found = 0;

	assert_int_equal(raw->C_GetSlotList(CK_TRUE, slots, &count), CKR_OK);
	for (CK_ULONG i = 0; i < count && !found; i++) {
		CK_SESSION_HANDLE session;
		CK_OBJECT_HANDLE object, copy;

		assert_int_equal(raw->C_OpenSession(slots[i], CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session), CKR_OK);
		assert_int_equal(raw->C_FindObjectsInit(session, wanted, 2), CKR_OK);
		assert_int_equal(raw->C_FindObjects(session, &object, 1, &found), CKR_OK);
		assert_int_equal(raw->C_FindObjectsFinal(session), CKR_OK);
		if (found)
			assert_int_equal(raw->C_CopyObject(session, object, changed, 1, &copy), CKR_OK);
		raw->C_CloseSession(session);
	}
	assert_int_equal(found, 1);
}

static void half_a_pair_of_a_cut_off_generation_is_replaced(void **state)
{
	struct token *token = contract_open(*state);
	struct token_key *other = contract_generate(token, KEY_EC_P256), *key = NULL;
	struct token_key_name name;
	struct err err = { 0 };

	contract_expect(token_key_name_make("half", 0, &name, &err), RC_OK, &err, "name");
	leave_public_half(other, &name);
	contract_expect(token_generate(token, &name, KEY_EC_P256, &key, &err), RC_OK, &err, "generate");
	contract_sign(key, TOKEN_ECDSA, TOKEN_SHA256);
	contract_drop(key);
	contract_drop(other);
	token_close(token);
}

static void one_tokens_recovery_leaves_the_keys_of_the_other_good(void **state)
{
	struct config_token other = config;
	struct token *token = contract_open(*state), *neighbour = NULL;
	struct token_key *key = contract_generate(token, KEY_EC_P256), *near;
	struct err err = { 0 };

	other.token_label = second;
	contract_expect(token_open(&other, softhsm.dir, &neighbour, &err), RC_OK, &err, "open the second");
	near = contract_generate(neighbour, KEY_EC_P384);
	raw_close_all();
	contract_expect(try_sign(key, &err), RC_OK, &err, "sign");
	contract_sign(near, TOKEN_ECDSA, TOKEN_SHA384);
	contract_drop(key);
	token_close(token);
	contract_sign(near, TOKEN_ECDSA, TOKEN_SHA384);
	contract_drop(near);
	token_close(neighbour);
}

static void a_token_added_later_is_found_without_a_restart(void **state)
{
	static char late[] = "late";
	struct config_token other = config;
	struct token *token = contract_open(*state), *next = NULL;
	struct err err = { 0 };

	other.token_label = late;
	contract_expect(token_open(&other, softhsm.dir, &next, &err), RC_ABSENT, &err, "open before it is there");
	assert_int_equal(softhsm_add(late), 0);
	contract_expect(token_open(&other, softhsm.dir, &next, &err), RC_OK, &err, "open");
	token_close(next);
	token_close(token);
}

static atomic_bool workers_end;

struct worker {
	struct token *token;
	struct token_key *key;
	pthread_t thread;
	atomic_uint signed_count, failed;
	struct err err;
};

static void *work(void *arg)
{
	struct worker *worker = arg;

	while (!workers_end && !worker->failed) {
		struct token_key *found = NULL;

		if (try_sign(worker->key, &worker->err) == RC_OK &&
		    token_find(worker->token, &worker->key->name, &found, &worker->err) == RC_OK)
			worker->signed_count++;
		else
			worker->failed++;
		token_key_free(found);
	}
	return NULL;
}

/* Until each of them has signed some more, or failed: sessions are given in turn, so none is left behind. */
static void all_move_on(const struct worker workers[THREADS], unsigned more)
{
	int64_t deadline = clock_monotonic_ms() + 60000;
	unsigned before[THREADS];

	for (size_t i = 0; i < THREADS; i++)
		before[i] = workers[i].signed_count;
	for (size_t i = 0; i < THREADS; i++)
		while (workers[i].signed_count < before[i] + more && !workers[i].failed && clock_monotonic_ms() < deadline)
			clock_wait_until(INT64_MAX, 5);
}

/* Sessions are pulled from under the workers `losses` times. */
static void many_threads(const struct token_fixture *with, unsigned losses)
{
	struct token *token = contract_open(with);
	struct worker workers[THREADS];

	workers_end = false;
	for (size_t i = 0; i < THREADS; i++)
		workers[i] = (struct worker){ .token = token, .key = contract_generate(token, KEY_EC_P256) };
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	all_move_on(workers, 20);
	for (unsigned i = 0; i < losses; i++) {
		raw_close_all();
		/* One loss in a call is made good, not two: the next comes when all have got over this one. */
		all_move_on(workers, 3);
	}
	workers_end = true;
	for (size_t i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		if (workers[i].failed)
			fail_msg("thread %zu failed: %s", i, workers[i].err.text);
		assert_true(workers[i].signed_count >= 20 + 3 * losses);
		contract_drop(workers[i].key);
	}
	token_close(token);
}

static void eight_threads_share_two_sessions(void **state)
{
	many_threads(*state, 0);
}

static void eight_threads_share_a_single_session(void **state)
{
	struct token_fixture single = *(const struct token_fixture *)*state;
	struct config_token one = config;

	one.sessions = 1;
	single.config = &one;
	many_threads(&single, 0);
}

static void sessions_lost_under_eight_threads_cost_no_signature(void **state)
{
	many_threads(*state, 3);
}

static void *open_and_close(void *ctx)
{
	struct err err = { 0 };
	struct token *token = NULL;

	for (int i = 0; i < 5; i++) {
		if (token_open(ctx, softhsm.dir, &token, &err) != RC_OK)
			return strdup(err.text);
		token_close(TAKE(token));
	}
	return NULL;
}

static void tokens_are_opened_and_closed_by_several_threads_at_once(void **state)
{
	struct config_token other = config;
	pthread_t threads[4];

	(void)state;
	other.token_label = second;
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, open_and_close, i % 2 ? &other : &config), 0);
	for (size_t i = 0; i < 4; i++) {
		void *failure = NULL;

		pthread_join(threads[i], &failure);
		if (failure)
			fail_msg("%s", (char *)failure);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lost_sessions_are_opened_again_in_the_same_call),
		cmocka_unit_test(a_lost_login_is_made_anew_in_the_same_call),
		cmocka_unit_test(a_token_that_is_away_is_unavailable_and_comes_back_by_itself),
		cmocka_unit_test(half_a_pair_of_a_cut_off_generation_is_replaced),
		cmocka_unit_test(one_tokens_recovery_leaves_the_keys_of_the_other_good),
		cmocka_unit_test(a_token_added_later_is_found_without_a_restart),
		cmocka_unit_test(eight_threads_share_two_sessions),
		cmocka_unit_test(eight_threads_share_a_single_session),
		cmocka_unit_test(sessions_lost_under_eight_threads_cost_no_signature),
		cmocka_unit_test(tokens_are_opened_and_closed_by_several_threads_at_once),
	};

	return cmocka_run_group_tests_name(fixture.name, tests, start, stop);
}
