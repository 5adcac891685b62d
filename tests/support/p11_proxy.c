/* p11_proxy.c -- a PKCS#11 module that passes every call to a real one, and breaks those that a script names; see README.md. */
#include "p11_proxy.h"

#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault_script.h"
#include "p11_calls.h"

#define DEFAULT_MODULE "/usr/lib/softhsm/libsofthsm2.so"
#define SESSION_MAX    4096
#define OBJECT_MAX     4096
#define TEMPLATE_MAX   32
#define EXPORT         __attribute__((visibility("default")))

struct code {
	const char *name;
	CK_ULONG number;
};
#define CODE(name) { #name, (CK_ULONG)name },
static const struct code RETURN_CODES[] = {
#include "ckr_codes.inc"
};
static const struct code ATTRIBUTES[] = {
#include "cka_codes.inc"
};
#undef CODE

/* Three floors: `module` is the real one, `below` adds caps, lies and accounts to it, `above` faults and the log. */
static CK_FUNCTION_LIST *module, below, above;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t inside = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
static CK_SESSION_HANDLE sessions[SESSION_MAX];
static struct p11_proxy_state state;

static bool code_find(const struct code *codes, size_t count, const char *name, uint64_t *ret_code)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(codes[i].name, name) == 0) {
			*ret_code = codes[i].number;
			return true;
		}
	}
	return false;
}

static const char *code_name(const struct code *codes, size_t count, CK_ULONG number)
{
	for (size_t i = 0; i < count; i++)
		if (codes[i].number == number)
			return codes[i].name;
	return "?";
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool return_code(const char *name, uint64_t *ret_code)
{
	return code_find(RETURN_CODES, COUNT(RETURN_CODES), name, ret_code);
}

static long setting_number(const char *key)
{
	char value[32];

	return fault_setting(key, 0, value, sizeof(value)) ? strtol(value, NULL, 0) : -1;
}

/* Names of the attributes asked for. */
static const char *types_text(const CK_ATTRIBUTE *attributes, CK_ULONG count)
{
	static _Thread_local char text[256];
	size_t used = 0;

	text[0] = '\0';
	for (CK_ULONG i = 0; i < count && used < sizeof(text); i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, " %s",
					 code_name(ATTRIBUTES, COUNT(ATTRIBUTES), attributes[i].type));
	return text;
}

/* What a template looks for or makes: class, id and label, no other value. */
static const char *template_text(const CK_ATTRIBUTE *attributes, CK_ULONG count)
{
	static _Thread_local char text[320];
	size_t used = 0;

	text[0] = '\0';
	for (CK_ULONG i = 0; i < count && used < 200; i++) {
		const CK_ATTRIBUTE *one = &attributes[i];
		const unsigned char *value = one->pValue;

		if (one->type == CKA_CLASS && one->ulValueLen == sizeof(CK_OBJECT_CLASS))
			used += (size_t)snprintf(text + used, sizeof(text) - used, " class=%lu",
						 *(const CK_OBJECT_CLASS *)one->pValue);
		if (one->type == CKA_LABEL)
			used += (size_t)snprintf(text + used, sizeof(text) - used, " label=%.*s",
						 one->ulValueLen < 64 ? (int)one->ulValueLen : 64, (const char *)value);
		if (one->type == CKA_ID) {
			used += (size_t)snprintf(text + used, sizeof(text) - used, " id=");
			for (CK_ULONG at = 0; at < one->ulValueLen && at < 16; at++)
				used += (size_t)snprintf(text + used, sizeof(text) - used, "%02x", value[at]);
		}
	}
	return text;
}

static void session_opened(CK_SESSION_HANDLE session)
{
	pthread_mutex_lock(&lock);
	if (state.sessions < SESSION_MAX)
		sessions[state.sessions++] = session;
	if (state.sessions > state.sessions_most)
		state.sessions_most = state.sessions;
	pthread_mutex_unlock(&lock);
}

static void session_closed(CK_SESSION_HANDLE session)
{
	pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < state.sessions; i++) {
		if (sessions[i] == session) {
			sessions[i] = sessions[--state.sessions];
			break;
		}
	}
	pthread_mutex_unlock(&lock);
}

static void sessions_gone(void)
{
	pthread_mutex_lock(&lock);
	state.sessions_left += state.sessions;
	state.sessions = 0;
	pthread_mutex_unlock(&lock);
}

static unsigned sessions_now(void)
{
	pthread_mutex_lock(&lock);
	unsigned now = state.sessions;
	pthread_mutex_unlock(&lock);
	return now;
}

