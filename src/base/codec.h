/* codec.h -- base64url without padding (RFC 4648, 5; RFC 8555, 6.1) and hex. */
#ifndef HWA_CODEC_H
#define HWA_CODEC_H

#include "bytes.h"

enum rc codec_base64url(struct span plain, struct buf *ret_text, struct err *err) HWA_CHECKED; /* appends */
/* Appends; padding, other alphabets and loose bits are RC_PROTOCOL. */
enum rc codec_base64url_decode(const char *text, struct buf *ret_plain, struct err *err) HWA_CHECKED;
bool codec_is_base64url(const char *text); /* one or more characters of the alphabet */
enum rc codec_hex(struct span plain, struct buf *ret_text, struct err *err) HWA_CHECKED;        /* appends, lower case */
enum rc codec_hex_decode(const char *text, struct buf *ret_plain, struct err *err) HWA_CHECKED; /* appends */

#endif /* HWA_CODEC_H */
