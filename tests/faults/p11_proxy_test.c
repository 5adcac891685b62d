/* p11_proxy_test.c -- the PKCS#11 proxy does what its script says, and nothing without one; on a real SoftHSM. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <poll.h>
#include <sys/wait.h>

#include "clock.h"
#include "p11_proxy.h"
#include "softhsm.h"

#define DEADLINE_MS 20000

static struct softhsm softhsm;
static CK_FUNCTION_LIST *call;
static CK_SLOT_ID slot;

static int start(void **state)
{
	CK_C_GetFunctionList get_list = NULL;
	void *handle = dlopen(P11_PROXY, RTLD_NOW | RTLD_LOCAL);
	void *symbol = handle ? dlsym(handle, "C_GetFunctionList") : NULL;
	CK_SLOT_ID slots[8];
	CK_ULONG count = 8;

	(void)state;
	memcpy(&get_list, &symbol, sizeof(get_list));
	if (softhsm_start(&softhsm) != 0 || softhsm_add("proxied") != 0 || !get_list || get_list(&call) != CKR_OK)
		return -1;
	p11_proxy_script("");
	if (call->C_Initialize(NULL) != CKR_OK || call->C_GetSlotList(CK_TRUE, slots, &count) != CKR_OK)
		return -1;
	slot = slots[0]; /* the last one is always the next, not yet initialized */
	return 0;
}

static int stop(void **state)
{
	(void)state;
	p11_proxy_script("");
	call->C_Finalize(NULL);
	softhsm_stop(&softhsm);
	return 0;
}

static CK_SESSION_HANDLE session_open(void)
{
	CK_SESSION_HANDLE session = 0;
	CK_UTF8CHAR pin[] = SOFTHSM_PIN;

	assert_int_equal(call->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session), CKR_OK);
	assert_int_equal(call->C_Login(session, CKU_USER, pin, sizeof(pin) - 1), CKR_OK);
	return session;
}

static void session_close(CK_SESSION_HANDLE session)
{
	assert_int_equal(call->C_Logout(session), CKR_OK);
	assert_int_equal(call->C_CloseSession(session), CKR_OK);
}

static CK_RV generate(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *ret_private)
{
	static uint8_t p256[] = { 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 };
	static char label[] = "made";
	CK_MECHANISM mechanism = { CKM_EC_KEY_PAIR_GEN, NULL, 0 };
	CK_BBOOL yes = CK_TRUE;
	CK_ATTRIBUTE public_key[] = { { CKA_TOKEN, &yes, 1 }, { CKA_EC_PARAMS, p256, sizeof(p256) } };
	CK_ATTRIBUTE private_key[] = { { CKA_TOKEN, &yes, 1 }, { CKA_PRIVATE, &yes, 1 }, { CKA_LABEL, label, 4 } };
	CK_OBJECT_HANDLE public_object;

	return call->C_GenerateKeyPair(session, &mechanism, public_key, 2, private_key, 3, &public_object, ret_private);
}

static CK_ULONG keys(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE objects[16])
{
	CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
	CK_ATTRIBUTE wanted = { CKA_CLASS, &class, sizeof(class) };
	CK_ULONG count = 0;

	assert_int_equal(call->C_FindObjectsInit(session, &wanted, 1), CKR_OK);
	assert_int_equal(call->C_FindObjects(session, objects, 16, &count), CKR_OK);
	assert_int_equal(call->C_FindObjectsFinal(session), CKR_OK);
	return count;
}

static void keys_drop(CK_SESSION_HANDLE session)
{
	CK_OBJECT_HANDLE objects[16];
	CK_ULONG count = keys(session, objects);

	for (CK_ULONG i = 0; i < count; i++)
		assert_int_equal(call->C_DestroyObject(session, objects[i]), CKR_OK);
}

static CK_RV ask(void)
{
	CK_TOKEN_INFO info;

	return call->C_GetTokenInfo(slot, &info);
}

static void one_call_fails_or_all_from_there_on(void **state)
{
	(void)state;
	p11_proxy_script("C_GetTokenInfo 2 return CKR_DEVICE_ERROR");
	assert_int_equal(ask(), CKR_OK);
	assert_int_equal(ask(), CKR_DEVICE_ERROR);
	assert_int_equal(ask(), CKR_OK);
	p11_proxy_script("C_GetTokenInfo 2+ return 0x8000beef");
	assert_int_equal(ask(), CKR_OK);
	assert_int_equal(ask(), 0x8000beef);
	assert_int_equal(ask(), 0x8000beef);
	assert_int_equal(p11_proxy_calls("C_GetTokenInfo"), 3);
	p11_proxy_script("* 3 return CKR_TOKEN_NOT_PRESENT");
	CK_SESSION_HANDLE session = session_open();
	assert_int_equal(ask(), CKR_TOKEN_NOT_PRESENT);
	assert_int_equal(ask(), CKR_OK);
	assert_int_equal(p11_proxy_calls("*"), 4);
	session_close(session);
}

