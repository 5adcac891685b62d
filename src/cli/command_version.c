/* command_version.c -- `hwacme version`. */
#include <stdio.h>

#include "command.h"
#include "output.h"

enum exit_status command_version(const struct command_line *line)
{
	if (line->json)
		output_json(json_pack("{s:s, s:s}", "name", "hwacme", "version", HWACME_VERSION));
	else
		printf("hwacme %s\n", HWACME_VERSION);
	return EXIT_DONE;
}
