/* token_contract.c -- every promise of include/token.h, once; included by the test of each backend. */
#include "token_contract.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

AUTO_DEFINE(evp_pkey, EVP_PKEY *, EVP_PKEY_free);
AUTO_DEFINE(evp_md_ctx, EVP_MD_CTX *, EVP_MD_CTX_free);

/* What an Ed25519 key in keyd may sign too: shaped as a JWS signing input. */
static const char CONTRACT_MESSAGE[] = "eyJhbGciOiJFZERTQSJ9.e30";
#define CONTRACT_MESSAGE_LEN (sizeof(CONTRACT_MESSAGE) - 1)

/* "expected RC_OK, got 3: token ..." says more than a comparison of numbers. */
static void contract_expect(enum rc got, enum rc wanted, const struct err *err, const char *what)
{
	if (got != wanted)
		fail_msg("%s: rc %d where %d belongs: %s", what, got, wanted, err->text);
	if (wanted != RC_OK) {
		assert_int_equal(err->rc, wanted);
		assert_true(err->text[0] != '\0');
	}
}

static struct token *contract_open(const struct token_fixture *fixture)
{
	struct token *token = NULL;
	struct err err = { 0 };

	contract_expect(fixture->open ? fixture->open(&token, &err)
				      : token_open(fixture->config, fixture->keys_dir, &token, &err),
			RC_OK, &err, "open");
	assert_non_null(token);
	return token;
}

static struct token_key *contract_generate(struct token *token, enum key_type type)
{
	struct token_key_name name;
	struct token_key *key = NULL;
	struct err err = { 0 };

	contract_expect(token_key_name_make("contract", 0, &name, &err), RC_OK, &err, "name");
	contract_expect(token_generate(token, &name, type, &key, &err), RC_OK, &err, key_type_name(type));
	assert_non_null(key);
	assert_int_equal(key->type, type);
	return key;
}

/* The type that is cheapest to make; every backend can make one of ours. */
static enum key_type contract_type(const struct token_fixture *fixture)
{
	for (int type = 0; type < KEY_TYPE_COUNT; type++)
		if (fixture->can((enum key_type)type))
			return (enum key_type)type;
	fail_msg("%s can make no key at all", fixture->name);
	return KEY_TYPE_COUNT;
}

static struct token_key *contract_key(const struct token_fixture *fixture, struct token *token)
{
	return contract_generate(token, contract_type(fixture));
}

static void contract_drop(struct token_key *key)
{
	struct err err = { 0 };

	contract_expect(token_erase(key, &err), RC_OK, &err, "erase");
	token_key_free(key);
}

static EVP_PKEY *contract_public(struct token_key *key)
{
	AUTO(buf) struct buf spki = BUF_MAX(TOKEN_SPKI_MAX);
	struct err err = { 0 };

	contract_expect(token_public_key(key, &spki, &err), RC_OK, &err, "public key");
	const unsigned char *at = spki.at;
	EVP_PKEY *pkey = d2i_PUBKEY(NULL, &at, (long)spki.len);
	assert_non_null(pkey);
	assert_ptr_equal(at, spki.at + spki.len);
	return pkey;
}

static const EVP_MD *contract_md(enum token_hash hash)
{
	return hash == TOKEN_SHA256   ? EVP_sha256()
	       : hash == TOKEN_SHA384 ? EVP_sha384()
	       : hash == TOKEN_SHA512 ? EVP_sha512()
				      : NULL;
}

/* What token_sign() takes: the digest, or for TOKEN_HASH_NONE the message itself. */
static struct span contract_input(enum token_hash hash, uint8_t digest[EVP_MAX_MD_SIZE])
{
	unsigned len = 0;

	if (hash == TOKEN_HASH_NONE)
		return span_of(CONTRACT_MESSAGE, CONTRACT_MESSAGE_LEN);
	assert_int_equal(EVP_Digest(CONTRACT_MESSAGE, CONTRACT_MESSAGE_LEN, digest, &len, contract_md(hash), NULL), 1);
	return span_of(digest, len);
}

