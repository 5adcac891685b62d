/*
 * nodes.h -- a YAML file as a tree of texts, groups and lists, each of which knows its line; made in one pass over the file.
 *
 * A file of 100,000 certificates has a million and a half of them, so they are small, and lie in three blocks.
 */
#ifndef HWA_NODES_H
#define HWA_NODES_H

#include "bytes.h"
#include "shape.h"

struct node {
	enum shape_kind kind;
	uint32_t line;  /* from 1 */
	uint32_t count; /* characters of a text, entries of a list, options of a group */
	uint32_t first; /* a text: where it begins; a list: where its entries are noted; a group: its first name */
	uint32_t next;  /* in the same list or group, where a name is followed by its value; 0: none */
};

struct nodes {
	struct buf nodes, entries, texts;
};
#define NODES_EMPTY ((struct nodes){ BUF_MAX(NODES_MAX * sizeof(struct node)), BUF_MAX(NODES_MAX * 4u), BUF_MAX(2u * NODES_MAX) })
#define NODES_MAX   (32u * 1024u * 1024u)

/* What the shapes cannot express is refused: anchors, aliases, tags, a second document, and no document at all. `path` is for the message.  RC_INPUT. */
enum rc nodes_compose(struct nodes *nodes, const char *path, struct span text, struct err *err) HWA_CHECKED;
void nodes_clear(struct nodes *nodes);

const struct node *nodes_root(const struct nodes *nodes);
/* The entry `index` of a list, which has it. */
const struct node *nodes_entry(const struct nodes *nodes, const struct node *list, uint32_t index);
/* The name of the first option of a group, its value, and the name after that; NULL at the end. */
const struct node *nodes_first(const struct nodes *nodes, const struct node *group);
const struct node *nodes_next(const struct nodes *nodes, const struct node *node);
/* The value of the option `name`, which need not end there; NULL: the group has none. */
const struct node *nodes_option(const struct nodes *nodes, const struct node *group, const char *name, size_t len);
/* Of a text; it may hold NULs of its own. */
const char *nodes_text(const struct nodes *nodes, const struct node *node);

#endif /* HWA_NODES_H */
