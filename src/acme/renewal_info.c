/* renewal_info.c -- names a certificate to its CA, asks when it should be renewed, and draws a time in the answer's window. */
#include "renewal_info.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client.h"
#include "codec.h"
#include "message_json.h"

enum rc renewal_info_id(struct span authority_key, struct span serial, char ret_id[RENEWAL_INFO_ID_MAX], struct err *err)
{
	AUTO(buf) struct buf text = BUF_MAX(RENEWAL_INFO_ID_MAX - 1);
	/* RFC 9773, 4.1: both in base64url without padding, a period between. */
	enum rc rc = codec_base64url(authority_key, &text, err);

	if (rc == RC_OK)
		rc = buf_append(&text, span_text("."), err);
	if (rc == RC_OK)
		rc = codec_base64url(serial, &text, err);
	if (rc == RC_OK)
		snprintf(ret_id, RENEWAL_INFO_ID_MAX, "%s", buf_text(&text));
	return rc;
}

/* It is shown to people, never fetched: what is no plain web address is not shown either. */
static bool is_shown(const char *url)
{
	if (strncasecmp(url, "https://", 8) != 0 && strncasecmp(url, "http://", 7) != 0)
		return false;
	for (; *url; url++)
		if (*url <= ' ' || *url > '~')
			return false;
	return true;
}

enum rc renewal_info_parse(struct span json, struct renewal_info *ret_info, struct err *err)
{
	AUTO(json) json_t *object = NULL;
	int64_t start = 0, end = 0;
	enum rc rc = message_json_load(json, &object, err);
	const json_t *window = json_object_get(object, "suggestedWindow");

	if (rc == RC_OK && !json_is_object(window))
		rc = err_set(err, RC_PROTOCOL, "\"suggestedWindow\" is missing from the answer");
	if (rc == RC_OK)
		rc = message_time_get(window, "start", &start, err);
	if (rc == RC_OK)
		rc = message_time_get(window, "end", &end, err);
	if (rc != RC_OK)
		return rc;
	if (!start || !end)
		return err_set(err, RC_PROTOCOL, "the suggested window has no start or no end");
	/* RFC 9773, 4.2: end not after start MUST be treated as no answer. */
	if (end <= start)
		return err_set(err, RC_PROTOCOL, "the suggested window ends before it begins");
	const char *url = json_string_value(json_object_get(object, "explanationURL"));
	ret_info->start = start;
	ret_info->end = end;
	snprintf(ret_info->explanation, sizeof(ret_info->explanation), "%s",
		 url && strlen(url) < sizeof(ret_info->explanation) && is_shown(url) ? url : "");
	return RC_OK;
}

int64_t renewal_info_draw(int64_t start, int64_t end, uint64_t random)
{
	return start + (int64_t)(random % (uint64_t)(end - start));
}

int64_t renewal_info_check_at(int64_t retry_at, int64_t now)
{
	if (retry_at <= 0)
		return now + RENEWAL_INFO_CHECK_USUAL;
	if (retry_at < now + RENEWAL_INFO_CHECK_LEAST)
		return now + RENEWAL_INFO_CHECK_LEAST;
	return retry_at < now + RENEWAL_INFO_CHECK_MOST ? retry_at : now + RENEWAL_INFO_CHECK_MOST;
}

/* RFC 9773, 4.3.3: what passes is tried again soon, then less and less soon; what does not, after six hours. */
static int64_t check_after_failure(const struct renewal_info *info, enum rc rc, int64_t retry_at, int64_t now)
{
	int64_t pause = RENEWAL_INFO_CHECK_LEAST;

	if (retry_at > 0)
		return renewal_info_check_at(retry_at, now);
	if (rc != RC_RETRY)
		return now + RENEWAL_INFO_CHECK_USUAL;
	for (unsigned i = 1; i < info->failures && pause < RENEWAL_INFO_CHECK_USUAL; i++)
		pause *= 2;
	return now + (pause < RENEWAL_INFO_CHECK_USUAL ? pause : RENEWAL_INFO_CHECK_USUAL);
}

static enum rc info_fetch(struct client *client, const char *base, struct renewal_info *info, int64_t *ret_retry_at,
			  struct err *err)
{
	AUTO(http_response) struct http_response response = { 0 };
	char url[HTTP_URL_MAX];
	size_t len = strlen(base);
	/* RFC 9773, 4.1: the path of renewalInfo, a slash, certID. */
	int need = snprintf(url, sizeof(url), "%s%s%s", base, len && base[len - 1] == '/' ? "" : "/", info->id);

	if (need < 0 || (size_t)need >= sizeof(url))
		return err_set(err, RC_PROTOCOL, "the URL of renewalInfo is too long");
	enum rc rc = client_get(client, "renewalInfo", url, &response, err);
	if (rc == RC_OK)
		rc = renewal_info_parse(buf_span(&response.body), info, err);
	*ret_retry_at = response.retry_at;
	return rc;
}

enum rc renewal_info_ask(struct client *client, int64_t now, struct renewal_info *info, struct err *err)
{
	struct renewal_info fresh = *info;
	int64_t retry_at = 0;
	uint64_t random;
	struct err why = { 0 };
	const char *base;
	enum rc rc = client_url(client, CLIENT_RENEWAL_INFO, &base, &why);
	bool is_offered = rc != RC_ABSENT;

	if (rc == RC_OK)
		rc = info_fetch(client, base, &fresh, &retry_at, &why);
	if (rc != RC_OK) {
		info->failures += info->failures < UINT32_MAX;
		info->check_at = is_offered ? check_after_failure(info, rc, why.retry_at, now) : now + RENEWAL_INFO_CHECK_MOST;
		/* "Absent" means to our caller that the server has none of this; one certificate it does not know is another matter. */
		if (rc == RC_ABSENT && is_offered)
			rc = why.rc = RC_DENIED;
		if (err)
			*err = why;
		return rc;
	}
	/* RFC 9773, 4.2: a uniformly random time; drawn once, or asking often would make it early. */
	if (fresh.start != info->start || fresh.end != info->end) {
		arc4random_buf(&random, sizeof(random));
		fresh.at = renewal_info_draw(fresh.start, fresh.end, random);
	}
	fresh.failures = 0;
	fresh.check_at = renewal_info_check_at(retry_at, now);
	*info = fresh;
	return RC_OK;
}
