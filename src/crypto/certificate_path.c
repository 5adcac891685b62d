/* certificate_path.c -- the way from a leaf to the roots, through whatever else the CA has sent. */
#include "certificate_path.h"

#include <openssl/x509v3.h>
#include <time.h>

AUTO_DEFINE(trust, X509_STORE *, X509_STORE_free);
AUTO_DEFINE(trust_ctx, X509_STORE_CTX *, X509_STORE_CTX_free);

int64_t certificate_time(const ASN1_TIME *time)
{
	struct tm fields;

	return ASN1_TIME_to_tm(time, &fields) == 1 ? (int64_t)timegm(&fields) : 0;
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
 * further; behind it a CA's certificate may stand that is another way up from it, or, where the roots tell that the path is whole, any.  A
 * chain without the issuer of the leaf is another's.
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

		if (linked == 1 || X509_check_ca(other) == 0 || !(has_roots || has_issued_one(stack, linked, other)))
			return err_set(
				err, RC_PROTOCOL,
				"certificate %d of the chain was not issued by the next one, and certificate %d has issued none "
				"of the others%s",
				linked, i + 1, has_roots || linked == 1 ? "" : "; where the authority has roots, these decide");
	}
	return RC_OK;
}

/* What the leaf is allowed is allowed to the whole chain: an intermediate may have been made just now.  No end is put off by it. */
static int on_verdict(int is_good, X509_STORE_CTX *ctx)
{
	int64_t latest = *(const int64_t *)X509_STORE_CTX_get_app_data(ctx) + CERTIFICATE_CLOCK_SKEW;

	if (is_good || X509_STORE_CTX_get_error(ctx) != X509_V_ERR_CERT_NOT_YET_VALID ||
	    certificate_time(X509_get0_notBefore(X509_STORE_CTX_get_current_cert(ctx))) > latest)
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

static enum rc roots_verify(STACK_OF(X509) * stack, X509_STORE *trust, const struct roots *roots, int64_t now, struct err *err)
{
	AUTO(trust_ctx) X509_STORE_CTX *ctx = X509_STORE_CTX_new();

	if (!ctx || X509_STORE_CTX_init(ctx, trust, sk_X509_value(stack, 0), stack) != 1)
		return err_set(err, RC_RESOURCE, "out of memory");
	/* An operator may trust an intermediate only. */
	X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_PARTIAL_CHAIN);
	/* Where OpenSSL was built with a time_t of 32 bits, it takes the lower half of this. */
	X509_STORE_CTX_set_time(ctx, 0, (time_t)now);
	X509_STORE_CTX_set_app_data(ctx, &now);
	X509_STORE_CTX_set_verify_cb(ctx, on_verdict);
	return X509_verify_cert(ctx) == 1 ? RC_OK : no_way(ctx, roots, err);
}

/* Of two ways up OpenSSL takes one and does not look back, nor do those that are served: what led them astray goes to the end. */
static enum rc check_roots(STACK_OF(X509) * stack, struct roots *roots, int64_t now, struct err *err)
{
	AUTO(trust) X509_STORE *trust = NULL;
	int last = sk_X509_num(stack) - 1;
	struct err why = { 0 };

	enum rc rc = roots_get(roots, &trust, &why);
	if (rc == RC_OK)
		rc = roots_verify(stack, trust, roots, now, &why);
	for (int i = 1; rc == RC_ABSENT && i <= last; i++) {
		X509 *without = sk_X509_delete(stack, i);
		enum rc rest = roots_verify(stack, trust, roots, now, NULL);

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

enum rc certificate_path_check(STACK_OF(X509) * stack, struct roots *roots, int64_t now, struct err *err)
{
	enum rc rc = roots ? check_roots(stack, roots, now, err) : RC_OK;

	return rc == RC_OK ? check_links(stack, roots != NULL, err) : rc;
}
