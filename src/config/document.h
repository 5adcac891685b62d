/*
 * document.h -- the configuration file as YAML nodes, which know the line they were written on.
 *
 * libcyaml fills structs from it; this room says where a mistake is and what was meant.
 */
#ifndef HWA_DOCUMENT_H
#define HWA_DOCUMENT_H

#include <cyaml/cyaml.h>

#include "bytes.h"
#include "err.h"
#include "scope.h"

#define DOCUMENT_MAX      (64u * 1024u * 1024u) /* bytes of a configuration file: 100,000 certificates (schema.h) take 30 MiB */
#define DOCUMENT_PATH_MAX 192                   /* "certificates[12].challenge.http-01.listen" */

/* An option of the design that this release does not have yet; the path without indices. */
struct document_later {
	const char *path;
};

struct document;

/* Reads and parses `path`; anchors, aliases, tags and a second document are refused. */
enum rc document_load(const char *path, struct document **ret_document, struct err *err) HWA_CHECKED;
void document_free(struct document *document);
struct span document_text(const struct document *document);

/* Holds the nodes against the schema: unknown, repeated, missing and misshapen options. `later` ends with NULL. */
enum rc document_check(const struct document *document, const cyaml_schema_value_t *schema, const struct document_later *later,
		       struct err *err) HWA_CHECKED;

/* The line of the node at `path`, or of the nearest node above it that exists. */
unsigned document_line(const struct document *document, const char *path);

/* Which of the options at `path` this one is, in the order they were written, from 0; -1: not there. */
int document_position(const struct document *document, const char *path, const char *option);

/* RC_INPUT with "FILE:LINE: PATH: text". */
enum rc document_refuse(const struct document *document, const char *path, struct err *err, const char *fmt, ...) HWA_PRINTF(4);

AUTO_DEFINE(document, struct document *, document_free);

#endif /* HWA_DOCUMENT_H */
