/* refusal_file.c -- reads and writes keys_dir/.refused: a salt, and a line for each secret that was refused or cut off. */
#include "refusal_file.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "codec.h"
#include "folder.h"
#include "refusal.h"

#define BESIDE     REFUSAL_FILE ".new"
#define HEADER     "hwacme-refused 1 "
#define FILE_MAX   32768 /* 256 lines of 80 bytes, and the header */
#define TOKEN_WORD " token"

/* 4 MiB for about 30 ms: keyd is to stay small, and a PIN is tried once an operator's change, not once a signature. */
#define SCRYPT_N      4096
#define SCRYPT_R      8
#define SCRYPT_P      2
#define SCRYPT_MEMORY (8u << 20)

static enum rc fail(struct err *err, const char *what, const char *keys_dir)
{
	int number = errno;

	return err_set_raw(err, RC_RESOURCE, ERR_ERRNO, number, "cannot %s %s/%s: %s; no PIN is sent that cannot be remembered",
			   what, keys_dir, REFUSAL_FILE, strerror(number));
}

/* Whatever it is: without that file no PIN is sent. */
static enum rc refuse(struct err *err, struct err *why)
{
	if (err)
		*err = *why;
	return err_wrap(err, why->rc, "no PIN is sent that cannot be remembered");
}

static enum rc digest_parse(const char *text, size_t digits, uint8_t *bytes, struct err *err)
{
	char hex[2 * REFUSAL_DIGEST_LEN + 1];
	AUTO(buf) struct buf plain = BUF_MAX(REFUSAL_DIGEST_LEN);

	if (strnlen(text, digits) != digits)
		return err_set(err, RC_INPUT, "it is cut off");
	memcpy(hex, text, digits);
	hex[digits] = '\0';
	enum rc rc = codec_hex_decode(hex, &plain, err);
	if (rc == RC_OK)
		memcpy(bytes, plain.at, digits / 2);
	return rc;
}

/* "DIGEST refused", "DIGEST begun N", or "DIGEST token begun N" */
static enum rc line_parse(const char *line, struct refusal_entry *entry, struct err *err)
{
	int used = 0;
	enum rc rc = digest_parse(line, 2 * sizeof(entry->digest), entry->digest, err);

	if (rc != RC_OK)
		return rc;
	line += 2 * sizeof(entry->digest);
	entry->refused = strcmp(line, " refused") == 0;
	if (entry->refused)
		return RC_OK;
	entry->is_token = strncmp(line, TOKEN_WORD, strlen(TOKEN_WORD)) == 0;
	if (entry->is_token)
		line += strlen(TOKEN_WORD);
	if (sscanf(line, " begun %1u%n", &entry->begun, &used) != 1 || line[used] || entry->begun == 0)
		return err_set(err, RC_INPUT, "it has a line that is none of ours");
	return RC_OK;
}

static enum rc file_parse(char *text, struct refusal_file *file, struct err *err)
{
	char *rest = NULL, *line = strtok_r(text, "\n", &rest);
	enum rc rc = RC_OK;

	if (!line || strncmp(line, HEADER, strlen(HEADER)) != 0 || strlen(line) != strlen(HEADER) + 2 * sizeof(file->salt))
		return err_set(err, RC_INPUT, "it does not begin as it must");
	rc = digest_parse(line + strlen(HEADER), 2 * sizeof(file->salt), file->salt, err);
	while (rc == RC_OK && (line = strtok_r(NULL, "\n", &rest))) {
		if (file->count == REFUSAL_ENTRIES_MAX)
			return err_set(err, RC_INPUT, "it is too long");
		rc = line_parse(line, &file->entries[file->count], err);
		if (rc == RC_OK)
			file->count++;
	}
	return rc;
}

enum rc refusal_file_load(int dir, const char *keys_dir, struct refusal_file *ret_file, struct err *err)
{
	AUTO(buf) struct buf text = BUF_MAX(FILE_MAX - 1);
	char nothing[1] = "";
	struct err why = { 0 };
	enum rc rc = folder_read(dir, keys_dir, REFUSAL_FILE, &text, &why);

	*ret_file = (struct refusal_file){ 0 };
	if (rc == RC_ABSENT)
		return RAND_bytes(ret_file->salt, sizeof(ret_file->salt)) == 1
			       ? RC_OK
			       : err_set_raw(err, RC_RESOURCE, ERR_OPENSSL, 0, "no random numbers");
	if (rc != RC_OK && rc != RC_PROTOCOL)
		return refuse(err, &why);
	rc = rc == RC_OK ? file_parse(text.at ? (char *)text.at : nothing, ret_file, err)
			 : err_set(err, RC_INPUT, "it is too long");
	/* Whoever damaged it: what it said of refused PINs is lost, and only the operator knows whether the PIN is right. */
	return rc == RC_OK ? RC_OK
			   : err_wrap(err, rc, "%s/%s is damaged (no PIN is sent); check the PIN, then remove the file", keys_dir,
				      REFUSAL_FILE);
}

