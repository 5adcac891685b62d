/* backends.h -- the operation tables that registry.c lists. */
#ifndef HWA_BACKENDS_H
#define HWA_BACKENDS_H

#include "token.h"

extern const struct token_ops pkcs11_ops;
extern const struct token_ops tpm2_ops;
extern const struct token_ops remote_ops; /* opened by remote_open(), not by the configuration */

#endif /* HWA_BACKENDS_H */
