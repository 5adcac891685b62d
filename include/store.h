/*
 * store.h -- what we know, on disk: a record per certificate, per account and per key, and a journal.
 *
 * Each call is one transaction: it happened whole or not at all, also under kill -9
 * and a full disk (RC_RESOURCE, nothing changed).  Intent is written here before the
 * effect it announces.  src/state/store.c keeps it in STATE/hwacme.db, mode 0600.
 */
#ifndef HWA_STORE_H
#define HWA_STORE_H

#include <stdbool.h>

#include "bytes.h"
#include "err.h"
#include "order.h"
#include "renewal_info.h"
#include "token.h"

#define STORE_NAME_MAX 64

/* The life of a renewal (DESIGN).  X(enumerator, name as shown) */
#define CERTIFICATE_STATES(X)                                                                       \
	X(CERT_NEW, "new")     /* never issued, nothing under way */                                \
	X(CERT_KEYED, "keyed") /* the next key is reserved, and exists in the token or soon will */ \
	X(CERT_ORDERED, "ordered")                                                                  \
	X(CERT_ISSUED, "issued")       /* chain accepted and staged, not yet live */                \
	X(CERT_INSTALLED, "installed") /* live switched; the deploy hook is still owed */           \
	X(CERT_IN_SERVICE, "in service")

#define X(name, text) name,
enum certificate_state { CERTIFICATE_STATES(X) CERTIFICATE_STATE_COUNT };
#undef X
const char *certificate_state_name(enum certificate_state state);

/* A key we own or are about to; the id is known here before the token has the key. */
struct store_key {
	char token[STORE_NAME_MAX]; /* name in the configuration; "" : no key */
	struct token_key_name name;
	enum key_type type;
	int64_t created_at;
};

struct store_certificate {
	char name[STORE_NAME_MAX];
	enum certificate_state state;
	unsigned generation; /* live/NAME -> archive/NAME/N; 0: none */
	struct store_key live_key;
	/* of the live certificate; 0 and "" before the first */
	int64_t not_before, not_after, issued_at;
	char serial[64];      /* hex, upper case */
	char fingerprint[65]; /* SHA-256, hex, lower case */
	char authority[STORE_NAME_MAX];
	int64_t revoked_at;           /* 0: not by us */
	char names[4096];             /* as ordered, "dns:a dns:b", sorted */
	char asked[4096];             /* what was asked for beside them, as certificate_profile_print() writes it */
	char custody[192];            /* of live_key, in the words of the token when it went live */
	char account[ORDER_URL_MAX];  /* that ordered it */
	char profile[STORE_NAME_MAX]; /* that it was ordered with; "" : none */
	struct renewal_info renewal_info;
	/* the renewal under way */
	struct store_key next_key;
	unsigned next_generation; /* staged; 0: none */
	struct order order;
	/* failures */
	unsigned attempts;     /* failed in a row */
	int64_t retry_at;      /* back-off: nothing before this by itself; 0: none */
	int64_t peer_retry_at; /* the CA's own Retry-After: renew obeys it too, but not renew --force; 0: none */
	int64_t failed_at;
	char last_error[512];
};

struct store_account {
	char authority[STORE_NAME_MAX];
	char directory[ORDER_URL_MAX];
	struct store_key key;
	char url[ORDER_URL_MAX]; /* "" until the CA answered; then it is our kid */
	int64_t created_at;
	struct store_key next_key; /* a rollover is under way; whose the account is, the CA knows */
	char contact[512];         /* as the CA was last told */
	bool is_deactivated;       /* for good (RFC 8555, 7.3.6) */
};

/* The directory of an authority as it was last fetched, so that it is not fetched for each renewal. */
struct store_directory {
	char url[ORDER_URL_MAX];
	int64_t fetched_at;
	struct buf json; /* the caller gives its maximum, and frees it */
};

/* A key that is no longer live, waiting to be erased. */
struct store_retired {
	struct store_key key;
	char certificate[STORE_NAME_MAX];
	int64_t erase_at;
};

struct store;

