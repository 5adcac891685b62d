/* certificate_test.c -- what a CA sends is judged: key, names, validity, and nothing but certificates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "certificate_fixture.h"

#define NF_PARTS (CONFIG_ASK_BIT(ASK_URI) | CONFIG_ASK_BIT(ASK_KEY_USAGE) | CONFIG_ASK_BIT(ASK_EXTENDED_KEY_USAGE))
static const struct csr_request FUNCTION = { .names = NAMES, .name_count = 2, .parts = NF_PARTS, .server = true, .client = true };
#define FUNCTION_NAMES "DNS:amf.example,URI:urn:uuid:4ace9d34-2c69-4f99-92d5-a73a3fe8e23b"

static void expect_refused(EVP_PKEY *key, const char *names, int64_t from, int64_t to, int64_t previous, const char *words)
{
	AUTO(certificate_chain) struct certificate_chain chain = { 0 };
	AUTO(buf) struct buf pem = BUF_MAX(65536);
	X509 *leaf = make(key, "leaf", names, from, to);
	struct err err = { 0 };

	print(leaf, &pem);
	X509_free(leaf);
	enum rc rc = judge(buf_span(&pem), previous, &chain, &err);
	/* What a clock that is mended would accept is not what a CA has to make again. */
	assert_int_equal(rc, strstr(err.text, "is the clock right?") ? RC_RETRY : RC_PROTOCOL);
	if (!strstr(err.text, words))
		fail_msg("no \"%s\" in: %s", words, err.text);
	/* Whoever asks again wants to know what was refused. */
	assert_int_equal(chain.facts.not_after, to);
	assert_int_equal(chain.facts.is_anothers, key != leaf_key);
	assert_int_equal(chain.fullchain.len, 0);
	assert_null(chain.fullchain.at);
}

/* As objects in a token are written. */
static void each_certificate_of_a_file_is_read_as_der(void **state)
{
	struct buf ders[CERTIFICATE_CHAIN_MAX], pem = BUF_MAX(65536), leaf = BUF_MAX(65536), key = BUF_MAX(65536);
	struct err err = { 0 };
	unsigned count = 7;

	(void)state;
	for (int i = 0; i < CERTIFICATE_CHAIN_MAX; i++)
		ders[i] = BUF_MAX(65536);
	assert_int_equal(certificate_chain_der(span_text(""), ders, &count, &err), RC_OK);
	assert_int_equal(count, 0);
	good(&pem);
	print(ca, &pem);
	assert_int_equal(certificate_chain_der(buf_span(&pem), ders, &count, &err), RC_OK);
	assert_int_equal(count, 2);
	assert_int_equal(certificate_leaf_der(buf_span(&pem), &leaf, &err), RC_OK);
	assert_true(span_equal(buf_span(&leaf), buf_span(&ders[0])));
	assert_false(span_equal(buf_span(&ders[0]), buf_span(&ders[1])));
	assert_int_equal(certificate_leaf_spki(buf_span(&pem), &key, &err), RC_OK);
	assert_true(span_equal(buf_span(&key), buf_span(&spki)));
	assert_int_equal(certificate_leaf_spki(span_text("no certificate"), &key, NULL), RC_INPUT);
	buf_clear(&key);
	pem.len -= 40;
	assert_int_equal(certificate_chain_der(buf_span(&pem), ders, &count, &err), RC_PROTOCOL);
	for (int i = 0; i < CERTIFICATE_CHAIN_MAX; i++)
		buf_clear(&ders[i]);
	buf_clear(&pem);
	buf_clear(&leaf);
}

static void a_good_chain_is_taken_apart(void **state)
{
	AUTO(certificate_chain) struct certificate_chain chain = { 0 };
	AUTO(buf) struct buf pem = BUF_MAX(65536);
	struct err err = { 0 };

	(void)state;
	good(&pem);
	print(ca, &pem);
	if (judge(buf_span(&pem), NOW + 90 * DAY, &chain, &err) != RC_OK)
		fail_msg("%s", err.text);
	assert_string_equal(chain.facts.serial, "1234");
	assert_int_equal(chain.facts.not_after, NOW + 90 * DAY);
	assert_int_equal(strlen(chain.facts.fingerprint), 64);
	assert_int_equal(chain.leaf.len + chain.chain.len, chain.fullchain.len);
}

