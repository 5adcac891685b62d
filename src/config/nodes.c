/* nodes.c -- composes the tree from libyaml's events. */
#include "nodes.h"

#include <string.h>
#include <yaml.h>

#define DEPTH_MAX 32u /* the deepest option lies at 6 */

/* What is open around the event that comes next. */
struct composing {
	struct nodes *nodes;
	const char *path;
	uint32_t open[DEPTH_MAX], last[DEPTH_MAX]; /* the groups and lists, and what was last put into each */
	unsigned depth;
	struct err *err;
};

static struct node *at(const struct nodes *nodes, uint32_t index)
{
	return (struct node *)(void *)nodes->nodes.at + index;
}

static enum rc refuse(const struct composing *composing, size_t line, const char *what)
{
	return err_set(composing->err, RC_INPUT, "%s:%zu: %s", composing->path, line + 1, what);
}

/* A block that is full was filled by a file that is none of ours. */
static enum rc keep(const struct composing *composing, struct buf *block, struct span more)
{
	enum rc rc = buf_append(block, more, composing->err);

	return rc == RC_PROTOCOL ? err_set(composing->err, RC_INPUT, "%s: too much is written in it", composing->path) : rc;
}

/* The new node becomes the last of what is open. */
static enum rc add(struct composing *composing, const struct node *node, uint32_t *ret_index)
{
	struct nodes *nodes = composing->nodes;
	uint32_t index = (uint32_t)(nodes->nodes.len / sizeof(*node));
	enum rc rc = keep(composing, &nodes->nodes, span_of(node, sizeof(*node)));

	if (rc != RC_OK)
		return rc;
	*ret_index = index;
	if (!composing->depth)
		return RC_OK;
	struct node *parent = at(nodes, composing->open[composing->depth - 1]);
	uint32_t *last = &composing->last[composing->depth - 1];
	if (parent->count++ == 0)
		parent->first = index;
	else
		at(nodes, *last)->next = index;
	*last = index;
	return RC_OK;
}

static enum rc add_text(struct composing *composing, const yaml_event_t *event)
{
	struct buf *texts = &composing->nodes->texts;
	struct node node = { .kind = SHAPE_TEXT,
			     .line = (uint32_t)event->start_mark.line + 1,
			     .count = (uint32_t)event->data.scalar.length,
			     .first = (uint32_t)texts->len };
	enum rc rc = keep(composing, texts, span_of(event->data.scalar.value, event->data.scalar.length + 1));
	uint32_t index;

	return rc == RC_OK ? add(composing, &node, &index) : rc;
}

static enum rc begin(struct composing *composing, enum shape_kind kind, const yaml_event_t *event)
{
	struct node node = { .kind = kind, .line = (uint32_t)event->start_mark.line + 1 };
	uint32_t index;

	if (composing->depth == DEPTH_MAX)
		return refuse(composing, event->start_mark.line, "lists and options lie too deep in one another");
	enum rc rc = add(composing, &node, &index);
	if (rc == RC_OK)
		composing->open[composing->depth++] = index;
	return rc;
}

/* Of a list the entries are noted side by side, to be found by their number; of a group names and values were counted. */
static enum rc end(struct composing *composing)
{
	struct nodes *nodes = composing->nodes;
	struct node *node = at(nodes, composing->open[--composing->depth]);
	uint32_t noted = (uint32_t)(nodes->entries.len / sizeof(uint32_t));
	enum rc rc = RC_OK;

	if (node->kind == SHAPE_GROUP) {
		node->count /= 2;
		return RC_OK;
	}
	for (uint32_t entry = node->first, i = 0; rc == RC_OK && i < node->count; i++, entry = at(nodes, entry)->next)
		rc = keep(composing, &nodes->entries, span_of(&entry, sizeof(entry)));
	node->first = noted;
	return rc;
}

/* Aliases make short files into endless ones, and tags say what the shapes say already. */
static enum rc check_plain(const struct composing *composing, const yaml_event_t *event, const yaml_char_t *anchor,
			   const yaml_char_t *tag)
{
	if (anchor)
		return refuse(composing, event->start_mark.line,
			      "YAML anchors and aliases are not understood here; write it out");
	return tag ? refuse(composing, event->start_mark.line, "YAML tags (\"!...\") are not understood here; take it out")
		   : RC_OK;
}

