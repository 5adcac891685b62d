/* pkcs11.h -- what the files of the PKCS#11 backend share; nothing outside tokens/pkcs11*.c includes it. */
#ifndef HWA_PKCS11_H
#define HWA_PKCS11_H

#include <p11-kit/pkcs11.h>
#include <p11-kit/uri.h>
#include <pthread.h>
#include <sys/types.h>

#include "pkcs11_facts.h"
#include "token.h"

#define PKCS11(token)           ((struct pkcs11_token *)(void *)(token))
#define PKCS11_KEY(key)         ((struct pkcs11_key *)(void *)(key))
#define PKCS11_KEYS_MAX         4096 /* keys looked at in one token */
#define PKCS11_NAMESAKES_MAX    16   /* objects of one id or label, looked at one by one */
#define PKCS11_ANY_CLASS        CK_UNAVAILABLE_INFORMATION
#define PKCS11_SLOTS_MAX        256
#define PKCS11_SESSIONS_DEFAULT 4 /* of one token, when as many callers want it at once; some have few, and others use it too */
#define PKCS11_SESSIONS_MAX     64

struct pkcs11_module; /* a loaded module; tokens of the same module share it */
struct pkcs11_quirks;
struct pkcs11_waiter;
struct pkcs11_token;

/* Of a module that needs them (pkcs11_turn.c). */
struct pkcs11_turns {
	pthread_rwlock_t objects; /* shared by all that make an object; a search is alone */
	pthread_rwlock_t changes; /* shared by all calls but those that change an object */
};

/* A session of the pool, lent to one caller at a time; what a call said of it decides what becomes of it. */
struct pkcs11_session {
	struct pkcs11_token *token;
	CK_FUNCTION_LIST *call;
	CK_SESSION_HANDLE handle;
	uint64_t generation;        /* of the module's load; handles of objects are good in the same only */
	struct pkcs11_turns *turns; /* NULL: its module does not mix up objects */
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
	bool tells_login;  /* C_GetSessionInfo knew of the login when it was made */
	bool is_read_only; /* write-protected: it opens no session to write in */
	CK_SLOT_ID slot;
	CK_TOKEN_INFO info; /* as it was read before the login */
	const struct pkcs11_quirks *quirks;
	struct pkcs11_session sessions[PKCS11_SESSIONS_MAX];
	unsigned session_limit, session_max; /* as configured; as the token allows, or has for us */
	int64_t crowded_until_ms;            /* it had fewer than it allows; 0: it has not */
	int64_t retry_at_ms, retry_step_ms;  /* `token unavailable`: not asked again before */
	struct err unavailable;
};

struct pkcs11_key {
	struct token_key base;
	struct buf spki;
	/* Good in `generation` of the module's load, found again by id after it; the public one may be CK_INVALID_HANDLE. */
	CK_OBJECT_HANDLE handle, public_handle;
	uint64_t generation; /* 0: they are good no more */
	bool is_alone; /* under the token's mutex: made here under a fresh name, and nothing was put beside it: no other object of ours has its id */
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
/* The same for a token that was not there when it was started.  False, and nothing is done, where others would lose their sessions and
 * logins for that too often: after the first two at once it is 1 s, 2 s ... 30 s between such starts. */
bool pkcs11_module_look(struct pkcs11_module *module, uint64_t generation);
/* Counts key generations in this load; true when `budget` (0: none) is used up and it must be started anew first. */
bool pkcs11_module_spend(struct pkcs11_module *module, unsigned budget);
/* Inside enter() and leave(). */
const CK_INFO *pkcs11_module_info(const struct pkcs11_module *module);
const CK_SLOT_ID *pkcs11_module_slots(const struct pkcs11_module *module, unsigned *ret_count);
/* C_OpenSession of several threads at once is not safe everywhere (tpm2-pkcs11): one at a time. */
CK_RV pkcs11_module_open_session(struct pkcs11_module *module, CK_SLOT_ID slot, bool is_read_only,
				 CK_SESSION_HANDLE *ret_session);
void pkcs11_module_close_session(struct pkcs11_module *module, CK_SESSION_HANDLE session);
struct pkcs11_turns *pkcs11_module_turns(struct pkcs11_module *module);
/* Waits for `cond` under `mutex`; false when the time is over. */
bool pkcs11_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_ms);

