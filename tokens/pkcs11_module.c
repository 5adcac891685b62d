/*
 * pkcs11_module.c -- loads a module, finds the configured token in it, logs in once.
 *
 * libp11 loads the module and enumerates slots; session and login go through the module's
 * own function list, because libp11 0.4.12 keeps the PIN in the heap after PKCS11_login and
 * hangs when a session cannot be opened.  Both share one C_Initialize, which libp11 owns.
 */
#include <dlfcn.h>
#include <libp11.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backends.h"
#include "pin.h"
#include "pkcs11.h"

#define MODULE_SLOTS_MAX 256

void pkcs11_field(const CK_UTF8CHAR *field, size_t width, char *text, size_t room)
{
	size_t len = width;

	while (len && (field[len - 1] == ' ' || field[len - 1] == '\0'))
		len--;
	snprintf(text, room, "%.*s", (int)len, (const char *)field);
	/* What a token says is shown to people: no control characters. */
	for (char *at = text; *at; at++)
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			*at = '?';
}

static enum rc module_load(struct pkcs11_token *token, const char *path, struct err *err)
{
	CK_C_GetFunctionList get_list = NULL;

	if (access(path, R_OK) != 0)
		return err_set_raw(err, RC_ABSENT, ERR_PKCS11, 0, "no readable PKCS#11 module at %s", path);
	token->libp11 = PKCS11_CTX_new();
	if (!token->libp11)
		return err_set(err, RC_RESOURCE, "out of memory");
	if (PKCS11_CTX_load(token->libp11, path) != 0) {
		PKCS11_CTX_free(token->libp11);
		token->libp11 = NULL;
		return err_set_raw(err, RC_ABSENT, ERR_PKCS11, 0, "the PKCS#11 module %s cannot be loaded and initialised", path);
	}
	token->module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	void *symbol = token->module ? dlsym(token->module, "C_GetFunctionList") : NULL;
	memcpy(&get_list, &symbol, sizeof(get_list));
	if (!get_list || get_list(&token->call) != CKR_OK || !token->call)
		return err_set_raw(err, RC_ABSENT, ERR_PKCS11, 0, "%s is not a PKCS#11 module: no function list", path);
	return RC_OK;
}

/* Slot numbers change; a token is chosen by its label, and never guessed. */
static enum rc token_choose(struct pkcs11_token *token, const struct config_token *config, struct err *err)
{
	CK_SLOT_ID slots[MODULE_SLOTS_MAX];
	CK_ULONG count = MODULE_SLOTS_MAX;
	char present[256] = "";
	unsigned matches = 0;
	CK_RV rv = token->call->C_GetSlotList(CK_TRUE, slots, &count);

	if (rv != CKR_OK)
		return pkcs11_fail(err, rv, "C_GetSlotList");
	for (CK_ULONG i = 0; i < count; i++) {
		CK_TOKEN_INFO info;
		char label[33], serial[17];

		if (token->call->C_GetTokenInfo(slots[i], &info) != CKR_OK || !(info.flags & CKF_TOKEN_INITIALIZED))
			continue;
		pkcs11_field(info.label, sizeof(info.label), label, sizeof(label));
		pkcs11_field(info.serialNumber, sizeof(info.serialNumber), serial, sizeof(serial));
		size_t used = strlen(present);
		snprintf(present + used, sizeof(present) - used, "%s\"%s\" (serial %s)", used ? ", " : "", label, serial);
		if (strcmp(label, config->token_label) != 0)
			continue;
		token->slot = slots[i];
		token->info = info;
		matches++;
	}
	if (matches == 0)
		return err_set_raw(err, RC_ABSENT, ERR_PKCS11, 0, "no token \"%s\" in %s; present: %s", config->token_label,
				   config->module, present[0] ? present : "none");
	if (matches > 1)
		return err_set_raw(err, RC_INPUT, ERR_PKCS11, 0, "%u tokens are called \"%s\" in %s: %s", matches,
				   config->token_label, config->module, present);
	return RC_OK;
}

/* What the token says of its PIN is looked at first: a try that may lock it is not ours to make. */
static enum rc pin_allowed(const struct pkcs11_token *token, const struct pin *pin, const char *where, struct err *err)
{
	CK_FLAGS flags = token->info.flags;

	if (flags & CKF_USER_PIN_LOCKED)
		return err_set_raw(err, RC_DENIED, ERR_PKCS11, CKR_PIN_LOCKED, "its user PIN is locked; the security officer must reset it");
	if (flags & CKF_USER_PIN_FINAL_TRY)
		return err_set_raw(err, RC_DENIED, ERR_PKCS11, 0,
				   "one wrong PIN more locks it, so none was sent; check %s and log in once by hand", where);
	if (pin_len(pin) < token->info.ulMinPinLen ||
	    (token->info.ulMaxPinLen && pin_len(pin) > token->info.ulMaxPinLen))
		return err_set_raw(err, RC_DENIED, ERR_PKCS11, CKR_PIN_LEN_RANGE,
				   "the PIN in %s has a length the token does not take (%lu to %lu); it was not sent", where,
				   token->info.ulMinPinLen, token->info.ulMaxPinLen);
	return RC_OK;
}

