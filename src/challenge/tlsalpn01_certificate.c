/*
 * tlsalpn01_certificate.c -- a self-signed certificate that carries one key authorisation (RFC 8737, 3).
 *
 * Its key is the one exception of invariant I1: it is made in memory, serves one answer for the
 * seconds until the CA has looked, proves nothing but that answer, and is never written anywhere.
 */
#include <arpa/inet.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "fingerprint.h"
#include "tlsalpn01.h"

#define ACME_IDENTIFIER "1.3.6.1.5.5.7.1.31" /* RFC 8737, 6.1: id-pe-acmeIdentifier */
#define SERIAL_LEN      16
#define BACKDATE        3600 /* seconds: the CA's clock may be behind ours */
#define LIFETIME        (7 * 86400)

AUTO_DEFINE(names, GENERAL_NAMES *, GENERAL_NAMES_free);
AUTO_DEFINE(octets, ASN1_OCTET_STRING *, ASN1_OCTET_STRING_free);
AUTO_DEFINE(extension, X509_EXTENSION *, X509_EXTENSION_free);
AUTO_DEFINE(object, ASN1_OBJECT *, ASN1_OBJECT_free);

void tlsalpn01_pair_clear(struct tlsalpn01_pair *pair)
{
	X509_free(pair->certificate);
	EVP_PKEY_free(pair->key);
	*pair = (struct tlsalpn01_pair){ 0 };
}

static ASN1_STRING *general_value(const struct identifier *identifier)
{
	uint8_t octets[16];
	const void *at = identifier->value;
	size_t len = strlen(identifier->value);
	ASN1_STRING *value = ASN1_STRING_type_new(identifier->kind == IDENTIFIER_IP ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);

	if (identifier->kind == IDENTIFIER_IP) {
		len = identifier_ip_octets(identifier->value, octets);
		at = octets;
	}
	if (value && len && ASN1_STRING_set(value, at, (int)len) == 1)
		return value;
	ASN1_STRING_free(value);
	return NULL;
}

/* RFC 8737, 3: a subjectAltName with the name being validated and no other; RFC 8738, 6: or with the one address. */
static bool add_name(X509 *certificate, const struct identifier *identifier)
{
	AUTO(names) GENERAL_NAMES *names = GENERAL_NAMES_new();
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_STRING *value = general_value(identifier);

	if (!names || !name || !value || !sk_GENERAL_NAME_push(names, name)) {
		GENERAL_NAME_free(name);
		ASN1_STRING_free(value);
		return false;
	}
	GENERAL_NAME_set0_value(name, identifier->kind == IDENTIFIER_IP ? GEN_IPADD : GEN_DNS, value);
	return X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) == 1;
}

/* RFC 8737, 3: critical, an OCTET STRING with the SHA-256 of the key authorisation. */
static bool add_proof(X509 *certificate, const char *key_authorization)
{
	AUTO(octets) ASN1_OCTET_STRING *digest = ASN1_OCTET_STRING_new();
	AUTO(octets) ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
	AUTO(object) ASN1_OBJECT *id = OBJ_txt2obj(ACME_IDENTIFIER, 1);
	uint8_t hash[FINGERPRINT_LEN];
	unsigned char *der = NULL;

	if (!digest || !value || !id || fingerprint_make(span_text(key_authorization), hash, NULL) != RC_OK ||
	    ASN1_OCTET_STRING_set(digest, hash, sizeof(hash)) != 1)
		return false;
	int len = i2d_ASN1_OCTET_STRING(digest, &der);
	bool ok = len > 0 && ASN1_OCTET_STRING_set(value, der, len) == 1;
	OPENSSL_free(der);
	AUTO(extension) X509_EXTENSION *extension = ok ? X509_EXTENSION_create_by_OBJ(NULL, id, 1, value) : NULL;
	return extension && X509_add_ext(certificate, extension, -1) == 1;
}

static bool add_serial(X509 *certificate)
{
	uint8_t random[SERIAL_LEN];

	if (RAND_bytes(random, sizeof(random)) != 1)
		return false;
	random[0] = (uint8_t)((random[0] & 0x7f) | 0x40); /* positive, and no leading zero */
	BIGNUM *number = BN_bin2bn(random, sizeof(random), NULL);
	bool ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
	BN_free(number);
	return ok;
}

enum rc tlsalpn01_certificate_make(const struct identifier *identifier, const char *key_authorization,
				   struct tlsalpn01_pair *ret_pair, struct err *err)
{
	struct tlsalpn01_pair pair = { .certificate = X509_new(), .key = EVP_EC_gen("P-256") };
	X509 *certificate = pair.certificate;
	static const unsigned char subject[] = "ACME challenge";

	bool ok = certificate && pair.key && X509_set_version(certificate, X509_VERSION_3) == 1 && add_serial(certificate) &&
		  X509_NAME_add_entry_by_NID(X509_get_subject_name(certificate), NID_commonName, MBSTRING_ASC, subject, -1, -1,
					     0) == 1 &&
		  X509_set_issuer_name(certificate, X509_get_subject_name(certificate)) == 1 &&
		  X509_gmtime_adj(X509_getm_notBefore(certificate), -BACKDATE) &&
		  X509_gmtime_adj(X509_getm_notAfter(certificate), LIFETIME) && X509_set_pubkey(certificate, pair.key) == 1 &&
		  add_name(certificate, identifier) && add_proof(certificate, key_authorization) &&
		  X509_sign(certificate, pair.key, EVP_sha256()) > 0;
	if (!ok) {
		tlsalpn01_pair_clear(&pair);
		return err_set_raw(err, RC_RESOURCE, ERR_OPENSSL, 0,
				   "tls-alpn-01: the certificate for the answer cannot be made");
	}
	*ret_pair = pair;
	return RC_OK;
}

/* RFC 8738, 6: "the IN-ADDR.ARPA or IP6.ARPA reverse mapping of the IP address" (RFC 1034, 5.2.1; RFC 3596, 2.5). */
void tlsalpn01_sni(const struct identifier *identifier, char ret_name[TLSALPN01_NAME_MAX])
{
	uint8_t octets[16];
	unsigned len = identifier->kind == IDENTIFIER_IP ? identifier_ip_octets(identifier->value, octets) : 0;
	size_t used = 0;

	if (!len) {
		snprintf(ret_name, TLSALPN01_NAME_MAX, "%s", identifier->value);
		return;
	}
	for (unsigned i = len; i > 0; i--)
		used += (size_t)(len == 4 ? snprintf(ret_name + used, TLSALPN01_NAME_MAX - used, "%u.", octets[i - 1])
					  : snprintf(ret_name + used, TLSALPN01_NAME_MAX - used, "%x.%x.", octets[i - 1] & 15u,
						     octets[i - 1] >> 4));
	snprintf(ret_name + used, TLSALPN01_NAME_MAX - used, "%s", len == 4 ? "in-addr.arpa" : "ip6.arpa");
}
