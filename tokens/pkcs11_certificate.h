/*
 * pkcs11_certificate.h -- certificate objects that stand beside a key; nothing outside tokens/pkcs11*.c includes it.
 *
 * The certificate of a key has the key's CKA_ID.  The certificates of its chain are the key's too, called "<label of the key>
 * chain", with ids of their own: each key has a copy.  So what goes with a key is told by its name alone, and is gone with
 * it; nothing is counted across certificates, processes and hosts that share the token, which nobody could do safely.
 * The key's own certificate is written first and destroyed last: without it there is no chain either.
 */
#ifndef HWA_PKCS11_CERTIFICATE_H
#define HWA_PKCS11_CERTIFICATE_H

#include "pkcs11.h"

#define PKCS11_ATTRIBUTE_MAX    1024u
#define PKCS11_LABEL_MAX        80u /* with NUL: that of a key, and " chain" */
#define PKCS11_CERTIFICATES_MAX 64u /* of one key: a chain, and what an earlier one has left */

struct pkcs11_certificate {
	struct span der;
	const char *label;
	const uint8_t *id; /* TOKEN_ID_LEN */
	bool is_issuer;
};

/* What was found; `is_wanted` of those that stay. */
struct pkcs11_certificates {
	CK_OBJECT_HANDLE objects[PKCS11_CERTIFICATES_MAX];
	bool is_wanted[PKCS11_CERTIFICATES_MAX];
	CK_ULONG count;
};

/* One attribute, of any length up to that of the buffer. */
enum rc pkcs11_attribute(struct pkcs11_session *session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, struct buf *ret_value,
			 struct err *err) HWA_CHECKED;
/* Is it a certificate, of that key? */
enum rc pkcs11_certificate_check(struct span der, struct span spki, struct err *err) HWA_CHECKED;
void pkcs11_chain_label(const struct token_key_name *name, char ret_label[PKCS11_LABEL_MAX]);
/* `id` or `label`; NULL: any. */
enum rc pkcs11_certificates_find(struct pkcs11_session *session, const uint8_t *id, const char *label,
				 struct pkcs11_certificates *ret, struct err *err) HWA_CHECKED;
/* The certificate is one of those present, which becomes wanted, or it is written and read back. */
enum rc pkcs11_certificate_hold(struct pkcs11_session *session, const struct pkcs11_certificate *what,
				struct pkcs11_certificates *present, CK_OBJECT_HANDLE *ret_object, struct err *err) HWA_CHECKED;
/* The same for the chain beside that key. */
enum rc pkcs11_chain_hold(struct pkcs11_session *session, const struct token_key_name *name, const struct token_objects *objects,
			  struct pkcs11_certificates *present, struct err *err) HWA_CHECKED;
/* Those that are not wanted. */
enum rc pkcs11_certificates_destroy(struct pkcs11_session *session, const struct pkcs11_certificates *present,
				    struct err *err) HWA_CHECKED;
/* All of that key's. */
enum rc pkcs11_certificates_erase(struct pkcs11_session *session, const struct token_key_name *name, struct err *err) HWA_CHECKED;

#endif /* HWA_PKCS11_CERTIFICATE_H */
