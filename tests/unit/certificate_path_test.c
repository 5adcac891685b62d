/* certificate_path_test.c -- a chain links up and ends in the roots, and what else a CA sends with it does not keep it from that. */
#include "certificate_fixture.h"

#include <string.h>

static void a_chain_must_link_up_and_end_in_the_roots(void **state)
{
	AUTO(certificate_chain) struct certificate_chain chain = { 0 };
	AUTO(buf) struct buf pem = BUF_MAX(65536);
	AUTO(buf) struct buf other = BUF_MAX(65536);
	X509 *own = ca;
	EVP_PKEY *own_key = ca_key;
	struct err err = { 0 };

	(void)state;
	good(&pem);
	good(&pem);
	assert_int_equal(judge(buf_span(&pem), 0, &chain, NULL), RC_PROTOCOL);
	/* The same names, from a CA of the same name that is not ours. */
	ca_key = EVP_EC_gen("P-256");
	ca = NULL;
	ca = make(ca_key, "root", NULL, NOW - DAY, NOW + DAY);
	good(&other);
	/* RFC 8555, 7.4.2: another chain of the same certificate may end there. */
	assert_int_equal(judge(buf_span(&other), 0, &chain, NULL), RC_ABSENT);
	X509_free(ca);
	ca = NULL;
	ca = make(ca_key, "another root", NULL, NOW - DAY, NOW + DAY);
	buf_clear(&other);
	good(&other);
	assert_int_equal(judge(buf_span(&other), 0, &chain, &err), RC_ABSENT);
	assert_non_null(strstr(err.text, "the chain does not end in the roots of "));
	X509_free(ca);
	EVP_PKEY_free(ca_key);
	ca = own;
	ca_key = own_key;
}

/* Two ways up from one intermediate, and a CA that has nothing to do with it. */
enum link { END, LEAF, BARE, OURS, CROSS, ROOT, STRAY, LINK_COUNT };
static X509 *links[LINK_COUNT];

static X509 *issue(EVP_PKEY *key, const char *name, const char *names, X509 *issuer, EVP_PKEY *issuer_key)
{
	X509 *certificate = make(key, name, names, NOW - DAY, NOW + DAY);

	X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
	assert_true(X509_sign(certificate, issuer_key, EVP_sha256()) > 0);
	return certificate;
}

static int links_make(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-256"), *other_key = EVP_EC_gen("P-256");
	X509 *other = make(other_key, "other root", NULL, NOW - DAY, NOW + DAY);

	(void)state;
	links[OURS] = issue(key, "intermediate", NULL, ca, ca_key);
	links[CROSS] = issue(key, "intermediate", NULL, other, other_key);
	links[STRAY] = issue(other_key, "next root", NULL, other, other_key);
	links[LEAF] = issue(leaf_key, "leaf", "DNS:amf.example", links[OURS], key);
	links[BARE] = issue(leaf_key, "leaf", "DNS:amf.example", ca, ca_key);
	links[ROOT] = ca;
	X509_up_ref(ca);
	X509_free(other);
	EVP_PKEY_free(other_key);
	EVP_PKEY_free(key);
	return 0;
}

static int links_free(void **state)
{
	(void)state;
	for (int i = 0; i < LINK_COUNT; i++)
		X509_free(links[i]);
	return 0;
}

static void print_links(const enum link *sent, struct buf *pem)
{
	for (; *sent != END; sent++)
		print(links[*sent], pem);
}

/* RFC 8555, 9.1: each SHOULD certify the one before it; RFC 8446, 4.4.2: who is served takes others. */
static void a_certificate_more_is_no_reason_to_refuse_a_chain_that_is_whole(void **state)
{
	static const struct {
		bool has_roots;
		enum link sent[5], kept[5]; /* nothing kept: refused ... */
		enum rc rc;                 /* ... so */
	} cases[] = {
		{ true, { LEAF, OURS, CROSS }, { LEAF, OURS, CROSS }, RC_OK },
		{ true, { LEAF, CROSS, OURS }, { LEAF, OURS, CROSS }, RC_OK },
		{ true, { LEAF, CROSS, ROOT, OURS }, { LEAF, OURS, ROOT, CROSS }, RC_OK },
		{ true, { LEAF, OURS, STRAY, ROOT }, { LEAF, OURS, ROOT, STRAY }, RC_OK },
		{ true, { LEAF, STRAY, OURS }, { LEAF, OURS, STRAY }, RC_OK },
		{ true, { LEAF, ROOT, OURS }, { LEAF, OURS, ROOT }, RC_OK },
		/* Another chain of the same certificate may end in the roots. */
		{ true, { LEAF, CROSS, STRAY }, { END }, RC_ABSENT },
		{ true, { LEAF, STRAY }, { END }, RC_ABSENT },
		{ true, { LEAF, OURS, LEAF }, { END }, RC_PROTOCOL },
		{ true, { BARE, ROOT, STRAY }, { BARE, ROOT, STRAY }, RC_OK },
		{ true, { BARE, STRAY }, { END }, RC_PROTOCOL }, /* it is another's chain */
		/* Nobody says where it has to end. */
		{ false, { LEAF, OURS, CROSS }, { LEAF, OURS, CROSS }, RC_OK },
		{ false, { LEAF, ROOT, OURS, CROSS }, { LEAF, OURS, ROOT, CROSS }, RC_OK },
		{ false, { LEAF, OURS, STRAY }, { END }, RC_PROTOCOL },
		{ false, { LEAF, STRAY }, { END }, RC_PROTOCOL },
		{ false, { LEAF, ROOT }, { END }, RC_PROTOCOL },
		{ false, { LEAF, OURS, LEAF }, { END }, RC_PROTOCOL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		AUTO(certificate_chain) struct certificate_chain chain = { 0 };
		AUTO(buf) struct buf sent = BUF_MAX(65536);
		AUTO(buf) struct buf kept = BUF_MAX(65536);
		struct certificate_rules rules = {
			.spki = buf_span(&spki), .asked = &PLAIN, .roots = cases[i].has_roots ? roots : NULL, .now = NOW
		};
		struct err err = { 0 };

		print_links(cases[i].sent, &sent);
		print_links(cases[i].kept, &kept);
		enum rc rc = certificate_accept(buf_span(&sent), &rules, &chain, &err);
		assert_true(rc != RC_OK || !err.text[0]);
		if (rc != cases[i].rc || !span_equal(buf_span(&chain.fullchain), buf_span(&kept)))
			fail_msg("case %zu: %d, %s:\n%.*s", i, (int)rc, err.text, (int)chain.fullchain.len,
				 (const char *)chain.fullchain.at);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chain_must_link_up_and_end_in_the_roots),
		cmocka_unit_test_setup_teardown(a_certificate_more_is_no_reason_to_refuse_a_chain_that_is_whole, links_make,
						links_free),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
