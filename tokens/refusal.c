/* refusal.c -- one attempt at a time for each token, written down before it is made. */
#include "refusal.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "folder.h"
#include "refusal_file.h"

#define STATE_MODE   0755
#define KEYS_MODE    0700
#define LOCK_FILE    REFUSAL_FILE ".lock"
#define WAIT_MS      10000 /* for another's attempt: an HSM may think for seconds */
#define WAIT_STEP_MS 5
#define ATTEMPTS_MAX 64 /* going on at once in this process, each for another token */

/*
 * Locks are bytes of LOCK_FILE, of the open file description and not of the process, so that threads
 * exclude each other too, and a process that dies lets go.  Byte 0: the file is being changed.  Every
 * other byte: an attempt is going on for the token whose name hashes to it.
 */
static const off_t FILE_BYTE = 0;

/* An attempt between begin and end. */
static struct attempt {
	bool is_used;
	int lock;
	uint8_t who[REFUSAL_DIGEST_LEN];    /* of keys_dir and who */
	uint8_t digest[REFUSAL_DIGEST_LEN]; /* the entry's */
	bool is_token;
} attempts[ATTEMPTS_MAX];
static pthread_mutex_t attempts_mutex = PTHREAD_MUTEX_INITIALIZER;

AUTO_DEFINE(md_ctx, EVP_MD_CTX *, EVP_MD_CTX_free);

static enum rc fail(struct err *err, const char *what, const char *path)
{
	int number = errno;

	return err_set_raw(err, RC_RESOURCE, ERR_ERRNO, number, "cannot %s %s: %s; no PIN is sent that cannot be remembered",
			   what, path, strerror(number));
}

/* keys_dir, and STATE above it where nothing was stored yet. */
static enum rc directory_open(const char *keys_dir, int *ret_dir, struct err *err)
{
	char above[4096];
	int top, len = snprintf(above, sizeof(above), "%s", keys_dir);

	if (len <= 0 || (size_t)len >= sizeof(above))
		return err_set(err, RC_BUG, "no directory is named to remember refused PINs in");
	char *slash = strrchr(above, '/');
	enum rc rc = RC_OK;
	if (slash && slash != above) {
		*slash = '\0';
		rc = folder_open_top(above, STATE_MODE, &top, err);
		if (rc == RC_OK)
			close(top);
	}
	if (rc == RC_OK)
		rc = folder_open_path(keys_dir, KEYS_MODE, ret_dir, err);
	return rc == RC_OK ? RC_OK : err_wrap(err, rc, "no PIN is sent that cannot be remembered");
}

static enum rc who_hash(const char *keys_dir, struct span who, uint8_t hash[REFUSAL_DIGEST_LEN], struct err *err)
{
	AUTO(md_ctx) EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 &&
	    EVP_DigestUpdate(ctx, keys_dir, strlen(keys_dir) + 1) == 1 && EVP_DigestUpdate(ctx, who.at, who.len) == 1 &&
	    EVP_DigestFinal_ex(ctx, hash, NULL) == 1)
		return RC_OK;
	return err_set_raw(err, RC_RESOURCE, ERR_OPENSSL, 0, "out of memory");
}

static off_t who_byte(const uint8_t hash[REFUSAL_DIGEST_LEN])
{
	uint64_t number;

	memcpy(&number, hash, sizeof(number));
	return (off_t)(number % (INT64_MAX - 2)) + 1;
}

/* Polls, because a wait for ever on a stopped process would stop us too. */
static enum rc byte_lock(int lock, off_t byte, struct err *err)
{
	int64_t deadline = clock_monotonic_ms() + WAIT_MS;

	for (;;) {
		struct flock region = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };

		if (fcntl(lock, F_OFD_SETLK, &region) == 0)
			return RC_OK;
		if (errno != EAGAIN && errno != EACCES && errno != EINTR)
			return fail(err, "lock", LOCK_FILE);
		if (clock_monotonic_ms() > deadline)
			return err_set(err, RC_RETRY, "another login to it is not answered yet");
		clock_wait_until(INT64_MAX, WAIT_STEP_MS);
	}
}

