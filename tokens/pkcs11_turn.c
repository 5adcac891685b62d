/*
 * pkcs11_turn.c -- keeps apart what a module mixes up when it happens at the same time.
 *
 * SoftHSM 2.6.1 shows a search an object that another thread is still making.  Then C_GenerateKeyPair or C_CreateObject fails with
 * CKR_GENERAL_ERROR and leaves an object without a name, or the object is there twice, or not at all.  And an object that is
 * read while C_SetAttributeValue writes it is gone for this process until the module is started anew.  Both were seen with
 * four threads of one process, and neither once they took turns as they do here; between processes only the second is left.
 * Two locks, because to make an RSA key may take seconds in which others should sign: one that all share who make objects, and a
 * search has alone; and one that all calls share but those that change an object.
 *
 * NSS softokn 3.87 waits for itself for ever when two threads make and erase keys: one has the database's transaction and waits for
 * the monitor, the other the other way round.  There everything waits for its turn.
 */
#include "pkcs11.h"
#include "pkcs11_quirks.h"

void pkcs11_turns_init(struct pkcs11_turns *turns)
{
	pthread_rwlockattr_t fair;

	pthread_rwlockattr_init(&fair);
	/* Signatures without end would keep a change waiting for ever, and new keys a search. */
	pthread_rwlockattr_setkind_np(&fair, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&turns->objects, &fair);
	pthread_rwlock_init(&turns->changes, &fair);
	pthread_rwlockattr_destroy(&fair);
}

void pkcs11_turn_begin(struct pkcs11_session *session, bool is_change)
{
	if (!session->turns)
		return;
	if (is_change || session->token->quirks->turns == PKCS11_TURNS_ONE)
		pthread_rwlock_wrlock(&session->turns->changes);
	else
		pthread_rwlock_rdlock(&session->turns->changes);
}

void pkcs11_turn_end(struct pkcs11_session *session)
{
	if (session->turns)
		pthread_rwlock_unlock(&session->turns->changes);
}

void pkcs11_search_begin(struct pkcs11_session *session)
{
	if (session->turns)
		pthread_rwlock_wrlock(&session->turns->objects);
}

void pkcs11_making_begin(struct pkcs11_session *session)
{
	if (session->turns)
		pthread_rwlock_rdlock(&session->turns->objects);
}

void pkcs11_objects_release(struct pkcs11_session *session)
{
	if (session->turns)
		pthread_rwlock_unlock(&session->turns->objects);
}
