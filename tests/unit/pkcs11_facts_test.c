/* pkcs11_facts_test.c -- what modules make of one question for many attributes: as the standard has it, and as some do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "pkcs11.h"

/* A module with one object, and a way of its own to fail. */
static struct {
	unsigned calls, attributes_most;
	CK_RV rv;             /* of a call for more than one; CKR_OK: as the standard has it */
	CK_RV of_one;         /* of what it does not know */
	bool stops;           /* at the first it does not know, and leaves the rest as it was */
	bool clears;          /* the pointer of what it does not know, and its length (tpm2-pkcs11) */
	CK_ULONG claimed_len; /* of CKA_ID; 0: the truth */
} module;
static const CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
static const CK_BYTE id[] = { 1, 2, 3, 4 };
static const CK_BBOOL yes = CK_TRUE;

static struct span value_of(CK_ATTRIBUTE_TYPE type)
{
	switch (type) {
	case CKA_CLASS: return span_of(&class, sizeof(class));
	case CKA_ID: return SPAN(id);
	case CKA_SENSITIVE:
	case CKA_LOCAL: return span_of(&yes, sizeof(yes));
	default: return span_of(NULL, 0);
	}
}

static bool tell(CK_ATTRIBUTE *attribute)
{
	struct span value = value_of(attribute->type);

	if (value.at && value.len <= attribute->ulValueLen) {
		memcpy(attribute->pValue, value.at, value.len);
		attribute->ulValueLen = attribute->type == CKA_ID && module.claimed_len ? module.claimed_len : value.len;
		return true;
	}
	if (module.clears)
		attribute->pValue = NULL;
	attribute->ulValueLen = module.clears ? 0 : CK_UNAVAILABLE_INFORMATION;
	return false;
}

static CK_RV get_attributes(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *attributes, CK_ULONG count)
{
	CK_RV rv = CKR_OK;

	(void)session, (void)object;
	module.calls++;
	if (count > module.attributes_most)
		module.attributes_most = (unsigned)count;
	if (count > 1 && module.rv != CKR_OK)
		return module.rv;
	for (CK_ULONG i = 0; i < count; i++) {
		if (tell(&attributes[i]))
			continue;
		rv = module.of_one;
		if (module.stops)
			break;
	}
	return rv;
}

static CK_FUNCTION_LIST call = { .C_GetAttributeValue = get_attributes };
static struct pkcs11_session session = { .call = &call };

static int begin(void **state)
{
	(void)state;
	memset(&module, 0, sizeof(module));
	module.of_one = CKR_ATTRIBUTE_TYPE_INVALID;
	session.is_gone = session.is_spoiled = false;
	return 0;
}

/* What it has is told, the rest is not, and the reason is known. */
static void expect_all(const struct pkcs11_facts *facts)
{
	assert_int_equal(pkcs11_fact_number(facts, CKA_CLASS), CKO_PRIVATE_KEY);
	assert_true(span_equal(pkcs11_fact(facts, CKA_ID), SPAN(id)));
	assert_true(span_equal(pkcs11_fact(facts, CKA_SENSITIVE), span_of(&yes, sizeof(yes))));
	assert_true(span_equal(pkcs11_fact(facts, CKA_LOCAL), span_of(&yes, sizeof(yes))));
	assert_int_equal(pkcs11_fact(facts, CKA_EXTRACTABLE).len, 0);
	assert_int_equal(pkcs11_fact(facts, CKA_MODULUS).len, 0);
	assert_true(pkcs11_fact_number(facts, CKA_KEY_TYPE) == CK_UNAVAILABLE_INFORMATION);
	assert_false(session.is_gone);
}

static void one_call_reads_all_that_is_known(void **state)
{
	struct pkcs11_facts facts;

	(void)state;
	assert_int_equal(pkcs11_facts_read(&session, 1, PKCS11_READ_ALL, &facts, NULL), RC_OK);
	expect_all(&facts);
	assert_int_equal(facts.untold, CKR_ATTRIBUTE_TYPE_INVALID);
	assert_int_equal(module.calls, 1);
	assert_int_equal(module.attributes_most, PKCS11_FACTS_MAX);
	module.of_one = CKR_ATTRIBUTE_SENSITIVE;
	assert_int_equal(pkcs11_facts_read(&session, 1, PKCS11_READ_ALL, &facts, NULL), RC_OK);
	expect_all(&facts);
	assert_int_equal(facts.untold, CKR_ATTRIBUTE_SENSITIVE);
}

