/* signing_key_test.c -- TLS handshakes whose client key is in a token: both versions, both families; nothing but signatures comes out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <pthread.h>

#include "signing_key.h"
#include "soft_token.h"
#include "tls_pair.h"

static struct tls_ca ca;

/* Where signatures come from, and what was asked. */
struct holder {
	struct token_key *key;
	enum rc refuse; /* instead of signing */
	unsigned signatures;
	enum token_scheme scheme;
	enum token_hash hash;
};

static enum rc holder_sign(void *ctx, enum token_scheme scheme, enum token_hash hash, struct span digest, struct buf *ret_sig,
			   struct err *err)
{
	struct holder *holder = ctx;

	holder->signatures++;
	holder->scheme = scheme;
	holder->hash = hash;
	if (holder->refuse != RC_OK)
		return err_set(err, holder->refuse, "the token is away");
	return token_sign(holder->key, scheme, hash, digest, ret_sig, err);
}

/* A client whose key is the holder's. */
struct client {
	struct http_identity identity;
	struct signer signer;
	EVP_PKEY *key;
	SSL_CTX *ctx;
};

static void client_make(struct client *client, struct holder *holder)
{
	AUTO(buf) struct buf spki = BUF_MAX(TOKEN_SPKI_MAX);
	char algorithms[256];
	struct err err = { 0 };

	assert_int_equal(token_public_key(holder->key, &spki, NULL), RC_OK);
	const unsigned char *at = spki.at;
	EVP_PKEY *public_half = d2i_PUBKEY(NULL, &at, (long)spki.len);
	*client = (struct client){ .identity = { .sign = holder_sign },
				   .signer = { .type = holder->key->type, .key = holder },
				   .ctx = SSL_CTX_new(TLS_client_method()) };
	client->signer.identity = &client->identity;
	if (signing_key_new(public_half, &client->signer, &client->key, &err) != RC_OK)
		fail_msg("%s", err.text);
	X509 *leaf = tls_ca_sign(&ca, public_half, "amf");
	assert_int_equal(SSL_CTX_use_certificate(client->ctx, leaf), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(client->ctx, client->key), 1);
	signing_key_algorithms(holder->key->type, algorithms, sizeof(algorithms));
	assert_int_equal(SSL_CTX_set1_client_sigalgs_list(client->ctx, algorithms), 1);
	X509_free(leaf);
	EVP_PKEY_free(public_half);
}

static void client_clear(struct client *client)
{
	SSL_CTX_free(client->ctx);
	EVP_PKEY_free(client->key);
}

/* True: the server has seen the certificate and that we have its key. */
static bool shake(struct holder *holder, int version, const char *server_takes)
{
	struct client client;
	SSL_CTX *server = tls_server(&ca, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT);

	client_make(&client, holder);
	if (server_takes)
		assert_int_equal(SSL_CTX_set1_client_sigalgs_list(server, server_takes), 1);
	struct tls_pair pair = tls_pair_make(client.ctx, server, version);
	bool ok = tls_pair_shake(&pair);
	if (ok)
		assert_non_null(SSL_get0_peer_certificate(pair.server));
	tls_pair_free(&pair);
	SSL_CTX_free(server);
	client_clear(&client);
	ERR_clear_error();
	return ok;
}

/* RFC 8446, 4.2.3; TLS 1.2 leaves more to choose from. */
static void a_handshake_is_signed_by_the_token(void **state)
{
	static const struct {
		enum key_type type;
		int version;
		const char *server_takes; /* NULL: whatever OpenSSL does */
		enum token_scheme scheme;
		enum token_hash hash;
	} cases[] = {
		{ KEY_EC_P256, TLS1_2_VERSION, NULL, TOKEN_ECDSA, TOKEN_SHA256 },
		{ KEY_EC_P256, TLS1_3_VERSION, NULL, TOKEN_ECDSA, TOKEN_SHA256 },
		{ KEY_EC_P384, TLS1_2_VERSION, NULL, TOKEN_ECDSA, TOKEN_SHA256 },
		{ KEY_EC_P384, TLS1_2_VERSION, "ECDSA+SHA384", TOKEN_ECDSA, TOKEN_SHA384 },
		{ KEY_EC_P384, TLS1_3_VERSION, NULL, TOKEN_ECDSA, TOKEN_SHA384 },
		{ KEY_EC_P521, TLS1_3_VERSION, NULL, TOKEN_ECDSA, TOKEN_SHA512 },
		{ KEY_RSA_2048, TLS1_2_VERSION, NULL, TOKEN_RSA_PSS, TOKEN_SHA256 },
		{ KEY_RSA_2048, TLS1_2_VERSION, "RSA+SHA256", TOKEN_RSA_PKCS1, TOKEN_SHA256 },
		{ KEY_RSA_2048, TLS1_2_VERSION, "RSA+SHA512", TOKEN_RSA_PKCS1, TOKEN_SHA512 },
		{ KEY_RSA_2048, TLS1_3_VERSION, NULL, TOKEN_RSA_PSS, TOKEN_SHA256 },
		{ KEY_RSA_2048, TLS1_3_VERSION, "RSA-PSS+SHA384", TOKEN_RSA_PSS, TOKEN_SHA384 },
		{ KEY_RSA_3072, TLS1_3_VERSION, "RSA-PSS+SHA512", TOKEN_RSA_PSS, TOKEN_SHA512 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct holder holder = { .key = soft_token_key(cases[i].type) };

		if (!shake(&holder, cases[i].version, cases[i].server_takes))
			fail_msg("case %zu", i);
		assert_int_equal(holder.signatures, 1);
		assert_int_equal(holder.scheme, cases[i].scheme);
		assert_int_equal(holder.hash, cases[i].hash);
		token_key_free(holder.key);
	}
}

static void what_the_key_cannot_sign_is_not_asked_of_it(void **state)
{
	struct holder holder = { .key = soft_token_key(KEY_EC_P256) };

	(void)state;
	assert_false(shake(&holder, TLS1_2_VERSION, "ECDSA+SHA512"));
	assert_int_equal(holder.signatures, 0);
	token_key_free(holder.key);
}

static void a_token_that_is_away_ends_the_handshake_and_says_why(void **state)
{
	struct holder holder = { .key = soft_token_key(KEY_EC_P256), .refuse = RC_RETRY };
	struct client client;
	SSL_CTX *server = tls_server(&ca, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT);

	(void)state;
	client_make(&client, &holder);
	struct tls_pair pair = tls_pair_make(client.ctx, server, TLS1_3_VERSION);
	assert_false(tls_pair_shake(&pair));
	assert_int_equal(client.signer.failure.rc, RC_RETRY);
	assert_string_equal(client.signer.failure.text, "the token is away");
	tls_pair_free(&pair);
	SSL_CTX_free(server);
	client_clear(&client);
	token_key_free(holder.key);
}

/* Whatever OpenSSL is asked for, there is no private number in it; and no other padding or salt than a token makes. */
static void nothing_private_can_be_had_of_it(void **state)
{
	static const enum key_type types[] = { KEY_EC_P256, KEY_RSA_2048 };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct holder holder = { .key = soft_token_key(types[i]) };
		struct client client;
		BIGNUM *number = NULL;
		OSSL_PARAM *params = NULL;
		BIO *bio = BIO_new(BIO_s_mem());

		client_make(&client, &holder);
		assert_int_not_equal(EVP_PKEY_get_bn_param(client.key, OSSL_PKEY_PARAM_PRIV_KEY, &number), 1);
		assert_int_not_equal(EVP_PKEY_get_bn_param(client.key, OSSL_PKEY_PARAM_RSA_D, &number), 1);
		assert_null(number);
		assert_int_not_equal(EVP_PKEY_todata(client.key, EVP_PKEY_KEYPAIR, &params), 1);
		assert_int_not_equal(PEM_write_bio_PrivateKey(bio, client.key, NULL, NULL, 0, NULL, NULL), 1);
		assert_int_equal(BIO_pending(bio), 0);
		assert_int_equal(holder.signatures, 0);
		BIO_free(bio);
		client_clear(&client);
		token_key_free(holder.key);
		ERR_clear_error();
	}
}

