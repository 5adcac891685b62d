/* key_type.h -- the kinds of key we ask of a token, and how each signs; one list makes enum, names and numbers. */
#ifndef HWA_KEY_TYPE_H
#define HWA_KEY_TYPE_H

#include <stddef.h>

#include "bytes.h"

enum key_family { FAMILY_EC, FAMILY_RSA, FAMILY_ED25519 };

enum token_scheme {
	TOKEN_ECDSA,     /* r || s, each of field size, leading zeros kept (RFC 7518, 3.4) */
	TOKEN_RSA_PKCS1, /* RSASSA-PKCS1-v1_5 (RFC 7518, 3.3) */
	TOKEN_RSA_PSS,   /* salt as long as the hash (RFC 7518, 3.5) */
	TOKEN_EDDSA,     /* Ed25519 of RFC 8032, 5.1: the message itself is signed, TOKEN_HASH_NONE */
};

enum token_hash { TOKEN_HASH_NONE, TOKEN_SHA256, TOKEN_SHA384, TOKEN_SHA512 };

/*
 * X(enumerator, name in the configuration, family, bits, octets of a number: coordinate or modulus,
 *   hash it signs with unless told otherwise, curve in a JWK, curve in OpenSSL,
 *   DER of the curve's object identifier: RFC 5480, 2.1.1.1; RFC 8410, 3)
 */
#define KEY_TYPES(X)                                                                                                      \
	X(KEY_EC_P256, "ec-p256", FAMILY_EC, 256, 32, TOKEN_SHA256, "P-256", "prime256v1",                                \
	  "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07")                                                                     \
	X(KEY_EC_P384, "ec-p384", FAMILY_EC, 384, 48, TOKEN_SHA384, "P-384", "secp384r1", "\x06\x05\x2b\x81\x04\x00\x22") \
	X(KEY_EC_P521, "ec-p521", FAMILY_EC, 521, 66, TOKEN_SHA512, "P-521", "secp521r1", "\x06\x05\x2b\x81\x04\x00\x23") \
	X(KEY_RSA_2048, "rsa-2048", FAMILY_RSA, 2048, 256, TOKEN_SHA256, "", "", "")                                      \
	X(KEY_RSA_3072, "rsa-3072", FAMILY_RSA, 3072, 384, TOKEN_SHA256, "", "", "")                                      \
	X(KEY_RSA_4096, "rsa-4096", FAMILY_RSA, 4096, 512, TOKEN_SHA256, "", "", "")                                      \
	X(KEY_ED25519, "ed25519", FAMILY_ED25519, 256, 32, TOKEN_HASH_NONE, "Ed25519", "ED25519", "\x06\x03\x2b\x65\x70")

#define X(name, text, family, bits, width, hash, crv, group, oid) name,
enum key_type { KEY_TYPES(X) KEY_TYPE_COUNT };
#undef X

#define KEY_WIDTH_MAX 512 /* RSA 4096 */
#define EC_WIDTH_MAX  66  /* P-521 */

/* KEY_TYPE_COUNT when the name is unknown. */
enum key_type key_type_parse(const char *name);
const char *key_type_name(enum key_type type); /* "unknown" for KEY_TYPE_COUNT */
unsigned key_type_bits(enum key_type type);    /* 0 for KEY_TYPE_COUNT */

/* These are asked of a type of the list only. */
enum key_family key_type_family(enum key_type type);
size_t key_type_width(enum key_type type);
enum token_hash key_type_hash(enum key_type type);
const char *key_type_crv(enum key_type type); /* "" for RSA, as the next two */
const char *key_type_group(enum key_type type);
struct span key_type_oid(enum key_type type);
/* ECDSA and Ed25519: two numbers; RSA: one. */
size_t key_type_signature_len(enum key_type type);
/* ECDSA, PKCS#1 v1.5 or EdDSA. */
enum token_scheme key_type_scheme(enum key_type type);
bool key_type_signs(enum key_type type, enum token_scheme scheme, enum token_hash hash);

size_t token_hash_len(enum token_hash hash);       /* 0 for TOKEN_HASH_NONE */
const char *token_hash_name(enum token_hash hash); /* as OpenSSL has it; NULL for TOKEN_HASH_NONE */

#endif /* HWA_KEY_TYPE_H */
