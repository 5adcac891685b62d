/* roots_test.c -- a file of roots is read once while it stays as it is, and what is put in its place counts at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "roots.h"

AUTO_DEFINE(trust, X509_STORE *, X509_STORE_free);

static int64_t now; /* as clock_now() has it; a file's times are the system's */

int64_t clock_now(void)
{
	return now;
}

int64_t clock_now_ms(void)
{
	return now * 1000;
}

int64_t clock_monotonic_ms(void)
{
	return now * 1000;
}

bool clock_wait_until(int64_t at, int64_t max_ms)
{
	return at >= 0 && max_ms >= 0;
}

static char path[] = "/tmp/hwa-roots-XXXXXX";

static int start(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

static int stop(void **state)
{
	(void)state;
	return unlink(path);
}

/* So many certificates of their own; written where they are, or put in the place of what was there. */
static void write_roots(const char *where, int count)
{
	FILE *file = fopen(where, "w");

	assert_non_null(file);
	for (int i = 0; i < count; i++) {
		X509 *root = X509_new();
		EVP_PKEY *pair = EVP_EC_gen("P-256");

		ASN1_INTEGER_set(X509_get_serialNumber(root), i + 1);
		X509_gmtime_adj(X509_getm_notBefore(root), 0);
		X509_gmtime_adj(X509_getm_notAfter(root), 60);
		X509_set_pubkey(root, pair);
		assert_true(X509_sign(root, pair, EVP_sha256()) > 0);
		assert_int_equal(PEM_write_X509(file, root), 1);
		EVP_PKEY_free(pair);
		X509_free(root);
	}
	assert_int_equal(fclose(file), 0);
}

static int64_t changed_at(void)
{
	struct stat status;

	assert_int_equal(stat(path, &status), 0);
	return (int64_t)status.st_ctim.tv_sec;
}

static int count_of(struct roots *roots)
{
	AUTO(trust) X509_STORE *store = NULL;

	assert_int_equal(roots_get(roots, &store, NULL), RC_OK);
	return sk_X509_OBJECT_num(X509_STORE_get0_objects(store));
}

static void a_file_that_stays_is_read_once(void **state)
{
	AUTO(roots) struct roots *roots = NULL;
	AUTO(trust) X509_STORE *first = NULL;
	AUTO(trust) X509_STORE *second = NULL;

	(void)state;
	write_roots(path, 2);
	now = changed_at() + 3600;
	assert_int_equal(roots_new(path, &roots, NULL), RC_OK);
	assert_int_equal(roots_get(roots, &first, NULL), RC_OK);
	assert_int_equal(roots_get(roots, &second, NULL), RC_OK);
	assert_ptr_equal(first, second);
	assert_int_equal(count_of(roots), 2);
}

static void what_is_put_in_its_place_counts_at_once(void **state)
{
	AUTO(roots) struct roots *roots = NULL;
	char beside[sizeof(path) + 4];

	(void)state;
	write_roots(path, 2);
	now = changed_at() + 3600;
	assert_int_equal(roots_new(path, &roots, NULL), RC_OK);
	assert_int_equal(count_of(roots), 2);
	snprintf(beside, sizeof(beside), "%s.new", path);
	write_roots(beside, 3);
	assert_int_equal(rename(beside, path), 0);
	assert_int_equal(count_of(roots), 3);
	write_roots(path, 1);
	assert_int_equal(count_of(roots), 1);
}

/* Two changes in one tick of the file system's clock leave the same times. */
static void a_file_that_was_changed_just_now_is_read_again(void **state)
{
	AUTO(roots) struct roots *roots = NULL;
	AUTO(trust) X509_STORE *first = NULL;
	AUTO(trust) X509_STORE *second = NULL;

	(void)state;
	write_roots(path, 1);
	now = changed_at();
	assert_int_equal(roots_new(path, &roots, NULL), RC_OK);
	assert_int_equal(roots_get(roots, &first, NULL), RC_OK);
	assert_int_equal(roots_get(roots, &second, NULL), RC_OK);
	assert_ptr_not_equal(first, second);
}

static void a_file_that_is_gone_or_damaged_is_told_each_time(void **state)
{
	AUTO(roots) struct roots *roots = NULL;
	AUTO(trust) X509_STORE *store = NULL;
	struct err err = { 0 };

	(void)state;
	write_roots(path, 1);
	now = changed_at() + 3600;
	assert_int_equal(roots_new(path, &roots, NULL), RC_OK);
	assert_int_equal(count_of(roots), 1);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(roots_get(roots, &store, &err), RC_INPUT);
	assert_non_null(strstr(err.text, path));
	write_roots(path, 0);
	assert_int_equal(roots_get(roots, &store, NULL), RC_INPUT);
	write_roots(path, 1);
	assert_int_equal(count_of(roots), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_that_stays_is_read_once),
		cmocka_unit_test(what_is_put_in_its_place_counts_at_once),
		cmocka_unit_test(a_file_that_was_changed_just_now_is_read_again),
		cmocka_unit_test(a_file_that_is_gone_or_damaged_is_told_each_time),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
