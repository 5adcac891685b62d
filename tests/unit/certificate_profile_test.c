/* certificate_profile_test.c -- what is asked of an authority, and what is said when it is not as TS 33.310 wants it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "certificate_profile.h"

static char NAME[] = "dns:amf.5gc.mnc001.mcc001.3gppnetwork.org", URI[] = "uri:urn:uuid:4ace9d34-2c69-4f99-92d5-a73a3fe8e23b";
static char INSTANCE[] = "4ace9d34-2c69-4f99-92d5-a73a3fe8e23b", AMF[] = "AMF", SMF[] = "SMF", DE[] = "DE", RA[] = "ra";
static char *NAMES[] = { NAME, URI }, *TYPES[] = { AMF, SMF };

/* Nothing is to be said against this one. */
static struct config_certificate function(void)
{
	return (struct config_certificate){ .names = NAMES,
					    .name_count = 2,
					    .nf_instance = INSTANCE,
					    .nf_types = TYPES,
					    .nf_type_count = 2,
					    .key = { .type = KEY_EC_P256 } };
}

static struct config_authority authority(void)
{
	return (struct config_authority){ .name = RA, .certificate_profile = { .server = true, .client = true, .country = DE } };
}

static void collect(void *ctx, const char *text)
{
	strncat(ctx, text, 1000);
	strncat(ctx, "\n", 2);
}

static void expect_warning(const struct config_certificate *certificate, const struct config_authority *from, const char *words)
{
	char all[4096] = "";
	unsigned count = certificate_profile_warn(certificate, from, collect, all);

	if (!strstr(all, words) || count != 1)
		fail_msg("not \"%s\" alone in %u: %s", words, count, all);
}

/* A public CA is asked for names alone. */
static void without_nf_nothing_but_names_is_asked_for(void **state)
{
	struct config_certificate plain = { .names = NAMES, .name_count = 1 };
	struct config_authority from = authority();
	struct csr_request request = certificate_profile_request(&plain, &from);
	char text[CERTIFICATE_PROFILE_TEXT_MAX];

	(void)state;
	assert_int_equal(request.parts, 0);
	assert_false(request.is_nf);
	certificate_profile_print(&request, text);
	assert_string_equal(text, "");
	assert_int_equal(certificate_profile_warn(&plain, &from, collect, text), 0);
	/* A URI that was written is asked for. */
	plain.name_count = 2;
	assert_int_equal(certificate_profile_request(&plain, &from).parts, CONFIG_ASK_BIT(ASK_URI));
}

static void with_nf_the_whole_profile_is_asked_for(void **state)
{
	struct config_certificate nf = function();
	struct config_authority from = authority();
	struct csr_request request = certificate_profile_request(&nf, &from);
	char text[CERTIFICATE_PROFILE_TEXT_MAX];

	(void)state;
	assert_int_equal(request.parts, CONFIG_ASK_ALL);
	assert_true(request.is_nf);
	/* TS 33.310, 6.1.3c: O is the home domain, found in the names. */
	assert_string_equal(request.organization, "5gc.mnc001.mcc001.3gppnetwork.org");
	certificate_profile_print(&request, text);
	assert_string_equal(text, "C=DE O=5gc.mnc001.mcc001.3gppnetwork.org uri key-usage server client nf:AMF nf:SMF");
}

static void what_is_written_in_ask_holds_for_all(void **state)
{
	struct config_certificate nf = function(), plain = { .names = NAMES, .name_count = 1 };
	struct config_authority from = authority();

	(void)state;
	from.certificate_profile.has_ask = true;
	assert_int_equal(certificate_profile_request(&nf, &from).parts, 0);
	from.certificate_profile.ask = CONFIG_ASK_ALL;
	/* There are no URI, no organization and no types to ask for. */
	from.certificate_profile.country = NULL;
	assert_int_equal(certificate_profile_request(&plain, &from).parts,
			 CONFIG_ASK_BIT(ASK_KEY_USAGE) | CONFIG_ASK_BIT(ASK_EXTENDED_KEY_USAGE));
}