static void byte_unlock(int lock, off_t byte)
{
	struct flock region = { .l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };

	fcntl(lock, F_OFD_SETLK, &region);
}

static enum rc decide(const struct refusal_entry *entry, const char *keys_dir, struct err *err)
{
	if (entry->refused)
		return err_set(err, RC_DENIED,
			       "it was refused before and is not sent again; correct it there, or, when the token is what was "
			       "corrected, remove %s/%s",
			       keys_dir, REFUSAL_FILE);
	if (entry->begun >= REFUSAL_ATTEMPTS)
		return err_set(err, RC_DENIED,
			       "%u attempts with it were cut off before the token answered, so it is not sent again; correct it "
			       "there, or, when it is right, remove %s/%s",
			       entry->begun, keys_dir, REFUSAL_FILE);
	return RC_OK;
}

/* The entry of this secret; an attempt of which the token alone was written down, and that was cut off, counts against it. */
static enum rc secret_entry(struct refusal_file *file, struct span who, struct span secret, struct attempt *attempt,
			    struct refusal_entry **ret_entry, struct err *err)
{
	const struct refusal_entry *cut_off = refusal_file_find(file, attempt->digest);
	unsigned begun = cut_off ? cut_off->begun : 0;

	refusal_file_forget(file, attempt->digest);
	enum rc rc = refusal_file_digest(file, who, secret, attempt->digest, err);
	if (rc != RC_OK)
		return rc;
	*ret_entry = refusal_file_find(file, attempt->digest);
	if (!*ret_entry)
		*ret_entry = refusal_file_add(file, attempt->digest);
	(*ret_entry)->begun += begun;
	return RC_OK;
}

/* Under the lock of FILE_BYTE.  While nothing is known of any secret, none has to be told from another, and the slow digest is
 * not made: that an attempt with this token has begun is all that is written. */
static enum rc write_begun(int dir, const char *keys_dir, struct span who, struct span secret, struct attempt *attempt,
			   struct err *err)
{
	struct refusal_file file;
	struct refusal_entry *entry;
	enum rc rc = refusal_file_load(dir, keys_dir, &file, err);

	if (rc == RC_OK)
		rc = refusal_file_token(&file, who, attempt->digest, err);
	if (rc != RC_OK)
		return rc;
	attempt->is_token = !refusal_file_has_secrets(&file) && !refusal_file_find(&file, attempt->digest);
	if (attempt->is_token) {
		entry = refusal_file_add(&file, attempt->digest);
		entry->is_token = true;
	} else {
		rc = secret_entry(&file, who, secret, attempt, &entry, err);
		if (rc == RC_OK)
			rc = decide(entry, keys_dir, err);
		if (rc != RC_OK)
			return rc;
	}
	entry->begun++;
	return refusal_file_save(dir, keys_dir, &file, err);
}

static enum rc attempt_keep(const struct attempt *attempt, struct err *err)
{
	enum rc rc = RC_RESOURCE;

	pthread_mutex_lock(&attempts_mutex);
	for (size_t i = 0; i < ATTEMPTS_MAX && rc != RC_OK; i++) {
		if (attempts[i].is_used)
			continue;
		attempts[i] = *attempt;
		attempts[i].is_used = true;
		rc = RC_OK;
	}
	pthread_mutex_unlock(&attempts_mutex);
	return rc == RC_OK ? RC_OK : err_set(err, rc, "more than %d logins are going on", ATTEMPTS_MAX);
}

