/* acme_fuzz_test.c -- what an ACME server may send: each reader takes it or refuses it with a reason, and what it took is text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "authority_token.h"
#include "certificate.h"
#include "codec.h"
#include "fuzz_seed.h"
#include "link.h"
#include "message.h"
#include "message_account.h"
#include "renewal_info.h"
#include "response_header.h"

#define ROUNDS_DEFAULT 60000u
#define INPUT_MAX      4096u

#define CHALLENGE                                                                            \
	"{\"type\":\"dns-persist-01\",\"url\":\"https://ca.example/chal/1\",\"token\":"      \
	"\"DGyRejmCefe7v4NfDGDKfA\",\"status\":\"processing\",\"issuer-domain-names\":"      \
	"[\"ca.example\",\"a.example\"],\"tkauth-type\":\"atc\",\"token-authority\":"        \
	"\"https://oam.example/at\",\"error\":{\"type\":\"urn:ietf:params:acme:error:dns\"," \
	"\"detail\":\"no such \\u00e4name\"}}"

/* Good ones, to be damaged. */
static const char *const SAMPLES[] = {
	"{\"newNonce\":\"https://ca.example/nonce\",\"newAccount\":\"https://ca.example/acct\",\"newOrder\":"
	"\"https://ca.example/order\",\"keyChange\":\"https://ca.example/key\",\"meta\":{\"profiles\":{\"nf-tls\":\"a\","
	"\"short\":\"b\"},\"termsOfService\":\"https://ca.example/terms\",\"externalAccountRequired\":true}}",
	"{\"status\":\"pending\",\"expires\":\"2026-11-28T12:00:00.5+01:00\",\"identifiers\":[{\"type\":\"dns\",\"value\":"
	"\"a.example\"},{\"type\":\"ip\",\"value\":\"192.0.2.1\"}],\"authorizations\":[\"https://ca.example/a/1\","
	"\"https://ca.example/a/2\"],\"finalize\":\"https://ca.example/f\",\"certificate\":\"https://ca.example/c\","
	"\"profile\":\"nf-tls\",\"error\":{\"type\":\"urn:ietf:params:acme:error:badCSR\",\"detail\":\"no\",\"subproblems\":"
	"[{\"type\":\"x\",\"detail\":\"y\",\"identifier\":{\"type\":\"dns\",\"value\":\"a.example\"}}]}}",
	"{\"status\":\"valid\",\"expires\":\"2026-11-28T12:00:00Z\",\"wildcard\":true,\"identifier\":{\"type\":\"dns\","
	"\"value\":\"a.example\"},\"challenges\":[" CHALLENGE "," CHALLENGE "]}",
	"{\"status\":\"valid\",\"contact\":[\"mailto:a@example.org\",\"mailto:b@example.org\"],\"termsOfServiceAgreed\":true}",
	"{\"type\":\"urn:ietf:params:acme:error:badSignatureAlgorithm\",\"detail\":\"no\",\"algorithms\":[\"ES256\",\"RS256\"],"
	"\"instance\":\"https://ca.example/terms\"}",
	"{\"suggestedWindow\":{\"start\":\"2026-11-28T12:00:00Z\",\"end\":\"2026-11-29T12:00:00Z\"},\"explanationURL\":"
	"\"https://ca.example/why\"}",
	"{\"status\":\"success\",\"token\":\"eyJhbGciOiJFUzI1NiJ9.eyJleHAiOjE3NjQzMzEyMDAsImp0aSI6IjEiLCJhdGMiOnsidGt0eXBl"
	"IjoiTmZJbnN0YW5jZUlkIiwidGt2YWx1ZSI6IjRhY2UiLCJmaW5nZXJwcmludCI6IlNIQTI1NiAwMCJ9fQ.AAAA\"}",
	"<https://ca.example/dir>;rel=\"index\", <https://ca.example/alt>; rel=\"alternate up\" ; title=\"a\\\"b\"",
	"Replay-Nonce: oFvnlFP1wIhRlYS2jTaXbA\r\n",
	"Content-Type: application/problem+json; charset=utf-8\r\n",
	"-----BEGIN CERTIFICATE-----\nMIIBCjCBsqADAgECAgEBMAoGCCqGSM49BAMCMAAwHhcNMjYxMTI4MTIwMDAwWhcN\n-----END "
	"CERTIFICATE-----\n",
};
#define SAMPLE_COUNT (sizeof(SAMPLES) / sizeof(SAMPLES[0]))

