/* schema_options.c -- prints every option that hwacme.yaml may have, a line each: "needed tokens.name", "optional state". */
#include <stdio.h>

#include "schema.h"

#define PATH_MAX_LEN 256

static void value_print(const char *path, const cyaml_schema_value_t *value);

static void fields_print(const char *path, const cyaml_schema_field_t *fields)
{
	for (; fields->key; fields++) {
		char below[PATH_MAX_LEN];

		snprintf(below, sizeof(below), "%s%s%s", path, *path ? "." : "", fields->key);
		printf("%s %s\n", fields->value.flags & CYAML_FLAG_OPTIONAL ? "optional" : "needed", below);
		value_print(below, &fields->value);
	}
}

/* A list of texts or a text has nothing below it. */
static void value_print(const char *path, const cyaml_schema_value_t *value)
{
	if (value->type == CYAML_MAPPING)
		fields_print(path, value->mapping.fields);
	else if (value->type == CYAML_SEQUENCE)
		value_print(path, value->sequence.entry);
}

int main(void)
{
	value_print("", &schema_root);
	return 0;
}
