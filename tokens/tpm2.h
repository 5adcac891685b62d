/*
 * tpm2.h -- what the files of the TPM backend share; nothing outside tokens/tpm2*.c includes it.
 *
 * Every conversation with the TPM goes through tpm2_run(): one at a time for each token, on a connection that
 * works, repeated once when what failed could be mended.  Between two of them nothing of ours is in the TPM
 * (but for `keep-loaded`: one key and its session); within one, two objects and one session at most.
 */
#ifndef HWA_TPM2_H
#define HWA_TPM2_H

#include <pthread.h>
#include <sys/types.h>
#include <tss2/tss2_esys.h>

#include "token.h"
#include "tss2_key.h"

#define TPM2_LOCKED "the TPM is in dictionary-attack lockout; tpm2_dictionarylockout -c ends it, or time does"

#define TPM2_PATIENCE_MS 2000        /* how long a full or busy TPM is asked again */
#define TPM2_LEFT_MAX    4           /* more do not fit into a TPM that has no resource manager */
#define TPM2_SRK_HANDLE  0x81000001u /* TCG Provisioning Guidance: the storage root key */

struct tpm2_key;

struct tpm2_token {
	struct token base;
	const struct config_token *config;
	char *tcti;
	char *keys_dir;
	pthread_mutex_t mutex;
	pid_t owner;
	ESYS_CONTEXT *esys; /* NULL: thrown away after a TCTI error, opened again at the next use */
	TSS2_TCTI_CONTEXT *tcti_context;
	bool was_connected; /* at any time */
	/* What spares commands; each can be made anew at any time. */
	TPMS_CONTEXT *primary; /* the owner primary, saved */
	struct {
		uint32_t number; /* 0: none looked up on this connection */
		ESYS_TR handle;
		bool is_counted; /* the TPM counts failures to authorise it */
	} persistent;
	uint32_t accepted_parent; /* it has been used, so its authorisation value is empty as it must be */
	struct {
		const struct tpm2_key *key; /* NULL: none */
		ESYS_TR object, session;
	} kept;
	struct {
		int fd; /* -1: not open */
		int slot;
	} journal;
	/* Keys in use when the connection was lost: without a resource manager they are still in the TPM. */
	struct {
		TPM2B_PUBLIC keys[TPM2_LEFT_MAX];
		unsigned count;
	} left;
	bool is_newly_known; /* the parent's name was written down by us, not before: no evidence of a replaced TPM */
};

struct tpm2_key {
	struct token_key base;
	struct tss2_key file;
	struct buf spki;
	TPMS_CONTEXT *saved; /* NULL: it is loaded by its parent */
	bool is_accepted;    /* its authorisation value was right in this process */
};

#define TPM2(token)   ((struct tpm2_token *)(void *)(token))
#define TPM2_KEY(key) ((struct tpm2_key *)(void *)(key))

/* tpm2_context.c: the connection, and the one translation of TSS2_RC */
enum rc tpm2_connect(struct tpm2_token *token, struct err *err);
void tpm2_disconnect(struct tpm2_token *token);
enum rc tpm2_fail(struct tpm2_token *token, struct err *err, TSS2_RC code, const char *command);
/* True when the TPM was busy or full and it is worth asking again; waits a little. */
bool tpm2_again(TSS2_RC code, int64_t *since_ms);
bool tpm2_is_lost(TSS2_RC code);                     /* no TPM answered */
bool tpm2_is_format_one(TSS2_RC code, TSS2_RC base); /* `base` such as TPM2_RC_VALUE, of whichever parameter */
void tpm2_flush(struct tpm2_token *token, ESYS_TR *handle);

/* tpm2_run.c: one conversation, mended and repeated once where that can help */
typedef enum rc tpm2_conversation(struct tpm2_token *token, void *ctx, struct err *err);
/* `ours` (may be NULL) is the key it is about, whose forgotten copies may be flushed to make room. */
enum rc tpm2_run(struct tpm2_token *token, tpm2_conversation *run, void *ctx, const TPM2B_PUBLIC *ours,
		 struct err *err) HWA_CHECKED;
void tpm2_lock(struct tpm2_token *token);
void tpm2_unlock(struct tpm2_token *token);

