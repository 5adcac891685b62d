/* registry.c -- the backends that are built in; a new one is one line here. */
#include "backends.h"

const struct token_ops *const token_backends[] = { &pkcs11_ops, &tpm2_ops, NULL };
