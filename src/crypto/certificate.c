/* certificate.c -- judges a downloaded chain before it may go live. */
#include "certificate.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "certificate_id.h"
#include "certificate_path.h"
#include "clock.h"
#include "fingerprint.h"
#include "nf_profile.h"
#include "subject_name.h"

#define ID_PART_MAX 64u /* bytes of a key identifier or serial number; both have 20 in practice */

AUTO_DEFINE(bio, BIO *, BIO_free_all);
AUTO_DEFINE(x509, X509 *, X509_free);
AUTO_DEFINE(names, GENERAL_NAMES *, GENERAL_NAMES_free);

static void stack_free(STACK_OF(X509) * stack)
{
	sk_X509_pop_free(stack, X509_free);
}
AUTO_DEFINE(stack, STACK_OF(X509) *, stack_free);

void certificate_chain_clear(struct certificate_chain *chain)
{
	buf_clear(&chain->fullchain);
	buf_clear(&chain->chain);
	buf_clear(&chain->leaf);
	buf_clear(&chain->authority_key);
	buf_clear(&chain->serial);
}

static const char *skip_space(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t' || *at == '\r' || *at == '\n'))
		at++;
	return at;
}

/* RFC 8555, 9.1 and 11.4: CERTIFICATE blocks and nothing else: no other block (a private key, say), no text between. */
static enum rc only_certificates(struct span pem, struct err *err)
{
	static const char begin[] = "-----BEGIN CERTIFICATE-----", close[] = "-----END CERTIFICATE-----";
	const char *at = (const char *)pem.at;
	const char *end = at + pem.len;

	while ((at = skip_space(at, end)) < end) {
		if ((size_t)(end - at) < strlen(begin) || memcmp(at, begin, strlen(begin)) != 0)
			return err_set(err, RC_PROTOCOL, "the chain has something that is not a CERTIFICATE block");
		at += strlen(begin);
		const char *closing = memmem(at, (size_t)(end - at), close, strlen(close));
		if (!closing || memchr(at, '\0', (size_t)(closing - at)))
			return err_set(err, RC_PROTOCOL, "the chain has a CERTIFICATE block that does not end");
		at = closing + strlen(close);
	}
	return RC_OK;
}

/* NULL: there is none, or it is damaged.  PEM_read_bio_X509() would ask whoever is at the terminal for a passphrase where a header says that
 * there is one, and a header is the CA's to write; a certificate has none (RFC 7468, 2). */
static X509 *certificate_read(BIO *pem)
{
	char *name = NULL, *header = NULL;
	unsigned char *der = NULL;
	X509 *certificate = NULL;
	long len = 0;

	if (PEM_read_bio(pem, &name, &header, &der, &len) == 1 && strcmp(name, PEM_STRING_X509) == 0 && !header[0]) {
		const unsigned char *at = der;

		certificate = d2i_X509(NULL, &at, len);
	}
	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_free(der);
	return certificate;
}

static enum rc chain_parse(struct span pem, STACK_OF(X509) * *ret_stack, struct err *err)
{
	AUTO(stack) STACK_OF(X509) *stack = sk_X509_new_null();
	AUTO(bio) BIO *bio = pem.len && pem.len <= INT32_MAX ? BIO_new_mem_buf(pem.at, (int)pem.len) : NULL;
	enum rc rc = pem.len ? only_certificates(pem, err) : err_set(err, RC_PROTOCOL, "the chain is empty");

