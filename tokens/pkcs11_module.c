/*
 * pkcs11_module.c -- loads a module once, and finds tokens in it by label.
 *
 * libp11 loads the module and enumerates slots; everything else goes through the module's own
 * function list.  Both share one C_Initialize, which libp11 owns: two contexts on one module
 * finalize it under each other, so tokens of the same module share one, and the last one out ends it.
 */
#include <dlfcn.h>
#include <libp11.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pkcs11.h"

struct pkcs11_module {
	struct pkcs11_module *next;
	char *path;
	unsigned users;
	pid_t owner;
	CK_FUNCTION_LIST *call; /* also tells modules apart: two paths may lead to one file */
	PKCS11_CTX *libp11;
	bool is_loaded;
	PKCS11_SLOT *slots;
	unsigned slot_count;
};

static struct pkcs11_module *loaded;

static void module_free(struct pkcs11_module *module)
{
	/* The slots are released first: that closes every session, and nobody has one any more. */
	if (module->slots)
		PKCS11_release_all_slots(module->libp11, module->slots, module->slot_count);
	/* C_Finalize, before any exit handler of the module runs; and the only way back from a lost device. */
	if (module->is_loaded)
		PKCS11_CTX_unload(module->libp11);
	if (module->libp11)
		PKCS11_CTX_free(module->libp11);
	free(module->path);
	free(module);
}

AUTO_DEFINE(module, struct pkcs11_module *, module_free);

/* The module stays mapped until the process ends: some do not survive being unmapped. */
static enum rc function_list(const char *path, CK_FUNCTION_LIST **ret_call, struct err *err)
{
	CK_C_GetFunctionList get_list = NULL;
	CK_FUNCTION_LIST *call = NULL;

	if (access(path, R_OK) != 0)
		return err_set_raw(err, RC_ABSENT, ERR_PKCS11, 0, "there is no readable PKCS#11 module at %s", path);
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		return err_set_raw(err, RC_ABSENT, ERR_PKCS11, 0, "the PKCS#11 module cannot be loaded: %s", dlerror());
	void *symbol = dlsym(handle, "C_GetFunctionList");
	memcpy(&get_list, &symbol, sizeof(get_list));
	if (!get_list || get_list(&call) != CKR_OK || !call)
		return err_set_raw(err, RC_ABSENT, ERR_PKCS11, 0, "%s is not a PKCS#11 module: no function list", path);
	*ret_call = call;
	return RC_OK;
}

static enum rc module_load(const char *path, CK_FUNCTION_LIST *call, struct pkcs11_module **ret_module, struct err *err)
{
	AUTO(module) struct pkcs11_module *module = calloc(1, sizeof(*module));

	if (!module || !(module->path = strdup(path)) || !(module->libp11 = PKCS11_CTX_new()))
		return err_set(err, RC_RESOURCE, "out of memory");
	module->call = call;
	module->owner = getpid();
	ERR_set_mark();
	if (PKCS11_CTX_load(module->libp11, path) != 0) {
		unsigned long error = ERR_peek_last_error();
		bool is_ckr = ERR_GET_LIB(error) == ERR_get_CKR_code();

		ERR_pop_to_mark();
		enum rc rc = pkcs11_fail(err, is_ckr ? (CK_RV)ERR_GET_REASON(error) : CKR_GENERAL_ERROR, "C_Initialize");
		return err_wrap(err, rc, "the PKCS#11 module %s cannot be started", path);
	}
	module->is_loaded = true;
	/* Once for each load: releasing a list closes every session of its slots, and PKCS11_update_slots of
	 * libp11 0.4.12 crashes on the list it made itself. */
	int failed = PKCS11_enumerate_slots(module->libp11, &module->slots, &module->slot_count);
	ERR_pop_to_mark();
	if (failed)
		return err_set_raw(err, RC_RETRY, ERR_PKCS11, 0, "the slots of %s cannot be listed", path);
	*ret_module = TAKE(module);
	return RC_OK;
}

enum rc pkcs11_module_open(const char *path, struct pkcs11_module **ret_module, struct err *err)
{
	struct pkcs11_module *module = loaded;
	CK_FUNCTION_LIST *call;
	enum rc rc = function_list(path, &call, err);

	if (rc != RC_OK)
		return rc;
	while (module && (module->call != call || module->owner != getpid()))
		module = module->next;
	if (!module) {
		rc = module_load(path, call, &module, err);
		if (rc != RC_OK)
			return rc;
		module->next = loaded;
		loaded = module;
	}
	module->users++;
	*ret_module = module;
	return RC_OK;
}

void pkcs11_module_close(struct pkcs11_module *module)
{
	/* In a child the module is the parent's: a C_Finalize there can break the parent (tpm2-pkcs11). */
	if (!module || module->owner != getpid() || --module->users)
		return;
	for (struct pkcs11_module **at = &loaded; *at; at = &(*at)->next) {
		if (*at == module) {
			*at = module->next;
			break;
		}
	}
	module_free(module);
}

CK_FUNCTION_LIST *pkcs11_module_call(const struct pkcs11_module *module)
{
	return module->call;
}

/* "label" (serial N), or nothing when there is no more room. */
static void present_add(char *present, size_t room, const PKCS11_TOKEN *token)
{
	char label[33], serial[17];
	size_t used = strlen(present);

	pkcs11_text((const CK_UTF8CHAR *)token->label, strlen(token->label), label, sizeof(label));
	pkcs11_text((const CK_UTF8CHAR *)token->serialnr, strlen(token->serialnr), serial, sizeof(serial));
	snprintf(present + used, room - used, "%s\"%s\" (serial %s)", used ? ", " : "", label, serial);
}

enum rc pkcs11_module_slot(struct pkcs11_module *module, const char *label, CK_SLOT_ID *ret_slot, struct err *err)
{
	char present[256] = "", matching[256] = "";
	unsigned matches = 0;
	CK_SLOT_ID slot = 0;

	for (unsigned i = 0; i < module->slot_count; i++) {
		const PKCS11_TOKEN *token = module->slots[i].token;

		if (!token || !token->initialized || !token->label || !token->serialnr)
			continue;
		present_add(present, sizeof(present), token);
		if (strcmp(token->label, label) != 0)
			continue;
		present_add(matching, sizeof(matching), token);
		slot = PKCS11_get_slotid_from_slot(&module->slots[i]);
		matches++;
	}
	if (matches == 0)
		return err_set_raw(err, RC_ABSENT, ERR_PKCS11, 0, "no token is labelled \"%s\" in %s; present: %s", label,
				   module->path, present[0] ? present : "none");
	if (matches > 1)
		return err_set_raw(err, RC_INPUT, ERR_PKCS11, 0, "%u tokens are labelled \"%s\" in %s, give each its own: %s",
				   matches, label, module->path, matching);
	*ret_slot = slot;
	return RC_OK;
}
