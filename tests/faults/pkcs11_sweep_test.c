/*
 * pkcs11_sweep_test.c -- every return value of PKCS#11, at every function the backend calls, in every operation.
 *
 * Each operation is run once without a fault to learn which functions it calls and how often; then once for every
 * function and code, with that call failing alone ("once"), from there on ("onwards"), and, where that differs, with
 * the answer lost after its effect ("lost").  Judged are: the class of the outcome, by the one table of
 * tokens/pkcs11_error.c and the exceptions of pkcs11_rules.c; *err; logins; sessions; and the objects in the token.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>

#include "p11_calls.h"
#include "p11_proxy.h"
#include "pkcs11.h"
#include "pkcs11_rules.h"
#include "softhsm.h"
#include "sweep.h"

static const char *const FUNCTIONS[] = {
#define CALL(name, ...) #name,
	P11_CALLS
#undef CALL
};
static const struct {
	CK_RV code;
	const char *name;
} CODES[] = {
#define CODE(name) { name, #name },
#include "ckr_codes.inc"
#undef CODE
	{ 0x3ff, "an unknown code" },
	{ CKR_VENDOR_DEFINED | 0x1234, "a vendor's code" },
};
/* At the calls after the first of a function, and on the way back from another fault: one code of each kind. */
static const CK_RV SAMPLE[] = { CKR_GENERAL_ERROR,          CKR_DEVICE_REMOVED,         CKR_SESSION_HANDLE_INVALID,
				CKR_USER_NOT_LOGGED_IN,     CKR_TOKEN_NOT_PRESENT,      CKR_OPERATION_ACTIVE,
				CKR_ATTRIBUTE_TYPE_INVALID, CKR_USER_ALREADY_LOGGED_IN, CKR_PIN_INCORRECT,
				CKR_VENDOR_DEFINED | 0x1234 };
/* Success, with a length or count that cannot be. */
static const CK_ULONG LENGTHS[] = { 0, 1, 3, 63, 65, 300, 100000, CK_UNAVAILABLE_INFORMATION };
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NTH_MAX      8             /* calls of one function looked at, and the last */
#define LATER_MS     (2 * 3600000) /* when every back-off is over */

static struct softhsm softhsm;
static char label[] = "sweep", module[] = P11_PROXY;
static struct world world;
static unsigned objects_kept, public_keys_left;

/* A module without quirks: the pair is made in the token by one call. */
static enum rc open_unknown(struct stage *stage, struct err *err)
{
	setenv("HWA_P11_PROXY_MODEL", "unknown", 1);
	return stage_open(stage, err);
}

static const struct phase PHASES[] = {
	{ "open", stage_nothing, stage_open, false, false, "" },
	{ "find", stage_open, stage_find, false, false, "" },
	{ "generate", stage_open, stage_generate, true, false, "" },
	{ "generate_unknown", open_unknown, stage_generate, true, false, "" },
	{ "generate_tried", stage_open_tried, stage_generate, true, false, "" },
	{ "sign", stage_with_key, stage_sign, false, false, "" },
	{ "list", stage_open, stage_list, false, false, "" },
	{ "info", stage_open, stage_info, false, false, "" },
	{ "custody", stage_with_key, stage_custody, false, false, "" },
	{ "erase", stage_with_found_key, stage_erase, false, true, "" },
	{ "erase_own", stage_with_new_key, stage_erase, false, true, "" },
	{ "publish", stage_with_new_key, stage_publish, true, true, "" },
	{ "close", stage_with_key, stage_close, false, false, "" },
	{ "recover", stage_with_key, stage_sign, false, false, "C_SignInit 1 return CKR_DEVICE_REMOVED\n" },
};

static unsigned objects_in(const char *path)
{
	DIR *directory = opendir(path);
	const struct dirent *entry;
	unsigned count = 0;

	if (!directory)
		return 0;
	while ((entry = readdir(directory))) {
		char below[512];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(below, sizeof(below), "%s/%s", path, entry->d_name);
		count += entry->d_type == DT_DIR ? objects_in(below) : strstr(entry->d_name, ".object") != NULL;
	}
	closedir(directory);
	return count;
}

/* SoftHSM keeps an object in a file of its own. */
static unsigned objects_now(void)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/tokens", softhsm.dir);
	return objects_in(path);
}

