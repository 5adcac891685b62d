/* renewal_publish.c -- puts the live certificate beside its key in the token, and moves the label there, for consumers that look there. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "certificate.h"
#include "renewal_steps.h"

#define FILE_MAX (128u * 1024u) /* a chain, PEM */

enum rc renewal_set_read(const struct renewal *renewal, unsigned generation, enum set_file file, struct buf *ret_content,
			 struct err *err)
{
	char path[4096], piece[4096];
	ssize_t got = 0;
	enum rc rc = RC_OK;

	snprintf(path, sizeof(path), "%s/archive/%s/%u/%s", renewal->desk->config->state, renewal->record->name, generation,
		 set_file_name(file));
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return err_set(err, RC_ABSENT, "there is no %s", path);
	if (fd < 0)
		return err_set_raw(err, RC_RESOURCE, ERR_ERRNO, errno, "cannot open %s: %s", path, strerror(errno));
	while (rc == RC_OK && (got = read(fd, piece, sizeof(piece))) > 0)
		rc = buf_append(ret_content, span_of(piece, (size_t)got), err);
	if (rc == RC_OK && got < 0)
		rc = err_set_raw(err, RC_RESOURCE, ERR_ERRNO, errno, "cannot read %s: %s", path, strerror(errno));
	close(fd);
	return rc;
}

/* The DER that token_publish() is given. */
struct ders {
	struct buf leaf, chain[CERTIFICATE_CHAIN_MAX];
};

static void ders_clear(struct ders *ders)
{
	buf_clear(&ders->leaf);
	for (int i = 0; i < CERTIFICATE_CHAIN_MAX; i++)
		buf_clear(&ders->chain[i]);
}
AUTO_DEFINE_VALUE(ders, struct ders, ders_clear);

static enum rc chain_read(const struct renewal *renewal, struct ders *ders, struct token_objects *objects, struct err *err)
{
	AUTO(buf) struct buf pem = BUF_MAX(FILE_MAX);
	enum rc rc = renewal_set_read(renewal, renewal->record->generation, SET_FILE_CHAIN, &pem, err);

	if (rc == RC_ABSENT)
		return err_wrap(err, rc,
				"the live generation was made without chain in outputs; `hwacme renew --force %s` makes "
				"another",
				renewal->record->name);
	if (rc == RC_OK)
		rc = certificate_chain_der(buf_span(&pem), ders->chain, &objects->chain_count, err);
	for (unsigned i = 0; rc == RC_OK && i < objects->chain_count; i++)
		objects->chain[i] = buf_span(&ders->chain[i]);
	return rc;
}

static enum rc objects_read(const struct renewal *renewal, struct ders *ders, struct token_objects *objects, struct err *err)
{
	const struct config_objects *wanted = &renewal->certificate->objects;
	AUTO(buf) struct buf pem = BUF_MAX(FILE_MAX);

	objects->label = wanted->label ? wanted->label : "";
	if (!wanted->certificate)
		return RC_OK;
	enum rc rc = renewal_set_read(renewal, renewal->record->generation, SET_FILE_CERT, &pem, err);
	if (rc == RC_OK)
		rc = certificate_leaf_der(buf_span(&pem), &ders->leaf, err);
	objects->certificate = buf_span(&ders->leaf);
	return rc == RC_OK && wanted->chain ? chain_read(renewal, ders, objects, err) : rc;
}

/* Done again it ends the same: what a process that was killed here has done needs no record. */
enum rc renewal_publish(struct renewal *renewal, struct err *err)
{
	struct store_service *service = &renewal->record->service;
	AUTO(ders) struct ders ders = { .leaf = BUF_MAX(TOKEN_MESSAGE_MAX) };
	AUTO(token_key) struct token_key *key = NULL;
	struct token_objects objects = { 0 };
	char event[STORE_OBJECTS_MAX + 64];

	for (int i = 0; i < CERTIFICATE_CHAIN_MAX; i++)
		ders.chain[i] = BUF_MAX(TOKEN_MESSAGE_MAX);
	renewal->blame = BLAME_LOCAL;
	enum rc rc = objects_read(renewal, &ders, &objects, err);
	if (rc != RC_OK)
		return err_wrap(err, rc, "token-objects");
	renewal->blame = BLAME_TOKEN;
	rc = keyring_find(renewal->desk->keyring, &renewal->record->live_key, &key, err);
	if (rc == RC_OK)
		rc = token_publish(key, &objects, err);
	if (rc != RC_OK)
		return err_wrap(err, rc, "token-objects (the certificate is live; this is tried again)");
	renewal->blame = BLAME_NOBODY;
	service_objects(renewal->certificate, service->published);
	service->retry_at = 0;
	/* The hook did not wait for them: it is run once more, with them. */
	if (service->hook_by)
		service->deployed_at = 0;
	service->hook_by = 0;
	snprintf(event, sizeof(event),
		 service->published[0] ? "in the token beside the key: %s" : "nothing is beside the key any more",
		 service->published);
	return renewal_record_save(renewal, event, err);
}
