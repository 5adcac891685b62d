/*
 * tpm2_sweep_test.c -- every response code of a TPM, at every command the backend sends, in every operation.
 *
 * As pkcs11_sweep_test.c: each operation is run once to learn its commands; then once for every command and code.
 * Judged are: the class of the outcome, by the one table of tokens/tpm2_context.c and the exceptions of tpm2_rules.c; *err;
 * attempts with an authorisation value; what is left in the TPM; and the key files.  The same with answers that are cut
 * short or have a byte inverted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <tss2/tss2_esys.h>
#include <tss2/tss2_tctildr.h>

#include "sweep.h"
#include "swtpm.h"
#include "tcti_proxy.h"
#include "tpm2_rules.h"

#define AUTH_VALUE "correct horse"
#define TICK_MS    200 /* loops that ask a busy TPM again end after ten looks at the clock */
#define ANSWER_MAX 1200

/* TPM2_CC_Sign in the header; the specification and the script call it TPM2_Sign. */
static const char *const COMMAND_CODES[] = {
#define CODE(name) #name,
#include "tpm2_cc_codes.inc"
#undef CODE
	"TPM2_CC_tcti_open",
};
#define COMMAND_COUNT (sizeof(COMMAND_CODES) / sizeof(COMMAND_CODES[0]))
static char commands[COMMAND_COUNT][48];

static void commands_name(void)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		snprintf(commands[i], sizeof(commands[i]), "TPM2_%s", COMMAND_CODES[i] + strlen("TPM2_CC_"));
}

struct code {
	TSS2_RC number;
	const char *name;
};
static const struct code CODES[] = {
#define CODE(name) { name, #name },
#include "tpm2_rc_codes.inc"
#undef CODE
	/* Of a parameter, a handle, a session. */
	{ TPM2_RC_VALUE | TPM2_RC_P | TPM2_RC_1, "TPM2_RC_VALUE of parameter 1" },
	{ TPM2_RC_CURVE | TPM2_RC_P | TPM2_RC_2, "TPM2_RC_CURVE of parameter 2" },
	{ TPM2_RC_KEY_SIZE | TPM2_RC_P | TPM2_RC_2, "TPM2_RC_KEY_SIZE of parameter 2" },
	{ TPM2_RC_SIZE | TPM2_RC_P | TPM2_RC_2, "TPM2_RC_SIZE of parameter 2" },
	{ TPM2_RC_INTEGRITY | TPM2_RC_P | TPM2_RC_1, "TPM2_RC_INTEGRITY of parameter 1" },
	{ TPM2_RC_HANDLE | TPM2_RC_1, "TPM2_RC_HANDLE of handle 1" },
	{ TPM2_RC_TYPE | TPM2_RC_2, "TPM2_RC_TYPE of handle 2" },
	{ TPM2_RC_AUTH_FAIL | TPM2_RC_S | TPM2_RC_1, "TPM2_RC_AUTH_FAIL of session 1" },
	{ TPM2_RC_BAD_AUTH | TPM2_RC_S | TPM2_RC_1, "TPM2_RC_BAD_AUTH of session 1" },
	{ TPM2_RC_ATTRIBUTES | TPM2_RC_S | TPM2_RC_2, "TPM2_RC_ATTRIBUTES of session 2" },
	/* As resource managers pass them on, and as none should be. */
	{ 0x0b0000 | TPM2_RC_OBJECT_MEMORY, "TPM2_RC_OBJECT_MEMORY of a resource manager" },
	{ 0x0c0000 | TPM2_RC_HANDLE | TPM2_RC_1, "TPM2_RC_HANDLE of a resource manager" },
	{ 0x97f, "an unknown warning" },
	{ 0x7fffffff, "no code at all" },
};
/* In the variants, and at the later calls: one code of each kind. */
static const TSS2_RC SAMPLE[] = { TPM2_RC_FAILURE,
				  TPM2_RC_INITIALIZE,
				  TPM2_RC_HANDLE | TPM2_RC_1,
				  TPM2_RC_INTEGRITY | TPM2_RC_P | TPM2_RC_1,
				  TPM2_RC_VALUE | TPM2_RC_P | TPM2_RC_1,
				  TPM2_RC_AUTH_FAIL | TPM2_RC_S | TPM2_RC_1,
				  TPM2_RC_BAD_AUTH | TPM2_RC_S | TPM2_RC_1,
				  TPM2_RC_OBJECT_MEMORY,
				  TPM2_RC_SESSION_MEMORY,
				  TPM2_RC_REFERENCE_H0,
				  TPM2_RC_REFERENCE_S0,
				  TPM2_RC_RETRY,
				  TPM2_RC_LOCKOUT,
				  TPM2_RC_NV_RATE,
				  TSS2_TCTI_RC_IO_ERROR,
				  TSS2_TCTI_RC_TRY_AGAIN };
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct phase PHASES[] = {
	{ "open", stage_nothing, stage_open, false, false, "" },
	{ "info", stage_open, stage_info, false, false, "" },
	{ "generate", stage_open, stage_generate, true, false, "" },
	{ "find", stage_open, stage_find, false, false, "" },
	{ "sign", stage_with_key, stage_sign, false, false, "" },
	{ "custody", stage_with_key, stage_custody, false, false, "" },
	{ "list", stage_open, stage_list, false, false, "" },
	{ "erase", stage_with_new_key, stage_erase, false, true, "" },
};
/* What is sent then depends on the configuration; so codes are sampled, and closing counts: what was kept is flushed. */
static const struct phase VARIED[] = {
	{ "generate", stage_open, stage_generate, true, false, "" },
	{ "find", stage_open, stage_find, false, false, "" },
	{ "sign", stage_with_key, stage_sign, false, false, "" },
	{ "sign twice", stage_with_used_key, stage_sign, false, false, "" },
	{ "close", stage_with_used_key, stage_close, false, false, "" },
};

