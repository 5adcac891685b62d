/*
 * pkcs11_module.c -- loads a module once for all its tokens, and starts it anew when what is behind it was lost.
 *
 * libp11 starts and ends the module and lists its slots; everything else goes through the module's own
 * function list.  Both share one C_Initialize, which libp11 owns: two contexts on one module finalize it
 * under each other, so tokens of the same module share one, and the last one out ends it.  p11-kit's client
 * makes a new instance for each C_GetFunctionList: libp11's is then not ours, and ours is started beside it.
 *
 * C_Finalize pulls every session and object handle from under whoever uses them.  So each use of the
 * function list is between enter() and leave(), a new start waits until nobody is inside, and each start
 * has a number, the generation, that tells which handles are still good.
 */
#include <dlfcn.h>
#include <libp11.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "pkcs11.h"

#define START_INTERVAL_MS 1000 /* a module is started at most once a second */
#define LOOK_STEP_MS      1000 /* between starts for the sake of a token that is not there */
#define LOOK_STEP_MAX_MS  30000
#define DRAIN_MS          60000 /* calls that have not come back by then hang; keyd's own deadline is nearer */

struct pkcs11_module {
	struct pkcs11_module *next;
	char *path, *init_args;
	unsigned users;
	pid_t owner;
	CK_FUNCTION_LIST *call; /* also tells modules apart: two paths may lead to one file */

	pthread_mutex_t mutex; /* of everything below */
	pthread_cond_t changed;
	PKCS11_CTX *libp11; /* its instance of the module is ours; NULL: not started, or ours is another */
	bool is_ours;       /* our own C_Initialize */
	bool is_started, is_starting, is_stale;
	unsigned inside, generated;
	uint64_t generation, tries;
	int64_t tried_at_ms;
	int64_t look_at_ms, look_step_ms;
	struct err failure; /* of the last start, for all who waited for it */
	CK_INFO info;
	CK_SLOT_ID slots[PKCS11_SLOTS_MAX];
	unsigned slot_count;

	pthread_mutex_t opening; /* one C_OpenSession or C_CloseSession at a time */
	struct pkcs11_turns turns;
};

static struct pkcs11_module *loaded;                             /* each that was ever opened, used or not */
static pthread_mutex_t loaded_mutex = PTHREAD_MUTEX_INITIALIZER; /* of the list and of `users` */

bool pkcs11_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_ms)
{
	struct timespec at = { .tv_sec = deadline_ms / 1000, .tv_nsec = (long)(deadline_ms % 1000 * 1000000) };

	return pthread_cond_clockwait(cond, mutex, CLOCK_MONOTONIC, &at) == 0;
}

static void module_end(struct pkcs11_module *module)
{
	/* C_Finalize, before any exit handler of the module runs; and the only way back from a lost device. */
	if (module->libp11) {
		PKCS11_CTX_unload(module->libp11);
		PKCS11_CTX_free(module->libp11);
	}
	if (module->is_ours)
		module->call->C_Finalize(NULL);
	module->libp11 = NULL;
	module->is_ours = module->is_started = false;
}

/* libp11's listing fails whole when one slot does: then the slots are asked for without it. */
static enum rc slots_list(struct pkcs11_module *module, struct err *err)
{
	PKCS11_SLOT *slots = NULL;
	unsigned count = 0;
	CK_ULONG found = PKCS11_SLOTS_MAX;

	module->slot_count = 0;
	if (module->libp11 && PKCS11_enumerate_slots(module->libp11, &slots, &count) == 0) {
		for (unsigned i = 0; i < count && module->slot_count < PKCS11_SLOTS_MAX; i++)
			if (slots[i].token)
				module->slots[module->slot_count++] = PKCS11_get_slotid_from_slot(&slots[i]);
		/* Closes all sessions of these slots, so now, while nobody has one. */
		PKCS11_release_all_slots(module->libp11, slots, count);
		return RC_OK;
	}
	CK_RV rv = module->call->C_GetSlotList(CK_TRUE, module->slots, &found);
	if (rv != CKR_OK)
		return pkcs11_fail(err, rv, "C_GetSlotList");
	module->slot_count = (unsigned)found;
	return RC_OK;
}

