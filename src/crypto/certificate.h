/*
 * certificate.h -- what the CA sent, judged before it may go live (RFC 8555, 7.4.2 and 11.4).
 */
#ifndef HWA_CERTIFICATE_H
#define HWA_CERTIFICATE_H

#include "bytes.h"
#include "csr_request.h"
#include "roots.h"

#define CERTIFICATE_CHAIN_MAX 10 /* certificates in a chain */

struct certificate_facts {
	int64_t not_before, not_after;
	char serial[64];      /* hex, upper case */
	char fingerprint[65]; /* SHA-256 of the leaf, hex, lower case */
	char names[4096];     /* "dns:a dns:b uri:...", as they stand there */
	char remarks[160];    /* of a network function's: what is not as TS 33.310, 6.1.3c wants it, and is the CA's matter; "" */
	bool is_anothers;     /* it is for another key, and nothing more was looked at */
	unsigned missing;     /* set of CONFIG_ASK_BIT(): asked for, not there, and accepted so */
};

struct certificate_rules {
	struct span spki; /* the leaf must be for this key */
	/* What was asked for: the leaf must have all names and parts of it, and no other DNS name or URI. */
	const struct csr_request *asked;
	unsigned accept_without; /* set of CONFIG_ASK_BIT(): parts that may be missing */
	struct roots *roots;     /* the chain must end in one of them; NULL: not checked, only that it links up */
	int64_t now;
	int64_t previous_not_after; /* the new one must be valid for longer; 0: no previous */
};

struct certificate_chain { /* PEM, ready to be written */
	struct buf fullchain, chain, leaf;
	struct certificate_facts facts;
	struct buf authority_key, serial; /* what certificate_id() says of the leaf; empty where it says nothing */
};
void certificate_chain_clear(struct certificate_chain *chain);
AUTO_DEFINE_VALUE(certificate_chain, struct certificate_chain, certificate_chain_clear);

/* RC_PROTOCOL when any rule is broken; only CERTIFICATE blocks may stand in `pem`.  Of what is refused the facts that were read are told, and no PEM.
 * RC_RETRY: by our clock it is not valid yet, or any more, so ours or the CA's is wrong: once that is mended it may be accepted.
 * RC_ABSENT: all is well but that it does not end in the roots; another chain of the same certificate may. */
enum rc certificate_accept(struct span pem, const struct certificate_rules *rules, struct certificate_chain *ret_chain,
			   struct err *err) HWA_CHECKED;

/* The first certificate of a PEM file, DER. */
enum rc certificate_leaf_der(struct span pem, struct buf *ret_der, struct err *err) HWA_CHECKED;

/* The key that it is for: its SubjectPublicKeyInfo, DER; appends.  RC_INPUT: there is none. */
enum rc certificate_leaf_spki(struct span pem, struct buf *ret_spki, struct err *err) HWA_CHECKED;

/* RFC 5280, 4.2.1.12: may the first certificate of a PEM file be shown by a client?  Also where none can be read there. */
bool certificate_is_for_clients(struct span pem);

/* Each certificate of a PEM file, DER, into buffers of the caller; an empty file has none. */
enum rc certificate_chain_der(struct span pem, struct buf ret_ders[CERTIFICATE_CHAIN_MAX], unsigned *ret_count,
			      struct err *err) HWA_CHECKED;

#endif /* HWA_CERTIFICATE_H */
