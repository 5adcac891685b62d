/* nodes_test.c -- a file becomes a tree whose nodes know their lines; what would make it endless or ambiguous is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodes.h"

#define MANY 5000u

static struct nodes compose(const char *text)
{
	struct nodes nodes = NODES_EMPTY;
	struct err err = { 0 };

	if (nodes_compose(&nodes, "f.yaml", span_text(text), &err) != RC_OK)
		fail_msg("%s", err.text);
	return nodes;
}

static void expect_refused(const char *text, const char *words)
{
	struct nodes nodes = NODES_EMPTY;
	struct err err = { 0 };

	assert_int_equal(nodes_compose(&nodes, "f.yaml", span_text(text), &err), RC_INPUT);
	if (!strstr(err.text, words))
		fail_msg("\"%s\" does not say \"%s\"", err.text, words);
	nodes_clear(&nodes);
}

static const struct node *option(const struct nodes *nodes, const struct node *group, const char *name)
{
	const struct node *value = nodes_option(nodes, group, name, strlen(name));

	assert_non_null(value);
	return value;
}

static void groups_lists_and_texts_keep_their_order_and_lines(void **state)
{
	struct nodes nodes = compose("# first\nb: [x, {y: z}, []]\na:\n  - one\n  - \"two\\x21\"\nc: {}\n");
	const struct node *root = nodes_root(&nodes), *first = nodes_first(&nodes, root), *list = option(&nodes, root, "b");

	(void)state;
	assert_int_equal(root->kind, SHAPE_GROUP);
	assert_int_equal(root->count, 3);
	assert_int_equal(root->line, 2);
	assert_string_equal(nodes_text(&nodes, first), "b");
	assert_ptr_equal(nodes_next(&nodes, first), list);
	assert_string_equal(nodes_text(&nodes, nodes_next(&nodes, list)), "a");
	assert_int_equal(list->kind, SHAPE_LIST);
	assert_int_equal(list->count, 3);
	assert_string_equal(nodes_text(&nodes, option(&nodes, nodes_entry(&nodes, list, 1), "y")), "z");
	assert_int_equal(nodes_entry(&nodes, list, 2)->count, 0);
	list = option(&nodes, root, "a");
	assert_string_equal(nodes_text(&nodes, nodes_entry(&nodes, list, 0)), "one");
	assert_string_equal(nodes_text(&nodes, nodes_entry(&nodes, list, 1)), "two!");
	assert_int_equal(nodes_entry(&nodes, list, 1)->line, 5);
	assert_null(nodes_first(&nodes, option(&nodes, root, "c")));
	nodes_clear(&nodes);
}

static void an_option_is_found_by_its_whole_name(void **state)
{
	struct nodes nodes = compose("name: a\nnames: b\n[list]: c\n");
	const struct node *root = nodes_root(&nodes);

	(void)state;
	assert_string_equal(nodes_text(&nodes, option(&nodes, root, "names")), "b");
	assert_string_equal(nodes_text(&nodes, nodes_option(&nodes, root, "names[0]", 5)), "b");
	assert_null(nodes_option(&nodes, root, "nam", 3));
	assert_null(nodes_option(&nodes, root, "list", 4));
	nodes_clear(&nodes);
}

static void each_of_many_entries_is_found_by_its_number(void **state)
{
	char *text = malloc(16 * MANY);
	size_t len = 0;

	(void)state;
	assert_non_null(text);
	for (unsigned i = 0; i < MANY; i++)
		len += (size_t)sprintf(text + len, "- [e%u, n]\n", i);
	struct nodes nodes = compose(text);
	for (unsigned i = 0; i < MANY; i++) {
		const struct node *entry = nodes_entry(&nodes, nodes_root(&nodes), i);
		char wanted[16];

		sprintf(wanted, "e%u", i);
		assert_int_equal(entry->line, i + 1);
		assert_string_equal(nodes_text(&nodes, nodes_entry(&nodes, entry, 0)), wanted);
		assert_string_equal(nodes_text(&nodes, nodes_entry(&nodes, entry, 1)), "n");
	}
	nodes_clear(&nodes);
	free(text);
}

static void tricks_and_what_is_no_yaml_are_refused_with_their_line(void **state)
{
	(void)state;
	expect_refused("a: b\nc: &x d\n", "f.yaml:2: YAML anchors");
	expect_refused("a: &x [b]\n", "f.yaml:1: YAML anchors");
	expect_refused("a: &x {b: c}\n", "f.yaml:1: YAML anchors");
	expect_refused("a: b\nc: *x\n", "f.yaml:2: YAML anchors");
	expect_refused("a: !!str b\n", "f.yaml:1: YAML tags");
	expect_refused("a: b\n---\nc: d\n", "f.yaml:2: a second YAML document");
	expect_refused("a: b\n\tc: d\n", "f.yaml:2: not YAML");
	expect_refused("a: [b\n", "not YAML");
	expect_refused("# nothing\n", "f.yaml: empty");
	expect_refused("", "f.yaml: empty");
	expect_refused(NULL, "f.yaml: empty"); /* what a buffer is that nothing was read into */
}

/* Of a character the line is not told by libyaml, but where in the file it stands. */
static void what_is_no_text_is_refused_with_its_line(void **state)
{
	(void)state;
	expect_refused("a: b\nc: caf\xe9 # Latin-1\n", "f.yaml:2: not YAML: invalid trailing UTF-8 octet");
	expect_refused("a: b\r\n\r\nc: \xff\r\n", "f.yaml:3: not YAML: invalid leading UTF-8 octet");
	expect_refused("a: b\nc: d\n# \x07\n", "f.yaml:3: not YAML: control characters are not allowed");
	expect_refused("\xe9", "f.yaml:1: not YAML: incomplete UTF-8");
}

static void what_lies_too_deep_is_refused(void **state)
{
	char text[200];

	(void)state;
	memset(text, '[', 100);
	memset(text + 100, ']', 99);
	text[199] = '\0';
	expect_refused(text, "too deep");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(groups_lists_and_texts_keep_their_order_and_lines),
		cmocka_unit_test(an_option_is_found_by_its_whole_name),
		cmocka_unit_test(each_of_many_entries_is_found_by_its_number),
		cmocka_unit_test(tricks_and_what_is_no_yaml_are_refused_with_their_line),
		cmocka_unit_test(what_is_no_text_is_refused_with_its_line),
		cmocka_unit_test(what_lies_too_deep_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
