/* message.h -- ACME's JSON to structs and back, bounded and strict (RFC 8555, 7.1.1, 7.1.3 and 7.1.4). */
#ifndef HWA_MESSAGE_H
#define HWA_MESSAGE_H

#include "config.h"
#include "http.h"
#include "identifier.h"
#include "order.h"

#define MESSAGE_AUTHORIZATIONS_MAX 100
#define MESSAGE_CHALLENGES_MAX     16
#define MESSAGE_TOKEN_MAX          256
#define MESSAGE_PROFILES_MAX       32
#define MESSAGE_PROFILE_MAX        64
#define MESSAGE_PAYLOAD_MAX        (48u * 1024u)

struct message_directory {
	char new_nonce[HTTP_URL_MAX], new_account[HTTP_URL_MAX], new_order[HTTP_URL_MAX];
	char revoke_cert[HTTP_URL_MAX], key_change[HTTP_URL_MAX];
	char new_authz[HTTP_URL_MAX];        /* "" : no pre-authorisation (7.4.1) */
	char terms_of_service[HTTP_URL_MAX]; /* "" when none */
	char renewal_info[HTTP_URL_MAX];     /* "" : none (RFC 9773) */
	bool external_account_required;
	unsigned profile_count; /* draft-ietf-acme-profiles: as many as we can keep */
	char profiles[MESSAGE_PROFILES_MAX][MESSAGE_PROFILE_MAX];
};

/* A problem document (RFC 7807); control characters replaced. */
struct message_problem {
	char type[96];        /* without urn:ietf:params:acme:error: */
	char detail[512];     /* else the title; with those of subproblems, each behind what it is about (RFC 8555, 6.7.1) */
	char instance[256];   /* of userActionRequired: the page to read; "" else */
	char algorithms[128]; /* of badSignatureAlgorithm: "ES256, RS256"; "" when it lists none (RFC 8555, 6.2) */
};

struct message_order {
	enum order_status status;
	int64_t expires_at; /* 0: not said */
	char finalize_url[HTTP_URL_MAX], certificate_url[HTTP_URL_MAX];
	char profile[MESSAGE_PROFILE_MAX]; /* "": not said */
	struct message_problem problem;
	unsigned authorization_count; /* missing, null or empty is normal: 0 */
	char (*authorizations)[HTTP_URL_MAX];
};
void message_order_clear(struct message_order *order);
AUTO_DEFINE_VALUE(message_order, struct message_order, message_order_clear);

struct message_challenge {
	char type[32], url[HTTP_URL_MAX], token[MESSAGE_TOKEN_MAX];
	char (*issuers)[IDENTIFIER_VALUE_MAX]; /* dns-persist-01: issuer-domain-names; freed with the authorization */
	unsigned issuer_count;
	char tkauth_type[32], token_authority[HTTP_URL_MAX]; /* tkauth-01; "" when absent */
	bool is_processing;                                  /* the CA was told, and is looking */
	bool is_invalid;                                     /* the CA has given it up, whatever it says of the authorization */
	struct message_problem problem;
};

enum message_authorization_status { AUTHORIZATION_PENDING, AUTHORIZATION_VALID, AUTHORIZATION_DEAD };

struct message_authorization {
	enum message_authorization_status status; /* DEAD: invalid, deactivated, expired, revoked */
	char identifier_type[32], identifier[IDENTIFIER_VALUE_MAX];
	bool is_wildcard; /* RFC 8555, 7.1.4: the identifier is then without its "*." */
	int64_t expires_at;
	unsigned challenge_count;
	struct message_challenge challenges[MESSAGE_CHALLENGES_MAX];
};
void message_authorization_clear(struct message_authorization *authorization);
AUTO_DEFINE_VALUE(message_authorization, struct message_authorization, message_authorization_clear);

/* RC_PROTOCOL naming the member that is missing or odd. */
enum rc message_directory_parse(struct span json, struct message_directory *ret, struct err *err) HWA_CHECKED;
/* `names` as configured: RC_ABSENT when the answer's identifiers are not those of them that are identifiers (RFC 8555, 7.1.3). */
enum rc message_order_parse(struct span json, char *const *names, unsigned name_count, struct message_order *ret,
			    struct err *err) HWA_CHECKED;
enum rc message_authorization_parse(struct span json, struct message_authorization *ret, struct err *err) HWA_CHECKED;
/* False when it is no problem document. */
bool message_problem_parse(struct span json, struct message_problem *ret);

/* `replaces` (RFC 9773, 5) and `profile` (draft-ietf-acme-profiles, 4) may be NULL. */
enum rc message_new_order_print(char *const *names, unsigned name_count, const char *replaces, const char *profile,
				struct buf *ret_json, struct err *err) HWA_CHECKED;
enum rc message_finalize_print(struct span csr, struct buf *ret_json, struct err *err) HWA_CHECKED;

#endif /* HWA_MESSAGE_H */
