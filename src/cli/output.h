/* output.h -- how results look: one JSON document, or lines for people. */
#ifndef HWA_OUTPUT_H
#define HWA_OUTPUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "plan.h"
#include "scope.h"

/* Prints and frees the document, with a newline. */
void output_json(json_t *document);
/* Why there is no other document; nothing where there is one. */
void output_failure(int exit_status);
/* False: a row or a whole document could not be written, which is no success whatever else the command did. */
bool output_is_whole(void);
/* "2026-11-24T12:00:00Z", or null for 0. */
json_t *output_time(int64_t at);
/* The string, "" too; what is no UTF-8 in it is U+FFFD.  For whatever a token, a peer or the system has said. */
json_t *output_string(const char *text);
/* The same, or null for "". */
json_t *output_text(const char *text);
/* Puts a row behind the others, and owns it.  One that could not be made (NULL) is told, and the document is not whole. */
void output_row(json_t *rows, json_t *row);
/* "next renewal 2026-... (in 3d): 66% of its lifetime", "goes on 2026-... ", "due now: ..." */
void output_plan(const struct plan *plan, int64_t now, char *text, size_t room);

AUTO_DEFINE(json, json_t *, json_decref);

#endif /* HWA_OUTPUT_H */