/* Pieces that readers stumble over. */
static const char *const PIECES[] = {
	"\"",
	"\\",
	"{",
	"}",
	"[",
	"]",
	",",
	":",
	"null",
	"true",
	"-1",
	"1e999",
	"\\u0000",
	"\\ud800",
	"\\u001b[2J",
	"\xff",
	"\xc2\x9b",
	"https://",
	"https://a\\nb",
	"urn:ietf:params:acme:error:",
	"9999-12-31T23:59:60Z",
	"0000-00-00T00:00:00Z",
	"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
	"\"status\":",
	"\"a\":{},\"a\":{}",
	"*.",
	"....",
	"<>;;,rel=\"",
	"-----BEGIN CERTIFICATE-----\n",
	"-----END PRIVATE KEY-----\n",
};
#define PIECE_COUNT (sizeof(PIECES) / sizeof(PIECES[0]))

static char FIRST[] = "dns:a.example", SECOND[] = "ip:192.0.2.1";
static char *const NAMES[] = { FIRST, SECOND };

static size_t len;
static char input[INPUT_MAX + 1];

static void put_in(size_t at, const char *bytes, size_t count)
{
	if (count > INPUT_MAX - len)
		return;
	memmove(input + at + count, input + at, len - at);
	memcpy(input + at, bytes, count);
	len += count;
}

static void take_out(size_t at, size_t count)
{
	memmove(input + at, input + at + count, len - at - count);
	len -= count;
}

static void damage(void)
{
	size_t at = fuzz_below((unsigned)len + 1), left = len - at;
	const char *piece = PIECES[fuzz_below(PIECE_COUNT)];
	char copied[256], long_piece[96];
	size_t from = fuzz_below((unsigned)len + 1);
	size_t count = len - from < sizeof(copied) ? len - from : sizeof(copied);

	memset(long_piece, 'A', sizeof(long_piece));
	switch (fuzz_below(5)) {
	case 0: put_in(at, piece, strlen(piece)); break;
	case 1: take_out(at, left ? fuzz_below(left < 40 ? (unsigned)left : 40) : 0); break;
	case 2:
		if (left)
			input[at] = (char)fuzz_next();
		break;
	case 3:
		memcpy(copied, input + from, count);
		put_in(at, copied, count);
		break;
	default: /* a value that is longer than any of ours has room for */
		for (unsigned i = fuzz_below(9); i; i--)
			put_in(at, long_piece, sizeof(long_piece));
		break;
	}
}

/* A failure says which, in words that may be printed; success leaves *err alone. */
static void judge(enum rc rc, const struct err *err)
{
	assert_int_equal(rc, err->rc);
	assert_true(rc == RC_OK || err->text[0]);
	for (const char *at = err->text; *at; at++)
		assert_true((unsigned char)*at >= ' ' && *at != 0x7f);
}

static void is_tame(const char *text)
{
	for (; *text; text++)
		assert_true((unsigned char)*text >= ' ' && *text != 0x7f);
}

static void problem_is_tame(const struct message_problem *problem)
{
	is_tame(problem->type);
	is_tame(problem->detail);
	is_tame(problem->instance);
	is_tame(problem->algorithms);
}

static void read_directory(struct span json)
{
	static struct message_directory directory;
	struct err err = { 0 };

	enum rc rc = message_directory_parse(json, &directory, &err);
	judge(rc, &err);
	assert_true(directory.profile_count <= MESSAGE_PROFILES_MAX);
	for (unsigned i = 0; rc == RC_OK && i < directory.profile_count; i++)
		is_tame(directory.profiles[i]);
}

static void read_order(struct span json)
{
	AUTO(message_order) struct message_order order = { 0 };
	struct err err = { 0 };

	judge(message_order_parse(json, NAMES, 2, &order, &err), &err);
	assert_true(order.authorization_count <= MESSAGE_AUTHORIZATIONS_MAX);
	problem_is_tame(&order.problem);
	is_tame(order.profile);
}

static void read_authorization(struct span json)
{
	AUTO(message_authorization) struct message_authorization authorization = { 0 };
	struct err err = { 0 };

	judge(message_authorization_parse(json, &authorization, &err), &err);
	assert_true(authorization.challenge_count <= MESSAGE_CHALLENGES_MAX);
	for (unsigned i = 0; i < authorization.challenge_count; i++)
		problem_is_tame(&authorization.challenges[i].problem);
}

