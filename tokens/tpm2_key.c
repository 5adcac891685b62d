/* tpm2_key.c -- what the rest of the program sees of a TPM key: public key, custody in words, signatures. */
#include <stdio.h>
#include <string.h>

#include "spki.h"
#include "tpm2.h"

static enum key_type curve_of(TPM2_ECC_CURVE curve)
{
	for (int type = 0; type < KEY_TYPE_COUNT; type++)
		if (key_type_family((enum key_type)type) == FAMILY_EC && tpm2_curve((enum key_type)type) == curve)
			return (enum key_type)type;
	return KEY_TYPE_COUNT;
}

enum rc tpm2_key_spki(const TPMT_PUBLIC *area, struct buf *ret_spki, struct err *err)
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
void tpm2_key_custody(const struct tss2_key *file, TPMA_OBJECT attributes, struct token_custody *ret_custody)
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
		custody.is_broken = !custody.held;
		int len = snprintf(custody.text + used, sizeof(custody.text) - used, "%s%s", i ? ", " : "",
				   holds ? rules[i].held : rules[i].broken);
		used += len > 0 ? (size_t)len : 0;
	}
	if (file->policy.pcrs.count) {
		char registers[96];

		snprintf(custody.text + used, sizeof(custody.text) - used, ", bound to %s",
			 tpm2_policy_text(&file->policy, registers));
	}
	*ret_custody = custody;
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

enum rc tpm2_key_signature(enum key_type type, enum token_scheme scheme, const TPMT_SIGNATURE *sig, struct buf *ret_sig,
			   struct err *err)
{
	if (scheme == TOKEN_ECDSA)
		return ecdsa_pair(&sig->signature.ecdsa, key_type_width(type), ret_sig, err);
	const TPM2B_PUBLIC_KEY_RSA *octets = &sig->signature.rsassa.sig; /* rsapss has the same shape */
	return buf_append(ret_sig, span_of(octets->buffer, octets->size), err);
}
