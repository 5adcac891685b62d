/* keyd.c -- answers the engine: one thread a connection, one answer a request, and nothing that a hostile engine could use. */
#include "keyd.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "keyd_keys.h"
#include "keyd_live.h"
#include "keyd_mac.h"
#include "keyd_message.h"
#include "keyd_publish.h"
#include "wire.h"

struct keyd {
	const struct config *config;
	struct keyd_keys *keys;
};

/* One thread: its socket, and the request it is answering. */
struct connection {
	struct keyd *keyd;
	int fd;
	pthread_t thread;
	struct wire request, answer;
};

/* What every request begins with: the token, and for most the key. */
struct subject {
	char token[64];
	struct token_key_name name;
};

static void subject_get(struct wire *request, bool with_key, struct subject *ret)
{
	*ret = (struct subject){ 0 };
	wire_get_text(request, ret->token, sizeof(ret->token));
	if (!with_key)
		return;
	wire_get_text(request, ret->name.label, sizeof(ret->name.label));
	struct span id = wire_get_bytes(request, TOKEN_ID_LEN);
	if (id.len == TOKEN_ID_LEN)
		memcpy(ret->name.id, id.at, TOKEN_ID_LEN);
	else
		request->bad = true;
}

static enum rc request_check(const struct wire *request, struct err *err)
{
	if (!wire_is_whole(request))
		return err_set_raw(err, RC_BUG, ERR_KEYD, 0, "a request that is not one of ours");
	return RC_OK;
}

/* The answer so far was made for RC_OK; a failure replaces it. */
static void answer_begin(struct wire *answer, enum keyd_answer kind)
{
	wire_clear(answer);
	wire_put_number(answer, kind, 1);
	wire_put_err(answer, RC_OK, NULL);
}

static void answer_key(struct wire *answer, const struct token_key *key, struct span spki)
{
	wire_put_text(answer, key->name.label);
	wire_put_bytes(answer, SPAN(key->name.id));
	wire_put_number(answer, key->type, 1);
	wire_put_bytes(answer, spki);
}

static void answer_custody(struct wire *answer, const struct token_custody *custody)
{
	wire_put_number(answer, custody->held ? KEYD_HELD : custody->is_broken ? KEYD_BROKEN : KEYD_UNTOLD, 1);
	wire_put_text(answer, custody->text);
}

/* For a request that names a token and nothing more. */
static enum rc token_take(struct connection *connection, struct token **ret_token, struct err *err)
{
	struct subject subject;

	subject_get(&connection->request, false, &subject);
	enum rc rc = request_check(&connection->request, err);
	return rc == RC_OK ? keyd_keys_token(connection->keyd->keys, subject.token, ret_token, err) : rc;
}

static enum rc do_open(struct connection *connection, struct err *err)
{
	struct token *token;

	return token_take(connection, &token, err);
}

static enum rc do_info(struct connection *connection, struct err *err)
{
	struct wire *answer = &connection->answer;
	struct token_info info;
	struct token *token;
	enum rc rc = token_take(connection, &token, err);

	if (rc == RC_OK)
		rc = token->ops->info(token, &info, err);
	if (rc != RC_OK)
		return rc;
	wire_put_text(answer, info.label);
	wire_put_text(answer, info.serial);
	wire_put_text(answer, info.model);
	wire_put_text(answer, info.manufacturer);
	wire_put_text(answer, info.firmware);
	wire_put_text(answer, info.pin_state);
	wire_put_text(answer, info.mechanisms);
	wire_put_number(answer, info.software, 1);
	wire_put_number(answer, (uint64_t)info.free_memory, 8);
	for (unsigned type = 0; type < KEY_TYPE_COUNT; type++)
		wire_put_number(answer, info.key_types[type], 1);
	return RC_OK;
}

static enum rc answer_entry(struct connection *connection, struct keyd_entry *entry, struct err *err)
{
	AUTO(buf) struct buf spki = BUF_MAX(TOKEN_SPKI_MAX);
	enum rc rc = entry->key->ops->public_key(entry->key, &spki, err);

	if (rc == RC_OK)
		answer_key(&connection->answer, entry->key, buf_span(&spki));
	keyd_keys_give_back(connection->keyd->keys, entry);
	return rc;
}

