/* fingerprint.h -- SHA-256 of something, as challenges carry it, and in hex as evidence and certificates show it. */
#ifndef HWA_FINGERPRINT_H
#define HWA_FINGERPRINT_H

#include "bytes.h"

#define FINGERPRINT_LEN 32

/* The hash itself. */
enum rc fingerprint_make(struct span bytes, uint8_t ret_digest[FINGERPRINT_LEN], struct err *err) HWA_CHECKED;
/* Lower case; "" when the hash failed. */
void fingerprint_print(struct span bytes, char ret_text[65]);

#endif /* HWA_FINGERPRINT_H */
