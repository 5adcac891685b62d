/* fault_allocations.c -- linked before the C library (--wrap): every allocation of our own code is a site, and can fail. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault_shim.h"

void *__real_malloc(size_t len);
void *__real_calloc(size_t count, size_t len);
void *__real_realloc(void *old, size_t len);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t len);
void *__wrap_calloc(size_t count, size_t len);
void *__wrap_realloc(void *old, size_t len);
char *__wrap_strdup(const char *text);

static bool fails(const char *call)
{
	struct fault_site site = fault_begin(FAULT_ALLOCATION, call, "", "");

	if (!site.fails)
		fault_end(&site, 0);
	return site.fails;
}

void *__wrap_malloc(size_t len)
{
	return fails("malloc") ? NULL : __real_malloc(len);
}

void *__wrap_calloc(size_t count, size_t len)
{
	return fails("calloc") ? NULL : __real_calloc(count, len);
}

void *__wrap_realloc(void *old, size_t len)
{
	return fails("realloc") ? NULL : __real_realloc(old, len);
}

char *__wrap_strdup(const char *text)
{
	return fails("strdup") ? NULL : __real_strdup(text);
}