/* pkcs11_selector.c: which token of a module; slot numbers change, so they never choose */
/* ret_module is a copy of the module's path, from the configuration or the URI. */
enum rc pkcs11_selector_new(const struct config_token *config, P11KitUri **ret_selector, char **ret_module,
			    struct err *err) HWA_CHECKED;
enum rc pkcs11_selector_slot(const struct pkcs11_token *token, CK_SLOT_ID *ret_slot, CK_TOKEN_INFO *ret_info,
			     struct err *err) HWA_CHECKED;

/* pkcs11_login.c: one C_Login in `session`, through the governor of refused PINs; `info` of the token was read just before.
 * After one without a verdict on the PIN the same is answered, without another, until its back-off is over. */
enum rc pkcs11_login(struct pkcs11_session *session, struct err *err) HWA_CHECKED;
/* Is the user logged in, as the module tells it?  False: no, or it does not tell. */
bool pkcs11_login_is_told(struct pkcs11_session *session);
/* What a search does not show is not there only for who is logged in: an HSM may end a login and leave the sessions.  RC_RETRY: it
 * has, and that leads to the way back. */
enum rc pkcs11_login_check(struct pkcs11_session *session, struct err *err) HWA_CHECKED;

/* pkcs11_session.c: the pool */
typedef enum rc pkcs11_work(struct pkcs11_session *session, void *ctx, struct err *err);
/*
 * Lends `work` a session, connected and logged in.  Where the connection turns out to be gone, the module is started
 * anew and `work` runs once more, from its beginning; then RC_RETRY, "token unavailable: ...", and while it
 * cannot be reached it is asked again after 1 s, 2 s, 4 s ... 30 s only.
 */
enum rc pkcs11_run(struct pkcs11_token *token, pkcs11_work *work, void *ctx, struct err *err) HWA_CHECKED;
/* The same for work that changes attributes of objects. */
enum rc pkcs11_run_change(struct pkcs11_token *token, pkcs11_work *work, void *ctx, struct err *err) HWA_CHECKED;
/* The one way to report a module's answer: notes in the session whether the connection is gone. */
enum rc pkcs11_session_fail(struct pkcs11_session *session, struct err *err, CK_RV rv, const char *function);
/* The same while the token is connected to, where no call has worked yet: what is not known may be a lost device as well. */
enum rc pkcs11_connect_fail(struct pkcs11_session *session, struct err *err, CK_RV rv, const char *function);
void pkcs11_session_close_all(struct pkcs11_token *token);

/* pkcs11_turn.c: nothing but waiting, and only with a module that needs it */
void pkcs11_turns_init(struct pkcs11_turns *turns);
/* Around all work in a session. */
void pkcs11_turn_begin(struct pkcs11_session *session, bool is_change);
void pkcs11_turn_end(struct pkcs11_session *session);
/* Around a search from its beginning to its end, and around each call that makes an object of the token; not one in the other. */
void pkcs11_search_begin(struct pkcs11_session *session);
void pkcs11_making_begin(struct pkcs11_session *session);
void pkcs11_objects_release(struct pkcs11_session *session);

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
/* False of the codes of vendors, and of those that PKCS#11 does not have: they may mean anything. */
bool pkcs11_is_known(CK_RV rv);
/* Answers of C_Login that speak of the PIN itself: it is no good any more.  A locked one may yet be the right one. */
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
/* The two halves of a key; of what should not be, several of one, those facts are the first one's. */
struct pkcs11_pair {
	CK_OBJECT_HANDLE private_keys[PKCS11_NAMESAKES_MAX], public_keys[PKCS11_NAMESAKES_MAX];
	unsigned private_count, public_count;
	bool has_certificate; /* one with the same name */
	struct pkcs11_facts private_facts, public_facts;
};
/* `groups` of pkcs11_facts.h are read of each; nothing found is RC_OK. */
enum rc pkcs11_pair_find(struct pkcs11_session *session, const uint8_t *id, const char *label, unsigned groups,
			 struct pkcs11_pair *ret_pair, struct err *err) HWA_CHECKED;
/*
 * False: it has another id, as it tells; with PKCS11_READ_ID.  A module that keeps a part of an id finds by that part (YubiHSM's before
 * 2.4: two bytes): what a search shows may be somebody else's, and is not to be destroyed.
 */
