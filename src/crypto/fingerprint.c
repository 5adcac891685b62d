/* fingerprint.c -- hashes, and prints the hash. */
#include "fingerprint.h"

#include <openssl/evp.h>
#include <stdio.h>

enum rc fingerprint_make(struct span bytes, uint8_t ret_digest[FINGERPRINT_LEN], struct err *err)
{
	if (EVP_Digest(bytes.at, bytes.len, ret_digest, NULL, EVP_sha256(), NULL) != 1)
		return err_set_raw(err, RC_RESOURCE, ERR_OPENSSL, 0, "SHA-256 is not to be had");
	return RC_OK;
}

void fingerprint_print(struct span bytes, char ret_text[65])
{
	uint8_t digest[FINGERPRINT_LEN];

	ret_text[0] = '\0';
	if (fingerprint_make(bytes, digest, NULL) != RC_OK)
		return;
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(ret_text + 2 * i, 3, "%02x", digest[i]);
}
