/* status_list_test.c -- those that need attention come first, then the soonest; pages hold what they promise; changes are seen. */
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

#include "certificate_profile.h"
#include "clock.h"
#include "renewal_record.h"
#include "status_list.h"

#define NOW  INT64_C(1795880829)
#define DAY  INT64_C(86400)
#define MANY 120

static char dir[] = "/tmp/hwa-list-XXXXXX", state_dir[64];
static char RA[] = "ra", POLICY[] = "half", HOST[] = "dns:host.example", TOKEN[] = "hsm", MODULE[] = "/module.so";
static char *NAMES[] = { HOST };
static struct config_token tokens[] = { { .name = TOKEN, .module = MODULE } };
static struct config_authority authorities[] = { { .name = RA } };
static struct config_policy policies[] = { { .name = POLICY, .renew_after_percent = 50 } };
static char names[MANY][16];
static struct config_certificate certificates[MANY];
static struct config config = { .state = state_dir,
				.tokens = tokens,
				.token_count = 1,
				.authorities = authorities,
				.authority_count = 1,
				.policies = policies,
				.policy_count = 1,
				.certificates = certificates,
				.certificate_count = MANY };

/* In service, a hundred days long, of which so many are over. */
static void save(struct store *store, unsigned which, unsigned days, unsigned attempts)
{
	struct store_certificate record = {
		.authority = "ra",
		.state = CERT_IN_SERVICE,
		.generation = 1,
		.not_before = NOW - days * DAY,
		.not_after = NOW + (100 - days) * DAY,
		.issued_at = NOW - days * DAY,
		.attempts = attempts,
		.retry_at = attempts ? NOW + 60 : 0,
		.live_key = { .token = "hsm", .name = { .id = { 1, (uint8_t)which } }, .type = KEY_EC_P256 }
	};
	struct csr_request asked = certificate_profile_request(&certificates[which], &authorities[0]);

	snprintf(record.name, sizeof(record.name), "%s", names[which]);
	renewal_names_print(&certificates[which], record.names, sizeof(record.names));
	certificate_profile_print(&asked, record.asked);
	assert_int_equal(store_certificate_save(store, &record, NOW, NOW, "a line of the journal", NULL), RC_OK);
}

/* What a service finds of it. */
static bool publish(const char *name)
{
	char path[128], target[64];

	snprintf(path, sizeof(path), "%s/archive/%s", state_dir, name);
	if (mkdir(path, 0755) != 0)
		return false;
	snprintf(path, sizeof(path), "%s/archive/%s/1", state_dir, name);
	if (mkdir(path, 0755) != 0)
		return false;
	snprintf(path, sizeof(path), "%s/archive/%s/1/cert.pem", state_dir, name);
	FILE *file = fopen(path, "w");
	if (!file || fclose(file) != 0)
		return false;
	snprintf(path, sizeof(path), "%s/live/%s", state_dir, name);
	snprintf(target, sizeof(target), "../archive/%s/1", name);
	return symlink(target, path) == 0;
}

/* cert-7 was never issued and cert-9 fails; of the others the higher the number, the sooner. */
static int start(void **state)
{
	AUTO(store) struct store *store = NULL;

	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(state_dir, sizeof(state_dir), "%s/state", dir);
	if (store_open(state_dir, &store, NULL) != RC_OK)
		return -1;
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof(names[i]), "cert-%u", i);
		certificates[i] = (struct config_certificate){ .name = names[i],
							       .authority = RA,
							       .policy = POLICY,
							       .key = { TOKEN, KEY_EC_P256 },
							       .names = NAMES,
							       .name_count = 1 };
		if (i == 7)
			continue;
		save(store, i, i / 4, i == 9);
		if (!publish(names[i]))
			return -1;
	}
	return 0;
}

