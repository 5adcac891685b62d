/* remote.c -- the token backend whose tokens live in keyd: each operation is one request and its answer. */
#include "remote.h"

#include <stdio.h>
#include <string.h>

#include "backends.h"
#include "clock.h"
#include "metrics.h"
#include "remote_link.h"

struct remote_token {
	struct token base;
	struct remote_link *link;
};

struct remote_key {
	struct token_key base;
	struct buf spki;
};

#define REMOTE(token)   ((struct remote_token *)(void *)(token))
#define REMOTE_KEY(key) ((struct remote_key *)(void *)(key))

/* A request about a token or a key, and where its answer goes. */
struct question {
	struct token *token;
	const struct token_key_name *name; /* NULL: about the token */
	enum token_scheme scheme;
	enum token_hash hash;
	struct span input; /* to be signed */
	const struct token_objects *objects;
	enum key_type type;
	enum keyd_operation operation; /* as it stands in the call */
	struct token_key **ret_key;
	struct token_info *ret_info;
	struct token_custody *ret_custody;
	struct buf *ret_first, *ret_second;
	token_list_fn *each;
	void *each_ctx;
};

static void ask_objects(const struct token_objects *objects, struct wire *request)
{
	wire_put_text(request, objects->label);
	wire_put_bytes(request, objects->certificate);
	wire_put_number(request, objects->chain_count, 1);
	for (unsigned i = 0; i < objects->chain_count; i++)
		wire_put_bytes(request, objects->chain[i]);
}

static void ask(void *ctx, struct wire *request)
{
	const struct question *question = ctx;

	wire_put_text(request, question->token->name);
	if (!question->name)
		return;
	wire_put_text(request, question->name->label);
	wire_put_bytes(request, SPAN(question->name->id));
	if (question->operation == KEYD_GENERATE)
		wire_put_number(request, question->type, 1);
	if (question->operation == KEYD_PUBLISH)
		ask_objects(question->objects, request);
	if (question->operation != KEYD_SIGN)
		return;
	wire_put_number(request, question->scheme, 1);
	wire_put_number(request, question->hash, 1);
	wire_put_bytes(request, question->input);
}

static enum rc odd(struct err *err)
{
	return err_set_raw(err, RC_PROTOCOL, ERR_KEYD, 0, "keyd's answer is not one of ours");
}

/* Every call is counted and timed, with what it waited for keyd. */
static enum rc measured(const struct question *question, struct remote_call *remote, struct err *err)
{
	static const char *const names[KEYD_OPERATION_COUNT] = {
		[KEYD_OPEN] = "open",           [KEYD_INFO] = "info",   [KEYD_GENERATE] = "generate", [KEYD_FIND] = "find",
		[KEYD_LIST] = "list",           [KEYD_SIGN] = "sign",   [KEYD_CUSTODY] = "custody",   [KEYD_ERASE] = "erase",
		[KEYD_REFERENCE] = "reference", [KEYD_AUDIT] = "audit", [KEYD_MAC] = "mac",           [KEYD_PUBLISH] = "publish",
	};
	int64_t began = clock_monotonic_ms();
	enum rc rc = remote_call(REMOTE(question->token)->link, remote, err);

	metrics_token_operation(question->token->name, names[remote->operation], rc, clock_monotonic_ms() - began);
	return rc;
}

static enum rc call(struct question *question, enum keyd_operation operation,
		    enum rc (*take)(void *ctx, enum keyd_answer kind, struct wire *answer, struct err *err), struct err *err)
{
	struct remote_call remote = { .operation = operation, .ctx = question, .ask = ask, .take = take };

	question->operation = operation;
	return measured(question, &remote, err);
}

static enum rc take_nothing(void *ctx, enum keyd_answer kind, struct wire *answer, struct err *err)
{
	(void)ctx;
	return kind == KEYD_ANSWER_END && wire_is_whole(answer) ? RC_OK : odd(err);
}

enum rc remote_open(struct remote_link *link, const char *name, struct token **ret_token, struct err *err)
{
	struct remote_token *token = calloc(1, sizeof(*token));

