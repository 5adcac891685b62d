/*
 * schema.h -- every option of hwacme.yaml, as it was written: texts, not yet understood.
 *
 * One table (schema.c) says what is filled in, which options an error calls known, and what is missing.
 */
#ifndef HWA_SCHEMA_H
#define HWA_SCHEMA_H

#include "filling.h"

#define SCHEMA_ENTRIES_MAX 100000u /* tokens, authorities, policies or certificates */

struct schema_secret {
	char *file, *credential, *env;
};
struct schema_pkcs11 {
	char *module, *token, *serial, *uri, *sessions, *init_args, *accept_wrapping, *network;
	struct schema_secret *pin;
};
struct schema_tpm2 {
	char *tcti, *parent, *pcrs, *keep_loaded;
	struct schema_secret *auth, *owner_auth;
};
struct schema_token {
	char *name;
	struct schema_pkcs11 *pkcs11;
	struct schema_tpm2 *tpm2;
};
struct schema_account_key {
	char *token, *type, *algorithm;
};
struct schema_key {
	char *token, *type, *rotate;
};

struct schema_hmac {
	char *file, *credential, *env, *token, *label;
};
struct schema_external {
	char *kid, *algorithm;
	struct schema_hmac *hmac;
};

struct schema_certificate_profile {
	char **ask, **accept_without, **usages;
	unsigned ask_count, accept_without_count, usages_count;
	char *country, *organization;
};

struct schema_client {
	char *certificate, *file, *token, *label;
};

struct schema_authority {
	char *name, *directory, *trust, *roots, *terms_agreed, *profile, *orders_per_hour;
	char **contact;
	unsigned contact_count;
	struct schema_account_key *account_key;
	struct schema_external *external;
	struct schema_certificate_profile *certificate_profile;
	struct schema_client *client;
};

struct schema_policy {
	char *name, *renew_after, *renew_before, *preauthorized, *margin, *ari, *jitter, *wait, *retire_after, *keep,
		*revoke_superseded, *fallback_after, *boot_spread;
	char **windows;
	unsigned windows_count;
};

struct schema_http01 {
	char *listen, *webroot;
};
struct schema_tlsalpn01 {
	char *listen;
};
struct schema_dns01 { /* and dns-account-01 */
	char **hook;
	unsigned hook_count;
	char *timeout, *propagation;
};
struct schema_dnspersist01 {
	char *issuer;
};
struct schema_token_file {
	char *file;
};
struct schema_tkauth01 {
	struct schema_token_file *token;
	char **command;
	unsigned command_count;
	char *timeout, *authority, *trust;
	char **allow;
	unsigned allow_count;
	struct schema_client *client;
};
struct schema_challenge {
	struct schema_http01 *http01;
	struct schema_tlsalpn01 *tlsalpn01;
	struct schema_dns01 *dns01, *dnsaccount01;
	struct schema_dnspersist01 *dnspersist01;
	struct schema_tkauth01 *tkauth01;
};
struct schema_deploy {
	char **run;
	unsigned run_count;
	char *timeout, *user;
};
struct schema_probe {
	char **run;
	unsigned run_count;
	char *connect, *server_name, *user, *timeout, *grace, *every;
};

struct schema_outputs {
	char **formats;
	unsigned formats_count;
	char *owner, *group, *mode;
};

struct schema_objects {
	char *certificate, *chain, *label;
};

struct schema_nf {
	char **types;
	unsigned types_count;
	char *instance;
};

struct schema_certificate {
	char *name, *authority, *policy, *profile;
	char **fallback;
	unsigned fallback_count;
	struct schema_key *key;
	char **names;
	unsigned names_count;
	struct schema_nf *nf;
	struct schema_challenge *challenge;
	struct schema_outputs *outputs;
	struct schema_objects *objects;
	struct schema_deploy *deploy;
	struct schema_probe *probe;
};

struct schema_metrics {
	char *listen;
};

struct schema_log {
	char *format;
};

struct schema_config {
	char *state;
	struct schema_metrics *metrics;
	struct schema_log *log;
	struct schema_token *tokens;
	struct schema_authority *authorities;
	struct schema_policy *policies;
	struct schema_certificate *certificates;
	unsigned tokens_count, authorities_count, policies_count, certificates_count;
};

extern const struct shape schema_root;
extern const struct filling_later schema_later[];

#endif /* HWA_SCHEMA_H */
