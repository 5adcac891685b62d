/* metrics_host.c -- reads a Host header, and looks where a socket listens. */
#include "metrics_host.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define HOST_MAX 256 /* RFC 1035, 2.3.4: a name has 255 octets at most */

bool metrics_host_is_loopback(int listening)
{
	struct sockaddr_storage address = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(address);

	if (getsockname(listening, (struct sockaddr *)&address, &len) != 0)
		return false;
	if (address.ss_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)(const void *)&address)->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	return address.ss_family == AF_INET6 &&
	       IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)&address)->sin6_addr);
}

/* RFC 9110, 7.2: uri-host [ ":" port ]; an address of IPv6 stands in brackets. */
static bool host_take(const char *header, char ret_host[HOST_MAX], bool *ret_is_bracketed)
{
	*ret_is_bracketed = header[0] == '[';
	size_t len = *ret_is_bracketed ? strcspn(++header, "]") : strcspn(header, ":");
	const char *rest = header + len;

	if (len == 0 || len >= HOST_MAX || (*ret_is_bracketed && *rest++ != ']'))
		return false;
	if (*rest == ':')
		rest += 1 + strspn(rest + 1, "0123456789");
	snprintf(ret_host, HOST_MAX, "%.*s", (int)len, header);
	return *rest == '\0';
}

bool metrics_host_is_ours(const char *header, const char *host_name)
{
	unsigned char address[sizeof(struct in6_addr)];
	char host[HOST_MAX];
	bool is_bracketed;

	if (!header)
		return true;
	if (!host_take(header, host, &is_bracketed))
		return false;
	if (is_bracketed)
		return inet_pton(AF_INET6, host, address) == 1;
	if (inet_pton(AF_INET, host, address) == 1 || strcasecmp(host, "localhost") == 0 || strcasecmp(host, host_name) == 0)
		return true;
	size_t label = strcspn(host_name, ".");
	return label && strlen(host) == label && strncasecmp(host, host_name, label) == 0;
}
