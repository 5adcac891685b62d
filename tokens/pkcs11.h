/* pkcs11.h -- what the files of the PKCS#11 backend share; nothing outside tokens/pkcs11*.c includes it. */
#ifndef HWA_PKCS11_H
#define HWA_PKCS11_H

#include <p11-kit/pkcs11.h>
#include <p11-kit/uri.h>
#include <pthread.h>
#include <sys/types.h>

#include "token.h"

#define PKCS11(token)           ((struct pkcs11_token *)(void *)(token))
#define PKCS11_KEY(key)         ((struct pkcs11_key *)(void *)(key))
#define PKCS11_KEYS_MAX         4096 /* keys looked at in one token */
#define PKCS11_ATTRIBUTE_MAX    1024
#define PKCS11_SLOTS_MAX        256
#define PKCS11_SESSIONS_DEFAULT 2 /* of one token: some have few, and others use it too */
#define PKCS11_SESSIONS_MAX     64

struct pkcs11_module; /* a loaded module; tokens of the same module share it */
struct pkcs11_quirks;
struct pkcs11_waiter;
struct pkcs11_token;

/* A session of the pool, lent to one caller at a time; what a call said of it decides what becomes of it. */
struct pkcs11_session {
	struct pkcs11_token *token;
	CK_FUNCTION_LIST *call;
	CK_SESSION_HANDLE handle;
	uint64_t generation; /* of the module's load; handles of objects are good in the same only */
	bool is_open, is_busy;
	bool is_spoiled; /* an operation may be active in it: it is closed and replaced */
	bool is_gone;    /* the token, or the connection to it, is gone: the module is started anew */
};

struct pkcs11_token {
	struct token base;
	struct pkcs11_module *module;
	CK_FUNCTION_LIST *call;
	P11KitUri *selector;      /* which token of the module */
	char *keys_dir;           /* where refused PINs are remembered */
	struct config_secret pin; /* where it is read from; borrowed strings, for messages and pin-source */
	bool accept_wrapping;
	pid_t owner; /* sessions are no good in a child */

	pthread_mutex_t mutex;       /* of everything below, and of each key's cached handle */
	struct pkcs11_waiter *queue; /* who wants a session */
	uint64_t generation;         /* of the module's load in which it is connected; 0: not connected */
	bool was_connected;
	bool is_login_unanswered; /* the last C_Login had neither success nor a verdict on the PIN */
	CK_SLOT_ID slot;
	CK_TOKEN_INFO info; /* as it was read before the login */
	const struct pkcs11_quirks *quirks;
	struct pkcs11_session sessions[PKCS11_SESSIONS_MAX];
	unsigned session_limit, session_max; /* as configured; as the token allows */
	int64_t retry_at_ms, retry_step_ms;  /* `token unavailable`: not asked again before */
	struct err unavailable;
};

struct pkcs11_key {
	struct token_key base;
	struct buf spki;
	CK_OBJECT_HANDLE handle; /* good in `generation` of the module's load, found again by id after it */
	uint64_t generation;
};

/* pkcs11_module.c: one load of a module, however many tokens are used in it */
enum rc pkcs11_module_open(const char *path, const char *init_args, struct pkcs11_module **ret_module,
			   struct err *err) HWA_CHECKED;
void pkcs11_module_close(struct pkcs11_module *module);
CK_FUNCTION_LIST *pkcs11_module_call(const struct pkcs11_module *module);
const char *pkcs11_module_path(const struct pkcs11_module *module);
/*
 * Around every use of the function list.  enter() starts a module that is not started, or is stale, once all
 * calls of others have left it, and at most once a second; it answers which load this is.
 */
enum rc pkcs11_module_enter(struct pkcs11_module *module, uint64_t *ret_generation, struct err *err) HWA_CHECKED;
/* The same for clearing up: false when it is not started, or not the load that is meant. */
bool pkcs11_module_enter_same(struct pkcs11_module *module, uint64_t generation);
void pkcs11_module_leave(struct pkcs11_module *module);
/* That load is of no use any more: the next enter() starts the module anew. */
void pkcs11_module_stale(struct pkcs11_module *module, uint64_t generation);
/* Counts key generations in this load; true when `budget` (0: none) is used up and it must be started anew first. */
bool pkcs11_module_spend(struct pkcs11_module *module, unsigned budget);
/* Inside enter() and leave(). */
const CK_INFO *pkcs11_module_info(const struct pkcs11_module *module);
const CK_SLOT_ID *pkcs11_module_slots(const struct pkcs11_module *module, unsigned *ret_count);
/* C_OpenSession of several threads at once is not safe everywhere (tpm2-pkcs11): one at a time. */
CK_RV pkcs11_module_open_session(struct pkcs11_module *module, CK_SLOT_ID slot, CK_SESSION_HANDLE *ret_session);
void pkcs11_module_close_session(struct pkcs11_module *module, CK_SESSION_HANDLE session);
/* Waits for `cond` under `mutex`; false when the time is over. */
bool pkcs11_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_ms);

/* pkcs11_selector.c: which token of a module; slot numbers change, so they never choose */
/* ret_module is a copy of the module's path, from the configuration or the URI. */
enum rc pkcs11_selector_new(const struct config_token *config, P11KitUri **ret_selector, char **ret_module,
			    struct err *err) HWA_CHECKED;
