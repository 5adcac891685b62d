/* tcti_proxy_test.c -- the TCTI proxy does what its script says, and counts what is loaded; on a real swtpm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <tss2/tss2_esys.h>
#include <tss2/tss2_tctildr.h>

#include "swtpm.h"
#include "tcti_proxy.h"

static struct swtpm swtpm;
static TSS2_TCTI_CONTEXT *tcti;
static ESYS_CONTEXT *esys;

static int start(void **state)
{
	char conf[256];

	(void)state;
	setenv("TSS2_LOG", "all+NONE", 1);
	tcti_proxy_script("");
	if (swtpm_start(&swtpm) != 0)
		return -1;
	snprintf(conf, sizeof(conf), "%s:%s", TCTI_PROXY, swtpm.tcti);
	return Tss2_TctiLdr_Initialize(conf, &tcti) == TSS2_RC_SUCCESS && Esys_Initialize(&esys, tcti, NULL) == TSS2_RC_SUCCESS
		       ? 0
		       : -1;
}

static int stop(void **state)
{
	(void)state;
	Esys_Finalize(&esys);
	Tss2_TctiLdr_Finalize(&tcti);
	swtpm_stop(&swtpm);
	return 0;
}

/* After an error of the TCTI an ESYS context is of no more use. */
static void reopen(void)
{
	Esys_Finalize(&esys);
	assert_int_equal(Esys_Initialize(&esys, tcti, NULL), TSS2_RC_SUCCESS);
}

static TSS2_RC ask(void)
{
	TPM2B_DIGEST *random = NULL;
	TSS2_RC code = Esys_GetRandom(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, 8, &random);

	Esys_Free(random);
	return code;
}

static void one_command_fails_or_all_from_there_on(void **state)
{
	(void)state;
	tcti_proxy_script("TPM2_GetRandom 2 return TPM2_RC_LOCKOUT");
	assert_int_equal(ask(), TSS2_RC_SUCCESS);
	assert_int_equal(ask(), TPM2_RC_LOCKOUT);
	assert_int_equal(ask(), TSS2_RC_SUCCESS);
	tcti_proxy_script("TPM2_GetRandom 2+ return 0x1df");
	assert_int_equal(ask(), TSS2_RC_SUCCESS);
	assert_int_equal(ask(), 0x1df);
	assert_int_equal(ask(), 0x1df);
	assert_int_equal(tcti_proxy_calls("TPM2_GetRandom"), 3);
	tcti_proxy_script("");
	assert_int_equal(ask(), TSS2_RC_SUCCESS);
}

static void the_connection_itself_fails(void **state)
{
	(void)state;
	tcti_proxy_script("TPM2_GetRandom 1 return TSS2_TCTI_RC_IO_ERROR\nTPM2_GetRandom 2 lose TSS2_TCTI_RC_NO_CONNECTION");
	assert_int_equal(ask(), TSS2_TCTI_RC_IO_ERROR);
	reopen();
	assert_int_equal(ask(), TSS2_TCTI_RC_NO_CONNECTION);
	reopen();
	assert_int_equal(ask(), TSS2_RC_SUCCESS);
}

static void an_answer_is_cut_or_garbled(void **state)
{
	static const struct {
		const char *script;
		bool is_noticed; /* the library looks at the header alone: what is missing behind it, it takes from its own buffer */
	} cases[] = { { "TPM2_GetRandom 1 cut 9", true },
		      { "TPM2_GetRandom 1 garble 1", true },
		      { "TPM2_GetRandom 1 cut 12", false },
		      { "TPM2_GetRandom 1 garble 5", false } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		tcti_proxy_script(cases[i].script);
		assert_int_equal(ask() != TSS2_RC_SUCCESS, cases[i].is_noticed);
		reopen();
		assert_int_equal(ask(), TSS2_RC_SUCCESS);
	}
}

static ESYS_TR primary(void)
{
	static const TPM2B_SENSITIVE_CREATE sensitive;
	static const TPM2B_DATA outside;
	static const TPML_PCR_SELECTION pcrs;
	static const TPM2B_PUBLIC wanted = { .publicArea = { .type = TPM2_ALG_ECC,
							     .nameAlg = TPM2_ALG_SHA256,
							     .objectAttributes = TPMA_OBJECT_SENSITIVEDATAORIGIN |
										 TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA |
										 TPMA_OBJECT_SIGN_ENCRYPT,
							     .parameters.eccDetail = { .symmetric.algorithm = TPM2_ALG_NULL,
										       .scheme.scheme = TPM2_ALG_NULL,
										       .curveID = TPM2_ECC_NIST_P256,
										       .kdf.scheme = TPM2_ALG_NULL } } };
	ESYS_TR handle = ESYS_TR_NONE;

	assert_int_equal(Esys_CreatePrimary(esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &sensitive,
					    &wanted, &outside, &pcrs, &handle, NULL, NULL, NULL, NULL),
			 TSS2_RC_SUCCESS);
	return handle;
}

