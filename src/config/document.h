/* document.h -- the configuration file: its nodes, the line of each, and refusals that name it. */
#ifndef HWA_DOCUMENT_H
#define HWA_DOCUMENT_H

#include "err.h"
#include "nodes.h"
#include "scope.h"

#define DOCUMENT_MAX      (64u * 1024u * 1024u) /* bytes of a configuration file: 100,000 certificates (schema.h) take 30 MiB */
#define DOCUMENT_PATH_MAX 192                   /* "certificates[12].challenge.http-01.listen" */

struct document;

/* Reads `path` into nodes. */
enum rc document_load(const char *path, struct document **ret_document, struct err *err) HWA_CHECKED;
void document_free(struct document *document);
/* Both live as long as the document. */
const char *document_file(const struct document *document);
const struct nodes *document_nodes(const struct document *document);

/* The line of the node at `path`, or of the nearest node above it that exists. */
unsigned document_line(const struct document *document, const char *path);

/* Which of the options at `path` this one is, in the order they were written, from 0; -1: not there. */
int document_position(const struct document *document, const char *path, const char *option);

/* RC_INPUT with "FILE:LINE: PATH: text". */
enum rc document_refuse(const struct document *document, const char *path, struct err *err, const char *fmt, ...) HWA_PRINTF(4);

AUTO_DEFINE(document, struct document *, document_free);

#endif /* HWA_DOCUMENT_H */
