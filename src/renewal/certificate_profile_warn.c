/* certificate_profile_warn.c -- in which points the certificate of a network function would not be as TS 33.310, 6.1.3c wants it. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "certificate_profile.h"

#define WARNING_MAX  256
#define UUID_VERSION 14u /* where the version and the variant stand in the text of a UUID */
#define UUID_VARIANT 19u

/* What a check looks at, and where it says what is wrong. */
struct view {
	const struct config_certificate *certificate;
	const struct config_authority *authority;
	struct csr_request request;
	char text[WARNING_MAX];
};

/* RFC 9310, appendix A: those of 3GPP Release 17. */
static const char *const NF_TYPES[] = {
	"5G_DDNMF", "5G_EIR", "AANF",    "ADRF",  "AF",  "AMF",   "AUSF",   "BSF",    "CBCF", "CEF",   "CHF",      "DCCF",
	"DRA",      "EASDF",  "GBA_BSF", "GMLC",  "HSS", "ICSCF", "IMS_AS", "LMF",    "MBSF", "MBSTF", "MB_SMF",   "MB_UPF",
	"MFAF",     "MME",    "MNPF",    "N3IWF", "NEF", "NRF",   "NSACF",  "NSSAAF", "NSSF", "NSWOF", "NWDAF",    "PANF",
	"PCF",      "PCSCF",  "PKMF",    "SCEF",  "SCP", "SCSAS", "SCSCF",  "SEPP",   "SMF",  "SMSF",  "SMS_GMSC", "SMS_IWMSC",
	"SOR_AF",   "SPAF",   "TSCTSF",  "UCMF",  "UDM", "UDR",   "UDSF",   "UPF",
};

/* TS 33.310, 6.1.1, as far as it is public. */
static const bool KEY_TYPES[KEY_TYPE_COUNT] = {
	[KEY_EC_P256] = true, [KEY_EC_P384] = true, [KEY_RSA_2048] = true, [KEY_RSA_3072] = true, [KEY_RSA_4096] = true,
};

static bool lacks_types(struct view *view)
{
	snprintf(view->text, sizeof(view->text), "nfTypes are mandatory; write nf: { types: [AMF] }");
	return !view->certificate->nf_type_count;
}

static bool has_unknown_type(struct view *view)
{
	for (unsigned i = 0; i < view->certificate->nf_type_count; i++) {
		const char *type = view->certificate->nf_types[i], *meant = NULL;
		bool known = false;

		for (size_t at = 0; at < sizeof(NF_TYPES) / sizeof(NF_TYPES[0]) && !known; at++) {
			known = strcmp(type, NF_TYPES[at]) == 0;
			meant = strcasecmp(type, NF_TYPES[at]) == 0 ? NF_TYPES[at] : meant;
		}
		snprintf(view->text, sizeof(view->text), "the NF type \"%s\" is none of 3GPP's (RFC 9310, appendix A); %s%s",
			 type, meant ? "write " : "is it one of your own?", meant ? meant : "");
		if (!known)
			return true;
	}
	return false;
}

static bool lacks_instance(struct view *view)
{
	snprintf(view->text, sizeof(view->text), "there is no NF instance; write nf: { instance: UUID }");
	return !view->certificate->nf_instance;
}

/* TS 29.571, 5.3.2; RFC 9562, 4.1: the variant is 10 in binary. */
static bool is_other_version(struct view *view)
{
	const char *instance = view->certificate->nf_instance;

	snprintf(view->text, sizeof(view->text), "the NF instance is not a UUID of version 4 (TS 29.571, 5.3.2)");
	return instance && (instance[UUID_VERSION] != '4' || !strchr("89ab", instance[UUID_VARIANT]));
}

