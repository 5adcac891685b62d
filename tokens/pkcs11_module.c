/*
 * pkcs11_module.c -- loads a module once for all its tokens, and starts it anew when what is behind it was lost.
 *
 * libp11 starts and ends the module and lists its slots; everything else goes through the module's own
 * function list.  Both share one C_Initialize, which libp11 owns: two contexts on one module finalize it
 * under each other, so tokens of the same module share one, and the last one out ends it.
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

#define START_INTERVAL_MS 1000  /* a module is started at most once a second */
#define DRAIN_MS          60000 /* calls that have not come back by then hang; keyd's own deadline is nearer */

struct pkcs11_module {
	struct pkcs11_module *next;
	char *path, *init_args;
	unsigned users;
	pid_t owner;
	CK_FUNCTION_LIST *call; /* also tells modules apart: two paths may lead to one file */

	pthread_mutex_t mutex; /* of everything below */
	pthread_cond_t changed;
	PKCS11_CTX *libp11; /* NULL: not started */
	bool is_starting, is_stale;
	unsigned inside, generated;
	uint64_t generation, tries;
	int64_t tried_at_ms;
	struct err failure; /* of the last start, for all who waited for it */
	CK_INFO info;
	CK_SLOT_ID slots[PKCS11_SLOTS_MAX];
	unsigned slot_count;

	pthread_mutex_t opening; /* one C_OpenSession or C_CloseSession at a time */
};

static struct pkcs11_module *loaded;
static pthread_mutex_t loaded_mutex = PTHREAD_MUTEX_INITIALIZER; /* of the list and of `users` */

bool pkcs11_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_ms)
{
	struct timespec at = { .tv_sec = deadline_ms / 1000, .tv_nsec = deadline_ms % 1000 * 1000000 };

	return pthread_cond_clockwait(cond, mutex, CLOCK_MONOTONIC, &at) == 0;
}

static void module_end(struct pkcs11_module *module)
{
	if (!module->libp11)
		return;
	/* C_Finalize, before any exit handler of the module runs; and the only way back from a lost device. */
	PKCS11_CTX_unload(module->libp11);
	PKCS11_CTX_free(module->libp11);
	module->libp11 = NULL;
}

/* libp11's listing fails whole when one slot does: then the slots are asked for without it. */
static enum rc slots_list(struct pkcs11_module *module, PKCS11_CTX *libp11, struct err *err)
{
	PKCS11_SLOT *slots = NULL;
	unsigned count = 0;
	CK_ULONG found = PKCS11_SLOTS_MAX;

