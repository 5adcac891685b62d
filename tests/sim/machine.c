/* machine.c -- makes the state directory and the configuration, and turns the daemon's loop in virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "machine.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "chance.h"
#include "clock.h"
#include "fake_ca.h"
#include "fake_processes.h"
#include "fake_token.h"
#include "log.h"
#include "virtual_clock.h"

#define LOOK_MS   (LOOP_WAKE_MAX * INT64_C(1000))
#define CHECK_MS  INT64_C(3600000) /* all are looked at so often, and each when something happened to it */
#define TURNS_MAX 20000            /* without time passing: the loop does not come to rest */

static void directory_make(char dir[64])
{
	/* In memory, where fsync() costs nothing. */
	const char *below = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : getenv("TMPDIR");

	snprintf(dir, 64, "%s/hwacme-sim-XXXXXX", below ? below : "/tmp");
	assert_non_null(mkdtemp(dir));
}

static int removed(const char *path, const struct stat *unused, int kind, struct FTW *place)
{
	(void)unused;
	(void)kind;
	(void)place;
	return remove(path);
}

/* Also when a test fails, which leaves in the middle of it; SIM_KEEP has it stay. */
static char made[64];

static void made_remove(void)
{
	if (made[0] && !getenv("SIM_KEEP"))
		nftw(made, removed, 16, FTW_DEPTH | FTW_PHYS);
	made[0] = '\0';
}

static void config_write(struct machine *machine, void (*configure)(FILE *file, void *ctx), void *ctx)
{
	FILE *file = fopen(machine->config_path, "w");

	assert_non_null(file);
	fprintf(file, "state: %s/state\ntokens:\n", machine->dir);
	for (unsigned i = 0; i < 2; i++)
		fprintf(file, "  - name: t%u\n    pkcs11: { module: /simulated.so, token: t%u, pin: { env: PIN } }\n", i, i);
	fputs("authorities:\n", file);
	for (unsigned i = 0; i < FAKE_CAS_MAX; i++) {
		fprintf(file, "  - name: ca%u\n    directory: https://ca%u.sim/dir\n    roots: %s\n    terms-agreed: true\n", i,
			i, machine->roots_path);
		fprintf(file, "    account-key: { token: t0, type: ec-p256 }\n");
		if (i == 0 && machine->orders_per_hour)
			fprintf(file, "    orders-per-hour: %u\n", machine->orders_per_hour);
	}
	configure(file, ctx);
	assert_int_equal(fclose(file), 0);
}

void machine_alike(FILE *file, void *alike)
{
	const struct machine_alike *all = alike;

	fprintf(file, "policies:\n  - { name: p, %s }\ncertificates:\n", all->policy);
	for (unsigned i = 0; i < all->certificates; i++)
		fprintf(file,
			"  - name: c%u\n    authority: ca0\n    policy: p\n    key: { token: t0, type: ec-p256 }\n"
			"    names: [\"dns:c%u.example\"]\n%s",
			i, i, all->each ? all->each : "");
}

void machine_new(struct machine *machine, unsigned orders_per_hour, void (*configure)(FILE *file, void *ctx), void *ctx)
{
	struct err err = { 0 };

	memset(machine, 0, sizeof(*machine));
	machine->soonest_failure_s = UINT_MAX;
	directory_make(machine->dir);
	snprintf(made, sizeof(made), "%s", machine->dir);
	static bool is_registered;
	if (!is_registered)
		is_registered = atexit(made_remove) == 0;
	snprintf(machine->config_path, sizeof(machine->config_path), "%s/hwacme.yaml", machine->dir);
	snprintf(machine->roots_path, sizeof(machine->roots_path), "%s/roots.pem", machine->dir);
	fake_ca_roots_write(machine->roots_path);
	machine->orders_per_hour = orders_per_hour;
	config_write(machine, configure, ctx);
	if (config_load(machine->config_path, &machine->config, &err) != RC_OK)
		fail_msg("%s", err.text);
	assert_true(machine->config->certificate_count <= MACHINE_CERTIFICATES_MAX);
}

void machine_free(struct machine *machine)
{
	machine_stop(machine);
	free(machine->worked.at);
	config_free(machine->config);
	made_remove();
}

struct fake_ca *machine_world_start(uint64_t seed)
{
	chance_start(seed);
	virtual_clock_start(0);
	fake_tokens_start();
	fake_ca_start();
	return fake_ca_get(0);
}

void machine_world_stop(struct machine *machine)
{
	machine_free(machine);
	fake_ca_stop();
	fake_tokens_stop();
}

/* Somebody follows every certificate, as `hwacme renew` would. */
static void on_event(void *ctx, const struct config_certificate *certificate, const char *event)
{
	(void)ctx;
	(void)certificate;
	(void)event;
}

