/* fault_memory.c -- the memory that all processes of a swept program share: counts sites, and decides what becomes of them. */
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fault_shim.h"

#define STACK_MAX 48

static struct fault_memory *shared;
static uintptr_t program_base, program_end;

/* The first object that is told of is the program itself. */
static int program_find(struct dl_phdr_info *info, size_t size, void *ctx)
{
	(void)size;
	(void)ctx;
	program_base = info->dlpi_addr;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];

		if (header->p_type == PT_LOAD && info->dlpi_addr + header->p_vaddr + header->p_memsz > program_end)
			program_end = info->dlpi_addr + header->p_vaddr + header->p_memsz;
	}
	return 1;
}

__attribute__((constructor)) static void memory_map(void)
{
	const char *path = getenv(FAULT_ENVIRONMENT);
	struct stat status;
	void *first[1];
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;

	if (fd < 0)
		return;
	void *at = fstat(fd, &status) == 0 ? mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
					   : MAP_FAILED;
	close(fd);
	if (at == MAP_FAILED || ((struct fault_memory *)at)->magic != FAULT_MAGIC)
		abort();
	dl_iterate_phdr(program_find, NULL);
	backtrace(first, 1); /* loads what it needs now, before a sandbox is entered */
	shared = at;
}

struct fault_memory *fault_memory(void)
{
	return shared;
}

/* Who comes here: only what is our own, without the libraries between. */
static void frames_note(struct fault_record *record)
{
	void *stack[STACK_MAX];
	int depth = backtrace(stack, STACK_MAX);
	unsigned count = 0;

	for (int i = 0; i < depth && count < FAULT_FRAMES; i++) {
		uintptr_t at = (uintptr_t)stack[i];

		if (at >= program_base && at < program_end)
			record->frames[count++] = at - program_base;
	}
}

/* Stands still; who waits for this kills it, or its whole group. */
static void stop(void)
{
	__atomic_store_n(&shared->reached, (uint32_t)getpid(), __ATOMIC_SEQ_CST);
	for (;;)
		poll(NULL, 0, 1000);
}

static void decide(struct fault_site *site, enum fault_kind kind)
{
	uint32_t target = shared->target;
	bool is_target = target && site->number == target;

	if (is_target && shared->action == FAULT_STOP_BEFORE)
		stop();
	if (shared->action != FAULT_FAIL || !(is_target || (target && shared->onwards && site->number > target)))
		return;
	if (is_target)
		__atomic_store_n(&shared->reached, (uint32_t)getpid(), __ATOMIC_SEQ_CST);
	site->is_half = is_target && shared->halves;
	site->fails = kind & (FAULT_FILE | FAULT_ALLOCATION);
	if (site->fails && !site->is_half) {
		site->record->result = -shared->error;
		site->record->ended = 1;
		errno = shared->error;
	}
}

struct fault_site fault_begin(enum fault_kind kind, const char *call, const char *path, const char *other)
{
	struct fault_site site = { .record = NULL };

	if (!shared || !(shared->kinds & kind))
		return site;
	uint32_t before = __atomic_fetch_add(&shared->count, 1, __ATOMIC_SEQ_CST);
	if (before >= FAULT_RECORDS)
		return site;
	struct fault_record *record =
		(struct fault_record *)(void *)((char *)shared + FAULT_HEAD + before * sizeof(struct fault_record));
	int number = errno;
	record->kind = kind;
	record->pid = (uint32_t)getpid();
	prctl(PR_GET_NAME, record->role);
	snprintf(record->call, sizeof(record->call), "%s", call);
	snprintf(record->path, sizeof(record->path), "%s", path);
	snprintf(record->other, sizeof(record->other), "%s", other);
	frames_note(record);
	errno = number;
	site.record = record;
	site.number = before + 1;
	decide(&site, kind);
	return site;
}

void fault_keep(struct fault_site *site, const void *bytes, size_t len, uint64_t offset)
{
	if (!site->record || !shared->keeps_data)
		return;
	site->record->offset = offset;
	site->record->len = len;
	uint64_t at = __atomic_fetch_add(&shared->data_used, len, __ATOMIC_SEQ_CST);
	if (at + len > shared->data_room)
		abort();
	site->record->data = at;
	memcpy((char *)shared + FAULT_HEAD + FAULT_RECORDS * sizeof(struct fault_record) + at, bytes, len);
}

void fault_end(struct fault_site *site, long result)
{
	if (!site->record)
		return;
	site->record->result = result < 0 ? -errno : (int32_t)result;
	site->record->ended = 1;
	if (shared->action == FAULT_STOP_AFTER && site->number == shared->target)
		stop();
}
