/*
 * p11_calls.h -- every function of PKCS#11 2.40, for p11_proxy.c: CALL(name, parameters, arguments, length, format...).
 *
 * `length` points to what the script's "length" changes, or is NULL.  The format prints key arguments into the log, after
 * the call; it never sees a PIN, data or a signature.
 */
#define BYTES    CK_BYTE *
#define SESSION  CK_SESSION_HANDLE session
#define OBJECT   CK_OBJECT_HANDLE object
#define TEMPLATE CK_ATTRIBUTE *attributes, CK_ULONG attribute_count
#define P11_CALLS                                                                                                                \
	CALL(C_Initialize, (void *init_args), (init_args), NULL, " ")                                                            \
	CALL(C_Finalize, (void *reserved), (reserved), NULL, " ")                                                                \
	CALL(C_GetInfo, (CK_INFO * info), (info), NULL, " ")                                                                     \
	CALL(C_GetSlotList, (CK_BBOOL present, CK_SLOT_ID * slots, CK_ULONG * count), (present, slots, count), count,            \
	     " present=%d count=%lu", present, *count)                                                                           \
	CALL(C_GetSlotInfo, (CK_SLOT_ID slot, CK_SLOT_INFO * info), (slot, info), NULL, " slot=%lu", slot)                       \
	CALL(C_GetTokenInfo, (CK_SLOT_ID slot, CK_TOKEN_INFO * info), (slot, info), NULL, " slot=%lu", slot)                     \
	CALL(C_WaitForSlotEvent, (CK_FLAGS flags, CK_SLOT_ID * slot, void *reserved), (flags, slot, reserved), NULL, " ")        \
	CALL(C_GetMechanismList, (CK_SLOT_ID slot, CK_MECHANISM_TYPE * types, CK_ULONG * count), (slot, types, count), count,    \
	     " slot=%lu count=%lu", slot, *count)                                                                                \
	CALL(C_GetMechanismInfo, (CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO * info), (slot, type, info), NULL,  \
	     " slot=%lu mechanism=0x%lx", slot, type)                                                                            \
	CALL(C_InitToken, (CK_SLOT_ID slot, BYTES pin, CK_ULONG len, BYTES label), (slot, pin, len, label), NULL, " slot=%lu",   \
	     slot)                                                                                                               \
	CALL(C_InitPIN, (SESSION, BYTES pin, CK_ULONG len), (session, pin, len), NULL, " session=%lu", session)                  \
	CALL(C_SetPIN, (SESSION, BYTES before, CK_ULONG before_len, BYTES pin, CK_ULONG len),                                    \
	     (session, before, before_len, pin, len), NULL, " session=%lu", session)                                             \
	CALL(C_OpenSession, (CK_SLOT_ID slot, CK_FLAGS flags, void *ctx, CK_NOTIFY notify, CK_SESSION_HANDLE *session),          \
	     (slot, flags, ctx, notify, session), NULL, " slot=%lu flags=0x%lx session=%lu", slot, flags,                        \
	     rv == CKR_OK ? *session : 0)                                                                                        \
	CALL(C_CloseSession, (SESSION), (session), NULL, " session=%lu", session)                                                \
	CALL(C_CloseAllSessions, (CK_SLOT_ID slot), (slot), NULL, " slot=%lu", slot)                                             \
	CALL(C_GetSessionInfo, (SESSION, CK_SESSION_INFO * info), (session, info), NULL, " session=%lu", session)                \
	CALL(C_GetOperationState, (SESSION, BYTES out, CK_ULONG * out_len), (session, out, out_len), out_len, " session=%lu",    \
	     session)                                                                                                            \
	CALL(C_SetOperationState, (SESSION, BYTES in, CK_ULONG len, CK_OBJECT_HANDLE key, CK_OBJECT_HANDLE other),               \
	     (session, in, len, key, other), NULL, " session=%lu", session)                                                      \
	CALL(C_Login, (SESSION, CK_USER_TYPE user, BYTES pin, CK_ULONG len), (session, user, pin, len), NULL,                    \
	     " session=%lu user=%lu", session, user)                                                                             \
	CALL(C_Logout, (SESSION), (session), NULL, " session=%lu", session)                                                      \
	CALL(C_CreateObject, (SESSION, TEMPLATE, CK_OBJECT_HANDLE * object), (session, attributes, attribute_count, object),     \
	     NULL, " session=%lu%s object=%lu", session, template_text(attributes, attribute_count), rv == CKR_OK ? *object : 0) \
	CALL(C_CopyObject, (SESSION, OBJECT, TEMPLATE, CK_OBJECT_HANDLE * copy),                                                 \
	     (session, object, attributes, attribute_count, copy), NULL, " session=%lu object=%lu copy=%lu", session, object,    \
	     rv == CKR_OK ? *copy : 0)                                                                                           \
	CALL(C_DestroyObject, (SESSION, OBJECT), (session, object), NULL, " session=%lu object=%lu", session, object)            \
	CALL(C_GetObjectSize, (SESSION, OBJECT, CK_ULONG * size), (session, object, size), size, " session=%lu object=%lu",      \
	     session, object)                                                                                                    \
	CALL(C_GetAttributeValue, (SESSION, OBJECT, TEMPLATE), (session, object, attributes, attribute_count),                   \
	     attribute_count ? &attributes[0].ulValueLen : NULL, " session=%lu object=%lu%s", session, object,                   \
	     types_text(attributes, attribute_count))                                                                            \
	CALL(C_SetAttributeValue, (SESSION, OBJECT, TEMPLATE), (session, object, attributes, attribute_count), NULL,             \
	     " session=%lu object=%lu%s", session, object, types_text(attributes, attribute_count))                              \
	CALL(C_FindObjectsInit, (SESSION, TEMPLATE), (session, attributes, attribute_count), NULL, " session=%lu%s", session,    \
	     template_text(attributes, attribute_count))                                                                         \
	CALL(C_FindObjects, (SESSION, CK_OBJECT_HANDLE * objects, CK_ULONG max, CK_ULONG * count),                               \
	     (session, objects, max, count), count, " session=%lu found=%lu", session, rv == CKR_OK ? *count : 0)                \
	CALL(C_FindObjectsFinal, (SESSION), (session), NULL, " session=%lu", session)                                            \
	CALL(C_EncryptInit, (SESSION, CK_MECHANISM * mechanism, OBJECT), (session, mechanism, object), NULL, " session=%lu",     \
	     session)                                                                                                            \
	CALL(C_Encrypt, (SESSION, BYTES in, CK_ULONG len, BYTES out, CK_ULONG * out_len), (session, in, len, out, out_len),      \
	     out_len, " session=%lu", session)                                                                                   \
	CALL(C_EncryptUpdate, (SESSION, BYTES in, CK_ULONG len, BYTES out, CK_ULONG * out_len),                                  \
	     (session, in, len, out, out_len), out_len, " session=%lu", session)                                                 \
	CALL(C_EncryptFinal, (SESSION, BYTES out, CK_ULONG * out_len), (session, out, out_len), out_len, " session=%lu",         \
	     session)                                                                                                            \
	CALL(C_DecryptInit, (SESSION, CK_MECHANISM * mechanism, OBJECT), (session, mechanism, object), NULL, " session=%lu",     \
	     session)                                                                                                            \
	CALL(C_Decrypt, (SESSION, BYTES in, CK_ULONG len, BYTES out, CK_ULONG * out_len), (session, in, len, out, out_len),      \
	     out_len, " session=%lu", session)                                                                                   \
	CALL(C_DecryptUpdate, (SESSION, BYTES in, CK_ULONG len, BYTES out, CK_ULONG * out_len),                                  \
	     (session, in, len, out, out_len), out_len, " session=%lu", session)                                                 \
	CALL(C_DecryptFinal, (SESSION, BYTES out, CK_ULONG * out_len), (session, out, out_len), out_len, " session=%lu",         \
	     session)                                                                                                            \
	CALL(C_DigestInit, (SESSION, CK_MECHANISM * mechanism), (session, mechanism), NULL, " session=%lu", session)             \
	CALL(C_Digest, (SESSION, BYTES in, CK_ULONG len, BYTES out, CK_ULONG * out_len), (session, in, len, out, out_len),       \
	     out_len, " session=%lu", session)                                                                                   \
	CALL(C_DigestUpdate, (SESSION, BYTES in, CK_ULONG len), (session, in, len), NULL, " session=%lu", session)               \
	CALL(C_DigestKey, (SESSION, OBJECT), (session, object), NULL, " session=%lu object=%lu", session, object)                \
	CALL(C_DigestFinal, (SESSION, BYTES out, CK_ULONG * out_len), (session, out, out_len), out_len, " session=%lu", session) \
	CALL(C_SignInit, (SESSION, CK_MECHANISM * mechanism, OBJECT), (session, mechanism, object), NULL,                        \
	     " session=%lu mechanism=0x%lx object=%lu", session, mechanism->mechanism, object)                                   \
	CALL(C_Sign, (SESSION, BYTES in, CK_ULONG len, BYTES out, CK_ULONG * out_len), (session, in, len, out, out_len),         \
	     out_len, " session=%lu bytes=%lu", session, len)                                                                    \
	CALL(C_SignUpdate, (SESSION, BYTES in, CK_ULONG len), (session, in, len), NULL, " session=%lu bytes=%lu", session, len)  \
	CALL(C_SignFinal, (SESSION, BYTES out, CK_ULONG * out_len), (session, out, out_len), out_len, " session=%lu", session)   \
	CALL(C_SignRecoverInit, (SESSION, CK_MECHANISM * mechanism, OBJECT), (session, mechanism, object), NULL, " session=%lu", \
	     session)                                                                                                            \
	CALL(C_SignRecover, (SESSION, BYTES in, CK_ULONG len, BYTES out, CK_ULONG * out_len), (session, in, len, out, out_len),  \
	     out_len, " session=%lu", session)                                                                                   \
	CALL(C_VerifyInit, (SESSION, CK_MECHANISM * mechanism, OBJECT), (session, mechanism, object), NULL, " session=%lu",      \
	     session)                                                                                                            \
	CALL(C_Verify, (SESSION, BYTES in, CK_ULONG len, BYTES sig, CK_ULONG sig_len), (session, in, len, sig, sig_len), NULL,   \
	     " session=%lu", session)                                                                                            \
	CALL(C_VerifyUpdate, (SESSION, BYTES in, CK_ULONG len), (session, in, len), NULL, " session=%lu", session)               \
	CALL(C_VerifyFinal, (SESSION, BYTES sig, CK_ULONG sig_len), (session, sig, sig_len), NULL, " session=%lu", session)      \
	CALL(C_VerifyRecoverInit, (SESSION, CK_MECHANISM * mechanism, OBJECT), (session, mechanism, object), NULL,               \
	     " session=%lu", session)                                                                                            \
	CALL(C_VerifyRecover, (SESSION, BYTES sig, CK_ULONG sig_len, BYTES out, CK_ULONG * out_len),                             \
	     (session, sig, sig_len, out, out_len), out_len, " session=%lu", session)                                            \
	CALL(C_DigestEncryptUpdate, (SESSION, BYTES in, CK_ULONG len, BYTES out, CK_ULONG * out_len),                            \
	     (session, in, len, out, out_len), out_len, " session=%lu", session)                                                 \
	CALL(C_DecryptDigestUpdate, (SESSION, BYTES in, CK_ULONG len, BYTES out, CK_ULONG * out_len),                            \
	     (session, in, len, out, out_len), out_len, " session=%lu", session)                                                 \
	CALL(C_SignEncryptUpdate, (SESSION, BYTES in, CK_ULONG len, BYTES out, CK_ULONG * out_len),                              \
	     (session, in, len, out, out_len), out_len, " session=%lu", session)                                                 \
	CALL(C_DecryptVerifyUpdate, (SESSION, BYTES in, CK_ULONG len, BYTES out, CK_ULONG * out_len),                            \
	     (session, in, len, out, out_len), out_len, " session=%lu", session)                                                 \
	CALL(C_GenerateKey, (SESSION, CK_MECHANISM * mechanism, TEMPLATE, CK_OBJECT_HANDLE * key),                               \
	     (session, mechanism, attributes, attribute_count, key), NULL, " session=%lu mechanism=0x%lx", session,              \
	     mechanism->mechanism)                                                                                               \
	CALL(C_GenerateKeyPair,                                                                                                  \
	     (SESSION, CK_MECHANISM * mechanism, TEMPLATE, CK_ATTRIBUTE * private_attributes, CK_ULONG private_count,            \
	      CK_OBJECT_HANDLE * public_key, CK_OBJECT_HANDLE * private_key),                                                    \
	     (session, mechanism, attributes, attribute_count, private_attributes, private_count, public_key, private_key),      \
	     NULL, " session=%lu mechanism=0x%lx%s", session, mechanism->mechanism,                                              \
	     template_text(private_attributes, private_count))                                                                   \
	CALL(C_WrapKey, (SESSION, CK_MECHANISM * mechanism, CK_OBJECT_HANDLE with, OBJECT, BYTES out, CK_ULONG * out_len),       \
	     (session, mechanism, with, object, out, out_len), out_len, " session=%lu mechanism=0x%lx object=%lu", session,      \
	     mechanism->mechanism, object)                                                                                       \
	CALL(C_UnwrapKey,                                                                                                        \
	     (SESSION, CK_MECHANISM * mechanism, CK_OBJECT_HANDLE with, BYTES in, CK_ULONG len, TEMPLATE,                        \
	      CK_OBJECT_HANDLE * key),                                                                                           \
	     (session, mechanism, with, in, len, attributes, attribute_count, key), NULL, " session=%lu mechanism=0x%lx",        \
	     session, mechanism->mechanism)                                                                                      \
	CALL(C_DeriveKey, (SESSION, CK_MECHANISM * mechanism, OBJECT, TEMPLATE, CK_OBJECT_HANDLE * key),                         \
	     (session, mechanism, object, attributes, attribute_count, key), NULL, " session=%lu mechanism=0x%lx", session,      \
	     mechanism->mechanism)                                                                                               \
	CALL(C_SeedRandom, (SESSION, BYTES seed, CK_ULONG len), (session, seed, len), NULL, " session=%lu", session)             \
	CALL(C_GenerateRandom, (SESSION, BYTES out, CK_ULONG len), (session, out, len), NULL, " session=%lu bytes=%lu", session, \
	     len)                                                                                                                \
	CALL(C_GetFunctionStatus, (SESSION), (session), NULL, " session=%lu", session)                                           \
	CALL(C_CancelFunction, (SESSION), (session), NULL, " session=%lu", session)
