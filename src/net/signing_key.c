/* signing_key.c -- a provider for OpenSSL with keys that only know whom to ask for a signature. */
#include "signing_key.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define PROVIDER   "hwacme-token"
#define PARAM_WHOM "signer"
#define ENTRY(number, function)                                 \
	{                                                       \
		(number), (void (*)(void))(uintptr_t)(function) \
	}
#define ENTRIES_END     \
	{               \
		0, NULL \
	}

/* What OpenSSL holds for us as a key. */
struct key {
	const char *algorithm;
	EVP_PKEY *public_half; /* of OpenSSL's own provider; NULL: empty yet */
	struct signer *signer; /* NULL: the public half of somebody's certificate, to compare with */
};

/* Whom to ask, on its way through EVP_PKEY_fromdata(): its bytes are the value of PARAM_WHOM. */
struct whom {
	struct signer *signer;
};

/* One signature under way. */
struct signing {
	const struct key *key;
	enum token_hash hash;
	bool is_pss;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static OSSL_LIB_CTX *library; /* of this provider alone, so that nobody meets it by chance; NULL: it could not be made */

static struct key *key_new(const char *algorithm)
{
	struct key *key = calloc(1, sizeof(*key));

	if (key)
		key->algorithm = algorithm;
	return key;
}

static void *ec_new(void *provider)
{
	(void)provider;
	return key_new("EC");
}

static void *rsa_new(void *provider)
{
	(void)provider;
	return key_new("RSA");
}

static void key_free(void *data)
{
	struct key *key = data;

	if (!key)
		return;
	EVP_PKEY_free(key->public_half);
	free(key);
}

static int key_has(const void *data, int selection)
{
	const struct key *key = data;

	return key && ((selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY) == 0 || key->public_half) &&
	       ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) == 0 || key->signer);
}

static int key_match(const void *left, const void *right, int selection)
{
	(void)selection;
	return EVP_PKEY_eq(((const struct key *)left)->public_half, ((const struct key *)right)->public_half) == 1;
}

static int key_import(void *data, int selection, const OSSL_PARAM params[])
{
	struct key *key = data;
	const OSSL_PARAM *whom = OSSL_PARAM_locate_const(params, PARAM_WHOM);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, key->algorithm, NULL);
	bool ok = !key->public_half && ctx && EVP_PKEY_fromdata_init(ctx) == 1 &&
		  EVP_PKEY_fromdata(ctx, &key->public_half, EVP_PKEY_PUBLIC_KEY, (OSSL_PARAM *)(uintptr_t)params) == 1;

	(void)selection;
	EVP_PKEY_CTX_free(ctx);
	if (ok && whom && whom->data_size == sizeof(struct whom)) {
		struct whom given;

		memcpy(&given, whom->data, sizeof(given));
		key->signer = given.signer;
	}
	return ok;
}

static int key_export(void *data, int selection, OSSL_CALLBACK *take, void *ctx)
{
	const struct key *key = data;

	if (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY)
		return 0;
	return EVP_PKEY_export(key->public_half, EVP_PKEY_PUBLIC_KEY, take, ctx);
}

static const OSSL_PARAM *key_types(int selection)
{
	static const OSSL_PARAM types[] = {
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0),
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0),
		OSSL_PARAM_octet_string(PARAM_WHOM, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)selection;
	return types;
}

/* Size, bits, curve: of the public half, which OpenSSL knows best. */
static int key_params(void *data, OSSL_PARAM params[])
{
	return EVP_PKEY_get_params(((const struct key *)data)->public_half, params);
}

static const OSSL_PARAM *key_gettable(void *provider)
{
	static const OSSL_PARAM gettable[] = {
		OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)provider;
	return gettable;
}

static const char *ec_operation(int operation)
{
	(void)operation;
	return "ECDSA";
}

static const char *rsa_operation(int operation)
{
	(void)operation;
	return "RSA";
}

#define KEY_ENTRIES(new, operation)                                                                                        \
	ENTRY(OSSL_FUNC_KEYMGMT_NEW, new), ENTRY(OSSL_FUNC_KEYMGMT_FREE, key_free), ENTRY(OSSL_FUNC_KEYMGMT_HAS, key_has), \
		ENTRY(OSSL_FUNC_KEYMGMT_MATCH, key_match), ENTRY(OSSL_FUNC_KEYMGMT_IMPORT, key_import),                    \
		ENTRY(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, key_types), ENTRY(OSSL_FUNC_KEYMGMT_EXPORT, key_export),             \
		ENTRY(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, key_types), ENTRY(OSSL_FUNC_KEYMGMT_GET_PARAMS, key_params),         \
		ENTRY(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, key_gettable),                                                    \
		ENTRY(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, operation), ENTRIES_END

