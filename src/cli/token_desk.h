/* token_desk.h -- what the verbs of `hwacme token` work with, and the keys that they all look at. */
#ifndef HWA_TOKEN_DESK_H
#define HWA_TOKEN_DESK_H

#include "command.h"
#include "output.h"

struct token_desk {
	const struct command_line *line;
	const struct config *config;
	struct keyring *keyring;
	struct store *store; /* NULL: nothing was ever stored */
};

/* A key as it was listed, with what the store knows of it. */
struct token_desk_key {
	const char *token; /* name in the configuration */
	struct token_key_name name;
	enum key_type type;
	struct token_custody custody;
	char owner[128];      /* "" : no record names it */
	bool is_ours;         /* called as ours, and reserved by this state directory */
	int64_t made_at;      /* 0: cannot be told */
	char fingerprint[65]; /* SHA-256 of its SubjectPublicKeyInfo, hex; "" when it has none */
};

typedef enum rc token_desk_fn(void *ctx, const struct token_desk_key *key, struct err *err);

/* Every private key of every configured token; a token that cannot be read is logged, and EXIT_TOKEN answered at the end. */
enum exit_status token_desk_each(const struct token_desk *desk, token_desk_fn *each, void *ctx);
/* What stands before the words of its custody: "" when it is held. */
const char *token_desk_verdict(const struct token_desk_key *key);
/* The columns that all verbs show: token, label, id, type, owner, made_at, held, told (whether the token said), custody. */
json_t *token_desk_json(const struct token_desk_key *key);

enum exit_status token_keys_command(const struct token_desk *desk);
enum exit_status token_audit_command(const struct token_desk *desk);
enum exit_status token_gc_command(const struct token_desk *desk);

#endif /* HWA_TOKEN_DESK_H */
