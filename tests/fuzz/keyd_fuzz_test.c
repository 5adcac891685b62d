/* keyd_fuzz_test.c -- keyd under a hostile engine: it answers or refuses, lives, keeps its key, and says no PIN. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "fuzz_seed.h"
#include "keyd.h"
#include "keyd_process.h"
#include "softhsm.h"
#include "token.h"
#include "wire.h"

#define ROUNDS_DEFAULT 15000u

static struct softhsm softhsm;
static char label[] = "fuzz", token_name[] = "hsm";
static struct config_token tokens[1];
static struct config config = { .tokens = tokens, .token_count = 1 };
static struct token_key_name live;

/* A key that is live: the one thing that must be there at the end. */
static int make_live_key(struct token *token)
{
	AUTO(token_key) struct token_key *key = NULL;
	AUTO(buf) struct buf pem = BUF_MAX(TOKEN_REFERENCE_MAX);
	AUTO(buf) struct buf uri = BUF_MAX(TOKEN_REFERENCE_MAX);
	char path[128];

	if (token_key_name_make("fuzz", 0, &live, NULL) != RC_OK ||
	    token_generate(token, &live, KEY_EC_P256, &key, NULL) != RC_OK || token_reference(key, &pem, &uri, NULL) != RC_OK)
		return -1;
	snprintf(path, sizeof(path), "%s/live", softhsm.dir);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/live/fuzz", softhsm.dir);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/live/fuzz/key.uri", softhsm.dir);
	return softhsm_write(path, buf_text(&uri));
}

static int start(void **state)
{
	struct token *token = NULL;

	(void)state;
	if (softhsm_start(&softhsm) != 0 || softhsm_add(label) != 0)
		return -1;
	config.state = softhsm.dir;
	tokens[0] = softhsm_config(&softhsm, label);
	if (token_open(&tokens[0], softhsm.dir, &token, NULL) != RC_OK)
		return -1;
	int failed = make_live_key(token);
	token_close(token);
	return failed;
}

static int stop(void **state)
{
	(void)state;
	softhsm_stop(&softhsm);
	return 0;
}

/* A request of the right shape, each field now and then a wrong one.  Keys are not generated: that is slow, not hostile. */
static void make_hostile(struct wire *wire)
{
	static const char *const names[] = { token_name, "", "other", "../../etc/passwd", "hsm\n" };
	static const unsigned operations[] = { KEYD_OPEN,      KEYD_INFO,  KEYD_FIND, KEYD_SIGN, KEYD_CUSTODY,
					       KEYD_REFERENCE, KEYD_ERASE, KEYD_SIGN, KEYD_SIGN, KEYD_NAME };
	struct token_key_name name = live;
	uint8_t digest[256];

	for (size_t i = 0; i < sizeof(digest); i++)
		digest[i] = (uint8_t)fuzz_next();
	if (fuzz_below(8) == 0)
		name.id[fuzz_below(TOKEN_ID_LEN)] ^= (uint8_t)fuzz_next();
	if (fuzz_below(8) == 0)
		name.label[fuzz_below(TOKEN_LABEL_MAX - 1)] = (char)fuzz_next();
	unsigned operation = operations[fuzz_below(sizeof(operations) / sizeof(operations[0]))];
	wire_clear(wire);
	wire_put_number(wire, operation, 1);
	wire_put_text(wire, names[fuzz_below(8) ? 0 : fuzz_below(5)]);
	if (operation == KEYD_OPEN || operation == KEYD_INFO)
		return;
	if (operation == KEYD_NAME) {
		wire_put_number(wire, fuzz_next(), 4);
		return;
	}
	wire_put_text(wire, name.label);
	wire_put_bytes(wire, span_of(name.id, fuzz_below(16) ? TOKEN_ID_LEN : fuzz_below(TOKEN_ID_LEN)));
	if (operation != KEYD_SIGN)
		return;
	wire_put_number(wire, fuzz_below(8) ? TOKEN_ECDSA : fuzz_next(), 1);
	wire_put_number(wire, fuzz_below(8) ? TOKEN_SHA256 : fuzz_next(), 1);
	wire_put_bytes(wire, span_of(digest, fuzz_below(2) ? 32 : fuzz_below(sizeof(digest))));
}

static void make_damaged(struct wire *wire)
{
	make_hostile(wire);
	for (unsigned i = fuzz_below(4) + 1; i; i--)
		wire->bytes[fuzz_below((unsigned)wire->len)] = (uint8_t)fuzz_next();
	if (fuzz_below(4) == 0)
		wire->len = fuzz_below((unsigned)wire->len) + 1;
	if (fuzz_below(4) == 0)
		wire_put_number(wire, fuzz_next(), 8);
	if (wire->bytes[0] == KEYD_GENERATE)
		wire->bytes[0] = KEYD_SIGN;
}

static void make_random(struct wire *wire)
{
	wire_clear(wire);
	wire->len = fuzz_below(fuzz_below(64) ? 64 : WIRE_MESSAGE_MAX - 1) + 1;
	for (size_t i = 0; i < wire->len; i++)
		wire->bytes[i] = (uint8_t)fuzz_next();
}

/* Every answer is whole and one of ours, and the PIN is in none. */
static void expect_answer(struct wire *wire, int fd)
{
	struct err err = { 0 };
	uint64_t kind;

	do {
		assert_int_equal(wire_receive(wire, fd, clock_monotonic_ms() + 60000, &err), RC_OK);
		assert_null(memmem(wire->bytes, wire->len, SOFTHSM_PIN, strlen(SOFTHSM_PIN)));
		kind = wire_get_number(wire, 1);
		(void)wire_get_err(wire, &err);
		assert_false(wire->bad);
		assert_true(kind <= KEYD_ANSWER_END);
	} while (kind != KEYD_ANSWER_END);
}

static void *serve(void *fd)
{
	return keyd_serve(&config, fd, 1, NULL) == RC_OK ? NULL : fd;
}

static void keyd_survives_a_hostile_engine_and_keeps_the_live_key(void **state)
{
	static void (*const makers[])(struct wire * wire) = { make_hostile, make_damaged, make_random };
	static struct wire wire;
	uint64_t rounds = fuzz_begin("keyd", ROUNDS_DEFAULT);
	pthread_t thread;
	void *failed;
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_int_equal(wire_socket(pair[0], NULL), RC_OK);
	/* A thread of this process: the sanitizers see both ends. */
	assert_int_equal(pthread_create(&thread, NULL, serve, &pair[1]), 0);
	for (uint64_t i = 0; i < rounds; i++) {
		makers[i % 3](&wire);
		assert_int_equal(wire_send(&wire, pair[0], NULL), RC_OK);
		expect_answer(&wire, pair[0]);
	}
	close(pair[0]);
	assert_int_equal(pthread_join(thread, &failed), 0);
	assert_null(failed);
}

static void the_live_key_is_still_there(void **state)
{
	AUTO(token) struct token *token = NULL;
	AUTO(token_key) struct token_key *key = NULL;

	(void)state;
	assert_int_equal(token_open(&tokens[0], softhsm.dir, &token, NULL), RC_OK);
	assert_int_equal(token_find(token, &live, &key, NULL), RC_OK);
	token_key_free(TAKE(key));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keyd_survives_a_hostile_engine_and_keeps_the_live_key),
		cmocka_unit_test(the_live_key_is_still_there),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