static const OSSL_DISPATCH EC_KEYS[] = { KEY_ENTRIES(ec_new, ec_operation) };
static const OSSL_DISPATCH RSA_KEYS[] = { KEY_ENTRIES(rsa_new, rsa_operation) };

static void *signing_new(void *provider, const char *properties)
{
	(void)provider, (void)properties;
	return calloc(1, sizeof(struct signing));
}

/* RFC 8446, 4.2.3: RSASSA-PSS with a salt as long as the digest, which is the only one that a token makes for us. */
static int signing_set(void *ctx, const OSSL_PARAM params[])
{
	struct signing *signing = ctx;
	const OSSL_PARAM *padding = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE);
	const OSSL_PARAM *salt = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PSS_SALTLEN);
	int number = 0;

	if (padding && padding->data_type == OSSL_PARAM_UTF8_STRING)
		number = strcmp(padding->data, OSSL_PKEY_RSA_PAD_MODE_PSS) == 0 ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING;
	else if (padding && OSSL_PARAM_get_int(padding, &number) != 1)
		return 0;
	if (padding && number != RSA_PKCS1_PSS_PADDING && number != RSA_PKCS1_PADDING)
		return 0;
	signing->is_pss = padding ? number == RSA_PKCS1_PSS_PADDING : signing->is_pss;
	if (salt && salt->data_type == OSSL_PARAM_UTF8_STRING)
		return strcmp(salt->data, OSSL_PKEY_RSA_PSS_SALT_LEN_DIGEST) == 0;
	return !salt || (OSSL_PARAM_get_int(salt, &number) == 1 && number == RSA_PSS_SALTLEN_DIGEST);
}

static const OSSL_PARAM *signing_settable(void *ctx, void *provider)
{
	static const OSSL_PARAM settable[] = {
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)ctx, (void)provider;
	return settable;
}

static int signing_begin(void *ctx, const char *digest, void *data, const OSSL_PARAM params[])
{
	struct signing *signing = ctx;

	*signing = (struct signing){ .key = data };
	if (!signing->key->signer || !digest)
		return 0;
	for (int hash = TOKEN_SHA256; hash <= TOKEN_SHA512; hash++)
		if (EVP_MD_is_a(EVP_get_digestbyname(token_hash_name((enum token_hash)hash)), digest))
			signing->hash = (enum token_hash)hash;
	return signing->hash != TOKEN_HASH_NONE && (!params || signing_set(ctx, params));
}

/* RFC 5480, A: TLS wants DER; a token gives r || s. */
static bool ecdsa_der(struct span sig, unsigned char *to, size_t room, size_t *ret_len)
{
	ECDSA_SIG *pair = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(sig.at, (int)(sig.len / 2), NULL), *s = BN_bin2bn(sig.at + sig.len / 2, (int)(sig.len / 2), NULL);
	bool ok = pair && r && s && ECDSA_SIG_set0(pair, r, s) == 1;

	if (!ok) {
		BN_free(r);
		BN_free(s);
	}
	int len = ok ? i2d_ECDSA_SIG(pair, NULL) : -1;
	ok = len > 0 && (size_t)len <= room && i2d_ECDSA_SIG(pair, &to) == len;
	ECDSA_SIG_free(pair);
	*ret_len = ok ? (size_t)len : 0;
	return ok;
}

static bool rsa_copy(struct span sig, unsigned char *to, size_t room, size_t *ret_len)
{
	if (sig.len > room)
		return false;
	memcpy(to, sig.at, sig.len);
	*ret_len = sig.len;
	return true;
}

static int signing_do(void *ctx, unsigned char *to, size_t *ret_len, size_t room, const unsigned char *message,
		      size_t message_len)
{
	const struct signing *signing = ctx;
	struct signer *signer = signing->key->signer;
	bool is_rsa = key_type_family(signer->type) == FAMILY_RSA;
	enum token_scheme scheme = is_rsa && signing->is_pss ? TOKEN_RSA_PSS : key_type_scheme(signer->type);
	AUTO(buf) struct buf sig = BUF_MAX(KEY_WIDTH_MAX);
	uint8_t digest[EVP_MAX_MD_SIZE];
	size_t len = 0;

	if (!to) {
		*ret_len = (size_t)EVP_PKEY_get_size(signing->key->public_half);
		return 1;
	}
	if (EVP_Q_digest(NULL, token_hash_name(signing->hash), NULL, message, message_len, digest, &len) != 1)
		return 0;
	struct err err = { 0 };
	const struct http_identity *identity = signer->identity;
	enum rc rc = identity->sign(signer->key, scheme, signing->hash, span_of(digest, len), &sig, &err);
	if (rc != RC_OK) {
		signer->failure = err;
		return 0;
	}
	return is_rsa ? rsa_copy(buf_span(&sig), to, room, ret_len) : ecdsa_der(buf_span(&sig), to, room, ret_len);
}

