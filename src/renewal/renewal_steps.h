/* renewal_steps.h -- one renewal under way, as its steps share it; nothing outside src/renewal/renewal*.c includes it. */
#ifndef HWA_RENEWAL_STEPS_H
#define HWA_RENEWAL_STEPS_H

#include "certificate.h"
#include "challenge_desk.h"
#include "csr.h"
#include "driver.h"
#include "renewal_record.h"
#include "service_plan.h"

/* The last ones are the certificate's that is live already: each is followed by what service_next() says. */
enum stage {
	STAGE_ASK,
	STAGE_RESERVE,
	STAGE_KEY,
	STAGE_SIGN_IN,
	STAGE_ORDER,
	STAGE_INSTALL,
	STAGE_PUBLISH,
	STAGE_DEPLOY,
	STAGE_PROBE,
	STAGE_SETTLE,
	STAGE_REVOKE,
	STAGE_PRUNE,
	STAGE_END
};

/* What is known of the chain that was accepted, until it is live. */
struct renewal_accepted {
	char certificate_id[RENEWAL_INFO_ID_MAX]; /* RFC 9773, 4.1 */
	struct certificate_facts facts;
	struct token_custody custody; /* of its key */
};

/* Thousands may wait at once: what is large, or can be read again, is behind a pointer and goes in renewal_rest(). */
struct renewal {
	const struct renewal_desk *desk;
	const struct config_certificate *certificate;
	const struct config_policy *policy;
	const char *authority; /* that it is ordered from this time: the certificate's own, or a fallback */
	bool is_planned;       /* by the daemon: it waits for its authority */
	bool is_forced;        /* by the operator, who has his reasons */
	int64_t held_until;    /* the authority takes nothing before; 0: it does */
	enum stage stage;
	struct store_certificate *record;  /* NULL while it waits, and when it could not be read again */
	bool is_unmade;                    /* record->next_key was reserved just now, and nothing was asked of the token since */
	struct token_key *key;             /* record->next_key, opened */
	struct session *session;           /* with the authority; NULL: not signed in */
	struct client *client;             /* the session's */
	struct driver *driver;             /* of record->order */
	struct order *left;                /* at another authority, or by another profile, until one is placed; NULL: none */
	struct renewal_accepted *accepted; /* NULL: no chain yet */
	int64_t authorized_until;          /* by its CA, without a challenge; 0: unknown */
	bool was_refused;                  /* in this step, which went well all the same */
	int64_t outlasts_from; /* the chain was refused because the present one lasts longer; one made from then on may not be */
	struct challenge_bench bench;
	enum renewal_blame blame;
	enum renewal_result result;
	bool is_live; /* it failed when the certificate was live */
	struct plan plan;
};

/* renewal_rest.c: between two steps that are apart in time. */
enum rc renewal_wake(struct renewal *renewal, struct err *err) HWA_CHECKED;
void renewal_rest(struct renewal *renewal);

/* A step that failed has said in renewal->blame whose failure it was. */

/* renewal_record.c: the record as it is now, with a line of the journal; NULL: without. */
enum rc renewal_record_save(struct renewal *renewal, const char *event, struct err *err) HWA_CHECKED;
/* The certificate as if it were configured for the authority that it is ordered from; borrows what that has. */
struct config_certificate renewal_ordered(const struct renewal *renewal);
/* What the certificate is asked for with. */
struct csr_request renewal_request(const struct renewal *renewal);

/* renewal_authority.c: which of its authorities is asked, and whether that takes an order now, where one is to be placed. */
enum rc renewal_authority_choose(struct renewal *renewal, enum renewal_call call, struct err *err) HWA_CHECKED;
/* It failed, and the record says when it is tried again: that its authority is told of, and how long this certificate waits for it. */
void renewal_turn(struct renewal *renewal, const struct err *why, int64_t now);
/* Of a wait for its authority until then: when it ends, for another may be asked sooner. */
int64_t renewal_turns_by(const struct renewal *renewal, int64_t until, int64_t now);

/* renewal_order.c: from the session with the authority to the chain that is staged. */
/* Can it go on at this authority, as the certificate is configured now? */
bool renewal_is_order_of(const struct renewal *renewal, const struct order *order, const char *authority);
/* The order that is stored while none was placed in its stead. */
const struct order *renewal_stored_order(const struct renewal *renewal);
enum rc renewal_sign_in(struct renewal *renewal, struct err *err) HWA_CHECKED;
enum rc renewal_order(struct renewal *renewal, struct driver_wait *ret_wait, struct err *err) HWA_CHECKED;

/* renewal_key.c: which key is the next one's, and that it is in its token. */
enum rc renewal_reserve(struct renewal *renewal, struct err *err) HWA_CHECKED;
enum rc renewal_key(struct renewal *renewal, struct err *err) HWA_CHECKED;

/* renewal_room.c: the next key, found or made. */
enum rc renewal_generate(struct renewal *renewal, struct err *err) HWA_CHECKED;

/* renewal_install.c: what was staged goes live; a link that somebody removed is made again. */
void renewal_restore(struct renewal *renewal);
enum rc renewal_install(struct renewal *renewal, struct err *err) HWA_CHECKED;

/* renewal_publish.c: what stands in the token beside the live key. */
enum rc renewal_publish(struct renewal *renewal, struct err *err) HWA_CHECKED;
/* A file of an archived generation. */
enum rc renewal_set_read(const struct renewal *renewal, unsigned generation, enum set_file file, struct buf *ret_content,
			 struct err *err) HWA_CHECKED;

/* renewal_service.c: those who use it are told, and it is seen that they do. */
enum rc renewal_deploy(struct renewal *renewal, struct err *err) HWA_CHECKED;
/* With a wait in *ret_wait it is to be called again. */
enum rc renewal_probe(struct renewal *renewal, struct driver_wait *ret_wait, struct err *err) HWA_CHECKED;
enum rc renewal_settle(struct renewal *renewal, struct err *err) HWA_CHECKED;
/* The failure of a hook or a probe, with the back-off of both, is in the record. */
void renewal_note_service(struct renewal *renewal, const struct err *why);
enum stage renewal_stage_next(const struct renewal *renewal); /* of the live certificate, now */

/* renewal_clear.c: what was replaced.  Called before it is: *ret_service is the new certificate's at its beginning. */
enum rc renewal_supersede(struct renewal *renewal, struct store_service *ret_service, struct err *err) HWA_CHECKED;
enum rc renewal_revoke(struct renewal *renewal, struct err *err) HWA_CHECKED;
enum rc renewal_prune(struct renewal *renewal, struct err *err) HWA_CHECKED;
void renewal_note_clear(struct renewal *renewal, const struct err *why);

#endif /* HWA_RENEWAL_STEPS_H */
