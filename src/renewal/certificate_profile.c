/* certificate_profile.c -- makes the request of a certificate out of the configuration. */
#include "certificate_profile.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* TS 23.003, 28.2: each of three digits. */
bool certificate_profile_is_home_domain(const char *text)
{
	static const char form[] = "5gc.mnc###.mcc###.3gppnetwork.org";

	if (strlen(text) != sizeof(form) - 1)
		return false;
	for (size_t i = 0; form[i]; i++)
		if (form[i] == '#' ? text[i] < '0' || text[i] > '9' : strncasecmp(&text[i], &form[i], 1) != 0)
			return false;
	return true;
}

/* The home domain at the end of a dns: name; NULL: none. */
static const char *home_domain(const char *name)
{
	if (strncmp(name, "dns:", 4) != 0)
		return NULL;
	while ((name = strchr(name, '.')))
		if (certificate_profile_is_home_domain(++name))
			return name;
	return NULL;
}

const char *certificate_profile_home_domain(const struct config_certificate *certificate)
{
	const char *domain = NULL;

	for (unsigned i = 0; i < certificate->name_count && !domain; i++)
		domain = home_domain(certificate->names[i]);
	return domain;
}

bool certificate_profile_is_nf(const struct config_certificate *certificate)
{
	return certificate->nf_instance || certificate->nf_type_count;
}

static bool has_uri(const struct config_certificate *certificate)
{
	for (unsigned i = 0; i < certificate->name_count; i++)
		if (strncmp(certificate->names[i], "uri:", 4) == 0 || strncmp(certificate->names[i], "nf-instance:", 12) == 0)
			return true;
	return false;
}

/* What there is nothing to say for is not asked for. */
static unsigned without_empty(unsigned parts, const struct config_certificate *certificate, const struct csr_request *request)
{
	if (!request->country && !request->organization)
		parts &= ~CONFIG_ASK_BIT(ASK_SUBJECT);
	if (!has_uri(certificate))
		parts &= ~CONFIG_ASK_BIT(ASK_URI);
	if (!request->nf_type_count)
		parts &= ~CONFIG_ASK_BIT(ASK_NF_TYPES);
	return parts;
}

struct csr_request certificate_profile_request(const struct config_certificate *certificate,
					       const struct config_authority *authority)
{
	const struct config_certificate_profile *profile = &authority->certificate_profile;
	struct csr_request request = {
		.names = certificate->names,
		.name_count = certificate->name_count,
		.is_nf = certificate_profile_is_nf(certificate),
		.country = profile->country,
		.organization = profile->organization,
		.server = profile->server,
		.client = profile->client,
		.nf_types = certificate->nf_types,
		.nf_type_count = certificate->nf_type_count,
	};
	unsigned parts = profile->has_ask                         ? profile->ask
			 : certificate_profile_is_nf(certificate) ? CONFIG_ASK_ALL
								  : CONFIG_ASK_BIT(ASK_URI);

	/* TS 33.310, 6.1.3c: O is the home domain. */
	if (!request.organization && certificate_profile_is_nf(certificate))
		request.organization = certificate_profile_home_domain(certificate);
	request.parts = without_empty(parts, certificate, &request);
	return request;
}

static void add(char *text, const char *before, const char *word)
{
	size_t used = strlen(text);

	snprintf(text + used, CERTIFICATE_PROFILE_TEXT_MAX - used, "%s%s%s", used ? " " : "", before, word);
}

void certificate_profile_print(const struct csr_request *request, char ret_text[CERTIFICATE_PROFILE_TEXT_MAX])
{
	ret_text[0] = '\0';
	if (csr_request_asks(request, ASK_SUBJECT) && request->country)
		add(ret_text, "C=", request->country);
	if (csr_request_asks(request, ASK_SUBJECT) && request->organization)
		add(ret_text, "O=", request->organization);
	if (csr_request_asks(request, ASK_URI))
		add(ret_text, "", config_ask_name(ASK_URI));
	if (csr_request_asks(request, ASK_KEY_USAGE))
		add(ret_text, "", config_ask_name(ASK_KEY_USAGE));
	if (csr_request_asks(request, ASK_EXTENDED_KEY_USAGE) && request->server)
		add(ret_text, "", "server");
	if (csr_request_asks(request, ASK_EXTENDED_KEY_USAGE) && request->client)
		add(ret_text, "", "client");
	for (unsigned i = 0; csr_request_asks(request, ASK_NF_TYPES) && i < request->nf_type_count; i++)
		add(ret_text, "nf:", request->nf_types[i]);
}