/* Creates `state_dir` (0700) and the database when missing; refuses a newer schema. */
enum rc store_open(const char *state_dir, struct store **ret_store, struct err *err) HWA_CHECKED;
/* For commands that change nothing; RC_ABSENT when there is no database yet. */
enum rc store_open_readonly(const char *state_dir, struct store **ret_store, struct err *err) HWA_CHECKED;
void store_close(struct store *store);

/* RC_ABSENT when there is no such record; *ret is untouched then. */
enum rc store_certificate_load(struct store *store, const char *name, struct store_certificate *ret, struct err *err) HWA_CHECKED;
/* Writes the record and, when `event` is given, one line in its journal.  A key that was
 * live_key in the stored record and is neither live nor next now becomes a retired one, to
 * be erased at `erase_at`, in the same transaction. */
enum rc store_certificate_save(struct store *store, const struct store_certificate *record, int64_t now, int64_t erase_at,
			       const char *event, struct err *err) HWA_CHECKED;

enum rc store_account_load(struct store *store, const char *authority, struct store_account *ret, struct err *err) HWA_CHECKED;
/* A key that the stored account has and this one has not becomes a retired one, to be erased at once. */
enum rc store_account_save(struct store *store, const struct store_account *account, struct err *err) HWA_CHECKED;

/* RC_ABSENT: none is kept. */
enum rc store_directory_load(struct store *store, const char *authority, struct store_directory *ret,
			     struct err *err) HWA_CHECKED;
enum rc store_directory_save(struct store *store, const char *authority, const struct store_directory *directory,
			     struct err *err) HWA_CHECKED;

/* Retired keys due for erasing at `now`, oldest first, at most `max`. */
enum rc store_retired_due(struct store *store, int64_t now, struct store_retired *ret, unsigned max, unsigned *ret_count,
			  struct err *err) HWA_CHECKED;
enum rc store_retired_drop(struct store *store, const struct token_key_name *name, struct err *err) HWA_CHECKED;

/* Who owns this key: "certificate amf (live)", "account operator-ra"; RC_ABSENT: nobody. */
enum rc store_key_owner(struct store *store, const struct token_key_name *name, char ret_owner[128], struct err *err) HWA_CHECKED;

/* A record that a hook was told to place, and not yet told to remove. */
struct store_answer {
	char certificate[STORE_NAME_MAX];
	char type[32]; /* of the challenge */
	char domain[256], record[320], value[128];
};
/* Before the hook is told to place it; again is no error. */
enum rc store_answer_add(struct store *store, const struct store_answer *answer, struct err *err) HWA_CHECKED;
/* When the hook has removed it. */
enum rc store_answer_drop(struct store *store, const struct store_answer *answer, struct err *err) HWA_CHECKED;
/* Those of a certificate, at most `max`. */
enum rc store_answers(struct store *store, const char *certificate, struct store_answer *ret, unsigned max, unsigned *ret_count,
		      struct err *err) HWA_CHECKED;

/* A number of this state directory's own, never 0: part of the id of every key it reserves. */
enum rc store_instance(struct store *store, uint32_t *ret_instance, struct err *err) HWA_CHECKED;

struct store_journal_line {
	int64_t at;
	char text[512];
};
/* Newest first. */
enum rc store_journal(struct store *store, const char *certificate, struct store_journal_line *ret, unsigned max,
		      unsigned *ret_count, struct err *err) HWA_CHECKED;

/* One process works on a certificate at a time: an advisory lock held until store_unlock(), or the store is closed.
 * RC_RETRY, naming the other process's pid, when it is taken. */
enum rc store_lock(struct store *store, struct err *err) HWA_CHECKED;
/* Has another process written since the last time this was asked?  True when it cannot be told. */
bool store_changed_elsewhere(struct store *store);
void store_unlock(struct store *store); /* before it is closed, so that others may work meanwhile */
/* One renewal daemon on a state directory, for as long as the store is open; RC_RETRY as above.  Opens what store_lock() needs,
 * which a sandbox may not allow later. */
enum rc store_lock_daemon(struct store *store, struct err *err) HWA_CHECKED;

AUTO_DEFINE(store, struct store *, store_close);

#endif /* HWA_STORE_H */