/* r || s as DER; OpenSSL verifies nothing else. */
static int contract_der(struct span sig, unsigned char **ret_der)
{
	ECDSA_SIG *pair = ECDSA_SIG_new();
	int half = (int)(sig.len / 2);

	assert_int_equal(ECDSA_SIG_set0(pair, BN_bin2bn(sig.at, half, NULL), BN_bin2bn(sig.at + half, half, NULL)), 1);
	int len = i2d_ECDSA_SIG(pair, ret_der);
	ECDSA_SIG_free(pair);
	return len;
}

/* Hashes the message itself, and shares nothing with tokens/spki.c: an error there is seen here. */
static bool contract_verifies(EVP_PKEY *pkey, enum token_scheme scheme, enum token_hash hash, struct span sig)
{
	AUTO(evp_md_ctx) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *settings = NULL;
	unsigned char *der = NULL;
	size_t len = sig.len;

	assert_int_equal(EVP_DigestVerifyInit(ctx, &settings, contract_md(hash), NULL, pkey), 1);
	if (scheme == TOKEN_RSA_PSS) {
		assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(settings, RSA_PKCS1_PSS_PADDING), 1);
		assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(settings, RSA_PSS_SALTLEN_DIGEST), 1);
	}
	if (scheme == TOKEN_ECDSA)
		len = (size_t)contract_der(sig, &der);
	int verified =
		EVP_DigestVerify(ctx, der ? der : sig.at, len, (const unsigned char *)CONTRACT_MESSAGE, CONTRACT_MESSAGE_LEN);
	OPENSSL_free(der);
	return verified == 1;
}

static void contract_sign(struct token_key *key, enum token_scheme scheme, enum token_hash hash)
{
	AUTO(buf) struct buf sig = BUF_MAX(TOKEN_SIG_MAX);
	AUTO(evp_pkey) EVP_PKEY *pkey = contract_public(key);
	uint8_t digest[EVP_MAX_MD_SIZE];
	struct err err = { 0 };

	contract_expect(token_sign(key, scheme, hash, contract_input(hash, digest), &sig, &err), RC_OK, &err, "sign");
	/* RFC 7518, 3.4: r and s keep their leading zeros, so the width never varies. */
	assert_int_equal(sig.len, key_type_signature_len(key->type));
	/* With RSA, also that the DigestInfo is the hash's (RFC 8017, 9.2). */
	assert_true(contract_verifies(pkey, scheme, hash, buf_span(&sig)));
	sig.at[sig.len - 1] ^= 1;
	assert_false(contract_verifies(pkey, scheme, hash, buf_span(&sig)));
}

static void contract_sign_as_usual(struct token_key *key)
{
	contract_sign(key, key_type_scheme(key->type), key_type_hash(key->type));
}

/* Every scheme and hash of its type, at least one. */
static void contract_sign_in_every_way(struct token_key *key)
{
	int ways = 0;

	for (int scheme = TOKEN_ECDSA; scheme <= TOKEN_EDDSA; scheme++)
		for (int hash = TOKEN_HASH_NONE; hash <= TOKEN_SHA512; hash++)
			if (key_type_signs(key->type, (enum token_scheme)scheme, (enum token_hash)hash)) {
				contract_sign(key, (enum token_scheme)scheme, (enum token_hash)hash);
				ways++;
			}
	assert_true(ways > 0);
}

static void info_tells_which_key_types_it_can_make(void **state)
{
	const struct token_fixture *fixture = *state;
	struct token *token = contract_open(fixture);
	struct token_info info = { 0 };
	struct err err = { 0 };

	contract_expect(token_info(token, &info, &err), RC_OK, &err, "info");
	for (int type = 0; type < KEY_TYPE_COUNT; type++)
		assert_int_equal(info.key_types[type], fixture->can((enum key_type)type));
	assert_true(info.manufacturer[0] != '\0');
	assert_true(info.pin_state[0] != '\0');
	token_close(token);
}

