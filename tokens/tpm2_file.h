/* tpm2_file.h -- files in STATE/keys, wrapped keys and what is known of the TPM, written whole or not at all. */
#ifndef HWA_TPM2_FILE_H
#define HWA_TPM2_FILE_H

#include "token.h"

#define TPM2_FILE_MAX 112 /* a file's name, without the directory, and its NUL */

/* RC_ABSENT when there is no such file. */
enum rc tpm2_file_read(const char *keys_dir, const char *name, struct buf *ret_content, struct err *err) HWA_CHECKED;
/* RC_INPUT when it exists already; synced to disk on return. */
enum rc tpm2_file_write(const char *keys_dir, const char *name, struct span content, struct err *err) HWA_CHECKED;
enum rc tpm2_file_erase(const char *keys_dir, const char *name, struct err *err) HWA_CHECKED;

#endif /* HWA_TPM2_FILE_H */
