/* link.c -- reads Link headers: <URL>;rel="alternate", several of them with commas between. */
#include "link.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define SPACE " \t"

static const char *skip(const char *at, const char *characters)
{
	return at + strspn(at, characters);
}

/* The end of one parameter's value, which may be quoted. */
static const char *value_end(const char *at)
{
	if (*at != '"')
		return at + strcspn(at, ";, \t");
	for (at++; *at && *at != '"'; at++)
		if (at[0] == '\\' && at[1])
			at++;
	return at + (*at == '"');
}

/* RFC 8288, 3: rel may name several relations, with spaces between. */
static void relations_add(struct http_response *response, const char *url, size_t url_len, const char *at, const char *end)
{
	/* RFC 8288, 3.1: without a scheme it is relative to what was asked for, which is not known here. */
	bool is_target = url_len && (url[strcspn(url, ":/?#>")] != ':' || strncasecmp(url, "https://", 8) == 0);

	while (at < end && response->link_count < HTTP_LINKS_MAX) {
		struct http_link *link = &response->links[response->link_count];
		size_t len = strcspn(at, SPACE "\",;\\");

		if (len > (size_t)(end - at))
			len = (size_t)(end - at);
		if (len > 0 && len < sizeof(link->rel) && url_len < sizeof(link->url) && is_target) {
			snprintf(link->url, sizeof(link->url), "%.*s", (int)url_len, url);
			snprintf(link->rel, sizeof(link->rel), "%.*s", (int)len, at);
			response->link_count++;
		}
		at += len + 1;
	}
}

/* One link; where the next may begin, or NULL when this is none. */
static const char *link_one(const char *at, struct http_response *response)
{
	const char *url = at + 1, *close = *at == '<' ? strchr(at, '>') : NULL;
	bool has_relation = false;

	if (!close)
		return NULL;
	at = skip(close + 1, SPACE);
	while (*at == ';') {
		const char *name = skip(at + 1, SPACE ";");
		size_t len = strcspn(name, "=;," SPACE);

		at = skip(name + len, SPACE);
		if (*at == '=') {
			const char *value = skip(at + 1, SPACE), *end = value_end(value);

			/* RFC 8288, 3.3: of several rel parameters the first counts. */
			if (len == 3 && strncasecmp(name, "rel", 3) == 0 && !has_relation) {
				relations_add(response, url, (size_t)(close - url), value + (*value == '"'), end);
				has_relation = true;
			}
			at = skip(end, SPACE);
		}
	}
	return at;
}

void link_parse(const char *value, struct http_response *response)
{
	while (value && *(value = skip(value, SPACE ",")))
		value = link_one(value, response);
}
