/* fingerprint.h -- SHA-256 of something, in hex, as evidence and certificates show it. */
#ifndef HWA_FINGERPRINT_H
#define HWA_FINGERPRINT_H

#include "bytes.h"

/* Lower case; "" when the hash failed. */
void fingerprint_print(struct span bytes, char ret_text[65]);

#endif /* HWA_FINGERPRINT_H */
