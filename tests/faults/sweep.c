/* sweep.c -- cases counted and judged, and a clock that is moved; linked in place of what it wraps (faults.cmake). */
#include "sweep.h"

#include <dlfcn.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

#define SHOWN_MAX 40 /* SWEEP_SHOWN in the environment: another number */

static char case_name[256];
static unsigned cases, failed, shown;
static bool has_failed;
static int64_t offset_ms, tick_ms;

void sweep_case(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(case_name, sizeof(case_name), format, arguments);
	va_end(arguments);
	cases++;
	has_failed = false;
	if (getenv("SWEEP_TRACE"))
		fprintf(stderr, "%s\n", case_name);
}

void sweep_fail(const char *format, ...)
{
	va_list arguments;

	failed += !has_failed;
	has_failed = true;
	const char *wanted = getenv("SWEEP_SHOWN");
	if (++shown > (wanted ? strtoul(wanted, NULL, 10) : SHOWN_MAX))
		return;
	printf("  %s: ", case_name);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	printf("\n");
	fflush(stdout);
}

unsigned sweep_end(const char *name)
{
	unsigned result = failed;

	if (cases >= 1000)
		printf("%s: %u,%03u cases, %u failed\n", name, cases / 1000, cases % 1000, failed);
	else
		printf("%s: %u cases, %u failed\n", name, cases, failed);
	fflush(stdout);
	cases = failed = shown = 0;
	return result;
}

bool sweep_is_wanted(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], name) == 0)
			return true;
	return argc == 1;
}

const char *sweep_directory(void)
{
	return access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp";
}

struct err sweep_err(void)
{
	return (struct err){ .rc = RC_BUG, .origin = ERR_ACME, .code = 0x5a5a, .retry_at = -1, .text = "untouched" };
}

const char *sweep_rc_name(enum rc rc)
{
	static const char *const names[] = {
		[RC_OK] = "RC_OK",         [RC_RETRY] = "RC_RETRY",       [RC_DENIED] = "RC_DENIED",     [RC_INPUT] = "RC_INPUT",
		[RC_ABSENT] = "RC_ABSENT", [RC_PROTOCOL] = "RC_PROTOCOL", [RC_RESOURCE] = "RC_RESOURCE", [RC_BUG] = "RC_BUG",
	};

	return (unsigned)rc < sizeof(names) / sizeof(names[0]) ? names[rc] : "no rc at all";
}

void sweep_err_check(const char *what, enum rc rc, const struct err *err, const char *secret)
{
	const struct err before = sweep_err();
	bool is_untouched = err->rc == before.rc && err->origin == before.origin && err->code == before.code &&
			    err->retry_at == before.retry_at && strcmp(err->text, before.text) == 0;

	if (rc == RC_OK && !is_untouched)
		sweep_fail("%s: success, and *err says %s", what, err->text);
	if (rc != RC_OK && (err->rc != rc || strcmp(err->text, before.text) == 0 || !err->text[0]))
		sweep_fail("%s: %s, and *err says %s \"%s\"", what, sweep_rc_name(rc), sweep_rc_name(err->rc), err->text);
	if (secret && strstr(err->text, secret))
		sweep_fail("%s: a secret is in the text", what);
}

void sweep_clock_tick(int64_t ms)
{
	tick_ms = ms;
}

void sweep_clock_advance(int64_t ms)
{
	offset_ms += ms;
}

int64_t __real_clock_monotonic_ms(void);
int64_t __wrap_clock_monotonic_ms(void);
int64_t __wrap_clock_monotonic_ms(void)
{
	offset_ms += tick_ms;
	return __real_clock_monotonic_ms() + offset_ms;
}

bool __wrap_clock_wait_until(int64_t at, int64_t max_ms);
bool __wrap_clock_wait_until(int64_t at, int64_t max_ms)
{
	int64_t wait = at > INT64_MAX / 1000 ? max_ms : (at - clock_now()) * 1000;

	offset_ms += wait < max_ms ? wait : max_ms;
	return true;
}

/* Refused secrets are remembered by a slow function of them; what is swept here is not its slowness. */
int __wrap_EVP_PBE_scrypt(const char *secret, size_t len, const unsigned char *salt, size_t salt_len, uint64_t cost,
			  uint64_t block, uint64_t parallel, uint64_t memory, unsigned char *key, size_t key_len);
int __wrap_EVP_PBE_scrypt(const char *secret, size_t len, const unsigned char *salt, size_t salt_len, uint64_t cost,
			  uint64_t block, uint64_t parallel, uint64_t memory, unsigned char *key, size_t key_len)
{
	(void)cost, (void)block, (void)parallel, (void)memory;
	return PKCS5_PBKDF2_HMAC(secret, (int)len, salt, (int)salt_len, 1, EVP_sha256(), (int)key_len, key);
}

/* tpm2-tss makes an OpenSSL library context for every digest, two milliseconds each: here one serves all. */
static OSSL_LIB_CTX *shared_context;

OSSL_LIB_CTX *OSSL_LIB_CTX_new(void)
{
	if (!shared_context) {
		OSSL_LIB_CTX *(*make)(void) = NULL;
		void *symbol = dlsym(RTLD_NEXT, "OSSL_LIB_CTX_new");

		memcpy(&make, &symbol, sizeof(make));
		shared_context = make();
	}
	return shared_context;
}

void OSSL_LIB_CTX_free(OSSL_LIB_CTX *context)
{
	(void)context;
}