	if (!token)
		return err_set(err, RC_RESOURCE, "out of memory");
	*token = (struct remote_token){ .base = { .ops = &remote_ops, .name = name }, .link = link };
	AUTO(token) struct token *owned = &token->base;
	struct question question = { .token = owned };
	enum rc rc = call(&question, KEYD_OPEN, take_nothing, err);
	if (rc == RC_OK)
		*ret_token = TAKE(owned);
	return rc;
}

static void remote_close(struct token *token)
{
	free(REMOTE(token));
}

static enum rc take_info(void *ctx, enum keyd_answer kind, struct wire *answer, struct err *err)
{
	const struct question *question = ctx;
	struct token_info info = { 0 };

	wire_get_text(answer, info.label, sizeof(info.label));
	wire_get_text(answer, info.serial, sizeof(info.serial));
	wire_get_text(answer, info.model, sizeof(info.model));
	wire_get_text(answer, info.manufacturer, sizeof(info.manufacturer));
	wire_get_text(answer, info.firmware, sizeof(info.firmware));
	wire_get_text(answer, info.pin_state, sizeof(info.pin_state));
	wire_get_text(answer, info.mechanisms, sizeof(info.mechanisms));
	info.software = wire_get_number(answer, 1) != 0;
	info.free_memory = (int64_t)wire_get_number(answer, 8);
	for (unsigned type = 0; type < KEY_TYPE_COUNT; type++)
		info.key_types[type] = wire_get_number(answer, 1) != 0;
	if (kind != KEYD_ANSWER_END || !wire_is_whole(answer))
		return odd(err);
	*question->ret_info = info;
	return RC_OK;
}

static enum rc remote_info(struct token *token, struct token_info *ret_info, struct err *err)
{
	struct question question = { .token = token, .ret_info = ret_info };

	return call(&question, KEYD_INFO, take_info, err);
}

static void key_free(struct token_key *key)
{
	buf_clear(&REMOTE_KEY(key)->spki);
	free(REMOTE_KEY(key));
}

/* The fields of a key; keyd says which key it is, also in a list. */
static struct remote_key key_get(struct token *token, struct wire *answer, struct span *ret_spki)
{
	struct remote_key key = { .base = { .ops = &remote_ops, .token = token }, .spki = BUF_MAX(TOKEN_SPKI_MAX) };

	wire_get_text(answer, key.base.name.label, sizeof(key.base.name.label));
	struct span id = wire_get_bytes(answer, TOKEN_ID_LEN);
	if (id.len == TOKEN_ID_LEN)
		memcpy(key.base.name.id, id.at, TOKEN_ID_LEN);
	else
		answer->bad = true;
	uint64_t type = wire_get_number(answer, 1);
	key.base.type = type < KEY_TYPE_COUNT ? (enum key_type)type : KEY_TYPE_COUNT;
	*ret_spki = wire_get_bytes(answer, TOKEN_SPKI_MAX);
	return key;
}

static enum rc take_key(void *ctx, enum keyd_answer kind, struct wire *answer, struct err *err)
{
	const struct question *question = ctx;
	struct span spki;
	struct remote_key got = key_get(question->token, answer, &spki);

	if (kind != KEYD_ANSWER_END || !wire_is_whole(answer) || got.base.type == KEY_TYPE_COUNT ||
	    memcmp(&got.base.name.id, question->name->id, TOKEN_ID_LEN) != 0)
		return odd(err);
	struct remote_key *key = malloc(sizeof(*key));
	if (!key)
		return err_set(err, RC_RESOURCE, "out of memory");
	*key = got;
	enum rc rc = buf_append(&key->spki, spki, err);
	if (rc != RC_OK)
		key_free(&key->base);
	else
		*question->ret_key = &key->base;
	return rc;
}

static enum rc remote_find(struct token *token, const struct token_key_name *name, struct token_key **ret_key, struct err *err)
{
	struct question question = { .token = token, .name = name, .ret_key = ret_key };

	return call(&question, KEYD_FIND, take_key, err);
}