/* tpm2_key.c: what the rest of the program sees of a TPM key */
enum rc tpm2_key_spki(const TPMT_PUBLIC *area, struct buf *ret_spki, struct err *err);
void tpm2_key_custody(const struct tss2_key *file, TPMA_OBJECT attributes, struct token_custody *ret_custody);
enum rc tpm2_key_signature(enum key_type type, enum token_scheme scheme, const TPMT_SIGNATURE *sig, struct buf *ret_sig,
			   struct err *err);

/* tpm2_info.c */
enum rc tpm2_info(struct token *base, struct token_info *ret_info, struct err *err);
uint32_t tpm2_property(const TPMS_CAPABILITY_DATA *capability, uint32_t wanted);

/* tpm2_template.c */
TPMT_PUBLIC tpm2_key_template(enum key_type type);
/* TPM2_ECC_NONE for what is no curve, or none a TPM knows. */
TPM2_ECC_CURVE tpm2_curve(enum key_type type);
/* Of a parent; what tpm2-openssl makes again for 0x40000001. */
extern const TPM2B_PUBLIC tpm2_storage_template;

/* tpm2_object.c: create, load, sign */
enum rc tpm2_create(struct tpm2_token *token, enum key_type type, struct tss2_key *ret_key, struct err *err);
struct tpm2_signing {
	struct tpm2_key *key;
	TPM2B_DIGEST digest;
	TPMT_SIG_SCHEME scheme;
	TPMT_SIGNATURE sig; /* the result */
	bool was_kept;      /* by a handle of an earlier call, at which there may be another key by now */
};
enum rc tpm2_sign(struct tpm2_signing *signing, struct err *err);
/* Loads the key: its public area as the TPM has it, by the name it gives what it loads, or read back from it; `save` spares the next use the loading by the parent. */
enum rc tpm2_read_public(struct tpm2_key *key, bool save, TPM2B_PUBLIC *ret_public, struct err *err);
/* What keep-loaded left in the TPM; of `key`, or whatever it is (NULL).  Under the lock. */
void tpm2_kept_drop(struct tpm2_token *token, const struct tpm2_key *key);

/* tpm2_parent.c: the keys that wrap ours */
enum rc tpm2_parent_choose(struct tpm2_token *token, uint32_t *ret_number, struct err *err);
/* To be closed; it is in the TPM as an object until then, when it is a primary. */
enum rc tpm2_parent_open(struct tpm2_token *token, uint32_t number, ESYS_TR *ret_parent, struct err *err);
void tpm2_parent_close(struct tpm2_token *token, uint32_t number, ESYS_TR *parent);
/* After TPM2_Create: the key is wrapped by the parent that the TPM tells, whatever was at the handle when it was looked up. */
enum rc tpm2_parent_confirm(struct tpm2_token *token, uint32_t number, ESYS_TR parent, const TPM2B_CREATION_DATA *made,
			    struct err *err);
/* After a failure under it, `rc`: what a TPM has against a handle, a session or a parameter is said of our keys only while
 * the parent is still the one that is known.  The handle that was opened is good no more. */
enum rc tpm2_parent_doubt(struct tpm2_token *token, uint32_t number, enum rc rc, struct err *err);
/* Around a command that the parent authorises: one that has an authorisation value is not asked twice. */
enum rc tpm2_parent_begin(struct tpm2_token *token, uint32_t number, struct err *err);
enum rc tpm2_parent_end(struct tpm2_token *token, uint32_t number, TSS2_RC code, const char *command, struct err *err);

/* tpm2_known.c: the names of parents, written down at first use, as ssh does with hosts */
enum rc tpm2_known_check(struct tpm2_token *token, uint32_t number, const TPM2B_NAME *name, struct err *err);
/* For a parent that is not there: RC_DENIED when it once was, RC_ABSENT when it never was. */
enum rc tpm2_known_missing(struct tpm2_token *token, uint32_t number, struct err *err);

