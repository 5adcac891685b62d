/* settings_read.c -- options that read the same wherever they stand. */
#include "settings_read.h"

#include <stdio.h>
#include <string.h>

#include "values.h"

enum rc read_name(const struct place *place, char **text, char **ret)
{
	if (!value_name(*text))
		return place_refuse(place, "name", *text,
				    "write up to 63 letters, digits, \".\", \"_\" or \"-\", a letter or digit first");
	*ret = TAKE(*text);
	return RC_OK;
}

enum rc read_path(const struct place *place, const char *option, char **text, char **ret)
{
	if (!*text)
		return RC_OK;
	if ((*text)[0] != '/')
		return place_refuse(place, option, *text, "write an absolute path");
	*ret = TAKE(*text);
	return RC_OK;
}

enum rc read_duration(const struct place *place, const char *option, const char *text, int64_t *ret)
{
	if (!text || value_duration(text, ret))
		return RC_OK;
	if (text[0] && text[strlen(text) - 1] == 'w')
		return place_refuse(place, option, text, "weeks are not used here; write days or hours, such as 14d or 336h");
	return place_refuse(place, option, text, "write a duration such as 90s, 10m, 336h or 14d, up to 3650d");
}

enum rc check_reference(const struct place *place, const char *option, const char *name, bool is_there, const char *list)
{
	char instead[96];

	if (is_there)
		return RC_OK;
	snprintf(instead, sizeof(instead), "there is no such entry under \"%s\"; write one of their names, or add it", list);
	return place_refuse(place, option, name, instead);
}
