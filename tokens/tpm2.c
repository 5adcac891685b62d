/* tpm2.c -- keys wrapped by a TPM 2.0: the table of operations, and what the rest of the program sees of such a key. */
#include "tpm2.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backends.h"
#include "codec.h"
#include "spki.h"
#include "tpm2_file.h"

static enum rc tpm2_open(const struct config_token *config, const char *keys_dir, struct token **ret_token, struct err *err)
{
	struct tpm2_token *token = calloc(1, sizeof(*token));

	if (!token)
		return err_set(err, RC_RESOURCE, "out of memory");
	AUTO(token) struct token *owned = &token->base;
	token->base = (struct token){ .ops = &tpm2_ops, .name = config->name };
	token->owner = getpid();
	token->tcti = strdup(config->tcti);
	token->keys_dir = strdup(keys_dir);
	if (!token->tcti || !token->keys_dir)
		return err_set(err, RC_RESOURCE, "out of memory");
	if (!token->tcti[0])
		return err_set(err, RC_INPUT, "tcti is empty; write for example tcti: \"device:/dev/tpmrm0\"");
	enum rc rc = tpm2_connect(token, err);
	if (rc == RC_OK)
		*ret_token = TAKE(owned);
	return rc;
}

static void tpm2_close(struct token *base)
{
	struct tpm2_token *token = TPM2(base);

	tpm2_disconnect(token);
	free(token->tcti);
	free(token->keys_dir);
	free(token);
}

static uint32_t property(const TPMS_CAPABILITY_DATA *capability, uint32_t wanted)
{
	const TPML_TAGGED_TPM_PROPERTY *list = &capability->data.tpmProperties;

	for (uint32_t i = 0; i < list->count; i++)
		if (list->tpmProperty[i].property == wanted)
			return list->tpmProperty[i].value;
	return 0;
}

/* TPM vendor texts come four letters to a number. */
static void vendor_text(const TPMS_CAPABILITY_DATA *capability, uint32_t first, int words, char *text, size_t room)
{
	size_t used = 0;

	for (int i = 0; i < words; i++) {
		uint32_t value = property(capability, first + (uint32_t)i);

		for (int shift = 24; shift >= 0; shift -= 8) {
			char letter = (char)(value >> shift & 0xff);

			if (letter > 0x20 && letter < 0x7f && used + 1 < room)
				text[used++] = letter;
		}
	}
	text[used] = '\0';
}

static enum rc tpm2_info(struct token *base, struct token_info *ret_info, struct err *err)
{
	struct tpm2_token *token = TPM2(base);
	struct token_info info = { 0 };
	TPMS_CAPABILITY_DATA *fixed = NULL, *variable = NULL;
	TPMI_YES_NO more;
	enum rc rc = tpm2_connect(token, err);

	if (rc != RC_OK)
		return rc;
	TSS2_RC code = Esys_GetCapability(token->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_TPM_PROPERTIES,
					  TPM2_PT_FIXED, 64, &more, &fixed);
	if (code == TSS2_RC_SUCCESS)
		code = Esys_GetCapability(token->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_TPM_PROPERTIES,
					  TPM2_PT_VAR, 64, &more, &variable);
	if (code == TSS2_RC_SUCCESS) {
		uint32_t firmware = property(fixed, TPM2_PT_FIRMWARE_VERSION_1);

		vendor_text(fixed, TPM2_PT_MANUFACTURER, 1, info.manufacturer, sizeof(info.manufacturer));
		vendor_text(fixed, TPM2_PT_VENDOR_STRING_1, 4, info.model, sizeof(info.model));
		snprintf(info.firmware, sizeof(info.firmware), "%u.%u", firmware >> 16, firmware & 0xffff);
		snprintf(info.pin_state, sizeof(info.pin_state), "%s",
			 property(variable, TPM2_PT_PERMANENT) & TPMA_PERMANENT_INLOCKOUT ? "in dictionary-attack lockout"
											  : "not needed");
		snprintf(info.label, sizeof(info.label), "TPM 2.0");
	} else {
		rc = tpm2_fail(token, err, code, "TPM2_GetCapability");
	}
	Esys_Free(fixed);
	Esys_Free(variable);
	for (int type = 0; type < KEY_TYPE_COUNT && rc == RC_OK; type++)
		info.key_types[type] = tpm2_can_make(token, (enum key_type)type);
	if (rc == RC_OK)
		*ret_info = info;
	return rc;
}