bool pkcs11_facts_has_id(const struct pkcs11_facts *facts, const uint8_t *id);
/* What was not told cannot be used; the module's own answer says why. */
enum rc pkcs11_untold(const struct pkcs11_facts *facts, struct err *err);
/* The group of pkcs11_facts.h that its public object has to tell, because it does not tell its public half itself; 0: none. */
unsigned pkcs11_untold_half(const struct pkcs11_facts *private_key);
/* From what was told of the private key, and of its public one, which may be NULL. */
enum rc pkcs11_facts_spki(const struct pkcs11_facts *private_key, const struct pkcs11_facts *public_key, struct buf *ret_spki,
			  struct err *err) HWA_CHECKED;
/* An attribute that the module does not know counts against the key. */
enum rc pkcs11_facts_custody(const struct pkcs11_token *token, const struct pkcs11_facts *private_key,
			     struct token_custody *ret_custody, struct err *err) HWA_CHECKED;
/* A text of the token, shown to people: blanks at its end cut, control characters replaced. */
void pkcs11_text(const CK_UTF8CHAR *field, size_t width, char *text, size_t room);

/* pkcs11_key.c: a key is its name and its public key; the handle is found again when the module was started anew */
struct pkcs11_key *pkcs11_key_new(struct token *token); /* empty; NULL: out of memory */
enum rc pkcs11_key_load(struct pkcs11_session *session, const struct token_key_name *name, struct token_key **ret_key,
			struct err *err) HWA_CHECKED;
/* Of objects that were just made under this name: nothing is searched for, everything is read back. */
enum rc pkcs11_key_adopt(struct pkcs11_session *session, const struct token_key_name *name, enum key_type type,
			 CK_OBJECT_HANDLE private_key, CK_OBJECT_HANDLE public_key, struct token_key **ret_key,
			 struct err *err) HWA_CHECKED;
enum rc pkcs11_key_handle(struct pkcs11_session *session, struct pkcs11_key *key, CK_OBJECT_HANDLE *ret_handle,
			  struct err *err) HWA_CHECKED;
/* False: the module was started anew since, or its object is gone. */
bool pkcs11_key_noted(struct pkcs11_session *session, struct pkcs11_key *key, CK_OBJECT_HANDLE *ret_handle,
		      CK_OBJECT_HANDLE *ret_public);
/* RC_ABSENT.  No key is an answer only from a token that is there: one that was pulled out may say so of every key (SoftHSM). */
enum rc pkcs11_absent(struct pkcs11_session *session, struct err *err);
/* True when `rv` says that the handle is no object's any more: then pkcs11_key_handle() finds the key again. */
bool pkcs11_key_forget(struct pkcs11_session *session, struct pkcs11_key *key, CK_OBJECT_HANDLE handle, CK_RV rv);
enum rc pkcs11_find(struct token *token, const struct token_key_name *name, struct token_key **ret_key,
		    struct err *err) HWA_CHECKED;
enum rc pkcs11_confirm(struct token_key *key, struct err *err) HWA_CHECKED;
void pkcs11_key_free(struct token_key *key);

/* pkcs11_erase.c */
/* Something is put beside it: it is not alone any more. */
void pkcs11_key_accompany(struct pkcs11_key *key);
/* Of one that is gone already nothing is said. */
enum rc pkcs11_pair_destroy(struct pkcs11_session *session, const struct pkcs11_pair *pair, struct err *err) HWA_CHECKED;
enum rc pkcs11_erase(struct token_key *key, struct err *err) HWA_CHECKED;
enum rc pkcs11_erase_name(struct token *token, const struct token_key_name *name, struct err *err) HWA_CHECKED;

/* pkcs11_list.c */
enum rc pkcs11_list(struct token *token, token_list_fn *each, void *ctx, struct err *err) HWA_CHECKED;

/* pkcs11_make.c */
struct pkcs11_made {
	CK_OBJECT_HANDLE private_key, public_key; /* of the token */
	const char *function;                     /* that answered */
	bool is_alone;                            /* nothing was tried before it, that might have left a key as well */
};
/* A pair under this name, by the first template that the token takes. */
CK_RV pkcs11_make(struct pkcs11_session *session, const struct token_key_name *name, enum key_type type,
		  struct pkcs11_made *ret_made);

/* pkcs11_generate.c */
enum rc pkcs11_generate(struct token *token, const struct token_key_name *name, enum key_type type, struct token_key **ret_key,
			struct err *err) HWA_CHECKED;

/* pkcs11_publish.c */
enum rc pkcs11_publish(struct token_key *key, const struct token_objects *objects, struct err *err);

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