static ESYS_TR session(void)
{
	static const TPMT_SYM_DEF none = { .algorithm = TPM2_ALG_NULL };
	ESYS_TR handle = ESYS_TR_NONE;

	assert_int_equal(Esys_StartAuthSession(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, NULL,
					       TPM2_SE_HMAC, &none, TPM2_ALG_SHA256, &handle),
			 TSS2_RC_SUCCESS);
	return handle;
}

static void objects_and_sessions_are_counted_while_they_are_loaded(void **state)
{
	(void)state;
	tcti_proxy_script("");
	ESYS_TR first = primary(), second = primary(), kept = session(), ended = session();
	assert_int_equal(tcti_proxy_state().objects, 2);
	assert_int_equal(tcti_proxy_state().sessions, 2);
	/* A session that is not continued ends with the command it was for. */
	assert_int_equal(
		Esys_TRSess_SetAttributes(esys, ended, TPMA_SESSION_AUDIT, TPMA_SESSION_AUDIT | TPMA_SESSION_CONTINUESESSION),
		TSS2_RC_SUCCESS);
	TPM2B_PUBLIC *public = NULL;
	assert_int_equal(Esys_ReadPublic(esys, first, ended, ESYS_TR_NONE, ESYS_TR_NONE, &public, NULL, NULL), TSS2_RC_SUCCESS);
	Esys_Free(public);
	assert_int_equal(tcti_proxy_state().sessions, 1);
	assert_int_equal(Esys_FlushContext(esys, kept), TSS2_RC_SUCCESS);
	assert_int_equal(Esys_FlushContext(esys, first), TSS2_RC_SUCCESS);
	assert_int_equal(Esys_FlushContext(esys, second), TSS2_RC_SUCCESS);
	assert_int_equal(tcti_proxy_state().objects, 0);
	assert_int_equal(tcti_proxy_state().sessions, 0);
	assert_int_equal(tcti_proxy_state().objects_most, 2);
	assert_int_equal(tcti_proxy_state().sessions_most, 2);
}

static void what_a_lost_answer_left_in_the_tpm_is_counted(void **state)
{
	(void)state;
	tcti_proxy_script("TPM2_FlushContext 1 return TPM2_RC_HANDLE\nTPM2_FlushContext 2 lose TPM2_RC_HANDLE");
	ESYS_TR first = primary();
	assert_int_equal(Esys_FlushContext(esys, first), TPM2_RC_HANDLE);
	assert_int_equal(tcti_proxy_state().objects, 1);
	assert_int_equal(Esys_FlushContext(esys, first), TPM2_RC_HANDLE);
	assert_int_equal(tcti_proxy_state().objects, 0);
}

static void the_log_has_a_line_a_command(void **state)
{
	char path[96], script[128], line[256];
	unsigned lines = 0;

	(void)state;
	snprintf(path, sizeof(path), "%s/log", swtpm.dir);
	snprintf(script, sizeof(script), "log %s\nTPM2_GetRandom 1 return 0x922", path);
	tcti_proxy_script(script);
	ESYS_TR first = primary();
	assert_int_equal(Esys_FlushContext(esys, first), TSS2_RC_SUCCESS);
	assert_int_equal(ask(), TSS2_RC_SUCCESS); /* ESYS asks again after TPM2_RC_RETRY */
	tcti_proxy_script("");
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	static const char *const wanted[] = { " TPM2_CreatePrimary handle=0x40000001 new=0x80", " TPM2_FlushContext handle=0x80",
					      " TPM2_GetRandom -> 0x922 objects=0", " TPM2_GetRandom -> 0x000 objects=0" };
	while (fgets(line, sizeof(line), file)) {
		assert_true(lines < 4);
		assert_non_null(strstr(line, wanted[lines++]));
	}
	fclose(file);
	assert_int_equal(lines, 4);
}

static void the_tpm_is_not_there_when_it_is_opened(void **state)
{
	TSS2_TCTI_CONTEXT *other = NULL;
	char conf[256];

	(void)state;
	snprintf(conf, sizeof(conf), "%s:%s", TCTI_PROXY, swtpm.tcti);
	tcti_proxy_script("TPM2_tcti_open 1 return TSS2_TCTI_RC_IO_ERROR");
	assert_int_not_equal(Tss2_TctiLdr_Initialize(conf, &other), TSS2_RC_SUCCESS);
	assert_int_equal(Tss2_TctiLdr_Initialize(conf, &other), TSS2_RC_SUCCESS);
	Tss2_TctiLdr_Finalize(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_command_fails_or_all_from_there_on),
		cmocka_unit_test(the_connection_itself_fails),
		cmocka_unit_test(an_answer_is_cut_or_garbled),
		cmocka_unit_test(objects_and_sessions_are_counted_while_they_are_loaded),
		cmocka_unit_test(what_a_lost_answer_left_in_the_tpm_is_counted),
		cmocka_unit_test(the_log_has_a_line_a_command),
		cmocka_unit_test(the_tpm_is_not_there_when_it_is_opened),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
