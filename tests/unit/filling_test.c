/* filling_test.c -- a struct is filled as its shape says, whole or not at all, and a mistake is told by its line and its way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "config_file.h"
#include "filling.h"

struct wheel {
	char *size;
};
struct door {
	char *side;
	struct wheel *handle;
};
struct car {
	char *name;
	struct wheel *spare;
	struct door *doors;
	char **words;
	unsigned doors_count, words_count;
};

static const struct shape TEXT = { SHAPE_TEXT, .most = 8 };
static const struct shape_option WHEEL[] = { { "size", true, offsetof(struct wheel, size), 0, { SHAPE_TEXT, .most = 8 } },
					     { .key = NULL } };
static const struct shape_option DOOR_OPTIONS[] = {
	{ "side", false, offsetof(struct door, side), 0, { SHAPE_TEXT, .most = 8 } },
	{ "handle", false, offsetof(struct door, handle), 0, { SHAPE_GROUP, .size = sizeof(struct wheel), .options = WHEEL } },
	{ .key = NULL },
};
static const struct shape DOOR = { SHAPE_GROUP, .size = sizeof(struct door), .options = DOOR_OPTIONS };
static const struct shape_option CAR_OPTIONS[] = {
	{ "name", true, offsetof(struct car, name), 0, { SHAPE_TEXT, .most = 8 } },
	{ "spare", false, offsetof(struct car, spare), 0, { SHAPE_GROUP, .size = sizeof(struct wheel), .options = WHEEL } },
	{ "doors",
	  false,
	  offsetof(struct car, doors),
	  offsetof(struct car, doors_count),
	  { SHAPE_LIST, .least = 1, .most = 3, .entry = &DOOR } },
	{ "words",
	  false,
	  offsetof(struct car, words),
	  offsetof(struct car, words_count),
	  { SHAPE_LIST, .least = 0, .most = 3, .entry = &TEXT } },
	{ .key = NULL },
};
static const struct shape CAR = { SHAPE_GROUP, .size = sizeof(struct car), .options = CAR_OPTIONS };
static const struct filling_later LATER[] = { { "doors.handle.heated" }, { NULL } };

static enum rc fill(const char *text, void **ret_filled, struct err *err)
{
	AUTO(document) struct document *document = NULL;
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(document_load(path, &document, err), RC_OK);
	return filling_make(document, &CAR, LATER, ret_filled, err);
}

static void expect_refused(const char *text, const char *words)
{
	void *filled = NULL;
	struct err err = { 0 };

	assert_int_equal(fill(text, &filled, &err), RC_INPUT);
	assert_null(filled);
	if (!strstr(err.text, words))
		fail_msg("\"%s\" does not say \"%s\"", err.text, words);
}

static void texts_groups_and_lists_come_where_they_belong(void **state)
{
	void *filled = NULL;
	struct err err = { 0 };

	(void)state;
	if (fill("words: [a, \"b c\"]\nname: ami\ndoors:\n  - { side: l }\n  - { handle: { size: 3 }, side: r }\nspare: { size: "
		 "16 }\n",
		 &filled, &err) != RC_OK)
		fail_msg("%s", err.text);
	const struct car *car = filled;
	assert_string_equal(car->name, "ami");
	assert_string_equal(car->spare->size, "16");
	assert_int_equal(car->doors_count, 2);
	assert_string_equal(car->doors[0].side, "l");
	assert_null(car->doors[0].handle);
	assert_string_equal(car->doors[1].side, "r");
	assert_string_equal(car->doors[1].handle->size, "3");
	assert_int_equal(car->words_count, 2);
	assert_string_equal(car->words[1], "b c");
	filling_free(&CAR, filled);
}

static void what_was_not_written_is_null(void **state)
{
	void *filled = NULL;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(fill("name: ami\nwords: []\n", &filled, &err), RC_OK);
	const struct car *car = filled;
	assert_null(car->spare);
	assert_null(car->doors);
	assert_int_equal(car->words_count, 0);
	filling_free(&CAR, filled);
}

static void what_was_taken_out_is_not_freed_again(void **state)
{
	void *filled = NULL;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(fill("name: ami\nwords: [a, b]\nspare: { size: 1 }\n", &filled, &err), RC_OK);
	struct car *car = filled;
	AUTO(text) char *name = TAKE(car->name);
	AUTO(text) char *word = TAKE(car->words[0]);
	AUTO(text) char *size = TAKE(car->spare->size);
	filling_free(&CAR, filled);
	assert_string_equal(name, "ami");
	assert_string_equal(word, "a");
	assert_string_equal(size, "1");
	filling_free(&CAR, NULL);
}

/* What was filled before the mistake is freed: the sanitizers see to it. */
static void a_mistake_is_told_by_its_line_and_its_way(void **state)
{
	(void)state;
	expect_refused("[a]\n", ":1: expected options (\"name: ...\")");
	expect_refused("spare: { size: 1 }\n", ":1: \"name\" is missing; write \"name: ...\"");
	expect_refused("name: ami\nspare: {}\n", ":2: spare: \"size\" is missing");
	expect_refused("name: ami\nspare: 16\n", ":2: spare: expected options");
	expect_refused("name: [a]\n", ":1: name: expected one value");
	expect_refused("name:\n", ":1: name: has no value");
	expect_refused("name: \"a\\0b\"\n", ":1: name: has no value");
	expect_refused("name: 123456789\n", ":1: name: longer than 8");
	expect_refused("name: ami\nwords: a\n", ":2: words: expected a list");
	expect_refused("name: ami\nwords: [a, b, c, d]\n", ":2: words: 4 entries; between 0 and 3");
	expect_refused("name: ami\ndoors: []\n", ":2: doors: 0 entries; between 1 and 3");
	expect_refused("name: ami\ndoors:\n  - { side: l }\n  - { handle: {} }\n", ":4: doors[1].handle: \"size\" is missing");
	expect_refused("name: ami\nwords: [a, [b]]\n", ":2: words[1]: expected one value");
	expect_refused("name: ami\nname: b\n", ":2: \"name\" is given twice");
	expect_refused("? [a]\n: b\n", "an option's name must be a word");
	expect_refused("name: a\n? [a]\n: b\n", ":2: an option's name must be a word");
}

static void an_unknown_option_is_told_what_was_meant_or_what_there_is(void **state)
{
	(void)state;
	expect_refused("nome: ami\n", ":1: unknown option \"nome\"; write \"name\"");
	expect_refused("name: ami\ncolour: red\n",
		       ":2: unknown option \"colour\"; at the top there are: name, spare, doors, words");
	expect_refused("name: ami\ndoors: [{ colour: red }]\n", "under doors[0] there are: side, handle");
	expect_refused("name: ami\ndoors: [{ handle: { heated: yes } }]\n", ":2: \"heated\" is not in this release yet");
	expect_refused("name: ami\nheated: yes\n", "unknown option");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_groups_and_lists_come_where_they_belong),
		cmocka_unit_test(what_was_not_written_is_null),
		cmocka_unit_test(what_was_taken_out_is_not_freed_again),
		cmocka_unit_test(a_mistake_is_told_by_its_line_and_its_way),
		cmocka_unit_test(an_unknown_option_is_told_what_was_meant_or_what_there_is),
	};

	return cmocka_run_group_tests(tests, config_file_start, config_file_stop);
}
