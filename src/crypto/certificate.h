/*
 * certificate.h -- what the CA sent, judged before it may go live (RFC 8555, 7.4.2 and 11.4; DESIGN "issued").
 */
#ifndef HWA_CERTIFICATE_H
#define HWA_CERTIFICATE_H

#include "bytes.h"

#define CERTIFICATE_CHAIN_MAX 10 /* certificates in a chain */

struct certificate_facts {
	int64_t not_before, not_after;
	char serial[64];      /* hex, upper case */
	char fingerprint[65]; /* SHA-256 of the leaf, hex, lower case */
	char names[4096];     /* "dns:a dns:b ip:...", sorted */
};

struct certificate_rules {
	struct span spki;   /* the leaf must be for this key */
	char *const *names; /* as ordered; the leaf must have all of them and no other DNS name */
	unsigned name_count;
	const char *roots; /* PEM file the chain must end in; NULL: not checked, only that it links up */
	int64_t now;
	int64_t previous_not_after; /* the new one must be valid for longer; 0: no previous */
};

struct certificate_chain { /* PEM, ready to be written */
	struct buf fullchain, chain, leaf;
	struct certificate_facts facts;
};
void certificate_chain_clear(struct certificate_chain *chain);
AUTO_DEFINE_VALUE(certificate_chain, struct certificate_chain, certificate_chain_clear);

/* RC_PROTOCOL when any rule is broken; only CERTIFICATE blocks may stand in `pem`. */
enum rc certificate_accept(struct span pem, const struct certificate_rules *rules, struct certificate_chain *ret_chain,
			   struct err *err) HWA_CHECKED;

/* The first certificate of a PEM file, DER. */
enum rc certificate_leaf_der(struct span pem, struct buf *ret_der, struct err *err) HWA_CHECKED;

#endif /* HWA_CERTIFICATE_H */
