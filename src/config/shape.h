/*
 * shape.h -- what may stand where in hwacme.yaml, and the struct that holds it: every value is a text, a group of options or a list.
 *
 * In a struct a text is a char *, a group in an option a pointer to its struct, and a list a pointer to its first entry (texts, or
 * structs one after another) with an unsigned that counts them.  What was not written is NULL.
 */
#ifndef HWA_SHAPE_H
#define HWA_SHAPE_H

#include <stdbool.h>
#include <stddef.h>

enum shape_kind { SHAPE_TEXT, SHAPE_GROUP, SHAPE_LIST };

struct shape {
	enum shape_kind kind;
	unsigned least, most;               /* entries of a list; characters of a text, where only `most` counts */
	size_t size;                        /* of the struct of a group, in bytes */
	const struct shape_option *options; /* of a group; the last one has no key */
	const struct shape *entry;          /* of a list: a text or a group */
};

struct shape_option {
	const char *key;
	bool is_needed;
	size_t at, count_at; /* in the struct of its group: the value, and how many there are of a list */
	struct shape shape;
};

#endif /* HWA_SHAPE_H */
