/* tpm2_context_test.c -- what each answer of a TPM means for the caller. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tpm2.h"

static char tcti[] = "device:/dev/tpmrm0";
static struct tpm2_token token = { .base.name = "tpm", .tcti = tcti };

static void each_answer_is_one_class_whichever_parameter_it_names(void **state)
{
	static const struct {
		TSS2_RC code;
		enum rc rc;
		const char *words;
	} answers[] = {
		{ 0x98e, RC_DENIED, "not tried again" },
		{ 0x9a2, RC_DENIED, "not tried again" },
		{ 0x921, RC_DENIED, "lockout" },
		{ 0x99d, RC_DENIED, "policy" },
		{ 0x12f, RC_DENIED, "policy" },
		{ 0x1df, RC_ABSENT, "another TPM" },
		{ 0x2df, RC_ABSENT, "another TPM" },
		{ 0x18b, RC_ABSENT, "handle" },
		{ 0x28b, RC_ABSENT, "handle" },
		{ 0x2c4, RC_INPUT, "kind of key" },
		{ 0x2cc, RC_INPUT, "kind of key" },
		{ 0x2e6, RC_INPUT, "kind of key" },
		{ 0x2c7, RC_INPUT, "kind of key" },
		{ 0xb0902, RC_RETRY, "object" }, /* of a resource manager */
		{ 0xc018b, RC_ABSENT, "handle" },
		{ 0x94e, RC_RETRY, "tpm:0x94E" }, /* none of ours: format zero, the low bits of a refusal */
		{ 0x902, RC_RETRY, "object" },
		{ 0x903, RC_RETRY, "session" },
		{ 0x905, RC_RETRY, "session" },
		{ 0x910, RC_RETRY, "flushed" },
		{ 0x918, RC_RETRY, "flushed" },
		{ 0x128, RC_RETRY, "registers" },
		{ 0x100, RC_RETRY, "started" },
		{ 0x922, RC_RETRY, "retry" },
		{ 0x101, RC_RESOURCE, "failure mode" },
		{ 0xa000a, RC_RETRY, tcti },
		{ 0x70007, RC_RETRY, tcti },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct err err = { 0 };

		assert_int_equal(tpm2_fail(&token, &err, answers[i].code, "TPM2_Sign"), answers[i].rc);
		assert_int_equal(err.code, answers[i].code);
		assert_int_equal(err.origin, ERR_TSS);
		if (!strstr(err.text, answers[i].words) || !strstr(err.text, "TPM2_Sign"))
			fail_msg("0x%x: %s", answers[i].code, err.text);
	}
}

static void a_refusal_is_one_of_the_tpm_alone(void **state)
{
	(void)state;
	assert_true(tpm2_is_refusal(0x98e));
	assert_true(tpm2_is_refusal(0x9a2));
	assert_true(tpm2_is_refusal(0x1a2)); /* of a parameter */
	assert_false(tpm2_is_refusal(0));
	assert_false(tpm2_is_refusal(0x922)); /* format zero, the same low bits */
	assert_false(tpm2_is_refusal(0x7000e));
	assert_false(tpm2_is_refusal(0xa000a));
}

static void handles_are_good_for_one_connection(void **state)
{
	static const struct tpm2_key key;

	(void)state;
	token.persistent.number = 0x81000001;
	token.kept.key = &key;
	tpm2_disconnect(&token);
	assert_int_equal(token.persistent.number, 0);
	assert_null(token.kept.key);
}

/* The TCTI's own answer is "IO failure", whatever it is. */
static void a_device_that_cannot_be_opened_says_why(void **state)
{
	char path[] = "/tmp/hwa-tpm-device-XXXXXX", device[64];
	struct tpm2_token absent = { .base.name = "tpm", .tcti = device };
	struct err err = { 0 };
	int fd = mkstemp(path); /* 0600 */

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	snprintf(device, sizeof(device), "device:%s.not", path);
	assert_int_equal(tpm2_connect(&absent, &err), RC_ABSENT);
	assert_non_null(strstr(err.text, "No such file or directory"));
	assert_int_equal(err.origin, ERR_TSS);
	snprintf(device, sizeof(device), "device:%s", path);
	assert_int_equal(chmod(path, 0), 0);
	/* For root no mode is a bound. */
	bool is_root = geteuid() == 0;
	assert_int_equal(is_root ? seteuid(65534) : 0, 0);
	enum rc rc = tpm2_connect(&absent, &err);
	assert_int_equal(is_root ? seteuid(0) : 0, 0);
	unlink(path);
	assert_int_equal(rc, RC_ABSENT);
	assert_non_null(strstr(err.text, "Permission denied"));
	assert_non_null(strstr(err.text, "group"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_answer_is_one_class_whichever_parameter_it_names),
		cmocka_unit_test(a_device_that_cannot_be_opened_says_why),
		cmocka_unit_test(a_refusal_is_one_of_the_tpm_alone),
		cmocka_unit_test(handles_are_good_for_one_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