static enum rc do_generate(struct connection *connection, struct err *err)
{
	struct token_key *key = NULL;
	struct keyd_entry *entry;
	struct subject subject;
	struct token *token;

	subject_get(&connection->request, true, &subject);
	uint64_t type = wire_get_number(&connection->request, 1);
	enum rc rc = request_check(&connection->request, err);
	if (rc == RC_OK)
		rc = keyd_name_check(&subject.name, err);
	if (rc == RC_OK && type >= KEY_TYPE_COUNT)
		rc = err_set(err, RC_INPUT, "no such key type");
	if (rc == RC_OK)
		rc = keyd_keys_holder(connection->keyd->keys, subject.token, &token, err);
	if (rc == RC_OK)
		rc = token->ops->generate(token, &subject.name, (enum key_type)type, &key, err);
	if (rc == RC_OK)
		rc = keyd_keys_add(connection->keyd->keys, key, &entry, err);
	return rc == RC_OK ? answer_entry(connection, entry, err) : rc;
}

/* A key of ours, for a request that names one and nothing more. */
static enum rc entry_take(struct connection *connection, struct keyd_entry **ret_entry, struct err *err)
{
	struct subject subject;

	subject_get(&connection->request, true, &subject);
	enum rc rc = request_check(&connection->request, err);
	return rc == RC_OK ? keyd_keys_take(connection->keyd->keys, subject.token, &subject.name, ret_entry, err) : rc;
}

static enum rc do_find(struct connection *connection, struct err *err)
{
	struct keyd_entry *entry = NULL;
	struct subject subject;

	subject_get(&connection->request, true, &subject);
	enum rc rc = request_check(&connection->request, err);
	if (rc == RC_OK)
		rc = keyd_keys_find(connection->keyd->keys, subject.token, &subject.name, &entry, err);
	return rc == RC_OK ? answer_entry(connection, entry, err) : rc;
}

/* Each key goes out in a message of its own: a list of any length needs no room. */
static enum rc send_listed(void *ctx, struct token_key *key, const struct token_custody *custody, struct err *err)
{
	struct connection *connection = ctx;
	AUTO(buf) struct buf spki = BUF_MAX(TOKEN_SPKI_MAX);

	/* A damaged key is listed too, without a public key. */
	if (key->type < KEY_TYPE_COUNT && key->ops->public_key(key, &spki, NULL) != RC_OK)
		buf_clear(&spki);
	answer_begin(&connection->answer, KEYD_ANSWER_KEY);
	answer_key(&connection->answer, key, buf_span(&spki));
	answer_custody(&connection->answer, custody);
	return wire_send(&connection->answer, connection->fd, err);
}

static enum rc do_list(struct connection *connection, struct err *err)
{
	struct token *token;
	enum rc rc = token_take(connection, &token, err);

	if (rc == RC_OK)
		rc = token->ops->list(token, send_listed, connection, err);
	answer_begin(&connection->answer, KEYD_ANSWER_END);
	return rc;
}

static enum rc do_sign(struct connection *connection, struct err *err)
{
	AUTO(buf) struct buf sig = BUF_MAX(TOKEN_SIG_MAX);
	struct keyd_entry *entry = NULL;
	struct subject subject;

	subject_get(&connection->request, true, &subject);
	uint64_t scheme = wire_get_number(&connection->request, 1), hash = wire_get_number(&connection->request, 1);
	struct span input = wire_get_bytes(&connection->request, TOKEN_MESSAGE_MAX);
	enum rc rc = request_check(&connection->request, err);
	if (rc == RC_OK)
		rc = keyd_keys_take(connection->keyd->keys, subject.token, &subject.name, &entry, err);
	if (rc != RC_OK)
		return rc;
	/* The engine checks too, for itself; what it sends is not believed here. */
	rc = token_sign_check(entry->key, (enum token_scheme)scheme, (enum token_hash)hash, input, err);
	if (rc == RC_OK && scheme == TOKEN_EDDSA)
		rc = keyd_message_check(input, err);
	/* What the token signed is verified by the engine, which needs it; once is enough. */
	if (rc == RC_OK)
		rc = entry->key->ops->sign(entry->key, (enum token_scheme)scheme, (enum token_hash)hash, input, &sig, err);
	if (rc == RC_OK)
		wire_put_bytes(&connection->answer, buf_span(&sig));
	keyd_keys_give_back(connection->keyd->keys, entry);
	return rc;
}