static void a_lost_answer_had_its_effect_and_a_returned_code_had_none(void **state)
{
	CK_SESSION_HANDLE session = session_open();
	CK_OBJECT_HANDLE object, objects[16];

	(void)state;
	p11_proxy_script("C_GenerateKeyPair 1 return CKR_DEVICE_REMOVED\nC_GenerateKeyPair 2 lose CKR_DEVICE_REMOVED");
	assert_int_equal(generate(session, &object), CKR_DEVICE_REMOVED);
	assert_int_equal(keys(session, objects), 0);
	assert_int_equal(generate(session, &object), CKR_DEVICE_REMOVED);
	assert_int_equal(keys(session, objects), 1);
	keys_drop(session);
	session_close(session);
}

static void sessions_and_keys_are_capped(void **state)
{
	CK_SESSION_HANDLE session = session_open(), more = 0;
	CK_OBJECT_HANDLE object;

	(void)state;
	p11_proxy_script("max-sessions 2\nmax-keys 1");
	assert_int_equal(call->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &more), CKR_OK);
	assert_int_equal(call->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &object), CKR_SESSION_COUNT);
	assert_int_equal(p11_proxy_state().sessions, 2);
	assert_int_equal(call->C_CloseSession(more), CKR_OK);
	assert_int_equal(p11_proxy_state().sessions, 1);
	assert_int_equal(p11_proxy_state().sessions_most, 2);
	assert_int_equal(generate(session, &object), CKR_OK);
	assert_int_equal(generate(session, &object), CKR_DEVICE_MEMORY);
	keys_drop(session);
	session_close(session);
}

static void attributes_lie_and_lengths_too(void **state)
{
	CK_SESSION_HANDLE session = session_open();
	CK_OBJECT_HANDLE object;
	CK_BBOOL extractable = CK_FALSE, local = CK_FALSE;
	CK_ATTRIBUTE asked[] = { { CKA_EXTRACTABLE, &extractable, 1 }, { CKA_LOCAL, &local, 1 } };

	(void)state;
	p11_proxy_script("lie CKA_EXTRACTABLE 1\nlie CKA_LOCAL unknown\nC_GetAttributeValue 2 length 99");
	assert_int_equal(generate(session, &object), CKR_OK);
	assert_int_equal(call->C_GetAttributeValue(session, object, asked, 2), CKR_ATTRIBUTE_TYPE_INVALID);
	assert_int_equal(extractable, CK_TRUE);
	assert_true(asked[1].ulValueLen == CK_UNAVAILABLE_INFORMATION);
	assert_int_equal(call->C_GetAttributeValue(session, object, asked, 1), CKR_OK);
	assert_int_equal(asked[0].ulValueLen, 99);
	keys_drop(session);
	session_close(session);
}

/* Calls once in a child; how that ended, or -1 when it had to be killed at the deadline. */
static int in_child(int stdout_fd, int64_t deadline_ms)
{
	int64_t until = clock_monotonic_ms() + deadline_ms;
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		if (stdout_fd >= 0) {
			dup2(stdout_fd, 1);
			dup2(stdout_fd, 2);
		}
		_exit(ask() == CKR_OK ? 0 : 1);
	}
	assert_true(pid > 0);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (clock_monotonic_ms() > until) {
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
			return -1;
		}
		poll(NULL, 0, 5);
	}
	return status;
}

static void a_call_crashes_aborts_or_hangs(void **state)
{
	int status;

	(void)state;
	p11_proxy_script("C_GetTokenInfo 1 crash");
	status = in_child(-1, DEADLINE_MS);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	p11_proxy_script("C_GetTokenInfo 1 abort");
	status = in_child(-1, DEADLINE_MS);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	p11_proxy_script("C_GetTokenInfo 1 hang");
	assert_int_equal(in_child(-1, 300), -1);
}

static void counts_kept_in_a_file_go_on_in_the_next_process(void **state)
{
	char script[160];

	(void)state;
	snprintf(script, sizeof(script), "counts %s/counts\nC_GetTokenInfo 2 return CKR_DEVICE_ERROR", softhsm.dir);
	p11_proxy_script(script);
	assert_int_equal(in_child(-1, DEADLINE_MS), 0);
	assert_int_equal(WEXITSTATUS(in_child(-1, DEADLINE_MS)), 1);
	assert_int_equal(in_child(-1, DEADLINE_MS), 0);
	assert_int_equal(p11_proxy_calls("C_GetTokenInfo"), 3);
}

