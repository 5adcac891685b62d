/* pkcs11_quirks_test.c -- a module is known by what it says of itself, and whatever is unknown is treated as the standard has it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "key_type.h"
#include "pkcs11_quirks.h"

static void field(CK_UTF8CHAR *at, size_t width, const char *text)
{
	memset(at, ' ', width);
	memcpy(at, text, strlen(text));
}

static const struct pkcs11_quirks *find(const char *library, const char *maker, const char *model)
{
	CK_INFO info = { 0 };
	CK_TOKEN_INFO token = { 0 };

	field(info.manufacturerID, sizeof(info.manufacturerID), "");
	field(info.libraryDescription, sizeof(info.libraryDescription), library);
	field(token.manufacturerID, sizeof(token.manufacturerID), maker);
	field(token.model, sizeof(token.model), model);
	return pkcs11_quirks_find(&info, &token);
}

static void nss_is_known_to_give_out_keys(void **state)
{
	const struct pkcs11_quirks *quirks = find("NSS Internal Crypto Services", "Mozilla Foundation", "NSS 3");

	(void)state;
	assert_true(quirks->gives_out_unextractable);
	assert_true(quirks->cannot_say_local);
	assert_true(quirks->is_software);
}

static void a_tpm_behind_pkcs11_is_hardware_and_a_software_tpm_is_not(void **state)
{
	const struct pkcs11_quirks *chip = find("TPM2.0 Cryptoki", "Infineon", "SLB9670"),
				   *software = find("TPM2.0 Cryptoki", "IBM", "SW   TPM");

	(void)state;
	assert_false(chip->is_software);
	assert_true(software->is_software);
	assert_int_equal(chip->generations, software->generations);
	assert_int_equal(chip->unusable_types, 1u << KEY_EC_P521);
	assert_false(chip->gives_out_unextractable);
}

static void an_unknown_module_is_asked_for_everything_and_believed(void **state)
{
	const struct pkcs11_quirks *quirks = find("Somebody's HSM", "Somebody", "One");

	(void)state;
	assert_int_equal(quirks->template_step, 0);
	assert_int_equal(quirks->generations, 0);
	assert_int_equal(quirks->unusable_types, 0);
	assert_false(quirks->is_software);
	assert_false(quirks->gives_out_unextractable);
	assert_false(quirks->cannot_say_local);
}

static void a_token_of_another_maker_with_a_like_name_is_not_taken_for_it(void **state)
{
	(void)state;
	assert_true(find("", "IBM Corp.", "IBM SoftTok")->is_software);
	assert_false(find("", "IBM Corp.", "EP11Tok")->is_software);
	assert_false(find("", "Somebody", "NSS 3")->gives_out_unextractable);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nss_is_known_to_give_out_keys),
		cmocka_unit_test(a_tpm_behind_pkcs11_is_hardware_and_a_software_tpm_is_not),
		cmocka_unit_test(an_unknown_module_is_asked_for_everything_and_believed),
		cmocka_unit_test(a_token_of_another_maker_with_a_like_name_is_not_taken_for_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
