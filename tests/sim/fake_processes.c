/* fake_processes.c -- what the engine asks of its spawner, and its writes to the disk, each failing when the machine says so. */
#include "fake_processes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "archive.h"
#include "chance.h"
#include "clock.h"
#include "virtual_clock.h"

#define HOOK_MS 200

static struct machine *served;
static bool is_next_unsaved;

void fake_processes_serve(struct machine *machine)
{
	served = machine;
	is_next_unsaved = false;
}

static enum rc hook(const char *what, struct err *err)
{
	virtual_clock_pass(served->hook_ms ? served->hook_ms : HOOK_MS);
	served->hooks++;
	if (served->on_hook)
		served->on_hook();
	if (!chance_one_in(served->hook_fails_one_in))
		return RC_OK;
	served->failed_hooks++;
	return err_set(err, RC_RETRY, "%s: exit status 1", what);
}

enum rc processes_start(const struct config *config, struct processes **ret_processes, struct err *err)
{
	(void)config;
	(void)ret_processes;
	return err_set(err, RC_BUG, "not in a simulation");
}

void processes_stop(struct processes *processes)
{
	(void)processes;
}

struct remote_link *processes_keyd(struct processes *processes)
{
	(void)processes;
	return NULL;
}

enum rc processes_deploy(struct processes *processes, const struct config_certificate *certificate,
			 char ret_words[PROGRAM_OUTPUT_MAX + 1], struct err *err)
{
	struct machine_view *view = &served->views[certificate - served->config->certificates];
	int64_t now = virtual_clock_true_ms();
	unsigned gap = view->hooked_at_ms ? (unsigned)((now - view->hooked_at_ms) / 1000) : 0;

	(void)processes;
	served->longest_hook_gap_s = gap > served->longest_hook_gap_s ? gap : served->longest_hook_gap_s;
	view->hooked_at_ms = now;
	ret_words[0] = '\0';
	return hook("deploy", err);
}

enum rc processes_probe(struct processes *processes, const struct config_certificate *certificate,
			char ret_words[PROGRAM_OUTPUT_MAX + 1], struct err *err)
{
	(void)processes;
	(void)certificate;
	ret_words[0] = '\0';
	return hook("probe", err);
}

enum rc processes_challenge(struct processes *processes, const struct config_certificate *certificate,
			    const struct config_challenge *challenge, const struct challenge_call *call, struct buf *ret_output,
			    struct err *err)
{
	int64_t index = certificate - served->config->certificates;

	(void)processes;
	(void)challenge;
	(void)ret_output;
	bool is_early = virtual_clock_true_ms() < served->records_seen_at_ms + index * served->records_apart_ms;
	if (call->verb == CHALLENGE_VERB_READY && (is_early || chance_one_in(4)))
		return err_set(err, RC_ABSENT, "not yet");
	return hook(challenge_verb_name(call->verb), err);
}

static bool is_full(void)
{
	if (served && served->dies_after && --served->dies_after == 0)
		served->is_cut_off = true;
	if (served && (is_next_unsaved || served->is_cut_off || (served->is_disk_full && chance_one_in(2)))) {
		served->unsaved++;
		is_next_unsaved = false;
		return true;
	}
	return false;
}

#define BAD(err)  err_set_raw(err, RC_RESOURCE, ERR_ERRNO, EIO, "Input/output error")
#define FULL(err) err_set_raw(err, RC_RESOURCE, ERR_ERRNO, ENOSPC, "No space left on device")

static bool is_unreadable(void)
{
	return served && served->is_disk_bad && served->is_in_turn && chance_one_in(4);
}

enum rc __real_store_certificate_load(struct store *store, const char *name, struct store_certificate *ret_record,
				      struct err *err);
enum rc __wrap_store_certificate_load(struct store *store, const char *name, struct store_certificate *ret_record,
				      struct err *err);
enum rc __wrap_store_certificate_load(struct store *store, const char *name, struct store_certificate *ret_record,
				      struct err *err)
{
	return is_unreadable() ? BAD(err) : __real_store_certificate_load(store, name, ret_record, err);
}

enum rc __real_store_account_load(struct store *store, const char *authority, struct store_account *ret_account, struct err *err);
enum rc __wrap_store_account_load(struct store *store, const char *authority, struct store_account *ret_account, struct err *err);
enum rc __wrap_store_account_load(struct store *store, const char *authority, struct store_account *ret_account, struct err *err)
{
	return is_unreadable() ? BAD(err) : __real_store_account_load(store, authority, ret_account, err);
}

