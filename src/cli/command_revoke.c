/* command_revoke.c -- `hwacme revoke NAME [--reason R] [--with-certificate-key]`: the live certificate is worth nothing any more. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "archive.h"
#include "certificate.h"
#include "clock.h"
#include "connection.h"
#include "desk.h"
#include "log.h"
#include "output.h"
#include "problem.h"
#include "revocation.h"

#define LEAF_MAX (64u * 1024u)

static enum rc leaf_read(const struct config *config, const char *name, struct buf *ret_der, struct err *err)
{
	AUTO(buf) struct buf pem = BUF_MAX(LEAF_MAX);
	char path[4096], piece[4096];
	ssize_t got;
	enum rc rc = RC_OK;

	snprintf(path, sizeof(path), "%s/live/%s/cert.pem", config->state, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_set(err, RC_INPUT, "there is no certificate at %s", path);
	while ((got = read(fd, piece, sizeof(piece))) > 0 && rc == RC_OK)
		rc = buf_append(&pem, span_of(piece, (size_t)got), err);
	close(fd);
	if (rc == RC_OK)
		rc = certificate_leaf_der(buf_span(&pem), ret_der, err);
	return rc == RC_OK ? RC_OK : err_wrap(err, rc, "%s", path);
}

/* RFC 8555, 7.6: signed with the certificate's own key, which no account is needed for. */
static enum rc with_certificate_key(struct desk *desk, const struct store_certificate *record, struct span der, int reason,
				    struct err *err)
{
	const struct config_authority *authority = config_authority_get(desk->config, record->authority);
	AUTO(token_key) struct token_key *key = NULL;
	AUTO(http) struct http *http = NULL;
	AUTO(client) struct client *client = NULL;
	const struct connection_desk connections = { desk->config, desk->store, desk->keyring };

	if (!authority)
		return err_set(err, RC_INPUT, "authority \"%s\", which issued it, is not configured any more", record->authority);
	enum rc rc = keyring_find(desk->keyring, &record->live_key, &key, err);
	if (rc == RC_OK)
		rc = connection_open(&connections, authority->trust, &authority->client, &http, err);
	if (rc == RC_OK)
		rc = client_new(http, key, authority->directory, &client, err);
	return rc == RC_OK ? revocation_request(client, der, reason, err) : rc;
}

static enum rc with_account_key(struct desk *desk, const struct store_certificate *record, struct span der, int reason,
				bool *ret_by_token, struct err *err)
{
	struct client *client;
	enum rc rc = authorities_client(desk->authorities, record->authority, clock_now(), &client, ret_by_token, err);

	if (rc == RC_OK)
		rc = revocation_request(client, der, reason, err);
	if (rc != RC_OK)
		authorities_note_failure(desk->authorities, record->authority, NULL, err);
	/* RFC 8555, 7.6: an account that neither ordered it nor is authorised for all of its names, as one that took the place of another. */
	if (rc != RC_OK && err->problem == PROBLEM_UNAUTHORIZED)
		return err_wrap(err, rc, "signed with the account key (--with-certificate-key needs no account)");
	return rc;
}

/* What is read through live/NAME is the certificate that the record is of; else one would be revoked, and another noted to be. */
static enum rc live_check(const struct config *config, const struct store_certificate *record, struct err *err)
{
	unsigned live = 0;
	enum rc rc = archive_live(config->state, record->name, &live, err);

	if (rc != RC_OK || live == record->generation)
		return rc;
	return err_set(
		err, RC_INPUT,
		"%s/live/%s leads to generation %u and not to %u, which is in the records; `hwacme status %s` says what is to be "
		"done, and `hwacme renew %s` ends what was cut off",
		config->state, record->name, live, record->generation, record->name, record->name);
}

static enum rc revoke_live(const struct command_line *line, struct desk *desk, int reason, struct store_certificate *ret_record,
			   bool *ret_by_token, struct err *err)
{
	AUTO(buf) struct buf der = BUF_MAX(LEAF_MAX);
	const char *name = line->words[0];
	enum rc rc = store_certificate_load(desk->store, name, ret_record, err);

	if (rc == RC_ABSENT || (rc == RC_OK && !ret_record->generation))
		return err_set(err, RC_INPUT, "nothing was issued for \"%s\" yet", name);
	if (rc == RC_OK)
		rc = live_check(desk->config, ret_record, err);
	if (rc == RC_OK)
		rc = leaf_read(desk->config, name, &der, err);
	if (rc == RC_OK)
		rc = line->with_certificate_key ? with_certificate_key(desk, ret_record, buf_span(&der), reason, err)
						: with_account_key(desk, ret_record, buf_span(&der), reason, ret_by_token, err);
	if (rc != RC_OK)
		return rc;
	int64_t now = clock_now();
	ret_record->revoked_at = now;
	/* What failed before had a good certificate to wait with. */
	ret_record->retry_at = ret_record->peer_retry_at;
	return store_certificate_save(desk->store, ret_record, now, now, "revoked", err);
}

enum exit_status command_revoke(const struct command_line *line)
{
	AUTO(desk) struct desk desk = { 0 };
	struct store_certificate record;
	struct err err = { 0 };
	bool by_token = false;
	int reason = line->reason ? revocation_reason_parse(line->reason) : 0;

	if (line->word_count != 1) {
		command_usage("usage: hwacme revoke NAME [--reason R] [--with-certificate-key]\n");
		return EXIT_USAGE;
	}
	if (reason < 0) {
		command_refuse("no reason \"%s\"; write one of %s", line->reason, revocation_reasons());
		return EXIT_USAGE;
	}
	enum exit_status status = desk_open(line, DESK_NAMES, &desk);
	if (status != EXIT_DONE)
		return status;
	if (revoke_live(line, &desk, reason, &record, &by_token, &err) != RC_OK)
		return desk_failed(line->words[0], by_token, &err);
	if (line->json)
		output_json(json_pack("{s:s, s:s, s:o}", "name", record.name, "serial", record.serial, "revoked_at",
				      output_time(record.revoked_at)));
	else
		printf("%s: serial %s is revoked; the next renewal makes a new certificate with a new key\n", record.name,
		       record.serial);
	return EXIT_DONE;
}