static struct swtpm swtpm;
static char token_name[] = "tpm", tcti[256], keys_dir[96], auth_file[96];
static struct world world;
static bool is_variant;
/* Which command had every code already: in later operations, and in the variants, codes are sampled. */
static bool had_every_code[COMMAND_COUNT];
/* A second way to the TPM, to clear it between cases. */
static TSS2_TCTI_CONTEXT *raw_tcti;
static ESYS_CONTEXT *raw;

static void flush_all(TPM2_HANDLE first)
{
	TPMS_CAPABILITY_DATA *capability = NULL;
	TPMI_YES_NO more;

	assert_int_equal(Esys_GetCapability(raw, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_HANDLES, first, 16, &more,
					    &capability),
			 TSS2_RC_SUCCESS);
	for (UINT32 i = 0; i < capability->data.handles.count; i++) {
		ESYS_TR handle;

		assert_int_equal(Esys_TR_FromTPMPublic(raw, capability->data.handles.handle[i], ESYS_TR_NONE, ESYS_TR_NONE,
						       ESYS_TR_NONE, &handle),
				 TSS2_RC_SUCCESS);
		assert_int_equal(Esys_FlushContext(raw, handle), TSS2_RC_SUCCESS);
	}
	Esys_Free(capability);
}

static void tpm_clear(void)
{
	if (tcti_proxy_state().objects)
		flush_all(0x80000000u);
	if (tcti_proxy_state().sessions)
		flush_all(TPM2_LOADED_SESSION_FIRST);
}

/* Each case begins with a value that nobody refused; and some time later than the last, whose back-off is over. */
static void begin_anew(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/.refused", keys_dir);
	unlink(path);
	sweep_clock_advance(60000);
	tcti_proxy_script("");
}

static void check_files(const char *made)
{
	DIR *directory = opendir(keys_dir);
	const struct dirent *entry;
	char wanted[2][96];
	unsigned seen = 0;

	assert_non_null(directory);
	snprintf(wanted[0], sizeof(wanted[0]), "%s.pem", world.kept.label);
	snprintf(wanted[1], sizeof(wanted[1]), "%s.pem", made ? made : "?");
	while ((entry = readdir(directory))) {
		bool is_known = strcmp(entry->d_name, wanted[0]) == 0 || strcmp(entry->d_name, wanted[1]) == 0;

		if (strstr(entry->d_name, ".new"))
			sweep_fail("%s is half written", entry->d_name);
		else if (entry->d_name[0] != '.' && !is_known)
			sweep_fail("%s is nobody's", entry->d_name);
		seen += is_known;
	}
	closedir(directory);
	if (seen != (made ? 2u : 1u))
		sweep_fail("%u key files where %u belong", seen, made ? 2u : 1u);
}

