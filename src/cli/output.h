/* output.h -- how results look: one JSON document, or lines for people. */
#ifndef HWA_OUTPUT_H
#define HWA_OUTPUT_H

#include <jansson.h>
#include <stdint.h>

#include "plan.h"
#include "scope.h"

/* Prints and frees the document, with a newline. */
void output_json(json_t *document);
/* "2026-11-24T12:00:00Z", or null for 0. */
json_t *output_time(int64_t at);
/* The string, or null for ""; what is no UTF-8 in it is U+FFFD. */
json_t *output_text(const char *text);
/* "next renewal 2026-... : 66% of its lifetime" */
void output_plan(const struct plan *plan, int64_t now, char *text, size_t room);

AUTO_DEFINE(json, json_t *, json_decref);

#endif /* HWA_OUTPUT_H */