static bool attempt_take(const uint8_t who[REFUSAL_DIGEST_LEN], struct attempt *ret_attempt)
{
	bool found = false;

	pthread_mutex_lock(&attempts_mutex);
	for (size_t i = 0; i < ATTEMPTS_MAX && !found; i++) {
		if (!attempts[i].is_used || memcmp(attempts[i].who, who, REFUSAL_DIGEST_LEN) != 0)
			continue;
		*ret_attempt = attempts[i];
		attempts[i].is_used = false;
		found = true;
	}
	pthread_mutex_unlock(&attempts_mutex);
	return found;
}

static enum rc attempt_begin(int dir, const char *keys_dir, struct span who, struct span secret, struct attempt *attempt,
			     struct err *err)
{
	enum rc rc = folder_open_file(dir, keys_dir, LOCK_FILE, &attempt->lock, err);
	if (rc != RC_OK)
		return err_wrap(err, rc, "no PIN is sent that cannot be remembered");
	rc = byte_lock(attempt->lock, who_byte(attempt->who), err);
	if (rc == RC_OK)
		rc = byte_lock(attempt->lock, FILE_BYTE, err);
	if (rc == RC_OK) {
		rc = write_begun(dir, keys_dir, who, secret, attempt, err);
		byte_unlock(attempt->lock, FILE_BYTE);
	}
	if (rc == RC_OK)
		rc = attempt_keep(attempt, err);
	if (rc != RC_OK)
		close(attempt->lock);
	return rc;
}

enum rc refusal_begin(const char *keys_dir, struct span who, struct span secret, struct err *err)
{
	struct attempt attempt = { 0 };
	int dir = -1;
	enum rc rc = directory_open(keys_dir, &dir, err);

	if (rc == RC_OK)
		rc = who_hash(keys_dir, who, attempt.who, err);
	if (rc == RC_OK)
		rc = attempt_begin(dir, keys_dir, who, secret, &attempt, err);
	if (dir >= 0)
		close(dir);
	return rc;
}

/* From now on this secret is told from others. */
static enum rc note_refused(struct refusal_file *file, struct span who, struct span secret, struct attempt *attempt,
			    struct err *err)
{
	if (attempt->is_token) {
		refusal_file_forget(file, attempt->digest);
		enum rc rc = refusal_file_digest(file, who, secret, attempt->digest, err);
		if (rc != RC_OK)
			return rc;
	}
	struct refusal_entry *entry = refusal_file_find(file, attempt->digest);
	if (!entry)
		entry = refusal_file_add(file, attempt->digest);
	*entry = (struct refusal_entry){ .refused = true };
	memcpy(entry->digest, attempt->digest, sizeof(entry->digest));
	return RC_OK;
}

static enum rc write_end(int dir, const char *keys_dir, struct span who, struct span secret, struct attempt *attempt,
			 bool refused, struct err *err)
{
	struct refusal_file file;
	enum rc rc = refusal_file_load(dir, keys_dir, &file, err);

	if (rc == RC_OK && refused)
		rc = note_refused(&file, who, secret, attempt, err);
	if (rc != RC_OK)
		return rc;
	if (!refused)
		refusal_file_forget(&file, attempt->digest);
	return refusal_file_save(dir, keys_dir, &file, err);
}

enum rc refusal_end(const char *keys_dir, struct span who, struct span secret, bool refused, struct err *err)
{
	uint8_t hash[REFUSAL_DIGEST_LEN];
	struct attempt attempt = { 0 };
	int dir = -1;
	enum rc rc = who_hash(keys_dir, who, hash, err);

	if (rc != RC_OK)
		return rc;
	if (!attempt_take(hash, &attempt))
		return err_set(err, RC_BUG, "a login ended that had not begun");
	rc = directory_open(keys_dir, &dir, err);
	if (rc == RC_OK)
		rc = byte_lock(attempt.lock, FILE_BYTE, err);
	if (rc == RC_OK)
		rc = write_end(dir, keys_dir, who, secret, &attempt, refused, err);
	if (dir >= 0)
		close(dir);
	close(attempt.lock); /* lets go of both bytes */
	return rc;
}