static void pad_with_nuls(CK_UTF8CHAR *field, size_t width)
{
	while (width && field[width - 1] == ' ')
		field[--width] = '\0';
}

/* Of a token that nobody knows, which is used as PKCS#11 says: $HWA_P11_PROXY_MODEL.  "token-flags-off 0x4": CKF_LOGIN_REQUIRED is not
 * told; "token-pad-nul 1": texts end with NULs. */
static CK_RV below_C_GetTokenInfo(CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
	const char *model = getenv("HWA_P11_PROXY_MODEL");
	long off = setting_number("token-flags-off"), on = setting_number("token-flags-on");
	CK_RV rv = module->C_GetTokenInfo(slot, info);

	if (rv == CKR_OK && model) {
		memset(info->model, ' ', sizeof(info->model));
		memcpy(info->model, model, strnlen(model, sizeof(info->model)));
	}
	if (rv == CKR_OK && off > 0)
		info->flags &= ~(CK_FLAGS)off;
	if (rv == CKR_OK && on > 0)
		info->flags |= (CK_FLAGS)on;
	if (rv == CKR_OK && setting_number("write-protected") > 0)
		info->flags |= CKF_WRITE_PROTECTED;
	if (rv == CKR_OK && setting_number("token-pad-nul") > 0) {
		pad_with_nuls(info->label, sizeof(info->label));
		pad_with_nuls(info->manufacturerID, sizeof(info->manufacturerID));
		pad_with_nuls(info->model, sizeof(info->model));
		pad_with_nuls(info->serialNumber, sizeof(info->serialNumber));
	}
	return rv;
}

static CK_RV below_C_OpenSession(CK_SLOT_ID slot, CK_FLAGS flags, void *ctx, CK_NOTIFY notify, CK_SESSION_HANDLE *session)
{
	long most = setting_number("max-sessions");

	if (most >= 0 && sessions_now() >= (unsigned long)most)
		return CKR_SESSION_COUNT;
	if (flags & CKF_RW_SESSION && setting_number("write-protected") > 0)
		return CKR_TOKEN_WRITE_PROTECTED;
	CK_RV rv = module->C_OpenSession(slot, flags, ctx, notify, session);
	if (rv == CKR_OK)
		session_opened(*session);
	return rv;
}

static CK_RV below_C_CloseSession(CK_SESSION_HANDLE session)
{
	CK_RV rv = module->C_CloseSession(session);

	if (rv == CKR_OK)
		session_closed(session);
	return rv;
}

/* Only this slot's are closed; a test that counts uses one slot. */
static CK_RV below_C_CloseAllSessions(CK_SLOT_ID slot)
{
	CK_RV rv = module->C_CloseAllSessions(slot);

	if (rv == CKR_OK)
		sessions_gone();
	return rv;
}

static CK_RV below_C_Finalize(void *reserved)
{
	CK_RV rv = module->C_Finalize(reserved);

	if (rv == CKR_OK)
		sessions_gone();
	return rv;
}

static CK_RV below_C_Login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_BYTE *pin, CK_ULONG len)
{
	CK_RV rv = module->C_Login(session, user, pin, len);

	pthread_mutex_lock(&lock);
	state.logins++;
	state.logins_refused += rv == CKR_PIN_INCORRECT || rv == CKR_PIN_LOCKED;
	pthread_mutex_unlock(&lock);
	return rv;
}

/* Private keys in the token, also those that were there before this process. */
static CK_ULONG private_keys(CK_SLOT_ID slot)
{
	static CK_OBJECT_HANDLE objects[OBJECT_MAX];
	CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
	CK_ATTRIBUTE wanted = { CKA_CLASS, &class, sizeof(class) };
	CK_SESSION_HANDLE session;
	CK_ULONG count = 0;

	if (module->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &session) != CKR_OK)
		return 0;
	pthread_mutex_lock(&lock);
	if (module->C_FindObjectsInit(session, &wanted, 1) == CKR_OK) {
		if (module->C_FindObjects(session, objects, OBJECT_MAX, &count) != CKR_OK)
			count = 0;
		module->C_FindObjectsFinal(session);
	}
	pthread_mutex_unlock(&lock);
	module->C_CloseSession(session);
	return count;
}