/* Each case begins with a PIN that nobody refused; and some time later than the last, whose back-off is over. */
static void begin_anew(void)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/.refused", softhsm.dir);
	unlink(path);
	unsetenv("HWA_P11_PROXY_MODEL");
	sweep_clock_advance(LATER_MS);
	p11_proxy_script("");
}

/* The fault is over: the same handle, where there is one, works again, and closing it leaves no session. */
static void check_afterwards(struct stage *stage, const struct pkcs11_fault *fault)
{
	/* A session that was opened and never told of cannot be closed. */
	bool is_session_lost = fault->mode == FAULT_LOST && strcmp(fault->function, "C_OpenSession") == 0;
	struct err err = sweep_err();
	struct token_key *found = NULL;

	begin_anew();
	if (stage->token) {
		enum rc rc = token_find(stage->token, &world.kept, &found, &err);

		sweep_err_check("find afterwards", rc, &err, world.secret);
		if (rc != RC_OK)
			sweep_fail("the handle does not work again: %s", err.text);
		token_key_free(found);
	}
	/* Those that were given up when the module was started anew do not count. */
	p11_proxy_script("");
	stage_end(stage);
	if (!is_session_lost && (p11_proxy_state().sessions || p11_proxy_state().sessions_left))
		sweep_fail("%u sessions were left open", p11_proxy_state().sessions + p11_proxy_state().sessions_left);
}

/* By its name, as a later run of the program would, and as `token gc` does. */
static void drop_by_name(const struct token_key_name *name)
{
	struct stage stage;
	struct err err = { 0 };

	stage_begin(&stage, &world);
	enum rc rc = stage_open(&stage, &err);
	if (rc == RC_OK)
		rc = token_find(stage.token, name, &stage.key, &err);
	if (rc == RC_OK)
		rc = token_erase(stage.key, &err);
	if (rc != RC_OK && rc != RC_ABSENT)
		sweep_fail("what was half done cannot be cleared up: %s", err.text);
	stage_end(&stage);
}

static enum rc count_others(void *ctx, struct token_key *key, const struct token_custody *custody, struct err *err)
{
	unsigned *count = ctx;

	(void)custody, (void)err;
	*count += memcmp(key->name.id, world.kept.id, TOKEN_ID_LEN) != 0;
	return RC_OK;
}

static unsigned private_keys_but_ours(void)
{
	struct stage stage;
	struct err err = { 0 };
	unsigned count = 0;

	stage_begin(&stage, &world);
	enum rc rc = stage_open(&stage, &err);
	if (rc == RC_OK)
		rc = token_list(stage.token, count_others, &count, &err);
	if (rc != RC_OK)
		sweep_fail("the keys cannot be listed: %s", err.text);
	stage_end(&stage);
	return count;
}

/* The kept key's two objects are there, and no other private key: a public one alone is of no use to anybody. */
static void check_token(const struct token_key_name *made)
{
	if (objects_now() > objects_kept)
		drop_by_name(made);
	if (objects_now() < objects_kept)
		sweep_fail("objects are lost: %u in the token where %u belong", objects_now(), objects_kept);
	if (objects_now() > objects_kept) {
		unsigned orphans = private_keys_but_ours();

		if (orphans)
			sweep_fail("%u orphans are in the token", orphans);
		else
			public_keys_left += objects_now() - objects_kept;
	}
	objects_kept = objects_now();
}

/* A refused PIN is not sent again, by this process or the next. */
static void check_refusal(void)
{
	struct err err = sweep_err();
	struct stage stage;

	sweep_clock_advance(LATER_MS);
	p11_proxy_script("");
	stage_begin(&stage, &world);
	enum rc rc = stage_open(&stage, &err);
	if (rc != RC_DENIED || p11_proxy_calls("C_Login"))
		sweep_fail("after a refusal: %s, %u more logins", sweep_rc_name(rc), (unsigned)p11_proxy_calls("C_Login"));
	stage_end(&stage);
}

