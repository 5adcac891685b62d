/*
 * remote.h -- tokens that live in keyd, seen by the engine as one more backend of token.h.
 *
 * A link is the engine's side of keyd: a few connections that callers share, a deadline
 * for every call, in which the time behind another caller's generation does not count,
 * and the way to start keyd anew when it died or hangs.  A call whose
 * answer was lost is made once more on a new keyd; that fails with RC_RETRY.
 * Safe to use from several threads; not in a child of the process that made it.
 */
#ifndef HWA_REMOTE_H
#define HWA_REMOTE_H

#include "config.h"
#include "token.h"

#define REMOTE_CONNECTIONS 4u /* callers served at once; as many as a token has sessions, unless it is told otherwise */

/* How a keyd is started and ended; called by one thread at a time. */
struct remote_starter {
	void *ctx;
	/* A keyd that serves the other ends of these sockets. */
	enum rc (*start)(void *ctx, int ret_fds[], unsigned count, struct err *err);
	/* The last one, and hard: it may hang in a module. */
	void (*kill)(void *ctx);
	int64_t deadline_ms;          /* of every call; 0: as KEYD_OPERATIONS says */
	int64_t generate_deadline_ms; /* of a generation, where it has another */
};

struct remote_link;
/* Starts nothing yet: keyd is started by the first call. */
enum rc remote_link_new(const struct remote_starter *starter, struct remote_link **ret_link, struct err *err) HWA_CHECKED;
/* keyd ends by itself when its sockets are closed. */
void remote_link_free(struct remote_link *link);

/* The token of that name in the configuration; keyd opens it, and errors are those of token_open().  Borrows the name. */
enum rc remote_open(struct remote_link *link, const char *name, struct token **ret_token, struct err *err) HWA_CHECKED;

/* token_key_name_make() in keyd, which then knows that nobody has a key of that name. */
enum rc remote_key_name(struct remote_link *link, const char *owner, uint32_t instance, struct token_key_name *ret_name,
			struct err *err) HWA_CHECKED;

/* The HMAC of the external account binding that the configuration has for the authority (RFC 8555, 7.3.4). */
enum rc remote_mac(struct remote_link *link, const char *authority, struct span message, struct buf *ret_mac,
		   struct err *err) HWA_CHECKED;

AUTO_DEFINE(remote_link, struct remote_link *, remote_link_free);

#endif /* HWA_REMOTE_H */