static enum rc do_custody(struct connection *connection, struct err *err)
{
	struct token_custody custody;
	struct keyd_entry *entry = NULL;
	enum rc rc = entry_take(connection, &entry, err);

	if (rc == RC_OK)
		rc = entry->key->ops->custody(entry->key, &custody, err);
	if (rc == RC_OK)
		answer_custody(&connection->answer, &custody);
	keyd_keys_give_back(connection->keyd->keys, entry);
	return rc;
}

static enum rc do_reference(struct connection *connection, struct err *err)
{
	AUTO(buf) struct buf pem = BUF_MAX(TOKEN_REFERENCE_MAX);
	AUTO(buf) struct buf uri = BUF_MAX(TOKEN_REFERENCE_MAX);
	struct keyd_entry *entry = NULL;
	enum rc rc = entry_take(connection, &entry, err);

	if (rc == RC_OK)
		rc = entry->key->ops->reference(entry->key, &pem, &uri, err);
	if (rc == RC_OK) {
		wire_put_bytes(&connection->answer, buf_span(&pem));
		wire_put_bytes(&connection->answer, buf_span(&uri));
	}
	keyd_keys_give_back(connection->keyd->keys, entry);
	return rc;
}

/* In the token's own words: the engine puts the token and the key in front of them, and would say it again. */
static enum rc erase_named(struct token *token, const struct token_key_name *name, struct err *err)
{
	return token->ops->erase_name ? token->ops->erase_name(token, name, err) : token_erase_name(token, name, err);
}

static enum rc do_erase(struct connection *connection, struct err *err)
{
	struct keyd_entry *entry = NULL;
	struct subject subject;
	struct token *token;

	subject_get(&connection->request, true, &subject);
	enum rc rc = request_check(&connection->request, err);
	if (rc == RC_OK)
		rc = keyd_name_check(&subject.name, err);
	if (rc == RC_OK)
		rc = keyd_live_check(connection->keyd->config->state, &subject.name, err);
	if (rc == RC_OK)
		rc = keyd_keys_holder(connection->keyd->keys, subject.token, &token, err);
	if (rc != RC_OK)
		return rc;
	/* What is known is erased where it was seen; all else by its name, for what cannot be used can go all the same. */
	entry = keyd_keys_known(connection->keyd->keys, subject.token, &subject.name);
	rc = entry ? entry->key->ops->erase(entry->key, err) : erase_named(token, &subject.name, err);
	if (rc == RC_OK)
		keyd_keys_drop(connection->keyd->keys, entry);
	else
		keyd_keys_give_back(connection->keyd->keys, entry);
	return rc;
}

static enum rc do_audit(struct connection *connection, struct err *err)
{
	struct keyd_entry *entry = NULL;
	enum rc rc = entry_take(connection, &entry, err);

	if (rc == RC_OK && entry->key->ops->audit_try)
		rc = entry->key->ops->audit_try(entry->key, err);
	keyd_keys_give_back(connection->keyd->keys, entry);
	return rc;
}

static enum rc do_publish(struct connection *connection, struct err *err)
{
	char label[TOKEN_LABEL_MAX];
	struct keyd_entry *entry = NULL;
	struct token_objects objects;
	struct subject subject;

	subject_get(&connection->request, true, &subject);
	enum rc rc = keyd_objects_get(&connection->request, label, &objects, err);
	if (rc == RC_OK)
		rc = keyd_name_check(&subject.name, err);
	if (rc == RC_OK)
		rc = keyd_keys_take(connection->keyd->keys, subject.token, &subject.name, &entry, err);
	if (rc == RC_OK)
		rc = keyd_publish(connection->keyd->config, entry->key, &objects, err);
	keyd_keys_give_back(connection->keyd->keys, entry);
	return rc;
}

/* Here the subject is whose key it will be.  Drawn here, because what the engine calls fresh is not believed. */
static enum rc do_name(struct connection *connection, struct err *err)
{
	struct token_key_name name;
	struct subject subject;

