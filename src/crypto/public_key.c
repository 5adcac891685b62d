/* public_key.c -- reads public keys: those on our curves byte by byte, all others with OpenSSL's decoders. */
#include "public_key.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <string.h>

AUTO_DEFINE(pkey, EVP_PKEY *, EVP_PKEY_free);
AUTO_DEFINE(pkey_ctx, EVP_PKEY_CTX *, EVP_PKEY_CTX_free);

#define UNCOMPRESSED 0x04 /* OpenSSL would take compressed points and the one at infinity too */

static size_t point_len(enum key_type type)
{
	return 1 + 2 * key_type_width(type);
}

#define EC_HEAD_MAX 64

/* The bytes before the point; how many. */
static size_t ec_head(enum key_type type, uint8_t head[EC_HEAD_MAX])
{
	static const uint8_t ec_public_key[] = { 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01 };
	struct span curve = key_type_oid(type);
	size_t names_len = sizeof(ec_public_key) + curve.len, bits_len = 1 + point_len(type);
	size_t bits_head = bits_len < 0x80 ? 2 : 3, len = 2 + names_len + bits_head + bits_len;
	size_t used = 0;

	head[used++] = 0x30;
	if (len >= 0x80)
		head[used++] = 0x81;
	head[used++] = (uint8_t)len;
	head[used++] = 0x30;
	head[used++] = (uint8_t)names_len;
	memcpy(head + used, ec_public_key, sizeof(ec_public_key));
	used += sizeof(ec_public_key);
	memcpy(head + used, curve.at, curve.len);
	used += curve.len;
	head[used++] = 0x03;
	if (bits_len >= 0x80)
		head[used++] = 0x81;
	head[used++] = (uint8_t)bits_len;
	head[used++] = 0x00;
	return used;
}

enum rc public_key_ec_head(enum key_type type, struct buf *ret_head, struct err *err)
{
	uint8_t head[EC_HEAD_MAX];

	return buf_append(ret_head, span_of(head, ec_head(type, head)), err);
}

enum key_type public_key_ec_point(struct span spki, struct span *ret_point)
{
	for (int i = 0; i < KEY_TYPE_COUNT; i++) {
		enum key_type type = (enum key_type)i;
		uint8_t head[EC_HEAD_MAX];
		size_t len = key_type_family(type) == FAMILY_EC ? ec_head(type, head) : 0;

		if (!len || spki.len != len + point_len(type) || memcmp(spki.at, head, len) != 0 || spki.at[len] != UNCOMPRESSED)
			continue;
		*ret_point = span_of(spki.at + len, spki.len - len);
		return type;
	}
	return KEY_TYPE_COUNT;
}

EVP_PKEY *public_key_from_ec(enum key_type type, struct span point)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)(uintptr_t)key_type_group(type), 0),
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)(uintptr_t)point.at, point.len),
		OSSL_PARAM_construct_end(),
	};
	AUTO(pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *pkey = NULL;

	return ctx && EVP_PKEY_fromdata_init(ctx) == 1 && EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) == 1 ? pkey
															  : NULL;
}

EVP_PKEY *public_key_load(struct span spki)
{
	struct span point;
	enum key_type type = public_key_ec_point(spki, &point);

	if (type != KEY_TYPE_COUNT)
		return public_key_from_ec(type, point);
	const unsigned char *at = spki.at;
	AUTO(pkey) EVP_PKEY *pkey = d2i_PUBKEY(NULL, &at, (long)spki.len);

	return pkey && at == spki.at + spki.len ? TAKE(pkey) : NULL;
}
