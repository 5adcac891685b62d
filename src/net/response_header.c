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

/* RFC 3986, 5.2.4, in place: "." is nothing, and ".." takes the segment before it away. */
static void dots_remove(char *path)
{
	char *end = path + strcspn(path, "?#"), *to = path;

	for (char *from = path; from < end;) {
		size_t len = 1 + strcspn(from + 1, "/?#");
		bool is_dot = len == 2 && from[1] == '.', is_up = len == 3 && from[1] == '.' && from[2] == '.';

		while (is_up && to > path && *--to != '/')
			;
		if (!is_dot && !is_up) {
			memmove(to, from, len);
			to += len;
		} else if (from + len == end) {
			*to++ = '/';
		}
		from += len;
	}
	memmove(to, end, strlen(end) + 1);
}

/* RFC 3986, 4.2: no scheme, which is what stands before a colon in the first segment. */
static bool is_relative(const char *said)
{
	return *said && said[strcspn(said, ":/?#")] != ':';
}

/* RFC 3986, 5.2.2: how much of what was asked for stands before a reference.  A fragment is none of what is asked for. */
static size_t kept_of(const char *asked, size_t host, const char *said)
{
	size_t path = host + strcspn(asked + host, "/?#"), end = path + strcspn(asked + path, "?#");

	if (said[0] == '/' && said[1] == '/')
		return host - 2;
	if (said[0] == '/')
		return path;
	if (said[0] == '?' || said[0] == '#')
		return said[0] == '?' ? end : strcspn(asked, "#");
	while (end > path && asked[end - 1] != '/')
		end--;
	return end;
}

/* What other servers of HTTP may do, and some frameworks that CAs are made with.  "": it would be too long. */
static void whole_url(const char *asked, char said[HTTP_URL_MAX])
{
	static const char scheme[] = "https://";
	char whole[HTTP_URL_MAX];

	if (!is_relative(said) || strncasecmp(asked, scheme, strlen(scheme)) != 0)
		return;
	size_t kept = kept_of(asked, strlen(scheme), said);
	/* RFC 3986, 5.2.3: an origin alone has the path "/". */
	bool is_bare = kept == strlen(scheme) + strcspn(asked + strlen(scheme), "/?#") && said[0] != '/';
	int len = snprintf(whole, sizeof(whole), "%.*s%s%s", (int)kept, asked, is_bare ? "/" : "", said);

	if (len < 0 || (size_t)len >= sizeof(whole))
		whole[0] = '\0';
	else
		dots_remove(whole + strlen(scheme) + strcspn(whole + strlen(scheme), "/?#"));
	snprintf(said, HTTP_URL_MAX, "%s", whole);
}

/* RFC 9110, 10.2.2, and RFC 8288, 3.1.  In JSON a URL is whole: nothing there says what it would be relative to. */
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