static void key_names_and_times_must_be_right(void **state)
{
	(void)state;
	expect_refused(ca_key, "DNS:amf.example", NOW - DAY, NOW + DAY, 0, "another key");
	expect_refused(leaf_key, "DNS:smf.example", NOW - DAY, NOW + DAY, 0, "not ordered");
	expect_refused(leaf_key, "DNS:amf.example,DNS:smf.example", NOW - DAY, NOW + DAY, 0, "not ordered");
	expect_refused(leaf_key, "IP:127.0.0.1", NOW - DAY, NOW + DAY, 0, "not ordered: ip:127.0.0.1");
	expect_refused(leaf_key, "DNS:amf.example", NOW - 2 * DAY, NOW - DAY, 0, "expired");
	expect_refused(leaf_key, "DNS:amf.example", NOW + DAY, NOW + 2 * DAY, 0, "not valid before");
	expect_refused(leaf_key, "DNS:amf.example", NOW - DAY, NOW + DAY, NOW + 2 * DAY, "before the present one");
}

/* A name that is longer than any that can be configured was not ordered either. */
static void a_name_of_any_length_that_was_not_ordered_is_refused(void **state)
{
	char names[1200] = "DNS:amf.example,URI:spiffe://other.example/";

	(void)state;
	memset(names + strlen(names), 'x', 1000);
	expect_refused(leaf_key, names, NOW - DAY, NOW + DAY, 0, "not ordered: uri:spiffe://other.example/xxx");
}

/* A leaf below an intermediate below the root. */
static enum rc judge_below(int64_t intermediate_from, int64_t intermediate_to, int64_t leaf_from, struct err *err)
{
	AUTO(certificate_chain) struct certificate_chain chain = { 0 };
	AUTO(buf) struct buf pem = BUF_MAX(65536);
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *intermediate = make(key, "intermediate", NULL, intermediate_from, intermediate_to);
	X509 *leaf = make(leaf_key, "leaf", "DNS:amf.example", leaf_from, NOW + DAY);

	X509_set_issuer_name(leaf, X509_get_subject_name(intermediate));
	assert_true(X509_sign(leaf, key, EVP_sha256()) > 0);
	print(leaf, &pem);
	print(intermediate, &pem);
	X509_free(leaf);
	X509_free(intermediate);
	EVP_PKEY_free(key);
	return judge(buf_span(&pem), 0, &chain, err);
}

/* The CA's clock may be five minutes ahead: for the leaf, and for an intermediate that was made just now.  No end is put off by it. */
static void a_ca_a_little_ahead_of_our_clock_is_believed_along_the_chain(void **state)
{
	struct err err = { 0 };

	(void)state;
	if (judge_below(NOW - DAY, NOW + DAY, NOW + 300, &err) != RC_OK ||
	    judge_below(NOW + 300, NOW + DAY, NOW + 300, &err) != RC_OK)
		fail_msg("%s", err.text);
	assert_int_equal(judge_below(NOW - DAY, NOW + DAY, NOW + 301, &err), RC_RETRY);
	assert_int_equal(judge_below(NOW + 301, NOW + DAY, NOW + 300, &err), RC_ABSENT);
	assert_non_null(strstr(err.text, "not yet valid"));
	assert_int_equal(judge_below(NOW - DAY, NOW - 1, NOW - DAY, &err), RC_ABSENT);
	assert_non_null(strstr(err.text, "expired"));
	/* The file of roots is the right one: the intermediate is what has to be looked at. */
	assert_non_null(strstr(err.text, "certificate 2 on the way to the roots of "));
	assert_null(strstr(err.text, "does not end"));
}

/* What a leaf has beside its names: "nid" and its value in the words of OpenSSL's configuration. */
struct addition {
	int nid;
	const char *value;
};
#define USAGE                                              \
	{                                                  \
		NID_key_usage, "critical,digitalSignature" \
	}
#define USAGES                                             \
	{                                                  \
		NID_ext_key_usage, "serverAuth,clientAuth" \
	}

static enum rc judge_function(const char *names, const struct addition *additions, unsigned accept_without,
			      const struct csr_request *asked, struct certificate_chain *chain, struct err *err)
{
	AUTO(buf) struct buf pem = BUF_MAX(65536);
	X509 *leaf = make(leaf_key, "leaf", names, NOW - DAY, NOW + 90 * DAY);

	for (; additions && additions->nid; additions++)
		add_extension(leaf, additions->nid, additions->value);
	assert_true(X509_sign(leaf, ca_key, EVP_sha256()) > 0);
	print(leaf, &pem);
	X509_free(leaf);
	struct certificate_rules rules = {
		.spki = buf_span(&spki), .asked = asked, .accept_without = accept_without, .roots = roots, .now = NOW
	};
	return certificate_accept(buf_span(&pem), &rules, chain, err);
}

