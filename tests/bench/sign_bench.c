/*
 * sign_bench.c -- P-256 signatures a second of one key: the module driven directly, and the same token through keyd.
 *
 *	sign_bench [-g] direct MODULE LABEL PIN CALLERS SECONDS	C_SignInit and C_Sign, a session a thread
 *	sign_bench [-g] backend|keyd|checked CONFIG TOKEN CALLERS SECONDS
 *		backend: the backend of token.h in this process; keyd: through keyd; checked: and each signature verified by us
 *		-g	keys a second instead: each is generated, signs once and is erased, as a renewal does
 *
 * Prints one line: signatures a second, and the CPU microseconds of each in this process and its children.
 */
#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "clock.h"
#include "config.h"
#include "processes.h"
#include "token.h"

#define CALLERS_MAX 64

static atomic_bool is_over;
static uint8_t digest[32] = { 1, 2, 3 };

struct caller {
	pthread_t thread;
	unsigned long count;
	bool failed;
	CK_FUNCTION_LIST *call; /* direct */
	CK_SLOT_ID slot;
	CK_OBJECT_HANDLE object;
	struct token *token;      /* through token.h */
	struct remote_link *keyd; /* NULL: in this process */
	struct token_key *key;
	bool is_checked;
};

static void *sign_directly(void *ctx)
{
	struct caller *caller = ctx;
	CK_MECHANISM mechanism = { CKM_ECDSA, NULL, 0 };
	CK_SESSION_HANDLE session;

	caller->failed = caller->call->C_OpenSession(caller->slot, CKF_SERIAL_SESSION, NULL, NULL, &session) != CKR_OK;
	while (!is_over && !caller->failed) {
		CK_BYTE sig[128];
		CK_ULONG len = sizeof(sig);

		caller->failed = caller->call->C_SignInit(session, &mechanism, caller->object) != CKR_OK ||
				 caller->call->C_Sign(session, digest, sizeof(digest), sig, &len) != CKR_OK;
		caller->count++;
	}
	return NULL;
}

static void *sign_by_token(void *ctx)
{
	struct caller *caller = ctx;

	while (!is_over && !caller->failed) {
		AUTO(buf) struct buf sig = BUF_MAX(TOKEN_SIG_MAX);
		enum rc rc = caller->is_checked
				     ? token_sign(caller->key, TOKEN_ECDSA, TOKEN_SHA256, SPAN(digest), &sig, NULL)
				     : caller->key->ops->sign(caller->key, TOKEN_ECDSA, TOKEN_SHA256, SPAN(digest), &sig, NULL);

		caller->failed = rc != RC_OK;
		caller->count++;
	}
	return NULL;
}

static CK_OBJECT_HANDLE key_make(CK_FUNCTION_LIST *call, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *ret_public)
{
	static CK_BYTE p256[] = { 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 };
	static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
	CK_MECHANISM mechanism = { CKM_EC_KEY_PAIR_GEN, NULL, 0 };
	CK_ATTRIBUTE public_key[] = { { CKA_EC_PARAMS, p256, sizeof(p256) }, { CKA_TOKEN, &yes, 1 } };
	CK_ATTRIBUTE private_key[] = { { CKA_TOKEN, &yes, 1 },
				       { CKA_PRIVATE, &yes, 1 },
				       { CKA_SENSITIVE, &yes, 1 },
				       { CKA_EXTRACTABLE, &no, 1 },
				       { CKA_SIGN, &yes, 1 } };
	CK_OBJECT_HANDLE object = 0;

	call->C_GenerateKeyPair(session, &mechanism, public_key, 2, private_key, 5, ret_public, &object);
	return object;
}

/* A key of its own each time. */
static void *renew_directly(void *ctx)
{
	struct caller *caller = ctx;
	CK_MECHANISM mechanism = { CKM_ECDSA, NULL, 0 };
	CK_SESSION_HANDLE session;

	caller->failed =
		caller->call->C_OpenSession(caller->slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session) != CKR_OK;
	while (!is_over && !caller->failed) {
		CK_BYTE sig[128];
		CK_ULONG len = sizeof(sig);
		CK_OBJECT_HANDLE public_object = 0, object = key_make(caller->call, session, &public_object);

		caller->failed = !object || caller->call->C_SignInit(session, &mechanism, object) != CKR_OK ||
				 caller->call->C_Sign(session, digest, sizeof(digest), sig, &len) != CKR_OK ||
				 caller->call->C_DestroyObject(session, object) != CKR_OK ||
				 caller->call->C_DestroyObject(session, public_object) != CKR_OK;
		caller->count++;
	}
	return NULL;
}

/* As the engine does (keyring_reserve()). */
static enum rc name_draw(const struct caller *caller, struct token_key_name *ret_name)
{
	return caller->keyd ? remote_key_name(caller->keyd, "bench", 0, ret_name, NULL)
			    : token_key_name_make("bench", 0, ret_name, NULL);
}

static void *renew_by_token(void *ctx)
{
	struct caller *caller = ctx;

	while (!is_over && !caller->failed) {
		AUTO(buf) struct buf sig = BUF_MAX(TOKEN_SIG_MAX);
		struct token_key_name name;
		struct token_key *key = NULL;

		caller->failed = name_draw(caller, &name) != RC_OK ||
				 token_generate(caller->token, &name, KEY_EC_P256, &key, NULL) != RC_OK ||
				 token_sign(key, TOKEN_ECDSA, TOKEN_SHA256, SPAN(digest), &sig, NULL) != RC_OK ||
				 token_erase(key, NULL) != RC_OK;
		caller->count++;
	}
	return NULL;
}

