/* document.c -- parses the configuration into YAML nodes, and says on which line a mistake is and what was meant. */
#include "document.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

#include "nearest.h"

struct document {
	char *path;
	struct buf text;
	yaml_document_t yaml;
	bool parsed;
};

void document_free(struct document *document)
{
	if (!document)
		return;
	if (document->parsed)
		yaml_document_delete(&document->yaml);
	buf_clear(&document->text);
	free(document->path);
	free(document);
}

struct span document_text(const struct document *document)
{
	return buf_span(&document->text);
}

static enum rc read_file(struct document *document, struct err *err)
{
	int fd = open(document->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat status;
	enum rc rc = RC_OK;
	char chunk[8192];
	ssize_t got = 0;

	if (fd < 0)
		return err_set_raw(err, RC_INPUT, ERR_ERRNO, errno, "%s: %s; name the configuration file with -c FILE",
				   document->path, strerror(errno));
	if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
		rc = err_set(err, RC_INPUT, "%s: not a regular file", document->path);
	else if (status.st_size > (off_t)DOCUMENT_MAX)
		rc = err_set(err, RC_INPUT, "%s: larger than %u bytes", document->path, DOCUMENT_MAX);
	while (rc == RC_OK && (got = read(fd, chunk, sizeof(chunk))) > 0)
		rc = buf_append(&document->text, span_of(chunk, (size_t)got), err);
	if (rc == RC_OK && got < 0)
		rc = err_set_raw(err, RC_INPUT, ERR_ERRNO, errno, "%s: %s", document->path, strerror(errno));
	close(fd);
	return rc;
}

/* What the schema cannot express is refused before libcyaml sees it: aliases make short files into endless ones. */
static enum rc check_events(const struct document *document, struct err *err)
{
	yaml_parser_t parser;
	yaml_event_type_t type = YAML_NO_EVENT;
	unsigned documents = 0;
	enum rc rc = RC_OK;

	if (!yaml_parser_initialize(&parser))
		return err_set(err, RC_RESOURCE, "out of memory");
	yaml_parser_set_input_string(&parser, document->text.at, document->text.len);
	while (rc == RC_OK && type != YAML_STREAM_END_EVENT) {
		yaml_event_t event;

		if (!yaml_parser_parse(&parser, &event)) {
			rc = err_set(err, RC_INPUT, "%s:%zu: not YAML: %s", document->path, parser.problem_mark.line + 1,
				     parser.problem ? parser.problem : "unreadable");
			break;
		}
		size_t line = event.start_mark.line + 1;
		type = event.type;
		if (type == YAML_ALIAS_EVENT || (type == YAML_SCALAR_EVENT && event.data.scalar.anchor) ||
		    (type == YAML_MAPPING_START_EVENT && event.data.mapping_start.anchor) ||
		    (type == YAML_SEQUENCE_START_EVENT && event.data.sequence_start.anchor))
			rc = err_set(err, RC_INPUT, "%s:%zu: YAML anchors and aliases are not understood here; write it out",
				     document->path, line);
		else if (type == YAML_DOCUMENT_START_EVENT && ++documents > 1)
			rc = err_set(err, RC_INPUT, "%s:%zu: a second YAML document (---); keep one", document->path, line);
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	return rc;
}

static enum rc parse(struct document *document, struct err *err)
{
	yaml_parser_t parser;

	if (!yaml_parser_initialize(&parser))
		return err_set(err, RC_RESOURCE, "out of memory");
	yaml_parser_set_input_string(&parser, document->text.at, document->text.len);
	document->parsed = yaml_parser_load(&parser, &document->yaml);
	yaml_parser_delete(&parser);
	if (!document->parsed)
		return err_set(err, RC_INPUT, "%s: not YAML", document->path);
	if (!yaml_document_get_root_node(&document->yaml))
		return err_set(err, RC_INPUT, "%s: empty; conf/hwacme.yaml shows every option", document->path);
	return RC_OK;
}

enum rc document_load(const char *path, struct document **ret_document, struct err *err)
{
	AUTO(document) struct document *document = calloc(1, sizeof(*document));

