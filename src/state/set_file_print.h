/* set_file_print.h -- what stands in each published file. */
#ifndef HWA_SET_FILE_PRINT_H
#define HWA_SET_FILE_PRINT_H

#include "archive.h"

#define SET_FILE_MAX (1024u * 1024u) /* a chain with its key's reference; far more than a certificate_accept() lets in */

/* `folder` is where the files will be found: "STATE/archive/NAME/N". */
enum rc set_file_print(enum set_file file, const char *name, const char *folder, const struct archive_set *set,
		       struct buf *ret_text, struct err *err) HWA_CHECKED;

#endif /* HWA_SET_FILE_PRINT_H */
