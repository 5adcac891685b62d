/* client_tls_test.c -- what is shown of us is loaded for each connection and fits its key; a server's refusal is understood. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/err.h>
#include <string.h>

#include "client_tls.h"
#include "soft_token.h"
#include "tls_pair.h"

static struct tls_ca ca;
static struct token_key *key, *other_key;

/* What load() answers. */
static struct {
	struct token_key *key;
	struct buf chain;
	enum rc rc, sign_rc;
	unsigned loads, frees, key_frees;
} shown;

static enum rc shown_load(void *ctx, void **key_of, struct http_credential *ret, struct err *err)
{
	(void)ctx;
	*key_of = &shown;
	shown.loads++;
	snprintf(ret->name, sizeof(ret->name), "amf");
	if (shown.rc != RC_OK)
		return err_set(err, shown.rc, "the token is away");
	ret->type = shown.key->type;
	assert_int_equal(buf_append(&ret->chain, buf_span(&shown.chain), NULL), RC_OK);
	return token_public_key(shown.key, &ret->spki, err);
}

static enum rc shown_sign(void *key_of, enum token_scheme scheme, enum token_hash hash, struct span digest, struct buf *ret_sig,
			  struct err *err)
{
	assert_ptr_equal(key_of, &shown);
	return shown.sign_rc == RC_OK ? token_sign(shown.key, scheme, hash, digest, ret_sig, err)
				      : err_set(err, shown.sign_rc, "the token went away");
}

static void shown_free(void *ctx)
{
	(void)ctx;
	shown.frees++;
}

static void shown_key_free(void *key_of)
{
	assert_ptr_equal(key_of, &shown);
	shown.key_frees++;
}

static const struct http_identity IDENTITY = {
	.load = shown_load, .sign = shown_sign, .key_free = shown_key_free, .free = shown_free
};

/* The chain of `of`, and its key. */
static void show(struct token_key *of)
{
	AUTO(buf) struct buf spki = BUF_MAX(TOKEN_SPKI_MAX);

	buf_clear(&shown.chain);
	memset(&shown, 0, sizeof(shown));
	shown.key = of;
	shown.chain = BUF_MAX(HTTP_CHAIN_MAX);
	assert_int_equal(token_public_key(of, &spki, NULL), RC_OK);
	tls_chain(&ca, buf_span(&spki), &shown.chain);
}

/* A connection to a server that verifies as told; true: it held. */
static bool connect_to(struct client_tls *tls, int verify, int version)
{
	SSL_CTX *client = SSL_CTX_new(TLS_client_method()), *server = tls_server(&ca, verify);
	bool ok = client_tls_begin(tls, client);

	if (ok) {
		struct tls_pair pair = tls_pair_make(client, server, version);
		ok = tls_pair_shake(&pair);
		tls_pair_free(&pair);
	}
	SSL_CTX_free(client);
	SSL_CTX_free(server);
	ERR_clear_error();
	return ok;
}

#define DEMANDS (SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT)
static const int VERSIONS[] = { TLS1_2_VERSION, TLS1_3_VERSION };

/* TS 33.310, annex J.2 asks for it; RFC 8446, 6.2 has the alerts that refuse it. */
static void the_certificate_is_shown_to_who_asks(void **state)
{
	(void)state;
	show(key);
	for (size_t i = 0; i < 2; i++) {
		struct client_tls tls = { .signer.identity = &IDENTITY };
		struct err err = { 0 };

		assert_true(connect_to(&tls, DEMANDS, VERSIONS[i]));
		assert_true(tls.was_asked);
		assert_int_equal(client_tls_refused(&tls, &err), RC_OK);
		assert_true(connect_to(&tls, SSL_VERIFY_NONE, VERSIONS[i]));
		assert_false(tls.was_asked);
		client_tls_clear(&tls);
	}
	assert_int_equal(shown.loads, 4);
	assert_int_equal(shown.key_frees, 2);
}

static void a_renewed_certificate_is_the_next_connections(void **state)
{
	struct client_tls tls = { .signer.identity = &IDENTITY };

	(void)state;
	show(key);
	assert_true(connect_to(&tls, DEMANDS, TLS1_3_VERSION));
	show(other_key);
	assert_true(connect_to(&tls, DEMANDS, TLS1_3_VERSION));
	assert_int_equal(tls.signer.type, KEY_RSA_2048);
}

static void without_one_the_refusal_says_what_to_configure(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct client_tls tls = { 0 };
		struct err err = { 0 };

		assert_false(connect_to(&tls, DEMANDS, VERSIONS[i]));
		assert_int_equal(client_tls_refused(&tls, &err), RC_DENIED);
		assert_non_null(strstr(err.text, "demands a client certificate; configure client-certificate"));
		assert_non_null(strstr(err.text, "{ certificate: NAME }"));
		assert_non_null(strstr(err.text, "(TLS alert \""));
		client_tls_forget(&tls);
		assert_int_equal(client_tls_refused(&tls, &err), RC_OK);
		assert_true(connect_to(&tls, SSL_VERIFY_NONE, VERSIONS[i]));
	}
}

