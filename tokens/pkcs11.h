/* pkcs11.h -- what the files of the PKCS#11 backend share; nothing outside tokens/pkcs11*.c includes it. */
#ifndef HWA_PKCS11_H
#define HWA_PKCS11_H

#include <p11-kit/pkcs11.h>
#include <sys/types.h>

#include "token.h"

struct pkcs11_module; /* a loaded module; tokens of the same module share it */

struct pkcs11_token {
	struct token base;
	struct pkcs11_module *module;
	CK_FUNCTION_LIST *call;
	CK_SLOT_ID slot;
	CK_SESSION_HANDLE session; /* keeps the login; one is enough for one thread */
	bool has_session;
	CK_TOKEN_INFO info;
	struct config_secret pin; /* where it is read from; borrowed strings, for messages and pin-source */
	char *keys_dir;           /* where refused PINs are remembered */
	pid_t owner;              /* sessions are no good in a child */
};

struct pkcs11_key {
	struct token_key base;
	CK_OBJECT_HANDLE private_key;
	struct buf spki;
};

#define PKCS11(token)        ((struct pkcs11_token *)(void *)(token))
#define PKCS11_KEY(key)      ((struct pkcs11_key *)(void *)(key))
#define PKCS11_KEYS_MAX      4096 /* keys looked at in one token */
#define PKCS11_ATTRIBUTE_MAX 1024

/* pkcs11_module.c: one load of a module, however many tokens are used in it */
enum rc pkcs11_module_open(const char *path, struct pkcs11_module **ret_module, struct err *err) HWA_CHECKED;
void pkcs11_module_close(struct pkcs11_module *module);
CK_FUNCTION_LIST *pkcs11_module_call(const struct pkcs11_module *module);
/* Slot numbers change; a token is chosen by its label, and never guessed. */
enum rc pkcs11_module_slot(struct pkcs11_module *module, const char *label, CK_SLOT_ID *ret_slot, struct err *err) HWA_CHECKED;

/* pkcs11_session.c: `info` of the token was read just before */
enum rc pkcs11_session_open(struct pkcs11_token *token, struct err *err) HWA_CHECKED;
void pkcs11_session_close(struct pkcs11_token *token);
/* After an operation that the module may have left active: a fresh session, under the same login. */
void pkcs11_session_renew(struct pkcs11_token *token);

/* pkcs11_token.c */
enum rc pkcs11_open(const struct config_token *config, const char *keys_dir, struct token **ret_token,
		    struct err *err) HWA_CHECKED;
void pkcs11_close(struct token *token);
enum rc pkcs11_info(struct token *token, struct token_info *ret_info, struct err *err) HWA_CHECKED;

/* pkcs11_error.c: the one translation of CK_RV */
enum rc pkcs11_fail(struct err *err, CK_RV rv, const char *function);
const char *pkcs11_rv_name(CK_RV rv);
/* Answers of C_Login that speak of the PIN itself; a locked PIN may yet be the right one. */
bool pkcs11_refuses_pin(CK_RV rv);

/* pkcs11_object.c: what PKCS#11 calls a family of keys; finding objects and reading their attributes */
struct pkcs11_family {
	CK_KEY_TYPE key_type;
	CK_MECHANISM_TYPE generate, sign;
};
const struct pkcs11_family *pkcs11_family(enum key_type type);
/* `id` and `label` may be NULL: any. */
enum rc pkcs11_find_objects(struct pkcs11_token *token, CK_OBJECT_CLASS class, const uint8_t *id, const char *label,
			    CK_OBJECT_HANDLE *ret_objects, CK_ULONG max, CK_ULONG *ret_count, struct err *err) HWA_CHECKED;
enum rc pkcs11_attribute(struct pkcs11_token *token, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, struct buf *ret_value,
			 struct err *err) HWA_CHECKED;
enum rc pkcs11_object_spki(struct pkcs11_token *token, CK_OBJECT_HANDLE private_key, const uint8_t *id, size_t id_len,
			   struct buf *ret_spki, struct err *err) HWA_CHECKED;
enum rc pkcs11_object_custody(struct pkcs11_token *token, CK_OBJECT_HANDLE private_key, struct token_custody *ret_custody,
			      struct err *err) HWA_CHECKED;
/* A text of the token, shown to people: blanks at its end cut, control characters replaced. */
void pkcs11_text(const CK_UTF8CHAR *field, size_t width, char *text, size_t room);

/* pkcs11_generate.c */
enum rc pkcs11_generate(struct token *token, const struct token_key_name *name, enum key_type type, struct token_key **ret_key,
			struct err *err) HWA_CHECKED;

/* pkcs11_reference.c */
enum rc pkcs11_reference(struct token_key *key, struct buf *ret_pem, struct buf *ret_uri, struct err *err) HWA_CHECKED;

/* pkcs11.c */
/* RC_BUG in a child of the process that opened the token. */
enum rc pkcs11_owned(const struct token *token, struct err *err) HWA_CHECKED;
enum rc pkcs11_find(struct token *token, const struct token_key_name *name, struct token_key **ret_key,
		    struct err *err) HWA_CHECKED;
enum rc pkcs11_erase_id(struct pkcs11_token *token, const uint8_t *id, struct err *err) HWA_CHECKED;

AUTO_DEFINE(pkcs11_module, struct pkcs11_module *, pkcs11_module_close);

#endif /* HWA_PKCS11_H */
