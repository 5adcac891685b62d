/* probe.h -- does a service present the live certificate? */
#ifndef HWA_PROBE_H
#define HWA_PROBE_H

#include "config.h"
#include "store.h"

/* By TLS, where `connect` is configured.  RC_PROTOCOL: another certificate is presented, which the text describes; otherwise as tls_probe(). */
enum rc probe_connect(const struct config_probe *probe, const struct store_certificate *record, struct err *err) HWA_CHECKED;

#endif /* HWA_PROBE_H */
