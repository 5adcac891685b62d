/*
 * read_rows.c -- reads every certificate's row once, as a yardstick for what start and `status` take.
 *
 *	read_rows DATABASE	prints how many rows there were and the milliseconds, of this process's CPU, that they took
 */
#include <sqlite3.h>
#include <stdio.h>
#include <sys/resource.h>

static double cpu_ms(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
}

int main(int argc, char **argv)
{
	sqlite3 *database = NULL;
	sqlite3_stmt *statement = NULL;
	unsigned long rows = 0, bytes = 0;
	double began = cpu_ms();

	if (argc != 2 || sqlite3_open_v2(argv[1], &database, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(database, "SELECT * FROM certificate", -1, &statement, NULL) != SQLITE_OK) {
		fprintf(stderr, "read_rows: %s\n", database ? sqlite3_errmsg(database) : "usage: read_rows DATABASE");
		return 1;
	}
	while (sqlite3_step(statement) == SQLITE_ROW) {
		for (int i = 0; i < sqlite3_column_count(statement); i++) {
			(void)sqlite3_column_blob(statement, i);
			bytes += (unsigned long)sqlite3_column_bytes(statement, i);
		}
		rows++;
	}
	sqlite3_finalize(statement);
	sqlite3_close(database);
	printf("%lu %.3f\n", rows, cpu_ms() - began);
	return bytes == 0;
}
