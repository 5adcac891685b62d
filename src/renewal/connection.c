/* connection.c -- finds the client certificate of a connection, and has its key sign in the token. */
#include "connection.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "certificate.h"
#include "clock.h"

/* Who we are in the connections of one http. */
struct client {
	struct connection_desk desk;
	const struct config_client *config;
};

/* What a connection shows: a chain on disk, and where its key is. */
struct choice {
	char path[4096]; /* "": nothing */
	struct store_key key;
};

static void choose_ours(const struct config *config, const struct store_certificate *record, struct choice *ret)
{
	snprintf(ret->path, sizeof(ret->path), "%s/archive/%s/%u/fullchain.pem", config->state, record->name, record->generation);
	ret->key = record->live_key;
}

static void choose_operators(const struct config_client *config, struct choice *ret)
{
	*ret = (struct choice){ 0 };
	snprintf(ret->path, sizeof(ret->path), "%s", config->file);
	snprintf(ret->key.token, sizeof(ret->key.token), "%s", config->token);
	snprintf(ret->key.name.label, sizeof(ret->key.name.label), "%s", config->label); /* no id: the label finds it */
}

static enum rc file_read(const char *path, struct buf *ret_text, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat status;
	char chunk[4096];
	ssize_t got = 0;

	if (fd < 0)
		return err_set_raw(err, RC_INPUT, ERR_ERRNO, errno, "%s: %s", path, strerror(errno));
	enum rc rc = fstat(fd, &status) == 0 && S_ISREG(status.st_mode) ? RC_OK
									: err_set(err, RC_INPUT, "%s: not a regular file", path);
	while (rc == RC_OK && (got = read(fd, chunk, sizeof(chunk))) > 0)
		if (buf_append(ret_text, span_of(chunk, (size_t)got), NULL) != RC_OK)
			rc = err_set(err, RC_INPUT, "%s: more than %zu bytes", path, ret_text->max);
	if (rc == RC_OK && got < 0)
		rc = err_set_raw(err, RC_INPUT, ERR_ERRNO, errno, "%s: %s", path, strerror(errno));
	close(fd);
	return rc;
}

/* A CA may cease to issue for clients at any renewal.  What cannot be read is told of when it is to be shown. */
static bool is_for_clients(const struct choice *choice)
{
	AUTO(buf) struct buf chain = BUF_MAX(HTTP_CHAIN_MAX);

	return file_read(choice->path, &chain, NULL) != RC_OK || certificate_is_for_clients(buf_span(&chain));
}

/* Ours, while it is good; else the operator's; else ours all the same, and the server says what it thinks of it. */
static enum rc choose(const struct connection_desk *desk, const struct config_client *config, struct choice *ret, char *ret_name,
		      size_t room, struct err *err)
{
	struct store_certificate record = { 0 };
	enum rc rc = RC_OK;

	snprintf(ret_name, room, "%s", config->certificate ? config->certificate : config->file);
	if (config->certificate && desk->store)
		rc = store_certificate_load(desk->store, config->certificate, &record, err);
	if (rc != RC_OK && rc != RC_ABSENT)
		return rc;
	if (record.generation)
		choose_ours(desk->config, &record, ret);
	bool is_good = record.generation && record.not_after > clock_now() && !record.revoked_at;
	if (config->file && !(is_good && is_for_clients(ret))) {
		snprintf(ret_name, room, "%s", config->file);
		choose_operators(config, ret);
	}
	return RC_OK;
}

/* The token is asked when the key is another than in the last connection. */
static enum rc key_find(const struct client *client, const struct store_key *wanted, struct token_key **ret_key, struct err *err)
{
	const struct token_key *key = *ret_key;

	if (key && strcmp(key->token->name, wanted->token) == 0 && strcmp(key->name.label, wanted->name.label) == 0 &&
	    memcmp(key->name.id, wanted->name.id, TOKEN_ID_LEN) == 0)
		return RC_OK;
	token_key_free(TAKE(*ret_key));
	return keyring_find(client->desk.keyring, wanted, ret_key, err);
}

static void key_free(void *key)
{
	token_key_free(key);
}

static enum rc load(void *ctx, void **at_key, struct http_credential *ret, struct err *err)
{
	const struct client *client = ctx;
	struct token_key *key = *at_key;
	struct choice choice = { 0 };
	enum rc rc = choose(&client->desk, client->config, &choice, ret->name, sizeof(ret->name), err);

	if (rc != RC_OK || !choice.path[0])
		return rc;
	rc = file_read(choice.path, &ret->chain, err);
	if (rc == RC_OK)
		rc = key_find(client, &choice.key, &key, err);
	*at_key = key;
	if (rc != RC_OK)
		return rc;
	ret->type = key->type;
	return token_public_key(key, &ret->spki, err);
}

static enum rc sign(void *key, enum token_scheme scheme, enum token_hash hash, struct span digest, struct buf *ret_sig,
		    struct err *err)
{
	return token_sign(key, scheme, hash, digest, ret_sig, err);
}

enum rc connection_open(const struct connection_desk *desk, const char *trust, const struct config_client *client,
			struct http **ret_http, struct err *err)
{
	if (!client->certificate && !client->file)
		return http_open(trust, NULL, ret_http, err);
	struct client *made = calloc(1, sizeof(*made));
	if (!made)
		return err_set(err, RC_RESOURCE, "out of memory");
	*made = (struct client){ .desk = *desk, .config = client };
	return http_open(trust,
			 &(struct http_identity){ .ctx = made, .load = load, .sign = sign, .key_free = key_free, .free = free },
			 ret_http, err);
}

void connection_describe(const struct connection_desk *desk, const struct config_client *client, char *ret_text, size_t room)
{
	char name[HTTP_CREDENTIAL_NAME_MAX];
	struct choice choice = { 0 };
	bool is_known = (client->certificate || client->file) && choose(desk, client, &choice, name, sizeof(name), NULL) == RC_OK;

	ret_text[0] = '\0';
	if (is_known)
		snprintf(ret_text, room, "client certificate %s%s", name,
			 choice.path[0] ? "" : ", which is not issued yet: none is shown");
}