static enum rc remote_generate(struct token *token, const struct token_key_name *name, enum key_type type,
			       struct token_key **ret_key, struct err *err)
{
	struct question question = { .token = token, .name = name, .type = type, .ret_key = ret_key, .operation = KEYD_GENERATE };
	struct remote_call once = { .operation = KEYD_GENERATE, .ctx = &question, .ask = ask, .take = take_key, .is_once = true };
	enum rc rc = measured(&question, &once, err);

	if (!once.was_lost)
		return rc;
	/* keyd may have made the key before it ended: it is made again only if it is not there. */
	rc = remote_find(token, name, ret_key, err);
	return rc == RC_ABSENT ? measured(&question, &once, err) : rc;
}

/* What is none of its values is no answer: a key may be erased for what is said here. */
static void custody_get(struct wire *answer, struct token_custody *ret_custody)
{
	uint64_t held = wire_get_number(answer, 1);

	if (held >= KEYD_HELD_COUNT)
		answer->bad = true;
	ret_custody->held = held == KEYD_HELD;
	ret_custody->is_broken = held == KEYD_BROKEN;
	wire_get_text(answer, ret_custody->text, sizeof(ret_custody->text));
}

static enum rc take_listed(void *ctx, enum keyd_answer kind, struct wire *answer, struct err *err)
{
	const struct question *question = ctx;
	struct token_custody custody = { 0 };
	struct span spki;

	if (kind == KEYD_ANSWER_END)
		return take_nothing(ctx, kind, answer, err);
	struct remote_key key = key_get(question->token, answer, &spki);
	custody_get(answer, &custody);
	if (!wire_is_whole(answer))
		return odd(err);
	enum rc rc = buf_append(&key.spki, spki, err);
	if (rc == RC_OK)
		rc = question->each(question->each_ctx, &key.base, &custody, err);
	buf_clear(&key.spki);
	return rc;
}

static enum rc remote_list(struct token *token, token_list_fn *each, void *ctx, struct err *err)
{
	struct question question = { .token = token, .each = each, .each_ctx = ctx };
	/* Not repeated: the caller has seen some of the keys already. */
	struct remote_call once = { .operation = KEYD_LIST, .ctx = &question, .ask = ask, .take = take_listed, .is_once = true };

	return measured(&question, &once, err);
}

static enum rc public_key(struct token_key *key, struct buf *ret_spki, struct err *err)
{
	return buf_append(ret_spki, buf_span(&REMOTE_KEY(key)->spki), err);
}

static enum rc take_bytes(void *ctx, enum keyd_answer kind, struct wire *answer, struct err *err)
{
	const struct question *question = ctx;
	struct span first = wire_get_bytes(answer, question->ret_first->max);
	struct span second = question->ret_second ? wire_get_bytes(answer, question->ret_second->max) : span_of(NULL, 0);

	if (kind != KEYD_ANSWER_END || !wire_is_whole(answer))
		return odd(err);
	enum rc rc = buf_append(question->ret_first, first, err);
	if (rc == RC_OK && question->ret_second)
		rc = buf_append(question->ret_second, second, err);
	return rc;
}

static enum rc sign(struct token_key *key, enum token_scheme scheme, enum token_hash hash, struct span input, struct buf *ret_sig,
		    struct err *err)
{
	struct question question = {
		.token = key->token, .name = &key->name, .scheme = scheme, .hash = hash, .input = input, .ret_first = ret_sig
	};

	return call(&question, KEYD_SIGN, take_bytes, err);
}

static enum rc reference(struct token_key *key, struct buf *ret_pem, struct buf *ret_uri, struct err *err)
{
	struct question question = { .token = key->token, .name = &key->name, .ret_first = ret_pem, .ret_second = ret_uri };

	return call(&question, KEYD_REFERENCE, take_bytes, err);
}

static enum rc take_custody(void *ctx, enum keyd_answer kind, struct wire *answer, struct err *err)
{
	const struct question *question = ctx;
	struct token_custody custody = { 0 };

	custody_get(answer, &custody);
	if (kind != KEYD_ANSWER_END || !wire_is_whole(answer))
		return odd(err);
	*question->ret_custody = custody;
	return RC_OK;
}

static enum rc custody(struct token_key *key, struct token_custody *ret_custody, struct err *err)
{
	struct question question = { .token = key->token, .name = &key->name, .ret_custody = ret_custody };