/* The fault is over: the same handle, where there is one, works again; and nothing stays in the TPM. */
static void check_afterwards(struct stage *stage, const struct tpm2_fault *fault)
{
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
	stage_end(stage);
	if (!tpm2_rule_may_leave(fault) && (tcti_proxy_state().objects || tcti_proxy_state().sessions))
		sweep_fail("left in the TPM: %u objects, %u sessions", tcti_proxy_state().objects, tcti_proxy_state().sessions);
	tpm_clear();
}

static bool is_refusal(TSS2_RC code)
{
	TSS2_RC number = code & 0x3fu;

	return code <= 0xfffu && code & 0x80u && (number == 0x0e || number == 0x22);
}

/* The value of a key that was refused is not sent again, by this process or the next. */
static void check_refusal(struct stage *stage)
{
	struct err err = sweep_err();

	tcti_proxy_script("");
	enum rc rc = stage_sign(stage, &err);
	if (rc != RC_DENIED || tcti_proxy_calls("TPM2_Sign"))
		sweep_fail("after a refusal: %s, %u more attempts", sweep_rc_name(rc), (unsigned)tcti_proxy_calls("TPM2_Sign"));
}

static void judge(const struct phase *phase, const struct tpm2_fault *fault, enum rc rc, const struct err *err)
{
	char why[128];

	sweep_err_check(phase->name, rc, err, world.secret);
	if (!tpm2_rule_allows(phase->name, fault, rc, why))
		sweep_fail("%s, allowed is %s: %s", sweep_rc_name(rc), why, rc == RC_OK ? "" : err->text);
	if (is_refusal(fault->code) && fault->mode != FAULT_LOST && tcti_proxy_calls(fault->command) > fault->nth &&
	    strcmp(fault->command, "TPM2_Sign") == 0)
		sweep_fail("%u attempts", (unsigned)tcti_proxy_calls(fault->command));
	if (!tpm2_rule_may_leave(fault) && (tcti_proxy_state().objects_most > 2 || tcti_proxy_state().sessions_most > 1))
		sweep_fail("at once in the TPM: %u objects, %u sessions", tcti_proxy_state().objects_most,
			   tcti_proxy_state().sessions_most);
}

static void run_case(const struct phase *phase, const struct tpm2_fault *fault, const char *script)
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
	tcti_proxy_script(script);
	enum rc rc = phase->act(&stage, &err);
	judge(phase, fault, rc, &err);
	if (world.secret && strcmp(fault->command, "TPM2_Sign") == 0 && rc == RC_DENIED && is_refusal(fault->code))
		check_refusal(&stage);
	check_files((phase->makes_key && rc == RC_OK) || (phase->ends_key && rc != RC_OK) ? stage.made.label : NULL);
	begin_anew();
	if ((phase->makes_key && rc == RC_OK) || (phase->ends_key && rc != RC_OK)) {
		struct err again = { 0 };
		if (token_erase(stage.key, &again) != RC_OK)
			sweep_fail("cannot be erased afterwards: %s", again.text);
	}
	check_afterwards(&stage, fault);
	check_files(NULL);
}

static void run_code(const struct phase *phase, const char *command, unsigned nth, const struct code *code, enum fault_mode mode)
{
	static const char *const modes[] = { "once", "onwards", "lost" };
	struct tpm2_fault fault = { command, nth, code->number, mode };
	char script[128];

	sweep_case("%s: %s %u %s %s", phase->name, command, nth, code->name, modes[mode]);
	snprintf(script, sizeof(script), "%s %u%s %s 0x%x", command, nth, mode == FAULT_ONWARDS ? "+" : "",
		 mode == FAULT_LOST ? "lose" : "return", code->number);
	run_case(phase, &fault, script);
}

static void run_damage(const struct phase *phase, const char *command, unsigned nth, const char *verb, unsigned at)
{
	struct tpm2_fault fault = { command, nth, TPM2_NO_CODE, FAULT_ONCE };
	char script[128];

	sweep_case("%s: %s %u %s %u once", phase->name, command, nth, verb, at);
	snprintf(script, sizeof(script), "%s %u %s %u", command, nth, verb, at);
	run_case(phase, &fault, script);
}

/* A TPM's memory wears out: nothing we do writes to it. */
static void check_nothing_is_written(void)
{
	static const char *const writes[] = { "TPM2_NV_Write",    "TPM2_NV_Increment",   "TPM2_NV_Extend",
					      "TPM2_NV_SetBits",  "TPM2_NV_DefineSpace", "TPM2_NV_UndefineSpace",
					      "TPM2_EvictControl" };

	for (size_t i = 0; i < COUNT(writes); i++)
		assert_int_equal(tcti_proxy_calls(writes[i]), 0);
}

