/* tss2_key_test.c -- a wrapped key comes back from its file as it was, and a file that is odd is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "tss2_key.h"

static struct tss2_key sample(void)
{
	struct tss2_key key = { .parent = TSS2_PARENT_OWNER, .empty_auth = true };
	TPMT_PUBLIC *area = &key.public.publicArea;

	area->type = TPM2_ALG_ECC;
	area->nameAlg = TPM2_ALG_SHA256;
	area->objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SIGN_ENCRYPT;
	area->parameters.eccDetail.symmetric.algorithm = TPM2_ALG_NULL;
	area->parameters.eccDetail.scheme.scheme = TPM2_ALG_NULL;
	area->parameters.eccDetail.curveID = TPM2_ECC_NIST_P256;
	area->parameters.eccDetail.kdf.scheme = TPM2_ALG_NULL;
	area->unique.ecc.x.size = area->unique.ecc.y.size = 32;
	memset(area->unique.ecc.x.buffer, 1, 32);
	memset(area->unique.ecc.y.buffer, 2, 32);
	key.private.size = 100;
	memset(key.private.buffer, 3, 100);
	return key;
}

static void it_comes_back_as_it_was(void **state)
{
	struct tss2_key key = sample(), back;
	AUTO(buf) struct buf pem = BUF_MAX(TSS2_KEY_PEM_MAX);
	struct err err = { 0 };

	(void)state;
	assert_int_equal(tss2_key_print(&key, &pem, &err), RC_OK);
	assert_int_equal(strncmp(buf_text(&pem), "-----BEGIN TSS2 PRIVATE KEY-----", 32), 0);
	if (tss2_key_parse(buf_span(&pem), &back, &err) != RC_OK)
		fail_msg("%s", err.text);
	assert_int_equal(back.parent, key.parent);
	assert_true(back.empty_auth);
	assert_int_equal(back.private.size, 100);
	assert_memory_equal(back.private.buffer, key.private.buffer, 100);
	assert_memory_equal(back.public.publicArea.unique.ecc.y.buffer, key.public.publicArea.unique.ecc.y.buffer, 32);
}

static void a_policy_comes_back_with_the_registers_and_what_they_must_hold(void **state)
{
	struct tss2_key key = sample(), back;
	AUTO(buf) struct buf pem = BUF_MAX(TSS2_KEY_PEM_MAX);
	struct err err = { 0 };

	(void)state;
	key.empty_auth = false;
	key.policy.pcrs.count = 1;
	key.policy.pcrs.pcrSelections[0] =
		(TPMS_PCR_SELECTION){ .hash = TPM2_ALG_SHA256, .sizeofSelect = 3, .pcrSelect = { 0x81, 0, 0 } };
	key.policy.pcr_digest.size = 32;
	memset(key.policy.pcr_digest.buffer, 7, 32);
	for (int with_auth = 0; with_auth < 2; with_auth++) {
		key.policy.with_auth = with_auth;
		buf_clear(&pem);
		assert_int_equal(tss2_key_print(&key, &pem, &err), RC_OK);
		if (tss2_key_parse(buf_span(&pem), &back, &err) != RC_OK)
			fail_msg("%s", err.text);
		assert_false(back.empty_auth);
		assert_int_equal(back.policy.with_auth, with_auth);
		assert_int_equal(back.policy.pcrs.count, 1);
		assert_int_equal(back.policy.pcrs.pcrSelections[0].pcrSelect[0], 0x81);
		assert_memory_equal(back.policy.pcr_digest.buffer, key.policy.pcr_digest.buffer, 32);
	}
}

static void a_policy_over_two_banks_is_none_of_ours(void **state)
{
	struct tss2_key key = sample(), back;
	AUTO(buf) struct buf pem = BUF_MAX(TSS2_KEY_PEM_MAX);
	struct err err = { 0 };

	(void)state;
	key.policy.pcrs.count = 2;
	key.policy.pcrs.pcrSelections[0] = (TPMS_PCR_SELECTION){ .hash = TPM2_ALG_SHA256, .sizeofSelect = 3 };
	key.policy.pcrs.pcrSelections[1] = (TPMS_PCR_SELECTION){ .hash = TPM2_ALG_SHA384, .sizeofSelect = 3 };
	assert_int_equal(tss2_key_print(&key, &pem, &err), RC_OK);
	assert_int_equal(tss2_key_parse(buf_span(&pem), &back, &err), RC_INPUT);
	assert_non_null(strstr(err.text, "policy"));
}

static void a_damaged_file_is_refused_wherever_it_is_damaged(void **state)
{
	struct tss2_key key = sample(), back;
	AUTO(buf) struct buf pem = BUF_MAX(TSS2_KEY_PEM_MAX);

	(void)state;
	assert_int_equal(tss2_key_print(&key, &pem, NULL), RC_OK);
	for (size_t cut = 0; cut < pem.len - 1; cut += 3)
		assert_int_not_equal(tss2_key_parse(span_of(pem.at, cut), &back, NULL), RC_OK);
	assert_int_not_equal(tss2_key_parse(span_text("-----BEGIN EC PRIVATE"
						      " KEY-----\nAAAA\n-----END EC PRIVATE"
						      " KEY-----\n"),
					    &back, NULL),
			     RC_OK);
	assert_int_equal(tss2_key_print(&key, &pem, NULL), RC_OK);
	assert_int_not_equal(tss2_key_parse(buf_span(&pem), &back, NULL), RC_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_comes_back_as_it_was),
		cmocka_unit_test(a_policy_comes_back_with_the_registers_and_what_they_must_hold),
		cmocka_unit_test(a_policy_over_two_banks_is_none_of_ours),
		cmocka_unit_test(a_damaged_file_is_refused_wherever_it_is_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
