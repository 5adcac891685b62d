/* key_type_test.c -- names and sizes of key types come from one list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/objects.h>

#include "key_type.h"

static void names_go_both_ways(void **state)
{
	(void)state;
	for (int type = 0; type < KEY_TYPE_COUNT; type++)
		assert_int_equal(key_type_parse(key_type_name((enum key_type)type)), type);
	assert_int_equal(key_type_parse("ec-p256"), KEY_EC_P256);
	assert_int_equal(key_type_bits(KEY_RSA_3072), 3072);
	assert_string_equal(key_type_name(KEY_EC_P521), "ec-p521");
	assert_string_equal(key_type_name(KEY_RSA_4096), "rsa-4096");
	assert_string_equal(key_type_name(KEY_ED25519), "ed25519");
}

static void each_type_signs_as_its_family_does_and_no_other(void **state)
{
	(void)state;
	assert_true(key_type_signs(KEY_EC_P521, TOKEN_ECDSA, TOKEN_SHA512));
	assert_false(key_type_signs(KEY_EC_P256, TOKEN_ECDSA, TOKEN_SHA384)); /* would be cut */
	assert_false(key_type_signs(KEY_EC_P256, TOKEN_RSA_PSS, TOKEN_SHA256));
	assert_true(key_type_signs(KEY_RSA_3072, TOKEN_RSA_PSS, TOKEN_SHA512));
	assert_false(key_type_signs(KEY_RSA_3072, TOKEN_RSA_PKCS1, TOKEN_HASH_NONE));
	assert_false(key_type_signs(KEY_RSA_3072, TOKEN_EDDSA, TOKEN_HASH_NONE));
	assert_true(key_type_signs(KEY_ED25519, TOKEN_EDDSA, TOKEN_HASH_NONE));
	/* RFC 8032, 5.1: the message itself. */
	assert_false(key_type_signs(KEY_ED25519, TOKEN_EDDSA, TOKEN_SHA512));
	assert_false(key_type_signs(KEY_TYPE_COUNT, TOKEN_ECDSA, TOKEN_SHA256));
	for (int type = 0; type < KEY_TYPE_COUNT; type++)
		assert_true(key_type_signs((enum key_type)type, key_type_scheme((enum key_type)type),
					   key_type_hash((enum key_type)type)));
}

/* The numbers of the list against OpenSSL's: 66 octets for P-521, 512 for RSA 4096; RFC 5480, 2.1.1.1 and RFC 8410, 3. */
static void widths_and_curve_identifiers_are_what_openssl_has(void **state)
{
	(void)state;
	for (int i = 0; i < KEY_TYPE_COUNT; i++) {
		enum key_type type = (enum key_type)i;
		struct span oid = key_type_oid(type);

		if (key_type_family(type) == FAMILY_RSA) {
			assert_int_equal(key_type_width(type) * 8, key_type_bits(type));
			assert_int_equal(oid.len, 0);
			continue;
		}
		const unsigned char *at = oid.at;
		ASN1_OBJECT *object = d2i_ASN1_OBJECT(NULL, &at, (long)oid.len);
		assert_non_null(object);
		assert_ptr_equal(at, oid.at + oid.len);
		assert_int_equal(OBJ_obj2nid(object), OBJ_txt2nid(key_type_group(type)));
		assert_int_equal(key_type_width(type), (key_type_bits(type) + 7) / 8);
		ASN1_OBJECT_free(object);
	}
	assert_int_equal(key_type_signature_len(KEY_EC_P521), 132);
	assert_int_equal(key_type_signature_len(KEY_RSA_4096), 512);
	assert_int_equal(key_type_signature_len(KEY_ED25519), 64);
}

static void an_unknown_name_is_none_of_them(void **state)
{
	(void)state;
	assert_int_equal(key_type_parse("rsa-1024"), KEY_TYPE_COUNT);
	assert_int_equal(key_type_parse(""), KEY_TYPE_COUNT);
	assert_string_equal(key_type_name(KEY_TYPE_COUNT), "unknown");
	assert_int_equal(key_type_bits(KEY_TYPE_COUNT), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_go_both_ways),
		cmocka_unit_test(each_type_signs_as_its_family_does_and_no_other),
		cmocka_unit_test(widths_and_curve_identifiers_are_what_openssl_has),
		cmocka_unit_test(an_unknown_name_is_none_of_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
