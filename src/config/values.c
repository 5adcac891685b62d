/* values.c -- understands durations, percentages, names and addresses as the configuration writes them. */
#include "values.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http.h"

#define NAME_MAX_LEN  63u
#define DNS_NAME_MAX  253u
#define DNS_LABEL_MAX 63u
#define PCR_LAST      23 /* PC Client Platform TPM Profile: 24 registers */
#define NF_TYPE_MAX   32u

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_letter_or_digit(char c)
{
	return is_letter(c) || (c >= '0' && c <= '9');
}

/* At most nine digits, so that nothing can overflow; where the number ends, or NULL. */
static const char *number(const char *text, int64_t *ret)
{
	int64_t value = 0;
	unsigned digits = 0;

	for (; *text >= '0' && *text <= '9'; text++) {
		if (++digits > 9)
			return NULL;
		value = value * 10 + (*text - '0');
	}
	*ret = value;
	return digits ? text : NULL;
}

bool value_duration(const char *text, int64_t *ret_seconds)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = {
		{ 's', 1 },
		{ 'm', 60 },
		{ 'h', 3600 },
		{ 'd', 86400 },
	};
	int64_t value;
	const char *unit = number(text, &value);

	if (!unit || !unit[0] || unit[1])
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (units[i].unit != *unit)
			continue;
		if (value > VALUE_DURATION_MAX / units[i].seconds)
			return false;
		*ret_seconds = value * units[i].seconds;
		return true;
	}
	return false;
}

bool value_percent(const char *text, unsigned *ret_percent)
{
	int64_t value;
	const char *end = number(text, &value);

	if (!end || strcmp(end, "%") != 0 || value > 100)
		return false;
	*ret_percent = (unsigned)value;
	return true;
}

bool value_count(const char *text, unsigned least, unsigned most, unsigned *ret_count)
{
	int64_t value;
	const char *end = number(text, &value);

	if (!end || *end || value < least || value > most)
		return false;
	*ret_count = (unsigned)value;
	return true;
}

bool value_flag(const char *text, bool *ret_flag)
{
	if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
		return false;
	*ret_flag = text[0] == 't';
	return true;
}

bool value_persistent_handle(const char *text, uint32_t *ret_handle)
{
	if (strncmp(text, "0x81", 4) != 0 || strlen(text) != 10 || strspn(text + 2, "0123456789abcdefABCDEF") != 8)
		return false;
	*ret_handle = (uint32_t)strtoul(text + 2, NULL, 16);
	return true;
}

bool value_mode(const char *text, mode_t *ret_mode)
{
	const mode_t needed = 0400, allowed = 0644;
	mode_t mode = 0;

	if (strlen(text) != 4 || text[0] != '0')
		return false;
	for (const char *at = text; *at; at++) {
		if (*at < '0' || *at > '7')
			return false;
		mode = mode * 8 + (mode_t)(*at - '0');
	}
	if ((mode & needed) != needed || (mode & ~allowed))
		return false;
	*ret_mode = mode;
	return true;
}

bool value_pcrs(const char *text, struct config_pcrs *ret_pcrs)
{
	static const char *const banks[] = { "sha256", "sha384", "sha512" };
	struct config_pcrs pcrs = { 0 };
	const char *at = strchr(text, ':');

	for (size_t i = 0; at && i < sizeof(banks) / sizeof(banks[0]); i++)
		if ((size_t)(at - text) == strlen(banks[i]) && memcmp(text, banks[i], strlen(banks[i])) == 0)
			memcpy(pcrs.bank, banks[i], strlen(banks[i]));
	if (!pcrs.bank[0])
		return false;
	do {
		int64_t index;

		at = number(at + 1, &index);
		if (!at || index > PCR_LAST || pcrs.mask & 1u << index)
			return false;
		pcrs.mask |= 1u << index;
	} while (*at == ',');
	if (*at)
		return false;
	*ret_pcrs = pcrs;
	return true;
}