	if (rc != RC_OK)
		return rc;
	if (!stack || !bio)
		return err_set(err, RC_RESOURCE, "out of memory");
	size_t blocks = 0;
	for (const uint8_t *at = pem.at; (at = memmem(at, (size_t)(pem.at + pem.len - at), "-----BEGIN ", 11)); at += 11)
		blocks++;
	if (blocks == 0 || blocks > CERTIFICATE_CHAIN_MAX)
		return err_set(err, RC_PROTOCOL, "the chain has %zu certificates; 1 to %d are taken", blocks,
			       CERTIFICATE_CHAIN_MAX);
	for (size_t i = 0; i < blocks; i++) {
		X509 *certificate = certificate_read(bio);

		if (!certificate || !sk_X509_push(stack, certificate)) {
			X509_free(certificate);
			return err_set_raw(err, RC_PROTOCOL, ERR_OPENSSL, 0, "certificate %zu of the chain is damaged", i + 1);
		}
	}
	*ret_stack = TAKE(stack);
	return RC_OK;
}

static enum rc check_key(X509 *leaf, struct span spki, struct err *err)
{
	unsigned char *der = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(leaf), &der);
	bool same = len > 0 && span_equal(span_of(der, (size_t)len), spki);

	OPENSSL_free(der);
	return same ? RC_OK
		    : err_set(err, RC_PROTOCOL,
			      "the first certificate of the chain is for another key than the one in the token");
}

static enum rc check_times(const struct certificate_facts *facts, const struct certificate_rules *rules, struct err *err)
{
	char text[CLOCK_TEXT_MAX];

	if (facts->not_before == 0 || facts->not_after <= facts->not_before)
		return err_set(err, RC_PROTOCOL, "its validity is not a span of time");
	if (facts->not_before > rules->now + CERTIFICATE_CLOCK_SKEW)
		return err_set(err, RC_RETRY, "it is not valid before %s; is the clock right?",
			       clock_print(facts->not_before, text));
	if (facts->not_after <= rules->now)
		return err_set(err, RC_RETRY, "it expired %s; is the clock right?", clock_print(facts->not_after, text));
	/* Equal is taken: a CA that ends every certificate on a fixed day is odd, but loses nothing. */
	if (facts->not_after < rules->previous_not_after)
		return err_set(err, RC_PROTOCOL,
			       "it ends %s, before the present one; `hwacme renew --force` takes it all the same",
			       clock_print(facts->not_after, text));
	return RC_OK;
}

static bool is_asked(const struct csr_request *asked, const GENERAL_NAME *general)
{
	for (unsigned i = 0; i < asked->name_count; i++)
		if (subject_name_is(general, asked->names[i]))
			return true;
	return false;
}

static void name_note(struct certificate_facts *facts, const char *name)
{
	size_t used = strlen(facts->names), room = sizeof(facts->names) - used;
	int wrote = snprintf(facts->names + used, room, "%s%s", used ? " " : "", name);

	/* A name that does not fit is left out whole. */
	if (wrote < 0 || (size_t)wrote >= room)
		facts->names[used] = '\0';
}

/* Neither a host name, an address nor a URI that was not asked for: it would speak for somebody else. */
static enum rc check_no_other_names(const GENERAL_NAMES *names, const struct csr_request *asked, struct certificate_facts *facts,
				    struct err *err)
{
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *general = sk_GENERAL_NAME_value(names, i);
		char name[IDENTIFIER_NAME_MAX];

		if (!subject_name_print(general, name, sizeof(name)))
			continue;
		if (!is_asked(asked, general))
			return err_set(err, RC_PROTOCOL, "it has a name that was not ordered: %.128s", name);
		name_note(facts, name);
	}
	return RC_OK;
}

static bool has_name(const GENERAL_NAMES *names, const char *configured)
{
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
		if (subject_name_is(sk_GENERAL_NAME_value(names, i), configured))
			return true;
	return false;
}

static enum rc check_names(X509 *leaf, const struct certificate_rules *rules, struct certificate_facts *facts, struct err *err)
{
	AUTO(names) GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	const struct csr_request *asked = rules->asked;
	enum rc rc = check_no_other_names(names, asked, facts, err);