static enum rc file_print(const struct refusal_file *file, struct buf *text, struct err *err)
{
	enum rc rc = buf_print(text, err, HEADER);

	if (rc == RC_OK)
		rc = codec_hex(SPAN(file->salt), text, err);
	for (unsigned i = 0; i < file->count && rc == RC_OK; i++) {
		const struct refusal_entry *entry = &file->entries[i];

		rc = buf_print(text, err, "\n");
		if (rc == RC_OK)
			rc = codec_hex(SPAN(entry->digest), text, err);
		if (rc == RC_OK)
			rc = entry->refused
				     ? buf_print(text, err, " refused")
				     : buf_print(text, err, "%s begun %u", entry->is_token ? TOKEN_WORD : "", entry->begun);
	}
	return rc == RC_OK ? buf_print(text, err, "\n") : rc;
}

enum rc refusal_file_save(int dir, const char *keys_dir, const struct refusal_file *file, struct err *err)
{
	AUTO(buf) struct buf text = BUF_MAX(FILE_MAX - 1);

	if (file->count == 0)
		return unlinkat(dir, REFUSAL_FILE, 0) == 0 || errno == ENOENT ? RC_OK : fail(err, "remove", keys_dir);
	enum rc rc = file_print(file, &text, err);
	if (rc != RC_OK)
		return rc;
	const struct folder_file beside = { .name = BESIDE, .mode = 0600, .owner = (uid_t)-1, .group = (gid_t)-1 };
	struct err why = { 0 };
	rc = folder_clear(dir, keys_dir, BESIDE, S_IFREG, &why); /* left by a process that was killed here */
	if (rc == RC_OK)
		rc = folder_write(dir, keys_dir, &beside, buf_span(&text), &why);
	if (rc != RC_OK)
		return refuse(err, &why);
	if (renameat(dir, BESIDE, dir, REFUSAL_FILE) != 0 || fsync(dir) != 0) {
		rc = fail(err, "write", keys_dir);
		unlinkat(dir, BESIDE, 0);
	}
	return rc;
}

enum rc refusal_file_digest(const struct refusal_file *file, struct span who, struct span secret,
			    uint8_t ret_digest[REFUSAL_DIGEST_LEN], struct err *err)
{
	AUTO(buf) struct buf salt = BUF_MAX(1024);
	enum rc rc = buf_append(&salt, SPAN(file->salt), err);

	if (rc == RC_OK)
		rc = buf_append(&salt, who, err);
	if (rc != RC_OK)
		return rc;
	if (EVP_PBE_scrypt((const char *)secret.at, secret.len, salt.at, salt.len, SCRYPT_N, SCRYPT_R, SCRYPT_P, SCRYPT_MEMORY,
			   ret_digest, REFUSAL_DIGEST_LEN) != 1)
		return err_set_raw(err, RC_RESOURCE, ERR_OPENSSL, 0, "out of memory");
	return RC_OK;
}

enum rc refusal_file_token(const struct refusal_file *file, struct span who, uint8_t ret_digest[REFUSAL_DIGEST_LEN],
			   struct err *err)
{
	AUTO(buf) struct buf salted = BUF_MAX(1024);
	enum rc rc = buf_append(&salted, SPAN(file->salt), err);

	if (rc == RC_OK)
		rc = buf_append(&salted, who, err);
	if (rc != RC_OK)
		return rc;
	if (EVP_Digest(salted.at, salted.len, ret_digest, NULL, EVP_sha256(), NULL) != 1)
		return err_set_raw(err, RC_RESOURCE, ERR_OPENSSL, 0, "out of memory");
	return RC_OK;
}

bool refusal_file_has_secrets(const struct refusal_file *file)
{
	for (unsigned i = 0; i < file->count; i++)
		if (!file->entries[i].is_token)
			return true;
	return false;
}

struct refusal_entry *refusal_file_find(struct refusal_file *file, const uint8_t digest[REFUSAL_DIGEST_LEN])
{
	for (unsigned i = 0; i < file->count; i++)
		if (CRYPTO_memcmp(file->entries[i].digest, digest, REFUSAL_DIGEST_LEN) == 0)
			return &file->entries[i];
	return NULL;
}

static void entry_remove(struct refusal_file *file, const struct refusal_entry *entry)
{
	size_t at = (size_t)(entry - file->entries);

	file->count--;
	memmove(&file->entries[at], &file->entries[at + 1], (file->count - at) * sizeof(*entry));
}

struct refusal_entry *refusal_file_add(struct refusal_file *file, const uint8_t digest[REFUSAL_DIGEST_LEN])
{
	if (file->count == REFUSAL_ENTRIES_MAX)
		entry_remove(file, &file->entries[0]);
	struct refusal_entry *entry = &file->entries[file->count++];
	*entry = (struct refusal_entry){ 0 };
	memcpy(entry->digest, digest, sizeof(entry->digest));
	return entry;
}

void refusal_file_forget(struct refusal_file *file, const uint8_t digest[REFUSAL_DIGEST_LEN])
{
	const struct refusal_entry *entry = refusal_file_find(file, digest);

	if (entry)
		entry_remove(file, entry);
}