	return call(&question, KEYD_CUSTODY, take_custody, err);
}

static enum rc erase_name(struct token *token, const struct token_key_name *name, struct err *err)
{
	struct question question = { .token = token, .name = name };

	return call(&question, KEYD_ERASE, take_nothing, err);
}

static enum rc erase(struct token_key *key, struct err *err)
{
	enum rc rc = erase_name(key->token, &key->name, err);

	/* Erasing what is already gone is RC_OK; a key handle is no proof that it is still there. */
	return rc == RC_ABSENT ? RC_OK : rc;
}

static enum rc audit_try(struct token_key *key, struct err *err)
{
	struct question question = { .token = key->token, .name = &key->name };

	return call(&question, KEYD_AUDIT, take_nothing, err);
}

/* Which kind of token it is, keyd knows. */
static enum rc publish(struct token_key *key, const struct token_objects *objects, struct err *err)
{
	struct question question = { .token = key->token, .name = &key->name, .objects = objects };

	return call(&question, KEYD_PUBLISH, take_nothing, err);
}

const struct token_ops remote_ops = {
	.scheme = "keyd",
	.close = remote_close,
	.info = remote_info,
	.generate = remote_generate,
	.find = remote_find,
	.list = remote_list,
	.key_free = key_free,
	.public_key = public_key,
	.sign = sign,
	.custody = custody,
	.reference = reference,
	.audit_try = audit_try,
	.publish = publish,
	.erase = erase,
	.erase_name = erase_name,
};

struct binding {
	const char *authority;
	struct span message;
	struct buf *ret_mac;
};

static void binding_ask(void *ctx, struct wire *request)
{
	const struct binding *binding = ctx;

	wire_put_text(request, binding->authority);
	wire_put_bytes(request, binding->message);
}

static enum rc binding_take(void *ctx, enum keyd_answer kind, struct wire *answer, struct err *err)
{
	const struct binding *binding = ctx;
	struct span mac = wire_get_bytes(answer, TOKEN_SIG_MAX);

	return kind == KEYD_ANSWER_END && wire_is_whole(answer) ? buf_append(binding->ret_mac, mac, err) : odd(err);
}

enum rc remote_mac(struct remote_link *link, const char *authority, struct span message, struct buf *ret_mac, struct err *err)
{
	struct binding binding = { authority, message, ret_mac };
	struct remote_call mac = { .operation = KEYD_MAC, .ctx = &binding, .ask = binding_ask, .take = binding_take };

	return remote_call(link, &mac, err);
}

struct draw {
	char owner[TOKEN_LABEL_MAX];
	uint32_t instance;
	struct token_key_name *ret_name;
};

static void draw_ask(void *ctx, struct wire *request)
{
	const struct draw *draw = ctx;

	wire_put_text(request, draw->owner);
	wire_put_number(request, draw->instance, 4);
}

static enum rc draw_take(void *ctx, enum keyd_answer kind, struct wire *answer, struct err *err)
{
	const struct draw *draw = ctx;
	struct token_key_name name = { 0 };
	uint32_t instance;
	int64_t made_at;

	wire_get_text(answer, name.label, sizeof(name.label));
	struct span id = wire_get_bytes(answer, TOKEN_ID_LEN);
	if (kind != KEYD_ANSWER_END || !wire_is_whole(answer) || id.len != TOKEN_ID_LEN)
		return odd(err);
	memcpy(name.id, id.at, TOKEN_ID_LEN);
	if (!token_key_name_parse(&name, &made_at, &instance) || instance != draw->instance)
		return odd(err);
	*draw->ret_name = name;
	return RC_OK;
}

enum rc remote_key_name(struct remote_link *link, const char *owner, uint32_t instance, struct token_key_name *ret_name,
			struct err *err)
{
	struct draw draw = { .instance = instance, .ret_name = ret_name };
	struct remote_call name = { .operation = KEYD_NAME, .ctx = &draw, .ask = draw_ask, .take = draw_take };

	/* It is cut for the label all the same, and shorter. */
	snprintf(draw.owner, sizeof(draw.owner), "%s", owner);
	return remote_call(link, &name, err);
}