static const OSSL_DISPATCH SIGNATURES[] = {
	ENTRY(OSSL_FUNC_SIGNATURE_NEWCTX, signing_new),
	ENTRY(OSSL_FUNC_SIGNATURE_FREECTX, free),
	ENTRY(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, signing_begin),
	ENTRY(OSSL_FUNC_SIGNATURE_DIGEST_SIGN, signing_do),
	ENTRY(OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, signing_set),
	ENTRY(OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, signing_settable),
	ENTRIES_END,
};

static const OSSL_ALGORITHM *provider_query(void *provider, int operation, int *ret_no_cache)
{
	static const OSSL_ALGORITHM keys[] = { { "EC", "provider=" PROVIDER, EC_KEYS, NULL },
					       { "RSA", "provider=" PROVIDER, RSA_KEYS, NULL },
					       { NULL, NULL, NULL, NULL } };
	static const OSSL_ALGORITHM signatures[] = { { "ECDSA", "provider=" PROVIDER, SIGNATURES, NULL },
						     { "RSA", "provider=" PROVIDER, SIGNATURES, NULL },
						     { NULL, NULL, NULL, NULL } };

	(void)provider;
	*ret_no_cache = 0;
	return operation == OSSL_OP_KEYMGMT ? keys : operation == OSSL_OP_SIGNATURE ? signatures : NULL;
}

static int provider_init(const OSSL_CORE_HANDLE *core, const OSSL_DISPATCH *in, const OSSL_DISPATCH **ret_out,
			 void **ret_provider)
{
	static const OSSL_DISPATCH out[] = { ENTRY(OSSL_FUNC_PROVIDER_QUERY_OPERATION, provider_query), ENTRIES_END };

	(void)in;
	*ret_out = out;
	*ret_provider = (void *)(uintptr_t)core; /* it must not be NULL, and nothing is kept */
	return 1;
}

/* Once a process, for good: keys of it may be in any connection. */
static void library_make(void)
{
	OSSL_LIB_CTX *made = OSSL_LIB_CTX_new();

	if (made && OSSL_PROVIDER_add_builtin(made, PROVIDER, provider_init) == 1 && OSSL_PROVIDER_load(made, PROVIDER))
		library = made;
	else
		OSSL_LIB_CTX_free(made);
}

enum rc signing_key_new(EVP_PKEY *public_half, struct signer *signer, EVP_PKEY **ret_key, struct err *err)
{
	struct whom given = { signer };
	OSSL_PARAM whom[] = { OSSL_PARAM_construct_octet_string(PARAM_WHOM, &given, sizeof(given)), OSSL_PARAM_construct_end() };
	OSSL_PARAM *params = NULL, *all = NULL;

	pthread_once(&once, library_make);
	if (!library)
		return err_set_raw(err, RC_RESOURCE, ERR_OPENSSL, 0, "OpenSSL takes no provider for keys in tokens");
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(library, EVP_PKEY_is_a(public_half, "RSA") ? "RSA" : "EC", NULL);
	bool ok = ctx && EVP_PKEY_todata(public_half, EVP_PKEY_PUBLIC_KEY, &params) == 1 &&
		  (all = OSSL_PARAM_merge(params, whom)) && EVP_PKEY_fromdata_init(ctx) == 1 &&
		  EVP_PKEY_fromdata(ctx, ret_key, EVP_PKEY_KEYPAIR, all) == 1;
	OPENSSL_free(all);
	OSSL_PARAM_free(params);
	EVP_PKEY_CTX_free(ctx);
	return ok ? RC_OK : err_set_raw(err, RC_INPUT, ERR_OPENSSL, 0, "OpenSSL cannot use its key for TLS");
}

void signing_key_algorithms(enum key_type type, char *ret_list, size_t room)
{
	static const struct {
		enum token_scheme scheme;
		const char *name;
	} schemes[] = { { TOKEN_ECDSA, "ECDSA" }, { TOKEN_RSA_PSS, "RSA-PSS" }, { TOKEN_RSA_PKCS1, "RSA" } };
	size_t used = 0;

	ret_list[0] = '\0';
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		for (int hash = TOKEN_SHA256; hash <= TOKEN_SHA512; hash++)
			if (key_type_signs(type, schemes[i].scheme, (enum token_hash)hash) && used < room)
				used += (size_t)snprintf(ret_list + used, room - used, "%s%s+%s", used ? ":" : "",
							 schemes[i].name, token_hash_name((enum token_hash)hash));
}
