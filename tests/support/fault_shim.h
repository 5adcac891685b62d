/*
 * fault_shim.h -- sites: every call of a process that changes STATE or is seen outside, counted and broken on request.
 *
 * A sweep makes the file that HWACME_FAULTS names, writes its wishes into the head of it and starts a program with the shim
 * preloaded. All processes of the program share that memory, so a site has one number whichever process comes to it, and
 * nothing of it needs a system call that a sandbox could refuse. tests/faults/sites/memory.py reads and writes the same layout.
 */
#ifndef HWA_FAULT_SHIM_H
#define HWA_FAULT_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAULT_ENVIRONMENT "HWACME_FAULTS"
#define FAULT_MAGIC       0x53495445u
#define FAULT_RECORDS     16384u
#define FAULT_FRAMES      12u
#define FAULT_PATH        160u
#define FAULT_HEAD        4096u

enum fault_kind {
	FAULT_FILE = 1,        /* changes what lies below STATE */
	FAULT_NETWORK = 2,     /* sends to the network */
	FAULT_LINK = 4,        /* sends to another process of ours */
	FAULT_TPM = 8,         /* sends to a TPM on a socket */
	FAULT_PROCESS = 16,    /* starts a process */
	FAULT_ALLOCATION = 32, /* asks for memory, in our own code */
};

enum fault_action {
	FAULT_NOTHING,     /* only counted */
	FAULT_STOP_BEFORE, /* the process stands still there, and waits to be killed */
	FAULT_STOP_AFTER,
	FAULT_FAIL, /* with `error`, without effect */
};

/* All of one size in every process and in Python: no pointers. */
struct fault_memory {
	uint32_t magic, count; /* count: sites so far */
	uint32_t kinds;        /* which are counted, a sum of enum fault_kind */
	uint32_t action, target;
	int32_t error;
	uint32_t onwards; /* all later ones fail too */
	uint32_t halves;  /* the first of them to write writes a half first, as a disk does that gets full */
	uint32_t reached; /* the pid that came to the target */
	uint32_t keeps_data;
	uint64_t data_used, data_room; /* what was written, after the records */
	char state[FAULT_PATH];        /* absolute, without links */
};

struct fault_record {
	uint32_t kind, pid;
	int32_t result; /* or -errno */
	uint32_t ended;
	uint64_t inode, offset, len, data; /* data: where in the data what was written is */
	uint64_t frames[FAULT_FRAMES];     /* return addresses in our own program, relative to it; innermost first */
	uint32_t mode, flags;
	char role[16], call[24];
	char path[FAULT_PATH], other[FAULT_PATH]; /* relative to STATE; other: where it goes to */
};

struct fault_site {
	struct fault_record *record; /* NULL: not counted */
	uint32_t number;
	bool fails, is_half;
};

/* NULL when no sweep is on. */
struct fault_memory *fault_memory(void);
/* Counts a site, and stops there when that is asked for; fails: the caller fails with errno set and does nothing. */
struct fault_site fault_begin(enum fault_kind kind, const char *call, const char *path, const char *other);
/* Its end, with the result; errno is kept. */
void fault_end(struct fault_site *site, long result);
/* Keeps what was written there. */
void fault_keep(struct fault_site *site, const void *bytes, size_t len, uint64_t offset);

#endif /* HWA_FAULT_SHIM_H */
