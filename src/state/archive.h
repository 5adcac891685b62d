/*
 * archive.h -- certificate sets on disk: staged whole, then made live by one rename.
 *
 *	STATE/archive/NAME/N/	fullchain.pem chain.pem cert.pem key.pem key.uri nginx.conf
 *	STATE/live/NAME -> ../archive/NAME/N
 */
#ifndef HWA_ARCHIVE_H
#define HWA_ARCHIVE_H

#include "bytes.h"
#include "err.h"

struct archive_set {
	struct span fullchain, chain, leaf; /* PEM */
	struct span key_pem, key_uri;       /* references, never a key */
};

/* Writes and syncs archive/NAME/N whole (built beside, then renamed in); an existing N that is not live is replaced.
 * RC_RESOURCE: disk full or not writable, nothing changed. */
enum rc archive_stage(const char *state_dir, const char *name, unsigned generation, const struct archive_set *set,
		      struct err *err) HWA_CHECKED;
/* Switches live/NAME to generation N by one rename and syncs; doing it twice is harmless. */
enum rc archive_switch(const char *state_dir, const char *name, unsigned generation, struct err *err) HWA_CHECKED;
/* Which generation live/NAME points at; 0: none. */
enum rc archive_live(const char *state_dir, const char *name, unsigned *ret_generation, struct err *err) HWA_CHECKED;
/* The highest generation present for NAME, staged or live; 0: none. */
enum rc archive_highest(const char *state_dir, const char *name, unsigned *ret_generation, struct err *err) HWA_CHECKED;

#endif /* HWA_ARCHIVE_H */
