/* certificate_id.c -- reads what names a certificate: its issuer's key identifier and its serial number. */
#include "certificate_id.h"

#include <openssl/x509.h>
#include <openssl/x509v3.h>

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

enum rc certificate_id(const X509 *leaf, struct buf *ret_authority_key, struct buf *ret_serial, struct err *err)
{
	/* It reads extensions that were not read before, and says so in the certificate; nothing of what is in it changes. */
	const ASN1_OCTET_STRING *key = X509_get0_authority_key_id((X509 *)(uintptr_t)leaf);

	if (!key || ASN1_STRING_length(key) <= 0)
		return err_set(err, RC_ABSENT, "the certificate does not say which key signed it");
	enum rc rc = buf_append(ret_authority_key, span_of(ASN1_STRING_get0_data(key), (size_t)ASN1_STRING_length(key)), err);
	return rc == RC_OK ? serial_append(leaf, ret_serial, err) : rc;
}
