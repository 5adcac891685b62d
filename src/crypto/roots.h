/* roots.h -- the certificates a chain must end in: a PEM file that is read once, and again when it was changed. */
#ifndef HWA_ROOTS_H
#define HWA_ROOTS_H

#include "bytes.h"

struct x509_store_st; /* X509_STORE, for who may include OpenSSL */

struct roots;
/* Nothing is read yet.  Safe from several threads at once, as what comes of it is. */
enum rc roots_new(const char *path, struct roots **ret_roots, struct err *err) HWA_CHECKED;
void roots_free(struct roots *roots);
AUTO_DEFINE(roots, struct roots *, roots_free);

const char *roots_path(const struct roots *roots);
/* What stands in the file now; a reference of the caller's.  RC_INPUT: no certificate can be read from it. */
enum rc roots_get(struct roots *roots, struct x509_store_st **ret_store, struct err *err) HWA_CHECKED;
/* Whether there is something that can be read. */
enum rc roots_check(struct roots *roots, struct err *err) HWA_CHECKED;

#endif /* HWA_ROOTS_H */