static enum rc login(struct pkcs11_token *token, struct err *err)
{
	AUTO(pin) struct pin *pin = NULL;
	char where[512];
	CK_RV rv = token->call->C_OpenSession(token->slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &token->session);

	if (rv != CKR_OK)
		return pkcs11_fail(err, rv, "C_OpenSession");
	if (!(token->info.flags & CKF_LOGIN_REQUIRED))
		return RC_OK;
	enum rc rc = pin_read(&token->pin, &pin, err);
	pin_where(&token->pin, where);
	if (rc == RC_OK)
		rc = pin_allowed(token, pin, where, err);
	if (rc != RC_OK)
		return rc;
	rv = token->call->C_Login(token->session, CKU_USER, (CK_UTF8CHAR_PTR)(uintptr_t)pin_bytes(pin), pin_len(pin));
	if (rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN)
		return RC_OK;
	rc = pkcs11_fail(err, rv, "C_Login");
	if (rc == RC_DENIED)
		return err_wrap(err, rc, "the PIN from %s was refused and is not tried again; correct it first", where);
	return rc;
}

enum rc pkcs11_open(const struct config_token *config, const char *keys_dir, struct token **ret_token, struct err *err)
{
	struct pkcs11_token *token = calloc(1, sizeof(*token));

	(void)keys_dir;		/* these keys live in the token */
	if (!token)
		return err_set(err, RC_RESOURCE, "out of memory");
	token->base = (struct token){ .ops = &pkcs11_ops, .name = config->name };
	token->owner = getpid();
	token->pin = config->pin;
	AUTO(token) struct token *owned = &token->base;
	enum rc rc = module_load(token, config->module, err);
	if (rc == RC_OK)
		rc = token_choose(token, config, err);
	if (rc == RC_OK)
		rc = login(token, err);
	if (rc == RC_OK)
		*ret_token = TAKE(owned);
	return rc;
}

void pkcs11_close(struct token *base)
{
	struct pkcs11_token *token = PKCS11(base);

	/* In a child the sessions are the parent's: nothing is closed there. */
	if (token->owner == getpid()) {
		if (token->call && token->session)
			token->call->C_CloseSession(token->session);
		if (token->libp11) {
			PKCS11_CTX_unload(token->libp11);	/* C_Finalize, before any exit handler of the module */
			PKCS11_CTX_free(token->libp11);
		}
		if (token->module)
			dlclose(token->module);
	}
	free(token);
}

static bool can_generate(struct pkcs11_token *token, enum key_type type)
{
	CK_MECHANISM_INFO info;
	CK_MECHANISM_TYPE generate = key_type_is_ec(type) ? CKM_EC_KEY_PAIR_GEN : CKM_RSA_PKCS_KEY_PAIR_GEN;
	CK_MECHANISM_TYPE sign = key_type_is_ec(type) ? CKM_ECDSA : CKM_RSA_PKCS;
	unsigned bits = key_type_bits(type);

	if (token->call->C_GetMechanismInfo(token->slot, sign, &info) != CKR_OK ||
	    token->call->C_GetMechanismInfo(token->slot, generate, &info) != CKR_OK)
		return false;
	return info.ulMinKeySize <= bits && (info.ulMaxKeySize == 0 || bits <= info.ulMaxKeySize);
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
	pkcs11_field(now.label, sizeof(now.label), info.label, sizeof(info.label));
	pkcs11_field(now.serialNumber, sizeof(now.serialNumber), info.serial, sizeof(info.serial));
	pkcs11_field(now.model, sizeof(now.model), info.model, sizeof(info.model));
	pkcs11_field(now.manufacturerID, sizeof(now.manufacturerID), info.manufacturer, sizeof(info.manufacturer));
	snprintf(info.firmware, sizeof(info.firmware), "%u.%u", now.firmwareVersion.major, now.firmwareVersion.minor);
	snprintf(info.pin_state, sizeof(info.pin_state), "%s",
		 now.flags & CKF_USER_PIN_LOCKED      ? "locked"
		 : now.flags & CKF_USER_PIN_FINAL_TRY ? "one try left"
		 : now.flags & CKF_USER_PIN_COUNT_LOW ? "ok; a wrong one was tried before"
		 : now.flags & CKF_LOGIN_REQUIRED     ? "ok"
						      : "no PIN");
	for (int type = 0; type < KEY_TYPE_COUNT; type++)
		info.key_types[type] = can_generate(token, (enum key_type)type);
	*ret_info = info;
	return RC_OK;
}