static void read_others(struct span json)
{
	struct message_account account = { 0 };
	struct message_problem problem = { 0 };
	struct renewal_info info = { 0 };
	struct err err = { 0 };

	judge(message_account_parse(json, &account, &err), &err);
	is_tame(account.contact);
	err = (struct err){ 0 };
	enum rc rc = renewal_info_parse(json, &info, &err);
	judge(rc, &err);
	assert_true(rc != RC_OK || info.start < info.end);
	is_tame(info.explanation);
	if (message_problem_parse(json, &problem))
		problem_is_tame(&problem);
}

static void read_token(struct span json)
{
	static const struct authority_claims claims = { .type = "NfInstanceId", .value = "4ace", .fingerprint = "SHA256 00" };
	AUTO(buf) struct buf token = BUF_MAX(INPUT_MAX);
	struct err err = { 0 };
	int64_t expires_at;

	enum rc rc = authority_answer_parse(json, &token, &err);
	judge(rc, &err);
	rc = authority_token_check(rc == RC_OK ? buf_text(&token) : input, &claims, 1764000000, &expires_at, &err);
	if (rc != RC_OK)
		judge(rc, &err);
}

static void read_headers(void)
{
	static struct http_response response;
	struct err err = { 0 };
	int64_t at = 0;

	response.link_count = fuzz_below(HTTP_LINKS_MAX + 1);
	link_parse(input, &response);
	response_header_take(input, len, &response);
	assert_true(response.link_count <= HTTP_LINKS_MAX);
	/* RFC 8555, 6.5: what is kept as a nonce is base64url. */
	assert_true(!response.nonce[0] || codec_is_base64url(response.nonce));
	if (clock_parse_retry_after(input, 1764000000, &at, &err) == RC_OK)
		assert_in_range(at, 1764000000, 1764000000 + CLOCK_RETRY_MAX);
}

static void read_chain(struct span pem)
{
	struct buf ders[CERTIFICATE_CHAIN_MAX];
	struct err err = { 0 };
	unsigned count = 0;

	for (unsigned i = 0; i < CERTIFICATE_CHAIN_MAX; i++)
		ders[i] = BUF_MAX(INPUT_MAX);
	judge(certificate_chain_der(pem, ders, &count, &err), &err);
	assert_true(count <= CERTIFICATE_CHAIN_MAX);
	for (unsigned i = 0; i < CERTIFICATE_CHAIN_MAX; i++)
		buf_clear(&ders[i]);
}

static void every_reader_takes_it_or_refuses_it(void **state)
{
	uint64_t rounds = fuzz_begin("acme", ROUNDS_DEFAULT);

	(void)state;
	for (uint64_t i = 0; i < rounds; i++) {
		const char *sample = SAMPLES[i % SAMPLE_COUNT];

		len = strlen(sample);
		memcpy(input, sample, len);
		for (unsigned times = fuzz_below(6); times; times--)
			damage();
		input[len] = '\0';
		struct span span = span_of(input, len);
		read_directory(span);
		read_order(span);
		read_authorization(span);
		read_others(span);
		read_token(span);
		read_headers();
		read_chain(span);
	}
}

/* Undamaged, each is understood: what follows damages something. */
static void the_samples_are_good(void **state)
{
	AUTO(message_order) struct message_order order = { 0 };
	AUTO(message_authorization) struct message_authorization authorization = { 0 };
	AUTO(buf) struct buf token = BUF_MAX(INPUT_MAX);
	static struct message_directory directory;
	static struct http_response response;
	struct message_account account;
	struct message_problem problem;
	struct renewal_info info;

	(void)state;
	assert_int_equal(message_directory_parse(span_text(SAMPLES[0]), &directory, NULL), RC_OK);
	assert_int_equal(message_order_parse(span_text(SAMPLES[1]), NAMES, 2, &order, NULL), RC_OK);
	assert_int_equal(message_authorization_parse(span_text(SAMPLES[2]), &authorization, NULL), RC_OK);
	assert_int_equal(message_account_parse(span_text(SAMPLES[3]), &account, NULL), RC_OK);
	assert_true(message_problem_parse(span_text(SAMPLES[4]), &problem));
	assert_int_equal(renewal_info_parse(span_text(SAMPLES[5]), &info, NULL), RC_OK);
	assert_int_equal(authority_answer_parse(span_text(SAMPLES[6]), &token, NULL), RC_OK);
	link_parse(SAMPLES[7], &response);
	assert_int_equal(response.link_count, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_samples_are_good),
		cmocka_unit_test(every_reader_takes_it_or_refuses_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