static void only_a_salt_as_long_as_the_digest_is_signed(void **state)
{
	struct holder holder = { .key = soft_token_key(KEY_RSA_2048) };
	struct client client;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *of_key = NULL;

	(void)state;
	client_make(&client, &holder);
	assert_int_equal(EVP_DigestSignInit_ex(ctx, &of_key, "SHA256", NULL, NULL, client.key, NULL), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(of_key, RSA_PKCS1_PSS_PADDING), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(of_key, RSA_PSS_SALTLEN_DIGEST), 1);
	assert_int_not_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(of_key, RSA_PSS_SALTLEN_MAX), 1);
	assert_int_not_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(of_key, 20), 1);
	assert_int_not_equal(EVP_PKEY_CTX_set_rsa_padding(of_key, RSA_NO_PADDING), 1);
	EVP_MD_CTX_free(ctx);
	ctx = EVP_MD_CTX_new();
	assert_int_not_equal(EVP_DigestSignInit_ex(ctx, NULL, "SHA1", NULL, NULL, client.key, NULL), 1);
	EVP_MD_CTX_free(ctx);
	client_clear(&client);
	token_key_free(holder.key);
	ERR_clear_error();
}

static void *shake_often(void *ctx)
{
	struct holder holder = { .key = ctx };
	uintptr_t failed = 0;

	for (int i = 0; i < 5; i++)
		failed += !shake(&holder, i % 2 ? TLS1_2_VERSION : TLS1_3_VERSION, NULL);
	return (void *)failed;
}

/* One key, several workers: each with a connection of its own. */
static void threads_shake_hands_at_once(void **state)
{
	struct token_key *key = soft_token_key(KEY_EC_P256);
	pthread_t threads[4];
	void *failed;

	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, shake_often, key), 0);
	for (size_t i = 0; i < 4; i++) {
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	token_key_free(key);
}

static void algorithms_are_those_of_the_type(void **state)
{
	char list[256];

	(void)state;
	signing_key_algorithms(KEY_EC_P256, list, sizeof(list));
	assert_string_equal(list, "ECDSA+SHA256");
	signing_key_algorithms(KEY_EC_P384, list, sizeof(list));
	assert_string_equal(list, "ECDSA+SHA256:ECDSA+SHA384");
	signing_key_algorithms(KEY_RSA_2048, list, sizeof(list));
	assert_string_equal(list, "RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:RSA+SHA256:RSA+SHA384:RSA+SHA512");
	signing_key_algorithms(KEY_ED25519, list, sizeof(list));
	assert_string_equal(list, "");
}

static int start(void **state)
{
	ca = tls_ca_make();
	return soft_token_start(state);
}

static int stop(void **state)
{
	tls_ca_free(&ca);
	return soft_token_stop(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_handshake_is_signed_by_the_token),
		cmocka_unit_test(what_the_key_cannot_sign_is_not_asked_of_it),
		cmocka_unit_test(a_token_that_is_away_ends_the_handshake_and_says_why),
		cmocka_unit_test(nothing_private_can_be_had_of_it),
		cmocka_unit_test(only_a_salt_as_long_as_the_digest_is_signed),
		cmocka_unit_test(threads_shake_hands_at_once),
		cmocka_unit_test(algorithms_are_those_of_the_type),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
