/* message_json.c -- loads and prints JSON objects and takes members out of them, with a word for what is missing or odd. */
#include "message_json.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "clock.h"
#include "http.h"
#include "utf8.h"

#define DEPTH_MAX  32u                    /* ACME needs 4; jansson's own bound of 2048 is for others */
#define TIME_UNSET "0001-01-01T00:00:00Z" /* a time that a CA written in Go has never set, and sends all the same */

static bool is_too_deep(struct span text)
{
	unsigned depth = 0;
	bool in_string = false;

	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.at[i];

		if (in_string && c == '\\')
			i++;
		else if (c == '"')
			in_string = !in_string;
		else if (!in_string && (c == '{' || c == '['))
			depth++;
		else if (!in_string && (c == '}' || c == ']') && depth)
			depth--;
		if (depth > DEPTH_MAX)
			return true;
	}
	return false;
}

enum rc message_json_load(struct span text, json_t **ret_object, struct err *err)
{
	json_error_t why;

	if (is_too_deep(text))
		return err_set(err, RC_PROTOCOL, "the answer is JSON nested deeper than %u", DEPTH_MAX);
	/* Two members of one name are an attack or a mistake. */
	json_t *object = json_loadb(text.at ? (const char *)text.at : "", text.len, JSON_REJECT_DUPLICATES, &why);

	if (!object)
		return err_set(err, RC_PROTOCOL, "the answer is not JSON: %s", why.text);
	if (!json_is_object(object)) {
		json_decref(object);
		return err_set(err, RC_PROTOCOL, "the answer is JSON, but not an object");
	}
	*ret_object = object;
	return RC_OK;
}

enum rc message_text_get(const json_t *object, const char *member, bool required, char *ret_text, size_t room, struct err *err)
{
	const json_t *value = json_object_get(object, member);

	ret_text[0] = '\0';
	if (!value || json_is_null(value))
		return required ? err_set(err, RC_PROTOCOL, "\"%s\" is missing from the answer", member) : RC_OK;
	if (!json_is_string(value) || json_string_length(value) >= room ||
	    strlen(json_string_value(value)) != json_string_length(value))
		return err_set(err, RC_PROTOCOL, "\"%s\" is not a string of less than %zu characters", member, room);
	snprintf(ret_text, room, "%s", json_string_value(value));
	return RC_OK;
}

bool message_is_url(const char *text)
{
	if (strncasecmp(text, "https://", 8) != 0)
		return false;
	for (; *text; text++)
		if ((unsigned char)*text <= ' ' || *text == 0x7f)
			return false;
	return true;
}

enum rc message_url_get(const json_t *object, const char *member, bool required, char *ret_url, struct err *err)
{
	enum rc rc = message_text_get(object, member, required, ret_url, HTTP_URL_MAX, err);

	if (rc == RC_OK && ret_url[0] && !message_is_url(ret_url))
		return err_set(err, RC_PROTOCOL, "\"%s\" is not an https:// URL", member);
	return rc;
}

enum rc message_time_get(const json_t *object, const char *member, int64_t *ret_at, struct err *err)
{
	char text[64];
	enum rc rc = message_text_get(object, member, false, text, sizeof(text), err);

	*ret_at = 0;
	if (rc != RC_OK || !text[0] || strcmp(text, TIME_UNSET) == 0)
		return rc;
	rc = clock_parse_rfc3339(text, ret_at, err);
	return rc == RC_OK ? RC_OK : err_wrap(err, rc, "\"%s\"", member);
}

void message_text_tame(char *text)
{
	utf8_tame(text, ' ');
}

enum rc message_json_print(json_t *object, struct buf *ret_json, struct err *err)
{
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
	enum rc rc = text ? buf_append(ret_json, span_text(text), err) : err_set(err, RC_RESOURCE, "out of memory");

	free(text);
	json_decref(object);
	return rc;
}
