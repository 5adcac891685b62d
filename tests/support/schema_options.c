/* schema_options.c -- prints every option that hwacme.yaml may have, a line each: "needed tokens.name", "optional state". */
#include <stdio.h>

#include "schema.h"

#define PATH_MAX_LEN 256

static void value_print(const char *path, const struct shape *value);

static void options_print(const char *path, const struct shape_option *options)
{
	for (; options->key; options++) {
		char below[PATH_MAX_LEN];

		snprintf(below, sizeof(below), "%s%s%s", path, *path ? "." : "", options->key);
		printf("%s %s\n", options->is_needed ? "needed" : "optional", below);
		value_print(below, &options->shape);
	}
}

/* A list of texts or a text has nothing below it. */
static void value_print(const char *path, const struct shape *value)
{
	if (value->kind == SHAPE_GROUP)
		options_print(path, value->options);
	else if (value->kind == SHAPE_LIST)
		value_print(path, value->entry);
}

int main(void)
{
	value_print("", &schema_root);
	return 0;
}