static enum key_type curve_of(TPM2_ECC_CURVE curve)
{
	for (int type = 0; type < KEY_TYPE_COUNT; type++)
		if (key_type_family((enum key_type)type) == FAMILY_EC && tpm2_curve((enum key_type)type) == curve)
			return (enum key_type)type;
	return KEY_TYPE_COUNT;
}

static enum rc public_spki(const TPMT_PUBLIC *area, struct buf *ret_spki, struct err *err)
{
	if (area->type == TPM2_ALG_RSA) {
		uint32_t number = area->parameters.rsaDetail.exponent ? area->parameters.rsaDetail.exponent : 65537;
		uint8_t exponent[] = { (uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8),
				       (uint8_t)number };

		return spki_from_rsa(span_of(area->unique.rsa.buffer, area->unique.rsa.size), SPAN(exponent), ret_spki, err);
	}
	const TPMS_ECC_POINT *point = &area->unique.ecc;
	uint8_t octets[1 + 2 * EC_WIDTH_MAX] = { 0x04 };
	enum key_type type = area->type == TPM2_ALG_ECC ? curve_of(area->parameters.eccDetail.curveID) : KEY_TYPE_COUNT;
	size_t width = type < KEY_TYPE_COUNT ? key_type_width(type) : 0;

	if (type == KEY_TYPE_COUNT || point->x.size > width || point->y.size > width)
		return err_set(err, RC_INPUT, "its type is none of ours");
	memcpy(octets + 1 + width - point->x.size, point->x.buffer, point->x.size);
	memcpy(octets + 1 + 2 * width - point->y.size, point->y.buffer, point->y.size);
	return spki_from_ec(type, span_of(octets, 1 + 2 * width), ret_spki, err);
}

/* What invariant I2 asks, of the attributes that the TPM itself reports for the loaded key. */
static struct token_custody custody_of(TPMA_OBJECT attributes)
{
	static const struct {
		TPMA_OBJECT bit;
		bool must_be;
		const char *held, *broken;
	} rules[] = {
		{ TPMA_OBJECT_FIXEDTPM, true, "fixedTPM", "NOT fixedTPM" },
		{ TPMA_OBJECT_FIXEDPARENT, true, "fixedParent", "NOT fixedParent" },
		{ TPMA_OBJECT_SENSITIVEDATAORIGIN, true, "generated in the TPM", "not generated in the TPM" },
		{ TPMA_OBJECT_RESTRICTED, false, "not restricted", "restricted" },
	};
	struct token_custody custody = { .held = true };
	size_t used = 0;

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		bool holds = !!(attributes & rules[i].bit) == rules[i].must_be;

		custody.held = custody.held && holds;
		int len = snprintf(custody.text + used, sizeof(custody.text) - used, "%s%s", i ? ", " : "",
				   holds ? rules[i].held : rules[i].broken);
		used += len > 0 ? (size_t)len : 0;
	}
	return custody;
}

static void key_free(struct token_key *base)
{
	buf_clear(&TPM2_KEY(base)->spki);
	free(TPM2_KEY(base));
}

static enum rc key_new(struct token *base, const struct token_key_name *name, const struct tss2_key *file,
		       struct token_key **ret_key, struct err *err)
{
	struct tpm2_key *key = calloc(1, sizeof(*key));

	if (!key)
		return err_set(err, RC_RESOURCE, "out of memory");
	*key = (struct tpm2_key){ .base = { .ops = &tpm2_ops, .token = base, .name = *name },
				  .file = *file,
				  .spki = BUF_MAX(TOKEN_SPKI_MAX) };
	AUTO(token_key) struct token_key *owned = &key->base;
	enum rc rc = public_spki(&file->public.publicArea, &key->spki, err);
	if (rc != RC_OK)
		return rc;
	key->base.type = spki_key_type(buf_span(&key->spki));
	if (key->base.type == KEY_TYPE_COUNT)
		return err_set(err, RC_INPUT, "its type is none of ours");
	*ret_key = TAKE(owned);
	return RC_OK;
}

static enum rc custody(struct token_key *key, struct token_custody *ret_custody, struct err *err)
{
	TPM2B_PUBLIC public;
	enum rc rc = tpm2_read_public(TPM2(key->token), &TPM2_KEY(key)->file, &public, err);

	if (rc == RC_OK)
		*ret_custody = custody_of(public.publicArea.objectAttributes);
	return rc;
}

static enum rc file_load(struct tpm2_token *token, const char *label, struct tss2_key *ret_file, struct err *err)
{
	AUTO(buf) struct buf pem = BUF_MAX(TSS2_KEY_PEM_MAX);
	enum rc rc = tpm2_file_read(token->keys_dir, label, &pem, err);

