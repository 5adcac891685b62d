/* set_file.c -- what is known of each kind of published file. */
#include "set_file.h"

#include <string.h>

#define MODE_PUBLIC 0644 /* certificates are */
#define MODE_KEY    0640 /* a reference is no key, but it tells where one is */

static const struct {
	const char *word, *file;
	bool has_key, by_default;
} ROWS[SET_FILE_COUNT] = {
#define X(name, word, file, has_key, by_default) { word, file, has_key, by_default },
	SET_FILES(X)
#undef X
};

const char *set_file_word(enum set_file file)
{
	return file < SET_FILE_COUNT ? ROWS[file].word : "";
}

const char *set_file_name(enum set_file file)
{
	return file < SET_FILE_COUNT ? ROWS[file].file : "";
}

enum set_file set_file_parse(const char *word)
{
	unsigned i = 0;

	while (i < SET_FILE_COUNT && strcmp(ROWS[i].word, word) != 0)
		i++;
	return (enum set_file)i;
}

unsigned set_file_defaults(void)
{
	unsigned formats = 0;

	for (unsigned i = 0; i < SET_FILE_COUNT; i++)
		if (ROWS[i].by_default)
			formats |= SET_FILE_BIT(i);
	return formats;
}

unsigned set_file_complete(unsigned formats)
{
	const unsigned naming = SET_FILE_BIT(SET_FILE_NGINX) | SET_FILE_BIT(SET_FILE_APACHE) | SET_FILE_BIT(SET_FILE_ENVOY);

	if (formats & naming)
		formats |= SET_FILE_BIT(SET_FILE_FULLCHAIN) | SET_FILE_BIT(SET_FILE_KEY_PEM);
	return formats | SET_FILE_BIT(SET_FILE_CERT);
}

struct set_files set_files_default(void)
{
	return (struct set_files){ .formats = set_file_defaults(), .owner = (uid_t)-1, .group = (gid_t)-1 };
}

mode_t set_file_mode(const struct set_files *files, enum set_file file)
{
	if (files->mode)
		return files->mode;
	return file < SET_FILE_COUNT && ROWS[file].has_key ? MODE_KEY : MODE_PUBLIC;
}
