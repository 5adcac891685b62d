/* key_type.c -- names and sizes of key types, from the one list in key_type.h. */
#include "key_type.h"

#include <string.h>

static const struct {
	const char *name;
	unsigned bits;
} KEY_TYPE_TABLE[KEY_TYPE_COUNT] = {
#define X(type, text, size) [type] = { text, size },
	KEY_TYPES(X)
#undef X
};

const char *key_type_name(enum key_type type)
{
	return type < KEY_TYPE_COUNT ? KEY_TYPE_TABLE[type].name : "unknown";
}

unsigned key_type_bits(enum key_type type)
{
	return type < KEY_TYPE_COUNT ? KEY_TYPE_TABLE[type].bits : 0;
}

int key_type_is_ec(enum key_type type)
{
	return type == KEY_EC_P256 || type == KEY_EC_P384;
}

enum key_type key_type_parse(const char *name)
{
	for (int type = 0; type < KEY_TYPE_COUNT; type++)
		if (strcmp(KEY_TYPE_TABLE[type].name, name) == 0)
			return (enum key_type)type;
	return KEY_TYPE_COUNT;
}
