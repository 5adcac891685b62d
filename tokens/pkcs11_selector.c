/*
 * pkcs11_selector.c -- which token of a module is meant: by label, by serial number, or by an RFC 7512 URI.
 *
 * p11-kit's parser reads the URI and matches tokens with it; what is in it is looked at first (token_uri.h).
 */
#include <stdio.h>
#include <string.h>

#include "pkcs11.h"
#include "token_uri.h"

/* The module's path: from the option, from the URI, or from both when they agree. */
static enum rc module_path(const struct config_token *config, P11KitUri *uri, char **ret_module, struct err *err)
{
	const char *in_uri = p11_kit_uri_get_module_path(uri), *path = config->module ? config->module : in_uri;

	if (!path)
		return err_set(err, RC_INPUT, "pkcs11: write module: PATH, the module's library");
	if (in_uri && (in_uri[0] != '/' || strcmp(in_uri, path) != 0))
		return err_set(err, RC_INPUT,
			       "pkcs11: the URI's module-path must be absolute, and the same as module: where both are given");
	*ret_module = strdup(path);
	return *ret_module ? RC_OK : err_set(err, RC_RESOURCE, "out of memory");
}

/* Fields of CK_TOKEN_INFO are padded with blanks. */
static bool field_set(CK_UTF8CHAR *field, size_t width, const char *text)
{
	size_t len = text ? strlen(text) : 0;

	if (!text)
		return true;
	if (len == 0 || len > width)
		return false;
	for (size_t i = 0; i < width; i++)
		field[i] = i < len ? (CK_UTF8CHAR)text[i] : ' ';
	return true;
}

enum rc pkcs11_selector_new(const struct config_token *config, P11KitUri **ret_selector, char **ret_module, struct err *err)
{
	AUTO(p11_uri) P11KitUri *uri = p11_kit_uri_new();
	enum rc rc = uri ? RC_OK : err_set(err, RC_RESOURCE, "out of memory");
	CK_TOKEN_INFO *wanted = uri ? p11_kit_uri_get_token_info(uri) : NULL;

	if (rc != RC_OK)
		return rc;
	if (!config->token_uri && !config->token_label && !config->token_serial)
		return err_set(err, RC_INPUT, "pkcs11: write which token: token: LABEL, serial: NUMBER or uri: \"pkcs11:...\"");
	if (!field_set(wanted->label, sizeof(wanted->label), config->token_label) ||
	    !field_set(wanted->serialNumber, sizeof(wanted->serialNumber), config->token_serial))
		return err_set(err, RC_INPUT, "pkcs11: a token's label has 1 to 32 bytes, its serial number 1 to 16");
	const char *fault = config->token_uri ? token_uri_fault(config->token_uri) : NULL;
	if (fault)
		return err_set(err, RC_INPUT, "pkcs11: { uri: } %s", fault);
	if (config->token_uri &&
	    (p11_kit_uri_parse(config->token_uri, P11_KIT_URI_FOR_TOKEN | P11_KIT_URI_FOR_MODULE, uri) != P11_KIT_URI_OK ||
	     p11_kit_uri_any_unrecognized(uri)))
		return err_set(err, RC_INPUT, "pkcs11: { uri: } is not understood; write pkcs11:token=LABEL;serial=NUMBER");
	rc = module_path(config, uri, ret_module, err);
	if (rc == RC_OK)
		*ret_selector = TAKE(uri);
	return rc;
}

static void blank_nuls(CK_UTF8CHAR *field, size_t width)
{
	for (size_t i = width; i && (field[i - 1] == '\0' || field[i - 1] == ' '); i--)
		field[i - 1] = ' ';
}

/* Some modules pad with NULs; p11-kit compares all bytes, and writes them into URIs. */
static CK_RV info_read(const struct pkcs11_token *token, CK_SLOT_ID slot, CK_TOKEN_INFO *ret_info)
{
	CK_RV rv = token->call->C_GetTokenInfo(slot, ret_info);

	if (rv != CKR_OK)
		return rv;
	blank_nuls(ret_info->label, sizeof(ret_info->label));
	blank_nuls(ret_info->serialNumber, sizeof(ret_info->serialNumber));
	blank_nuls(ret_info->manufacturerID, sizeof(ret_info->manufacturerID));
	blank_nuls(ret_info->model, sizeof(ret_info->model));
	return CKR_OK;
}

/* "label" (serial N, slot S), while there is room. */
static void present_add(char *present, size_t room, CK_SLOT_ID slot, const CK_TOKEN_INFO *info)
{
	char label[33], serial[17];
	size_t used = strlen(present);

	pkcs11_text(info->label, sizeof(info->label), label, sizeof(label));
	pkcs11_text(info->serialNumber, sizeof(info->serialNumber), serial, sizeof(serial));
	snprintf(present + used, room - used, "%s\"%s\" (serial %s, slot %lu)", used ? ", " : "", label, serial, slot);
}

/* What was asked for, in the operator's words. */
static void wanted_print(const struct pkcs11_token *token, char *text, size_t room)
{
	const CK_TOKEN_INFO *wanted = p11_kit_uri_get_token_info(token->selector);
	char label[33], serial[17];

	pkcs11_text(wanted->label, sizeof(wanted->label), label, sizeof(label));
	pkcs11_text(wanted->serialNumber, sizeof(wanted->serialNumber), serial, sizeof(serial));
	snprintf(text, room, "%s%s%s%s%s%s%s", label[0] ? "labelled \"" : "", label, label[0] ? "\"" : "",
		 label[0] && serial[0] ? " with " : "", serial[0] ? "serial number \"" : "", serial, serial[0] ? "\"" : "");
}

enum rc pkcs11_selector_slot(const struct pkcs11_token *token, CK_SLOT_ID *ret_slot, CK_TOKEN_INFO *ret_info, struct err *err)
{
	char present[256] = "", matching[256] = "", wanted[96];
	unsigned count, matches = 0;
	const CK_SLOT_ID *slots = pkcs11_module_slots(token->module, &count);
	CK_RV failed = CKR_OK;

	for (unsigned i = 0; i < count; i++) {
		CK_TOKEN_INFO info;
		CK_RV rv = info_read(token, slots[i], &info);

		/* A slot that fails does not hide the others. */
		if (rv != CKR_OK && rv != CKR_TOKEN_NOT_PRESENT)
			failed = rv;
		if (rv != CKR_OK || !(info.flags & CKF_TOKEN_INITIALIZED))
			continue;
		present_add(present, sizeof(present), slots[i], &info);
		if (!p11_kit_uri_match_token_info(token->selector, &info))
			continue;
		present_add(matching, sizeof(matching), slots[i], &info);
		*ret_slot = slots[i];
		*ret_info = info;
		matches++;
	}
	wanted_print(token, wanted, sizeof(wanted));
	if (matches == 0 && failed != CKR_OK)
		return err_wrap(err, pkcs11_fail(err, failed, "C_GetTokenInfo"), "no token %s was found in %s; present: %s",
				wanted, pkcs11_module_path(token->module), present[0] ? present : "none");
	if (matches == 0)
		return err_set_raw(err, RC_ABSENT, ERR_PKCS11, 0, "no token is %s in %s; present: %s", wanted,
				   pkcs11_module_path(token->module), present[0] ? present : "none");
	if (matches > 1)
		return err_set_raw(err, RC_INPUT, ERR_PKCS11, 0, "%u tokens are %s in %s; add serial: to choose one: %s", matches,
				   wanted, pkcs11_module_path(token->module), matching);
	return RC_OK;
}
