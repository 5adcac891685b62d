/* machine_check.c -- looks at what servers would read, and at whose the keys in the tokens are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "fake_token.h"
#include "machine.h"
#include "virtual_clock.h"

static int64_t time_of(const ASN1_TIME *time)
{
	struct tm fields;

	assert_int_equal(ASN1_TIME_to_tm(time, &fields), 1);
	return (int64_t)timegm(&fields);
}

static void path_print(const struct machine *machine, unsigned index, const char *file, char path[512])
{
	snprintf(path, 512, "%s/live/%s%s", machine->config->state, machine->config->certificates[index].name, file);
}

/* The number behind the last slash of the link; 0: there is none. */
static unsigned live_generation(const struct machine *machine, unsigned index)
{
	char path[512], target[512];
	unsigned generation = 0;

	path_print(machine, index, "", path);
	ssize_t len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		return 0;
	target[len] = '\0';
	assert_int_equal(sscanf(strrchr(target, '/') + 1, "%u", &generation), 1);
	return generation;
}

static X509 *leaf_read(const struct machine *machine, unsigned index)
{
	char path[512];

	path_print(machine, index, "/fullchain.pem", path);
	FILE *file = fopen(path, "r");
	X509 *leaf = file ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;
	if (file)
		fclose(file);
	return leaf;
}

/* The key that live/NAME/key.uri names is in the token, is the certificate's, and the store knows it. */
static void pair_check(struct machine *machine, unsigned index, X509 *leaf)
{
	const char *name = machine->config->certificates[index].name;
	char path[512], uri[256] = "", owner[128];
	struct err err = { 0 };

	path_print(machine, index, "/key.uri", path);
	FILE *file = fopen(path, "r");
	if (!file || !fgets(uri, sizeof(uri), file))
		fail_msg("%s: no key.uri", name);
	fclose(file);
	uri[strcspn(uri, "\n")] = '\0';
	const struct fake_key *key = fake_key_by_uri(uri);
	if (!key)
		fail_msg("%s: the live key %s is in no token", name, uri);
	if (EVP_PKEY_eq(key->pair, X509_get0_pubkey(leaf)) != 1)
		fail_msg("%s: the live certificate is for another key", name);
	if (store_key_owner(machine->store, &key->name, owner, &err) != RC_OK)
		fail_msg("%s: the live key: %s", name, err.text);
}

void machine_check_live(struct machine *machine, unsigned index)
{
	struct machine_view *view = &machine->views[index];
	unsigned generation = live_generation(machine, index);

	if (view->generation && !generation)
		fail_msg("%s: the live set is gone", machine->config->certificates[index].name);
	if (generation == view->generation)
		return;
	X509 *leaf = leaf_read(machine, index);
	if (!leaf)
		fail_msg("%s: no live certificate can be read", machine->config->certificates[index].name);
	view->renewals += view->generation != 0;
	view->generation = generation;
	view->not_before = time_of(X509_get0_notBefore(leaf));
	view->not_after = time_of(X509_get0_notAfter(leaf));
	view->is_expired = false;
	pair_check(machine, index, leaf);
	if (!fake_ca_is_sound(leaf))
		fail_msg("%s: what is live was not to be accepted", machine->config->certificates[index].name);
	X509_free(leaf);
}

void machine_check_all(struct machine *machine)
{
	size_t keys = 0;

	for (unsigned i = 0; i < machine->config->certificate_count; i++) {
		struct machine_view *view = &machine->views[i];

		machine_check_live(machine, i);
		if (view->generation && !view->is_expired && view->not_after <= virtual_clock_true()) {
			view->is_expired = true;
			view->expired++;
		}
	}
	while (fake_key_at(keys))
		keys++;
	if (keys > machine->most_keys)
		machine->most_keys = keys;
}

void machine_check_keys(struct machine *machine)
{
	static struct store_retired retired[2 * MACHINE_CERTIFICATES_MAX];
	unsigned waiting = 0, overdue = 0;
	size_t keys = 0, most = machine->config->certificate_count + machine->config->authority_count;

	assert_int_equal(
		store_retired_page(machine->store, INT64_MAX, NULL, retired, 2 * MACHINE_CERTIFICATES_MAX, &waiting, NULL),
		RC_OK);
	overdue = renewal_overdue(machine->config, machine->store, clock_now(), retired, 2 * MACHINE_CERTIFICATES_MAX);
	if (overdue)
		fail_msg("%u superseded keys were to be erased, and are not; the first is \"%s\" of \"%s\"", overdue,
			 retired[0].key.name.label, retired[0].certificate);
	most += waiting;
	/* A renewal under way has the next one, too. */
	for (unsigned i = 0; i < machine->config->certificate_count; i++) {
		struct store_certificate record;

		if (store_certificate_load(machine->store, machine->config->certificates[i].name, &record, NULL) == RC_OK)
			most += record.next_key.token[0] != '\0';
	}

	for (const struct fake_key *key; (key = fake_key_at(keys)); keys++) {
		char owner[128];
		struct err err = { 0 };

		if (store_key_owner(machine->store, &key->name, owner, &err) != RC_OK)
			fail_msg("key %s: %s", key->name.label, err.text);
	}
	if (keys > most)
		fail_msg("%zu keys are left in the tokens, of %zu that are needed or wait to be erased", keys, most);
}
