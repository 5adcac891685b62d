/*
 * token_contract.h -- the promises of include/token.h as tests, for any backend.
 *
 * A backend's test starts its software token, describes it in a token_fixture, and runs the tests of
 * TOKEN_CONTRACT_TESTS next to its own.  Each test opens the token anew and erases every key it finds.
 *
 *	#include "token_contract.h"
 *	#include "token_contract.c"
 *
 *	static int start(void **state) { ...; *state = &fixture; return 0; }
 *
 *	const struct CMUnitTest tests[] = { TOKEN_CONTRACT_TESTS, cmocka_unit_test(my_own_promise) };
 *	return cmocka_run_group_tests_name(fixture.name, tests, start, stop);
 */
#ifndef HWA_TOKEN_CONTRACT_H
#define HWA_TOKEN_CONTRACT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "token.h"

/* One token that is this test's alone; the group's setup puts its address in *state. */
struct token_fixture {
	const char *name; /* "SoftHSM", "swtpm" */
	const struct config_token *config;
	const char *keys_dir; /* private to the test, for backends that keep files */
	/* How it is opened; NULL: token_open() with the two above. */
	enum rc (*open)(struct token **ret_token, struct err *err);
	bool (*can)(enum key_type type); /* what the backend must be able to make here; not asked of it */
	bool keeps_no_certificates;
	const char *stable; /* a label that may be given to keys; NULL: none is tried */
	/* While `is_refused` find() answers RC_DENIED for the key of this name, which is as good as before; NULL: that is not tried. */
	void (*refuse)(const struct token_key_name *name, bool is_refused);
	const char *secret; /* must never be seen in a reference or an error; NULL: there is none */
};

/* token_contract.c */
#define TOKEN_CONTRACT_TESTS                                                                                                   \
	cmocka_unit_test(info_tells_which_key_types_it_can_make),                                                              \
		cmocka_unit_test(every_type_of_key_is_found_again_and_signs_what_openssl_verifies),                            \
		cmocka_unit_test(a_type_the_token_does_not_have_is_refused),                                                   \
		cmocka_unit_test(ed25519_signs_messages_of_any_length_up_to_the_greatest),                                     \
		cmocka_unit_test(leading_zeros_of_a_signature_are_kept), cmocka_unit_test(custody_is_held_and_told_in_words),  \
		cmocka_unit_test(list_shows_each_key_once_with_its_custody),                                                   \
		cmocka_unit_test(list_stops_when_the_caller_says_so), cmocka_unit_test(an_unknown_id_is_absent),               \
		cmocka_unit_test(a_label_that_is_no_file_name_is_refused),                                                     \
		cmocka_unit_test(a_second_key_with_the_same_id_is_refused), cmocka_unit_test(freeing_a_handle_erases_nothing), \
		cmocka_unit_test(an_erased_key_is_gone_and_erasing_it_again_is_fine),                                          \
		cmocka_unit_test(erasing_one_key_leaves_the_other),                                                            \
		cmocka_unit_test(a_key_that_is_refused_but_not_broken_is_not_erased_for_it),                                   \
		cmocka_unit_test(certificates_stand_beside_a_key_or_are_refused_plainly),                                      \
		cmocka_unit_test(a_label_moves_from_key_to_key),                                                               \
		cmocka_unit_test(a_refused_signature_leaves_the_result_untouched),                                             \
		cmocka_unit_test(success_leaves_the_error_untouched),                                                          \
		cmocka_unit_test(a_reference_names_the_key_and_holds_no_secret),                                               \
		cmocka_unit_test(a_child_process_is_refused_and_the_parent_goes_on)

#endif /* HWA_TOKEN_CONTRACT_H */
