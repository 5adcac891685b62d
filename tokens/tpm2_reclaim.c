/* tpm2_reclaim.c -- flushes what a killed process of ours left loaded in a TPM that has no resource manager. */
#include <string.h>

#include "clock.h"
#include "tpm2.h"

#define LOADED_MAX      16u /* a TPM without a resource manager has room for a few */
#define WATCH_MS        50
#define TRANSIENT_FIRST 0x80000000u /* TPM2_TRANSIENT_FIRST, whose shift overflows an int */

static bool is_storage_parent(const TPMT_PUBLIC *area)
{
	const TPMA_OBJECT parent = TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT;

	return (area->objectAttributes & (parent | TPMA_OBJECT_SIGN_ENCRYPT)) == parent;
}

static bool is_same_key(const TPMT_PUBLIC *left, const TPMT_PUBLIC *right)
{
	const TPM2B_ECC_PARAMETER *x = &left->unique.ecc.x, *other = &right->unique.ecc.x;

	if (left->type != right->type)
		return false;
	if (left->type == TPM2_ALG_RSA)
		return left->unique.rsa.size == right->unique.rsa.size &&
		       memcmp(left->unique.rsa.buffer, right->unique.rsa.buffer, left->unique.rsa.size) == 0;
	return left->type == TPM2_ALG_ECC && x->size == other->size && memcmp(x->buffer, other->buffer, x->size) == 0;
}

void tpm2_left_note(struct tpm2_token *token, const TPM2B_PUBLIC *ours)
{
	for (unsigned i = 0; i < token->left.count; i++)
		if (is_same_key(&token->left.keys[i].publicArea, &ours->publicArea))
			return;
	/* Whichever makes room: they are all out of use. */
	if (token->left.count == TPM2_LEFT_MAX)
		token->left.count--;
	token->left.keys[token->left.count++] = *ours;
}

static bool is_left(const struct tpm2_token *token, const TPMT_PUBLIC *area)
{
	for (unsigned i = 0; i < token->left.count; i++)
		if (is_same_key(&token->left.keys[i].publicArea, area))
			return true;
	return false;
}

/* True when the object was ours to flush, and was flushed. */
static bool flush_one(struct tpm2_token *token, TPM2_HANDLE number, const TPM2B_PUBLIC *ours, bool parents_too)
{
	ESYS_TR handle = ESYS_TR_NONE;
	TPM2B_PUBLIC *public = NULL;

	if (Esys_TR_FromTPMPublic(token->esys, number, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &handle) != TSS2_RC_SUCCESS)
		return false;
	bool wanted = Esys_ReadPublic(token->esys, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &public, NULL, NULL) ==
		      TSS2_RC_SUCCESS;
	if (wanted)
		wanted = (parents_too && (is_storage_parent(&public->publicArea) || is_left(token, &public->publicArea))) ||
			 (ours && is_same_key(&public->publicArea, &ours->publicArea));
	Esys_Free(public);
	if (wanted)
		return Esys_FlushContext(token->esys, handle) == TSS2_RC_SUCCESS;
	(void)Esys_TR_Close(token->esys, &handle);
	return false;
}

static unsigned flush_matching(struct tpm2_token *token, const TPM2B_PUBLIC *ours, bool parents_too)
{
	TPMS_CAPABILITY_DATA *capability = NULL;
	TPMI_YES_NO more;
	unsigned flushed = 0;

	if (tpm2_connect(token, NULL) != RC_OK ||
	    Esys_GetCapability(token->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_HANDLES, TRANSIENT_FIRST,
			       LOADED_MAX, &more, &capability) != TSS2_RC_SUCCESS)
		return 0;
	const TPML_HANDLE *loaded = &capability->data.handles;
	for (uint32_t i = 0; i < loaded->count && i < LOADED_MAX; i++)
		flushed += flush_one(token, loaded->handle[i], ours, parents_too);
	Esys_Free(capability);
	return flushed;
}

