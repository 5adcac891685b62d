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
#include <time.h>

#include "certificate_id.h"
#include "clock.h"
#include "fingerprint.h"
#include "nf_profile.h"
#include "subject_name.h"

#define CLOCK_SKEW  300 /* seconds a CA's clock may be ahead of ours */
#define ID_PART_MAX 64u /* bytes of a key identifier or serial number; both have 20 in practice */

AUTO_DEFINE(bio, BIO *, BIO_free_all);
AUTO_DEFINE(x509, X509 *, X509_free);
AUTO_DEFINE(trust, X509_STORE *, X509_STORE_free);
AUTO_DEFINE(trust_ctx, X509_STORE_CTX *, X509_STORE_CTX_free);
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

static int64_t time_of(const ASN1_TIME *time)
{
	struct tm fields;

	return ASN1_TIME_to_tm(time, &fields) == 1 ? (int64_t)timegm(&fields) : 0;
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
	if (facts->not_before > rules->now + CLOCK_SKEW)
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

static bool is_issued_by(X509 *issued, X509 *issuer)
{
	return X509_check_issued(issuer, issued) == X509_V_OK && X509_verify(issued, X509_get0_pubkey(issuer)) == 1;
}

/* Which certificate, from one on, has issued another; the number of them where none has. */
static int issuer_find(const STACK_OF(X509) * stack, X509 *issued, int from)
{
	int i = from;

	while (i < sk_X509_num(stack) && !is_issued_by(issued, sk_X509_value(stack, i)))
		i++;
	return i;
}

static bool has_issued_one(const STACK_OF(X509) * stack, int count, X509 *issuer)
{
	for (int i = 0; i < count; i++)
		if (is_issued_by(sk_X509_value(stack, i), issuer))
			return true;
	return false;
}

/*
 * RFC 8555, 9.1: each certificate SHOULD certify the one before it.  A CA that has cross-certificates may send one more that does not: other
 * clients take what is sent, and so do those that are served (RFC 8446, 4.4.2).  The path from the leaf comes first, for who reads no
 * further; behind it a CA's certificate may stand that is another way up from it, or, where the roots tell that the path is whole, any.
 */
static enum rc check_links(STACK_OF(X509) * stack, bool has_roots, struct err *err)
{
	int count = sk_X509_num(stack), linked = 1, found;

	while (linked < count && (found = issuer_find(stack, sk_X509_value(stack, linked - 1), linked)) < count) {
		X509 *issuer = sk_X509_delete(stack, found);

		if (!sk_X509_insert(stack, issuer, linked++)) {
			X509_free(issuer);
			return err_set(err, RC_RESOURCE, "out of memory");
		}
	}
	for (int i = linked; i < count; i++) {
		X509 *other = sk_X509_value(stack, i);

		if (X509_check_ca(other) == 0 || !(has_roots || has_issued_one(stack, linked, other)))
			return err_set(
				err, RC_PROTOCOL,
				"certificate %d of the chain was not issued by the next one, and certificate %d has issued none "
				"of the others%s",
				linked, i + 1, has_roots ? "" : "; where the authority has roots, these decide");
	}
	return RC_OK;
}

/* The tolerance of check_times() is that of the whole chain: an intermediate may have been made just now.  No end is put off by it. */
static int on_verdict(int is_good, X509_STORE_CTX *ctx)
{
	const struct certificate_rules *rules = X509_STORE_CTX_get_app_data(ctx);

	if (is_good || X509_STORE_CTX_get_error(ctx) != X509_V_ERR_CERT_NOT_YET_VALID ||
	    time_of(X509_get0_notBefore(X509_STORE_CTX_get_current_cert(ctx))) > rules->now + CLOCK_SKEW)
		return is_good;
	X509_STORE_CTX_set_error(ctx, X509_V_OK);
	return 1;
}

/* Where the way ended, and where not: an operator with the wrong file has to look elsewhere than one whose intermediate has expired. */
static enum rc no_way(X509_STORE_CTX *ctx, const struct roots *roots, struct err *err)
{
	int code = X509_STORE_CTX_get_error(ctx);
	const char *why = X509_verify_cert_error_string(code);

	switch (code) {
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
		return err_set_raw(err, RC_ABSENT, ERR_OPENSSL, code, "the chain does not end in the roots of %s: %s",
				   roots_path(roots), why);
	default:
		return err_set_raw(err, RC_ABSENT, ERR_OPENSSL, code, "certificate %d on the way to the roots of %s: %s",
				   X509_STORE_CTX_get_error_depth(ctx) + 1, roots_path(roots), why);
	}
}

static enum rc roots_verify(STACK_OF(X509) * stack, X509_STORE *trust, const struct certificate_rules *rules, struct err *err)
{
	AUTO(trust_ctx) X509_STORE_CTX *ctx = X509_STORE_CTX_new();

	if (!ctx || X509_STORE_CTX_init(ctx, trust, sk_X509_value(stack, 0), stack) != 1)
		return err_set(err, RC_RESOURCE, "out of memory");
	/* An operator may trust an intermediate only. */
	X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_PARTIAL_CHAIN);
	X509_STORE_CTX_set_time(ctx, 0, (time_t)rules->now);
	X509_STORE_CTX_set_app_data(ctx, (void *)(uintptr_t)rules);
	X509_STORE_CTX_set_verify_cb(ctx, on_verdict);
	return X509_verify_cert(ctx) == 1 ? RC_OK : no_way(ctx, rules->roots, err);
}

/* Of two ways up OpenSSL takes one and does not look back, nor do those that are served: what led them astray goes to the end. */
static enum rc check_roots(STACK_OF(X509) * stack, const struct certificate_rules *rules, struct err *err)
{
	AUTO(trust) X509_STORE *trust = NULL;
	int last = sk_X509_num(stack) - 1;
	struct err why = { 0 };

	if (!rules->roots)
		return RC_OK;
	enum rc rc = roots_get(rules->roots, &trust, &why);
	if (rc == RC_OK)
		rc = roots_verify(stack, trust, rules, &why);
	for (int i = 1; rc == RC_ABSENT && i <= last; i++) {
		X509 *without = sk_X509_delete(stack, i);
		enum rc rest = roots_verify(stack, trust, rules, NULL);

		if (!sk_X509_insert(stack, without, rest == RC_OK ? last : i)) {
			X509_free(without);
			return err_set(err, RC_RESOURCE, "out of memory");
		}
		rc = rest == RC_OK ? RC_OK : rc;
	}
	if (rc != RC_OK && err)
		*err = why;
	return rc;
}

static void facts_fill(X509 *leaf, struct certificate_facts *facts)
{
	unsigned char *der = NULL;
	BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(leaf), NULL);
	char *hex = number ? BN_bn2hex(number) : NULL;

	facts->not_before = time_of(X509_get0_notBefore(leaf));
	facts->not_after = time_of(X509_get0_notAfter(leaf));
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
	if (rc == RC_OK)
		rc = check_roots(stack, rules, err);
	if (rc == RC_OK)
		rc = check_links(stack, rules->roots != NULL, err);
	return rc;
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
