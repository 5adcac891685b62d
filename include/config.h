/*
 * config.h -- what the operator wants, as written in hwacme.yaml(5).
 *
 * The structs are filled by src/config/ and only read elsewhere.  Strings are
 * owned by the struct config; an option that was not given is NULL, 0 or its
 * documented default.  Durations are seconds.
 */
#ifndef HWA_CONFIG_H
#define HWA_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "challenge_type.h"
#include "err.h"
#include "jws_algorithm.h"
#include "key_type.h"
#include "log.h"
#include "scope.h"
#include "set_file.h"
#include "window.h"

/* Where a secret is read from, never the secret. */
enum secret_source { SECRET_NONE, SECRET_FILE, SECRET_CREDENTIAL, SECRET_ENV };
struct config_secret {
	enum secret_source source;
	char *where; /* path, credential name or variable name */
};

/* Platform configuration registers: "sha256:0,7" is bank "sha256" and bits 0 and 7. */
struct config_pcrs {
	char bank[8];
	uint32_t mask; /* 0: none */
};

struct config_token {
	char *name;
	char *module; /* PKCS#11: path of the module; NULL where the URI names it, and for a TPM */
	/* PKCS#11: which token of the module; all that are given must match, and one of the three is */
	char *token_label, *token_serial;
	char *token_uri;      /* RFC 7512; alone */
	char *init_args;      /* PKCS#11: pReserved of C_Initialize, for modules that want it (NSS) */
	unsigned sessions;    /* PKCS#11: open at once; 0: the default, 4 */
	bool accept_wrapping; /* PKCS#11: although the token gives out keys it calls unextractable */
	struct config_secret pin;
	bool network;                          /* PKCS#11: the module reaches its HSM over the network */
	char *tcti;                            /* TPM 2.0: TCTI string; NULL for PKCS#11 */
	uint32_t parent;                       /* TPM 2.0: persistent handle of the parent key; 0: found out */
	struct config_secret auth, owner_auth; /* TPM 2.0: authorisation of the keys made here; of the owner hierarchy */
	struct config_pcrs pcrs;               /* TPM 2.0: keys made here are usable only while these stay as they are */
	bool keep_loaded;                      /* TPM 2.0: the key used last stays in the TPM */
	unsigned line;                         /* where the entry begins in the file */
};

struct config_key {
	char *token; /* name of a token */
	enum key_type type;
};

/* RFC 8555, 7.3.4: an account that the CA's operator knows already; kid NULL: none */
struct config_external {
	char *kid;
	enum token_hash hash;      /* of the HMAC */
	struct config_secret hmac; /* where the key is read from, base64url; or */
	char *token, *label;       /* a generic secret key in a PKCS#11 token */
};

/* What can be asked of a CA beside dns: and ip: names (TS 33.310, 6.1.3c).  X(enumerator, word) */
#define CONFIG_ASKS(X)                                  \
	X(ASK_SUBJECT, "subject")                       \
	X(ASK_URI, "uri")                               \
	X(ASK_KEY_USAGE, "key-usage")                   \
	X(ASK_EXTENDED_KEY_USAGE, "extended-key-usage") \
	X(ASK_NF_TYPES, "nf-types")

#define X(name, word) name,
enum config_ask { CONFIG_ASKS(X) CONFIG_ASK_COUNT };
#undef X
#define CONFIG_ASK_BIT(ask) (1u << (ask))
#define CONFIG_ASK_ALL      (CONFIG_ASK_BIT(CONFIG_ASK_COUNT) - 1u)

/* What an authority is asked for, and what may be missing in what it issues; sets of CONFIG_ASK_BIT(). */
struct config_certificate_profile {
	bool has_ask; /* `ask` is written: it holds for every certificate; otherwise all is asked for those with `nf` alone */
	unsigned ask, accept_without;
	bool server, client;          /* extended key usages */
	char *country, *organization; /* of the subject */
};

/*
 * Who we are in TLS, where a server demands it (TS 33.310, annex J.2): a certificate of ours, one that the operator made, or both.
 * The operator's is shown until ours is issued, and when ours has expired.
 */
struct config_client {
	char *certificate;   /* an entry of `certificates`: its live set; NULL: none of ours */
	char *file;          /* PEM, the client's own certificate first; NULL: none of the operator's */
	char *token, *label; /* of file: its key */
};

struct config_authority {
	char *name, *directory, *trust, *roots;
	char **contact;
	unsigned contact_count;
	bool terms_agreed;
	struct config_key account_key;
	struct config_external external;
	char *profile;                        /* draft-ietf-acme-profiles: ordered by name; NULL: the CA's default */
	enum jws_algorithm account_algorithm; /* fits account_key.type, or JWS_BY_KEY_TYPE */
	struct config_certificate_profile certificate_profile;
	struct config_client client;
	unsigned orders_per_hour; /* that it takes from us; 0: no limit known */
	unsigned line;
};

#define CONFIG_WAIT_MAX INT64_C(86400) /* seconds; a wait that is longer is a mistake for a certificate of some weeks */

struct config_policy {
	char *name;
	unsigned renew_after_percent; /* of lifetime; 0: the default, 2/3 (1/2 under 10 days) */
	int64_t renew_before, preauthorized, margin, wait, retire_after; /* seconds; 0: not set; wait: up to CONFIG_WAIT_MAX */
	int64_t fallback_after; /* seconds that an authority does not answer before the next one is asked */
	int64_t boot_spread;    /* seconds after the machine was switched on over which what is due then is spread */
	unsigned jitter_percent;
	unsigned keep;          /* generations whose key and archive stay, the live one among them; at least 1 */
	bool revoke_superseded; /* the CA is told when a certificate was replaced and its successor is in service */
	bool ari;               /* RFC 9773: the CA's suggestions count; true unless said otherwise */
	struct window *windows; /* none: at any time */
	unsigned window_count;
	unsigned line;
};

