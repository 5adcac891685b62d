/* keyd_publish.h -- the certificates and the label that the engine wants beside a key of ours. */
#ifndef HWA_KEYD_PUBLISH_H
#define HWA_KEYD_PUBLISH_H

#include "token.h"
#include "wire.h"

/* A label that keyd's own configuration gives to a certificate whose key is in that token; the engine cannot choose another. */
bool keyd_label_is_configured(const struct config *config, const char *token, const char *label);

/* Reads what follows the key's name in a KEYD_PUBLISH request; *ret_objects borrows it and `label`. */
enum rc keyd_objects_get(struct wire *request, char label[TOKEN_LABEL_MAX], struct token_objects *ret_objects,
			 struct err *err) HWA_CHECKED;

enum rc keyd_publish(const struct config *config, struct token_key *key, const struct token_objects *objects,
		     struct err *err) HWA_CHECKED;

#endif /* HWA_KEYD_PUBLISH_H */
