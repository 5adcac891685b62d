/* probe.c -- holds what a service presents against what is live. */
#include "probe.h"

#include <string.h>

#include "clock.h"
#include "tls_probe.h"

enum rc probe_connect(const struct config_probe *probe, const struct store_certificate *record, struct err *err)
{
	const struct tls_probe terms = { .connect = probe->connect,
					 .server_name = probe->server_name,
					 .timeout_ms = probe->timeout * 1000 };
	struct tls_probe_leaf leaf;
	char until[CLOCK_TEXT_MAX];
	enum rc rc = tls_probe(&terms, &leaf, err);

	if (rc != RC_OK || strcmp(leaf.fingerprint, record->fingerprint) == 0)
		return rc;
	return err_set(err, RC_PROTOCOL,
		       "%s presents serial %s, valid until %s, and not the live certificate, serial %s; is live/%s what it is "
		       "configured with, was it reloaded%s?",
		       probe->connect, leaf.serial[0] ? leaf.serial : "(unreadable)", clock_print(leaf.not_after, until),
		       record->serial, record->name, probe->server_name ? "" : ", and does it need server-name: to choose");
}
