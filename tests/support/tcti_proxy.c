/* tcti_proxy.c -- a TCTI that passes every command to another one, and breaks those that a script names; see README.md. */
#include "tcti_proxy.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tss2/tss2_tcti.h>
#include <tss2/tss2_tctildr.h>

#include "fault_script.h"

#define EXPORT       __attribute__((visibility("default")))
#define PROXY_MAGIC  0x6877612d70726f78u /* "hwa-prox" */
#define MESSAGE_MAX  4096
#define HEADER_LEN   10
#define TRACKED_MAX  64
#define LAYER_MASK   0xff0000u
#define CONTINUE_BIT 0x01u

struct code {
	const char *name;
	uint32_t number;
};
#define CODE(name) { #name, (uint32_t)name },
static const struct code RESPONSE_CODES[] = {
#include "tpm2_rc_codes.inc"
};
static const struct code COMMANDS[] = {
#include "tpm2_cc_codes.inc"
};
#undef CODE
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* How many handles begin a command, where that is not none; and which answers begin with one. */
static const struct {
	uint32_t command;
	uint8_t handles;
	bool makes_one;
} SHAPES[] = {
	{ TPM2_CC_CreatePrimary, 1, true },
	{ TPM2_CC_Create, 1, false },
	{ TPM2_CC_Load, 1, true },
	{ TPM2_CC_LoadExternal, 0, true },
	{ TPM2_CC_CreateLoaded, 1, true },
	{ TPM2_CC_ContextLoad, 0, true },
	{ TPM2_CC_ContextSave, 1, false },
	{ TPM2_CC_FlushContext, 0, false },
	{ TPM2_CC_StartAuthSession, 2, true },
	{ TPM2_CC_Sign, 1, false },
	{ TPM2_CC_ReadPublic, 1, false },
	{ TPM2_CC_Certify, 2, false },
	{ TPM2_CC_CertifyCreation, 2, false },
	{ TPM2_CC_Unseal, 1, false },
	{ TPM2_CC_EvictControl, 2, false },
	{ TPM2_CC_PolicySecret, 2, false },
	{ TPM2_CC_PolicyPCR, 1, false },
	{ TPM2_CC_PolicyAuthValue, 1, false },
	{ TPM2_CC_PolicyCommandCode, 1, false },
	{ TPM2_CC_PolicyGetDigest, 1, false },
	{ TPM2_CC_PolicyRestart, 1, false },
	{ TPM2_CC_PolicyPassword, 1, false },
	{ TPM2_CC_ActivateCredential, 2, false },
	{ TPM2_CC_MakeCredential, 1, false },
	{ TPM2_CC_NV_ReadPublic, 1, false },
	{ TPM2_CC_NV_Read, 2, false },
	{ TPM2_CC_NV_Write, 2, false },
	{ TPM2_CC_NV_Increment, 2, false },
	{ TPM2_CC_NV_DefineSpace, 1, false },
	{ TPM2_CC_HierarchyChangeAuth, 1, false },
	{ TPM2_CC_Clear, 1, false },
	{ TPM2_CC_DictionaryAttackLockReset, 1, false },
	{ TPM2_CC_ObjectChangeAuth, 2, false },
	{ TPM2_CC_RSA_Decrypt, 1, false },
	{ TPM2_CC_ECDH_ZGen, 1, false },
	{ TPM2_CC_HMAC, 1, false },
	{ TPM2_CC_HashSequenceStart, 0, true },
	{ TPM2_CC_SequenceUpdate, 1, false },
	{ TPM2_CC_SequenceComplete, 1, false },
};

