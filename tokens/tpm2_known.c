/* tpm2_known.c -- which TPM this is: the names of its parent keys, written down at first use and compared ever after. */
#include <stdio.h>
#include <string.h>

#include "codec.h"
#include "tpm2.h"
#include "tpm2_file.h"

#define KNOWN_TEXT_MAX (2 * sizeof(TPMU_NAME) + 2) /* hex, newline, NUL */
#define SHOWN_DIGITS   20                          /* of a name in a message: algorithm and eight bytes */

/*
 * A name is the digest of the whole public area, so whoever has the same name has the same key: a salt encrypted to
 * a parent of the name written down is read by the TPM that made it and by nobody in between (TPM 2.0 Part 1, 16).
 */
static void file_name(const struct tpm2_token *token, uint32_t number, char name[TPM2_FILE_MAX])
{
	snprintf(name, TPM2_FILE_MAX, ".known-%s-%08x", token->base.name, number);
}

static enum rc name_print(const TPM2B_NAME *name, struct buf *ret_text, struct err *err)
{
	enum rc rc = codec_hex(span_of(name->name, name->size), ret_text, err);

	return rc == RC_OK ? buf_append(ret_text, span_text("\n"), err) : rc;
}

static enum rc another_tpm(struct tpm2_token *token, uint32_t number, const char *file, const char *known, const char *found,
			   struct err *err)
{
	char there[64] = "it has no such key";

	if (found)
		snprintf(there, sizeof(there), "its is %.*s", SHOWN_DIGITS, found);
	/* RC_DENIED: the keys may still be in the TPM that was taken out, so nothing may be replaced quietly. */
	return err_set_raw(
		err, RC_DENIED, ERR_TSS, 0,
		"this is another TPM, or it was cleared, or somebody is between this machine and its TPM: parent 0x%08x had "
		"the name %.*s, %s. If the keys are gone, remove %s/%s and enrol anew (`hwacme account register AUTHORITY "
		"--new-key`, `hwacme renew --force`)",
		number, SHOWN_DIGITS, known, there, token->keys_dir, file);
}

/* What is written down; written now when nothing was. */
static enum rc known_read(struct tpm2_token *token, const char *file, struct span found, struct buf *ret_known, struct err *err)
{
	struct err why = { 0 };
	enum rc rc = tpm2_file_read(token->keys_dir, file, ret_known, &why);

	if (rc == RC_ABSENT) {
		why = (struct err){ 0 };
		rc = tpm2_file_write(token->keys_dir, file, found, &why);
		if (rc == RC_OK) {
			token->is_newly_known = true;
			return buf_append(ret_known, found, err);
		}
		if (rc == RC_INPUT) /* another process was first */
			rc = tpm2_file_read(token->keys_dir, file, ret_known, &why);
	}
	if (rc != RC_OK && err)
		*err = why;
	return rc;
}

enum rc tpm2_known_check(struct tpm2_token *token, uint32_t number, const TPM2B_NAME *name, struct err *err)
{
	AUTO(buf) struct buf found = BUF_MAX(KNOWN_TEXT_MAX);
	AUTO(buf) struct buf known = BUF_MAX(KNOWN_TEXT_MAX);
	char file[TPM2_FILE_MAX];

	file_name(token, number, file);
	enum rc rc = name_print(name, &found, err);
	if (rc == RC_OK)
		rc = known_read(token, file, buf_span(&found), &known, err);
	if (rc != RC_OK)
		return rc;
	if (span_equal(buf_span(&found), buf_span(&known)))
		return RC_OK;
	return another_tpm(token, number, file, buf_text(&known), buf_text(&found), err);
}

enum rc tpm2_known_missing(struct tpm2_token *token, uint32_t number, struct err *err)
{
	AUTO(buf) struct buf known = BUF_MAX(KNOWN_TEXT_MAX);
	char file[TPM2_FILE_MAX];

	file_name(token, number, file);
	if (tpm2_file_read(token->keys_dir, file, &known, NULL) == RC_OK)
		return another_tpm(token, number, file, buf_text(&known), NULL, err);
	return err_set_raw(err, RC_ABSENT, ERR_TSS, TPM2_RC_HANDLE,
			   "the parent key 0x%08x is not in the TPM: provision a storage key there, or write another \"parent\"",
			   number);
}