/* "id-length 2": a CKA_ID is cut to so many bytes, whoever gives it, as by YubiHSM's module before 2.4. */
static CK_ATTRIBUTE *ids_cut(const CK_ATTRIBUTE *attributes, CK_ULONG count, CK_ATTRIBUTE cut[TEMPLATE_MAX])
{
	long most = setting_number("id-length");

	if (count > TEMPLATE_MAX)
		abort();
	for (CK_ULONG i = 0; i < count; i++) {
		cut[i] = attributes[i];
		if (most >= 0 && cut[i].type == CKA_ID && cut[i].ulValueLen > (CK_ULONG)most)
			cut[i].ulValueLen = (CK_ULONG)most;
	}
	return cut;
}

static CK_RV below_C_FindObjectsInit(CK_SESSION_HANDLE session, CK_ATTRIBUTE *attributes, CK_ULONG count)
{
	CK_ATTRIBUTE cut[TEMPLATE_MAX];

	return module->C_FindObjectsInit(session, ids_cut(attributes, count, cut), count);
}

static CK_RV below_C_CreateObject(CK_SESSION_HANDLE session, CK_ATTRIBUTE *attributes, CK_ULONG count, CK_OBJECT_HANDLE *object)
{
	CK_ATTRIBUTE cut[TEMPLATE_MAX];

	return module->C_CreateObject(session, ids_cut(attributes, count, cut), count, object);
}

static CK_RV below_C_CopyObject(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *attributes, CK_ULONG count,
				CK_OBJECT_HANDLE *copy)
{
	CK_ATTRIBUTE cut[TEMPLATE_MAX];

	return module->C_CopyObject(session, object, ids_cut(attributes, count, cut), count, copy);
}

static CK_RV below_C_GenerateKeyPair(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_ATTRIBUTE *public_attributes,
				     CK_ULONG public_count, CK_ATTRIBUTE *private_attributes, CK_ULONG private_count,
				     CK_OBJECT_HANDLE *public_key, CK_OBJECT_HANDLE *private_key)
{
	long most = setting_number("max-keys");
	CK_ATTRIBUTE public_cut[TEMPLATE_MAX], private_cut[TEMPLATE_MAX];
	CK_SESSION_INFO info;

	if (most >= 0 && module->C_GetSessionInfo(session, &info) == CKR_OK && private_keys(info.slotID) >= (CK_ULONG)most)
		return CKR_DEVICE_MEMORY;
	return module->C_GenerateKeyPair(session, mechanism, ids_cut(public_attributes, public_count, public_cut), public_count,
					 ids_cut(private_attributes, private_count, private_cut), private_count, public_key,
					 private_key);
}

static bool is_private(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
	CK_OBJECT_CLASS class = CKO_DATA;
	CK_ATTRIBUTE asked = { CKA_CLASS, &class, sizeof(class) };

	return module->C_GetAttributeValue(session, object, &asked, 1) == CKR_OK && class == CKO_PRIVATE_KEY;
}

/* "lie CKA_EXTRACTABLE 1", "lie CKA_LOCAL unknown", "lie CKA_PUBLIC_EXPONENT unknown private" */
static void attribute_lie(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *attribute, CK_RV *rv)
{
	char line[96], name[64], value[32], of[16] = "";
	uint64_t type = 0;

	for (size_t i = 0; fault_setting("lie", i, line, sizeof(line)); i++) {
		int words = sscanf(line, "%63s %31s %15s", name, value, of);
		if (words < 2 || !code_find(ATTRIBUTES, COUNT(ATTRIBUTES), name, &type) ||
		    (words == 3 && strcmp(of, "private") != 0))
			abort(); /* as every mistake in a script */
		if (attribute->type != type || (words == 3 && !is_private(session, object)))
			continue;
		if (strcmp(value, "unknown") == 0) {
			attribute->ulValueLen = CK_UNAVAILABLE_INFORMATION;
			*rv = CKR_ATTRIBUTE_TYPE_INVALID;
		} else if (attribute->pValue && attribute->ulValueLen != CK_UNAVAILABLE_INFORMATION &&
			   (*rv == CKR_OK || *rv == CKR_ATTRIBUTE_TYPE_INVALID || *rv == CKR_ATTRIBUTE_SENSITIVE)) {
			memset(attribute->pValue, 0, attribute->ulValueLen);
			if (attribute->ulValueLen)
				*(CK_BYTE *)attribute->pValue = (CK_BYTE)strtoul(value, NULL, 0);
		}
	}
}

