/* csr_test.c -- a CSR signed in a real token verifies and asks for the names alone. */
#define SOFTHSM_LEAKS
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/x509v3.h>
#include <string.h>

#include "csr.h"
#include "jws.h"
#include "message.h"
#include "soft_token.h"

static char FIRST[] = "dns:amf.example", SECOND[] = "dns:amf-2.example";
static char *NAMES[] = { FIRST, SECOND };
static const struct csr_request PLAIN = { .names = NAMES, .name_count = 2 };

static void every_kind_of_key_signs_a_request_that_openssl_verifies(void **state)
{
	static const int signatures[KEY_TYPE_COUNT] = {
		[KEY_EC_P256] = NID_ecdsa_with_SHA256,
		[KEY_EC_P384] = NID_ecdsa_with_SHA384,
		[KEY_EC_P521] = NID_ecdsa_with_SHA512,
		[KEY_RSA_2048] = NID_sha256WithRSAEncryption,
		[KEY_RSA_3072] = NID_sha256WithRSAEncryption,
		[KEY_RSA_4096] = NID_sha256WithRSAEncryption,
		[KEY_ED25519] = NID_ED25519,
	};

	(void)state;
	for (int type = 0; type < KEY_TYPE_COUNT; type++) {
		struct token_key *key = soft_token_key((enum key_type)type);
		AUTO(buf) struct buf der = BUF_MAX(CSR_MAX);

		assert_int_equal(csr_make(key, &PLAIN, &der, NULL), RC_OK);
		const unsigned char *at = der.at;
		X509_REQ *request = d2i_X509_REQ(NULL, &at, (long)der.len);
		assert_non_null(request);
		assert_ptr_equal(at, der.at + der.len);
		assert_int_equal(X509_REQ_verify(request, X509_REQ_get0_pubkey(request)), 1);
		const X509_ALGOR *algorithm;
		int parameters;
		X509_REQ_get0_signature(request, NULL, &algorithm);
		X509_ALGOR_get0(NULL, &parameters, NULL, algorithm);
		assert_int_equal(X509_REQ_get_signature_nid(request), signatures[type]);
		/* NULL for RSA (RFC 4055, 5); for the others none at all (RFC 5758, 3.2; RFC 8410, 3). */
		assert_int_equal(parameters, key_type_family((enum key_type)type) == FAMILY_RSA ? V_ASN1_NULL : V_ASN1_UNDEF);
		assert_int_equal(X509_NAME_entry_count(X509_REQ_get_subject_name(request)), 0);
		X509_REQ_free(request);
		token_key_free(key);
	}
}

static void all_names_stand_in_subject_alt_name(void **state)
{
	struct token_key *key = soft_token_key(KEY_EC_P256);
	AUTO(buf) struct buf der = BUF_MAX(CSR_MAX);

	(void)state;
	assert_int_equal(csr_make(key, &PLAIN, &der, NULL), RC_OK);
	const unsigned char *at = der.at;
	X509_REQ *request = d2i_X509_REQ(NULL, &at, (long)der.len);
	STACK_OF(X509_EXTENSION) *extensions = X509_REQ_get_extensions(request);
	GENERAL_NAMES *names = X509V3_get_d2i(extensions, NID_subject_alt_name, NULL, NULL);
	assert_int_equal(sk_GENERAL_NAME_num(names), 2);
	const ASN1_STRING *second = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, 1), NULL);
	assert_int_equal(ASN1_STRING_length(second), 13);
	assert_memory_equal(ASN1_STRING_get0_data(second), "amf-2.example", 13);
	GENERAL_NAMES_free(names);
	sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
	X509_REQ_free(request);
	token_key_free(key);
}

/* TS 33.310, 6.1.3c: all of it; and a URI is left out where the authority is not asked for it. */
static void a_network_function_asks_for_its_profile(void **state)
{
	static char name[] = "dns:amf.example", uri[] = "uri:urn:uuid:4ace9d34-2c69-4f99-92d5-a73a3fe8e23b", type[] = "AMF";
	static char *names[] = { name, uri }, *types[] = { type };
	struct csr_request asked = { .names = names,
				     .name_count = 2,
				     .parts = CONFIG_ASK_ALL,
				     .is_nf = true,
				     .country = "DE",
				     .organization = "5gc.mnc001.mcc001.3gppnetwork.org",
				     .server = true,
				     .client = true,
				     .nf_types = types,
				     .nf_type_count = 1 };
	struct token_key *key = soft_token_key(KEY_EC_P256);

	(void)state;
	for (int with_uri = 1; with_uri >= 0; with_uri--) {
		AUTO(buf) struct buf der = BUF_MAX(CSR_MAX);

		if (!with_uri)
			asked.parts &= ~CONFIG_ASK_BIT(ASK_URI);
		assert_int_equal(csr_make(key, &asked, &der, NULL), RC_OK);
		const unsigned char *at = der.at;
		X509_REQ *request = d2i_X509_REQ(NULL, &at, (long)der.len);
		STACK_OF(X509_EXTENSION) *extensions = X509_REQ_get_extensions(request);
		int critical = 0;
		GENERAL_NAMES *found = X509V3_get_d2i(extensions, NID_subject_alt_name, &critical, NULL);

		assert_int_equal(X509_NAME_entry_count(X509_REQ_get_subject_name(request)), 2);
		assert_int_equal(sk_X509_EXTENSION_num(extensions), 4);
		assert_int_equal(critical, 1);
		assert_int_equal(sk_GENERAL_NAME_num(found), 1 + with_uri);
		if (with_uri) {
			int kind;
			const ASN1_STRING *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(found, 1), &kind);

			assert_int_equal(kind, GEN_URI);
			assert_memory_equal(ASN1_STRING_get0_data(value), uri + 4, strlen(uri + 4));
		}
		GENERAL_NAMES_free(found);
		sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
		X509_REQ_free(request);
	}
	token_key_free(key);
}

