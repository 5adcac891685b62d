/* settings_names.c -- understands the names of a certificate, and writes each as everyone else will. */
#include <stdio.h>
#include <string.h>

#include "identifier.h"
#include "settings_read.h"

static enum rc read_one(const struct place *place, const char *option, char **name)
{
	char value[IDENTIFIER_VALUE_MAX], canonical[IDENTIFIER_NAME_MAX];
	struct identifier identifier;

	if (!identifier_parse(*name, &identifier))
		return place_refuse(place, option, *name,
				    "write the kind of name first: dns:HOST, ip:ADDRESS, nf-instance:UUID or uri:URI");
	const char *fault = identifier_fault(&identifier);
	if (fault)
		return place_refuse(place, option, *name, fault);
	identifier_canonical(&identifier, value);
	snprintf(canonical, sizeof(canonical), "%s:%s", identifier_prefix(identifier.kind), value);
	char *copy = strdup(canonical);
	if (!copy)
		return err_set(place->err, RC_RESOURCE, "out of memory");
	free(*name);
	*name = copy;
	return RC_OK;
}

enum rc read_names(const struct place *place, struct schema_certificate *texts, struct config_certificate *ret)
{
	struct identifier identifier;
	unsigned ordered = 0;

	for (unsigned i = 0; i < texts->names_count; i++) {
		char option[32];

		snprintf(option, sizeof(option), "names[%u]", i);
		enum rc rc = read_one(place, option, &texts->names[i]);
		if (rc != RC_OK)
			return rc;
		for (unsigned other = 0; other < i; other++)
			if (strcmp(texts->names[other], texts->names[i]) == 0)
				return place_refuse(place, option, texts->names[i], "is there twice; keep one");
		ordered += identifier_parse(texts->names[i], &identifier) && identifier_type(identifier.kind);
	}
	if (!ordered)
		return place_refuse(
			place, "names", texts->names[0],
			"a URI cannot be ordered alone: it stands in the certificate only; add a dns:, ip: or nf-instance: name");
	ret->names = TAKE(texts->names);
	ret->name_count = texts->names_count;
	return RC_OK;
}
