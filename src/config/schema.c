/* schema.c -- the one table of options. */
#include "schema.h"

#define TEXT_MAX 4096u /* a path */
#define LIST_MAX 100u  /* names of a certificate, contacts, words of a command */

#define NEEDED   true
#define OPTIONAL false
#define END                 \
	{                   \
		.key = NULL \
	}

#define TEXT(name, needed, type, member)                                                                                         \
	{                                                                                                                        \
		.key = name, .is_needed = needed, .at = offsetof(struct type, member), .shape = { SHAPE_TEXT, .most = TEXT_MAX } \
	}
#define GROUP(name, needed, type, member, below)                                                  \
	{                                                                                         \
		.key = name, .is_needed = needed, .at = offsetof(struct type, member), .shape = { \
			SHAPE_GROUP,                                                              \
			.size = sizeof(*((struct type *)NULL)->member),                           \
			.options = below                                                          \
		}                                                                                 \
	}
#define LIST(name, needed, type, member, each, fewest, largest)                        \
	{                                                                              \
		.key = name, .is_needed = needed, .at = offsetof(struct type, member), \
		.count_at = offsetof(struct type, member##_count), .shape = {          \
			SHAPE_LIST,                                                    \
			.least = fewest,                                               \
			.most = largest,                                               \
			.entry = &(each)                                               \
		}                                                                      \
	}

static const struct shape TEXT_ENTRY = { SHAPE_TEXT, .most = TEXT_MAX };

static const struct shape_option SECRET[] = {
	TEXT("file", OPTIONAL, schema_secret, file),
	TEXT("credential", OPTIONAL, schema_secret, credential),
	TEXT("env", OPTIONAL, schema_secret, env),
	END,
};

static const struct shape_option PKCS11[] = {
	TEXT("module", OPTIONAL, schema_pkcs11, module),
	TEXT("token", OPTIONAL, schema_pkcs11, token),
	TEXT("serial", OPTIONAL, schema_pkcs11, serial),
	TEXT("uri", OPTIONAL, schema_pkcs11, uri),
	TEXT("sessions", OPTIONAL, schema_pkcs11, sessions),
	TEXT("init-args", OPTIONAL, schema_pkcs11, init_args),
	TEXT("accept-wrapping", OPTIONAL, schema_pkcs11, accept_wrapping),
	GROUP("pin", OPTIONAL, schema_pkcs11, pin, SECRET),
	TEXT("network", OPTIONAL, schema_pkcs11, network),
	END,
};

static const struct shape_option TPM2[] = {
	TEXT("tcti", NEEDED, schema_tpm2, tcti),
	TEXT("parent", OPTIONAL, schema_tpm2, parent),
	GROUP("auth", OPTIONAL, schema_tpm2, auth, SECRET),
	GROUP("owner-auth", OPTIONAL, schema_tpm2, owner_auth, SECRET),
	TEXT("pcrs", OPTIONAL, schema_tpm2, pcrs),
	TEXT("keep-loaded", OPTIONAL, schema_tpm2, keep_loaded),
	END,
};

static const struct shape_option TOKEN[] = {
	TEXT("name", NEEDED, schema_token, name),
	GROUP("pkcs11", OPTIONAL, schema_token, pkcs11, PKCS11),
	GROUP("tpm2", OPTIONAL, schema_token, tpm2, TPM2),
	END,
};

static const struct shape_option ACCOUNT_KEY[] = {
	TEXT("token", NEEDED, schema_account_key, token),
	TEXT("type", NEEDED, schema_account_key, type),
	TEXT("algorithm", OPTIONAL, schema_account_key, algorithm),
	END,
};

static const struct shape_option HMAC_KEY[] = {
	TEXT("file", OPTIONAL, schema_hmac, file),   TEXT("credential", OPTIONAL, schema_hmac, credential),
	TEXT("env", OPTIONAL, schema_hmac, env),     TEXT("token", OPTIONAL, schema_hmac, token),
	TEXT("label", OPTIONAL, schema_hmac, label), END,
};

static const struct shape_option EXTERNAL_ACCOUNT[] = {
	TEXT("kid", NEEDED, schema_external, kid),
	TEXT("algorithm", OPTIONAL, schema_external, algorithm),
	GROUP("hmac", NEEDED, schema_external, hmac, HMAC_KEY),
	END,
};

static const struct shape_option CERTIFICATE_PROFILE[] = {
	LIST("ask", OPTIONAL, schema_certificate_profile, ask, TEXT_ENTRY, 0, LIST_MAX),
	LIST("usages", OPTIONAL, schema_certificate_profile, usages, TEXT_ENTRY, 1, LIST_MAX),
	LIST("accept-without", OPTIONAL, schema_certificate_profile, accept_without, TEXT_ENTRY, 0, LIST_MAX),
	TEXT("country", OPTIONAL, schema_certificate_profile, country),
	TEXT("organization", OPTIONAL, schema_certificate_profile, organization),
	END,
};