	if (rc == RC_OK)
		rc = tss2_key_parse(buf_span(&pem), ret_file, err);
	return rc == RC_OK || rc == RC_ABSENT ? rc : err_wrap(err, rc, "%s/%s.pem", token->keys_dir, label);
}

static enum rc tpm2_find(struct token *base, const struct token_key_name *name, struct token_key **ret_key, struct err *err)
{
	AUTO(token_key) struct token_key *key = NULL;
	struct token_custody kept;
	struct tss2_key file;
	enum rc rc = file_load(TPM2(base), name->label, &file, err);

	if (rc == RC_OK)
		rc = key_new(base, name, &file, &key, err);
	if (rc == RC_OK)
		rc = custody(key, &kept, err);
	/* An absent file is an absent key; a file that this TPM refuses is a lost one, and never quietly replaced. */
	if (rc == RC_ABSENT && key) {
		rc = RC_DENIED;
		if (err)
			err->rc = rc;
	}
	if (rc == RC_OK && !kept.held)
		rc = err_set_raw(err, RC_DENIED, ERR_TSS, 0, "it is not kept by the TPM as it must be: %s", kept.text);
	if (rc == RC_OK)
		*ret_key = TAKE(key);
	return rc;
}

static enum rc tpm2_generate(struct token *base, const struct token_key_name *name, enum key_type type,
			     struct token_key **ret_key, struct err *err)
{
	struct tpm2_token *token = TPM2(base);
	AUTO(buf) struct buf pem = BUF_MAX(TSS2_KEY_PEM_MAX);
	AUTO(buf) struct buf present = BUF_MAX(TSS2_KEY_PEM_MAX);
	struct tss2_key file;
	enum rc rc = tpm2_file_read(token->keys_dir, name->label, &present, NULL);

	if (rc != RC_ABSENT)
		return err_set(err, RC_INPUT, "%s/%s.pem exists already", token->keys_dir, name->label);
	rc = tpm2_create(token, type, &file, err);
	if (rc == RC_OK)
		rc = tss2_key_print(&file, &pem, err);
	if (rc == RC_OK)
		rc = tpm2_file_write(token->keys_dir, name->label, buf_span(&pem), err);
	if (rc != RC_OK)
		return rc;
	rc = tpm2_find(base, name, ret_key, err);
	if (rc != RC_OK)
		(void)!tpm2_file_erase(token->keys_dir, name->label, NULL);
	return rc;
}

/* "hwacme-amf-<32 hex digits>.pem": the label, and the id at its end. */
static bool label_of(const char *file_name, struct token_key_name *ret_name)
{
	size_t len = strlen(file_name);
	AUTO(buf) struct buf id = BUF_MAX(TOKEN_ID_LEN);

	if (file_name[0] == '.' || len <= 4 || len - 4 >= TOKEN_LABEL_MAX || strcmp(file_name + len - 4, ".pem") != 0)
		return false;
	*ret_name = (struct token_key_name){ 0 };
	memcpy(ret_name->label, file_name, len - 4);
	if (len - 4 >= 2 * TOKEN_ID_LEN && codec_hex_decode(ret_name->label + len - 4 - 2 * TOKEN_ID_LEN, &id, NULL) == RC_OK &&
	    id.len == TOKEN_ID_LEN)
		memcpy(ret_name->id, id.at, TOKEN_ID_LEN);
	return true;
}

static enum rc list_one(struct token *base, const struct token_key_name *name, token_list_fn *each, void *ctx, struct err *err)
{
	AUTO(token_key) struct token_key *key = NULL;
	struct token_custody kept = { 0 };
	struct tss2_key file;
	struct err why = { 0 };
	enum rc rc = file_load(TPM2(base), name->label, &file, &why);

	if (rc == RC_OK)
		rc = key_new(base, name, &file, &key, &why);
	if (rc == RC_OK && custody(key, &kept, &why) != RC_OK)
		snprintf(kept.text, sizeof(kept.text), "%s", why.text);
	if (rc == RC_OK)
		return each(ctx, key, &kept, err);
	/* A damaged file is listed too: an operator wants to know of it. */
	struct token_key broken = { .ops = &tpm2_ops, .token = base, .name = *name, .type = KEY_TYPE_COUNT };
	snprintf(kept.text, sizeof(kept.text), "%s", why.text);
	return each(ctx, &broken, &kept, err);
}

