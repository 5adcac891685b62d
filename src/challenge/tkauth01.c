/*
 * tkauth01.c -- tkauth-01 with tkauth-type "atc": a token of the Token Authority is the answer (RFC 9447, TS 33.310 Annex J).
 *
 * A token is kept in this process until it expires (RFC 9447, 3.3), and not on disk: it is a bearer secret, and the
 * next process may ask for its own.  One that the CA refused is forgotten.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "authority_token.h"
#include "types.h"

#define KEPT_MAX 64u /* tokens; the oldest makes room */

struct kept {
	char key[IDENTIFIER_VALUE_MAX + 128]; /* what it is for, and whose */
	char *token;
	int64_t expires_at;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct kept kept[KEPT_MAX];
static unsigned kept_next;

struct challenge_answer {
	char key[sizeof(kept[0].key)];
	struct buf token;
};

static void kept_drop(struct kept *entry)
{
	if (entry->token)
		bytes_wipe(entry->token, strlen(entry->token));
	free(entry->token);
	*entry = (struct kept){ 0 };
}

static struct kept *kept_find(const char *key)
{
	for (unsigned i = 0; i < KEPT_MAX; i++)
		if (kept[i].token && strcmp(kept[i].key, key) == 0)
			return &kept[i];
	return NULL;
}

static bool kept_take(const char *key, int64_t now, struct buf *ret_token)
{
	bool found = false;

	pthread_mutex_lock(&lock);
	struct kept *entry = kept_find(key);
	if (entry && entry->expires_at < now + AUTHORITY_TOKEN_MARGIN)
		kept_drop(entry);
	else if (entry)
		found = buf_append(ret_token, span_text(entry->token), NULL) == RC_OK;
	pthread_mutex_unlock(&lock);
	return found;
}

static void kept_put(const char *key, const char *token, int64_t expires_at)
{
	pthread_mutex_lock(&lock);
	struct kept *entry = kept_find(key);
	if (!entry)
		entry = &kept[kept_next++ % KEPT_MAX];
	kept_drop(entry);
	snprintf(entry->key, sizeof(entry->key), "%s", key);
	entry->token = strdup(token);
	entry->expires_at = expires_at;
	pthread_mutex_unlock(&lock);
}

static void kept_forget(const char *key)
{
	pthread_mutex_lock(&lock);
	struct kept *entry = kept_find(key);
	if (entry)
		kept_drop(entry);
	pthread_mutex_unlock(&lock);
}

static enum rc file_read(const char *path, struct buf *ret_token, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat status;
	char chunk[4096];
	ssize_t got = 0;

	if (fd < 0)
		return err_set_raw(err, RC_INPUT, ERR_ERRNO, errno, "token: %s: %s", path, strerror(errno));
	enum rc rc = fstat(fd, &status) == 0 && S_ISREG(status.st_mode)
			     ? RC_OK
			     : err_set(err, RC_INPUT, "token: %s: not a regular file", path);
	while (rc == RC_OK && (got = read(fd, chunk, sizeof(chunk))) > 0)
		rc = buf_append(ret_token, span_of(chunk, (size_t)got), err);
	if (rc == RC_OK && got < 0)
		rc = err_set_raw(err, RC_INPUT, ERR_ERRNO, errno, "token: %s: %s", path, strerror(errno));
	bytes_wipe(chunk, sizeof(chunk));
	close(fd);
	return rc;
}

/* The host of an https URL, compared without case; user names and anything odd make it no host at all. */
static bool is_allowed(const struct config_challenge *config, const char *url)
{
	if (strncmp(url, "https://", 8) != 0)
		return false;
	const char *host = url + 8;
	size_t len = strcspn(host, "/?#");
	bool bracketed = host[0] == '[';

	/* "https://good@evil/" goes to evil. */
	if (memchr(host, '@', len) || memchr(host, '\\', len))
		return false;
	size_t end = bracketed ? strcspn(host, "]") : strcspn(host, ":/?#");
	if (end > len || (bracketed && host[end] != ']'))
		return false;
	host += bracketed;
	end -= bracketed;
	for (unsigned i = 0; i < config->allow_count; i++)
		if (strlen(config->allow[i]) == end && strncasecmp(config->allow[i], host, end) == 0)
			return true;
	return false;
}

/* RFC 9447, 3: token-authority is a hint; a CA that could name any host could collect requests or have us speak to anyone. */
static enum rc authority_choose(const struct challenge_request *request, const char **ret_url, struct err *err)
{
	const char *hint = request->token_authority;