bool tpm2_reclaim_objects(struct tpm2_token *token, const TPM2B_PUBLIC *ours)
{
	unsigned flushed = flush_matching(token, ours, true);

	if (flushed)
		token->left.count = 0;
	return flushed > 0;
}

void tpm2_flush_copies(struct tpm2_token *token, const TPM2B_PUBLIC *ours)
{
	(void)flush_matching(token, ours, false);
}

/* The sessions that are loaded now; a TPM has room for a few. */
static unsigned sessions_list(struct tpm2_token *token, TPM2_HANDLE numbers[LOADED_MAX])
{
	TPMS_CAPABILITY_DATA *capability = NULL;
	TPMI_YES_NO more;
	unsigned count = 0;

	if (tpm2_connect(token, NULL) != RC_OK ||
	    Esys_GetCapability(token->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_HANDLES, TPM2_LOADED_SESSION_FIRST,
			       LOADED_MAX, &more, &capability) != TSS2_RC_SUCCESS)
		return 0;
	for (; count < capability->data.handles.count && count < LOADED_MAX; count++)
		numbers[count] = capability->data.handles.handle[count];
	Esys_Free(capability);
	return count;
}

static bool contains(const TPM2_HANDLE *numbers, unsigned count, TPM2_HANDLE wanted)
{
	for (unsigned i = 0; i < count; i++)
		if (numbers[i] == wanted)
			return true;
	return false;
}

/* Watches for TPM2_PATIENCE_MS; what stays in `stuck` was loaded all the while.  False as soon as one is gone: there is room. */
static bool sessions_stay(struct tpm2_token *token, const TPM2_HANDLE *stuck, unsigned count)
{
	int64_t deadline = clock_monotonic_ms() + TPM2_PATIENCE_MS;

	while (clock_monotonic_ms() < deadline) {
		TPM2_HANDLE now[LOADED_MAX];
		unsigned loaded = sessions_list(token, now);

		for (unsigned i = 0; i < count; i++)
			if (!contains(now, loaded, stuck[i]))
				return false;
		clock_wait_until(INT64_MAX, WATCH_MS);
	}
	return true;
}

static bool session_flush(struct tpm2_token *token, TPM2_HANDLE number)
{
	ESYS_TR session = ESYS_TR_NONE;

	return Esys_TR_FromTPMPublic(token->esys, number, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &session) ==
		       TSS2_RC_SUCCESS &&
	       Esys_FlushContext(token->esys, session) == TSS2_RC_SUCCESS;
}

/* First those whose numbers are known; then as many of the others as were being opened when a process was killed. */
bool tpm2_reclaim_sessions(struct tpm2_token *token)
{
	struct tpm2_journal_view view;
	TPM2_HANDLE stuck[LOADED_MAX];
	unsigned flushed = 0;

	tpm2_journal_view(token, &view);
	unsigned count = view.left_count || view.unknown ? sessions_list(token, stuck) : 0;
	if (count == 0)
		return false;
	if (!sessions_stay(token, stuck, count))
		return true;
	for (unsigned i = 0; i < count; i++)
		if (contains(view.left, view.left_count, stuck[i]))
			flushed += session_flush(token, stuck[i]);
	for (unsigned i = 0; i < count && view.unknown > 0; i++)
		if (!contains(view.left, view.left_count, stuck[i]) && !contains(view.live, view.live_count, stuck[i]) &&
		    session_flush(token, stuck[i])) {
			view.unknown--;
			flushed++;
		}
	tpm2_journal_settle(token, NULL, 0);
	return flushed > 0;
}

void tpm2_reclaim_review(struct tpm2_token *token)
{
	struct tpm2_journal_view view;
	TPM2_HANDLE loaded[LOADED_MAX];

	tpm2_journal_view(token, &view);
	if (view.left_count || view.unknown)
		tpm2_journal_settle(token, loaded, sessions_list(token, loaded));
}