	for (unsigned i = 0; rc == RC_OK && i < asked->name_count; i++) {
		const char *name = asked->names[i];
		struct identifier identifier = { .kind = IDENTIFIER_KIND_COUNT };
		bool is_uri = identifier_parse(name, &identifier) && identifier.kind == IDENTIFIER_URI;

		if ((is_uri && !csr_request_asks(asked, ASK_URI)) || has_name(names, name))
			continue;
		/* TS 33.310, 6.1.3c: an NF instance is a URI in the certificate. */
		if (!is_uri && identifier.kind != IDENTIFIER_NF_INSTANCE)
			rc = err_set(err, RC_PROTOCOL, "it lacks the name %s", name);
		else if (!(rules->accept_without & CONFIG_ASK_BIT(ASK_URI)))
			rc = nf_profile_lacks(ASK_URI, name, err);
		facts->missing |= CONFIG_ASK_BIT(ASK_URI);
	}
	return rc;
}

/* A leaf that could issue certificates is more than was asked for; an extension that cannot be read hides anything. */
static enum rc check_leaf(X509 *leaf, struct err *err)
{
	uint32_t flags = X509_get_extension_flags(leaf);

	if (flags & EXFLAG_INVALID)
		return err_set(err, RC_PROTOCOL, "an extension in it is damaged");
	if (flags & EXFLAG_CA)
		return err_set(err, RC_PROTOCOL, "it is the certificate of a CA");
	return RC_OK;
}

static void facts_fill(X509 *leaf, struct certificate_facts *facts)
{
	unsigned char *der = NULL;
	BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(leaf), NULL);
	char *hex = number ? BN_bn2hex(number) : NULL;

	facts->not_before = certificate_time(X509_get0_notBefore(leaf));
	facts->not_after = certificate_time(X509_get0_notAfter(leaf));
	snprintf(facts->serial, sizeof(facts->serial), "%s", hex ? hex : "");
	OPENSSL_free(hex);
	BN_free(number);
	int len = i2d_X509(leaf, &der);
	fingerprint_print(span_of(der, len > 0 ? (size_t)len : 0), facts->fingerprint);
	OPENSSL_free(der);
}

static enum rc pem_print(STACK_OF(X509) * stack, int from, int to, struct buf *ret_pem, struct err *err)
{
	AUTO(bio) BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;

	for (int i = from; bio && i < to; i++)
		if (PEM_write_bio_X509(bio, sk_X509_value(stack, i)) != 1)
			return err_set(err, RC_RESOURCE, "out of memory");
	long len = bio ? BIO_get_mem_data(bio, &text) : 0;
	return bio ? buf_append(ret_pem, span_of(text, (size_t)len), err) : err_set(err, RC_RESOURCE, "out of memory");
}

/* It need not have one: then its CA cannot be asked about it, and that is all. */
static void id_fill(const X509 *leaf, struct certificate_chain *chain)
{
	if (certificate_id(leaf, &chain->authority_key, &chain->serial, NULL) == RC_OK)
		return;
	chain->authority_key.len = 0;
	chain->serial.len = 0;
}

static enum rc check_all(STACK_OF(X509) * stack, const struct certificate_rules *rules, struct certificate_facts *facts,
			 struct err *err)
{
	X509 *leaf = sk_X509_value(stack, 0);
	enum rc rc = check_key(leaf, rules->spki, err);

	facts_fill(leaf, facts);
	facts->is_anothers = rc != RC_OK;
	if (rc == RC_OK)
		rc = check_times(facts, rules, err);
	if (rc == RC_OK)
		rc = check_leaf(leaf, err);
	if (rc == RC_OK)
		rc = check_names(leaf, rules, facts, err);
	if (rc == RC_OK)
		rc = nf_profile_judge(leaf, rules->asked, rules->accept_without, &facts->missing, err);
	if (rc == RC_OK && rules->asked->is_nf)
		nf_profile_remark(leaf, facts->remarks, sizeof(facts->remarks));
	return rc == RC_OK ? certificate_path_check(stack, rules->roots, rules->now, err) : rc;
}

