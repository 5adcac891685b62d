/* pkcs11_token.c -- an open token: its module, its session, and what it tells of itself. */
#include "pkcs11.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backends.h"
#include "pkcs11_quirks.h"

static enum rc connected(struct pkcs11_session *session, void *ctx, struct err *err)
{
	(void)session, (void)ctx, (void)err;
	return RC_OK; /* to be lent a session is all that was wanted */
}

static enum rc token_reach(struct pkcs11_token *token, const struct config_token *config, const char *keys_dir, struct err *err)
{
	AUTO(text) char *path = NULL;
	enum rc rc = pkcs11_selector_new(config, &token->selector, &path, err);

	if (rc == RC_OK && !(token->keys_dir = strdup(keys_dir)))
		rc = err_set(err, RC_RESOURCE, "out of memory");
	if (rc == RC_OK)
		rc = pkcs11_module_open(path, config->init_args, &token->module, err);
	if (rc != RC_OK)
		return rc;
	token->call = pkcs11_module_call(token->module);
	return pkcs11_run(token, connected, NULL, err);
}

enum rc pkcs11_open(const struct config_token *config, const char *keys_dir, struct token **ret_token, struct err *err)
{
	struct pkcs11_token *token = calloc(1, sizeof(*token));

	if (!token)
		return err_set(err, RC_RESOURCE, "out of memory");
	token->base = (struct token){ .ops = &pkcs11_ops, .name = config->name };
	token->owner = getpid();
	token->pin = config->pin;
	token->accept_wrapping = config->accept_wrapping;
	token->session_limit = config->sessions ? config->sessions : PKCS11_SESSIONS_DEFAULT;
	if (token->session_limit > PKCS11_SESSIONS_MAX)
		token->session_limit = PKCS11_SESSIONS_MAX;
	pthread_mutex_init(&token->mutex, NULL);
	AUTO(token) struct token *owned = &token->base;
	enum rc rc = token_reach(token, config, keys_dir, err);
	if (rc == RC_OK)
		*ret_token = TAKE(owned);
	return rc;
}

void pkcs11_close(struct token *base)
{
	struct pkcs11_token *token = PKCS11(base);

	/* In a child the sessions are the parent's, and so are the locks: nothing is closed there. */
	if (token->owner == getpid()) {
		if (token->module)
			pkcs11_session_close_all(token);
		pkcs11_module_close(token->module);
		pthread_mutex_destroy(&token->mutex);
	}
	p11_kit_uri_free(token->selector);
	free(token->keys_dir);
	free(token);
}

static bool can_generate(const struct pkcs11_token *token, enum key_type type)
{
	CK_MECHANISM_INFO info;
	const struct pkcs11_family *family = pkcs11_family(type);
	unsigned bits = key_type_bits(type);

	if (token->quirks->unusable_types & 1u << type ||
	    token->call->C_GetMechanismInfo(token->slot, family->sign, &info) != CKR_OK ||
	    token->call->C_GetMechanismInfo(token->slot, family->generate, &info) != CKR_OK)
		return false;
	return info.ulMinKeySize <= bits && (info.ulMaxKeySize == 0 || bits <= info.ulMaxKeySize);
}

/* One that is to be changed is what the security officer has set, or has expired: it works until the token ceases to take it. */
static const char *pin_state(const struct pkcs11_token *token, CK_FLAGS flags)
{
	bool is_old = flags & CKF_USER_PIN_TO_BE_CHANGED;

	if (!(flags & CKF_LOGIN_REQUIRED) && !token->tells_login)
		return "no PIN";
	if (flags & CKF_USER_PIN_LOCKED)
		return "locked";
	if (flags & CKF_USER_PIN_FINAL_TRY)
		return "one try left";
	if (flags & CKF_USER_PIN_COUNT_LOW)
		return is_old ? "ok; a wrong one was tried before; the token wants it changed"
			      : "ok; a wrong one was tried before";
	return is_old ? "ok; the token wants it changed" : "ok";
}