/* One life of a key: made, found by another opening of the token, used in every way, erased. */
static void contract_live(const struct token_fixture *fixture, enum key_type type)
{
	struct err err = { 0 };
	struct token *token = contract_open(fixture);
	struct token_key *key = contract_generate(token, type);
	struct token_key_name name = key->name;
	struct token_custody custody = { 0 };
	AUTO(evp_pkey) EVP_PKEY *before = contract_public(key);
	token_key_free(TAKE(key));
	token_close(token);

	token = contract_open(fixture);
	contract_expect(token_find(token, &name, &key, &err), RC_OK, &err, "find");
	AUTO(evp_pkey) EVP_PKEY *after = contract_public(key);
	assert_int_equal(key->type, type);
	assert_memory_equal(key->name.id, name.id, TOKEN_ID_LEN);
	assert_string_equal(key->name.label, name.label);
	assert_int_equal(EVP_PKEY_eq(before, after), 1);
	contract_expect(token_custody(key, &custody, &err), RC_OK, &err, "custody");
	assert_true(custody.held);
	contract_sign_in_every_way(key);
	contract_drop(TAKE(key));
	contract_expect(token_find(token, &name, &key, &err), RC_ABSENT, &err, "find what was erased");
	token_close(token);
}

static void every_type_of_key_is_found_again_and_signs_what_openssl_verifies(void **state)
{
	const struct token_fixture *fixture = *state;

	for (int type = 0; type < KEY_TYPE_COUNT; type++)
		if (fixture->can((enum key_type)type))
			contract_live(fixture, (enum key_type)type);
}

/* token_sign() verifies each of them; whole, or it would not verify. */
static void ed25519_signs_messages_of_any_length_up_to_the_greatest(void **state)
{
	static uint8_t message[TOKEN_MESSAGE_MAX + 1];
	static const size_t lengths[] = { 4, 4096, TOKEN_MESSAGE_MAX };
	const struct token_fixture *fixture = *state;

	if (!fixture->can(KEY_ED25519))
		return;
	struct token *token = contract_open(fixture);
	struct token_key *key = contract_generate(token, KEY_ED25519);
	struct err err = { 0 };

	memset(message, 'm', sizeof(message));
	memcpy(message, "eyJ.", 4); /* keyd has its Ed25519 keys sign nothing else */
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		AUTO(buf) struct buf sig = BUF_MAX(TOKEN_SIG_MAX);

		contract_expect(token_sign(key, TOKEN_EDDSA, TOKEN_HASH_NONE, span_of(message, lengths[i]), &sig, &err), RC_OK,
				&err, "a long message");
		assert_int_equal(sig.len, 64);
	}
	AUTO(buf) struct buf sig = BUF_MAX(TOKEN_SIG_MAX);
	contract_expect(token_sign(key, TOKEN_EDDSA, TOKEN_HASH_NONE, SPAN(message), &sig, &err), RC_BUG, &err, "a longer one");
	assert_int_equal(sig.len, 0);
	contract_drop(key);
	token_close(token);
}

/* What a token cannot make is refused as such, and leaves nothing behind. */
static void a_type_the_token_does_not_have_is_refused(void **state)
{
	const struct token_fixture *fixture = *state;
	struct token *token = contract_open(fixture);

	for (int type = 0; type < KEY_TYPE_COUNT; type++) {
		struct token_key_name name;
		struct token_key *key = NULL;
		struct err err = { 0 };

		if (fixture->can((enum key_type)type))
			continue;
		contract_expect(token_key_name_make("contract", 0, &name, &err), RC_OK, &err, "name");
		contract_expect(token_generate(token, &name, (enum key_type)type, &key, &err), RC_INPUT, &err, "generate");
		assert_null(key);
		assert_non_null(strstr(err.text, key_type_name((enum key_type)type)));
		contract_expect(token_find(token, &name, &key, &err), RC_ABSENT, &err, "find what was refused");
	}
	token_close(token);
}

/* One ECDSA signature in 128 has a leading zero in r or s; some of these do. */
static void leading_zeros_of_a_signature_are_kept(void **state)
{
	struct token *token = contract_open(*state);
	struct token_key *key = contract_key(*state, token);

	for (int i = 0; i < 64; i++)
		contract_sign_as_usual(key);
	contract_drop(key);
	token_close(token);
}

