/* origin.c -- takes the server out of a URL, and compares it with another's. */
#include "origin.h"

#include <string.h>
#include <strings.h>

#include "utf8.h"

#define SCHEME       "https://"
#define PORT_DEFAULT 443
#define PORT_MAX     65535

struct origin {
	const char *host; /* within the URL */
	size_t host_len;
	unsigned port;
};

/* RFC 3986, 3.2.3: nothing after the colon is no port. */
static bool port_parse(const char *text, size_t len, unsigned *ret_port)
{
	unsigned port = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		port = port * 10 + (unsigned)(text[i] - '0');
		if (port > PORT_MAX)
			return false;
	}
	*ret_port = len ? port : PORT_DEFAULT;
	return true;
}

static bool origin_parse(const char *url, struct origin *ret_origin)
{
	if (strncasecmp(url, SCHEME, strlen(SCHEME)) != 0)
		return false;
	const char *host = url + strlen(SCHEME);
	size_t len = strcspn(host, "/?#");
	/* The colons of an IPv6 address stand in brackets. */
	const char *bracket = host[0] == '[' ? memchr(host, ']', len) : NULL;
	const char *after = bracket ? bracket + 1 : host;
	const char *colon = memchr(after, ':', len - (size_t)(after - host));
	size_t host_len = colon ? (size_t)(colon - host) : len;

	if (host_len == 0 || memchr(host, '@', len) || (bracket && host_len != (size_t)(after - host)))
		return false;
	*ret_origin = (struct origin){ .host = host, .host_len = host_len, .port = PORT_DEFAULT };
	return !colon || port_parse(colon + 1, len - host_len - 1, &ret_origin->port);
}

static bool is_printable(const char *text)
{
	for (size_t len; *text; text += len)
		if (!(len = utf8_printable(text)))
			return false;
	return true;
}

bool origin_is_same(const char *url, const char *other)
{
	struct origin left, right;

	return is_printable(url) && origin_parse(url, &left) && origin_parse(other, &right) && left.host_len == right.host_len &&
	       strncasecmp(left.host, right.host, left.host_len) == 0 && left.port == right.port;
}