static void noise_is_printed_on_both_outputs(void **state)
{
	char text[256] = "";
	int pipe_fds[2];

	(void)state;
	assert_int_equal(pipe(pipe_fds), 0);
	p11_proxy_script("C_GetTokenInfo * noise");
	assert_int_equal(in_child(pipe_fds[1], DEADLINE_MS), 0);
	ssize_t len = read(pipe_fds[0], text, sizeof(text) - 1);
	assert_true(len > 0);
	char *first = strstr(text, "VENDOR DEBUG");
	assert_non_null(first);
	assert_non_null(strstr(first + 1, "VENDOR DEBUG"));
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

static void a_call_is_delayed(void **state)
{
	int64_t before = clock_monotonic_ms();

	(void)state;
	p11_proxy_script("C_GetTokenInfo 1 delay 120");
	assert_int_equal(ask(), CKR_OK);
	assert_true(clock_monotonic_ms() - before >= 120);
}

static size_t file_read(const char *path, char *text, size_t room)
{
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	size_t len = fread(text, 1, room - 1, file);
	fclose(file);
	text[len] = '\0';
	return len;
}

static void the_log_has_a_line_a_call_and_never_the_pin(void **state)
{
	static char text[16384];
	char path[96], script[200];
	CK_OBJECT_HANDLE object;

	(void)state;
	snprintf(path, sizeof(path), "%s/log", softhsm.dir);
	snprintf(script, sizeof(script), "log %s\nC_GetTokenInfo 1 return CKR_PIN_LOCKED", path);
	p11_proxy_script(script);
	CK_SESSION_HANDLE session = session_open();
	assert_int_equal(generate(session, &object), CKR_OK);
	(void)ask();
	p11_proxy_script("");
	file_read(path, text, sizeof(text));
	assert_non_null(strstr(text, " C_OpenSession slot="));
	assert_non_null(strstr(text, " user=1 -> CKR_OK (0x0) sessions=1\n"));
	assert_non_null(strstr(text, " label=made -> CKR_OK"));
	assert_non_null(strstr(text, "-> CKR_PIN_LOCKED (0xa4)"));
	assert_null(strstr(text, SOFTHSM_PIN));
	keys_drop(session);
	session_close(session);
}

static void a_script_file_that_is_replaced_is_read_again(void **state)
{
	char path[96], fresh[96];

	(void)state;
	snprintf(path, sizeof(path), "%s/script", softhsm.dir);
	snprintf(fresh, sizeof(fresh), "%s/fresh", softhsm.dir);
	assert_int_equal(softhsm_write(path, "C_GetTokenInfo 1+ return CKR_DEVICE_ERROR\n"), 0);
	setenv("HWA_P11_PROXY", path, 1);
	p11_proxy_script(NULL);
	assert_int_equal(ask(), CKR_DEVICE_ERROR);
	assert_int_equal(softhsm_write(fresh, "# all is well\n"), 0);
	assert_int_equal(rename(fresh, path), 0);
	assert_int_equal(ask(), CKR_OK);
	unsetenv("HWA_P11_PROXY");
}

static void a_mistake_in_a_script_ends_the_process(void **state)
{
	static const char *const wrong[] = { "C_Sign 1 retrun 5", "C_Sign 1 return CKR_NONE", "C_Sign x return 5",
					     "C_Sign 0 hang",     "C_Sign 1 hang 5",          "log" };

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		pid_t pid = fork();
		int status = 0;

		if (pid == 0) {
			signal(SIGABRT, SIG_DFL);
			close(2);
			p11_proxy_script(wrong[i]);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_call_fails_or_all_from_there_on),
		cmocka_unit_test(a_lost_answer_had_its_effect_and_a_returned_code_had_none),
		cmocka_unit_test(sessions_and_keys_are_capped),
		cmocka_unit_test(attributes_lie_and_lengths_too),
		cmocka_unit_test(a_call_crashes_aborts_or_hangs),
		cmocka_unit_test(counts_kept_in_a_file_go_on_in_the_next_process),
		cmocka_unit_test(noise_is_printed_on_both_outputs),
		cmocka_unit_test(a_call_is_delayed),
		cmocka_unit_test(the_log_has_a_line_a_call_and_never_the_pin),
		cmocka_unit_test(a_script_file_that_is_replaced_is_read_again),
		cmocka_unit_test(a_mistake_in_a_script_ends_the_process),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