static void a_name_of_no_known_kind_is_refused(void **state)
{
	static char kind[] = "mail:a@example", empty[] = "dns:";
	static char *const bad[] = { kind, empty };
	struct token_key *key = soft_token_key(KEY_EC_P256);

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		AUTO(buf) struct buf der = BUF_MAX(CSR_MAX);
		struct csr_request asked = { .names = &bad[i], .name_count = 1 };

		assert_int_equal(csr_make(key, &asked, &der, NULL), RC_INPUT);
	}
	token_key_free(key);
}

#define NAMES_MOST 100 /* as many as the configuration takes; 253 characters are the longest that the DNS takes */

static void names_fill(char names[NAMES_MOST][4 + 253 + 1], char *ret_list[NAMES_MOST])
{
	for (int i = 0; i < NAMES_MOST; i++) {
		int len = snprintf(names[i], sizeof(names[i]), "dns:nf-%02d", i);

		for (; len < 4 + 253; len++)
			names[i][len] = len % 60 == 0 ? '.' : 'a';
		names[i][len] = '\0';
		ret_list[i] = names[i];
	}
}

/* Of the CSR, of the payload it is in, and of the JWS around it, with everything else at its longest too. */
static void the_most_and_longest_names_are_within_each_limit_on_the_way(void **state)
{
	static const enum key_type types[] = { KEY_RSA_4096,
					       KEY_ED25519 }; /* the largest key; one that signs all of it, unhashed */
	static char text[NAMES_MOST][4 + 253 + 1], url[HTTP_URL_MAX] = "https://", nonce[HTTP_NONCE_MAX], type[] = "AMF";
	char *names[NAMES_MOST], *nf_types[] = { type, type, type, type };
	struct csr_request asked = { .names = names,
				     .name_count = NAMES_MOST,
				     .parts = CONFIG_ASK_ALL,
				     .is_nf = true,
				     .country = "DE",
				     .organization = "5gc.mnc001.mcc001.3gppnetwork.org",
				     .server = true,
				     .client = true,
				     .nf_types = nf_types,
				     .nf_type_count = 4 };

	(void)state;
	names_fill(text, names);
	memset(url + strlen(url), 'a', sizeof(url) - 1 - strlen(url));
	memset(nonce, 'a', sizeof(nonce) - 1);
	for (size_t i = 0; i < 2; i++) {
		struct token_key *key = soft_token_key(types[i]);
		AUTO(buf) struct buf der = BUF_MAX(CSR_MAX);
		AUTO(buf) struct buf payload = BUF_MAX(MESSAGE_PAYLOAD_MAX);
		AUTO(buf) struct buf jws = BUF_MAX(JWS_MAX);
		const struct jws_header header = { .kid = url, .nonce = nonce, .url = url };
		struct err err = { 0 };

		if (csr_make(key, &asked, &der, &err) != RC_OK)
			fail_msg("CSR: %s", err.text);
		/* What else a profile may ask for has room. */
		static const uint8_t rest[CSR_MAX];
		assert_int_equal(buf_append(&der, span_of(rest, CSR_MAX - der.len), NULL), RC_OK);
		if (message_finalize_print(buf_span(&der), &payload, &err) != RC_OK)
			fail_msg("payload: %s", err.text);
		if (jws_sign(key, &header, buf_span(&payload), &jws, &err) != RC_OK)
			fail_msg("JWS: %s", err.text);
		buf_clear(&payload);
		assert_int_equal(message_new_order_print(names, NAMES_MOST, NULL, NULL, &payload, NULL), RC_OK);
		token_key_free(key);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_of_key_signs_a_request_that_openssl_verifies),
		cmocka_unit_test(all_names_stand_in_subject_alt_name),
		cmocka_unit_test(a_network_function_asks_for_its_profile),
		cmocka_unit_test(a_name_of_no_known_kind_is_refused),
		cmocka_unit_test(the_most_and_longest_names_are_within_each_limit_on_the_way),
	};

	return cmocka_run_group_tests(tests, soft_token_start, soft_token_stop);
}