static void custody_is_held_and_told_in_words(void **state)
{
	struct token *token = contract_open(*state);
	struct token_key *key = contract_key(*state, token);
	struct token_custody custody = { 0 };
	struct err err = { 0 };

	contract_expect(token_custody(key, &custody, &err), RC_OK, &err, "custody");
	assert_true(custody.held);
	assert_true(strlen(custody.text) > 10);
	contract_drop(key);
	token_close(token);
}

struct contract_seen {
	struct token_key_name wanted[2];
	unsigned hits[2], calls;
	bool held;
	enum rc answer;
};

static enum rc contract_see(void *ctx, struct token_key *key, const struct token_custody *custody, struct err *err)
{
	struct contract_seen *seen = ctx;

	seen->calls++;
	for (int i = 0; i < 2; i++) {
		if (memcmp(key->name.id, seen->wanted[i].id, TOKEN_ID_LEN) != 0)
			continue;
		seen->hits[i]++;
		assert_string_equal(key->name.label, seen->wanted[i].label);
		assert_true(custody->held);
	}
	return seen->answer == RC_OK ? RC_OK : err_set(err, seen->answer, "the caller has seen enough");
}

static void list_shows_each_key_once_with_its_custody(void **state)
{
	struct token *token = contract_open(*state);
	struct token_key *first = contract_key(*state, token), *second = contract_key(*state, token);
	struct contract_seen seen = { .wanted = { first->name, second->name } };
	struct err err = { 0 };

	contract_expect(token_list(token, contract_see, &seen, &err), RC_OK, &err, "list");
	assert_int_equal(seen.hits[0], 1);
	assert_int_equal(seen.hits[1], 1);
	assert_int_equal(seen.calls, 2);
	contract_drop(first);
	contract_drop(second);
	seen.calls = 0;
	contract_expect(token_list(token, contract_see, &seen, &err), RC_OK, &err, "list of an empty token");
	assert_int_equal(seen.calls, 0);
	token_close(token);
}

static void list_stops_when_the_caller_says_so(void **state)
{
	struct token *token = contract_open(*state);
	struct token_key *first = contract_key(*state, token), *second = contract_key(*state, token);
	struct contract_seen seen = { .answer = RC_DENIED };
	struct err err = { 0 };

	contract_expect(token_list(token, contract_see, &seen, &err), RC_DENIED, &err, "list");
	assert_int_equal(seen.calls, 1);
	contract_drop(first);
	contract_drop(second);
	token_close(token);
}

static void an_unknown_id_is_absent(void **state)
{
	struct token *token = contract_open(*state);
	struct token_key *const untouched = (struct token_key *)(void *)&token, *key = untouched;
	struct token_key_name name;
	struct err err = { 0 };

	contract_expect(token_key_name_make("nobody", 0, &name, &err), RC_OK, &err, "name");
	contract_expect(token_find(token, &name, &key, &err), RC_ABSENT, &err, "find");
	assert_ptr_equal(key, untouched);
	assert_non_null(strstr(err.text, name.label));
	token_close(token);
}

static void a_label_that_is_no_file_name_is_refused(void **state)
{
	static const char *const labels[] = { "", "a/b", "../key", ".hidden", "a b", "a\nb", "\xc3\xa9" };
	struct token *token = contract_open(*state);
	struct contract_seen seen = { 0 };
	struct err err = { 0 };

	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
		struct token_key *const untouched = (struct token_key *)(void *)&token, *key = untouched;
		struct token_key_name name;

		contract_expect(token_key_name_make("label", 0, &name, &err), RC_OK, &err, "name");
		snprintf(name.label, sizeof(name.label), "%s", labels[i]);
		contract_expect(token_generate(token, &name, contract_type(*state), &key, &err), RC_INPUT, &err, labels[i]);
		contract_expect(token_find(token, &name, &key, &err), RC_INPUT, &err, labels[i]);
		assert_ptr_equal(key, untouched);
	}
	contract_expect(token_list(token, contract_see, &seen, &err), RC_OK, &err, "list");
	assert_int_equal(seen.calls, 0);
	token_close(token);
}