/* How often each command is sent in this operation, without a fault. */
static void learn(const struct phase *phase, unsigned counts[COMMAND_COUNT])
{
	struct stage stage;
	struct err err = { 0 };

	stage_begin(&stage, &world);
	begin_anew();
	enum rc rc = phase->prepare(&stage, &err);
	tcti_proxy_script("");
	if (rc == RC_OK)
		rc = phase->act(&stage, &err);
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		counts[i] = (unsigned)tcti_proxy_calls(commands[i]);
	check_nothing_is_written();
	tcti_proxy_script("");
	if (rc == RC_OK && phase->makes_key)
		rc = token_erase(stage.key, &err);
	if (rc != RC_OK)
		fail_msg("%s: %s", phase->name, err.text);
	stage_end(&stage);
	assert_int_equal(tcti_proxy_state().objects, 0);
	assert_int_equal(tcti_proxy_state().sessions, 0);
}

static bool is_sampled(TSS2_RC code)
{
	for (size_t i = 0; i < COUNT(SAMPLE); i++)
		if (SAMPLE[i] == code)
			return true;
	return false;
}

static void sweep_codes(const struct phase *phase, size_t command, unsigned nth)
{
	bool is_every = nth == 1 && !is_variant && !had_every_code[command];

	for (size_t i = 0; i < COUNT(CODES); i++) {
		bool is_sample = is_sampled(CODES[i].number);

		if (!is_every && !is_sample)
			continue;
		run_code(phase, commands[command], nth, &CODES[i], FAULT_ONCE);
		run_code(phase, commands[command], nth, &CODES[i], FAULT_ONWARDS);
		if (is_sample && !is_variant)
			run_code(phase, commands[command], nth, &CODES[i], FAULT_LOST);
	}
	had_every_code[command] = had_every_code[command] || is_every;
}

/* Every byte of the header and of what follows it; every fifth of what is long. */
static void sweep_damage(const struct phase *phase, const char *command, unsigned nth)
{
	for (unsigned at = 0; at < ANSWER_MAX; at += at < 64 ? 1 : at < 200 ? 5 : 37) {
		run_damage(phase, command, nth, "garble", at);
		run_damage(phase, command, nth, "cut", at);
	}
}

static void sweep_operation(const struct phase *phase)
{
	unsigned counts[COMMAND_COUNT];

	learn(phase, counts);
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		for (unsigned nth = 1; nth <= counts[i]; nth++)
			sweep_codes(phase, i, nth);
}

static void every_code_at_every_command(void **state)
{
	const struct phase *phase = *state;
	char name[64];

	sweep_operation(phase);
	world_check(&world);
	snprintf(name, sizeof(name), "tpm2 sweep, %s", phase->name);
	assert_int_equal(sweep_end(name), 0);
}

/* Each command once, in the first operation that sends it. */
static void damaged_answers(void **state)
{
	bool is_done[COMMAND_COUNT] = { false };

	(void)state;
	for (size_t i = 0; i < COUNT(PHASES); i++) {
		unsigned counts[COMMAND_COUNT];

		learn(&PHASES[i], counts);
		for (size_t at = 0; at < COMMAND_COUNT; at++) {
			if (!counts[at] || is_done[at] || strcmp(commands[at], "TPM2_tcti_open") == 0)
				continue;
			sweep_damage(&PHASES[i], commands[at], 1);
			is_done[at] = true;
		}
	}
	world_check(&world);
	assert_int_equal(sweep_end("tpm2 sweep, damaged answers"), 0);
}

/* Another configuration of the token, with a kept key of its own. */
static void sweep_variant(const char *name, const struct config_token *config, const char *secret)
{
	struct err err = { 0 };
	struct world before = world;
	char text[64];

	snprintf(keys_dir, sizeof(keys_dir), "%s/%s", swtpm.dir, name);
	assert_int_equal(mkdir(keys_dir, 0700), 0);
	world = (struct world){ .config = *config, .keys_dir = keys_dir, .secret = secret };
	if (world_begin(&world, &err) != RC_OK)
		fail_msg("%s", err.text);
	is_variant = true;
	for (size_t i = 0; i < COUNT(VARIED); i++)
		sweep_operation(&VARIED[i]);
	is_variant = false;
	world_check(&world);
	world = before;
	snprintf(keys_dir, sizeof(keys_dir), "%s/keys", swtpm.dir);
	snprintf(text, sizeof(text), "tpm2 sweep, %s", name);
	assert_int_equal(sweep_end(text), 0);
}

