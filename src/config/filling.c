/* filling.c -- holds each node against the shape that belongs there, and copies it where the shape says. */
#include "filling.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "nearest.h"

struct filling {
	const struct document *document;
	const struct nodes *nodes;
	const struct filling_later *later;
	struct err *err;
};

/* The way to a node, written out only when it is refused. */
struct way {
	const struct way *above;
	const char *key; /* NULL: an entry of a list */
	uint32_t index;
};

static size_t way_print(const struct way *way, bool with_indices, char text[DOCUMENT_PATH_MAX])
{
	if (!way)
		return text[0] = '\0', 0;
	size_t len = way_print(way->above, with_indices, text);
	if (!way->key && !with_indices)
		return len;
	int more = way->key ? snprintf(text + len, DOCUMENT_PATH_MAX - len, "%s%s", len ? "." : "", way->key)
			    : snprintf(text + len, DOCUMENT_PATH_MAX - len, "[%u]", way->index);
	len += more > 0 ? (size_t)more : 0;
	return len < DOCUMENT_PATH_MAX ? len : DOCUMENT_PATH_MAX - 1;
}

static enum rc refuse(const struct filling *filling, const struct node *node, const struct way *way, const char *fmt, ...)
	HWA_PRINTF(4);

static enum rc refuse(const struct filling *filling, const struct node *node, const struct way *way, const char *fmt, ...)
{
	char text[400], path[DOCUMENT_PATH_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	way_print(way, true, path);
	return err_set(filling->err, RC_INPUT, "%s:%u: %s%s%s", document_file(filling->document), node->line, path,
		       *path ? ": " : "", text);
}

static bool is_later(const struct filling_later *later, const struct way *way, const char *key)
{
	const struct way option = { .above = way, .key = key };
	char path[DOCUMENT_PATH_MAX];

	way_print(&option, false, path);
	for (; later->path; later++)
		if (strcmp(later->path, path) == 0)
			return true;
	return false;
}

static enum rc refuse_unknown(const struct filling *filling, const struct node *key, const struct shape_option *options,
			      const struct way *way)
{
	const char *file = document_file(filling->document), *name = nodes_text(filling->nodes, key);
	const char *known[32] = { NULL };
	char all[256] = "", path[DOCUMENT_PATH_MAX];
	unsigned count = 0;

	if (is_later(filling->later, way, name))
		return err_set(filling->err, RC_INPUT, "%s:%u: \"%s\" is not in this release yet; remove it", file, key->line,
			       name);
	for (; options[count].key && count < 32; count++) {
		size_t used = strlen(all);

		known[count] = options[count].key;
		snprintf(all + used, sizeof(all) - used, "%s%s", used ? ", " : "", options[count].key);
	}
	const char *meant = nearest_word(name, known, count);
	if (meant)
		return err_set(filling->err, RC_INPUT, "%s:%u: unknown option \"%.64s\"; write \"%s\"", file, key->line, name,
			       meant);
	way_print(way, true, path);
	return err_set(filling->err, RC_INPUT, "%s:%u: unknown option \"%.64s\"; %s%s%s: %s", file, key->line, name,
		       *path ? "under " : "at the top", path, " there are", all);
}

/* Whatever a slot points to, a pointer is all that lies in it. */
static void *slot_get(const char *slot)
{
	void *pointer;

	memcpy(&pointer, slot, sizeof(pointer));
	return pointer;
}

static enum rc slot_put(const struct filling *filling, char *slot, void *pointer)
{
	memcpy(slot, &pointer, sizeof(pointer));
	return pointer ? RC_OK : err_set(filling->err, RC_RESOURCE, "out of memory");
}

static enum rc fill_text(const struct filling *filling, const struct node *node, const struct shape *shape, const struct way *way,
			 char *slot)
{
	if (node->kind != SHAPE_TEXT)
		return refuse(filling, node, way, "expected one value, not a list or options");
	const char *text = nodes_text(filling->nodes, node);
	if (!node->count || strlen(text) != node->count)
		return refuse(filling, node, way, "has no value");
	if (node->count > shape->most)
		return refuse(filling, node, way, "longer than %u characters", shape->most);
	return slot_put(filling, slot, strdup(text));
}

static enum rc fill_group(const struct filling *filling, const struct node *node, const struct shape *shape,
			  const struct way *way, char *base);

static enum rc fill_entries(const struct filling *filling, const struct node *list, const struct shape *entry,
			    const struct way *way, char *first)
{
	enum rc rc = RC_OK;

	for (uint32_t i = 0; rc == RC_OK && i < list->count; i++) {
		const struct way below = { .above = way, .index = i };
		const struct node *node = nodes_entry(filling->nodes, list, i);

		rc = entry->kind == SHAPE_GROUP ? fill_group(filling, node, entry, &below, first + i * entry->size)
						: fill_text(filling, node, entry, &below, first + i * sizeof(char *));
	}
	return rc;
}

static enum rc fill_list(const struct filling *filling, const struct node *node, const struct shape *shape, const struct way *way,
			 char *slot, char *count_slot)
{
	size_t each = shape->entry && shape->entry->kind == SHAPE_GROUP ? shape->entry->size : sizeof(char *);

	if (node->kind != SHAPE_LIST)
		return refuse(filling, node, way, "expected a list (\"- ...\" or \"[...]\")");
	if (node->count < shape->least || node->count > shape->most)
		return refuse(filling, node, way, "%u entries; between %u and %u are possible", node->count, shape->least,
			      shape->most);
	enum rc rc = slot_put(filling, slot, calloc(node->count + 1u, each));
	if (rc != RC_OK)
		return rc;
	memcpy(count_slot, &(unsigned){ node->count }, sizeof(unsigned));
	return fill_entries(filling, node, shape->entry, way, slot_get(slot));
}

static enum rc fill_option(const struct filling *filling, const struct node *value, const struct shape_option *option,
			   const struct way *way, char *base)
{
	const struct shape *shape = &option->shape;
	char *slot = base + option->at;

	if (shape->kind == SHAPE_TEXT)
		return fill_text(filling, value, shape, way, slot);
	if (shape->kind == SHAPE_LIST)
		return fill_list(filling, value, shape, way, slot, base + option->count_at);
	enum rc rc = slot_put(filling, slot, calloc(1, shape->size));
	return rc == RC_OK ? fill_group(filling, value, shape, way, slot_get(slot)) : rc;
}

static enum rc fill_named(const struct filling *filling, const struct node *group, const struct node *key,
			  const struct shape *shape, const struct way *way, char *base)
{
	const struct nodes *nodes = filling->nodes;

	if (key->kind != SHAPE_TEXT)
		return refuse(filling, key, way, "an option's name must be a word");
	const char *name = nodes_text(nodes, key);
	if (nodes_option(nodes, group, name, key->count) != nodes_next(nodes, key))
		return err_set(filling->err, RC_INPUT, "%s:%u: \"%.64s\" is given twice; keep one",
			       document_file(filling->document), key->line, name);
	for (const struct shape_option *option = shape->options; option->key; option++)
		if (strcmp(option->key, name) == 0)
			return fill_option(filling, nodes_next(nodes, key), option,
					   &(struct way){ .above = way, .key = option->key }, base);
	return refuse_unknown(filling, key, shape->options, way);
}

static enum rc fill_group(const struct filling *filling, const struct node *node, const struct shape *shape,
			  const struct way *way, char *base)
{
	const struct nodes *nodes = filling->nodes;
	enum rc rc = RC_OK;

	if (node->kind != SHAPE_GROUP)
		return refuse(filling, node, way, "expected options (\"%s: ...\")", shape->options[0].key);
	for (const struct node *key = nodes_first(nodes, node); rc == RC_OK && key;
	     key = nodes_next(nodes, nodes_next(nodes, key)))
		rc = fill_named(filling, node, key, shape, way, base);
	for (const struct shape_option *option = shape->options; rc == RC_OK && option->key; option++)
		if (option->is_needed && !nodes_option(nodes, node, option->key, strlen(option->key)))
			rc = refuse(filling, node, way, "\"%s\" is missing; write \"%s: ...\"", option->key, option->key);
	return rc;
}

enum rc filling_make(const struct document *document, const struct shape *shape, const struct filling_later *later,
		     void **ret_filled, struct err *err)
{
	const struct filling filling = { .document = document, .nodes = document_nodes(document), .later = later, .err = err };
	char *filled = calloc(1, shape->size);

	if (!filled)
		return err_set(err, RC_RESOURCE, "out of memory");
	enum rc rc = fill_group(&filling, nodes_root(filling.nodes), shape, NULL, filled);
	if (rc == RC_OK)
		*ret_filled = filled;
	else
		filling_free(shape, filled);
	return rc;
}

static void group_clear(const struct shape *shape, char *base);

static void list_free(const struct shape *entry, char *first, unsigned count)
{
	for (unsigned i = 0; first && i < count; i++)
		if (entry->kind == SHAPE_GROUP)
			group_clear(entry, first + i * entry->size);
		else
			free(slot_get(first + i * sizeof(char *)));
	free(first);
}

static void group_clear(const struct shape *shape, char *base)
{
	for (const struct shape_option *option = shape->options; option->key; option++) {
		char *value = slot_get(base + option->at);
		unsigned count = 0;

		if (option->shape.kind == SHAPE_LIST) {
			memcpy(&count, base + option->count_at, sizeof(count));
			list_free(option->shape.entry, value, count);
			continue;
		}
		if (option->shape.kind == SHAPE_GROUP && value)
			group_clear(&option->shape, value);
		free(value);
	}
}

void filling_free(const struct shape *shape, void *filled)
{
	if (filled)
		group_clear(shape, filled);
	free(filled);
}
