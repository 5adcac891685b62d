/* softhsm.h -- a SoftHSM of the test's own: private directory, private configuration, tokens by label. */
#ifndef HWA_TEST_SOFTHSM_H
#define HWA_TEST_SOFTHSM_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "token.h"

#define SOFTHSM_MODULE "/usr/lib/softhsm/libsofthsm2.so"
#define SOFTHSM_PIN    "73519862"

#ifdef SOFTHSM_LEAKS /* asked for by a test that sees one of its leaks: walking so far makes every malloc slow */
/*
 * SoftHSM 2.6.1 forgets the 37 bytes of "edwards25519" at each C_SignInit with such a key.  To see that a leak is its
 * own, LeakSanitizer must walk through libcrypto, which has no frame pointers; this many frames are enough.
 */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "fast_unwind_on_malloc=0:malloc_context_size=12";
}
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libsofthsm2.so\n";
}
#endif

struct softhsm {
	char dir[64]; /* /tmp/hwa-hsm-XXXXXX */
	char pin_file[96];
};

static inline int softhsm_write(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	if (!file)
		return -1;
	int failed = fputs(text, file) < 0;
	return fclose(file) != 0 || failed ? -1 : 0;
}

static inline int softhsm_add(const char *label)
{
	char command[256];

	snprintf(command, sizeof(command),
		 "softhsm2-util --init-token --free --label %s --so-pin 00000000 --pin " SOFTHSM_PIN " >/dev/null", label);
	return system(command) == 0 ? 0 : -1;
}

static inline int softhsm_start_in(struct softhsm *softhsm, const char *parent)
{
	char path[96], text[160];

	snprintf(softhsm->dir, sizeof(softhsm->dir), "%s/hwa-hsm-XXXXXX", parent);
	if (!mkdtemp(softhsm->dir))
		return -1;
	snprintf(path, sizeof(path), "%s/tokens", softhsm->dir);
	if (mkdir(path, 0700) != 0)
		return -1;
	snprintf(text, sizeof(text), "directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n", path);
	snprintf(path, sizeof(path), "%s/softhsm2.conf", softhsm->dir);
	if (softhsm_write(path, text) != 0 || setenv("SOFTHSM2_CONF", path, 1) != 0)
		return -1;
	snprintf(softhsm->pin_file, sizeof(softhsm->pin_file), "%s/pin", softhsm->dir);
	return softhsm_write(softhsm->pin_file, SOFTHSM_PIN);
}

static inline int softhsm_start(struct softhsm *softhsm)
{
	return softhsm_start_in(softhsm, "/tmp");
}

static inline void softhsm_hex(const uint8_t id[TOKEN_ID_LEN], char hex[2 * TOKEN_ID_LEN + 1])
{
	for (size_t i = 0; i < TOKEN_ID_LEN; i++)
		snprintf(hex + 2 * i, 3, "%02x", id[i]);
}

/* A key that was made outside the token, under that label and id, whatever has them already. */
static inline int softhsm_import(const struct softhsm *softhsm, const char *token, const char *label,
				 const uint8_t id[TOKEN_ID_LEN])
{
	char hex[2 * TOKEN_ID_LEN + 1], command[640];

	softhsm_hex(id, hex);
	snprintf(command, sizeof(command),
		 "cd %s && openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out half.pem 2>/dev/null && "
		 "softhsm2-util --import half.pem --token %s --label %s --id %s --force --pin " SOFTHSM_PIN " >/dev/null",
		 softhsm->dir, token, label, hex);
	return system(command);
}

/* Both halves of the key with that label and id, as another program deletes them. */
static inline int softhsm_delete(const char *token, const char *label, const uint8_t id[TOKEN_ID_LEN])
{
	char hex[2 * TOKEN_ID_LEN + 1], command[640];

	softhsm_hex(id, hex);
	snprintf(command, sizeof(command),
		 "for type in privkey pubkey; do pkcs11-tool --module " SOFTHSM_MODULE
		 " --token-label %s --login --pin " SOFTHSM_PIN
		 " --delete-object --type $type --label %s --id %s >/dev/null 2>&1 || exit 1; done",
		 token, label, hex);
	return system(command);
}

static inline int softhsm_unlink(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
	(void)status, (void)kind, (void)walk;
	return remove(path);
}

static inline void softhsm_stop(struct softhsm *softhsm)
{
	nftw(softhsm->dir, softhsm_unlink, 8, FTW_DEPTH | FTW_PHYS);
}

/* Borrows every string, so they outlive the configuration. */
static inline struct config_token softhsm_config(struct softhsm *softhsm, char *label)
{
	static char name[] = "hsm", module[] = SOFTHSM_MODULE;

	return (struct config_token){
		.name = name, .module = module, .token_label = label, .pin = { SECRET_FILE, softhsm->pin_file }
	};
}

#endif /* HWA_TEST_SOFTHSM_H */