static void judge(const struct phase *phase, const struct pkcs11_fault *fault, const struct stage *stage, enum rc rc,
		  const struct err *err)
{
	char why[128];

	sweep_err_check(phase->name, rc, err, world.secret);
	if (!pkcs11_rule_allows(phase->name, fault, rc, why))
		sweep_fail("%s, allowed is %s: %s", sweep_rc_name(rc), why, rc == RC_OK ? "" : err->text);
	/* What may pass must not look like a key that is not there: to some callers that is a key to be made anew. */
	if (stage->is_incomplete && fault->code != PKCS11_NO_CODE && pkcs11_fail(NULL, fault->code, "") == RC_RETRY)
		sweep_fail("the list lacks a key");
	if (p11_proxy_calls("C_Login") > 1)
		sweep_fail("%u logins", (unsigned)p11_proxy_calls("C_Login"));
}

/* One operation under one script. */
static void run_case(const struct phase *phase, const struct pkcs11_fault *fault, const char *script)
{
	struct err err = sweep_err();
	struct stage stage;

	stage_begin(&stage, &world);
	begin_anew();
	if (phase->prepare(&stage, &err) != RC_OK) {
		sweep_fail("it cannot even begin: %s", err.text);
		stage_end(&stage);
		return;
	}
	p11_proxy_script(script);
	enum rc rc = phase->act(&stage, &err);
	judge(phase, fault, &stage, rc, &err);
	if (rc == RC_DENIED && strcmp(fault->function, "C_Login") == 0 &&
	    (fault->code == CKR_PIN_INCORRECT || fault->code == CKR_PIN_INVALID || fault->code == CKR_PIN_LEN_RANGE))
		check_refusal();
	/* As the engine does: what it has a handle of it erases by that, again and again. */
	begin_anew();
	if ((phase->makes_key && rc == RC_OK) || (phase->ends_key && rc != RC_OK)) {
		struct err again = { 0 };
		if (token_erase(stage.key, &again) != RC_OK)
			sweep_fail("cannot be erased afterwards: %s", again.text);
	}
	check_afterwards(&stage, fault);
	check_token(&stage.made);
}

static void run_code(const struct phase *phase, const struct pkcs11_fault *fault, const char *code_name)
{
	static const char *const modes[] = { "once", "onwards", "lost" };
	char script[256];

	sweep_case("%s: %s %u %s %s", phase->name, fault->function, fault->nth, code_name, modes[fault->mode]);
	snprintf(script, sizeof(script), "%s%s %u%s %s 0x%lx", phase->before, fault->function, fault->nth,
		 fault->mode == FAULT_ONWARDS ? "+" : "", fault->mode == FAULT_LOST ? "lose" : "return", fault->code);
	run_case(phase, fault, script);
}

static void run_length(const struct phase *phase, const char *function, unsigned nth, CK_ULONG length)
{
	struct pkcs11_fault fault = { function, nth, PKCS11_NO_CODE, FAULT_ONCE };
	char script[128];

	sweep_case("%s: %s %u length %lu once", phase->name, function, nth, length);
	snprintf(script, sizeof(script), "%s %u length %lu", function, nth, length);
	run_case(phase, &fault, script);
}

/* How often each function is called in this operation, without another fault. */
static void learn(const struct phase *phase, unsigned counts[COUNT(FUNCTIONS)])
{
	struct stage stage;
	struct err err = { 0 };

	stage_begin(&stage, &world);
	begin_anew();
	enum rc rc = phase->prepare(&stage, &err);
	p11_proxy_script(phase->before);
	if (rc == RC_OK)
		rc = phase->act(&stage, &err);
	for (size_t i = 0; i < COUNT(FUNCTIONS); i++)
		counts[i] = (unsigned)p11_proxy_calls(FUNCTIONS[i]);
	p11_proxy_script("");
	if (rc == RC_OK && phase->makes_key)
		rc = token_erase(stage.key, &err);
	if (rc != RC_OK)
		fail_msg("%s: %s", phase->name, err.text);
	stage_end(&stage);
	assert_int_equal(objects_now(), objects_kept);
}

static bool is_sampled(CK_RV code)
{
	for (size_t i = 0; i < COUNT(SAMPLE); i++)
		if (SAMPLE[i] == code)
			return true;
	return false;
}

/* Where a fault is there before, codes are sampled: each was swept at each function without it. */
static void sweep_first_call(const struct phase *phase, const char *function)
{
	for (size_t i = 0; i < COUNT(CODES); i++) {
		if (CODES[i].code == CKR_OK || (phase->before[0] && !is_sampled(CODES[i].code)))
			continue;
		for (enum fault_mode mode = FAULT_ONCE; mode <= FAULT_LOST; mode++) {
			struct pkcs11_fault fault = { function, 1, CODES[i].code, mode };

			if (mode != FAULT_LOST || pkcs11_rule_has_effect(function))
				run_code(phase, &fault, CODES[i].name);
		}
	}
}

