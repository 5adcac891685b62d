/* tss2_key.c -- reads and writes TSS2 PRIVATE KEY files, strictly. */
#include "tss2_key.h"

#include <openssl/asn1t.h>
#include <openssl/pem.h>
#include <string.h>
#include <tss2/tss2_mu.h>

#define TSS2_PEM_NAME "TSS2 PRIVATE KEY"
/* TPM2_PERSISTENT_FIRST and _LAST, whose shifts overflow an int. */
#define PERSISTENT_FIRST 0x81000000u
#define PERSISTENT_LAST  0x81ffffffu
#define OID_LOADABLE     "2.23.133.10.1.3" /* id-loadablekey */

/* One policy command and its parameters as they go to the TPM, without handles. */
typedef struct {
	ASN1_INTEGER *command;
	ASN1_OCTET_STRING *parameters;
} TSS2_POLICY_FILE;
DECLARE_ASN1_FUNCTIONS(TSS2_POLICY_FILE)
ASN1_SEQUENCE(TSS2_POLICY_FILE) = {
	ASN1_EXP(TSS2_POLICY_FILE, command, ASN1_INTEGER, 0),
	ASN1_EXP(TSS2_POLICY_FILE, parameters, ASN1_OCTET_STRING, 1),
} ASN1_SEQUENCE_END(TSS2_POLICY_FILE)
IMPLEMENT_ASN1_FUNCTIONS(TSS2_POLICY_FILE)
DEFINE_STACK_OF(TSS2_POLICY_FILE)

typedef struct {
	ASN1_OBJECT *type;
	ASN1_BOOLEAN empty_auth;             /* written always: tpm2-openssl 1.1.1 takes a missing one for "empty" */
	STACK_OF(TSS2_POLICY_FILE) * policy; /* tpm2-openssl 1.1.1 reads no file that has one */
	ASN1_INTEGER *parent;
	ASN1_OCTET_STRING *public;
	ASN1_OCTET_STRING *private;
} TSS2_KEY_FILE;
DECLARE_ASN1_FUNCTIONS(TSS2_KEY_FILE)
ASN1_SEQUENCE(TSS2_KEY_FILE) = {
	ASN1_SIMPLE(TSS2_KEY_FILE, type, ASN1_OBJECT),
	ASN1_EXP_OPT(TSS2_KEY_FILE, empty_auth, ASN1_BOOLEAN, 0),
	ASN1_EXP_SEQUENCE_OF_OPT(TSS2_KEY_FILE, policy, TSS2_POLICY_FILE, 1),
	ASN1_SIMPLE(TSS2_KEY_FILE, parent, ASN1_INTEGER),
	ASN1_SIMPLE(TSS2_KEY_FILE, public, ASN1_OCTET_STRING),
	ASN1_SIMPLE(TSS2_KEY_FILE, private, ASN1_OCTET_STRING),
} ASN1_SEQUENCE_END(TSS2_KEY_FILE)
IMPLEMENT_ASN1_FUNCTIONS(TSS2_KEY_FILE)

AUTO_DEFINE(key_file, TSS2_KEY_FILE *, TSS2_KEY_FILE_free);
AUTO_DEFINE(bio, BIO *, BIO_free_all);

AUTO_DEFINE(policy_file, TSS2_POLICY_FILE *, TSS2_POLICY_FILE_free);

static bool policy_push(TSS2_KEY_FILE *file, uint32_t command, const uint8_t *parameters, size_t len)
{
	AUTO(policy_file) TSS2_POLICY_FILE *step = TSS2_POLICY_FILE_new();

	if (!step || ASN1_INTEGER_set_uint64(step->command, command) != 1 ||
	    ASN1_OCTET_STRING_set(step->parameters, parameters, (int)len) != 1 ||
	    sk_TSS2_POLICY_FILE_push(file->policy, step) <= 0)
		return false;
	(void)TAKE(step);
	return true;
}

