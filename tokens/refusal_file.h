/* refusal_file.h -- what is known of refused secrets, as it stands on disk: digests and counts. */
#ifndef HWA_REFUSAL_FILE_H
#define HWA_REFUSAL_FILE_H

#include "bytes.h"

#define REFUSAL_DIGEST_LEN  32
#define REFUSAL_SALT_LEN    16
#define REFUSAL_ENTRIES_MAX 256 /* the oldest makes room: by then the operator has corrected it 255 times */

struct refusal_entry {
	uint8_t digest[REFUSAL_DIGEST_LEN]; /* of token and secret; or of the token alone */
	bool is_token;                      /* the latter: an attempt with a secret that nothing was known of */
	bool refused;
	unsigned begun; /* attempts whose end is not known */
};

struct refusal_file {
	uint8_t salt[REFUSAL_SALT_LEN];
	unsigned count;
	struct refusal_entry entries[REFUSAL_ENTRIES_MAX]; /* oldest first */
};

/* `dir` is keys_dir, opened; its name is for messages.  No file yet: no entries, and a new salt. */
enum rc refusal_file_load(int dir, const char *keys_dir, struct refusal_file *ret_file, struct err *err) HWA_CHECKED;
/* Whole, beside it, and renamed; on disk when it returns.  Without entries there is no file: it is removed, and that may be
 * undone by a power cut, which leaves an attempt that counts as cut off. */
enum rc refusal_file_save(int dir, const char *keys_dir, const struct refusal_file *file, struct err *err) HWA_CHECKED;
/* scrypt: slow on purpose, because a mistyped PIN is close to the right one. */
enum rc refusal_file_digest(const struct refusal_file *file, struct span who, struct span secret,
			    uint8_t ret_digest[REFUSAL_DIGEST_LEN], struct err *err) HWA_CHECKED;
/* Of the token alone: quick, and nothing of a secret is in it. */
enum rc refusal_file_token(const struct refusal_file *file, struct span who, uint8_t ret_digest[REFUSAL_DIGEST_LEN],
			   struct err *err) HWA_CHECKED;
/* Is there an entry for any secret? */
bool refusal_file_has_secrets(const struct refusal_file *file);
/* NULL when there is none. */
struct refusal_entry *refusal_file_find(struct refusal_file *file, const uint8_t digest[REFUSAL_DIGEST_LEN]);
struct refusal_entry *refusal_file_add(struct refusal_file *file, const uint8_t digest[REFUSAL_DIGEST_LEN]);
void refusal_file_forget(struct refusal_file *file, const uint8_t digest[REFUSAL_DIGEST_LEN]);

#endif /* HWA_REFUSAL_FILE_H */
