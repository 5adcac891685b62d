/* tpm2_journal.c -- STATE/keys/.sessions-TOKEN: which sessions a process has open, for whoever comes after it was killed. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder.h"
#include "tpm2.h"

/*
 * One line for each process that has the token open: a session's number and the boot it belongs to.  A line is locked
 * by its process as long as that lives, so an unlocked line that names a session was left by one that was killed.
 * Nothing here is worth an error: without it a TPM that is full of forgotten sessions stays so until it is reset.
 */
#define BOOT_LEN  36
#define LINE_LEN  (8 + 1 + BOOT_LEN + 1)
#define KEYS_MODE 0700

static void boot_id(char text[BOOT_LEN + 1])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

	memset(text, '-', BOOT_LEN);
	text[BOOT_LEN] = '\0';
	if (fd < 0)
		return;
	if (read(fd, text, BOOT_LEN) != BOOT_LEN)
		memset(text, '-', BOOT_LEN);
	close(fd);
}

static bool line_lock(int fd, int slot, short type)
{
	struct flock region = { .l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)slot * LINE_LEN, .l_len = LINE_LEN };

	return fcntl(fd, F_OFD_SETLK, &region) == 0;
}

/* 0: nothing, or of an earlier boot, which reset the TPM. */
static uint32_t line_read(int fd, int slot)
{
	char line[LINE_LEN + 1] = "", boot[BOOT_LEN + 1];

	boot_id(boot);
	if (pread(fd, line, LINE_LEN, (off_t)slot * LINE_LEN) != LINE_LEN || memcmp(line + 9, boot, BOOT_LEN) != 0)
		return TPM2_JOURNAL_NONE;
	return (uint32_t)strtoul(line, NULL, 16);
}

static void line_write(int fd, int slot, uint32_t session)
{
	char line[LINE_LEN + 1], boot[BOOT_LEN + 1];

	boot_id(boot);
	snprintf(line, sizeof(line), "%08x %s\n", session, boot);
	/* Not synced: a killed process loses nothing, and a power cut resets the TPM. */
	(void)!pwrite(fd, line, LINE_LEN, (off_t)slot * LINE_LEN);
}

static int journal_open(const struct tpm2_token *token)
{
	char name[128];
	int dir, fd = -1;
	int len = snprintf(name, sizeof(name), ".sessions-%s", token->base.name);

	if (len < 0 || (size_t)len >= sizeof(name) || folder_open_path(token->keys_dir, KEYS_MODE, &dir, NULL) != RC_OK)
		return -1;
	enum rc rc = folder_open_file(dir, token->keys_dir, name, &fd, NULL);
	close(dir);
	return rc == RC_OK ? fd : -1;
}

/* A line that nobody has locked and that tells of no session. */
static bool journal_claim(struct tpm2_token *token)
{
	if (token->journal.fd >= 0)
		return true;
	int fd = journal_open(token);
	for (int slot = 0; fd >= 0 && slot < TPM2_JOURNAL_SLOTS; slot++) {
		if (!line_lock(fd, slot, F_WRLCK))
			continue;
		if (line_read(fd, slot) == TPM2_JOURNAL_NONE) {
			token->journal.fd = fd;
			token->journal.slot = slot;
			return true;
		}
		line_lock(fd, slot, F_UNLCK);
	}
	if (fd >= 0)
		close(fd);
	return false;
}

void tpm2_journal_note(struct tpm2_token *token, uint32_t session)
{
	if (journal_claim(token))
		line_write(token->journal.fd, token->journal.slot, session);
}

void tpm2_journal_close(struct tpm2_token *token)
{
	if (token->journal.fd >= 0)
		close(token->journal.fd);
	token->journal.fd = -1;
}

void tpm2_journal_view(struct tpm2_token *token, struct tpm2_journal_view *ret_view)
{
	struct tpm2_journal_view view = { 0 };
	int fd = journal_open(token);

	for (int slot = 0; fd >= 0 && slot < TPM2_JOURNAL_SLOTS; slot++) {
		bool is_left = line_lock(fd, slot, F_WRLCK); /* ours is locked by another description */
		uint32_t session = line_read(fd, slot);

		if (is_left && session == TPM2_JOURNAL_OPENING)
			view.unknown++;
		else if (is_left && session != TPM2_JOURNAL_NONE)
			view.left[view.left_count++] = session;
		else if (session != TPM2_JOURNAL_NONE)
			view.live[view.live_count++] = session;
		if (is_left)
			line_lock(fd, slot, F_UNLCK);
	}
	if (fd >= 0)
		close(fd);
	*ret_view = view;
}

void tpm2_journal_settle(struct tpm2_token *token, const uint32_t *loaded, unsigned count)
{
	int fd = journal_open(token);

	for (int slot = 0; fd >= 0 && slot < TPM2_JOURNAL_SLOTS; slot++) {
		if (!line_lock(fd, slot, F_WRLCK))
			continue;
		uint32_t session = line_read(fd, slot);
		bool stays = session == TPM2_JOURNAL_OPENING && count > 0;

		for (unsigned i = 0; i < count; i++)
			stays = stays || loaded[i] == session;
		if (session != TPM2_JOURNAL_NONE && !stays)
			line_write(fd, slot, TPM2_JOURNAL_NONE);
		line_lock(fd, slot, F_UNLCK);
	}
	if (fd >= 0)
		close(fd);
}