static void a_second_key_with_the_same_id_is_refused(void **state)
{
	const struct token_fixture *fixture = *state;
	struct token *token = contract_open(fixture);
	struct token_key *key = contract_key(fixture, token), *other = NULL;
	struct token_key_name name = key->name;
	AUTO(evp_pkey) EVP_PKEY *before = contract_public(key);
	struct err err = { 0 };

	contract_expect(token_generate(token, &name, key->type, &other, &err), RC_INPUT, &err, "generate");
	assert_null(other);
	token_key_free(key);
	/* The refusal cost the first key nothing. */
	contract_expect(token_find(token, &name, &key, &err), RC_OK, &err, "find");
	AUTO(evp_pkey) EVP_PKEY *after = contract_public(key);
	assert_int_equal(EVP_PKEY_eq(before, after), 1);
	contract_drop(key);
	token_close(token);
}

static void freeing_a_handle_erases_nothing(void **state)
{
	struct token *token = contract_open(*state);
	struct token_key *key = contract_key(*state, token);
	struct token_key_name name = key->name;
	struct err err = { 0 };

	token_key_free(key);
	contract_expect(token_find(token, &name, &key, &err), RC_OK, &err, "find");
	contract_drop(key);
	token_close(token);
}

static void an_erased_key_is_gone_and_erasing_it_again_is_fine(void **state)
{
	struct token *token = contract_open(*state);
	struct token_key *key = contract_key(*state, token), *again = NULL;
	struct token_key_name name = key->name;
	struct err err = { 0 };

	contract_expect(token_erase(key, &err), RC_OK, &err, "erase");
	contract_expect(token_find(token, &name, &again, &err), RC_ABSENT, &err, "find");
	contract_expect(token_erase(key, &err), RC_OK, &err, "erase again");
	token_key_free(key);
	token_close(token);
	token = contract_open(*state);
	contract_expect(token_find(token, &name, &again, &err), RC_ABSENT, &err, "find after reopening");
	assert_null(again);
	token_close(token);
}

static void erasing_one_key_leaves_the_other(void **state)
{
	struct token *token = contract_open(*state);
	struct token_key *gone = contract_key(*state, token), *kept = contract_key(*state, token);
	struct token_key_name name = kept->name;
	struct err err = { 0 };

	contract_drop(gone);
	token_key_free(kept);
	contract_expect(token_find(token, &name, &kept, &err), RC_OK, &err, "find");
	contract_drop(kept);
	token_close(token);
}

/* What a token says of itself, of its PIN or of its lockout is no verdict on a key. */
static void a_key_that_is_refused_but_not_broken_is_not_erased_for_it(void **state)
{
	const struct token_fixture *fixture = *state;
	struct err err = { 0 };

	if (!fixture->refuse)
		return;
	struct token *token = contract_open(fixture);
	struct token_key *key = contract_key(fixture, token);
	struct token_key_name name = key->name;
	AUTO(evp_pkey) EVP_PKEY *before = contract_public(key);
	token_key_free(TAKE(key));
	token_close(token);
	fixture->refuse(&name, true);
	token = contract_open(fixture);
	contract_expect(token_find(token, &name, &key, &err), RC_DENIED, &err, "find");
	contract_expect(token_erase_unkept(token, &name, &err), RC_ABSENT, &err, "erase as one that is not kept");
	token_close(token);
	fixture->refuse(&name, false);
	token = contract_open(fixture);
	contract_expect(token_find(token, &name, &key, &err), RC_OK, &err, "find again");
	AUTO(evp_pkey) EVP_PKEY *after = contract_public(key);
	assert_int_equal(EVP_PKEY_eq(before, after), 1);
	contract_drop(key);
	token_close(token);
}