static void a_good_profile_has_no_warning(void **state)
{
	struct config_certificate nf = function();
	struct config_authority from = authority();
	char all[4096] = "";

	(void)state;
	if (certificate_profile_warn(&nf, &from, collect, all) != 0)
		fail_msg("%s", all);
}

static void each_point_is_told(void **state)
{
	static char lower[] = "amf", own[] = "OPERATOR_OWN", v1[] = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6", other[] = "other";
	static char variant[] = "4ace9d34-2c69-4f99-f2d5-a73a3fe8e23b", short_mnc[] = "dns:amf.5gc.mnc01.mcc001.3gppnetwork.org";
	static char *lowers[] = { lower }, *owns[] = { own }, *shorts[] = { short_mnc, URI };
	struct config_certificate nf = function();
	struct config_authority from = authority();

	(void)state;
	nf.nf_type_count = 0;
	expect_warning(&nf, &from, "nfTypes are mandatory");
	nf = function();
	nf.nf_type_count = 1;
	nf.nf_types = lowers;
	/* RFC 9310, appendix A: the names of 3GPP are known. */
	expect_warning(&nf, &from, "write AMF");
	nf.nf_types = owns;
	expect_warning(&nf, &from, "one of your own");
	nf = function();
	nf.nf_instance = NULL;
	expect_warning(&nf, &from, "no NF instance");
	nf = function();
	nf.name_count = 1;
	nf.nf_instance = v1;
	expect_warning(&nf, &from, "version 4");
	/* RFC 9562, 4.1 */
	nf.nf_instance = variant;
	expect_warning(&nf, &from, "version 4");
	nf = function();
	nf.names = shorts;
	from.certificate_profile.organization = NAME + 8;
	/* TS 23.003, 28.2: three digits each. */
	expect_warning(&nf, &from, "23.003");
	from = authority();
	nf = function();
	nf.key.type = KEY_ED25519;
	/* TS 33.310, 6.1.1 */
	expect_warning(&nf, &from, "6.1.1");
	nf = function();
	from.certificate_profile.country = NULL;
	expect_warning(&nf, &from, "no country");
	from = authority();
	from.certificate_profile.organization = other;
	expect_warning(&nf, &from, "not the home domain");
	from = authority();
	from.certificate_profile.has_ask = true;
	from.certificate_profile.ask = CONFIG_ASK_ALL & ~CONFIG_ASK_BIT(ASK_URI) & ~CONFIG_ASK_BIT(ASK_NF_TYPES);
	expect_warning(&nf, &from, "not asked for: uri nf-types");
	from = authority();
	from.certificate_profile.accept_without = CONFIG_ASK_BIT(ASK_SUBJECT);
	expect_warning(&nf, &from, "accepted without: subject");
}

static void another_instance_among_the_names_is_told(void **state)
{
	static char second[] = "uri:urn:uuid:00000000-0000-4000-8000-000000000000", *names[] = { NAME, URI, second };
	static char identifier[] = "nf-instance:00000000-0000-4000-8000-000000000000";
	static char own[] = "nf-instance:4ace9d34-2c69-4f99-92d5-a73a3fe8e23b";
	char all[4096] = "";
	struct config_certificate nf = function();
	struct config_authority from = authority();

	(void)state;
	nf.names = names;
	nf.name_count = 3;
	expect_warning(&nf, &from, "another instance");
	names[2] = identifier;
	expect_warning(&nf, &from, "another instance");
	/* Its own, as an identifier, is one. */
	names[2] = own;
	assert_int_equal(certificate_profile_warn(&nf, &from, collect, all), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_nf_nothing_but_names_is_asked_for),
		cmocka_unit_test(with_nf_the_whole_profile_is_asked_for),
		cmocka_unit_test(what_is_written_in_ask_holds_for_all),
		cmocka_unit_test(a_good_profile_has_no_warning),
		cmocka_unit_test(each_point_is_told),
		cmocka_unit_test(another_instance_among_the_names_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