	if (!document || !(document->path = strdup(path)))
		return err_set(err, RC_RESOURCE, "out of memory");
	document->text = BUF_MAX(DOCUMENT_MAX + 1);
	enum rc rc = read_file(document, err);
	if (rc == RC_OK)
		rc = check_events(document, err);
	if (rc == RC_OK)
		rc = parse(document, err);
	if (rc == RC_OK)
		*ret_document = TAKE(document);
	return rc;
}

static yaml_node_t *child_node(yaml_document_t *yaml, const yaml_node_t *node, const char *step, size_t len)
{
	if (node->type == YAML_SEQUENCE_NODE && step[0] == '[') {
		unsigned long index = strtoul(step + 1, NULL, 10);
		size_t count = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);

		return index < count ? yaml_document_get_node(yaml, node->data.sequence.items.start[index]) : NULL;
	}
	if (node->type != YAML_MAPPING_NODE)
		return NULL;
	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
		const yaml_node_t *key = yaml_document_get_node(yaml, pair->key);

		if (key->type == YAML_SCALAR_NODE && key->data.scalar.length == len &&
		    memcmp(key->data.scalar.value, step, len) == 0)
			return yaml_document_get_node(yaml, pair->value);
	}
	return NULL;
}

/* The node at `path`, or the nearest one above it that exists. */
static const yaml_node_t *node_find(const struct document *document, const char *path)
{
	yaml_document_t *yaml = (yaml_document_t *)(uintptr_t)&document->yaml;
	const yaml_node_t *node = yaml_document_get_root_node(yaml);

	while (*path) {
		size_t len = strcspn(path, ".[");

		if (path[0] == '[')
			len = strcspn(path, "]") + 1;
		const yaml_node_t *next = child_node(yaml, node, path, len);
		if (!next)
			break;
		node = next;
		path += len;
		if (*path == '.')
			path++;
	}
	return node;
}

unsigned document_line(const struct document *document, const char *path)
{
	return (unsigned)node_find(document, path)->start_mark.line + 1;
}

int document_position(const struct document *document, const char *path, const char *option)
{
	yaml_document_t *yaml = (yaml_document_t *)(uintptr_t)&document->yaml;
	const yaml_node_t *node = node_find(document, path);

	if (node->type != YAML_MAPPING_NODE)
		return -1;
	for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
		const yaml_node_t *key = yaml_document_get_node(yaml, pair->key);

		if (key->type == YAML_SCALAR_NODE && strcmp((const char *)key->data.scalar.value, option) == 0)
			return (int)(pair - node->data.mapping.pairs.start);
	}
	return -1;
}

enum rc document_refuse(const struct document *document, const char *path, struct err *err, const char *fmt, ...)
{
	char text[400];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return err_set(err, RC_INPUT, "%s:%u: %s%s%s", document->path, document_line(document, path), path, *path ? ": " : "",
		       text);
}

/* A walk of the nodes beside the schema. */
struct walk {
	const struct document *document;
	yaml_document_t *yaml;
	const struct document_later *later;
	struct err *err;
};

static enum rc check_node(const struct walk *walk, const yaml_node_t *node, const cyaml_schema_value_t *schema, const char *path);

/* "certificates[3].probe" is looked up as "certificates.probe". */
static bool is_later(const struct document_later *later, const char *path, const char *key)
{
	char plain[DOCUMENT_PATH_MAX];
	size_t len = 0;

	for (; *path && len < sizeof(plain) - 2; path++) {
		if (*path == '[')
			path += strcspn(path, "]");
		else
			plain[len++] = *path;
	}
	if (len)
		plain[len++] = '.';
	snprintf(plain + len, sizeof(plain) - len, "%s", key);
	for (; later->path; later++)
		if (strcmp(later->path, plain) == 0)
			return true;
	return false;
}

static enum rc unknown_option(const struct walk *walk, const yaml_node_t *node, const cyaml_schema_field_t *fields,
			      const char *path)
{
	const char *key = (const char *)node->data.scalar.value;
	const char *known[32] = { NULL };
	char all[256] = "";
	unsigned count = 0;
	size_t line = node->start_mark.line + 1;

	if (is_later(walk->later, path, key))
		return err_set(walk->err, RC_INPUT, "%s:%zu: \"%s\" is not in this release yet; remove it", walk->document->path,
			       line, key);
	for (; fields[count].key && count < 32; count++) {
		size_t used = strlen(all);

		known[count] = fields[count].key;
		snprintf(all + used, sizeof(all) - used, "%s%s", used ? ", " : "", fields[count].key);
	}
	const char *meant = nearest_word(key, known, count);
	if (meant)
		return err_set(walk->err, RC_INPUT, "%s:%zu: unknown option \"%.64s\"; write \"%s\"", walk->document->path, line,
			       key, meant);
	return err_set(walk->err, RC_INPUT, "%s:%zu: unknown option \"%.64s\"; %s%s%s: %s", walk->document->path, line, key,
		       *path ? "under " : "at the top", path, " there are", all);
}