static void sweep_later_calls(const struct phase *phase, const char *function, unsigned calls)
{
	for (unsigned nth = 2; nth <= calls; nth++) {
		if (nth > NTH_MAX && nth != calls)
			continue;
		for (size_t i = 0; i < 2 * COUNT(SAMPLE); i++) {
			struct pkcs11_fault fault = { function, nth, SAMPLE[i / 2], i % 2 ? FAULT_ONWARDS : FAULT_ONCE };

			run_code(phase, &fault, pkcs11_rv_name(fault.code));
		}
	}
}

static void sweep_lengths(const struct phase *phase, const char *function, unsigned calls)
{
	if (strcmp(function, "C_Sign") != 0 && strcmp(function, "C_GetAttributeValue") != 0 &&
	    strcmp(function, "C_FindObjects") != 0)
		return;
	for (unsigned nth = 1; nth <= calls && nth <= 2 * NTH_MAX; nth++)
		/* That there are none is what every search may find. */
		for (size_t i = strcmp(function, "C_FindObjects") == 0; i < COUNT(LENGTHS); i++)
			run_length(phase, function, nth, LENGTHS[i]);
}

static void every_code_at_every_function(void **state)
{
	const struct phase *phase = *state;
	unsigned counts[COUNT(FUNCTIONS)];
	char name[64];

	learn(phase, counts);
	for (size_t i = 0; i < COUNT(FUNCTIONS); i++) {
		/* The fault that is always there has this call for itself. */
		if (!counts[i] || strncmp(phase->before, FUNCTIONS[i], strlen(FUNCTIONS[i])) == 0)
			continue;
		sweep_first_call(phase, FUNCTIONS[i]);
		sweep_later_calls(phase, FUNCTIONS[i], counts[i]);
		sweep_lengths(phase, FUNCTIONS[i], counts[i]);
	}
	world_check(&world);
	if (public_keys_left)
		print_message("%u public keys without a private one were left\n", public_keys_left);
	public_keys_left = 0;
	snprintf(name, sizeof(name), "pkcs11 sweep, %s", phase->name);
	assert_int_equal(sweep_end(name), 0);
}

static void the_table_names_every_code(void **state)
{
	(void)state;
	for (size_t i = 0; i + 2 < COUNT(CODES); i++)
		if (CODES[i].code != CKR_OK && strcmp(pkcs11_rv_name(CODES[i].code), CODES[i].name) != 0)
			fail_msg("tokens/pkcs11_error.c lacks %s", CODES[i].name);
	assert_string_equal(pkcs11_rv_name(CKR_VENDOR_DEFINED | 0x1234), "a code of its vendor");
}

/* libp11's own: what it had listed of the slots when the listing failed. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libp11.so\n";
}

static int start(void **state)
{
	struct err err = { 0 };

	(void)state;
	p11_proxy_script("");
	if (softhsm_start_in(&softhsm, sweep_directory()) != 0 || softhsm_add(label) != 0)
		return -1;
	world = (struct world){ .config = softhsm_config(&softhsm, label), .keys_dir = softhsm.dir, .secret = SOFTHSM_PIN };
	world.config.module = module;
	if (world_begin(&world, &err) != RC_OK) {
		print_message("%s\n", err.text);
		return -1;
	}
	objects_kept = objects_now();
	return 0;
}

static int stop(void **state)
{
	(void)state;
	p11_proxy_script("");
	softhsm_stop(&softhsm);
	return 0;
}

/* Without arguments all of it; else the operations that are named. */
int main(int argc, char **argv)
{
	struct CMUnitTest tests[1 + COUNT(PHASES)] = { cmocka_unit_test(the_table_names_every_code) };
	size_t count = 1;

	for (size_t i = 0; i < COUNT(PHASES); i++)
		if (sweep_is_wanted(PHASES[i].name, argc, argv))
			tests[count++] = (struct CMUnitTest){ PHASES[i].name, every_code_at_every_function, NULL, NULL,
							      (void *)(uintptr_t)&PHASES[i] };
	return _cmocka_run_group_tests("pkcs11 sweep", tests, count, start, stop);
}