static CK_RV below_C_GetAttributeValue(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *attributes,
				       CK_ULONG count)
{
	CK_RV rv = module->C_GetAttributeValue(session, object, attributes, count);

	for (CK_ULONG i = 0; i < count; i++)
		attribute_lie(session, object, &attributes[i], &rv);
	return rv;
}

__attribute__((format(printf, 3, 4))) static CK_RV logged(const char *name, CK_RV rv, const char *format, ...)
{
	char details[640], result[96];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(details, sizeof(details), format, arguments);
	va_end(arguments);
	snprintf(result, sizeof(result), "%s (0x%lx) sessions=%u", code_name(RETURN_CODES, COUNT(RETURN_CODES), rv), rv,
		 sessions_now());
	fault_log(name, strcmp(details, " ") == 0 ? "" : details, result);
	return rv;
}

/*
 * A test ends every session while other threads work, in place of what a removed card or a restarted daemon does.  A
 * module need not bear that from a neighbour (SoftHSM frees a key twice when C_Sign is under way), so the two that end
 * sessions wait until every other call is out.
 */
static void enter(const char *name)
{
	if (strcmp(name, "C_CloseAllSessions") == 0 || strcmp(name, "C_Finalize") == 0)
		pthread_rwlock_wrlock(&inside);
	else
		pthread_rwlock_rdlock(&inside);
}

#define CALL(name, parameters, arguments, length_at, ...)                               \
	static CK_RV above_##name parameters                                            \
	{                                                                               \
		struct fault fault = fault_next(#name);                                 \
		CK_ULONG *length = length_at;                                           \
		enter(#name);                                                           \
		CK_RV rv = fault.is_instead ? (CK_RV)fault.code : below.name arguments; \
		pthread_rwlock_unlock(&inside);                                         \
		if (fault.is_lost)                                                      \
			rv = (CK_RV)fault.code;                                         \
		if (fault.has_length && length)                                         \
			*length = (CK_ULONG)fault.length;                               \
		return logged(#name, rv, __VA_ARGS__);                                  \
	}
P11_CALLS
#undef CALL

EXPORT CK_RV C_GetFunctionList(CK_FUNCTION_LIST **ret_list);

static CK_RV module_load(void)
{
	char path[256] = DEFAULT_MODULE;
	CK_C_GetFunctionList get_list = NULL;

	fault_script_start("HWA_P11_PROXY", return_code);
	(void)fault_setting("module", 0, path, sizeof(path));
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	void *symbol = handle ? dlsym(handle, "C_GetFunctionList") : NULL;
	memcpy(&get_list, &symbol, sizeof(get_list));
	if (!get_list || get_list(&module) != CKR_OK || !module) {
		fprintf(stderr, "p11_proxy: no PKCS#11 module at %s\n", path);
		module = NULL;
		return CKR_GENERAL_ERROR;
	}
	below = above = *module;
	below.C_GetTokenInfo = below_C_GetTokenInfo;
	below.C_OpenSession = below_C_OpenSession;
	below.C_CloseSession = below_C_CloseSession;
	below.C_CloseAllSessions = below_C_CloseAllSessions;
	below.C_Finalize = below_C_Finalize;
	below.C_Login = below_C_Login;
	below.C_FindObjectsInit = below_C_FindObjectsInit;
	below.C_CreateObject = below_C_CreateObject;
	below.C_CopyObject = below_C_CopyObject;
	below.C_GenerateKeyPair = below_C_GenerateKeyPair;
	below.C_GetAttributeValue = below_C_GetAttributeValue;
#define CALL(name, ...) above.name = above_##name;
	P11_CALLS
#undef CALL
	above.C_GetFunctionList = C_GetFunctionList;
	return CKR_OK;
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST **ret_list)
{
	pthread_mutex_lock(&lock);
	CK_RV rv = module ? CKR_OK : module_load();
	pthread_mutex_unlock(&lock);
	*ret_list = &above;
	return rv;
}

EXPORT void p11_proxy_script(const char *text)
{
	pthread_mutex_lock(&lock);
	state.logins = state.logins_refused = state.sessions_left = 0;
	state.sessions_most = state.sessions;
	pthread_mutex_unlock(&lock);
	fault_script_start("HWA_P11_PROXY", return_code);
	fault_script_text(text);
}

EXPORT uint64_t p11_proxy_calls(const char *function)
{
	return fault_calls(function);
}

EXPORT struct p11_proxy_state p11_proxy_state(void)
{
	pthread_mutex_lock(&lock);
	struct p11_proxy_state now = state;
	pthread_mutex_unlock(&lock);
	return now;
}