static void one_that_is_not_issued_yet_is_not_shown_and_the_refusal_says_so(void **state)
{
	struct client_tls tls = { .signer.identity = &IDENTITY };
	struct err err = { 0 };

	(void)state;
	show(key);
	buf_clear(&shown.chain);
	assert_int_equal(client_tls_check(&tls, &err), RC_OK);
	assert_false(connect_to(&tls, DEMANDS, TLS1_3_VERSION));
	assert_int_equal(client_tls_refused(&tls, &err), RC_DENIED);
	assert_non_null(strstr(err.text, "client-certificate amf is not issued yet"));
	assert_non_null(strstr(err.text, "add file, token and label of one that is shown until then"));
	assert_true(connect_to(&tls, SSL_VERIFY_NONE, TLS1_3_VERSION));
}

static void one_that_the_server_does_not_take_is_named_with_its_end(void **state)
{
	struct tls_ca mine = ca;
	struct err err = { 0 };

	(void)state;
	show(key);
	ca = tls_ca_make(); /* the server's; the chain is of another */
	for (size_t i = 0; i < 2; i++) {
		struct client_tls tls = { .signer.identity = &IDENTITY };

		assert_false(connect_to(&tls, DEMANDS, VERSIONS[i]));
		assert_int_equal(client_tls_refused(&tls, &err), RC_DENIED);
		assert_non_null(strstr(err.text, "refuses client-certificate amf, which is good until 20"));
		assert_non_null(strstr(err.text, "TLS alert"));
		assert_non_null(strstr(err.text, "have the server trust who issued it, or configure another client-certificate"));
	}
	tls_ca_free(&ca);
	ca = mine;
}

/* RFC 5280, 4.2.1.12: of a CA that issues for servers alone no trust in it helps. */
static void one_that_is_not_for_clients_is_refused_for_that(void **state)
{
	static const struct {
		const char *usage;
		bool is_for_clients;
	} cases[] = { { "serverAuth", false }, { "serverAuth,clientAuth", true }, { "anyExtendedKeyUsage", true } };
	struct client_tls tls = { .signer.identity = &IDENTITY };
	struct err err = { 0 };
	char hint[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ca.usage = cases[i].usage;
		show(key);
		ca.usage = NULL;
		bool is_taken = connect_to(&tls, DEMANDS, TLS1_2_VERSION);
		assert_int_equal(is_taken, i == 1);
		client_tls_hint(&tls, hint, sizeof(hint));
		assert_int_equal(strstr(hint, "no clientAuth") != NULL, !cases[i].is_for_clients);
		if (is_taken)
			continue;
		assert_int_equal(client_tls_refused(&tls, &err), RC_DENIED);
		assert_non_null(strstr(err.text, "refuses client-certificate amf"));
		assert_int_equal(strstr(err.text, "its extended key usage has no clientAuth") != NULL, !cases[i].is_for_clients);
		assert_int_equal(strstr(err.text, "have the server trust") != NULL, cases[i].is_for_clients);
		client_tls_forget(&tls);
	}
	client_tls_clear(&tls);
}

/* Told when it is loaded: nothing has been sent then. */
static void a_certificate_of_another_key_is_told_before_anything_is_sent(void **state)
{
	struct client_tls tls = { .signer.identity = &IDENTITY };
	struct err err = { 0 };

	(void)state;
	show(key);
	shown.key = other_key;
	assert_int_equal(client_tls_check(&tls, &err), RC_INPUT);
	assert_non_null(strstr(err.text, "client-certificate amf: the certificate is not for the key in the token"));
	SSL_CTX *client = SSL_CTX_new(TLS_client_method());
	assert_false(client_tls_begin(&tls, client));
	assert_int_equal(client_tls_refused(&tls, &err), RC_INPUT);
	SSL_CTX_free(client);
}

static void a_token_that_is_away_is_the_failure(void **state)
{
	struct client_tls tls = { .signer.identity = &IDENTITY };
	struct err err = { 0 };

	(void)state;
	show(key);
	shown.rc = RC_RETRY;
	assert_int_equal(client_tls_check(&tls, &err), RC_RETRY);
	assert_non_null(strstr(err.text, "client-certificate amf: the token is away"));
	show(key);
	shown.sign_rc = RC_RETRY;
	assert_false(connect_to(&tls, DEMANDS, TLS1_3_VERSION));
	assert_int_equal(client_tls_refused(&tls, &err), RC_RETRY);
	assert_non_null(strstr(err.text, "client-certificate amf: the token went away"));
}