static bool policy_fill(TSS2_KEY_FILE *file, const struct tss2_policy *policy)
{
	uint8_t parameters[sizeof(policy->pcr_digest) + sizeof(policy->pcrs)];
	size_t len = 0;

	if (policy->pcrs.count == 0)
		return true;
	file->policy = sk_TSS2_POLICY_FILE_new_null();
	return file->policy &&
	       Tss2_MU_TPM2B_DIGEST_Marshal(&policy->pcr_digest, parameters, sizeof(parameters), &len) == TSS2_RC_SUCCESS &&
	       Tss2_MU_TPML_PCR_SELECTION_Marshal(&policy->pcrs, parameters, sizeof(parameters), &len) == TSS2_RC_SUCCESS &&
	       policy_push(file, TPM2_CC_PolicyPCR, parameters, len) &&
	       (!policy->with_auth || policy_push(file, TPM2_CC_PolicyAuthValue, (const uint8_t *)"", 0));
}

static bool file_fill(TSS2_KEY_FILE *file, const struct tss2_key *key)
{
	uint8_t public[sizeof(TPM2B_PUBLIC)], private[sizeof(TPM2B_PRIVATE)];
	size_t public_len = 0, private_len = 0;

	if (Tss2_MU_TPM2B_PUBLIC_Marshal(&key->public, public, sizeof(public), &public_len) != TSS2_RC_SUCCESS ||
	    Tss2_MU_TPM2B_PRIVATE_Marshal(&key->private, private, sizeof(private), &private_len) != TSS2_RC_SUCCESS)
		return false;
	ASN1_OBJECT_free(file->type);
	file->type = OBJ_txt2obj(OID_LOADABLE, 1);
	file->empty_auth = key->empty_auth ? 0xff : 0;
	return file->type && policy_fill(file, &key->policy) && ASN1_INTEGER_set_uint64(file->parent, key->parent) == 1 &&
	       ASN1_OCTET_STRING_set(file->public, public, (int)public_len) == 1 &&
	       ASN1_OCTET_STRING_set(file->private, private, (int)private_len) == 1;
}

enum rc tss2_key_print(const struct tss2_key *key, struct buf *ret_pem, struct err *err)
{
	AUTO(key_file) TSS2_KEY_FILE *file = TSS2_KEY_FILE_new();
	AUTO(bio) BIO *bio = BIO_new(BIO_s_mem());
	unsigned char *der = NULL;
	char *text = NULL;

	if (!file || !bio || !file_fill(file, key))
		return err_set(err, RC_RESOURCE, "the TPM key file cannot be encoded");
	int len = i2d_TSS2_KEY_FILE(file, &der);
	bool printed = len > 0 && PEM_write_bio(bio, TSS2_PEM_NAME, "", der, len) > 0;
	OPENSSL_free(der);
	if (!printed)
		return err_set(err, RC_RESOURCE, "the TPM key file cannot be encoded");
	long text_len = BIO_get_mem_data(bio, &text);
	return buf_append(ret_pem, span_of(text, (size_t)text_len), err);
}

static bool is_step(const TSS2_POLICY_FILE *step, uint32_t command)
{
	uint64_t number = 0;

	return ASN1_INTEGER_get_uint64(&number, step->command) == 1 && number == command;
}

/* TPM2_PolicyPCR alone, or followed by TPM2_PolicyAuthValue: what this program makes, and can satisfy. */
static bool policy_read(const TSS2_KEY_FILE *file, struct tss2_policy *ret_policy)
{
	struct tss2_policy policy = { 0 };
	int steps = sk_TSS2_POLICY_FILE_num(file->policy);
	size_t at = 0;

	if (!file->policy)
		return true;
	if (steps < 1 || steps > 2 || !is_step(sk_TSS2_POLICY_FILE_value(file->policy, 0), TPM2_CC_PolicyPCR))
		return false;
	const ASN1_OCTET_STRING *parameters = sk_TSS2_POLICY_FILE_value(file->policy, 0)->parameters;
	size_t len = (size_t)ASN1_STRING_length(parameters);
	if (Tss2_MU_TPM2B_DIGEST_Unmarshal(ASN1_STRING_get0_data(parameters), len, &at, &policy.pcr_digest) != TSS2_RC_SUCCESS ||
	    Tss2_MU_TPML_PCR_SELECTION_Unmarshal(ASN1_STRING_get0_data(parameters), len, &at, &policy.pcrs) != TSS2_RC_SUCCESS ||
	    at != len || policy.pcrs.count != 1)
		return false;
	policy.with_auth = steps == 2;
	if (policy.with_auth && (!is_step(sk_TSS2_POLICY_FILE_value(file->policy, 1), TPM2_CC_PolicyAuthValue) ||
				 ASN1_STRING_length(sk_TSS2_POLICY_FILE_value(file->policy, 1)->parameters) != 0))
		return false;
	*ret_policy = policy;
	return true;
}

