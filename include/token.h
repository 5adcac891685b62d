/*
 * token.h -- the contract between the client and whatever holds a private key.
 *
 * A backend (tokens/pkcs11.c, tokens/tpm2.c) lends us keys it never shows us.
 * It promises, and tests/contract/token_contract.c holds every backend to it:
 *   - no private byte crosses this interface, in either direction;
 *   - a call that fails changes nothing we can see, and fills *err;
 *   - `ret_` arguments are written on success only;
 *   - custody is read back from the token after generate() and at every find():
 *     a key that could leave the token, or was not made in it, is RC_DENIED;
 *   - freeing a handle never erases a key: only erase() does;
 *   - after fork() a handle is good for freeing and nothing else;
 *   - a PIN or TPM authorisation that was refused is not sent again.
 *
 * Errors: RC_DENIED a PIN or authorisation was refused, or custody failed;
 * RC_ABSENT the token, module, TPM or key is not there; RC_RETRY busy or gone
 * for the moment; RC_INPUT the configuration or arguments are wrong.
 */
#ifndef HWA_TOKEN_H
#define HWA_TOKEN_H

#include <stdbool.h>

#include "bytes.h"
#include "config.h"
#include "err.h"
#include "key_type.h"

#define TOKEN_LABEL_MAX     64  /* with NUL; also a file name, so [A-Za-z0-9._-] only */
#define TOKEN_ID_LEN        16  /* CKA_ID: random, known to the store before the key exists */
#define TOKEN_SIG_MAX       512 /* RSA 4096 */
#define TOKEN_SPKI_MAX      1024
#define TOKEN_MESSAGE_MAX   (64u * 1024u) /* what Ed25519 signs is not hashed first */
#define TOKEN_REFERENCE_MAX 8192
#define TOKEN_CHAIN_MAX     10 /* certificates beside a key, without its own */

/* How a key is called: the id finds it, the label is for people and file names.  An id of zeros: the key is not of our making, and
 * its label, which no other key of the token may have, finds it; it is never erased. */
struct token_key_name {
	char label[TOKEN_LABEL_MAX];
	uint8_t id[TOKEN_ID_LEN];
};

/* What the token itself says about how it keeps a key. */
struct token_custody {
	bool held;      /* invariant I2 (src/README.md) holds */
	bool is_broken; /* it does not, as the token has told; when neither, the token did not tell, and nothing follows from that */
	char text
		[512]; /* in words: "sensitive, never extractable, generated in the token"; or an error's text: why it was not told */
};

/* What `token list` shows. */
struct token_info {
	char label[64], serial[64], model[64], manufacturer[64], firmware[32];
	char pin_state[64];             /* "ok", "ok; the token wants it changed", "one try left", "locked", "no PIN" */
	char mechanisms[256];           /* of those we use: "CKM_ECDSA CKM_RSA_PKCS ..."; "" where there are no such names */
	bool software;                  /* no hardware holds the keys */
	int64_t free_memory;            /* bytes for private keys; -1: the token does not say */
	bool key_types[KEY_TYPE_COUNT]; /* which this token can generate */
};

/* What stands in the token beside a key, for consumers that look for it there. */
struct token_objects {
	const char *label;                  /* of the key and its certificate; "": the key's own */
	struct span certificate;            /* DER, of that key; empty: none */
	struct span chain[TOKEN_CHAIN_MAX]; /* DER; only beside a certificate */
	unsigned chain_count;
};

struct token_ops;
struct token {
	const struct token_ops *ops;
	const char *name;
}; /* every backend's struct begins with it */
struct token_key {
	const struct token_ops *ops;
	struct token *token;
	struct token_key_name name;
	enum key_type type;
	struct spki_key *checker; /* of tokens/token.c alone: the public key, ready to verify with */
};

/* Called once per key by list(); RC_OK to go on. */
typedef enum rc token_list_fn(void *ctx, struct token_key *key, const struct token_custody *custody, struct err *err);