static CK_RV libp11_failure(void)
{
	unsigned long error = ERR_peek_last_error();

	return ERR_GET_LIB(error) == ERR_get_CKR_code() ? (CK_RV)ERR_GET_REASON(error) : CKR_GENERAL_ERROR;
}

/* libp11 starts its instance of the module. */
static enum rc libp11_start(struct pkcs11_module *module, struct err *err)
{
	pthread_mutex_lock(&loaded_mutex); /* it registers its texts with OpenSSL, once, without a lock */
	PKCS11_CTX *libp11 = PKCS11_CTX_new();
	pthread_mutex_unlock(&loaded_mutex);
	if (!libp11)
		return err_set(err, RC_RESOURCE, "out of memory");
	if (module->init_args)
		PKCS11_CTX_init_args(libp11, module->init_args);
	ERR_set_mark();
	bool is_loaded = PKCS11_CTX_load(libp11, module->path) == 0;
	CK_RV rv = is_loaded ? CKR_OK : libp11_failure();
	ERR_pop_to_mark();
	if (is_loaded) {
		module->libp11 = libp11;
		return RC_OK;
	}
	PKCS11_CTX_free(libp11);
	return pkcs11_fail(err, rv, "C_Initialize");
}

/* Where it was another instance than ours: ours is started, and the other is of no use. */
static enum rc instance_start(struct pkcs11_module *module, struct err *err)
{
	CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK, .pReserved = module->init_args };

	module->info = (CK_INFO){ 0 };
	if (module->call->C_GetInfo(&module->info) != CKR_CRYPTOKI_NOT_INITIALIZED)
		return RC_OK;
	CK_RV rv = module->call->C_Initialize(&args);
	if (rv == CKR_OK)
		(void)module->call->C_GetInfo(&module->info); /* nothing but quirks hangs on it */
	PKCS11_CTX_unload(module->libp11);
	PKCS11_CTX_free(module->libp11);
	module->libp11 = NULL;
	module->is_ours = rv == CKR_OK;
	return rv == CKR_OK ? RC_OK : pkcs11_fail(err, rv, "C_Initialize");
}

/* Nobody is inside, and nobody else comes here: without the mutex, because C_Initialize may take its time. */
static enum rc module_start(struct pkcs11_module *module, struct err *err)
{
	module_end(module);
	enum rc rc = libp11_start(module, err);
	if (rc == RC_OK)
		rc = instance_start(module, err);
	if (rc != RC_OK)
		return err_wrap(err, rc, "the PKCS#11 module %s cannot be started", module->path);
	ERR_set_mark();
	rc = slots_list(module, err);
	ERR_pop_to_mark();
	if (rc != RC_OK) {
		module_end(module);
		return err_wrap(err, rc, "the slots of %s cannot be listed", module->path);
	}
	module->is_started = true;
	return RC_OK;
}

/* The module stays mapped until the process ends: some do not survive being unmapped. */
static enum rc function_list(const char *path, CK_FUNCTION_LIST **ret_call, struct err *err)
{
	CK_C_GetFunctionList get_list = NULL;
	CK_FUNCTION_LIST *call = NULL;

	if (access(path, R_OK) != 0)
		return err_set_raw(err, RC_ABSENT, ERR_PKCS11, 0, "there is no readable PKCS#11 module at %s", path);
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		return err_set_raw(err, RC_ABSENT, ERR_PKCS11, 0, "the PKCS#11 module cannot be loaded: %s", dlerror());
	void *symbol = dlsym(handle, "C_GetFunctionList");
	memcpy(&get_list, &symbol, sizeof(get_list));
	if (!get_list || get_list(&call) != CKR_OK || !call)
		return err_set_raw(err, RC_ABSENT, ERR_PKCS11, 0, "%s is not a PKCS#11 module: no function list", path);
	*ret_call = call;
	return RC_OK;
}

static struct pkcs11_module *module_new(const char *path, CK_FUNCTION_LIST *call)
{
	struct pkcs11_module *module = calloc(1, sizeof(*module));

	if (!module || !(module->path = strdup(path))) {
		free(module);
		return NULL;
	}
	pthread_mutex_init(&module->mutex, NULL);
	pthread_mutex_init(&module->opening, NULL);
	pkcs11_turns_init(&module->turns);
	pthread_cond_init(&module->changed, NULL);
	module->call = call;
	module->owner = getpid();
	module->next = loaded;
	loaded = module;
	return module;
}