static void keys_with_an_authorisation_value(void **state)
{
	struct config_token config = world.config;

	(void)state;
	config.auth = (struct config_secret){ SECRET_FILE, auth_file };
	sweep_variant("auth", &config, AUTH_VALUE);
}

static void keys_bound_to_registers(void **state)
{
	struct config_token config = world.config;

	(void)state;
	config.pcrs = (struct config_pcrs){ "sha256", 1u << 16 };
	sweep_variant("pcrs", &config, NULL);
}

static void keys_that_stay_loaded(void **state)
{
	struct config_token config = world.config;

	(void)state;
	config.keep_loaded = true;
	sweep_variant("keep", &config, NULL);
}

static void keys_under_a_persistent_parent(void **state)
{
	struct config_token config = world.config;
	char command[512];

	(void)state;
	snprintf(command, sizeof(command),
		 "cd %s && export TPM2TOOLS_TCTI=%s TSS2_LOG=all+NONE && tpm2_createprimary -Q -C o -G ecc256:aes128cfb -c p.ctx "
		 "-a 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|decrypt' && "
		 "tpm2_evictcontrol -Q -C o -c p.ctx 0x81000001 && tpm2_flushcontext -t",
		 swtpm.dir, swtpm.tcti);
	assert_int_equal(system(command), 0);
	config.parent = 0x81000001;
	sweep_variant("parent", &config, NULL);
}

static int start(void **state)
{
	struct err err = { 0 };

	(void)state;
	setenv("TSS2_LOG", "all+NONE", 1);
	tcti_proxy_script("");
	commands_name();
	if (swtpm_start_in(&swtpm, sweep_directory()) != 0)
		return -1;
	snprintf(tcti, sizeof(tcti), "%s:%s", TCTI_PROXY, swtpm.tcti);
	snprintf(keys_dir, sizeof(keys_dir), "%s/keys", swtpm.dir);
	snprintf(auth_file, sizeof(auth_file), "%s/value", swtpm.dir);
	FILE *file = fopen(auth_file, "w");
	if (!file || fputs(AUTH_VALUE, file) < 0 || fclose(file) != 0 || mkdir(keys_dir, 0700) != 0)
		return -1;
	world = (struct world){ .config = { .name = token_name, .tcti = tcti }, .keys_dir = keys_dir };
	if (world_begin(&world, &err) != RC_OK) {
		print_message("%s\n", err.text);
		return -1;
	}
	sweep_clock_tick(TICK_MS);
	return Tss2_TctiLdr_Initialize(tcti, &raw_tcti) == TSS2_RC_SUCCESS &&
			       Esys_Initialize(&raw, raw_tcti, NULL) == TSS2_RC_SUCCESS
		       ? 0
		       : -1;
}

static int stop(void **state)
{
	(void)state;
	sweep_clock_tick(0);
	tcti_proxy_script("");
	Esys_Finalize(&raw);
	Tss2_TctiLdr_Finalize(&raw_tcti);
	swtpm_stop(&swtpm);
	return 0;
}

/* Without arguments all of it; else the operations and variants that are named. */
int main(int argc, char **argv)
{
	static const struct CMUnitTest others[] = {
		{ "damaged", damaged_answers, NULL, NULL, NULL },
		{ "auth", keys_with_an_authorisation_value, NULL, NULL, NULL },
		{ "pcrs", keys_bound_to_registers, NULL, NULL, NULL },
		{ "keep", keys_that_stay_loaded, NULL, NULL, NULL },
		{ "parent", keys_under_a_persistent_parent, NULL, NULL, NULL },
	};
	struct CMUnitTest tests[COUNT(PHASES) + COUNT(others)];
	size_t count = 0;

	for (size_t i = 0; i < COUNT(PHASES); i++)
		if (sweep_is_wanted(PHASES[i].name, argc, argv))
			tests[count++] = (struct CMUnitTest){ PHASES[i].name, every_code_at_every_command, NULL, NULL,
							      (void *)(uintptr_t)&PHASES[i] };
	for (size_t i = 0; i < COUNT(others); i++)
		if (sweep_is_wanted(others[i].name, argc, argv))
			tests[count++] = others[i];
	return _cmocka_run_group_tests("tpm2 sweep", tests, count, start, stop);
}