struct token_ops {
	const char *scheme; /* "pkcs11", "tpm2" */
	enum rc (*open)(const struct config_token *config, const char *keys_dir, struct token **ret_token,
			struct err *err) HWA_CHECKED;
	void (*close)(struct token *token);
	enum rc (*info)(struct token *token, struct token_info *ret_info, struct err *err) HWA_CHECKED;
	enum rc (*generate)(struct token *token, const struct token_key_name *name, enum key_type type,
			    struct token_key **ret_key, struct err *err) HWA_CHECKED;
	enum rc (*find)(struct token *token, const struct token_key_name *name, struct token_key **ret_key,
			struct err *err) HWA_CHECKED;
	/* What find() promises, of a key that was found before and at less cost; RC_ABSENT, RC_DENIED, RC_PROTOCOL: it has to be found
	 * anew.  NULL: it always has. */
	enum rc (*confirm)(struct token_key *key, struct err *err);
	/* Every private key in the token, also those that fail custody; the handle lives for the call only. */
	enum rc (*list)(struct token *token, token_list_fn *each, void *ctx, struct err *err) HWA_CHECKED;
	void (*key_free)(struct token_key *key);
	/* SubjectPublicKeyInfo, DER. */
	enum rc (*public_key)(struct token_key *key, struct buf *ret_spki, struct err *err) HWA_CHECKED;
	/* `input` is the digest; for TOKEN_EDDSA the message, of at most TOKEN_MESSAGE_MAX. */
	enum rc (*sign)(struct token_key *key, enum token_scheme scheme, enum token_hash hash, struct span input,
			struct buf *ret_sig, struct err *err) HWA_CHECKED;
	enum rc (*custody)(struct token_key *key, struct token_custody *ret_custody, struct err *err) HWA_CHECKED;
	/* What a server loads as its key file (PEM: TSS2 PRIVATE KEY or PKCS#11 URI) and the URI; never a secret. */
	enum rc (*reference)(struct token_key *key, struct buf *ret_pem, struct buf *ret_uri, struct err *err) HWA_CHECKED;
	/* Proof, bound to `nonce`, that the key lives in this hardware; NULL where the backend cannot give one. */
	enum rc (*attest)(struct token_key *key, struct span nonce, struct buf *ret_statement, struct err *err);
	/* Attributes are a claim: tries to get the key out, wrapped by another.  RC_OK: the token refused; RC_DENIED: it did not.
	 * NULL where there is nothing to try. */
	enum rc (*audit_try)(struct token_key *key, struct err *err);
	/* HMAC with the generic secret key of that label; NULL where a token keeps none.  RC_ABSENT: there is no such key. */
	enum rc (*mac)(struct token *token, const char *label, enum token_hash hash, struct span message, struct buf *ret_mac,
		       struct err *err);
	/* Makes the token hold exactly that beside the key, and reads it back; NULL where a token keeps no certificates.  A label that
	 * another key of the same state directory has moves here when all else is there; that of anybody else's key is RC_DENIED. */
	enum rc (*publish)(struct token_key *key, const struct token_objects *objects, struct err *err);
	/* For good, with its certificates; erasing what is already gone is RC_OK.  The handle must still be freed. */
	enum rc (*erase)(struct token_key *key, struct err *err) HWA_CHECKED;
	/* The same by its name alone, kept as it must be or not; RC_ABSENT: there is none.  NULL: it is found first. */
	enum rc (*erase_name)(struct token *token, const struct token_key_name *name, struct err *err);
};

/*
 * What callers use (tokens/token.c).  token_open() picks the backend by the
 * configuration.  token_sign() hashes nothing (token_sign_message() does, where the
 * scheme has a hash), and verifies what the token signed with the public key before
 * it returns it: a stale TPM handle can sign with another key and report success.
 */
enum rc token_open(const struct config_token *config, const char *keys_dir, struct token **ret_token,
		   struct err *err) HWA_CHECKED;
