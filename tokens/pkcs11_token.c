/* pkcs11_token.c -- an open token: its module, its session, and what it tells of itself. */
#include "pkcs11.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backends.h"

/* The list of slots is as old as the load of the module: the slot may hold another token by now. */
static enum rc token_is_there(struct pkcs11_token *token, const char *wanted, struct err *err)
{
	char label[33];
	CK_RV rv = token->call->C_GetTokenInfo(token->slot, &token->info);

	if (rv != CKR_OK)
		return pkcs11_fail(err, rv, "C_GetTokenInfo");
	pkcs11_text(token->info.label, sizeof(token->info.label), label, sizeof(label));
	if (strcmp(label, wanted) != 0)
		return err_set_raw(err, RC_RETRY, ERR_PKCS11, 0, "slot %lu holds token \"%s\" now; open it again", token->slot,
				   label);
	return RC_OK;
}

static enum rc token_reach(struct pkcs11_token *token, const struct config_token *config, struct err *err)
{
	enum rc rc = pkcs11_module_open(config->module, &token->module, err);

	if (rc != RC_OK)
		return rc;
	token->call = pkcs11_module_call(token->module);
	rc = pkcs11_module_slot(token->module, config->token_label, &token->slot, err);
	if (rc == RC_OK)
		rc = token_is_there(token, config->token_label, err);
	return rc == RC_OK ? pkcs11_session_open(token, err) : rc;
}

enum rc pkcs11_open(const struct config_token *config, const char *keys_dir, struct token **ret_token, struct err *err)
{
	if (!config->module || !config->token_label || !config->token_label[0])
		return err_set(err, RC_INPUT, "pkcs11: both module: and token: (its label) are needed");
	struct pkcs11_token *token = calloc(1, sizeof(*token));
	if (!token)
		return err_set(err, RC_RESOURCE, "out of memory");
	token->base = (struct token){ .ops = &pkcs11_ops, .name = config->name };
	token->owner = getpid();
	token->pin = config->pin;
	AUTO(token) struct token *owned = &token->base;
	if (!(token->keys_dir = strdup(keys_dir)))
		return err_set(err, RC_RESOURCE, "out of memory");
	enum rc rc = token_reach(token, config, err);
	if (rc == RC_OK)
		*ret_token = TAKE(owned);
	return rc;
}

void pkcs11_close(struct token *base)
{
	struct pkcs11_token *token = PKCS11(base);

	/* In a child the sessions are the parent's: nothing is closed there. */
	if (token->owner == getpid()) {
		pkcs11_session_close(token);
		pkcs11_module_close(token->module);
	}
	free(token->keys_dir);
	free(token);
}

static bool can_generate(struct pkcs11_token *token, enum key_type type)
{
	CK_MECHANISM_INFO info;
	const struct pkcs11_family *family = pkcs11_family(type);
	unsigned bits = key_type_bits(type);

	if (token->call->C_GetMechanismInfo(token->slot, family->sign, &info) != CKR_OK ||
	    token->call->C_GetMechanismInfo(token->slot, family->generate, &info) != CKR_OK)
		return false;
	return info.ulMinKeySize <= bits && (info.ulMaxKeySize == 0 || bits <= info.ulMaxKeySize);
}

static const char *pin_state(CK_FLAGS flags)
{
	if (!(flags & CKF_LOGIN_REQUIRED))
		return "no PIN";
	if (flags & CKF_USER_PIN_LOCKED)
		return "locked";
	if (flags & CKF_USER_PIN_FINAL_TRY)
		return "one try left";
	return flags & CKF_USER_PIN_COUNT_LOW ? "ok; a wrong one was tried before" : "ok";
}

enum rc pkcs11_info(struct token *base, struct token_info *ret_info, struct err *err)
{
	struct pkcs11_token *token = PKCS11(base);
	struct token_info info = { 0 };
	CK_TOKEN_INFO now;
	enum rc rc = pkcs11_owned(base, err);

	if (rc != RC_OK)
		return rc;
	CK_RV rv = token->call->C_GetTokenInfo(token->slot, &now);
	if (rv != CKR_OK)
		return pkcs11_fail(err, rv, "C_GetTokenInfo");
	pkcs11_text(now.label, sizeof(now.label), info.label, sizeof(info.label));
	pkcs11_text(now.serialNumber, sizeof(now.serialNumber), info.serial, sizeof(info.serial));
	pkcs11_text(now.model, sizeof(now.model), info.model, sizeof(info.model));
	pkcs11_text(now.manufacturerID, sizeof(now.manufacturerID), info.manufacturer, sizeof(info.manufacturer));
	snprintf(info.firmware, sizeof(info.firmware), "%u.%u", now.firmwareVersion.major, now.firmwareVersion.minor);
	snprintf(info.pin_state, sizeof(info.pin_state), "%s", pin_state(now.flags));
	for (int type = 0; type < KEY_TYPE_COUNT; type++)
		info.key_types[type] = can_generate(token, (enum key_type)type);
	*ret_info = info;
	return RC_OK;
}