static const struct shape_option CLIENT[] = {
	TEXT("certificate", OPTIONAL, schema_client, certificate),
	TEXT("file", OPTIONAL, schema_client, file),
	TEXT("token", OPTIONAL, schema_client, token),
	TEXT("label", OPTIONAL, schema_client, label),
	END,
};

static const struct shape_option AUTHORITY[] = {
	TEXT("name", NEEDED, schema_authority, name),
	TEXT("directory", NEEDED, schema_authority, directory),
	TEXT("trust", OPTIONAL, schema_authority, trust),
	TEXT("roots", OPTIONAL, schema_authority, roots),
	LIST("contact", OPTIONAL, schema_authority, contact, TEXT_ENTRY, 0, LIST_MAX),
	TEXT("terms-agreed", OPTIONAL, schema_authority, terms_agreed),
	GROUP("account-key", NEEDED, schema_authority, account_key, ACCOUNT_KEY),
	TEXT("profile", OPTIONAL, schema_authority, profile),
	TEXT("orders-per-hour", OPTIONAL, schema_authority, orders_per_hour),
	GROUP("external-account", OPTIONAL, schema_authority, external, EXTERNAL_ACCOUNT),
	GROUP("certificate-profile", OPTIONAL, schema_authority, certificate_profile, CERTIFICATE_PROFILE),
	GROUP("client-certificate", OPTIONAL, schema_authority, client, CLIENT),
	END,
};

static const struct shape_option POLICY[] = {
	TEXT("name", NEEDED, schema_policy, name),
	TEXT("renew-after", OPTIONAL, schema_policy, renew_after),
	TEXT("renew-before", OPTIONAL, schema_policy, renew_before),
	TEXT("preauthorized", OPTIONAL, schema_policy, preauthorized),
	TEXT("margin", OPTIONAL, schema_policy, margin),
	TEXT("ari", OPTIONAL, schema_policy, ari),
	TEXT("jitter", OPTIONAL, schema_policy, jitter),
	LIST("windows", OPTIONAL, schema_policy, windows, TEXT_ENTRY, 1, LIST_MAX),
	TEXT("wait", OPTIONAL, schema_policy, wait),
	TEXT("retire-after", OPTIONAL, schema_policy, retire_after),
	TEXT("keep", OPTIONAL, schema_policy, keep),
	TEXT("revoke-superseded", OPTIONAL, schema_policy, revoke_superseded),
	TEXT("fallback-after", OPTIONAL, schema_policy, fallback_after),
	TEXT("boot-spread", OPTIONAL, schema_policy, boot_spread),
	END,
};

static const struct shape_option KEY[] = {
	TEXT("token", NEEDED, schema_key, token),
	TEXT("type", NEEDED, schema_key, type),
	TEXT("rotate", OPTIONAL, schema_key, rotate),
	END,
};

static const struct shape_option HTTP01[] = {
	TEXT("listen", OPTIONAL, schema_http01, listen),
	TEXT("webroot", OPTIONAL, schema_http01, webroot),
	END,
};

static const struct shape_option TLSALPN01[] = {
	TEXT("listen", NEEDED, schema_tlsalpn01, listen),
	END,
};

static const struct shape_option DNS01[] = {
	LIST("hook", NEEDED, schema_dns01, hook, TEXT_ENTRY, 1, LIST_MAX),
	TEXT("timeout", OPTIONAL, schema_dns01, timeout),
	TEXT("propagation", OPTIONAL, schema_dns01, propagation),
	END,
};

static const struct shape_option DNSPERSIST01[] = {
	TEXT("issuer", OPTIONAL, schema_dnspersist01, issuer),
	END,
};

static const struct shape_option TOKEN_FILE[] = {
	TEXT("file", NEEDED, schema_token_file, file),
	END,
};

static const struct shape_option TKAUTH01[] = {
	GROUP("token", OPTIONAL, schema_tkauth01, token, TOKEN_FILE),
	LIST("command", OPTIONAL, schema_tkauth01, command, TEXT_ENTRY, 1, LIST_MAX),
	TEXT("timeout", OPTIONAL, schema_tkauth01, timeout),
	TEXT("authority", OPTIONAL, schema_tkauth01, authority),
	TEXT("trust", OPTIONAL, schema_tkauth01, trust),
	LIST("allow", OPTIONAL, schema_tkauth01, allow, TEXT_ENTRY, 1, LIST_MAX),
	GROUP("client-certificate", OPTIONAL, schema_tkauth01, client, CLIENT),
	END,
};

static const struct shape_option CHALLENGE[] = {
	GROUP("http-01", OPTIONAL, schema_challenge, http01, HTTP01),
	GROUP("tls-alpn-01", OPTIONAL, schema_challenge, tlsalpn01, TLSALPN01),
	GROUP("dns-01", OPTIONAL, schema_challenge, dns01, DNS01),
	GROUP("dns-account-01", OPTIONAL, schema_challenge, dnsaccount01, DNS01),
	GROUP("dns-persist-01", OPTIONAL, schema_challenge, dnspersist01, DNSPERSIST01),
	GROUP("tkauth-01", OPTIONAL, schema_challenge, tkauth01, TKAUTH01),
	END,
};