/* The names of those we use, where the token has them. */
static void mechanisms_print(const struct pkcs11_token *token, char *text, size_t room)
{
	static const struct {
		CK_MECHANISM_TYPE type;
		const char *name;
	} used[] = { { CKM_EC_KEY_PAIR_GEN, "CKM_EC_KEY_PAIR_GEN" },
		     { CKM_ECDSA, "CKM_ECDSA" },
		     { CKM_EC_EDWARDS_KEY_PAIR_GEN, "CKM_EC_EDWARDS_KEY_PAIR_GEN" },
		     { CKM_EDDSA, "CKM_EDDSA" },
		     { CKM_RSA_PKCS_KEY_PAIR_GEN, "CKM_RSA_PKCS_KEY_PAIR_GEN" },
		     { CKM_RSA_PKCS, "CKM_RSA_PKCS" },
		     { CKM_RSA_PKCS_PSS, "CKM_RSA_PKCS_PSS" } };

	text[0] = '\0';
	for (size_t i = 0; i < sizeof(used) / sizeof(used[0]); i++) {
		size_t len = strlen(text);
		CK_MECHANISM_INFO info;

		if (token->call->C_GetMechanismInfo(token->slot, used[i].type, &info) == CKR_OK)
			snprintf(text + len, room - len, "%s%s", len ? " " : "", used[i].name);
	}
}

/* No flag of PKCS#11 says "software"; that there is no hardware slot, or that we know the module, does. */
static bool is_software(const struct pkcs11_token *token)
{
	CK_SLOT_INFO slot;

	return token->quirks->is_software ||
	       (token->call->C_GetSlotInfo(token->slot, &slot) == CKR_OK && !(slot.flags & CKF_HW_SLOT));
}

/* Software has as much as the disk, and says anything: all ones (opencryptoki, SoftHSM) or 1 (NSS). */
static int64_t free_memory(const struct pkcs11_token *token, CK_ULONG bytes)
{
	int64_t told = (int64_t)bytes;

	return token->quirks->is_software || bytes == CK_UNAVAILABLE_INFORMATION || told < 0 ? -1 : told;
}

static enum rc ask_info(struct pkcs11_session *session, void *ctx, struct err *err)
{
	const struct pkcs11_token *token = session->token;
	struct token_info *info = ctx;
	CK_TOKEN_INFO now;
	CK_RV rv = session->call->C_GetTokenInfo(token->slot, &now);

	if (rv != CKR_OK)
		return pkcs11_session_fail(session, err, rv, "C_GetTokenInfo");
	pkcs11_text(now.label, sizeof(now.label), info->label, sizeof(info->label));
	pkcs11_text(now.serialNumber, sizeof(now.serialNumber), info->serial, sizeof(info->serial));
	pkcs11_text(now.model, sizeof(now.model), info->model, sizeof(info->model));
	pkcs11_text(now.manufacturerID, sizeof(now.manufacturerID), info->manufacturer, sizeof(info->manufacturer));
	snprintf(info->firmware, sizeof(info->firmware), "%u.%u", now.firmwareVersion.major, now.firmwareVersion.minor);
	snprintf(info->pin_state, sizeof(info->pin_state), "%s", pin_state(token, now.flags));
	mechanisms_print(token, info->mechanisms, sizeof(info->mechanisms));
	info->software = is_software(token);
	info->free_memory = free_memory(token, now.ulFreePrivateMemory);
	for (int type = 0; type < KEY_TYPE_COUNT; type++)
		info->key_types[type] = can_generate(token, (enum key_type)type);
	return RC_OK;
}

enum rc pkcs11_info(struct token *base, struct token_info *ret_info, struct err *err)
{
	struct token_info info = { 0 };
	enum rc rc = pkcs11_run(PKCS11(base), ask_info, &info, err);

	if (rc == RC_OK)
		*ret_info = info;
	return rc;
}