struct proxy {
	TSS2_TCTI_CONTEXT_COMMON_V2 base;
	TSS2_TCTI_CONTEXT *inner;
	struct fault fault;
	uint8_t command[MESSAGE_MAX], answer[MESSAGE_MAX];
	size_t command_len, answer_len;
	bool has_answer; /* kept here, because it is asked for its size first */
	bool is_sent;    /* the inner one owes an answer */
	bool is_due;     /* an answer is due at all */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t tracked[TRACKED_MAX];
static struct tcti_proxy_state state;

static bool response_code(const char *name, uint64_t *ret_code)
{
	for (size_t i = 0; i < COUNT(RESPONSE_CODES); i++) {
		if (strcmp(RESPONSE_CODES[i].name, name) == 0) {
			*ret_code = RESPONSE_CODES[i].number;
			return true;
		}
	}
	return false;
}

static const char *command_name(uint32_t command, char text[32])
{
	for (size_t i = 0; i < COUNT(COMMANDS); i++) {
		if (COMMANDS[i].number == command) {
			snprintf(text, 32, "TPM2_%s", COMMANDS[i].name + strlen("TPM2_CC_"));
			return text;
		}
	}
	snprintf(text, 32, "TPM2_0x%x", command);
	return text;
}

static uint32_t number_at(const uint8_t *message, size_t len, size_t at)
{
	if (at + 4 > len)
		return 0;
	return (uint32_t)message[at] << 24 | (uint32_t)message[at + 1] << 16 | (uint32_t)message[at + 2] << 8 | message[at + 3];
}

static void shape_of(uint32_t command, unsigned *ret_handles, bool *ret_makes_one)
{
	*ret_handles = 0;
	*ret_makes_one = false;
	for (size_t i = 0; i < COUNT(SHAPES); i++) {
		if (SHAPES[i].command == command) {
			*ret_handles = SHAPES[i].handles;
			*ret_makes_one = SHAPES[i].makes_one;
		}
	}
}

static bool is_object(uint32_t handle)
{
	return handle >> 24 == 0x80;
}

static bool is_session(uint32_t handle)
{
	return handle >> 24 == 0x02 || handle >> 24 == 0x03;
}

static void recount(void)
{
	state.objects = state.sessions = 0;
	for (size_t i = 0; i < TRACKED_MAX; i++) {
		state.objects += is_object(tracked[i]);
		state.sessions += is_session(tracked[i]);
	}
	if (state.objects > state.objects_most)
		state.objects_most = state.objects;
	if (state.sessions > state.sessions_most)
		state.sessions_most = state.sessions;
}

static void track(uint32_t handle, bool is_there)
{
	size_t free_at = TRACKED_MAX;

	if (!is_object(handle) && !is_session(handle))
		return;
	pthread_mutex_lock(&lock);
	for (size_t i = TRACKED_MAX; i-- > 0;) {
		if (tracked[i] == handle)
			tracked[i] = 0;
		if (!tracked[i])
			free_at = i;
	}
	if (is_there && free_at < TRACKED_MAX)
		tracked[free_at] = handle;
	recount();
	pthread_mutex_unlock(&lock);
}

/* A session that is not told to go on ends with a command that succeeds. */
static void track_ended_sessions(const struct proxy *proxy, unsigned handles)
{
	const uint8_t *message = proxy->command;
	size_t at = HEADER_LEN + 4u * handles, end;

	if (message[0] != 0x80 || message[1] != 0x02)
		return;
	end = at + 4 + number_at(message, proxy->command_len, at);
	/* handle, nonce with its size, attributes, hmac with its size */
	for (at += 4; at + 9 <= end && end <= proxy->command_len;) {
		uint32_t handle = number_at(message, end, at);
		size_t attributes_at = at + 6 + ((size_t)message[at + 4] << 8 | message[at + 5]);

		if (attributes_at + 3 > end)
			return;
		if (!(message[attributes_at] & CONTINUE_BIT))
			track(handle, false);
		at = attributes_at + 3 + ((size_t)message[attributes_at + 1] << 8 | message[attributes_at + 2]);
	}
}

/* What the TPM really did, whatever the caller is told of it. */
static void track_answer(const struct proxy *proxy)
{
	uint32_t command = number_at(proxy->command, proxy->command_len, 6);
	unsigned handles;
	bool makes_one;

	if (number_at(proxy->answer, proxy->answer_len, 6) != TPM2_RC_SUCCESS)
		return;
	shape_of(command, &handles, &makes_one);
	if (makes_one)
		track(number_at(proxy->answer, proxy->answer_len, HEADER_LEN), true);
	if (command == TPM2_CC_FlushContext)
		track(number_at(proxy->command, proxy->command_len, HEADER_LEN), false);
	if (command == TPM2_CC_ContextSave && is_session(number_at(proxy->command, proxy->command_len, HEADER_LEN)))
		track(number_at(proxy->command, proxy->command_len, HEADER_LEN), false);
	if (command == TPM2_CC_SequenceComplete)
		track(number_at(proxy->command, proxy->command_len, HEADER_LEN), false);
	track_ended_sessions(proxy, handles);
}

static void log_answer(const struct proxy *proxy, uint32_t told)
{
	uint32_t command = number_at(proxy->command, proxy->command_len, 6);
	char name[32], details[96] = "", result[96];
	size_t used = 0;
	unsigned handles;
	bool makes_one;

	shape_of(command, &handles, &makes_one);
	if (command == TPM2_CC_FlushContext)
		handles = 1;
	for (unsigned i = 0; i < handles; i++)
		used += (size_t)snprintf(details + used, sizeof(details) - used, " handle=0x%08x",
					 number_at(proxy->command, proxy->command_len, HEADER_LEN + 4u * i));
	if (makes_one && told == TPM2_RC_SUCCESS)
		snprintf(details + used, sizeof(details) - used, " new=0x%08x",
			 number_at(proxy->answer, proxy->answer_len, HEADER_LEN));
	struct tcti_proxy_state now = tcti_proxy_state();
	snprintf(result, sizeof(result), "0x%03x objects=%u sessions=%u", told, now.objects, now.sessions);
	fault_log(command_name(command, name), details, result);
}

static struct proxy *proxy_of(TSS2_TCTI_CONTEXT *ctx)
{
	struct proxy *proxy = (struct proxy *)(void *)ctx;