bool value_name(const char *text)
{
	size_t len = strlen(text);

	if (!len || len > NAME_MAX_LEN || !is_letter_or_digit(text[0]))
		return false;
	for (; *text; text++)
		if (!is_letter_or_digit(*text) && !strchr("._-", *text))
			return false;
	return true;
}

bool value_listen(const char *text)
{
	const char *colon = strrchr(text, ':');
	char address[INET6_ADDRSTRLEN + 2];
	unsigned char binary[sizeof(struct in6_addr)];
	int64_t port;

	if (!colon || (size_t)(colon - text) >= sizeof(address))
		return false;
	const char *end = number(colon + 1, &port);
	if (!end || *end || port < 1 || port > 65535)
		return false;
	size_t len = (size_t)(colon - text);
	memcpy(address, text, len);
	address[len] = '\0';
	if (len > 2 && address[0] == '[' && address[len - 1] == ']') {
		address[len - 1] = '\0';
		return inet_pton(AF_INET6, address + 1, binary) == 1;
	}
	return inet_pton(AF_INET, address, binary) == 1;
}

bool value_host(const char *text)
{
	size_t label = 0;

	if (!*text || strlen(text) > DNS_NAME_MAX)
		return false;
	for (const char *at = text; *at; at++) {
		if (*at == '.' ? label == 0 : !is_letter_or_digit(*at) && *at != '-' && *at != '_')
			return false;
		label = *at == '.' ? 0 : label + 1;
		if (label > DNS_LABEL_MAX)
			return false;
	}
	return label > 0;
}

bool value_endpoint(const char *text)
{
	const char *colon = strrchr(text, ':');
	char host[DNS_NAME_MAX + 1];
	int64_t port;

	if (value_listen(text))
		return true;
	if (!colon || (size_t)(colon - text) >= sizeof(host))
		return false;
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	const char *end = number(colon + 1, &port);
	return end && !*end && port >= 1 && port <= 65535 && value_host(host);
}

/* What comes before the path of a URL, as an endpoint: RFC 3986, 3.2.3: a port may be missing, and so may its digits; RFC 1034, 3.1: a name
 * may end with a dot. */
static bool is_authority(const char *text, size_t len)
{
	char host[DNS_NAME_MAX + 16], endpoint[sizeof(host) + 8];
	const char *bracket = memchr(text, ']', len);
	const char *colon = bracket ? memchr(bracket, ':', len - (size_t)(bracket - text)) : memchr(text, ':', len);
	size_t host_len = colon ? (size_t)(colon - text) : len;

	if (host_len == 0 || len >= sizeof(host))
		return false;
	/* RFC 6874: an address of one link names it behind "%25". */
	const char *zone = bracket && host_len == (size_t)(bracket + 1 - text) ? memchr(text, '%', host_len) : NULL;
	size_t named = zone ? (size_t)(zone - text) : host_len - (text[host_len - 1] == '.');
	snprintf(host, sizeof(host), "%.*s%s", (int)named, text, zone ? "]" : "");
	bool has_port = host_len + 1 < len;
	snprintf(endpoint, sizeof(endpoint), "%s%.*s", host, has_port ? (int)(len - host_len) : 4, has_port ? colon : ":443");
	return value_endpoint(endpoint);
}

bool value_url(const char *text)
{
	const char *host = strncmp(text, "https://", 8) == 0 ? text + 8 : strncmp(text, "http://", 7) == 0 ? text + 7 : NULL;

	if (!host || strlen(text) >= HTTP_URL_MAX)
		return false;
	for (const char *at = text; *at; at++)
		if (*at <= ' ' || *at > '~')
			return false;
	return is_authority(host, strcspn(host, "/?#"));
}

bool value_systemd_socket(const char *text)
{
	if (strncmp(text, "systemd", 7) != 0)
		return false;
	return !text[7] || (text[7] == ':' && value_name(text + 8));
}

bool value_nf_type(const char *text)
{
	size_t len = 0;

	for (; text[len]; len++)
		if (text[len] <= ' ' || text[len] > '~')
			return false;
	return len > 0 && len <= NF_TYPE_MAX;
}