	*ret_url = hint[0] && is_allowed(request->config, hint) ? hint : request->config->authority;
	if (*ret_url)
		return RC_OK;
	return err_set(err, RC_INPUT,
		       "tkauth-01: the CA names the Token Authority \"%.200s\", whose host is not among allow:; add it, or write "
		       "authority: URL",
		       hint);
}

static enum rc authority_ask(const struct challenge_request *request, const struct authority_claims *claims,
			     struct buf *ret_token, struct err *err)
{
	AUTO(buf) struct buf body = BUF_MAX(2048);
	AUTO(buf) struct buf answer = BUF_MAX(4 * CHALLENGE_TOKEN_MAX);
	const char *url = NULL;
	enum rc rc = authority_choose(request, &url, err);

	if (rc == RC_OK)
		rc = authority_request_print(claims, &body, err);
	if (rc == RC_OK)
		rc = request->desk->post(request->desk->ctx, url, request->config, buf_span(&body), &answer, err);
	if (rc == RC_OK)
		rc = authority_answer_parse(buf_span(&answer), ret_token, err);
	return rc == RC_OK || !url ? rc : err_wrap(err, rc, "Token Authority %.200s", url);
}

static enum rc token_get(const struct challenge_request *request, const struct authority_claims *claims, struct buf *ret_token,
			 struct err *err)
{
	const struct config_challenge *config = request->config;
	struct challenge_call call = { .verb = CHALLENGE_VERB_TOKEN };

	if (config->token_file)
		return file_read(config->token_file, ret_token, err);
	if (!config->run_count)
		return authority_ask(request, claims, ret_token, err);
	snprintf(call.domain, sizeof(call.domain), "%s", claims->value);
	snprintf(call.value, sizeof(call.value), "%s", claims->fingerprint);
	return request->desk->run(request->desk->ctx, request->certificate, config, &call, ret_token, err);
}

/* A file or a program may end its text with a newline. */
static void token_trim(struct buf *token)
{
	while (token->len && strchr(" \t\r\n", token->at[token->len - 1]))
		token->at[--token->len] = '\0';
}

static enum rc token_obtain(const struct challenge_request *request, struct challenge_answer *answer, struct err *err)
{
	char value[IDENTIFIER_VALUE_MAX];
	struct authority_claims claims = { .type = identifier_type(request->identifier.kind), .value = value };
	int64_t expires_at = 0;
	enum rc rc = authority_fingerprint(request->thumbprint, claims.fingerprint, err);

	if (rc != RC_OK)
		return rc;
	identifier_canonical(&request->identifier, value);
	snprintf(answer->key, sizeof(answer->key), "%s %s", value, request->thumbprint);
	if (kept_take(answer->key, request->now, &answer->token))
		return RC_OK;
	rc = token_get(request, &claims, &answer->token, err);
	token_trim(&answer->token);
	if (rc == RC_OK)
		rc = authority_token_check(buf_text(&answer->token), &claims, request->now, &expires_at, err);
	if (rc == RC_OK)
		kept_put(answer->key, buf_text(&answer->token), expires_at);
	return rc == RC_OK ? RC_OK : err_wrap(err, rc, "tkauth-01 for %s", value);
}

static void answer_free(struct challenge_answer *answer)
{
	if (!answer)
		return;
	buf_clear(&answer->token);
	free(answer);
}
AUTO_DEFINE(answer, struct challenge_answer *, answer_free);

static enum rc begin(const struct challenge_request *request, struct challenge_answer **ret_answer, struct err *err)
{
	AUTO(answer) struct challenge_answer *answer = calloc(1, sizeof(*answer));

	if (!answer)
		return err_set(err, RC_RESOURCE, "out of memory");
	answer->token = BUF_MAX(CHALLENGE_TOKEN_MAX);
	if (strcmp(request->tkauth_type, "atc") != 0)
		return err_set(err, RC_INPUT,
			       "tkauth-01: the CA wants a token of type \"%.40s\"; only \"atc\" is known (RFC 9447, 4)",
			       request->tkauth_type);
	enum rc rc = token_obtain(request, answer, err);
	if (rc == RC_OK)
		*ret_answer = TAKE(answer);
	return rc;
}

/* RFC 9448, 4: "The "tkauth" field is defined as a new field in the challenge object". */
static enum rc response(const struct challenge_answer *answer, struct buf *ret_json, struct err *err)
{
	return buf_print(ret_json, err, "{\"tkauth\":\"%s\"}", buf_text(&answer->token));
}

static void end(struct challenge_answer *answer, bool accepted)
{
	if (!accepted)
		kept_forget(answer->key);
	answer_free(answer);
}

const struct challenge_ops tkauth01_ops = { .type = CHALLENGE_TKAUTH_01, .begin = begin, .response = response, .end = end };
