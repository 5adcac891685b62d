/* place.c -- refuses an option by its place in the file, with what to write instead. */
#include "place.h"

#include <stdio.h>
#include <string.h>

struct place place_at(const struct document *document, const char *list, unsigned index, struct err *err)
{
	struct place place = { .document = document, .err = err };

	snprintf(place.path, sizeof(place.path), "%s[%u]", list, index);
	return place;
}

enum rc place_refuse_url(const struct place *place, const char *option, const char *text, const char *instead)
{
	const char *at = strrchr(text, '@'), *host = strstr(text, "://");
	int scheme = host && at && host < at ? (int)(host + 3 - text) : 0;
	char shown[128];

	snprintf(shown, sizeof(shown), "%.*s%s%s", scheme, text, at ? "..." : "", at ? at : text);
	return place_refuse(place, option, shown, instead);
}

enum rc place_refuse(const struct place *place, const char *option, const char *text, const char *instead)
{
	char path[DOCUMENT_PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s%s%s", place->path, *place->path ? "." : "", option);
	return document_refuse(place->document, path, place->err, "\"%.100s\": %s", text, instead);
}
