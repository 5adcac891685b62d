/* nf_profile.c -- subject, key usages and nfTypes of a network function's certificate: asked for, and looked for. */
#include "nf_profile.h"

#include <openssl/objects.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define OID_NF_TYPES "1.3.6.1.5.5.7.1.34" /* RFC 9310, 3: id-pe-nftype */
#define VALIDITY_MAX (3 * 365 + 1)        /* days: TS 33.310, 6.1.3c: 3 years or less */

static void types_free(ASN1_SEQUENCE_ANY *types)
{
	sk_ASN1_TYPE_pop_free(types, ASN1_TYPE_free);
}

static void usages_free(EXTENDED_KEY_USAGE *usages)
{
	sk_ASN1_OBJECT_pop_free(usages, ASN1_OBJECT_free);
}

AUTO_DEFINE(types, ASN1_SEQUENCE_ANY *, types_free);
AUTO_DEFINE(usages, EXTENDED_KEY_USAGE *, usages_free);
AUTO_DEFINE(bits, ASN1_BIT_STRING *, ASN1_BIT_STRING_free);
AUTO_DEFINE(object, ASN1_OBJECT *, ASN1_OBJECT_free);
AUTO_DEFINE(octets, ASN1_OCTET_STRING *, ASN1_OCTET_STRING_free);
AUTO_DEFINE(extension, X509_EXTENSION *, X509_EXTENSION_free);

static enum rc out_of_memory(struct err *err)
{
	return err_set_raw(err, RC_RESOURCE, ERR_OPENSSL, 0, "out of memory");
}

static int by_ascii(const void *left, const void *right)
{
	return strcmp(*(char *const *)left, *(char *const *)right);
}

/* RFC 9310, 3: IA5String, for the underscore is in no PrintableString. */
static bool type_add(ASN1_SEQUENCE_ANY *types, const char *text)
{
	ASN1_IA5STRING *string = ASN1_IA5STRING_new();
	ASN1_TYPE *type = ASN1_TYPE_new();

	if (string && type && ASN1_STRING_set(string, text, -1) == 1) {
		ASN1_TYPE_set(type, V_ASN1_IA5STRING, string);
		string = NULL;
		if (sk_ASN1_TYPE_push(types, type) > 0)
			return true;
	}
	ASN1_IA5STRING_free(string);
	ASN1_TYPE_free(type);
	return false;
}

enum rc nf_profile_types_print(char *const *types, unsigned count, struct buf *ret_der, struct err *err)
{
	AUTO(types) ASN1_SEQUENCE_ANY *sequence = sk_ASN1_TYPE_new_null();
	AUTO(text_list) char **sorted = calloc(count + 1u, sizeof(char *));
	unsigned char *der = NULL;

	if (!sequence || !sorted)
		return out_of_memory(err);
	if (!count)
		return err_set(err, RC_INPUT, "NFTypes contain at least one type (RFC 9310, 3)");
	/* RFC 9310, 3: ascending order of the ASCII values, and no type more than once. */
	memcpy(sorted, types, count * sizeof(char *));
	qsort(sorted, count, sizeof(char *), by_ascii);
	for (unsigned i = 0; i < count; i++)
		if ((i == 0 || strcmp(sorted[i - 1], sorted[i]) != 0) && !type_add(sequence, sorted[i]))
			return out_of_memory(err);
	int len = i2d_ASN1_SEQUENCE_ANY(sequence, &der);
	enum rc rc = len > 0 ? buf_append(ret_der, span_of(der, (size_t)len), err) : out_of_memory(err);
	OPENSSL_free(der);
	return rc;
}

enum rc nf_profile_add_subject(const struct csr_request *request, X509_NAME *subject, struct err *err)
{
	const struct {
		int nid;
		const char *value;
	} attributes[] = { { NID_countryName, request->country }, { NID_organizationName, request->organization } };

	if (!csr_request_asks(request, ASK_SUBJECT))
		return RC_OK;
	/* TS 33.310, 6.1.3c: C and O, and no common name. */
	for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++)
		if (attributes[i].value && X509_NAME_add_entry_by_NID(subject, attributes[i].nid, MBSTRING_ASC,
								      (const unsigned char *)attributes[i].value, -1, -1, 0) != 1)
			return err_set_raw(err, RC_INPUT, ERR_OPENSSL, 0, "\"%s\" cannot stand in a subject",
					   attributes[i].value);
	return RC_OK;
}

/* TS 33.310, 6.1.3c: critical, digitalSignature; its table knows no other bit, for RSA neither. */
static enum rc add_key_usage(const struct csr_request *request, STACK_OF(X509_EXTENSION) * *extensions, struct err *err)
{
	AUTO(bits) ASN1_BIT_STRING *usage = ASN1_BIT_STRING_new();

	(void)request;
	return usage && ASN1_BIT_STRING_set_bit(usage, 0, 1) == 1 &&
			       X509V3_add1_i2d(extensions, NID_key_usage, usage, 1, X509V3_ADD_DEFAULT) == 1
		       ? RC_OK
		       : out_of_memory(err);
}

