/* document.c -- reads the configuration file, and says on which line an option stands. */
#include "document.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct document {
	char *file;
	struct nodes nodes;
};

void document_free(struct document *document)
{
	if (!document)
		return;
	nodes_clear(&document->nodes);
	free(document->file);
	free(document);
}

const char *document_file(const struct document *document)
{
	return document->file;
}

const struct nodes *document_nodes(const struct document *document)
{
	return &document->nodes;
}

static enum rc read_file(const char *file, struct buf *ret_text, struct err *err)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat status;
	enum rc rc = RC_OK;
	char chunk[8192];
	ssize_t got = 0;

	if (fd < 0)
		return err_set_raw(err, RC_INPUT, ERR_ERRNO, errno, "%s: %s%s", file, strerror(errno),
				   errno == EACCES ? "" : "; name the configuration file with -c FILE");
	if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
		rc = err_set(err, RC_INPUT, "%s: not a regular file", file);
	else if (status.st_size > (off_t)DOCUMENT_MAX)
		rc = err_set(err, RC_INPUT, "%s: larger than %u bytes", file, DOCUMENT_MAX);
	while (rc == RC_OK && (got = read(fd, chunk, sizeof(chunk))) > 0)
		rc = buf_append(ret_text, span_of(chunk, (size_t)got), err);
	if (rc == RC_OK && got < 0)
		rc = err_set_raw(err, RC_INPUT, ERR_ERRNO, errno, "%s: %s", file, strerror(errno));
	close(fd);
	return rc;
}

enum rc document_load(const char *path, struct document **ret_document, struct err *err)
{
	AUTO(document) struct document *document = calloc(1, sizeof(*document));
	AUTO(buf) struct buf text = BUF_MAX(DOCUMENT_MAX + 1);

	if (!document || !(document->file = strdup(path)))
		return err_set(err, RC_RESOURCE, "out of memory");
	document->nodes = NODES_EMPTY;
	enum rc rc = read_file(path, &text, err);
	if (rc == RC_OK)
		rc = nodes_compose(&document->nodes, path, buf_span(&text), err);
	if (rc == RC_OK)
		*ret_document = TAKE(document);
	return rc;
}

static const struct node *child(const struct nodes *nodes, const struct node *node, const char *step, size_t len)
{
	if (node->kind == SHAPE_GROUP)
		return nodes_option(nodes, node, step, len);
	if (node->kind == SHAPE_TEXT || step[0] != '[')
		return NULL;
	unsigned long index = strtoul(step + 1, NULL, 10);
	return index < node->count ? nodes_entry(nodes, node, (uint32_t)index) : NULL;
}

/* The node at `path`, or the nearest one above it that exists. */
static const struct node *node_find(const struct document *document, const char *path)
{
	const struct node *node = nodes_root(&document->nodes);

	while (*path) {
		size_t len = strcspn(path, ".[");

		if (path[0] == '[')
			len = strcspn(path, "]") + 1;
		const struct node *next = child(&document->nodes, node, path, len);
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
	return node_find(document, path)->line;
}

int document_position(const struct document *document, const char *path, const char *option)
{
	const struct nodes *nodes = &document->nodes;
	const struct node *group = node_find(document, path);
	int position = 0;

	if (group->kind != SHAPE_GROUP)
		return -1;
	for (const struct node *key = nodes_first(nodes, group); key; key = nodes_next(nodes, nodes_next(nodes, key))) {
		if (key->kind == SHAPE_TEXT && strcmp(nodes_text(nodes, key), option) == 0)
			return position;
		position++;
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
	return err_set(err, RC_INPUT, "%s:%u: %s%s%s", document->file, document_line(document, path), path, *path ? ": " : "",
		       text);
}
