/* key_type.h -- the kinds of key we ask of a token; one list makes enum and names. */
#ifndef HWA_KEY_TYPE_H
#define HWA_KEY_TYPE_H

/* X(enumerator, name in the configuration, bits) */
#define KEY_TYPES(X)                      \
	X(KEY_EC_P256, "ec-p256", 256)    \
	X(KEY_EC_P384, "ec-p384", 384)    \
	X(KEY_RSA_2048, "rsa-2048", 2048) \
	X(KEY_RSA_3072, "rsa-3072", 3072)

#define X(name, text, bits) name,
enum key_type { KEY_TYPES(X) KEY_TYPE_COUNT };
#undef X

const char *key_type_name(enum key_type type);
unsigned key_type_bits(enum key_type type);
int key_type_is_ec(enum key_type type);
/* KEY_TYPE_COUNT when the name is unknown. */
enum key_type key_type_parse(const char *name);

#endif /* HWA_KEY_TYPE_H */