static void a_chain_is_certificates_and_nothing_else(void **state)
{
	static const struct {
		const char *text, *words;
	} cases[] = {
		{ "no PEM at all\n", "no certificate in PEM" },
		{ "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n", "there is a private key" },
		{ "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "not all of it is certificates" },
		{ "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", "not all of it is certificates" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct client_tls tls = { .signer.identity = &IDENTITY };
		struct err err = { 0 };

		show(key);
		if (i == 0)
			buf_clear(&shown.chain); /* the others stand behind a good chain */
		assert_int_equal(buf_append(&shown.chain, span_text(cases[i].text), NULL), RC_OK);
		assert_int_equal(client_tls_check(&tls, &err), RC_INPUT);
		if (!strstr(err.text, cases[i].words))
			fail_msg("%s", err.text);
	}
	struct client_tls tls = { .signer.identity = &IDENTITY };
	struct err err = { 0 };
	show(key);
	for (int i = 0; i < 9; i++)
		tls_pem_append(&shown.chain, ca.root);
	assert_int_equal(client_tls_check(&tls, &err), RC_INPUT);
	assert_non_null(strstr(err.text, "more than 10"));
}

static void a_key_that_tls_has_no_use_for_is_told(void **state)
{
	struct client_tls tls = { .signer.identity = &IDENTITY };
	struct token_key *ed25519 = soft_token_key(KEY_ED25519);
	struct err err = { 0 };

	(void)state;
	show(ed25519);
	assert_int_equal(client_tls_check(&tls, &err), RC_INPUT);
	assert_non_null(strstr(err.text, "of a type that is not used for TLS here"));
	token_key_free(ed25519);
}

/* What nginx answers when it has shaken hands all the same; a CA's own problem document is left to who understands it (RFC 8555, 6.7). */
static void a_refusal_by_http_status_is_one_too(void **state)
{
	struct client_tls tls = { .was_asked = true };
	struct http_response response = { .status = 400, .content_type = "text/html", .body = BUF_MAX(512) };
	struct err err = { 0 };

	(void)state;
	assert_int_equal(
		buf_append(&response.body,
			   span_text("<html><head><title>400 No required SSL certificate was sent</title></head></html>"), NULL),
		RC_OK);
	assert_int_equal(client_tls_refused_by(&tls, &response, &err), RC_DENIED);
	assert_non_null(strstr(err.text, "No required SSL certificate was sent"));
	assert_non_null(strstr(err.text, "configure client-certificate"));
	response.status = 200;
	assert_int_equal(client_tls_refused_by(&tls, &response, &err), RC_OK);
	response.status = 400;
	snprintf(response.content_type, sizeof(response.content_type), "application/problem+json");
	assert_int_equal(client_tls_refused_by(&tls, &response, &err), RC_OK);
	snprintf(response.content_type, sizeof(response.content_type), "text/html");
	tls.was_asked = false;
	assert_int_equal(client_tls_refused_by(&tls, &response, &err), RC_OK);
	buf_clear(&response.body);
}

static void an_identity_is_freed_with_its_http_or_when_there_is_none(void **state)
{
	AUTO(http) struct http *http = NULL;
	struct err err = { 0 };

	(void)state;
	show(key);
	assert_int_equal(http_open("/nowhere/roots.pem", &IDENTITY, &http, &err), RC_INPUT);
	assert_int_equal(shown.frees, 1);
	shown.key = other_key;
	assert_int_equal(http_open(NULL, &IDENTITY, &http, &err), RC_INPUT);
	assert_int_equal(shown.frees, 2);
	shown.key = key;
	assert_int_equal(http_open(NULL, &IDENTITY, &http, &err), RC_OK);
	assert_int_equal(shown.frees, 2);
	http_close(TAKE(http));
	assert_int_equal(shown.frees, 3);
}

static int start(void **state)
{
	ca = tls_ca_make();
	if (soft_token_start(state) != 0)
		return -1;
	key = soft_token_key(KEY_EC_P256);
	other_key = soft_token_key(KEY_RSA_2048);
	return 0;
}

static int stop(void **state)
{
	buf_clear(&shown.chain);
	token_key_free(key);
	token_key_free(other_key);
	tls_ca_free(&ca);
	return soft_token_stop(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_certificate_is_shown_to_who_asks),
		cmocka_unit_test(a_renewed_certificate_is_the_next_connections),
		cmocka_unit_test(without_one_the_refusal_says_what_to_configure),
		cmocka_unit_test(one_that_is_not_issued_yet_is_not_shown_and_the_refusal_says_so),
		cmocka_unit_test(one_that_the_server_does_not_take_is_named_with_its_end),
		cmocka_unit_test(one_that_is_not_for_clients_is_refused_for_that),
		cmocka_unit_test(a_certificate_of_another_key_is_told_before_anything_is_sent),
		cmocka_unit_test(a_token_that_is_away_is_the_failure),
		cmocka_unit_test(a_chain_is_certificates_and_nothing_else),
		cmocka_unit_test(a_key_that_tls_has_no_use_for_is_told),
		cmocka_unit_test(a_refusal_by_http_status_is_one_too),
		cmocka_unit_test(an_identity_is_freed_with_its_http_or_when_there_is_none),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