	module->slot_count = 0;
	if (PKCS11_enumerate_slots(libp11, &slots, &count) == 0) {
		for (unsigned i = 0; i < count && module->slot_count < PKCS11_SLOTS_MAX; i++)
			if (slots[i].token)
				module->slots[module->slot_count++] = PKCS11_get_slotid_from_slot(&slots[i]);
		/* Closes all sessions of these slots, so now, while nobody has one. */
		PKCS11_release_all_slots(libp11, slots, count);
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

/* Nobody is inside, and nobody else comes here: without the mutex, because C_Initialize may take its time. */
static enum rc module_start(struct pkcs11_module *module, struct err *err)
{
	PKCS11_CTX *libp11;
	enum rc rc = RC_OK;

	module_end(module);
	pthread_mutex_lock(&loaded_mutex); /* it registers its texts with OpenSSL, once, without a lock */
	libp11 = PKCS11_CTX_new();
	pthread_mutex_unlock(&loaded_mutex);
	if (!libp11)
		return err_set(err, RC_RESOURCE, "out of memory");
	if (module->init_args)
		PKCS11_CTX_init_args(libp11, module->init_args);
	ERR_set_mark();
	if (PKCS11_CTX_load(libp11, module->path) != 0) {
		rc = pkcs11_fail(err, libp11_failure(), "C_Initialize");
		err_wrap(err, rc, "the PKCS#11 module %s cannot be started", module->path);
		PKCS11_CTX_free(libp11);
		ERR_pop_to_mark();
		return rc;
	}
	module->libp11 = libp11;
	rc = slots_list(module, libp11, err);
	ERR_pop_to_mark();
	if (rc == RC_OK && module->call->C_GetInfo(&module->info) != CKR_OK)
		module->info = (CK_INFO){ 0 };
	if (rc != RC_OK)
		module_end(module);
	return rc == RC_OK ? RC_OK : err_wrap(err, rc, "the slots of %s cannot be listed", module->path);
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

static void module_free(struct pkcs11_module *module)
{
	pthread_mutex_destroy(&module->mutex);
	pthread_mutex_destroy(&module->opening);
	pthread_cond_destroy(&module->changed);
	free(module->path);
	free(module->init_args);
	free(module);
}

static struct pkcs11_module *module_new(const char *path, const char *init_args, CK_FUNCTION_LIST *call)
{
	struct pkcs11_module *module = calloc(1, sizeof(*module));

	if (!module)
		return NULL;
	pthread_mutex_init(&module->mutex, NULL);
	pthread_mutex_init(&module->opening, NULL);
	pthread_cond_init(&module->changed, NULL);
	module->call = call;
	module->owner = getpid();
	module->path = strdup(path);
	module->init_args = init_args ? strdup(init_args) : NULL;
	if (module->path && (!init_args || module->init_args))
		return module;
	module_free(module);
	return NULL;
}

static bool same_text(const char *left, const char *right)
{
	return left && right ? strcmp(left, right) == 0 : left == right;
}

/* Only looked up or added here; the first enter() starts it. */
enum rc pkcs11_module_open(const char *path, const char *init_args, struct pkcs11_module **ret_module, struct err *err)
{
	CK_FUNCTION_LIST *call = NULL;
	enum rc rc = function_list(path, &call, err);

	if (rc != RC_OK)
		return rc;
	pthread_mutex_lock(&loaded_mutex);
	struct pkcs11_module *module = loaded;
	while (module && (module->call != call || module->owner != getpid()))
		module = module->next;
	if (module && !same_text(module->init_args, init_args)) {
		rc = err_set(err, RC_INPUT, "%s is in use with other init-args; a module is started once, so write the same",
			     path);
	} else if (!module && !(module = module_new(path, init_args, call))) {
		rc = err_set(err, RC_RESOURCE, "out of memory");
	} else if (module->users++ == 0) {
		module->next = loaded;
		loaded = module;
	}
	pthread_mutex_unlock(&loaded_mutex);
	if (rc == RC_OK)
		*ret_module = module;
	return rc;
}

void pkcs11_module_close(struct pkcs11_module *module)
{
	/* In a child the module is the parent's: a C_Finalize there can break the parent (tpm2-pkcs11). */
	if (!module || module->owner != getpid())
		return;
	pthread_mutex_lock(&loaded_mutex);
	bool is_last = --module->users == 0;
	for (struct pkcs11_module **at = &loaded; is_last && *at; at = &(*at)->next) {
		if (*at == module) {
			*at = module->next;
			break;
		}
	}
	/* Still locked: who opens the same module now must find it ended. */
	if (is_last) {
		module_end(module);
		module_free(module);
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
	} else if (!module->libp11 && module->tries != tries) {
		/* Somebody tried while we waited: eight callers do not make eight starts. */
		rc = module->failure.rc;
		if (err)
			*err = module->failure;
	} else if (!module->libp11 || module->is_stale) {
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
	bool is_same = module->libp11 && !module->is_starting && !module->is_stale && module->generation == generation;
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
	if (module->libp11 && module->generation == generation)
		module->is_stale = true;
	pthread_mutex_unlock(&module->mutex);
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

CK_RV pkcs11_module_open_session(struct pkcs11_module *module, CK_SLOT_ID slot, CK_SESSION_HANDLE *ret_session)
{
	pthread_mutex_lock(&module->opening);
	CK_RV rv = module->call->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, ret_session);
	pthread_mutex_unlock(&module->opening);
	return rv;
}

void pkcs11_module_close_session(struct pkcs11_module *module, CK_SESSION_HANDLE session)
{
	pthread_mutex_lock(&module->opening);
	module->call->C_CloseSession(session);
	pthread_mutex_unlock(&module->opening);
}
