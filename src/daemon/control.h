/*
 * control.h -- STATE/control: how another command has the running daemon renew certificates, and hears how it goes.
 *
 * A seqpacket socket for the daemon's own user, one fixed packet a message, between programs of one version.  Asked for a
 * certificate, the daemon renews it as `hwacme renew` would, tells each step, and at the end what came of it.
 */
#ifndef HWA_CONTROL_H
#define HWA_CONTROL_H

#include "loop.h"

#define CONTROL_CLIENTS_MAX 8
#define CONTROL_VERSION     1u

/* X(enumerator) */
#define CONTROL_KINDS(X)                                                                         \
	X(CONTROL_ASK)     /* to the daemon: `name`, `call` */                                   \
	X(CONTROL_EVENT)   /* from it: a step of `name`, in `text` */                            \
	X(CONTROL_DONE)    /* `rc`, `blame`, `result`, `when`, `why`, and the error in `text` */ \
	X(CONTROL_UNKNOWN) /* no such certificate in the daemon's configuration */               \
	X(CONTROL_PAGE)    /* to the daemon: where is its status page?  From it: the address in `text`, or "" */

#define X(name) name,
enum control_kind { CONTROL_KINDS(X) };
#undef X

struct control_message {
	uint32_t version, kind;
	uint32_t call; /* enum renewal_call */
	uint32_t rc, blame, result;
	int64_t when;
	char name[STORE_NAME_MAX];
	char why[240], text[512];
};

struct control;
/* The daemon's end; before the sandbox is entered.  Whoever calls holds store_lock_daemon(). */
enum rc control_open(const struct config *config, struct control **ret_control, struct err *err) HWA_CHECKED;
/* From now on it answers, in a thread of its own; the loop tells it what happens. */
enum rc control_start(struct control *control, struct loop *loop, struct err *err) HWA_CHECKED;
/* Where the status page is served, for who asks; NULL: nowhere.  Borrows `address`. */
void control_set_page(struct control *control, const char *address);
void control_stop(struct control *control);

/* The other end: RC_ABSENT when no daemon runs on this state directory. */
enum rc control_connect(const char *state_dir, int *ret_fd, struct err *err) HWA_CHECKED;
enum rc control_ask(int fd, const char *name, enum renewal_call call, struct err *err) HWA_CHECKED;
/* Where the daemon serves its status page, "" where it does not; RC_ABSENT: no daemon runs.  Any other failure: one does, and does not
 * say; it is not waited for long. */
enum rc control_page(const char *state_dir, char *ret_address, size_t room, struct err *err) HWA_CHECKED;
/* The next message, however long it takes; RC_RETRY: the daemon is gone. */
enum rc control_hear(int fd, struct control_message *ret, struct err *err) HWA_CHECKED;

AUTO_DEFINE(control, struct control *, control_stop);

#endif /* HWA_CONTROL_H */
