/* pkcs11_reference.c -- how a server is told of a key: an RFC 7512 URI, and the PEM that pkcs11-provider loads. */
#include <openssl/asn1t.h>
#include <openssl/pem.h>
#include <p11-kit/uri.h>
#include <string.h>

#include "pkcs11.h"

/* p11-kit escapes "/" in the query; RFC 7512, 2.3 lets it stand, and the plain path is what every consumer takes. */
static void query_unescape_slashes(char *uri)
{
	char *to = strchr(uri, '?');

	for (char *at = to; at && *at; *to++ = *at++) {
		if (strncmp(at, "%2F", 3) == 0) {
			at += 2;
			*at = '/';
		}
	}
	if (to)
		*to = '\0';
}

/* Only the parts that every consumer understands: token, id, type; and pin-source, as a plain absolute path. */
static enum rc uri_print(struct token_key *key, struct buf *ret_uri, struct err *err)
{
	struct pkcs11_token *token = PKCS11(key->token);
	CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
	CK_ATTRIBUTE id = { CKA_ID, key->name.id, TOKEN_ID_LEN }, type = { CKA_CLASS, &class, sizeof(class) };
	AUTO(p11_uri) P11KitUri *uri = p11_kit_uri_new();
	AUTO(text) char *text = NULL;

	if (!uri || p11_kit_uri_set_attribute(uri, &id) != P11_KIT_URI_OK ||
	    p11_kit_uri_set_attribute(uri, &type) != P11_KIT_URI_OK)
		return err_set(err, RC_RESOURCE, "out of memory");
	/* The serial number only where the operator chose by it: a replaced token under the same label is then still found. */
	const CK_TOKEN_INFO *wanted = p11_kit_uri_get_token_info(token->selector);
	CK_TOKEN_INFO *named = p11_kit_uri_get_token_info(uri);
	pthread_mutex_lock(&token->mutex);
	memcpy(named->label, token->info.label, sizeof(named->label));
	if (wanted->serialNumber[0])
		memcpy(named->serialNumber, token->info.serialNumber, sizeof(named->serialNumber));
	pthread_mutex_unlock(&token->mutex);
	/* Never pin-value: servers write the whole URI into their logs. */
	if (token->pin.source == SECRET_FILE && token->pin.where && token->pin.where[0] == '/')
		p11_kit_uri_set_pin_source(uri, token->pin.where);
	if (p11_kit_uri_format(uri, P11_KIT_URI_FOR_OBJECT_ON_TOKEN, &text) != P11_KIT_URI_OK)
		return err_set(err, RC_RESOURCE, "the PKCS#11 URI cannot be formatted");
	query_unescape_slashes(text);
	return buf_append(ret_uri, span_text(text), err);
}

/* SEQUENCE { VisibleString description, UTF8String uri } */
struct provider_uri {
	ASN1_VISIBLESTRING *description;
	ASN1_UTF8STRING *uri;
};
typedef struct provider_uri PROVIDER_URI; /* OpenSSL's templates paste the name */
DECLARE_ASN1_FUNCTIONS(PROVIDER_URI)
ASN1_SEQUENCE(PROVIDER_URI) = {
	ASN1_SIMPLE(PROVIDER_URI, description, ASN1_VISIBLESTRING),
	ASN1_SIMPLE(PROVIDER_URI, uri, ASN1_UTF8STRING),
} ASN1_SEQUENCE_END(PROVIDER_URI)
IMPLEMENT_ASN1_FUNCTIONS(PROVIDER_URI)

static enum rc provider_pem(struct span uri, struct buf *ret_pem, struct err *err)
{
	static const char description[] = "PKCS#11 Provider URI v1.0";
	PROVIDER_URI *object = PROVIDER_URI_new();
	BIO *bio = BIO_new(BIO_s_mem());
	unsigned char *der = NULL;
	char *text = NULL;
	int len = -1;

	if (object && bio && ASN1_STRING_set(object->description, description, -1) == 1 &&
	    ASN1_STRING_set(object->uri, uri.at, (int)uri.len) == 1)
		len = i2d_PROVIDER_URI(object, &der);
	bool printed = len > 0 && PEM_write_bio(bio, "PKCS#11 PROVIDER URI", "", der, len) > 0;
	long text_len = printed ? BIO_get_mem_data(bio, &text) : 0;
	enum rc rc = printed ? buf_append(ret_pem, span_of(text, (size_t)text_len), err)
			     : err_set(err, RC_RESOURCE, "the key reference cannot be written");
	OPENSSL_free(der);
	BIO_free(bio);
	PROVIDER_URI_free(object);
	return rc;
}

enum rc pkcs11_reference(struct token_key *key, struct buf *ret_pem, struct buf *ret_uri, struct err *err)
{
	AUTO(buf) struct buf uri = BUF_MAX(TOKEN_REFERENCE_MAX / 2);
	AUTO(buf) struct buf pem = BUF_MAX(TOKEN_REFERENCE_MAX);
	enum rc rc = uri_print(key, &uri, err);

	if (rc == RC_OK)
		rc = provider_pem(buf_span(&uri), &pem, err);
	if (rc == RC_OK)
		rc = buf_append(ret_pem, buf_span(&pem), err);
	if (rc == RC_OK)
		rc = buf_append(ret_uri, buf_span(&uri), err);
	return rc;
}