void token_close(struct token *token);
enum rc token_info(struct token *token, struct token_info *ret_info, struct err *err) HWA_CHECKED;
enum rc token_generate(struct token *token, const struct token_key_name *name, enum key_type type, struct token_key **ret_key,
		       struct err *err) HWA_CHECKED;
enum rc token_find(struct token *token, const struct token_key_name *name, struct token_key **ret_key,
		   struct err *err) HWA_CHECKED;
enum rc token_list(struct token *token, token_list_fn *each, void *ctx, struct err *err) HWA_CHECKED;
/* Not used for a while: lets go of what its next signature makes again.  For a key that no other thread uses. */
void token_key_rest(struct token_key *key);
void token_key_free(struct token_key *key);
enum rc token_public_key(struct token_key *key, struct buf *ret_spki, struct err *err) HWA_CHECKED;
enum rc token_sign(struct token_key *key, enum token_scheme scheme, enum token_hash hash, struct span input, struct buf *ret_sig,
		   struct err *err) HWA_CHECKED;
enum rc token_sign_message(struct token_key *key, enum token_scheme scheme, enum token_hash hash, struct span message,
			   struct buf *ret_sig, struct err *err) HWA_CHECKED;
/* What token_sign() asks of its arguments, for whoever calls the backend's sign itself. */
enum rc token_sign_check(const struct token_key *key, enum token_scheme scheme, enum token_hash hash, struct span input,
			 struct err *err) HWA_CHECKED;
enum rc token_custody(struct token_key *key, struct token_custody *ret_custody, struct err *err) HWA_CHECKED;
enum rc token_reference(struct token_key *key, struct buf *ret_pem, struct buf *ret_uri, struct err *err) HWA_CHECKED;
enum rc token_audit_try(struct token_key *key, struct err *err) HWA_CHECKED;
/* RC_INPUT: this kind of token keeps no certificates, or does not let labels be changed. */
enum rc token_publish(struct token_key *key, const struct token_objects *objects, struct err *err) HWA_CHECKED;
enum rc token_erase(struct token_key *key, struct err *err) HWA_CHECKED;
/* Whatever has that name, also what find() refuses; RC_ABSENT: nothing has. */
enum rc token_erase_name(struct token *token, const struct token_key_name *name, struct err *err) HWA_CHECKED;
/* find() refuses a key that was cut off while the token made it, or that could leave; list() shows it, and so it can be erased:
 * the key of that name, if it is there and the token has told that custody is broken.  What find() refuses for any other reason, as a TPM
 * near its lockout does, may be a good key: RC_ABSENT, as for one that is not there, and it is left alone. */
enum rc token_erase_unkept(struct token *token, const struct token_key_name *name, struct err *err) HWA_CHECKED;

/*
 * A fresh id, and the label "hwacme-OWNER-<id in hex>", the owner cut to fit.  The id is the unix time and the number of
 * the state directory (store_instance(); 0: none), four bytes each, and eight random ones: so the age of a key,
 * and whose it is in a token that several hosts use, can be told from the key alone.  A PKCS#11 token that is used by this very process is not
 * searched for it when the key is made (tokens/fresh_names.h).
 */
enum rc token_key_name_make(const char *owner, uint32_t instance, struct token_key_name *ret_name, struct err *err) HWA_CHECKED;
/* Is it called as token_key_name_make() calls keys?  Then what its id tells. */
bool token_key_name_parse(const struct token_key_name *name, int64_t *ret_made_at, uint32_t *ret_instance);
/* The name that a key with this id has, when its owner is that of `like` (token_key_name_parse()). */
struct token_key_name token_key_name_like(const struct token_key_name *like, const uint8_t id[TOKEN_ID_LEN]);
#define TOKEN_LABEL_PREFIX "hwacme-"
bool token_key_name_has_id(const struct token_key_name *name);

AUTO_DEFINE(token, struct token *, token_close);
AUTO_DEFINE(token_key, struct token_key *, token_key_free);

/* Every backend built in, NULL last: tokens/registry.c. */
extern const struct token_ops *const token_backends[];

#endif /* HWA_TOKEN_H */