static int stop(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static struct buf printed(struct status_list *list, const char *find, unsigned number)
{
	struct buf html = BUF_MAX(STATUS_PAGE_MAX);
	struct err err = { 0 };

	if (status_list_print(list, find, number, NOW, &html, &err) != RC_OK)
		fail_msg("%s", err.text);
	return html;
}

/* The names of a page in their order: "cert-7 cert-9 ". */
static char *order_of(struct status_list *list, const char *find, unsigned number)
{
	static char order[MANY * 16];
	AUTO(buf) struct buf html = printed(list, find, number);
	size_t used = 0;
	char name[16];

	order[0] = '\0';
	for (const char *at = buf_text(&html); (at = strstr(at, "<h3><bdi>")); at++)
		if (sscanf(at, "<h3><bdi>%15[a-z0-9-]", name) == 1)
			used += (size_t)snprintf(order + used, sizeof(order) - used, "%s ", name);
	return order;
}

static struct status_list *list_new(struct store *store)
{
	struct status_list *list = NULL;

	assert_int_equal(status_list_new(&config, store, "nf-17", &list, NULL), RC_OK);
	return list;
}

static void those_that_need_attention_come_first_then_the_soonest(void **state)
{
	AUTO(store) struct store *store = NULL;
	AUTO(buf) struct buf html = BUF_MAX(0);

	(void)state;
	assert_int_equal(store_open_readonly(state_dir, &store, NULL), RC_OK);
	AUTO(status_list) struct status_list *list = list_new(store);
	const char *first = order_of(list, "", 1);
	assert_memory_equal(first, "cert-7 cert-9 ", 14);
	/* Four of them are due at the same time but for their jitter. */
	assert_true(strstr(first, "cert-119 ") < strstr(first, "cert-112 "));
	assert_true(strstr(first, "cert-112 ") < strstr(first, "cert-100 "));
	html = printed(list, "", 1);
	assert_non_null(strstr(buf_text(&html), "<em class=\"bad\">2</em> of 120 certificates need attention."));
	/* Of all of them, also those: cert-9 is tried again before any other comes. */
	assert_non_null(strstr(buf_text(&html), "The next renewal is of <b><bdi>cert-9</bdi>"));
	assert_non_null(strstr(buf_text(&html), "a line of the journal"));
	assert_non_null(strstr(buf_text(&html), "<bdi>hsm</bdi>"));
	assert_non_null(strstr(buf_text(&html), "Page 1 of 3"));
}

/* Each of them once, on some page. */
static void pages_hold_all_of_them_once(void **state)
{
	AUTO(store) struct store *store = NULL;
	bool is_seen[MANY] = { false };
	unsigned seen = 0;

	(void)state;
	assert_int_equal(store_open_readonly(state_dir, &store, NULL), RC_OK);
	AUTO(status_list) struct status_list *list = list_new(store);
	for (unsigned number = 1; number <= 3; number++) {
		for (char *word = strtok(order_of(list, "", number), " "); word; word = strtok(NULL, " ")) {
			unsigned which = (unsigned)atoi(word + strlen("cert-"));

			assert_false(is_seen[which]);
			is_seen[which] = true;
			seen++;
		}
		assert_int_equal(seen, number < 3 ? number * STATUS_PAGE_ROWS : MANY);
	}
	/* A number that is no page is the nearest. */
	assert_non_null(strstr(order_of(list, "", 0), "cert-7 "));
	char last[MANY * 16];
	snprintf(last, sizeof(last), "%s", order_of(list, "", 3));
	assert_string_equal(order_of(list, "", UINT32_MAX), last);
}

static void what_is_searched_for_is_found_by_its_name_or_names(void **state)
{
	AUTO(store) struct store *store = NULL;

	(void)state;
	assert_int_equal(store_open_readonly(state_dir, &store, NULL), RC_OK);
	AUTO(status_list) struct status_list *list = list_new(store);
	const char *found = order_of(list, "CERT-11", 1);
	unsigned count = 0;
	for (const char *at = found; (at = strstr(at, "cert-11")); at++)
		count++;
	assert_int_equal(count, 11);
	assert_null(strstr(found, "cert-7 "));
	AUTO(buf) struct buf html = printed(list, "nothing", 4);
	assert_non_null(strstr(buf_text(&html), "0 with"));
	assert_null(strstr(buf_text(&html), "<article"));
	AUTO(buf) struct buf by_host = printed(list, "host.example", 1);
	assert_non_null(strstr(buf_text(&by_host), "120 with"));
}

static void a_change_is_seen(void **state)
{
	AUTO(store) struct store *store = NULL;
	AUTO(store) struct store *other = NULL;

	(void)state;
	assert_int_equal(store_open_readonly(state_dir, &store, NULL), RC_OK);
	assert_int_equal(store_open(state_dir, &other, NULL), RC_OK);
	AUTO(status_list) struct status_list *list = list_new(store);
	assert_memory_equal(order_of(list, "", 1), "cert-7 cert-9 ", 14);
	save(other, 9, 2, 0);
	save(other, 42, 10, 1);
	/* Readers cost a tenth of a processor at the most, so it may be a moment until it is looked at anew. */
	int64_t deadline = clock_monotonic_ms() + 30000;
	while (strncmp(order_of(list, "", 1), "cert-7 cert-42 ", 15) != 0)
		assert_true(clock_monotonic_ms() < deadline);
}

/* `hwacme status` says so, and a page that calls it in good order would be believed. */
static void what_a_service_does_not_find_and_a_key_that_stays_need_attention(void **state)
{
	AUTO(store) struct store *store = NULL;
	AUTO(store) struct store *other = NULL;
	struct store_certificate record;
	char path[128];

	(void)state;
	assert_int_equal(store_open(state_dir, &other, NULL), RC_OK);
	assert_int_equal(store_open_readonly(state_dir, &store, NULL), RC_OK);
	snprintf(path, sizeof(path), "%s/live/cert-60", state_dir);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(store_certificate_load(other, "cert-50", &record, NULL), RC_OK);
	record.live_key = (struct store_key){ .token = "hsm", .name = { .id = { 2, 50 }, .label = "new" }, .type = KEY_EC_P256 };
	assert_int_equal(store_certificate_save(other, &record, NOW, NOW - 3 * DAY, NULL, NULL), RC_OK);
	AUTO(status_list) struct status_list *list = list_new(store);
	AUTO(buf) struct buf html = printed(list, "cert-60", 1);
	assert_non_null(strstr(buf_text(&html), "/live/cert-60 is gone; `hwacme renew cert-60` makes it anew"));
	assert_non_null(strstr(buf_text(&html), "<article class=\"bad\">"));
	AUTO(buf) struct buf keys = printed(list, "cert-50", 1);
	assert_non_null(strstr(buf_text(&keys), "<article class=\"bad\">"));
	assert_non_null(strstr(buf_text(&keys), "should be gone since"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(those_that_need_attention_come_first_then_the_soonest),
		cmocka_unit_test(pages_hold_all_of_them_once),
		cmocka_unit_test(what_is_searched_for_is_found_by_its_name_or_names),
		cmocka_unit_test(a_change_is_seen),
		cmocka_unit_test(what_a_service_does_not_find_and_a_key_that_stays_need_attention),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