static const struct shape_option DEPLOY[] = {
	LIST("run", NEEDED, schema_deploy, run, TEXT_ENTRY, 1, LIST_MAX),
	TEXT("timeout", OPTIONAL, schema_deploy, timeout),
	TEXT("user", OPTIONAL, schema_deploy, user),
	END,
};

static const struct shape_option PROBE[] = {
	TEXT("connect", OPTIONAL, schema_probe, connect),
	TEXT("server-name", OPTIONAL, schema_probe, server_name),
	LIST("run", OPTIONAL, schema_probe, run, TEXT_ENTRY, 1, LIST_MAX),
	TEXT("user", OPTIONAL, schema_probe, user),
	TEXT("timeout", OPTIONAL, schema_probe, timeout),
	TEXT("grace", OPTIONAL, schema_probe, grace),
	TEXT("every", OPTIONAL, schema_probe, every),
	END,
};

static const struct shape_option OUTPUT_FILES[] = {
	LIST("formats", OPTIONAL, schema_outputs, formats, TEXT_ENTRY, 1, LIST_MAX),
	TEXT("owner", OPTIONAL, schema_outputs, owner),
	TEXT("group", OPTIONAL, schema_outputs, group),
	TEXT("mode", OPTIONAL, schema_outputs, mode),
	END,
};

static const struct shape_option TOKEN_OBJECTS[] = {
	TEXT("certificate", OPTIONAL, schema_objects, certificate),
	TEXT("chain", OPTIONAL, schema_objects, chain),
	TEXT("label", OPTIONAL, schema_objects, label),
	END,
};

static const struct shape_option NF[] = {
	LIST("types", OPTIONAL, schema_nf, types, TEXT_ENTRY, 1, LIST_MAX),
	TEXT("instance", OPTIONAL, schema_nf, instance),
	END,
};

static const struct shape_option CERTIFICATE[] = {
	TEXT("name", NEEDED, schema_certificate, name),
	TEXT("authority", NEEDED, schema_certificate, authority),
	LIST("fallback", OPTIONAL, schema_certificate, fallback, TEXT_ENTRY, 1, LIST_MAX),
	TEXT("policy", OPTIONAL, schema_certificate, policy),
	TEXT("profile", OPTIONAL, schema_certificate, profile),
	GROUP("key", NEEDED, schema_certificate, key, KEY),
	LIST("names", NEEDED, schema_certificate, names, TEXT_ENTRY, 1, LIST_MAX),
	GROUP("nf", OPTIONAL, schema_certificate, nf, NF),
	GROUP("challenge", OPTIONAL, schema_certificate, challenge, CHALLENGE),
	GROUP("outputs", OPTIONAL, schema_certificate, outputs, OUTPUT_FILES),
	GROUP("token-objects", OPTIONAL, schema_certificate, objects, TOKEN_OBJECTS),
	GROUP("deploy", OPTIONAL, schema_certificate, deploy, DEPLOY),
	GROUP("probe", OPTIONAL, schema_certificate, probe, PROBE),
	END,
};

static const struct shape TOKEN_ENTRY = { SHAPE_GROUP, .size = sizeof(struct schema_token), .options = TOKEN };
static const struct shape AUTHORITY_ENTRY = { SHAPE_GROUP, .size = sizeof(struct schema_authority), .options = AUTHORITY };
static const struct shape POLICY_ENTRY = { SHAPE_GROUP, .size = sizeof(struct schema_policy), .options = POLICY };
static const struct shape CERTIFICATE_ENTRY = { SHAPE_GROUP, .size = sizeof(struct schema_certificate), .options = CERTIFICATE };

static const struct shape_option METRICS[] = {
	TEXT("listen", NEEDED, schema_metrics, listen),
	END,
};

static const struct shape_option LOG[] = {
	TEXT("format", NEEDED, schema_log, format),
	END,
};

static const struct shape_option ROOT[] = {
	TEXT("state", OPTIONAL, schema_config, state),
	GROUP("metrics", OPTIONAL, schema_config, metrics, METRICS),
	GROUP("log", OPTIONAL, schema_config, log, LOG),
	LIST("tokens", NEEDED, schema_config, tokens, TOKEN_ENTRY, 1, SCHEMA_ENTRIES_MAX),
	LIST("authorities", NEEDED, schema_config, authorities, AUTHORITY_ENTRY, 1, SCHEMA_ENTRIES_MAX),
	LIST("policies", OPTIONAL, schema_config, policies, POLICY_ENTRY, 0, SCHEMA_ENTRIES_MAX),
	LIST("certificates", NEEDED, schema_config, certificates, CERTIFICATE_ENTRY, 1, SCHEMA_ENTRIES_MAX),
	END,
};

const struct shape schema_root = { SHAPE_GROUP, .size = sizeof(struct schema_config), .options = ROOT };

/* Known to the design, not to this release: said plainly, because ignoring an option is worse than refusing it. */
const struct filling_later schema_later[] = {
	{ "certificates.challenge.device-attest-01" },
	{ NULL },
};