static bool usage_add(EXTENDED_KEY_USAGE *usages, bool wanted, int nid)
{
	return !wanted || sk_ASN1_OBJECT_push(usages, OBJ_nid2obj(nid)) > 0;
}

/* TS 33.310, 6.1.3c: not critical; an NF that may be both client and server shall have both. */
static enum rc add_extended_key_usage(const struct csr_request *request, STACK_OF(X509_EXTENSION) * *extensions, struct err *err)
{
	AUTO(usages) EXTENDED_KEY_USAGE *usages = sk_ASN1_OBJECT_new_null();

	return usages && usage_add(usages, request->server, NID_server_auth) &&
			       usage_add(usages, request->client, NID_client_auth) &&
			       X509V3_add1_i2d(extensions, NID_ext_key_usage, usages, 0, X509V3_ADD_DEFAULT) == 1
		       ? RC_OK
		       : out_of_memory(err);
}

/* RFC 9310, 3: MUST NOT be critical. */
static enum rc add_nf_types(const struct csr_request *request, STACK_OF(X509_EXTENSION) * *extensions, struct err *err)
{
	AUTO(buf) struct buf der = BUF_MAX(NF_PROFILE_TYPES_MAX);
	AUTO(object) ASN1_OBJECT *oid = OBJ_txt2obj(OID_NF_TYPES, 1);
	AUTO(octets) ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
	AUTO(extension) X509_EXTENSION *extension = NULL;

	enum rc rc = nf_profile_types_print(request->nf_types, request->nf_type_count, &der, err);
	if (rc != RC_OK)
		return rc;
	if (oid && octets && ASN1_OCTET_STRING_set(octets, der.at, (int)der.len) == 1)
		extension = X509_EXTENSION_create_by_OBJ(NULL, oid, 0, octets);
	return extension && X509v3_add_ext(extensions, extension, -1) ? RC_OK : out_of_memory(err);
}

/* What a certificate is held to. */
struct asked {
	const struct csr_request *request;
	ASN1_OBJECT *oid;    /* of nfTypes; NULL: they are not asked for ... */
	struct buf nf_types; /* ... else their value, DER */
};

static bool has_attribute(X509 *leaf, int nid, const char *wanted, char *lacking, size_t room)
{
	X509_NAME *subject = X509_get_subject_name(leaf);
	unsigned char *text = NULL;

	for (int at = -1; wanted && (at = X509_NAME_get_index_by_NID(subject, nid, at)) >= 0;) {
		int len = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
		bool same =
			len >= 0 && (size_t)len == strlen(wanted) && strncasecmp((const char *)text, wanted, (size_t)len) == 0;

		OPENSSL_free(text);
		text = NULL;
		if (same)
			return true;
	}
	if (wanted)
		snprintf(lacking, room, "%s=%s in its subject", OBJ_nid2sn(nid), wanted);
	return !wanted;
}

static bool has_subject(X509 *leaf, const struct asked *asked, char *lacking, size_t room)
{
	return has_attribute(leaf, NID_countryName, asked->request->country, lacking, room) &&
	       has_attribute(leaf, NID_organizationName, asked->request->organization, lacking, room);
}

static bool has_key_usage(X509 *leaf, const struct asked *asked, char *lacking, size_t room)
{
	(void)asked;
	snprintf(lacking, room, "the key usage digitalSignature");
	/* An absent extension is answered with all bits. */
	return (X509_get_extension_flags(leaf) & EXFLAG_KUSAGE) && (X509_get_key_usage(leaf) & KU_DIGITAL_SIGNATURE);
}

static bool has_extended_key_usage(X509 *leaf, const struct asked *asked, char *lacking, size_t room)
{
	uint32_t has = X509_get_extension_flags(leaf) & EXFLAG_XKUSAGE ? X509_get_extended_key_usage(leaf) : 0;
	bool server = !asked->request->server || (has & XKU_SSL_SERVER),
	     client = !asked->request->client || (has & XKU_SSL_CLIENT);

	snprintf(lacking, room, "the extended key usage %s%s%s", server ? "" : "serverAuth", server || client ? "" : " and ",
		 client ? "" : "clientAuth");
	return server && client;
}

static bool has_nf_types(X509 *leaf, const struct asked *asked, char *lacking, size_t room)
{
	int at = X509_get_ext_by_OBJ(leaf, asked->oid, -1);
	X509_EXTENSION *extension = at >= 0 ? X509_get_ext(leaf, at) : NULL;

	snprintf(lacking, room, "the nfTypes that were asked for%s", extension ? ": it has others, or they are not sorted" : "");
	if (!extension)
		return false;
	const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(extension);
	if (X509_get_ext_by_OBJ(leaf, asked->oid, at) >= 0 || X509_EXTENSION_get_critical(extension)) {
		snprintf(lacking, room, "sound nfTypes: they are %s (RFC 9310, 3)",
			 X509_EXTENSION_get_critical(extension) ? "critical" : "there twice");
		return false;
	}
	/* DER of a sorted list without repetitions has one form only. */
	return span_equal(span_of(ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value)), buf_span(&asked->nf_types));
}

