/* hwacme.c -- the program; everything is in cli_main(), so that tests can call it. */
#include "command.h"

int main(int argc, char **argv)
{
	return cli_main(argc, argv);
}
