/* tpm2_file.h -- STATE/keys/LABEL.pem: the wrapped keys of a TPM as files, written whole or not at all. */
#ifndef HWA_TPM2_FILE_H
#define HWA_TPM2_FILE_H

#include "token.h"

/* RC_ABSENT when there is no such file. */
enum rc tpm2_file_read(const char *keys_dir, const char *label, struct buf *ret_pem, struct err *err) HWA_CHECKED;
/* RC_INPUT when it exists already; synced to disk on return. */
enum rc tpm2_file_write(const char *keys_dir, const char *label, struct span pem, struct err *err) HWA_CHECKED;
enum rc tpm2_file_erase(const char *keys_dir, const char *label, struct err *err) HWA_CHECKED;

#endif /* HWA_TPM2_FILE_H */