static enum rc take(struct composing *composing, const yaml_event_t *event)
{
	enum rc rc = RC_OK;

	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		return composing->nodes->nodes.len
			       ? refuse(composing, event->start_mark.line, "a second YAML document (---); keep one")
			       : RC_OK;
	case YAML_ALIAS_EVENT: return check_plain(composing, event, event->data.alias.anchor, NULL);
	case YAML_SCALAR_EVENT:
		rc = check_plain(composing, event, event->data.scalar.anchor, event->data.scalar.tag);
		return rc == RC_OK ? add_text(composing, event) : rc;
	case YAML_MAPPING_START_EVENT:
		rc = check_plain(composing, event, event->data.mapping_start.anchor, event->data.mapping_start.tag);
		return rc == RC_OK ? begin(composing, SHAPE_GROUP, event) : rc;
	case YAML_SEQUENCE_START_EVENT:
		rc = check_plain(composing, event, event->data.sequence_start.anchor, event->data.sequence_start.tag);
		return rc == RC_OK ? begin(composing, SHAPE_LIST, event) : rc;
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT: return end(composing);
	default: return RC_OK;
	}
}

/* Of a character that cannot be read no line is told, but how many bytes come before it. */
static size_t line_of_problem(const yaml_parser_t *parser, struct span text)
{
	size_t line = 0;

	if (parser->error != YAML_READER_ERROR)
		return parser->problem_mark.line;
	for (size_t i = 0; i < text.len && i < parser->problem_offset; i++)
		line += text.at[i] == '\n';
	return line;
}

static enum rc compose(struct composing *composing, yaml_parser_t *parser, struct span text)
{
	yaml_event_type_t type = YAML_NO_EVENT;
	enum rc rc = RC_OK;

	while (rc == RC_OK && type != YAML_STREAM_END_EVENT) {
		yaml_event_t event;

		if (!yaml_parser_parse(parser, &event))
			return err_set(composing->err, RC_INPUT, "%s:%zu: not YAML: %s", composing->path,
				       line_of_problem(parser, text) + 1, parser->problem ? parser->problem : "unreadable");
		type = event.type;
		rc = take(composing, &event);
		yaml_event_delete(&event);
	}
	return rc;
}

enum rc nodes_compose(struct nodes *nodes, const char *path, struct span text, struct err *err)
{
	struct composing composing = { .nodes = nodes, .path = path, .err = err };
	yaml_parser_t parser;

	if (!yaml_parser_initialize(&parser))
		return err_set(err, RC_RESOURCE, "out of memory");
	/* It takes no NULL, which a file is of which nothing was read. */
	yaml_parser_set_input_string(&parser, text.at ? text.at : (const yaml_char_t *)"", text.len);
	enum rc rc = compose(&composing, &parser, text);
	yaml_parser_delete(&parser);
	if (rc == RC_OK && !nodes->nodes.len)
		rc = err_set(err, RC_INPUT, "%s: empty; hwacme.yaml(5) has an example to begin with", path);
	return rc;
}

void nodes_clear(struct nodes *nodes)
{
	buf_clear(&nodes->nodes);
	buf_clear(&nodes->entries);
	buf_clear(&nodes->texts);
}

const struct node *nodes_root(const struct nodes *nodes)
{
	return at(nodes, 0);
}

const struct node *nodes_entry(const struct nodes *nodes, const struct node *list, uint32_t index)
{
	return at(nodes, ((const uint32_t *)(const void *)nodes->entries.at)[list->first + index]);
}

const struct node *nodes_first(const struct nodes *nodes, const struct node *group)
{
	return group->count ? at(nodes, group->first) : NULL;
}

const struct node *nodes_next(const struct nodes *nodes, const struct node *node)
{
	return node->next ? at(nodes, node->next) : NULL;
}

const struct node *nodes_option(const struct nodes *nodes, const struct node *group, const char *name, size_t len)
{
	const struct node *value;

	for (const struct node *key = nodes_first(nodes, group); key; key = nodes_next(nodes, value)) {
		value = nodes_next(nodes, key);
		if (key->kind == SHAPE_TEXT && key->count == len && memcmp(nodes_text(nodes, key), name, len) == 0)
			return value;
	}
	return NULL;
}

const char *nodes_text(const struct nodes *nodes, const struct node *node)
{
	return (const char *)nodes->texts.at + node->first;
}
