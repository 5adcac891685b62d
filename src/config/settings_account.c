/* settings_account.c -- reads the binding of an account to one that the CA's operator knows (RFC 8555, 7.3.4). */
#include "settings_account.h"

#include <string.h>

#define PATH "external-account."

static enum rc read_hmac(const struct place *place, struct schema_hmac *texts, struct config_external *ret)
{
	int sources = (texts->file != NULL) + (texts->credential != NULL) + (texts->env != NULL) + (texts->token != NULL);

	if (sources != 1 || (texts->token != NULL) != (texts->label != NULL))
		return place_refuse(place, PATH "hmac", "hmac",
				    "write exactly one of { file: PATH }, { credential: NAME }, { env: NAME }, "
				    "{ token: NAME, label: LABEL }");
	if (texts->file && texts->file[0] != '/')
		return place_refuse(place, PATH "hmac.file", texts->file, "write an absolute path");
	ret->token = TAKE(texts->token);
	ret->label = TAKE(texts->label);
	ret->hmac.source = texts->file         ? SECRET_FILE
			   : texts->credential ? SECRET_CREDENTIAL
			   : texts->env        ? SECRET_ENV
					       : SECRET_NONE;
	ret->hmac.where = texts->file ? TAKE(texts->file) : texts->credential ? TAKE(texts->credential) : TAKE(texts->env);
	return RC_OK;
}

enum rc settings_external(const struct place *place, struct schema_external *texts, struct config_external *ret)
{
	static const struct {
		const char *name;
		enum token_hash hash;
	} algorithms[] = { { "HS256", TOKEN_SHA256 }, { "HS384", TOKEN_SHA384 }, { "HS512", TOKEN_SHA512 } };

	if (!texts)
		return RC_OK;
	ret->hash = TOKEN_SHA256;
	if (texts->algorithm) {
		size_t i = 0;

		while (i < 3 && strcmp(algorithms[i].name, texts->algorithm) != 0)
			i++;
		if (i == 3)
			return place_refuse(place, PATH "algorithm", texts->algorithm, "write HS256, HS384 or HS512");
		ret->hash = algorithms[i].hash;
	}
	if (!texts->kid[0])
		return place_refuse(place, PATH "kid", texts->kid, "write the key identifier that the CA's operator gave");
	ret->kid = TAKE(texts->kid);
	return read_hmac(place, texts->hmac, ret);
}
