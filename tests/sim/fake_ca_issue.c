/* fake_ca_issue.c -- makes the key of an authority, and certificates of CSRs, valid in virtual time. */
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "asn1_time.h"
#include "chance.h"
#include "codec.h"
#include "fake_ca_state.h"
#include "virtual_clock.h"

static char *pem_of(X509 *certificate)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;

	PEM_write_bio_X509(bio, certificate);
	long len = BIO_get_mem_data(bio, &text);
	char *copy = strndup(text, (size_t)len);
	BIO_free(bio);
	return copy;
}

static void extension_add(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, issuer, certificate, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	X509_add_ext(certificate, extension, -1);
	X509_EXTENSION_free(extension);
}

static X509 *blank(size_t number, int64_t from, int64_t to)
{
	X509 *certificate = X509_new();

	X509_set_version(certificate, 2);
	ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), FAKE_CA_SERIALS | number);
	asn1_time_put(X509_getm_notBefore(certificate), from);
	asn1_time_put(X509_getm_notAfter(certificate), to);
	return certificate;
}

void fake_ca_key_make(struct fake_ca_state *ca)
{
	char name[32];

	snprintf(name, sizeof(name), "Simulated CA %u", ca->number);
	ca->key = EVP_EC_gen("P-256");
	ca->root = blank(0, VIRTUAL_START - 365 * FAKE_DAY, VIRTUAL_START + 3650 * FAKE_DAY);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(ca->root), "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(ca->root, X509_get_subject_name(ca->root));
	X509_set_pubkey(ca->root, ca->key);
	extension_add(ca->root, ca->root, NID_basic_constraints, "critical,CA:TRUE");
	extension_add(ca->root, ca->root, NID_subject_key_identifier, "hash");
	X509_sign(ca->root, ca->key, EVP_sha256());
	ca->root_pem = pem_of(ca->root);
}

/* subjectAltName of the CSR, as it is. */
static void names_copy(X509_REQ *csr, X509 *certificate)
{
	STACK_OF(X509_EXTENSION) *wanted = X509_REQ_get_extensions(csr);

	for (int i = 0; i < sk_X509_EXTENSION_num(wanted); i++) {
		X509_EXTENSION *extension = sk_X509_EXTENSION_value(wanted, i);

		if (OBJ_obj2nid(X509_EXTENSION_get_object(extension)) == NID_subject_alt_name)
			X509_add_ext(certificate, extension, -1);
	}
	sk_X509_EXTENSION_pop_free(wanted, X509_EXTENSION_free);
}

static X509_REQ *csr_read(const char *base64url)
{
	AUTO(buf) struct buf der = BUF_MAX(16384);

	if (codec_base64url_decode(base64url, &der, NULL) != RC_OK)
		return NULL;
	const unsigned char *at = der.at;
	X509_REQ *csr = d2i_X509_REQ(NULL, &at, (long)der.len);
	if (csr && X509_REQ_verify(csr, X509_REQ_get0_pubkey(csr)) == 1)
		return csr;
	X509_REQ_free(csr);
	return NULL;
}

size_t fake_ca_issue(struct fake_ca_state *ca, const struct fake_order *order, const char *csr_base64url)
{
	X509_REQ *csr = csr_read(csr_base64url);
	bool is_short = strncmp(order->name, "short", 5) == 0;
	int64_t from = virtual_clock_true() + ca->public.ahead - FAKE_BACKDATED,
		to = from + (is_short ? ca->public.short_life : ca->public.life);

	if (!csr)
		return 0;
	ca->certificates = fake_ca_grow(ca->certificates, ca->certificate_count, sizeof(*ca->certificates));
	struct fake_certificate *made = &ca->certificates[ca->certificate_count++];
	X509 *certificate = blank(ca->certificate_count, from, to);
	X509_set_issuer_name(certificate, X509_get_subject_name(ca->root));
	X509_set_pubkey(certificate, X509_REQ_get0_pubkey(csr));
	names_copy(csr, certificate);
	bool is_wrong = chance_one_in(ca->public.wrong_one_in);
	enum fake_spoil spoil = is_wrong ? (enum fake_spoil)chance_between(0, FAKE_SOUND - 1) : FAKE_SOUND;
	ca->public.wrong += is_wrong;
	fake_ca_spoil(certificate, spoil);
	extension_add(certificate, ca->root, NID_authority_key_identifier, "keyid:always");
	X509_sign(certificate, ca->key, EVP_sha256());
	char *leaf = pem_of(certificate);
	made->pem = fake_ca_spoil_chain(leaf, ca->root_pem, fake_ca_state_get((ca->number + 1) % FAKE_CAS_MAX)->root_pem, spoil);
	made->is_unsound = fake_ca_spoils_for_all(spoil);
	made->not_before = from;
	made->not_after = to;
	snprintf(made->name, sizeof(made->name), "%s", order->name);
	free(leaf);
	X509_free(certificate);
	X509_REQ_free(csr);
	ca->public.issued++;
	return ca->certificate_count;
}

void fake_ca_revoke(struct fake_exchange *exchange)
{
	AUTO(buf) struct buf der = BUF_MAX(16384);
	const char *text = json_string_value(json_object_get(exchange->payload, "certificate"));
	struct fake_ca_state *ca = exchange->ca;
	uint64_t serial = 0;

	if (!text || codec_base64url_decode(text, &der, NULL) != RC_OK) {
		fake_ca_problem(exchange, 400, "malformed", "no certificate");
		return;
	}
	const unsigned char *at = der.at;
	X509 *leaf = d2i_X509(NULL, &at, (long)der.len);
	if (leaf)
		ASN1_INTEGER_get_uint64(&serial, X509_get0_serialNumber(leaf));
	X509_free(leaf);
	serial &= ~FAKE_CA_SERIALS;
	if (serial == 0 || serial > ca->certificate_count || ca->certificates[serial - 1].is_unknown) {
		fake_ca_problem(exchange, 404, "malformed", "it was not issued here");
	} else if (ca->certificates[serial - 1].is_revoked) {
		fake_ca_problem(exchange, 400, "alreadyRevoked", "once is enough");
	} else {
		ca->certificates[serial - 1].is_revoked = true;
		fake_times_add(&ca->public.revocations, virtual_clock_true_ms());
		exchange->status = 200;
	}
}

bool fake_ca_is_sound(X509 *leaf)
{
	uint64_t serial = 0;

	ASN1_INTEGER_get_uint64(&serial, X509_get0_serialNumber(leaf));
	serial &= ~FAKE_CA_SERIALS;
	for (unsigned i = 0; i < FAKE_CAS_MAX; i++) {
		const struct fake_ca_state *ca = fake_ca_state_get(i);

		if (X509_NAME_cmp(X509_get_issuer_name(leaf), X509_get_subject_name(ca->root)) == 0)
			return serial > 0 && serial <= ca->certificate_count && !ca->certificates[serial - 1].is_unsound;
	}
	return false;
}

bool fake_ca_has_revoked(unsigned number, size_t certificate)
{
	const struct fake_ca_state *ca = fake_ca_state_get(number);

	return certificate > 0 && certificate <= ca->certificate_count && ca->certificates[certificate - 1].is_revoked;
}
