/*
 * store.h -- what we know, on disk: a record per certificate, per account and per key, and a journal.
 *
 * Each call is one transaction: it happened whole or not at all, also under kill -9
 * and a full disk (RC_RESOURCE, nothing changed).  Intent is written here before the
 * effect it announces.  src/state/store.c keeps it in STATE/hwacme.db, mode 0600.
 * Several threads may use one store.
 */
#ifndef HWA_STORE_H
#define HWA_STORE_H

#include <stdbool.h>

#include "bytes.h"
#include "err.h"
#include "order.h"
#include "renewal_info.h"
#include "token.h"

#define STORE_NAME_MAX    64
#define STORE_OBJECTS_MAX 96

/* The life of a renewal (src/README.md).  X(enumerator, name as shown) */
#define CERTIFICATE_STATES(X)                                                                       \
	X(CERT_NEW, "new")     /* never issued, nothing under way */                                \
	X(CERT_KEYED, "keyed") /* the next key is reserved, and exists in the token or soon will */ \
	X(CERT_ORDERED, "ordered")                                                                  \
	X(CERT_ISSUED, "issued")       /* chain accepted and staged, not yet live */                \
	X(CERT_INSTALLED, "installed") /* live switched; the deploy hook or the probe is owed */    \
	X(CERT_IN_SERVICE, "in service")                                                            \
	X(CERT_NOT_IN_SERVICE, "not in service") /* the probe sees something else; last, for states are stored by number */

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

/* What became of the live certificate once it was live: its deploy hook and its probe, with a back-off of their own. */
struct store_service {
	/* The objects in the token beside the live key, in the words of service_objects(); "": there are none.  If the configuration says
	 * otherwise, they are still to be changed. */
	char published[STORE_OBJECTS_MAX];
	/* The certificate that it replaced is served until the hook has run, and is about to expire: from then on the hook does not wait for
	 * these objects.  0: it does, or has run with them. */
	int64_t hook_by;
	int64_t deployed_at; /* when the hook succeeded; 0: it has not yet, where there is one */
	int64_t probed_at;   /* the probe last saw the live certificate; 0: never yet */
	int64_t grace_from;  /* from then on the probe may fail for the grace time; 0: it is not failing */
	unsigned attempts;   /* failures in a row of the hook or the probe */
	int64_t retry_at;    /* end of their back-off; 0: none */
	int64_t failed_at;
	char last_error[512];
	int64_t prune_at;         /* superseded generations may be removed from the archive then; 0: there is none */
	int64_t revoke_at;        /* superseded certificates are to be revoked then; 0: there is none */
	unsigned revoke_failures; /* in a row */
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
	char account[ORDER_URL_MAX];  /* URL of the account that ordered it */
	char profile[STORE_NAME_MAX]; /* the profile that was ordered; "" : none */
	struct renewal_info renewal_info;
	int64_t authorized_until; /* when the first of its authorisations ends, as the CA said at issuance; 0: unknown */
	struct store_service service;
	/* the renewal under way */
	struct store_key next_key;
	unsigned next_generation; /* staged; 0: none */
	bool is_forced; /* the operator wanted it, whenever it comes to its end: what comes of it may end before the live one */
	struct order order;
	/* failures */
	unsigned attempts;     /* failed in a row */
	int64_t retry_at;      /* end of the back-off; 0: none.  An operator need not wait for it */
	int64_t peer_retry_at; /* the CA's own Retry-After: renew obeys it too, but not renew --force; 0: none */
	int64_t failed_at;
	char last_error[512];
	/* of those failures, with which authority; other authorities of the certificate may be asked after a time (availability.h) */
	int64_t refused_since;           /* the first of them; 0: none */
	char refused_by[STORE_NAME_MAX]; /* the last of them */
};

struct store_account {
	char authority[STORE_NAME_MAX];
	char directory[ORDER_URL_MAX]; /* where the CA told of it last */
	struct store_key key;
	char url[ORDER_URL_MAX]; /* our kid; "" until the CA answered, and when it has said since that it knows no such account */
	int64_t created_at; /* when the CA first told of it, and for ever after; 0: never, so its key may have to be made still */
	struct store_key next_key; /* a rollover is under way: the account has this key or the other, which the CA is asked */
	char contact[512];         /* as the CA was last told */
	bool is_deactivated;       /* for good (RFC 8555, 7.3.6) */
};

/* The directory of an authority as it was last fetched, so that it is not fetched for each renewal. */
struct store_directory {
	char url[ORDER_URL_MAX];
	int64_t fetched_at;
	struct buf json; /* the caller gives its maximum, and frees it */
};

/* How an authority has been answering, and when it may be given another order; all 0: it answers, and nothing was ordered. */
struct store_availability {
	int64_t down_since;    /* unix time of the first failure in a row that was the authority's own; 0: it answers */
	int64_t retry_at;      /* nobody asks it before; 0: it is not known to be down yet */
	int64_t probing_until; /* one renewal is trying it; the others wait for it, but not longer; past: it was lost */
	int64_t order_at_ms;   /* unix milliseconds: when all orders so far would have been made if they were spread evenly */
	unsigned failures;     /* in a row */
	int64_t noted_at;      /* when this was written; 0: by an older hwacme, which did not say */
};

/* A key that is no longer live, waiting to be erased. */
struct store_retired {
	struct store_key key;
	char certificate[STORE_NAME_MAX]; /* "": an account's */
	int64_t erase_at;
	/* of the last certificate that it was live with; 0: it never was */
	unsigned generation;
	int64_t not_after;
	unsigned newer; /* how many keys of the same certificate were retired after it */
};

/* A certificate that was replaced and that its CA is to be told of. */
struct store_superseded {
	unsigned generation; /* archive/NAME/N has it */
	char authority[STORE_NAME_MAX];
	char serial[64];
	int64_t not_after;
};