static bool same_text(const char *left, const char *right)
{
	return left && right ? strcmp(left, right) == 0 : left == right;
}

/* By path, so that a module that makes a new instance each time is asked for one only; and by instance: two paths, one file. */
static struct pkcs11_module *module_find(const char *path, const CK_FUNCTION_LIST *call)
{
	struct pkcs11_module *module = loaded;

	while (module && (module->owner != getpid() || (strcmp(module->path, path) != 0 && module->call != call)))
		module = module->next;
	return module;
}

/* With loaded_mutex.  Modules stay in the list when nobody uses them: there are as many as the configuration names. */
static enum rc module_get(const char *path, const char *init_args, struct pkcs11_module **ret_module, struct err *err)
{
	struct pkcs11_module *module = module_find(path, NULL);
	CK_FUNCTION_LIST *call = NULL;
	enum rc rc = module ? RC_OK : function_list(path, &call, err);

	if (rc == RC_OK && !module)
		module = module_find(path, call);
	if (rc == RC_OK && !module) {
		module = module_new(path, call);
		rc = module ? RC_OK : err_set(err, RC_RESOURCE, "out of memory");
	}
	if (rc != RC_OK)
		return rc;
	if (module->users && !same_text(module->init_args, init_args))
		return err_set(err, RC_INPUT, "%s is in use with other init-args; a module is started once, so write the same",
			       path);
	if (!same_text(module->init_args, init_args)) {
		free(module->init_args);
		module->init_args = init_args ? strdup(init_args) : NULL;
		if (init_args && !module->init_args)
			return err_set(err, RC_RESOURCE, "out of memory");
	}
	*ret_module = module;
	return RC_OK;
}

/* Only looked up or added here; the first enter() starts it. */
enum rc pkcs11_module_open(const char *path, const char *init_args, struct pkcs11_module **ret_module, struct err *err)
{
	pthread_mutex_lock(&loaded_mutex);
	enum rc rc = module_get(path, init_args, ret_module, err);
	if (rc == RC_OK)
		(*ret_module)->users++;
	pthread_mutex_unlock(&loaded_mutex);
	return rc;
}

void pkcs11_module_close(struct pkcs11_module *module)
{
	/* In a child the module is the parent's: a C_Finalize there can break the parent (tpm2-pkcs11). */
	if (!module || module->owner != getpid())
		return;
	pthread_mutex_lock(&loaded_mutex);
	/* Still locked while it ends: who opens the same module now must find it ended. */
	if (--module->users == 0) {
		module_end(module);
		module->is_stale = false;
		module->tries = 0;
	}
	pthread_mutex_unlock(&loaded_mutex);
}

/* With the mutex; false: what is to be waited for does not come. */
static bool wait_for_turn(struct pkcs11_module *module)
{
	int64_t deadline = clock_monotonic_ms() + DRAIN_MS;

	while (module->is_starting || (module->is_stale && module->inside))
		if (!pkcs11_wait(&module->changed, &module->mutex, deadline))
			return false;
	return true;
}

/* With the mutex, which is let go meanwhile. */
static enum rc start_anew(struct pkcs11_module *module, struct err *err)
{
	int64_t wait = module->tries ? module->tried_at_ms + START_INTERVAL_MS - clock_monotonic_ms() : 0;

	module->is_starting = true;
	pthread_mutex_unlock(&module->mutex);
	if (wait > 0)
		clock_wait_until(INT64_MAX, wait);
	struct err failure = { 0 };
	enum rc rc = module_start(module, &failure);
	pthread_mutex_lock(&module->mutex);
	module->tries++;
	module->tried_at_ms = clock_monotonic_ms();
	module->is_starting = module->is_stale = false;
	module->failure = failure;
	if (rc == RC_OK) {
		module->generation++;
		module->generated = 0;
	} else if (err) {
		*err = failure;
	}
	pthread_cond_broadcast(&module->changed);
	return rc;
}

enum rc pkcs11_module_enter(struct pkcs11_module *module, uint64_t *ret_generation, struct err *err)
{
	enum rc rc = RC_OK;