	return proxy && proxy->base.v1.magic == PROXY_MAGIC ? proxy : NULL;
}

static bool is_tcti_code(uint64_t code)
{
	return (code & LAYER_MASK) == TSS2_TCTI_RC_LAYER;
}

static TSS2_RC proxy_transmit(TSS2_TCTI_CONTEXT *ctx, size_t size, const uint8_t *command)
{
	struct proxy *proxy = proxy_of(ctx);
	char name[32];

	if (!proxy || size < HEADER_LEN || size > MESSAGE_MAX)
		return TSS2_TCTI_RC_BAD_VALUE;
	memcpy(proxy->command, command, size);
	proxy->command_len = size;
	proxy->has_answer = proxy->is_sent = proxy->is_due = false;
	proxy->fault = fault_next(command_name(number_at(command, size, 6), name));
	if (proxy->fault.is_instead) {
		if (is_tcti_code(proxy->fault.code))
			log_answer(proxy, (uint32_t)proxy->fault.code);
		proxy->is_due = !is_tcti_code(proxy->fault.code);
		return proxy->is_due ? TSS2_RC_SUCCESS : (TSS2_RC)proxy->fault.code;
	}
	TSS2_RC rc = Tss2_Tcti_Transmit(proxy->inner, size, command);
	proxy->is_sent = proxy->is_due = rc == TSS2_RC_SUCCESS;
	if (rc != TSS2_RC_SUCCESS)
		log_answer(proxy, rc);
	return rc;
}

/* A code of the TPM, in an answer that has nothing else. */
static void answer_code(struct proxy *proxy, uint32_t code)
{
	const uint8_t answer[HEADER_LEN] = {
		0x80, 0x01, 0, 0, 0, HEADER_LEN, (uint8_t)(code >> 24), (uint8_t)(code >> 16), (uint8_t)(code >> 8), (uint8_t)code
	};

	memcpy(proxy->answer, answer, sizeof(answer));
	proxy->answer_len = sizeof(answer);
}

static TSS2_RC answer_fetch(struct proxy *proxy, int32_t timeout)
{
	const struct fault *fault = &proxy->fault;
	uint32_t told = (uint32_t)fault->code;

	if (!proxy->is_due)
		return TSS2_TCTI_RC_BAD_SEQUENCE;
	if (proxy->is_sent) {
		proxy->answer_len = sizeof(proxy->answer);
		TSS2_RC rc = Tss2_Tcti_Receive(proxy->inner, &proxy->answer_len, proxy->answer, timeout);
		if (rc != TSS2_RC_SUCCESS)
			return rc;
		proxy->is_sent = false;
		track_answer(proxy);
		told = fault->is_lost ? told : number_at(proxy->answer, proxy->answer_len, 6);
	}
	proxy->is_due = false;
	log_answer(proxy, told);
	if (fault->is_lost && is_tcti_code(fault->code))
		return (TSS2_RC)fault->code;
	if (fault->is_lost || fault->is_instead)
		answer_code(proxy, told);
	if (fault->is_cut && fault->cut < proxy->answer_len)
		proxy->answer_len = fault->cut;
	if (fault->is_garbled && fault->garbled < proxy->answer_len)
		proxy->answer[fault->garbled] ^= 0xff;
	proxy->has_answer = true;
	return TSS2_RC_SUCCESS;
}

static TSS2_RC proxy_receive(TSS2_TCTI_CONTEXT *ctx, size_t *size, uint8_t *answer, int32_t timeout)
{
	struct proxy *proxy = proxy_of(ctx);
	TSS2_RC rc = TSS2_RC_SUCCESS;

	if (!proxy || !size)
		return TSS2_TCTI_RC_BAD_REFERENCE;
	if (!proxy->has_answer)
		rc = answer_fetch(proxy, timeout);
	if (rc != TSS2_RC_SUCCESS)
		return rc;
	size_t room = *size;
	*size = proxy->answer_len;
	if (!answer)
		return TSS2_RC_SUCCESS;
	if (room < proxy->answer_len)
		return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
	memcpy(answer, proxy->answer, proxy->answer_len);
	proxy->has_answer = false;
	return TSS2_RC_SUCCESS;
}

static void proxy_finalize(TSS2_TCTI_CONTEXT *ctx)
{
	struct proxy *proxy = proxy_of(ctx);

	if (proxy)
		Tss2_TctiLdr_Finalize(&proxy->inner);
}

static TSS2_RC proxy_cancel(TSS2_TCTI_CONTEXT *ctx)
{
	return Tss2_Tcti_Cancel(proxy_of(ctx)->inner);
}

static TSS2_RC proxy_poll_handles(TSS2_TCTI_CONTEXT *ctx, TSS2_TCTI_POLL_HANDLE *handles, size_t *count)
{
	return Tss2_Tcti_GetPollHandles(proxy_of(ctx)->inner, handles, count);
}

static TSS2_RC proxy_set_locality(TSS2_TCTI_CONTEXT *ctx, uint8_t locality)
{
	return Tss2_Tcti_SetLocality(proxy_of(ctx)->inner, locality);
}

static TSS2_RC proxy_make_sticky(TSS2_TCTI_CONTEXT *ctx, TPM2_HANDLE *handle, uint8_t sticky)
{
	(void)ctx, (void)handle, (void)sticky;
	return TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

/* `conf` is the TCTI string of the one behind. */
static TSS2_RC proxy_init(TSS2_TCTI_CONTEXT *ctx, size_t *size, const char *conf)
{
	struct proxy *proxy = (struct proxy *)(void *)ctx;

	if (!size)
		return TSS2_TCTI_RC_BAD_VALUE;
	if (!proxy) {
		*size = sizeof(*proxy);
		return TSS2_RC_SUCCESS;
	}
	if (*size < sizeof(*proxy) || !conf)
		return TSS2_TCTI_RC_BAD_VALUE;
	fault_script_start("HWA_TCTI_PROXY", response_code);
	struct fault fault = fault_next("TPM2_tcti_open");
	fault_log("TPM2_tcti_open", "", fault.is_instead ? "refused" : "tried");
	if (fault.is_instead)
		return (TSS2_RC)fault.code;
	memset(proxy, 0, sizeof(*proxy));
	TSS2_RC rc = Tss2_TctiLdr_Initialize(conf, &proxy->inner);
	if (rc != TSS2_RC_SUCCESS)
		return rc;
	proxy->base.v1 = (TSS2_TCTI_CONTEXT_COMMON_V1){ PROXY_MAGIC,        2,
							proxy_transmit,     proxy_receive,
							proxy_finalize,     proxy_cancel,
							proxy_poll_handles, proxy_set_locality };
	proxy->base.makeSticky = proxy_make_sticky;
	return TSS2_RC_SUCCESS;
}

EXPORT const TSS2_TCTI_INFO *Tss2_Tcti_Info(void);
const TSS2_TCTI_INFO *Tss2_Tcti_Info(void)
{
	static const TSS2_TCTI_INFO info = { 2, "hwacme-proxy", "breaks what a script names", "TCTI string of the one behind",
					     proxy_init };

	return &info;
}

EXPORT void tcti_proxy_script(const char *text)
{
	pthread_mutex_lock(&lock);
	state.objects_most = state.objects;
	state.sessions_most = state.sessions;
	pthread_mutex_unlock(&lock);
	fault_script_start("HWA_TCTI_PROXY", response_code);
	fault_script_text(text);
}

EXPORT uint64_t tcti_proxy_calls(const char *command)
{
	return fault_calls(command);
}

EXPORT struct tcti_proxy_state tcti_proxy_state(void)
{
	pthread_mutex_lock(&lock);
	struct tcti_proxy_state now = state;
	pthread_mutex_unlock(&lock);
	return now;
}