enum rc certificate_accept(struct span pem, const struct certificate_rules *rules, struct certificate_chain *ret_chain,
			   struct err *err)
{
	AUTO(stack) STACK_OF(X509) *stack = NULL;
	struct certificate_chain chain = { .fullchain = BUF_MAX(1u << 20),
					   .chain = BUF_MAX(1u << 20),
					   .leaf = BUF_MAX(1u << 20),
					   .authority_key = BUF_MAX(ID_PART_MAX),
					   .serial = BUF_MAX(ID_PART_MAX) };
	enum rc rc = chain_parse(pem, &stack, err);

	if (rc == RC_OK)
		rc = check_all(stack, rules, &chain.facts, err);
	int count = stack ? sk_X509_num(stack) : 0;
	if (rc == RC_OK)
		rc = pem_print(stack, 0, count, &chain.fullchain, err);
	if (rc == RC_OK)
		rc = pem_print(stack, 1, count, &chain.chain, err);
	if (rc == RC_OK)
		rc = pem_print(stack, 0, 1, &chain.leaf, err);
	if (rc == RC_OK)
		id_fill(sk_X509_value(stack, 0), &chain);
	if (rc != RC_OK)
		certificate_chain_clear(&chain);
	*ret_chain = chain;
	return rc;
}

static enum rc der_print(const X509 *certificate, struct buf *ret_der, struct err *err)
{
	unsigned char *der = NULL;
	int len = certificate ? i2d_X509(certificate, &der) : -1;
	enum rc rc = len > 0 ? buf_append(ret_der, span_of(der, (size_t)len), err)
			     : err_set_raw(err, RC_INPUT, ERR_OPENSSL, 0, "not a certificate");

	OPENSSL_free(der);
	return rc;
}

enum rc certificate_leaf_der(struct span pem, struct buf *ret_der, struct err *err)
{
	AUTO(bio) BIO *bio = BIO_new_mem_buf(pem.at, (int)pem.len);
	AUTO(x509) X509 *leaf = bio ? certificate_read(bio) : NULL;

	return der_print(leaf, ret_der, err);
}

enum rc certificate_leaf_spki(struct span pem, struct buf *ret_spki, struct err *err)
{
	AUTO(bio) BIO *bio = BIO_new_mem_buf(pem.at, (int)pem.len);
	AUTO(x509) X509 *leaf = bio ? certificate_read(bio) : NULL;
	unsigned char *der = NULL;
	int len = leaf ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(leaf), &der) : -1;

	ERR_clear_error();
	enum rc rc =
		len > 0 ? buf_append(ret_spki, span_of(der, (size_t)len), err) : err_set(err, RC_INPUT, "no certificate in PEM");
	OPENSSL_free(der);
	return rc;
}

bool certificate_is_for_clients(struct span pem)
{
	AUTO(bio) BIO *bio = BIO_new_mem_buf(pem.at, (int)pem.len);
	AUTO(x509) X509 *leaf = bio ? certificate_read(bio) : NULL;

	ERR_clear_error();
	return !leaf || !(X509_get_extension_flags(leaf) & EXFLAG_XKUSAGE) ||
	       (X509_get_extended_key_usage(leaf) & (XKU_SSL_CLIENT | XKU_ANYEKU));
}

enum rc certificate_chain_der(struct span pem, struct buf ret_ders[CERTIFICATE_CHAIN_MAX], unsigned *ret_count, struct err *err)
{
	AUTO(stack) STACK_OF(X509) *stack = NULL;
	enum rc rc = pem.len ? chain_parse(pem, &stack, err) : RC_OK;
	int count = stack ? sk_X509_num(stack) : 0;

	for (int i = 0; i < count && rc == RC_OK; i++)
		rc = der_print(sk_X509_value(stack, i), &ret_ders[i], err);
	if (rc == RC_OK)
		*ret_count = (unsigned)count;
	return rc;
}
