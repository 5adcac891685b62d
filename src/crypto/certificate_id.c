/* certificate_id.c -- reads what names a certificate: its issuer's key identifier and its serial number. */
#include "certificate_id.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

AUTO_DEFINE(bio, BIO *, BIO_free_all);
AUTO_DEFINE(x509, X509 *, X509_free);

#define SHORT_FORM_MAX 0x7f /* a DER length in one byte; RFC 5280, 4.1.2.2 has no serial number of more than 20 */

static enum rc serial_append(const X509 *leaf, struct buf *ret_serial, struct err *err)
{
	unsigned char *der = NULL;
	int len = i2d_ASN1_INTEGER(X509_get0_serialNumber(leaf), &der);
	enum rc rc = len > 2 && der[1] <= SHORT_FORM_MAX && len == 2 + der[1]
			     ? buf_append(ret_serial, span_of(der + 2, (size_t)len - 2), err)
			     : err_set(err, RC_PROTOCOL, "the serial number of the certificate is odd");

	OPENSSL_free(der);
	return rc;
}

enum rc certificate_id(struct span pem, struct buf *ret_authority_key, struct buf *ret_serial, struct err *err)
{
	AUTO(bio) BIO *bio = pem.len && pem.len <= INT32_MAX ? BIO_new_mem_buf(pem.at, (int)pem.len) : NULL;
	AUTO(x509) X509 *leaf = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;

	if (!leaf)
		return err_set_raw(err, RC_INPUT, ERR_OPENSSL, 0, "not a certificate");
	const ASN1_OCTET_STRING *key = X509_get0_authority_key_id(leaf);
	if (!key || ASN1_STRING_length(key) <= 0)
		return err_set(err, RC_ABSENT, "the certificate does not say which key signed it");
	enum rc rc = buf_append(ret_authority_key, span_of(ASN1_STRING_get0_data(key), (size_t)ASN1_STRING_length(key)), err);
	return rc == RC_OK ? serial_append(leaf, ret_serial, err) : rc;
}