static enum rc file_read(const TSS2_KEY_FILE *file, struct tss2_key *ret_key, struct err *err)
{
	struct tss2_key key = { .empty_auth = file->empty_auth != 0 };
	char type[64];
	uint64_t parent = 0;
	size_t public_at = 0, private_at = 0;

	OBJ_obj2txt(type, sizeof(type), file->type, 1);
	if (strcmp(type, OID_LOADABLE) != 0)
		return err_set(err, RC_INPUT, "its type is %s, not a loadable TPM key", type);
	if (ASN1_INTEGER_get_uint64(&parent, file->parent) != 1 ||
	    (parent != TSS2_PARENT_OWNER && (parent < PERSISTENT_FIRST || parent > PERSISTENT_LAST)))
		return err_set(err, RC_INPUT, "its parent 0x%llx is neither the owner hierarchy nor a persistent key",
			       (unsigned long long)parent);
	key.parent = (uint32_t)parent;
	if (!policy_read(file, &key.policy))
		return err_set(err, RC_INPUT, "its policy is none of this program's and cannot be satisfied");
	size_t public_len = (size_t)ASN1_STRING_length(file->public);
	size_t private_len = (size_t)ASN1_STRING_length(file->private);
	if (Tss2_MU_TPM2B_PUBLIC_Unmarshal(ASN1_STRING_get0_data(file->public), public_len, &public_at, &key.public) !=
		    TSS2_RC_SUCCESS ||
	    public_at != public_len ||
	    Tss2_MU_TPM2B_PRIVATE_Unmarshal(ASN1_STRING_get0_data(file->private), private_len, &private_at, &key.private) !=
		    TSS2_RC_SUCCESS ||
	    private_at != private_len)
		return err_set(err, RC_INPUT, "its public or private area is damaged");
	*ret_key = key;
	return RC_OK;
}

enum rc tss2_key_parse(struct span pem, struct tss2_key *ret_key, struct err *err)
{
	AUTO(bio) BIO *bio = pem.len && pem.len <= TSS2_KEY_PEM_MAX ? BIO_new_mem_buf(pem.at, (int)pem.len) : NULL;
	char *name = NULL, *header = NULL;
	unsigned char *der = NULL;
	long len = 0;

	const uint8_t *first = pem.len ? memmem(pem.at, pem.len, "-----BEGIN ", 11) : NULL;
	/* A second block would be ignored by some readers and preferred by others. */
	if (first && memmem(first + 1, pem.len - (size_t)(first + 1 - pem.at), "-----BEGIN ", 11))
		return err_set(err, RC_INPUT, "more than one PEM block");
	if (!bio || PEM_read_bio(bio, &name, &header, &der, &len) != 1)
		return err_set(err, RC_INPUT, "not a PEM file of at most %d bytes", TSS2_KEY_PEM_MAX);
	const unsigned char *at = der;
	bool named = strcmp(name, TSS2_PEM_NAME) == 0 && header[0] == '\0';
	AUTO(key_file) TSS2_KEY_FILE *file = named ? d2i_TSS2_KEY_FILE(NULL, &at, len) : NULL;
	bool whole = file && at == der + len;
	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_free(der);
	if (!whole)
		return err_set(err, RC_INPUT, "not a \"%s\" this program knows", TSS2_PEM_NAME);
	return file_read(file, ret_key, err);
}