/* TS 33.310, 6.1.3c: what looks like the certificate that was asked for, and is not. */
static void a_look_alike_of_a_network_function_is_refused(void **state)
{
	static const struct {
		const char *names;
		struct addition additions[4];
		const char *words;
	} cases[] = {
		{ "DNS:amf.example", { USAGE, USAGES }, "it lacks uri:urn:uuid:4ace9d34" },
		{ "DNS:amf.example,URI:urn:uuid:4ace9d34-2c69-4f99-92d5-a73a3fe8e23c",
		  { USAGE, USAGES },
		  "not ordered: uri:urn" },
		{ "DNS:amf.example,URI:urn:uuid:4ACE9D34-2C69-4F99-92D5-A73A3FE8E23B", { USAGE, USAGES }, "not ordered" },
		{ FUNCTION_NAMES ",URI:urn:uuid:00000000-0000-4000-8000-000000000000", { USAGE, USAGES }, "not ordered" },
		{ FUNCTION_NAMES ",DNS:smf.example", { USAGE, USAGES }, "not ordered: dns:smf.example" },
		{ FUNCTION_NAMES ",DNS:*.example", { USAGE, USAGES }, "not ordered" },
		{ "URI:urn:uuid:4ace9d34-2c69-4f99-92d5-a73a3fe8e23b", { USAGE, USAGES }, "it lacks the name dns:amf.example" },
		{ FUNCTION_NAMES, { USAGE, { NID_ext_key_usage, "serverAuth" } }, "clientAuth" },
		{ FUNCTION_NAMES, { USAGE, { NID_ext_key_usage, "emailProtection" } }, "serverAuth and clientAuth" },
		{ FUNCTION_NAMES, { USAGE }, "extended key usage" },
		{ FUNCTION_NAMES, { USAGES }, "digitalSignature" },
		{ FUNCTION_NAMES, { { NID_key_usage, "critical,keyEncipherment" }, USAGES }, "digitalSignature" },
		{ FUNCTION_NAMES, { USAGE, USAGES, { NID_basic_constraints, "critical,CA:TRUE" } }, "certificate of a CA" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		AUTO(certificate_chain) struct certificate_chain chain = { 0 };
		struct err err = { 0 };

		assert_int_equal(judge_function(cases[i].names, cases[i].additions, 0, &FUNCTION, &chain, &err), RC_PROTOCOL);
		if (!strstr(err.text, cases[i].words))
			fail_msg("case %zu: no \"%s\" in: %s", i, cases[i].words, err.text);
	}
}

static void a_part_that_may_be_missing_is_noted(void **state)
{
	static const struct addition whole[] = { USAGE, USAGES, { 0 } }, half[] = { USAGE, { 0 } };
	AUTO(certificate_chain) struct certificate_chain first = { 0 };
	AUTO(certificate_chain) struct certificate_chain second = { 0 };
	AUTO(certificate_chain) struct certificate_chain third = { 0 };
	struct csr_request less = FUNCTION;
	struct err err = { 0 };

	(void)state;
	if (judge_function(FUNCTION_NAMES, whole, 0, &FUNCTION, &first, &err) != RC_OK)
		fail_msg("%s", err.text);
	assert_int_equal(first.facts.missing, 0);
	assert_string_equal(first.facts.names, "dns:amf.example uri:urn:uuid:4ace9d34-2c69-4f99-92d5-a73a3fe8e23b");
	unsigned accepted = CONFIG_ASK_BIT(ASK_URI) | CONFIG_ASK_BIT(ASK_EXTENDED_KEY_USAGE);
	assert_int_equal(judge_function("DNS:amf.example", half, accepted, &FUNCTION, &second, &err), RC_OK);
	assert_int_equal(second.facts.missing, accepted);
	/* Not asked for, because the authority takes its URIs from elsewhere: it may come, or not. */
	less.parts = 0;
	assert_int_equal(judge_function(FUNCTION_NAMES, NULL, 0, &less, &third, &err), RC_OK);
	assert_int_equal(third.facts.missing, 0);
}

/* An instance is an identifier in the order and a URI in the certificate: it must be there, unless URIs may be missing. */
static void an_instance_is_looked_for_as_a_uri(void **state)
{
	static char instance[] = "nf-instance:4ace9d34-2c69-4f99-92d5-a73a3fe8e23b", *names[] = { NAME, instance };
	static const struct csr_request asked = { .names = names, .name_count = 2 };
	AUTO(certificate_chain) struct certificate_chain first = { 0 };
	AUTO(certificate_chain) struct certificate_chain second = { 0 };
	struct err err = { 0 };

	(void)state;
	assert_int_equal(judge_function(FUNCTION_NAMES, NULL, 0, &asked, &first, NULL), RC_OK);
	assert_int_equal(judge_function("DNS:amf.example", NULL, 0, &asked, &second, &err), RC_PROTOCOL);
	assert_non_null(strstr(err.text, "nf-instance:4ace9d34"));
	assert_int_equal(judge_function("DNS:amf.example", NULL, CONFIG_ASK_BIT(ASK_URI), &asked, &second, NULL), RC_OK);
}

/* RFC 9773, 4.1: by these two its CA is asked about it; one that does not name its issuer's key is accepted as well. */
static void what_names_it_to_its_ca_is_told(void **state)
{
	static const struct addition keys[] = { { NID_subject_key_identifier, "hash" },
						{ NID_authority_key_identifier, "keyid:always" },
						{ 0 } };
	static const uint8_t serial[] = { 0x12, 0x34 };
	AUTO(certificate_chain) struct certificate_chain with = { 0 };
	AUTO(certificate_chain) struct certificate_chain without = { 0 };

	(void)state;
	assert_int_equal(judge_function("DNS:amf.example", keys, 0, &PLAIN, &with, NULL), RC_OK);
	assert_int_equal(with.authority_key.len, 20);
	assert_true(span_equal(buf_span(&with.serial), SPAN(serial)));
	assert_int_equal(judge_function("DNS:amf.example", NULL, 0, &PLAIN, &without, NULL), RC_OK);
	assert_int_equal(without.authority_key.len, 0);
	assert_int_equal(without.serial.len, 0);
}

static void a_leaf_that_is_a_ca_is_refused_from_every_authority(void **state)
{
	static const struct addition authority[] = { { NID_basic_constraints, "critical,CA:TRUE" }, { 0 } };
	AUTO(certificate_chain) struct certificate_chain chain = { 0 };

	(void)state;
	assert_int_equal(judge_function("DNS:amf.example", authority, 0, &PLAIN, &chain, NULL), RC_PROTOCOL);
}

/* RFC 5280, 4.1.2.5 */
static void a_certificate_that_never_expires_is_taken(void **state)
{
	AUTO(certificate_chain) struct certificate_chain chain = { 0 };
	AUTO(buf) struct buf pem = BUF_MAX(65536);
	const int64_t never = INT64_C(253402300799);
	X509 *leaf = make(leaf_key, "leaf", "DNS:amf.example", NOW - DAY, never);
	struct err err = { 0 };

	(void)state;
	print(leaf, &pem);
	X509_free(leaf);
	struct certificate_rules rules = { .spki = buf_span(&spki), .asked = &PLAIN, .roots = roots, .now = NOW };
	assert_int_equal(certificate_accept(buf_span(&pem), &rules, &chain, &err), RC_OK);
	assert_int_equal(chain.facts.not_after, never);
}

/* A clock that is a little behind the CA's is no reason to refuse; one that is far behind is, and so is the second of expiry. */
static void the_edges_of_validity_are_where_they_are_said_to_be(void **state)
{
	AUTO(certificate_chain) struct certificate_chain chain = { 0 };
	AUTO(buf) struct buf pem = BUF_MAX(65536);
	X509 *leaf = make(leaf_key, "leaf", "DNS:amf.example", NOW + 300, NOW + DAY);
	struct err err = { 0 };

	(void)state;
	print(leaf, &pem);
	X509_free(leaf);
	struct certificate_rules rules = { .spki = buf_span(&spki), .asked = &PLAIN, .now = NOW };
	assert_int_equal(certificate_accept(buf_span(&pem), &rules, &chain, &err), RC_OK);
	expect_refused(leaf_key, "DNS:amf.example", NOW + 301, NOW + DAY, 0, "not valid before");
	expect_refused(leaf_key, "DNS:amf.example", NOW - DAY, NOW, 0, "expired");
	expect_refused(leaf_key, "DNS:amf.example", NOW - DAY, NOW - 2 * DAY, 0, "not a span");
}

/* RFC 5280, 4.2.1.12 */
static void a_certificate_without_the_extension_is_for_clients_too(void **state)
{
	static const struct {
		const char *usage;
		bool is_for_clients;
	} cases[] = {
		{ NULL, true }, { "serverAuth", false }, { "serverAuth,clientAuth", true }, { "anyExtendedKeyUsage", true }
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		AUTO(buf) struct buf pem = BUF_MAX(65536);
		X509 *leaf = make(leaf_key, "leaf", "DNS:amf.example", NOW - DAY, NOW + DAY);

		if (cases[i].usage)
			add_extension(leaf, NID_ext_key_usage, cases[i].usage);
		print(leaf, &pem);
		X509_free(leaf);
		assert_int_equal(certificate_is_for_clients(buf_span(&pem)), cases[i].is_for_clients);
	}
	assert_true(certificate_is_for_clients(span_text("nothing")));
}

/* RFC 8555, 9.1 and 11.4 */
static void nothing_but_certificates_may_stand_there(void **state)
{
	static const char *const extras[] = { "-----BEGIN PRIVATE"
					      " KEY-----\nAAAA\n-----END PRIVATE"
					      " KEY-----\n",
					      "text\n", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
					      "-----BEGIN CERTIFICATE-----\nAAAA\n", "\x01" };

	(void)state;
	for (size_t i = 0; i < sizeof(extras) / sizeof(extras[0]); i++) {
		AUTO(certificate_chain) struct certificate_chain chain = { 0 };
		AUTO(buf) struct buf after = BUF_MAX(65536);
		AUTO(buf) struct buf before = BUF_MAX(65536);

		good(&after);
		assert_int_equal(buf_append(&after, span_text(extras[i]), NULL), RC_OK);
		assert_int_equal(judge(buf_span(&after), 0, &chain, NULL), RC_PROTOCOL);
		assert_int_equal(buf_append(&before, span_text(extras[i]), NULL), RC_OK);
		good(&before);
		assert_int_equal(judge(buf_span(&before), 0, &chain, NULL), RC_PROTOCOL);
	}
	AUTO(certificate_chain) struct certificate_chain chain = { 0 };
	assert_int_equal(judge(span_of(NULL, 0), 0, &chain, NULL), RC_PROTOCOL);
}

/* RFC 7468, 2: it has no headers.  OpenSSL asks for a passphrase, at the terminal or on standard input, when a PEM header says that there is one. */
static void a_block_that_says_it_is_encrypted_asks_nobody(void **state)
{
	static const char block[] = "-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\n"
				    "DEK-Info: AES-256-CBC,00112233445566778899AABBCCDDEEFF\n\n"
				    "AAAAAAAAAAAAAAAAAAAAAA==\n-----END CERTIFICATE-----\n";
	int typed[2], status = 0, left = 0;

	(void)state;
	assert_int_equal(pipe(typed), 0);
	assert_int_equal(write(typed[1], "typed\n", 6), 6);
	close(typed[1]);
	pid_t pid = fork();
	if (pid == 0) {
		struct certificate_chain chain = { 0 };
		AUTO(buf) struct buf der = BUF_MAX(65536);

		setsid(); /* without a terminal */
		dup2(typed[0], STDIN_FILENO);
		bool is_refused = judge(span_text(block), 0, &chain, NULL) == RC_PROTOCOL &&
				  certificate_leaf_der(span_text(block), &der, NULL) == RC_INPUT;
		_exit(is_refused ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(ioctl(typed[0], FIONREAD, &left), 0);
	assert_int_equal(left, 6);
	close(typed[0]);
}

static void a_chain_without_end_is_refused(void **state)
{
	AUTO(certificate_chain) struct certificate_chain chain = { 0 };
	AUTO(buf) struct buf pem = BUF_MAX(65536);

	(void)state;
	good(&pem);
	for (int i = 0; i < CERTIFICATE_CHAIN_MAX; i++)
		print(ca, &pem);
	assert_int_equal(judge(buf_span(&pem), 0, &chain, NULL), RC_PROTOCOL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_chain_is_taken_apart),
		cmocka_unit_test(each_certificate_of_a_file_is_read_as_der),
		cmocka_unit_test(a_name_of_any_length_that_was_not_ordered_is_refused),
		cmocka_unit_test(key_names_and_times_must_be_right),
		cmocka_unit_test(a_ca_a_little_ahead_of_our_clock_is_believed_along_the_chain),
		cmocka_unit_test(a_look_alike_of_a_network_function_is_refused),
		cmocka_unit_test(a_part_that_may_be_missing_is_noted),
		cmocka_unit_test(an_instance_is_looked_for_as_a_uri),
		cmocka_unit_test(what_names_it_to_its_ca_is_told),
		cmocka_unit_test(a_leaf_that_is_a_ca_is_refused_from_every_authority),
		cmocka_unit_test(a_certificate_that_never_expires_is_taken),
		cmocka_unit_test(the_edges_of_validity_are_where_they_are_said_to_be),
		cmocka_unit_test(a_certificate_without_the_extension_is_for_clients_too),
		cmocka_unit_test(nothing_but_certificates_may_stand_there),
		cmocka_unit_test(a_block_that_says_it_is_encrypted_asks_nobody),
		cmocka_unit_test(a_chain_without_end_is_refused),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
