/* response_header.c -- the headers of ACME's answers: each is taken whole or not at all. */
#include "response_header.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "clock.h"
#include "link.h"

#define VALUE_MAX (4 * HTTP_URL_MAX) /* a proxy may have put several links into one line */

/* The value when the line is this header: trimmed, copied whole or not at all. */
static bool value_of(const char *line, size_t len, const char *name, char *ret_text, size_t room)
{
	size_t name_len = strlen(name);

	if (len <= name_len || strncasecmp(line, name, name_len) != 0 || line[name_len] != ':')
		return false;
	const char *at = line + name_len + 1, *end = line + len;
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	while (end > at && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' ' || end[-1] == '\t'))
		end--;
	if ((size_t)(end - at) >= room)
		return false;
	memcpy(ret_text, at, (size_t)(end - at));
	ret_text[end - at] = '\0';
	return true;
}

/* RFC 8555, 6.5: a nonce that is not base64url MUST be ignored. */
static bool is_nonce(const char *text)
{
	return *text && text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")] == '\0';
}

/* A gateway and what is behind it may both have said it: the later one obeys both. */
static void retry_take(const char *value, struct http_response *response)
{
	int64_t at;

	if (clock_parse_retry_after(value, clock_now(), &at, NULL) == RC_OK && at > response->retry_at)
		response->retry_at = at;
}

void response_header_take(const char *line, size_t len, struct http_response *response)
{
	char value[VALUE_MAX];

	if (value_of(line, len, "Location", value, sizeof(response->location)))
		snprintf(response->location, sizeof(response->location), "%s", value);
	else if (value_of(line, len, "Replay-Nonce", value, sizeof(response->nonce)))
		snprintf(response->nonce, sizeof(response->nonce), "%s", is_nonce(value) ? value : "");
	else if (value_of(line, len, "Retry-After", value, sizeof(value)))
		retry_take(value, response);
	else if (value_of(line, len, "Link", value, sizeof(value)))
		link_parse(value, response);
	else if (value_of(line, len, "Content-Type", value, sizeof(response->content_type))) {
		value[strcspn(value, "; \t")] = '\0';
		for (size_t i = 0;
		     (response->content_type[i] = (char)(value[i] >= 'A' && value[i] <= 'Z' ? value[i] + 32 : value[i])); i++)
			;
	}
}

/* What other servers of HTTP may do, and some frameworks that CAs are made with.  "": it would be too long. */
static void whole_url(const char *asked, char said[HTTP_URL_MAX])
{
	static const char scheme[] = "https:";
	char whole[HTTP_URL_MAX];

	if (said[0] != '/' || strncasecmp(asked, scheme, strlen(scheme)) != 0)
		return;
	size_t slashes = strlen(scheme) + strspn(asked + strlen(scheme), "/");
	size_t kept = said[1] == '/' ? strlen(scheme) : slashes + strcspn(asked + slashes, "/?#");
	int len = snprintf(whole, sizeof(whole), "%.*s%s", (int)kept, asked, said);
	snprintf(said, HTTP_URL_MAX, "%s", len > 0 && (size_t)len < sizeof(whole) ? whole : "");
}

/* RFC 9110, 10.2.2, and RFC 8288, 3.1. */
void response_header_resolve(const char *url, struct http_response *response)
{
	unsigned kept = 0;

	whole_url(url, response->location);
	for (unsigned i = 0; i < response->link_count; i++) {
		struct http_link *link = &response->links[i];

		whole_url(url, link->url);
		if (strncasecmp(link->url, "https://", 8) == 0 && kept++ < i)
			response->links[kept - 1] = *link;
	}
	response->link_count = kept;
}
