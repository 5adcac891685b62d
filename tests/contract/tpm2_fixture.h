/* tpm2_fixture.h -- a swtpm and a token on it, for the contract tests of each way to use a TPM. */
#ifndef HWA_TPM2_FIXTURE_H
#define HWA_TPM2_FIXTURE_H

/* Some tests want the means of the contract and of this file, and not all of them. */
#pragma GCC diagnostic ignored "-Wunused-function"

#include "token_contract.h"
#include "token_contract.c"

#include <stdarg.h>

#include <tss2/tss2_tpm2_types.h>

#include "swtpm.h"
#include "tpm_wire.h"

static struct swtpm swtpm;
static char keys_dir[80], token_name[] = "tpm";
static struct config_token config;

static bool can(enum key_type type)
{
	/* libtpms has no RSA beyond 3072 bits, and TPM 2.0 no Ed25519. */
	return type != KEY_RSA_4096 && type != KEY_ED25519;
}

static void refuse(const struct token_key_name *name, bool is_refused)
{
	(void)name;
	assert_int_equal(swtpm_disown(keys_dir, is_refused), 0);
}

static struct token_fixture fixture = { .config = &config, .can = can, .keeps_no_certificates = true, .refuse = refuse };

/* A shell command in the swtpm's directory, with the tools of others pointed at it. */
static int tools(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static int tools(const char *fmt, ...)
{
	char command[2048];
	va_list args;
	int len = snprintf(command, sizeof(command),
			   "cd %s && export TPM2TOOLS_TCTI=%s TPM2OPENSSL_TCTI=%s TSS2_LOG=all+NONE && exec 2>>tools.log && ",
			   swtpm.dir, swtpm.tcti, swtpm.tcti);

	va_start(args, fmt);
	vsnprintf(command + len, sizeof(command) - (size_t)len, fmt, args);
	va_end(args);
	return system(command);
}

/* The swtpm runs; the configuration names it, and what a variant adds to that comes after. */
static int tpm2_fixture_describe(const char *name)
{
	snprintf(keys_dir, sizeof(keys_dir), "%s/keys", swtpm.dir);
	config = (struct config_token){ .name = token_name, .tcti = swtpm.tcti };
	fixture.name = name;
	fixture.keys_dir = keys_dir;
	return mkdir(keys_dir, 0700);
}

static int tpm2_fixture_start(const char *name)
{
	return swtpm_start(&swtpm) == 0 ? tpm2_fixture_describe(name) : -1;
}

static int tpm2_fixture_stop(void **state)
{
	(void)state;
	swtpm_stop(&swtpm);
	free(config.auth.where);
	free(config.owner_auth.where);
	return 0;
}

/* Secrets of a test are files in its directory; the directory goes with the swtpm. */
static void secret_write(const char *name, const char *value)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", swtpm.dir, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(value, file);
	assert_int_equal(fclose(file), 0);
}

static struct config_secret secret_file(const char *name, const char *value)
{
	char path[160];

	secret_write(name, value);
	snprintf(path, sizeof(path), "%s/%s", swtpm.dir, name);
	return (struct config_secret){ .source = SECRET_FILE, .where = strdup(path) };
}

static struct token *open_it(const struct config_token *which)
{
	struct token *token = NULL;
	struct err err = { 0 };

	contract_expect(token_open(which, keys_dir, &token, &err), RC_OK, &err, "open");
	return token;
}

static void file_of(const struct token_key_name *key, char path[256])
{
	snprintf(path, 256, "%s/%s.pem", keys_dir, key->label);
}

/* Asked with the tools of others. */
static unsigned count_of(const char *capability)
{
	char command[256], line[64];
	unsigned lines = 0;

	snprintf(command, sizeof(command), "tpm2_getcap -T %s %s", swtpm.tcti, capability);
	FILE *pipe = popen(command, "r");
	assert_non_null(pipe);
	while (fgets(line, sizeof(line), pipe))
		lines++;
	assert_int_equal(pclose(pipe), 0);
	return lines;
}

static void expect_nothing_left(void)
{
	assert_int_equal(count_of("handles-transient"), 0);
	assert_int_equal(count_of("handles-loaded-session"), 0);
	assert_int_equal(count_of("handles-saved-session"), 0);
}

static enum rc try_sign(struct token_key *key, struct err *err)
{
	static const uint8_t digest[32] = { 1, 2, 3 };
	AUTO(buf) struct buf sig = BUF_MAX(TOKEN_SIG_MAX);

	return token_sign(key, key_type_family(key->type) == FAMILY_EC ? TOKEN_ECDSA : TOKEN_RSA_PSS, TOKEN_SHA256, SPAN(digest),
			  &sig, err);
}

static void expect_signs(struct token_key *key)
{
	struct err err = { 0 };

	contract_expect(try_sign(key, &err), RC_OK, &err, "sign");
}

static void expect_says(const struct err *err, const char *words)
{
	if (!strstr(err->text, words))
		fail_msg("no \"%s\" in: %s", words, err->text);
}

/* The same TPM, with everything that is sent to it written to a file; starts it anew. */
static struct config_token wire_config(void)
{
	static char tcti[128];
	char path[128];
	struct config_token wired = config;

	snprintf(path, sizeof(path), "%s/wire.pcap", swtpm.dir);
	unlink(path);
	setenv("TCTI_PCAP_FILE", path, 1);
	snprintf(tcti, sizeof(tcti), "pcap:%s", config.tcti);
	wired.tcti = tcti;
	return wired;
}

static struct wire *wire_of(void)
{
	struct wire *wire = wire_load(getenv("TCTI_PCAP_FILE"));

	assert_non_null(wire);
	return wire;
}

/* How many commands of this code went out; answered with anything but success when `refused`. */
static unsigned wire_count(const struct wire *wire, uint32_t code, bool refused)
{
	unsigned count = 0;

	for (unsigned i = 0; i < wire->count; i++)
		count += wire->commands[i].code == code && (!refused || wire->commands[i].answer != 0);
	return count;
}

/* The bound of issue and design: two objects, one session; and nothing at the end. */
static void expect_within_bounds(const struct wire *wire)
{
	struct wire_load load = wire_most_loaded(wire);

	assert_in_range(load.most_objects, 1, 2);
	assert_in_range(load.most_sessions, 0, 1);
	assert_int_equal(load.objects, 0);
	assert_int_equal(load.sessions, 0);
}

/* Commands of `count` signatures. */
static unsigned cost_of_signing(struct token_key *key, unsigned count)
{
	struct wire *wire = wire_of();
	unsigned before = wire->count;

	wire_free(wire);
	for (unsigned i = 0; i < count; i++)
		expect_signs(key);
	wire = wire_of();
	unsigned after = wire->count;
	wire_free(wire);
	return after - before;
}

#endif /* HWA_TPM2_FIXTURE_H */
