/* key_type.c -- names and numbers of key types, from the one list in key_type.h. */
#include "key_type.h"

#include <string.h>

static const struct {
	const char *name;
	enum key_family family;
	unsigned bits;
	size_t width;
	enum token_hash hash;
	const char *crv, *group;
	struct span oid;
} KEY_TYPE_TABLE[KEY_TYPE_COUNT] = {
#define X(type, text, family, bits, width, hash, crv, group, oid) \
	[type] = { text, family, bits, width, hash, crv, group, { (const uint8_t *)(oid), sizeof(oid) - 1 } },
	KEY_TYPES(X)
#undef X
};

/* The first is the one used unless told otherwise. */
static const struct {
	enum token_scheme schemes[2];
	size_t numbers; /* in a signature, each as wide as the key type says */
} FAMILIES[] = {
	[FAMILY_EC] = { { TOKEN_ECDSA, TOKEN_ECDSA }, 2 },
	[FAMILY_RSA] = { { TOKEN_RSA_PKCS1, TOKEN_RSA_PSS }, 1 },
	[FAMILY_ED25519] = { { TOKEN_EDDSA, TOKEN_EDDSA }, 2 },
};

static const struct {
	const char *name;
	size_t len;
} HASHES[] = {
	[TOKEN_HASH_NONE] = { NULL, 0 },
	[TOKEN_SHA256] = { "SHA256", 32 },
	[TOKEN_SHA384] = { "SHA384", 48 },
	[TOKEN_SHA512] = { "SHA512", 64 },
};

enum key_type key_type_parse(const char *name)
{
	for (int type = 0; type < KEY_TYPE_COUNT; type++)
		if (strcmp(KEY_TYPE_TABLE[type].name, name) == 0)
			return (enum key_type)type;
	return KEY_TYPE_COUNT;
}

const char *key_type_name(enum key_type type)
{
	return type < KEY_TYPE_COUNT ? KEY_TYPE_TABLE[type].name : "unknown";
}

unsigned key_type_bits(enum key_type type)
{
	return type < KEY_TYPE_COUNT ? KEY_TYPE_TABLE[type].bits : 0;
}

enum key_family key_type_family(enum key_type type)
{
	return KEY_TYPE_TABLE[type].family;
}

size_t key_type_width(enum key_type type)
{
	return KEY_TYPE_TABLE[type].width;
}

enum token_hash key_type_hash(enum key_type type)
{
	return KEY_TYPE_TABLE[type].hash;
}

const char *key_type_crv(enum key_type type)
{
	return KEY_TYPE_TABLE[type].crv;
}

const char *key_type_group(enum key_type type)
{
	return KEY_TYPE_TABLE[type].group;
}

struct span key_type_oid(enum key_type type)
{
	return KEY_TYPE_TABLE[type].oid;
}

size_t key_type_signature_len(enum key_type type)
{
	return FAMILIES[KEY_TYPE_TABLE[type].family].numbers * KEY_TYPE_TABLE[type].width;
}

enum token_scheme key_type_scheme(enum key_type type)
{
	return FAMILIES[KEY_TYPE_TABLE[type].family].schemes[0];
}

bool key_type_signs(enum key_type type, enum token_scheme scheme, enum token_hash hash)
{
	if (type >= KEY_TYPE_COUNT || hash > TOKEN_SHA512)
		return false;
	const enum token_scheme *schemes = FAMILIES[KEY_TYPE_TABLE[type].family].schemes;
	/* A digest longer than the number it becomes would be cut (FIPS 186-5, 6.4.1): nobody asks for that here. */
	return (scheme == schemes[0] || scheme == schemes[1]) && (hash == TOKEN_HASH_NONE) == (scheme == TOKEN_EDDSA) &&
	       HASHES[hash].len <= KEY_TYPE_TABLE[type].width;
}

size_t token_hash_len(enum token_hash hash)
{
	return HASHES[hash].len;
}

const char *token_hash_name(enum token_hash hash)
{
	return HASHES[hash].name;
}
