/* message_json.h -- reading and writing JSON members, strictly; what the message files share. */
#ifndef HWA_MESSAGE_JSON_H
#define HWA_MESSAGE_JSON_H

#include <jansson.h>

#include "message.h"

AUTO_DEFINE(json, json_t *, json_decref);

/* An object; RC_PROTOCOL for anything else. */
enum rc message_json_load(struct span text, json_t **ret_object, struct err *err) HWA_CHECKED;
/* Prints and frees it; NULL is "out of memory". */
enum rc message_json_print(json_t *object, struct buf *ret_json, struct err *err) HWA_CHECKED;
/* A string member, copied whole; absent is "" unless required. */
enum rc message_text_get(const json_t *object, const char *member, bool required, char *ret_text, size_t room,
			 struct err *err) HWA_CHECKED;
/* The same for an https:// URL, of HTTP_URL_MAX. */
enum rc message_url_get(const json_t *object, const char *member, bool required, char *ret_url, struct err *err) HWA_CHECKED;
/* An https:// URL that can be asked for: without blanks and control characters (RFC 3986, 2). */
bool message_is_url(const char *text);
/* RFC 3339, or 0 when absent or never set. */
enum rc message_time_get(const json_t *object, const char *member, int64_t *ret_at, struct err *err) HWA_CHECKED;
/* A problem document, as far as it is one. */
void message_problem_fill(const json_t *object, struct message_problem *ret);
/* Control characters become blanks, and so does what a cut has left of a character: what a server says is shown to people. */
void message_text_tame(char *text);

#endif /* HWA_MESSAGE_JSON_H */
