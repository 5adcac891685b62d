/* next_look.h -- when the daemon looks again at a certificate of which nothing is under way. */
#ifndef HWA_NEXT_LOOK_H
#define HWA_NEXT_LOOK_H

#include "renewal.h"

/* Unix time; `now`, or before it: at once.  What is due when the machine was switched on waits for its turn in the state directory
 * `instance`, which is told, but for a hook or a probe that is owed; a record that cannot be read is told too, and tried again. */
int64_t next_look_at(const struct renewal_desk *desk, const struct config_certificate *certificate, uint32_t instance,
		     int64_t now);

#endif /* HWA_NEXT_LOOK_H */
