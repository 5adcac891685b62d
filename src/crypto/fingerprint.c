/* fingerprint.c -- hashes, and prints the hash. */
#include "fingerprint.h"

#include <openssl/evp.h>
#include <stdio.h>

void fingerprint_print(struct span bytes, char ret_text[65])
{
	uint8_t digest[32];

	ret_text[0] = '\0';
	if (EVP_Digest(bytes.at, bytes.len, digest, NULL, EVP_sha256(), NULL) != 1)
		return;
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(ret_text + 2 * i, 3, "%02x", digest[i]);
}