/* A part: how it is put into the request, and how it is found in the certificate.  Names are made and judged elsewhere. */
static const struct {
	enum rc (*add)(const struct csr_request *request, STACK_OF(X509_EXTENSION) * *extensions, struct err *err);
	bool (*has)(X509 *leaf, const struct asked *asked, char *lacking, size_t room);
} PARTS[CONFIG_ASK_COUNT] = {
	[ASK_SUBJECT] = { NULL, has_subject },
	[ASK_URI] = { NULL, NULL },
	[ASK_KEY_USAGE] = { add_key_usage, has_key_usage },
	[ASK_EXTENDED_KEY_USAGE] = { add_extended_key_usage, has_extended_key_usage },
	[ASK_NF_TYPES] = { add_nf_types, has_nf_types },
};

enum rc nf_profile_add_extensions(const struct csr_request *request, STACK_OF(X509_EXTENSION) * *extensions, struct err *err)
{
	enum rc rc = RC_OK;

	for (int ask = 0; ask < CONFIG_ASK_COUNT && rc == RC_OK; ask++)
		if (PARTS[ask].add && csr_request_asks(request, (enum config_ask)ask))
			rc = PARTS[ask].add(request, extensions, err);
	return rc;
}

enum rc nf_profile_lacks(enum config_ask part, const char *what, struct err *err)
{
	return err_set(err, RC_PROTOCOL,
		       "it lacks %s; certificate-profile: { accept-without: [%s] } of the authority takes it so", what,
		       config_ask_name(part));
}

static enum rc judge(X509 *leaf, const struct asked *asked, unsigned accept_without, unsigned *ret_missing, struct err *err)
{
	char lacking[160];

	for (int ask = 0; ask < CONFIG_ASK_COUNT; ask++) {
		enum config_ask part = (enum config_ask)ask;

		if (!PARTS[part].has || !csr_request_asks(asked->request, part) ||
		    PARTS[part].has(leaf, asked, lacking, sizeof(lacking)))
			continue;
		if (!(accept_without & CONFIG_ASK_BIT(part)))
			return nf_profile_lacks(part, lacking, err);
		*ret_missing |= CONFIG_ASK_BIT(part);
	}
	return RC_OK;
}

enum rc nf_profile_judge(X509 *leaf, const struct csr_request *request, unsigned accept_without, unsigned *ret_missing,
			 struct err *err)
{
	struct asked asked = { .request = request, .nf_types = BUF_MAX(NF_PROFILE_TYPES_MAX) };
	enum rc rc = RC_OK;

	if (csr_request_asks(request, ASK_NF_TYPES)) {
		asked.oid = OBJ_txt2obj(OID_NF_TYPES, 1);
		rc = asked.oid ? nf_profile_types_print(request->nf_types, request->nf_type_count, &asked.nf_types, err)
			       : out_of_memory(err);
	}
	if (rc == RC_OK)
		rc = judge(leaf, &asked, accept_without, ret_missing, err);
	ASN1_OBJECT_free(asked.oid);
	buf_clear(&asked.nf_types);
	return rc;
}

static bool is_long_lived(X509 *leaf)
{
	int days = 0, seconds = 0;

	return ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(leaf), X509_get0_notAfter(leaf)) != 1 || days > VALIDITY_MAX;
}

static bool has_optional_names(X509 *leaf)
{
	int at = X509_get_ext_by_NID(leaf, NID_subject_alt_name, -1);

	return at >= 0 && !X509_EXTENSION_get_critical(X509_get_ext(leaf, at));
}

static bool lacks_authority_key(X509 *leaf)
{
	return X509_get_ext_by_NID(leaf, NID_authority_key_identifier, -1) < 0;
}

static bool lacks_revocation_list(X509 *leaf)
{
	return X509_get_ext_by_NID(leaf, NID_crl_distribution_points, -1) < 0;
}

void nf_profile_remark(X509 *leaf, char *ret_text, size_t room)
{
	static const struct {
		bool (*is_so)(X509 *leaf);
		const char *text;
	} remarks[] = {
		{ is_long_lived, "valid for more than 3 years" },
		{ has_optional_names, "subjectAltName not critical" },
		{ lacks_authority_key, "no authorityKeyIdentifier" },
		{ lacks_revocation_list, "no cRLDistributionPoints" },
	};

	ret_text[0] = '\0';
	for (size_t i = 0; i < sizeof(remarks) / sizeof(remarks[0]); i++) {
		size_t used = strlen(ret_text);

		if (remarks[i].is_so(leaf))
			snprintf(ret_text + used, room - used, "%s%s", used ? ", " : "", remarks[i].text);
	}
}
