/* tpm2_template.c -- what is asked of the TPM: the storage parent, and a key of each type. */
#include "tpm2.h"

#define KEY_ATTRIBUTES                                                                                                 \
	(TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH | \
	 TPMA_OBJECT_NODA | TPMA_OBJECT_SIGN_ENCRYPT)

/* What tpm2-openssl makes again for parent 0x40000001; with noDA, so that no restart costs an attempt. */
const TPM2B_PUBLIC tpm2_storage_template = {
	.publicArea = {
		.type = TPM2_ALG_ECC,
		.nameAlg = TPM2_ALG_SHA256,
		.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN |
				    TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT,
		.parameters.eccDetail = {
			.symmetric = { .algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB },
			.scheme.scheme = TPM2_ALG_NULL,
			.curveID = TPM2_ECC_NIST_P256,
			.kdf.scheme = TPM2_ALG_NULL,
		},
	},
};

TPM2_ECC_CURVE tpm2_curve(enum key_type type)
{
	static const TPM2_ECC_CURVE curves[KEY_TYPE_COUNT] = {
		[KEY_EC_P256] = TPM2_ECC_NIST_P256,
		[KEY_EC_P384] = TPM2_ECC_NIST_P384,
		[KEY_EC_P521] = TPM2_ECC_NIST_P521,
	};

	return curves[type];
}

/* Scheme NULL: TLS needs PSS and PKCS#1 of the same RSA key. */
TPMT_PUBLIC tpm2_key_template(enum key_type type)
{
	TPMT_PUBLIC area = { .nameAlg = TPM2_ALG_SHA256, .objectAttributes = KEY_ATTRIBUTES };

	if (key_type_family(type) == FAMILY_EC) {
		area.type = TPM2_ALG_ECC;
		area.parameters.eccDetail.symmetric.algorithm = TPM2_ALG_NULL;
		area.parameters.eccDetail.scheme.scheme = TPM2_ALG_NULL;
		area.parameters.eccDetail.curveID = tpm2_curve(type);
		area.parameters.eccDetail.kdf.scheme = TPM2_ALG_NULL;
	} else {
		area.type = TPM2_ALG_RSA;
		area.parameters.rsaDetail.symmetric.algorithm = TPM2_ALG_NULL;
		area.parameters.rsaDetail.scheme.scheme = TPM2_ALG_NULL;
		area.parameters.rsaDetail.keyBits = (TPMI_RSA_KEY_BITS)key_type_bits(type);
	}
	return area;
}