static void only_what_is_asked_for_is_read(void **state)
{
	struct pkcs11_facts facts;

	(void)state;
	assert_int_equal(pkcs11_facts_read(&session, 1, PKCS11_READ_ID, &facts, NULL), RC_OK);
	assert_int_equal(module.attributes_most, 1);
	assert_int_equal(facts.untold, CKR_OK);
	assert_true(span_equal(pkcs11_fact(&facts, CKA_ID), SPAN(id)));
	assert_null(pkcs11_fact(&facts, CKA_CLASS).at);
}

static void a_module_that_stops_at_the_first_is_asked_for_the_rest_alone(void **state)
{
	struct pkcs11_facts facts;

	(void)state;
	module.stops = true;
	assert_int_equal(pkcs11_facts_read(&session, 1, PKCS11_READ_ALL, &facts, NULL), RC_OK);
	expect_all(&facts);
	assert_in_range(module.calls, 2, 1 + PKCS11_FACTS_MAX);
}

static void a_module_that_refuses_many_at_once_is_asked_for_each(void **state)
{
	struct pkcs11_facts facts;

	(void)state;
	module.rv = CKR_FUNCTION_NOT_SUPPORTED;
	assert_int_equal(pkcs11_facts_read(&session, 1, PKCS11_READ_ALL, &facts, NULL), RC_OK);
	expect_all(&facts);
	assert_int_equal(module.calls, 1 + PKCS11_FACTS_MAX);
}

static void a_module_that_clears_the_pointer_is_borne_with(void **state)
{
	struct pkcs11_facts facts;

	(void)state;
	module.clears = true;
	assert_int_equal(pkcs11_facts_read(&session, 1, PKCS11_READ_ALL, &facts, NULL), RC_OK);
	expect_all(&facts);
}

static void a_length_beyond_the_room_is_nothing_told(void **state)
{
	static const CK_ULONG lies[] = { 129, 100000, CK_UNAVAILABLE_INFORMATION };

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct pkcs11_facts facts;

		module.claimed_len = lies[i];
		assert_int_equal(pkcs11_facts_read(&session, 1, PKCS11_READ_ID, &facts, NULL), RC_OK);
		assert_null(pkcs11_fact(&facts, CKA_ID).at);
		assert_int_equal(facts.untold, CKR_ATTRIBUTE_VALUE_INVALID);
	}
}

/* A token that went away says nothing about its keys. */
static void what_may_be_told_another_time_is_a_failure(void **state)
{
	struct pkcs11_facts facts;
	struct err err = { 0 };

	(void)state;
	module.rv = CKR_DEVICE_REMOVED;
	assert_int_equal(pkcs11_facts_read(&session, 1, PKCS11_READ_ALL, &facts, &err), RC_RETRY);
	assert_int_equal(err.code, CKR_DEVICE_REMOVED);
	assert_true(session.is_gone);
	assert_int_equal(module.calls, 1);
	module.rv = CKR_OK;
	module.stops = true;
	module.of_one = CKR_DEVICE_MEMORY;
	assert_int_equal(pkcs11_facts_read(&session, 1, PKCS11_READ_ALL, &facts, &err), RC_RESOURCE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(one_call_reads_all_that_is_known, begin),
		cmocka_unit_test_setup(only_what_is_asked_for_is_read, begin),
		cmocka_unit_test_setup(a_module_that_stops_at_the_first_is_asked_for_the_rest_alone, begin),
		cmocka_unit_test_setup(a_module_that_refuses_many_at_once_is_asked_for_each, begin),
		cmocka_unit_test_setup(a_module_that_clears_the_pointer_is_borne_with, begin),
		cmocka_unit_test_setup(a_length_beyond_the_room_is_nothing_told, begin),
		cmocka_unit_test_setup(what_may_be_told_another_time_is_a_failure, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