static enum rc tpm2_list(struct token *base, token_list_fn *each, void *ctx, struct err *err)
{
	DIR *directory = opendir(TPM2(base)->keys_dir);
	const struct dirent *entry;
	struct token_key_name name;
	enum rc rc = RC_OK;

	if (!directory)
		return RC_OK; /* no key was ever made */
	while (rc == RC_OK && (entry = readdir(directory)))
		if (label_of(entry->d_name, &name))
			rc = list_one(base, &name, each, ctx, err);
	closedir(directory);
	return rc;
}

static enum rc public_key(struct token_key *key, struct buf *ret_spki, struct err *err)
{
	return buf_append(ret_spki, buf_span(&TPM2_KEY(key)->spki), err);
}

/* The specification lets r and s be shorter than the field; JWS does not. */
static enum rc ecdsa_pair(const TPMS_SIGNATURE_ECC *pair, size_t width, struct buf *ret_sig, struct err *err)
{
	uint8_t octets[2 * EC_WIDTH_MAX] = { 0 };

	if (pair->signatureR.size > width || pair->signatureS.size > width)
		return err_set_raw(err, RC_RETRY, ERR_TSS, 0, "TPM2_Sign: a signature wider than the curve");
	memcpy(octets + width - pair->signatureR.size, pair->signatureR.buffer, pair->signatureR.size);
	memcpy(octets + 2 * width - pair->signatureS.size, pair->signatureS.buffer, pair->signatureS.size);
	return buf_append(ret_sig, span_of(octets, 2 * width), err);
}

static enum rc sign(struct token_key *key, enum token_scheme scheme, enum token_hash hash, struct span digest,
		    struct buf *ret_sig, struct err *err)
{
	static const TPM2_ALG_ID schemes[] = {
		[TOKEN_ECDSA] = TPM2_ALG_ECDSA, [TOKEN_RSA_PKCS1] = TPM2_ALG_RSASSA, [TOKEN_RSA_PSS] = TPM2_ALG_RSAPSS
	};
	static const TPM2_ALG_ID hashes[] = {
		[TOKEN_SHA256] = TPM2_ALG_SHA256, [TOKEN_SHA384] = TPM2_ALG_SHA384, [TOKEN_SHA512] = TPM2_ALG_SHA512
	};
	TPMT_SIG_SCHEME wanted = { .scheme = schemes[scheme], .details.any.hashAlg = hashes[hash] };
	TPM2B_DIGEST message = { .size = (UINT16)digest.len };
	TPMT_SIGNATURE sig;

	if (digest.len > sizeof(message.buffer))
		return err_set(err, RC_BUG, "a digest of %zu bytes", digest.len);
	memcpy(message.buffer, digest.at, digest.len);
	enum rc rc = tpm2_sign(TPM2(key->token), &TPM2_KEY(key)->file, &message, &wanted, &sig, err);
	if (rc != RC_OK)
		return rc;
	if (scheme == TOKEN_ECDSA)
		return ecdsa_pair(&sig.signature.ecdsa, key_type_width(key->type), ret_sig, err);
	const TPM2B_PUBLIC_KEY_RSA *octets = &sig.signature.rsassa.sig; /* rsapss has the same shape */
	return buf_append(ret_sig, span_of(octets->buffer, octets->size), err);
}

static enum rc reference(struct token_key *key, struct buf *ret_pem, struct buf *ret_uri, struct err *err)
{
	enum rc rc = tss2_key_print(&TPM2_KEY(key)->file, ret_pem, err);

	if (rc == RC_OK)
		rc = buf_print(ret_uri, err, "file:%s/%s.pem", TPM2(key->token)->keys_dir, key->name.label);
	return rc;
}

static enum rc erase(struct token_key *key, struct err *err)
{
	/* The file is the key: a child process that inherited the handle must not erase it. */
	if (TPM2(key->token)->owner != getpid())
		return err_set(err, RC_BUG, "a TPM opened by another process; open it after the fork");
	tpm2_flush_copies(TPM2(key->token), &TPM2_KEY(key)->file.public);
	return tpm2_file_erase(TPM2(key->token)->keys_dir, key->name.label, err);
}

const struct token_ops tpm2_ops = {
	.scheme = "tpm2",
	.open = tpm2_open,
	.close = tpm2_close,
	.info = tpm2_info,
	.generate = tpm2_generate,
	.find = tpm2_find,
	.list = tpm2_list,
	.key_free = key_free,
	.public_key = public_key,
	.sign = sign,
	.custody = custody,
	.reference = reference,
	.erase = erase,
};