enum rc pkcs11_selector_slot(const struct pkcs11_token *token, CK_SLOT_ID *ret_slot, CK_TOKEN_INFO *ret_info,
			     struct err *err) HWA_CHECKED;

/* pkcs11_login.c: one C_Login in `session`, through the governor of refused PINs; `info` of the token was read just before */
enum rc pkcs11_login(struct pkcs11_session *session, struct err *err) HWA_CHECKED;

/* pkcs11_session.c: the pool */
typedef enum rc pkcs11_work(struct pkcs11_session *session, void *ctx, struct err *err);
/*
 * Lends `work` a session, connected and logged in.  Where the connection turns out to be gone, the module is started
 * anew and `work` runs once more, from its beginning; then RC_RETRY, "token unavailable: ...", and while it
 * cannot be reached it is asked again after 1 s, 2 s, 4 s ... 30 s only.
 */
enum rc pkcs11_run(struct pkcs11_token *token, pkcs11_work *work, void *ctx, struct err *err) HWA_CHECKED;
/* The one way to report a module's answer: notes in the session whether the connection is gone. */
enum rc pkcs11_session_fail(struct pkcs11_session *session, struct err *err, CK_RV rv, const char *function);
void pkcs11_session_close_all(struct pkcs11_token *token);

/* pkcs11_token.c */
enum rc pkcs11_open(const struct config_token *config, const char *keys_dir, struct token **ret_token,
		    struct err *err) HWA_CHECKED;
void pkcs11_close(struct token *token);
enum rc pkcs11_info(struct token *token, struct token_info *ret_info, struct err *err) HWA_CHECKED;

/* pkcs11_error.c: the one translation of CK_RV */
enum rc pkcs11_fail(struct err *err, CK_RV rv, const char *function);
const char *pkcs11_rv_name(CK_RV rv);
/* Seen when a token, its daemon or its sessions had gone: only starting the module anew helps. */
bool pkcs11_is_gone(CK_RV rv);
/* Answers of C_Login that speak of the PIN itself; a locked PIN may yet be the right one. */
bool pkcs11_refuses_pin(CK_RV rv);

/* pkcs11_object.c: what PKCS#11 calls a family of keys; finding objects and reading their attributes */
struct pkcs11_family {
	CK_KEY_TYPE key_type;
	CK_MECHANISM_TYPE generate, sign;
};
const struct pkcs11_family *pkcs11_family(enum key_type type);
/* `id` and `label` may be NULL: any. */
enum rc pkcs11_find_objects(struct pkcs11_session *session, CK_OBJECT_CLASS class, const uint8_t *id, const char *label,
			    CK_OBJECT_HANDLE *ret_objects, CK_ULONG max, CK_ULONG *ret_count, struct err *err) HWA_CHECKED;
enum rc pkcs11_attribute(struct pkcs11_session *session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, struct buf *ret_value,
			 struct err *err) HWA_CHECKED;
enum rc pkcs11_object_spki(struct pkcs11_session *session, CK_OBJECT_HANDLE private_key, const uint8_t *id, size_t id_len,
			   struct buf *ret_spki, struct err *err) HWA_CHECKED;
enum rc pkcs11_object_custody(struct pkcs11_session *session, CK_OBJECT_HANDLE private_key, struct token_custody *ret_custody,
			      struct err *err) HWA_CHECKED;
/* A text of the token, shown to people: blanks at its end cut, control characters replaced. */
void pkcs11_text(const CK_UTF8CHAR *field, size_t width, char *text, size_t room);

/* pkcs11_key.c: a key is its name and its public key; the handle is found again when the module was started anew */
enum rc pkcs11_key_load(struct pkcs11_session *session, const struct token_key_name *name, struct token_key **ret_key,
			struct err *err) HWA_CHECKED;
enum rc pkcs11_key_handle(struct pkcs11_session *session, struct pkcs11_key *key, CK_OBJECT_HANDLE *ret_handle,
			  struct err *err) HWA_CHECKED;
enum rc pkcs11_key_erase(struct pkcs11_session *session, const uint8_t *id, struct err *err) HWA_CHECKED;
enum rc pkcs11_find(struct token *token, const struct token_key_name *name, struct token_key **ret_key,
		    struct err *err) HWA_CHECKED;
enum rc pkcs11_list(struct token *token, token_list_fn *each, void *ctx, struct err *err) HWA_CHECKED;
enum rc pkcs11_erase(struct token_key *key, struct err *err) HWA_CHECKED;
void pkcs11_key_free(struct token_key *key);

/* pkcs11_generate.c */
enum rc pkcs11_generate(struct token *token, const struct token_key_name *name, enum key_type type, struct token_key **ret_key,
			struct err *err) HWA_CHECKED;

/* pkcs11_mac.c */
enum rc pkcs11_mac(struct token *token, const char *label, enum token_hash hash, struct span message, struct buf *ret_mac,
		   struct err *err);

/* pkcs11_audit.c */
enum rc pkcs11_audit_try(struct token_key *key, struct err *err) HWA_CHECKED;

/* pkcs11_reference.c */
enum rc pkcs11_reference(struct token_key *key, struct buf *ret_pem, struct buf *ret_uri, struct err *err) HWA_CHECKED;

AUTO_DEFINE(pkcs11_module, struct pkcs11_module *, pkcs11_module_close);
AUTO_DEFINE(p11_uri, P11KitUri *, p11_kit_uri_free);

#endif /* HWA_PKCS11_H */