/* tpm2_auth.c: authorisation values, each tried once */
struct tpm2_auth {
	const struct config_secret *from; /* NULL: the empty value of a parent */
	TPM2B_NAME who;                   /* what it opens; a key's name is its name in the whole world */
	TPM2B_AUTH value;
	bool is_counted; /* the TPM counts failures against it (noDA is clear) */
};
enum rc tpm2_auth_read(const struct config_secret *from, TPM2B_AUTH *ret_value, struct err *err);
/* Before and after the one command that uses it.  tpm2_auth_end() returns what the caller returns. */
enum rc tpm2_auth_begin(struct tpm2_token *token, const struct tpm2_auth *auth, struct err *err);
enum rc tpm2_auth_end(struct tpm2_token *token, const struct tpm2_auth *auth, TSS2_RC code, const char *command, struct err *err);
/* Of a value that was right until now, so that no attempt was written down. */
enum rc tpm2_auth_refused(struct tpm2_token *token, const struct tpm2_auth *auth, TSS2_RC code, const char *command,
			  struct err *err);
bool tpm2_is_refusal(TSS2_RC code);
static inline void tpm2_auth_wipe(struct tpm2_auth *auth)
{
	bytes_wipe(&auth->value, sizeof(auth->value));
}
AUTO_DEFINE_VALUE(tpm2_auth, struct tpm2_auth, tpm2_auth_wipe);

/* tpm2_session.c: salted, so that nothing on the bus helps to guess an authorisation value */
enum rc tpm2_session_open(struct tpm2_token *token, TPM2_SE type, ESYS_TR salt, ESYS_TR *ret_session, struct err *err);
void tpm2_session_close(struct tpm2_token *token, ESYS_TR *session);
/* The TPM ends it with the next command that succeeds; then tpm2_session_gone() instead of close. */
void tpm2_session_last_use(struct tpm2_token *token, ESYS_TR session);
void tpm2_session_gone(struct tpm2_token *token, ESYS_TR *session);
void tpm2_session_encrypt(struct tpm2_token *token, ESYS_TR session);

/* tpm2_journal.c: which sessions were open when a process was killed */
#define TPM2_JOURNAL_NONE    0u
#define TPM2_JOURNAL_OPENING 0xffffffffu
#define TPM2_JOURNAL_SLOTS   16
void tpm2_journal_note(struct tpm2_token *token, uint32_t session);
void tpm2_journal_close(struct tpm2_token *token);
struct tpm2_journal_view {
	uint32_t left[TPM2_JOURNAL_SLOTS]; /* by processes that are gone */
	uint32_t live[TPM2_JOURNAL_SLOTS]; /* of other processes, and of ours */
	unsigned left_count, live_count;
	unsigned unknown; /* were being opened when a process was killed: nobody knows their numbers */
};
void tpm2_journal_view(struct tpm2_token *token, struct tpm2_journal_view *ret_view);
/* Forgets what was left and is no longer among the `loaded`: somebody flushed it, and its number may be another's next. */
void tpm2_journal_settle(struct tpm2_token *token, const uint32_t *loaded, unsigned count);

/* tpm2_policy.c: keys bound to platform configuration registers */
/* Reads the registers and puts the policy into `policy` and its digest into `template`. */
enum rc tpm2_policy_make(struct tpm2_token *token, const struct config_pcrs *pcrs, bool with_auth, struct tss2_policy *ret_policy,
			 TPMT_PUBLIC *template, struct err *err);
enum rc tpm2_policy_run(struct tpm2_token *token, const struct tss2_policy *policy, ESYS_TR session, struct err *err);
const char *tpm2_policy_text(const struct tss2_policy *policy, char text[96]);

/* tpm2_reclaim.c: a TPM without a resource manager keeps what a killed process had loaded.  tpm2_reclaim_objects()
 * makes room when the TPM stayed full for TPM2_PATIENCE_MS: it flushes storage parents, which nobody keeps loaded, and
 * copies of `ours` (may be NULL), a key not yet in service.  tpm2_reclaim_sessions() flushes what the journal says is
 * ours and stays loaded all the while.  True when there is room now.  What others use is left alone. */
bool tpm2_reclaim_objects(struct tpm2_token *token, const TPM2B_PUBLIC *ours);
bool tpm2_reclaim_sessions(struct tpm2_token *token);
/* The connection was lost while this key was in use: tpm2_reclaim_objects() may flush it too. */
void tpm2_left_note(struct tpm2_token *token, const TPM2B_PUBLIC *ours);
/* Before the first session of a process: what the journal tells is compared with the TPM while it is fresh. */
void tpm2_reclaim_review(struct tpm2_token *token);
/* Copies of a key that is about to be erased. */
void tpm2_flush_copies(struct tpm2_token *token, const TPM2B_PUBLIC *ours);

#endif /* HWA_TPM2_H */