enum rc __real_store_availability_load(struct store *store, const char *authority, struct store_availability *ret_availability,
				       struct err *err);
enum rc __wrap_store_availability_load(struct store *store, const char *authority, struct store_availability *ret_availability,
				       struct err *err);
enum rc __wrap_store_availability_load(struct store *store, const char *authority, struct store_availability *ret_availability,
				       struct err *err)
{
	if (is_unreadable() || (served && served->is_unread))
		return BAD(err);
	return __real_store_availability_load(store, authority, ret_availability, err);
}

enum rc __real_store_certificate_save(struct store *store, const struct store_certificate *record, int64_t now, int64_t erase_at,
				      const char *event, struct err *err);
enum rc __wrap_store_certificate_save(struct store *store, const struct store_certificate *record, int64_t now, int64_t erase_at,
				      const char *event, struct err *err);
enum rc __wrap_store_certificate_save(struct store *store, const struct store_certificate *record, int64_t now, int64_t erase_at,
				      const char *event, struct err *err)
{
	if (served)
		served->saves++;
	if (!is_full())
		return __real_store_certificate_save(store, record, now, erase_at, event, err);
	for (unsigned i = 0; i < served->config->certificate_count; i++)
		served->views[i].unsaved += strcmp(served->config->certificates[i].name, record->name) == 0;
	return FULL(err);
}

enum rc __real_store_account_save(struct store *store, const struct store_account *account, struct err *err);
enum rc __wrap_store_account_save(struct store *store, const struct store_account *account, struct err *err);
enum rc __wrap_store_account_save(struct store *store, const struct store_account *account, struct err *err)
{
	return is_full() ? FULL(err) : __real_store_account_save(store, account, err);
}

enum rc __real_store_availability_change(struct store *store, const char *authority, store_availability_fn *change, void *ctx,
					 struct err *err);
enum rc __wrap_store_availability_change(struct store *store, const char *authority, store_availability_fn *change, void *ctx,
					 struct err *err);
enum rc __wrap_store_availability_change(struct store *store, const char *authority, store_availability_fn *change, void *ctx,
					 struct err *err)
{
	if (served && served->is_unread)
		return BAD(err);
	return is_full() ? FULL(err) : __real_store_availability_change(store, authority, change, ctx, err);
}

enum rc __real_store_retired_drop(struct store *store, const struct token_key_name *name, struct err *err);
enum rc __wrap_store_retired_drop(struct store *store, const struct token_key_name *name, struct err *err);
enum rc __wrap_store_retired_drop(struct store *store, const struct token_key_name *name, struct err *err)
{
	return is_full() ? FULL(err) : __real_store_retired_drop(store, name, err);
}

/* How old it is, the program learns from the file system: that has the machine's time, too. */
static void stamp(const char *state_dir, const char *name, unsigned generation)
{
	struct timespec times[2] = { { .tv_sec = (time_t)clock_now() }, { .tv_sec = (time_t)clock_now() } };
	char path[512];

	snprintf(path, sizeof(path), "%s/archive/%s/%u", state_dir, name, generation);
	if (utimensat(AT_FDCWD, path, times, 0) != 0)
		abort();
}

enum rc __real_archive_stage(const char *state_dir, const char *name, unsigned generation, const struct archive_set *set,
			     struct err *err);
enum rc __wrap_archive_stage(const char *state_dir, const char *name, unsigned generation, const struct archive_set *set,
			     struct err *err);
enum rc __wrap_archive_stage(const char *state_dir, const char *name, unsigned generation, const struct archive_set *set,
			     struct err *err)
{
	enum rc rc = is_full() ? FULL(err) : __real_archive_stage(state_dir, name, generation, set, err);

	if (rc == RC_OK)
		stamp(state_dir, name, generation);
	return rc;
}

enum rc __real_archive_switch(const char *state_dir, const char *name, unsigned generation, struct err *err);
enum rc __wrap_archive_switch(const char *state_dir, const char *name, unsigned generation, struct err *err);
enum rc __wrap_archive_switch(const char *state_dir, const char *name, unsigned generation, struct err *err)
{
	if (is_full())
		return FULL(err);
	enum rc rc = __real_archive_switch(state_dir, name, generation, err);
	if (rc == RC_OK && served && served->dies_at_switch)
		served->is_cut_off = true;
	if (rc == RC_OK && served && served->is_unsaved_at_switch) {
		is_next_unsaved = true;
		served->is_unsaved_at_switch = false;
	}
	return rc;
}