	pthread_mutex_lock(&module->mutex);
	uint64_t tries = module->tries;
	if (!wait_for_turn(module)) {
		rc = err_set_raw(err, RC_RETRY, ERR_PKCS11, 0, "calls of the module %s do not come back", module->path);
	} else if (!module->is_started && module->tries != tries) {
		/* Somebody tried while we waited: eight callers do not make eight starts. */
		rc = module->failure.rc;
		if (err)
			*err = module->failure;
	} else if (!module->is_started || module->is_stale) {
		rc = start_anew(module, err);
	}
	if (rc == RC_OK) {
		module->inside++;
		*ret_generation = module->generation;
	}
	pthread_mutex_unlock(&module->mutex);
	return rc;
}

bool pkcs11_module_enter_same(struct pkcs11_module *module, uint64_t generation)
{
	pthread_mutex_lock(&module->mutex);
	bool is_same = module->is_started && !module->is_starting && !module->is_stale && module->generation == generation;
	if (is_same)
		module->inside++;
	pthread_mutex_unlock(&module->mutex);
	return is_same;
}

void pkcs11_module_leave(struct pkcs11_module *module)
{
	pthread_mutex_lock(&module->mutex);
	module->inside--;
	pthread_cond_broadcast(&module->changed);
	pthread_mutex_unlock(&module->mutex);
}

void pkcs11_module_stale(struct pkcs11_module *module, uint64_t generation)
{
	pthread_mutex_lock(&module->mutex);
	/* Of an earlier load: somebody has started it anew already. */
	if (module->is_started && module->generation == generation)
		module->is_stale = true;
	pthread_mutex_unlock(&module->mutex);
}

/* With the mutex: is it time for another look?  Who asks after a while has one at once, and a second. */
static bool look_is_due(struct pkcs11_module *module)
{
	int64_t now = clock_monotonic_ms();

	if (now < module->look_at_ms)
		return false;
	if (now > module->look_at_ms + 2 * LOOK_STEP_MAX_MS)
		module->look_step_ms = 0;
	module->look_at_ms = now + module->look_step_ms;
	module->look_step_ms = module->look_step_ms ? 2 * module->look_step_ms : LOOK_STEP_MS;
	if (module->look_step_ms > LOOK_STEP_MAX_MS)
		module->look_step_ms = LOOK_STEP_MAX_MS;
	return true;
}

bool pkcs11_module_look(struct pkcs11_module *module, uint64_t generation)
{
	pthread_mutex_lock(&loaded_mutex);
	bool is_shared = module->users > 1;
	pthread_mutex_unlock(&loaded_mutex);
	pthread_mutex_lock(&module->mutex);
	bool may_look = !is_shared || look_is_due(module);
	pthread_mutex_unlock(&module->mutex);
	if (may_look)
		pkcs11_module_stale(module, generation);
	return may_look;
}

bool pkcs11_module_spend(struct pkcs11_module *module, unsigned budget)
{
	pthread_mutex_lock(&module->mutex);
	bool is_spent = budget && module->generated >= budget;
	if (!is_spent)
		module->generated++;
	pthread_mutex_unlock(&module->mutex);
	return is_spent;
}

CK_FUNCTION_LIST *pkcs11_module_call(const struct pkcs11_module *module)
{
	return module->call;
}

const char *pkcs11_module_path(const struct pkcs11_module *module)
{
	return module->path;
}

const CK_INFO *pkcs11_module_info(const struct pkcs11_module *module)
{
	return &module->info;
}

const CK_SLOT_ID *pkcs11_module_slots(const struct pkcs11_module *module, unsigned *ret_count)
{
	*ret_count = module->slot_count;
	return module->slots;
}

CK_RV pkcs11_module_open_session(struct pkcs11_module *module, CK_SLOT_ID slot, bool is_read_only, CK_SESSION_HANDLE *ret_session)
{
	const CK_FLAGS flags = CKF_SERIAL_SESSION | (is_read_only ? 0 : CKF_RW_SESSION);

	pthread_mutex_lock(&module->opening);
	CK_RV rv = module->call->C_OpenSession(slot, flags, NULL, NULL, ret_session);
	pthread_mutex_unlock(&module->opening);
	return rv;
}

void pkcs11_module_close_session(struct pkcs11_module *module, CK_SESSION_HANDLE session)
{
	pthread_mutex_lock(&module->opening);
	module->call->C_CloseSession(session);
	pthread_mutex_unlock(&module->opening);
}

struct pkcs11_turns *pkcs11_module_turns(struct pkcs11_module *module)
{
	return &module->turns;
}