/* One way to prove control of a name, with what it needs; NULL, 0 and no entries where a type has no use for it. */
struct config_challenge {
	enum challenge_type type;
	char *listen;  /* http-01, tls-alpn-01: "ADDRESS:PORT", "systemd" or "systemd:NAME" */
	char *webroot; /* http-01: in place of listen, the document root of a web server */
	char **run;    /* argv; dns-01, dns-account-01: the hook; tkauth-01: the command that prints a token */
	unsigned run_count;
	int64_t timeout;     /* of one run */
	int64_t propagation; /* dns-01, dns-account-01: from the record's being placed until anyone is told */
	char *issuer;        /* dns-persist-01: the issuer domain name in the record; NULL: the first that the CA offers */
	char *token_file;    /* tkauth-01: a file with the token */
	char *authority;     /* tkauth-01: URL of the Token Authority */
	char *trust;         /* tkauth-01: roots of the Token Authority's TLS; NULL: the system's */
	char **allow;        /* tkauth-01: hosts whose URL is believed when the CA names it */
	unsigned allow_count;
	struct config_client client; /* tkauth-01: for the Token Authority */
};

/* How it is found out which certificate a service presents; neither `connect` nor `run`: not at all. */
struct config_probe {
	char *connect;     /* TLS to "HOST:PORT", "ADDRESS:PORT" or "[IPv6]:PORT" */
	char *server_name; /* the name asked for there (SNI); NULL: the host of `connect`, where that is a name */
	char **run;        /* in place of connect: argv of a program that exits with 0 when all is well */
	unsigned run_count;
	char *user;      /* of `run`; NULL: ours */
	int64_t timeout; /* of one try */
	int64_t grace;   /* so long after deployment it may fail */
	int64_t every;   /* what is in service is looked at again so often; 0: never */
};

/* What stands in the token beside the key (token_publish()); all empty: nothing. */
struct config_objects {
	bool certificate, chain;
	char *label; /* that key and certificate have while they are live; NULL: the key's own */
};

enum config_rotate { ROTATE_ALWAYS, ROTATE_NEVER, ROTATE_AGE };

struct config_certificate {
	char *name;               /* a safe file name: [A-Za-z0-9][A-Za-z0-9._-]{0,62} */
	char *authority, *policy; /* once all references are checked they are the names of those entries, as is key.token */
	bool is_resolved;         /* so it is */
	char **fallback;          /* authorities that are asked in turn while the first does not answer */
	unsigned fallback_count;
	char *profile; /* instead of the authority's; NULL: that */
	struct config_key key;
	enum config_rotate rotate;
	int64_t rotate_age; /* seconds, for ROTATE_AGE */
	/* "dns:...", "ip:...", "nf-instance:...", "uri:...", each in its one text (identifier.h); with nf_instance its
	 * "uri:urn:uuid:..." is always among them */
	char **names;
	unsigned name_count;
	char *nf_instance; /* UUID in lower case, always among the names as well; NULL: none */
	char **nf_types;   /* "AMF"; sorted */
	unsigned nf_type_count;
	struct config_challenge *challenges; /* in the order of the file: the first that the CA offers is used */
	unsigned challenge_count;
	char **deploy_run; /* argv */
	unsigned deploy_run_count;
	char *deploy_user; /* NULL: ours */
	int64_t deploy_timeout;
	struct set_files outputs;
	struct config_objects objects;
	struct config_probe probe;
	unsigned line;
};

struct config {
	char *path; /* of the file, for messages */
	char *state;
	char *metrics_listen; /* "ADDRESS:PORT"; NULL: no metrics */
	enum log_format log_format;
	struct config_token *tokens;
	struct config_authority *authorities;
	struct config_policy *policies;
	struct config_certificate *certificates;
	unsigned token_count, authority_count, policy_count, certificate_count;
	const struct config_certificate **by_name; /* the certificates, sorted */
};

/* RC_INPUT with "FILE:LINE: what is wrong; what to write instead". */
enum rc config_load(const char *path, struct config **ret_config, struct err *err) HWA_CHECKED;
void config_free(struct config *config);

/* Look-ups by name; NULL when there is none (config_load has checked all references). */
const struct config_token *config_token_get(const struct config *config, const char *name);
const struct config_authority *config_authority_get(const struct config *config, const char *name);
/* The built-in defaults when `name` is NULL. */
const struct config_policy *config_policy_get(const struct config *config, const char *name);
const struct config_certificate *config_certificate_get(const struct config *config, const char *name);
/* How this certificate answers that type; NULL: not at all. */
const struct config_challenge *config_challenge_get(const struct config_certificate *certificate, enum challenge_type type);
/* Is the authority of that name this certificate's, or one of its fallbacks? */
bool config_is_authority_of(const struct config_certificate *certificate, const char *authority);

/* Every secret that the configuration points at, counted from 0: what the engine must not read.  NULL after the last. */
const struct config_secret *config_secret_at(const struct config *config, unsigned index);
static inline bool config_has_probe(const struct config_certificate *certificate)
{
	return certificate->probe.connect || certificate->probe.run_count;
}
/* "nf-types" and the like, as written in the configuration. */
static inline const char *config_ask_name(enum config_ask ask)
{
#define X(name, word) word,
	static const char *const words[] = { CONFIG_ASKS(X) };
#undef X
	return ask < CONFIG_ASK_COUNT ? words[ask] : "";
}

AUTO_DEFINE(config, struct config *, config_free);

#endif /* HWA_CONFIG_H */
