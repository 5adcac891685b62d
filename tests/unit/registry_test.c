/* registry_test.c -- the list of backends is sound: each has its own scheme and every operation but attest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "token.h"

static void every_backend_has_every_operation(void **state)
{
	(void)state;
	for (size_t i = 0; token_backends[i]; i++) {
		const struct token_ops *ops = token_backends[i];

		assert_non_null(ops->scheme);
		assert_true(ops->open && ops->close && ops->info && ops->generate && ops->find && ops->list);
		assert_true(ops->key_free && ops->public_key && ops->sign && ops->custody && ops->reference && ops->erase);
	}
}

static void schemes_are_unique_and_both_kinds_of_hardware_are_there(void **state)
{
	unsigned pkcs11 = 0, tpm2 = 0;

	(void)state;
	for (size_t i = 0; token_backends[i]; i++) {
		pkcs11 += strcmp(token_backends[i]->scheme, "pkcs11") == 0;
		tpm2 += strcmp(token_backends[i]->scheme, "tpm2") == 0;
		for (size_t other = 0; other < i; other++)
			assert_string_not_equal(token_backends[i]->scheme, token_backends[other]->scheme);
	}
	assert_int_equal(pkcs11, 1);
	assert_int_equal(tpm2, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_backend_has_every_operation),
		cmocka_unit_test(schemes_are_unique_and_both_kinds_of_hardware_are_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