static void a_refused_signature_leaves_the_result_untouched(void **state)
{
	struct token *token = contract_open(*state);
	struct token_key *key = contract_key(*state, token);
	AUTO(buf) struct buf sig = BUF_MAX(TOKEN_SIG_MAX);
	bool is_ec = key_type_family(key->type) == FAMILY_EC;
	uint8_t digest[EVP_MAX_MD_SIZE];
	struct span input = contract_input(TOKEN_SHA256, digest);
	struct err err = { 0 };

	contract_expect(buf_append(&sig, span_text("before"), &err), RC_OK, &err, "append");
	contract_expect(token_sign(key, is_ec ? TOKEN_RSA_PSS : TOKEN_ECDSA, TOKEN_SHA256, input, &sig, &err), RC_INPUT, &err,
			"a scheme of another key type");
	contract_expect(token_sign(key, TOKEN_EDDSA, TOKEN_HASH_NONE, input, &sig, &err), RC_INPUT, &err, "EdDSA");
	assert_int_not_equal(
		token_sign(key, is_ec ? TOKEN_ECDSA : TOKEN_RSA_PSS, TOKEN_SHA256, span_of(input.at, input.len - 1), &sig, &err),
		RC_OK);
	assert_string_equal(buf_text(&sig), "before");
	contract_drop(key);
	token_close(token);
}

static void success_leaves_the_error_untouched(void **state)
{
	struct err err, before;
	struct token_key_name name;
	struct token_key *key = NULL;
	struct token *token = contract_open(*state);
	AUTO(buf) struct buf spki = BUF_MAX(TOKEN_SPKI_MAX);
	struct contract_seen seen = { 0 };

	memset(&err, 0x5a, sizeof(err));
	before = err;
	assert_int_equal(token_key_name_make("quiet", 0, &name, &err), RC_OK);
	assert_int_equal(token_generate(token, &name, contract_type(*state), &key, &err), RC_OK);
	assert_int_equal(token_public_key(key, &spki, &err), RC_OK);
	assert_int_equal(token_list(token, contract_see, &seen, &err), RC_OK);
	assert_int_equal(token_erase(key, &err), RC_OK);
	assert_memory_equal(&err, &before, sizeof(err));
	token_key_free(key);
	token_close(token);
}

static void a_reference_names_the_key_and_holds_no_secret(void **state)
{
	const struct token_fixture *fixture = *state;
	struct token *token = contract_open(fixture);
	struct token_key *keys[2] = { contract_key(fixture, token), contract_key(fixture, token) };
	AUTO(buf) struct buf first = BUF_MAX(TOKEN_REFERENCE_MAX);
	AUTO(buf) struct buf second = BUF_MAX(TOKEN_REFERENCE_MAX);
	struct buf *pem[2] = { &first, &second };
	struct err err = { 0 };

	for (int i = 0; i < 2; i++) {
		AUTO(buf) struct buf uri = BUF_MAX(TOKEN_REFERENCE_MAX);
		contract_expect(token_reference(keys[i], pem[i], &uri, &err), RC_OK, &err, "reference");
		assert_int_equal(strncmp(buf_text(pem[i]), "-----BEGIN ", 11), 0);
		assert_null(strstr(buf_text(pem[i]), "BEGIN PRIVATE KEY"));
		assert_true(uri.len > 0);
		if (fixture->secret) {
			assert_null(strstr(buf_text(pem[i]), fixture->secret));
			assert_null(strstr(buf_text(&uri), fixture->secret));
		}
	}
	assert_false(span_equal(buf_span(&first), buf_span(&second)));
	contract_drop(keys[0]);
	contract_drop(keys[1]);
	token_close(token);
}

/* What a forked child may do: be told no, free, close. */
static int contract_child(struct token *token, struct token_key *key)
{
	struct token_key_name name = key->name;
	struct token_key *again = NULL;
	AUTO(buf) struct buf sig = BUF_MAX(TOKEN_SIG_MAX);
	static const uint8_t message[32];
	int wrong = 0;

	wrong |= token_find(token, &name, &again, NULL) == RC_OK ? 1 : 0;
	wrong |= token_sign_message(key, key_type_scheme(key->type), key_type_hash(key->type), SPAN(message), &sig, NULL) == RC_OK
			 ? 2
			 : 0;
	wrong |= token_erase(key, NULL) == RC_OK ? 4 : 0;
	token_key_free(key);
	token_close(token);
	return wrong;
}

static void a_child_process_is_refused_and_the_parent_goes_on(void **state)
{
	struct token *token = contract_open(*state);
	struct token_key *key = contract_key(*state, token);
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(contract_child(token, key));
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	contract_sign_as_usual(key);
	contract_drop(key);
	token_close(token);
}

#include "objects_contract.c"