static enum rc check_pair(const struct walk *walk, const yaml_node_t *mapping, const yaml_node_pair_t *pair,
			  const cyaml_schema_field_t *fields, const char *path)
{
	const yaml_node_t *key = yaml_document_get_node(walk->yaml, pair->key);
	const yaml_node_t *value = yaml_document_get_node(walk->yaml, pair->value);
	char below[DOCUMENT_PATH_MAX];

	if (key->type != YAML_SCALAR_NODE)
		return document_refuse(walk->document, path, walk->err, "an option's name must be a word");
	const char *name = (const char *)key->data.scalar.value;
	for (const yaml_node_pair_t *other = mapping->data.mapping.pairs.start; other < pair; other++) {
		const yaml_node_t *before = yaml_document_get_node(walk->yaml, other->key);

		if (before->type == YAML_SCALAR_NODE && strcmp((const char *)before->data.scalar.value, name) == 0)
			return err_set(walk->err, RC_INPUT, "%s:%zu: \"%.64s\" is given twice; keep one", walk->document->path,
				       key->start_mark.line + 1, name);
	}
	for (const cyaml_schema_field_t *field = fields; field->key; field++) {
		if (strcmp(field->key, name) != 0)
			continue;
		snprintf(below, sizeof(below), "%s%s%s", path, *path ? "." : "", name);
		return check_node(walk, value, &field->value, below);
	}
	return unknown_option(walk, key, fields, path);
}

static enum rc check_mapping(const struct walk *walk, const yaml_node_t *node, const cyaml_schema_field_t *fields,
			     const char *path)
{
	if (node->type != YAML_MAPPING_NODE)
		return document_refuse(walk->document, path, walk->err, "expected options (\"%s: ...\")", fields[0].key);
	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
		enum rc rc = check_pair(walk, node, pair, fields, path);

		if (rc != RC_OK)
			return rc;
	}
	for (const cyaml_schema_field_t *field = fields; field->key; field++)
		if (!(field->value.flags & CYAML_FLAG_OPTIONAL) && !child_node(walk->yaml, node, field->key, strlen(field->key)))
			return document_refuse(walk->document, path, walk->err, "\"%s\" is missing; write \"%s: ...\"",
					       field->key, field->key);
	return RC_OK;
}

static enum rc check_sequence(const struct walk *walk, const yaml_node_t *node, const cyaml_schema_value_t *schema,
			      const char *path)
{
	if (node->type != YAML_SEQUENCE_NODE)
		return document_refuse(walk->document, path, walk->err, "expected a list (\"- ...\" or \"[...]\")");
	size_t count = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
	if (count < schema->sequence.min || count > schema->sequence.max)
		return document_refuse(walk->document, path, walk->err, "%zu entries; between %u and %u are possible", count,
				       schema->sequence.min, schema->sequence.max);
	for (size_t i = 0; i < count; i++) {
		char below[DOCUMENT_PATH_MAX];

		snprintf(below, sizeof(below), "%s[%zu]", path, i);
		enum rc rc = check_node(walk, yaml_document_get_node(walk->yaml, node->data.sequence.items.start[i]),
					schema->sequence.entry, below);
		if (rc != RC_OK)
			return rc;
	}
	return RC_OK;
}

static enum rc check_node(const struct walk *walk, const yaml_node_t *node, const cyaml_schema_value_t *schema, const char *path)
{
	if (schema->type == CYAML_MAPPING)
		return check_mapping(walk, node, schema->mapping.fields, path);
	if (schema->type == CYAML_SEQUENCE)
		return check_sequence(walk, node, schema, path);
	if (node->type != YAML_SCALAR_NODE)
		return document_refuse(walk->document, path, walk->err, "expected one value, not a list or options");
	if (!node->data.scalar.length || strlen((const char *)node->data.scalar.value) != node->data.scalar.length)
		return document_refuse(walk->document, path, walk->err, "has no value");
	if (node->data.scalar.length > schema->string.max)
		return document_refuse(walk->document, path, walk->err, "longer than %u characters", schema->string.max);
	return RC_OK;
}

enum rc document_check(const struct document *document, const cyaml_schema_value_t *schema, const struct document_later *later,
		       struct err *err)
{
	yaml_document_t *yaml = (yaml_document_t *)(uintptr_t)&document->yaml;
	struct walk walk = { .document = document, .yaml = yaml, .later = later, .err = err };

	return check_node(&walk, yaml_document_get_root_node(yaml), schema, "");
}