static bool has_other_instance(struct view *view)
{
	static const char *const prefixes[] = { "uri:urn:uuid:", "nf-instance:" };
	const struct config_certificate *certificate = view->certificate;

	for (unsigned i = 0; certificate->nf_instance && i < certificate->name_count; i++)
		for (size_t at = 0; at < sizeof(prefixes) / sizeof(prefixes[0]); at++) {
			size_t len = strlen(prefixes[at]);

			if (strncmp(certificate->names[i], prefixes[at], len) != 0 ||
			    strcmp(certificate->names[i] + len, certificate->nf_instance) == 0)
				continue;
			snprintf(view->text, sizeof(view->text), "%s names another instance than nf", certificate->names[i]);
			return true;
		}
	return false;
}

static bool lacks_home_name(struct view *view)
{
	snprintf(view->text, sizeof(view->text),
		 "no dns: name ends in the home domain, 5gc.mnc<MNC>.mcc<MCC>.3gppnetwork.org with three digits each (TS 23.003, "
		 "28.2)");
	return !certificate_profile_home_domain(view->certificate);
}

static bool has_other_key(struct view *view)
{
	snprintf(view->text, sizeof(view->text), "keys of type %s are none of RSA and ECDSA over P-256 or P-384 (6.1.1)",
		 key_type_name(view->certificate->key.type));
	return !KEY_TYPES[view->certificate->key.type];
}

static bool wants_subject(const struct view *view)
{
	const struct config_certificate_profile *profile = &view->authority->certificate_profile;

	return !profile->has_ask || (profile->ask & CONFIG_ASK_BIT(ASK_SUBJECT));
}

static bool lacks_country(struct view *view)
{
	snprintf(view->text, sizeof(view->text), "the subject has no country; write certificate-profile: { country: DE }");
	return wants_subject(view) && !view->request.country;
}

static bool has_other_organization(struct view *view)
{
	const char *organization = view->request.organization;

	snprintf(view->text, sizeof(view->text), "the subject has %s organization%s", organization ? "an" : "no",
		 organization ? " that is not the home domain" : "");
	return wants_subject(view) && (!organization || !certificate_profile_is_home_domain(organization));
}

/* What is not asked for although there is something to say, or may be missing in the end. */
static bool leaves_out(struct view *view)
{
	const struct config_certificate_profile *profile = &view->authority->certificate_profile;
	unsigned left_out = profile->has_ask ? CONFIG_ASK_ALL & ~profile->ask : 0;

	snprintf(view->text, sizeof(view->text), "authority \"%s\" is not asked for:", view->authority->name);
	for (int ask = 0; ask < CONFIG_ASK_COUNT; ask++) {
		size_t used = strlen(view->text);

		if (left_out & CONFIG_ASK_BIT(ask))
			snprintf(view->text + used, sizeof(view->text) - used, " %s", config_ask_name((enum config_ask)ask));
	}
	return left_out != 0;
}

static bool accepts_less(struct view *view)
{
	unsigned less = view->request.parts & view->authority->certificate_profile.accept_without;

	snprintf(view->text, sizeof(view->text), "a certificate is accepted without:");
	for (int ask = 0; ask < CONFIG_ASK_COUNT; ask++) {
		size_t used = strlen(view->text);

		if (less & CONFIG_ASK_BIT(ask))
			snprintf(view->text + used, sizeof(view->text) - used, " %s", config_ask_name((enum config_ask)ask));
	}
	return less != 0;
}

static bool (*const CHECKS[])(struct view *view) = {
	lacks_types,   has_unknown_type, lacks_instance,         is_other_version, has_other_instance, lacks_home_name,
	has_other_key, lacks_country,    has_other_organization, leaves_out,       accepts_less,
};

unsigned certificate_profile_warn(const struct config_certificate *certificate, const struct config_authority *authority,
				  certificate_profile_tell_fn *tell, void *ctx)
{
	struct view view = { .certificate = certificate,
			     .authority = authority,
			     .request = certificate_profile_request(certificate, authority) };
	unsigned told = 0;

	for (size_t i = 0; i < sizeof(CHECKS) / sizeof(CHECKS[0]) && certificate_profile_is_nf(certificate); i++) {
		if (!CHECKS[i](&view))
			continue;
		tell(ctx, view.text);
		told++;
	}
	return told;
}