/* Runs them for so many seconds; the count of all, 0 when one failed. */
static unsigned long run(struct caller *callers, unsigned count, void *(*body)(void *), unsigned seconds)
{
	unsigned long total = 0;
	bool failed = false;

	for (unsigned i = 0; i < count; i++)
		pthread_create(&callers[i].thread, NULL, body, &callers[i]);
	(void)!clock_wait_until(INT64_MAX, seconds * INT64_C(1000));
	is_over = true;
	for (unsigned i = 0; i < count; i++) {
		pthread_join(callers[i].thread, NULL);
		total += callers[i].count;
		failed = failed || callers[i].failed;
	}
	return failed ? 0 : total;
}

static CK_FUNCTION_LIST *module_load(const char *path)
{
	void *handle = dlopen(path, RTLD_NOW);
	CK_C_GetFunctionList get = NULL;
	CK_FUNCTION_LIST *call = NULL;
	CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };
	void *symbol = handle ? dlsym(handle, "C_GetFunctionList") : NULL;

	memcpy(&get, &symbol, sizeof(get));
	return get && get(&call) == CKR_OK && call->C_Initialize(&args) == CKR_OK ? call : NULL;
}

static bool slot_find(CK_FUNCTION_LIST *call, const char *label, CK_SLOT_ID *ret_slot)
{
	CK_SLOT_ID slots[16];
	CK_ULONG count = 16;

	if (call->C_GetSlotList(CK_TRUE, slots, &count) != CKR_OK)
		return false;
	for (CK_ULONG i = 0; i < count; i++) {
		CK_TOKEN_INFO info;

		if (call->C_GetTokenInfo(slots[i], &info) == CKR_OK && memcmp(info.label, label, strlen(label)) == 0) {
			*ret_slot = slots[i];
			return true;
		}
	}
	return false;
}

static unsigned long bench_direct(char **argv, bool makes_keys, unsigned count, unsigned seconds)
{
	static struct caller callers[CALLERS_MAX];
	CK_FUNCTION_LIST *call = module_load(argv[2]);
	CK_SESSION_HANDLE session;
	CK_SLOT_ID slot;

	if (!call || !slot_find(call, argv[3], &slot) ||
	    call->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session) != CKR_OK ||
	    call->C_Login(session, CKU_USER, (CK_BYTE *)argv[4], strlen(argv[4])) != CKR_OK)
		return 0;
	CK_OBJECT_HANDLE public_object = 0, object = key_make(call, session, &public_object);
	for (unsigned i = 0; i < count; i++)
		callers[i] = (struct caller){ .call = call, .slot = slot, .object = object };
	unsigned long total = run(callers, count, makes_keys ? renew_directly : sign_directly, seconds);
	call->C_DestroyObject(session, object);
	call->C_DestroyObject(session, public_object);
	call->C_Finalize(NULL);
	return total;
}

static unsigned long bench_token(char **argv, bool makes_keys, unsigned count, unsigned seconds)
{
	static struct caller callers[CALLERS_MAX];
	AUTO(config) struct config *config = NULL;
	AUTO(processes) struct processes *processes = NULL;
	AUTO(token) struct token *token = NULL;
	AUTO(token_key) struct token_key *key = NULL;
	struct token_key_name name;
	struct err err = { 0 };
	char keys_dir[4096];
	enum rc rc = config_load(argv[2], &config, &err);

	if (rc == RC_OK)
		snprintf(keys_dir, sizeof(keys_dir), "%s/keys", config->state);
	if (rc == RC_OK && strcmp(argv[1], "backend") == 0)
		rc = token_open(config_token_get(config, argv[3]), keys_dir, &token, &err);
	else if (rc == RC_OK && (rc = processes_start(config, &processes, &err)) == RC_OK)
		rc = remote_open(processes_keyd(processes), argv[3], &token, &err);
	if (rc == RC_OK)
		rc = token_key_name_make("bench", 0, &name, &err);
	if (rc == RC_OK)
		rc = token_generate(token, &name, KEY_EC_P256, &key, &err);
	if (rc != RC_OK) {
		fprintf(stderr, "sign_bench: %s\n", err.text);
		return 0;
	}
	for (unsigned i = 0; i < count; i++)
		callers[i] = (struct caller){ .token = token,
					      .keyd = processes ? processes_keyd(processes) : NULL,
					      .key = key,
					      .is_checked = strcmp(argv[1], "checked") == 0 };
	unsigned long total = run(callers, count, makes_keys ? renew_by_token : sign_by_token, seconds);
	return token_erase(key, &err) == RC_OK ? total : 0;
}

static double cpu_seconds(int who)
{
	struct rusage usage;

	getrusage(who, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv)
{
	bool makes_keys = argc > 1 && strcmp(argv[1], "-g") == 0;

	argv += makes_keys;
	argc -= makes_keys;
	bool direct = argc == 7 && strcmp(argv[1], "direct") == 0;

	if (!direct && argc != 6) {
		fputs("usage: see the head of tests/bench/sign_bench.c\n", stderr);
		return 2;
	}
	unsigned count = (unsigned)atoi(argv[argc - 2]), seconds = (unsigned)atoi(argv[argc - 1]);
	if (count < 1 || count > CALLERS_MAX || seconds < 1)
		return 2;
	unsigned long total =
		direct ? bench_direct(argv, makes_keys, count, seconds) : bench_token(argv, makes_keys, count, seconds);
	if (!total) {
		fputs("sign_bench: a signature failed\n", stderr);
		return 1;
	}
	printf("%.0f %.1f\n", (double)total / seconds,
	       (cpu_seconds(RUSAGE_SELF) + cpu_seconds(RUSAGE_CHILDREN)) * 1e6 / (double)total);
	return 0;
}