	subject_get(&connection->request, false, &subject);
	uint64_t instance = wire_get_number(&connection->request, 4);
	enum rc rc = request_check(&connection->request, err);
	if (rc == RC_OK)
		rc = token_key_name_make(subject.token, (uint32_t)instance, &name, err);
	if (rc != RC_OK)
		return rc;
	wire_put_text(&connection->answer, name.label);
	wire_put_bytes(&connection->answer, SPAN(name.id));
	return RC_OK;
}

/* Here the subject is an authority. */
static enum rc do_mac(struct connection *connection, struct err *err)
{
	AUTO(buf) struct buf mac = BUF_MAX(TOKEN_SIG_MAX);
	struct subject subject;

	subject_get(&connection->request, false, &subject);
	struct span message = wire_get_bytes(&connection->request, TOKEN_MESSAGE_MAX);
	enum rc rc = request_check(&connection->request, err);
	if (rc == RC_OK)
		rc = keyd_mac(connection->keyd->config, connection->keyd->keys, subject.token, message, &mac, err);
	if (rc == RC_OK)
		wire_put_bytes(&connection->answer, buf_span(&mac));
	return rc;
}

static enum rc (*const OPERATIONS[KEYD_OPERATION_COUNT])(struct connection *connection, struct err *err) = {
	[KEYD_OPEN] = do_open,   [KEYD_INFO] = do_info,   [KEYD_GENERATE] = do_generate, [KEYD_FIND] = do_find,
	[KEYD_LIST] = do_list,   [KEYD_SIGN] = do_sign,   [KEYD_CUSTODY] = do_custody,   [KEYD_REFERENCE] = do_reference,
	[KEYD_ERASE] = do_erase, [KEYD_AUDIT] = do_audit, [KEYD_MAC] = do_mac,           [KEYD_PUBLISH] = do_publish,
	[KEYD_NAME] = do_name,
};

/* False when there is nobody left to answer. */
static bool answer_one(struct connection *connection)
{
	struct err err = { 0 };

	if (wire_receive(&connection->request, connection->fd, 0, NULL) != RC_OK)
		return false;
	uint64_t operation = wire_get_number(&connection->request, 1);
	answer_begin(&connection->answer, KEYD_ANSWER_END);
	enum rc rc = !connection->request.bad && operation < KEYD_OPERATION_COUNT && OPERATIONS[operation]
			     ? OPERATIONS[operation](connection, &err)
			     : err_set_raw(&err, RC_BUG, ERR_KEYD, 0, "a request that is not one of ours");
	if (rc == RC_OK && connection->answer.bad)
		rc = err_set_raw(&err, RC_RESOURCE, ERR_KEYD, 0, "the answer is larger than a message");
	if (rc != RC_OK) {
		wire_clear(&connection->answer);
		wire_put_number(&connection->answer, KEYD_ANSWER_END, 1);
		wire_put_err(&connection->answer, rc, &err);
	}
	return wire_send(&connection->answer, connection->fd, NULL) == RC_OK;
}

static void *connection_serve(void *ctx)
{
	struct connection *connection = ctx;

	while (answer_one(connection))
		;
	close(connection->fd);
	return NULL;
}

enum rc keyd_serve(const struct config *config, const int *fds, unsigned count, struct err *err)
{
	AUTO(keyd_keys) struct keyd_keys *keys = NULL;
	struct keyd keyd = { .config = config };
	struct connection *connections = calloc(count + 1u, sizeof(*connections));
	unsigned started = 0;
	enum rc rc = connections ? keyd_keys_new(config, &keys, err) : err_set(err, RC_RESOURCE, "out of memory");

	keyd.keys = keys;
	for (; rc == RC_OK && started < count; started++) {
		struct connection *connection = &connections[started];

		connection->keyd = &keyd;
		connection->fd = fds[started];
		if (pthread_create(&connection->thread, NULL, connection_serve, connection) != 0)
			rc = err_set(err, RC_RESOURCE, "a thread cannot be started");
	}
	for (unsigned i = 0; i < started; i++)
		pthread_join(connections[i].thread, NULL);
	free(connections);
	return rc;
}