static void on_done(void *ctx, const struct config_certificate *certificate, const struct renewal_outcome *outcome, enum rc rc,
		    const struct err *why)
{
	struct machine *machine = ctx;
	unsigned index = (unsigned)(certificate - machine->config->certificates);
	struct machine_view *view = &machine->views[index];

	if (rc != RC_OK || outcome->result != RENEWAL_NOT_DUE)
		fake_times_add(&machine->worked, virtual_clock_true_ms());
	if (rc != RC_OK) {
		int64_t now = clock_monotonic_ms();
		unsigned since = (unsigned)((now - view->failed_at_ms) / 1000);

		if (view->failed_at_ms && since < machine->soonest_failure_s) {
			machine->soonest_failure_s = since;
			snprintf(machine->soonest_failure, sizeof(machine->soonest_failure), "%s, %s", certificate->name,
				 why->text);
			log_event(LOG_WARN, "after %u s %s fails again: %s", since, certificate->name, why->text);
		}
		view->failed_at_ms = now;
		view->failures++;
		view->blame = outcome->blame;
	}
	if (machine->on_done)
		machine->on_done(outcome, rc);
	machine->is_in_turn = false;
	machine_check_live(machine, index);
	machine->is_in_turn = true;
}

void machine_start(struct machine *machine)
{
	struct err err = { 0 };

	machine->desk = (struct renewal_desk){ .config = machine->config };
	fake_processes_serve(machine);
	if (store_open(machine->config->state, &machine->store, &err) != RC_OK ||
	    keyring_new(machine->config, NULL, &machine->keyring, &err) != RC_OK)
		fail_msg("%s", err.text);
	machine->desk.store = machine->store;
	machine->desk.keyring = machine->keyring;
	if (loop_new(&machine->desk, &machine->loop, &err) != RC_OK)
		fail_msg("%s", err.text);
	loop_listen(machine->loop, &(struct loop_ear){ .ctx = machine, .event = on_event, .done = on_done });
	machine->starts++;
}

void machine_stop(struct machine *machine)
{
	if (!machine->loop)
		return;
	loop_free(machine->loop);
	keyring_free(machine->keyring);
	store_close(machine->store);
	machine->loop = NULL;
	machine->keyring = NULL;
	machine->store = NULL;
}

void machine_reload(struct machine *machine, void (*configure)(FILE *file, void *ctx), void *ctx)
{
	struct err err = { 0 };

	machine_stop(machine);
	config_free(machine->config);
	config_write(machine, configure, ctx);
	if (config_load(machine->config_path, &machine->config, &err) != RC_OK)
		fail_msg("%s", err.text);
	machine_start(machine);
}

static bool turn(struct machine *machine)
{
	machine->is_in_turn = true;
	bool is_done = loop_turn(machine->loop);
	machine->is_in_turn = false;
	return is_done;
}

static void turn_all(struct machine *machine)
{
	int64_t since = clock_monotonic_ms();
	unsigned turns = 0;

	while (turn(machine)) {
		machine->turns++;
		turns = clock_monotonic_ms() == since ? turns + 1 : 0;
		since = clock_monotonic_ms();
		if (turns > TURNS_MAX)
			fail_msg("the loop turns without end at %lld", (long long)clock_now());
		if (machine->after_turn)
			machine->after_turn(machine, machine->ctx);
	}
}

void machine_failures_forget(struct machine *machine)
{
	for (unsigned i = 0; i < machine->config->certificate_count; i++)
		machine->views[i].failed_at_ms = 0;
}

/* By this the daemon sees that its clock was set, or that the machine slept. */
static int64_t drift_now(void)
{
	return clock_now_ms() - clock_monotonic_ms();
}

void machine_run(struct machine *machine, int64_t until)
{
	int64_t looked_at = 0, checked_at = 0, drift = drift_now();
	unsigned starts = machine->starts;

	while (virtual_clock_true() < until) {
		if (machine->starts != starts)
			looked_at = checked_at = 0;
		if (clock_monotonic_ms() - looked_at >= LOOK_MS || looked_at == 0) {
			/* It is now that the daemon sees it, or that another one looks for the first time. */
			if (drift_now() != drift || machine->starts != starts)
				machine_failures_forget(machine);
			drift = drift_now();
			starts = machine->starts;
			loop_look_around(machine->loop);
			looked_at = clock_monotonic_ms();
		}
		turn_all(machine);
		if (machine->after_turn)
			machine->after_turn(machine, machine->ctx);
		if (clock_monotonic_ms() - checked_at >= CHECK_MS) {
			machine_check_all(machine);
			checked_at = clock_monotonic_ms();
		}
		int64_t idle = loop_idle_ms(machine->loop);
		virtual_clock_pass(idle > 0 ? idle : 1);
	}
}