struct store;

/* Creates `state_dir` (0755, for servers read in it) and the database when missing; refuses a newer schema. */
enum rc store_open(const char *state_dir, struct store **ret_store, struct err *err) HWA_CHECKED;
/* For commands that change nothing; RC_ABSENT when there is no database yet. */
enum rc store_open_readonly(const char *state_dir, struct store **ret_store, struct err *err) HWA_CHECKED;
void store_close(struct store *store);

/* What is read until store_view_end() is of one moment, and costs less: for who lists all there is, in a store opened for reading. */
enum rc store_view_begin(struct store *store, struct err *err) HWA_CHECKED;
void store_view_end(struct store *store);

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

/* Zeros when nothing is known of it. */
enum rc store_availability_load(struct store *store, const char *authority, struct store_availability *ret,
				struct err *err) HWA_CHECKED;
/* Loads, lets `change` have it, and saves when that returns true: one transaction, whoever else is at it.  `change` may be called
 * twice, with what was loaded each time. */
typedef bool store_availability_fn(void *ctx, struct store_availability *availability);
enum rc store_availability_change(struct store *store, const char *authority, store_availability_fn *change, void *ctx,
				  struct err *err) HWA_CHECKED;

/* Retired keys whose time has come at `now`, oldest first, those that come after `after` (NULL: all), at most `max`; some of them may
 * still have to be kept (retire.c). */
enum rc store_retired_page(struct store *store, int64_t now, const struct store_retired *after, struct store_retired *ret,
			   unsigned max, unsigned *ret_count, struct err *err) HWA_CHECKED;
/* The same of one certificate. */
enum rc store_retired_of(struct store *store, const char *certificate, int64_t now, struct store_retired *ret, unsigned max,
			 unsigned *ret_count, struct err *err) HWA_CHECKED;
/* How many of this certificate's wait in that token, and until when the first of them does. */
enum rc store_retired_count(struct store *store, const char *certificate, const char *token, unsigned *ret_count,
			    int64_t *ret_first_at, struct err *err) HWA_CHECKED;
/* Those that were to wait until after `latest`, as they are when the clock was ahead, wait until then: how many.  None of a certificate
 * that is not valid yet at `now`: then it is now that the clock is wrong.  (By less than that certificate is old it may be wrong all the
 * same, and the wait is shorter by as much.) */
enum rc store_retired_hasten(struct store *store, int64_t latest, int64_t now, unsigned *ret_count, struct err *err) HWA_CHECKED;
enum rc store_retired_drop(struct store *store, const struct token_key_name *name, struct err *err) HWA_CHECKED;

/* The same of superseded certificates, but those whose CA was asked already: it may have said when to ask again. */
enum rc store_superseded_hasten(struct store *store, int64_t latest, int64_t now, unsigned *ret_count,
				struct err *err) HWA_CHECKED;
/* The same of superseded generations in the archive. */
enum rc store_prune_hasten(struct store *store, int64_t latest, int64_t now, unsigned *ret_count, struct err *err) HWA_CHECKED;

/* Before another certificate goes live in its place; again is no error. */
enum rc store_superseded_add(struct store *store, const char *certificate, const struct store_superseded *superseded,
			     struct err *err) HWA_CHECKED;
/* The oldest of those below `generation`; RC_ABSENT: there is none. */
enum rc store_superseded_first(struct store *store, const char *certificate, unsigned generation, struct store_superseded *ret,
			       struct err *err) HWA_CHECKED;
enum rc store_superseded_drop(struct store *store, const char *certificate, unsigned generation, struct err *err) HWA_CHECKED;

/* Who owns this key: "certificate amf (live)", "account operator-ra"; RC_ABSENT: nobody. */
enum rc store_key_owner(struct store *store, const struct token_key_name *name, char ret_owner[128], struct err *err) HWA_CHECKED;
/*
 * For who asks of many keys, when each question would read all records: they are read once, and what they said then is answered.
 * Once only, of a store that was opened for reading.
 */
enum rc store_key_owners_gather(struct store *store, struct err *err) HWA_CHECKED;
enum rc store_key_owner_gathered(struct store *store, const struct token_key_name *name, char ret_owner[128],
				 struct err *err) HWA_CHECKED;

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

#define STORE_JOURNAL_KEPT 200 /* lines a certificate; the oldest go */
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
/* Reads all of it; RC_RESOURCE where it is damaged. */
enum rc store_sound(struct store *store, struct err *err) HWA_CHECKED;
/* RC_RESOURCE where the state directory, its database or a lock was removed or replaced: what is written here nobody reads, or others write too. */
enum rc store_in_place(struct store *store, struct err *err) HWA_CHECKED;
/* Tells who has the lock that others wait for their turn, until store_lock() gives it to us, or the store is closed; and whether one does. */
void store_lock_want(struct store *store);
bool store_lock_is_wanted(struct store *store); /* of a store that store_lock_daemon() was called for */
void store_unlock(struct store *store);         /* before it is closed, so that others may work meanwhile */
/* One renewal daemon on a state directory, for as long as the store is open; RC_RETRY as above.  Opens what store_lock() needs,
 * which a sandbox may not allow later. */
enum rc store_lock_daemon(struct store *store, struct err *err) HWA_CHECKED;
/* Tells who asks that a daemon is here, also between two of its engines, until *ret_mark and its copies are closed.  Any number may. */
enum rc store_mark_daemon(const char *state_dir, int *ret_mark, struct err *err) HWA_CHECKED;
bool store_has_daemon(const char *state_dir);

AUTO_DEFINE(store, struct store *, store_close);

#endif /* HWA_STORE_H */
