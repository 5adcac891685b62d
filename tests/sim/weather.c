/* weather.c -- begins and ends what goes wrong, and remembers when each thing was last out of order. */
#include "weather.h"

#include <string.h>

#include "chance.h"
#include "clock.h"
#include "fake_ca.h"
#include "fake_token.h"
#include "log.h"
#include "virtual_clock.h"

#define MINUTE      INT64_C(60)
#define HOUR        (60 * MINUTE)
#define OPERATED    (20 * MINUTE) /* its patience, and a step that takes long */
#define CA_WRONG    (55 * MINUTE) /* at the most: what it issues begins an hour before its time, and is valid all the same */
#define CLOCK_WRONG (9 * HOUR)    /* at the most; a third of the times a thousand times that, as with an empty battery */

#define X(name, text) text,
static const char *const NAMES[] = { WEATHER_KINDS(X) };
#undef X

/* Most are short; a few last for days. */
static const int64_t LASTS[WEATHER_KIND_COUNT] = {
	[WEATHER_CA_DOWN] = 30 * HOUR,      [WEATHER_CA_BUSY] = 23 * HOUR,    [WEATHER_CA_ODD] = 40 * HOUR,
	[WEATHER_TOKEN_AWAY] = 80 * HOUR,   [WEATHER_TOKEN_BUSY] = 12 * HOUR, [WEATHER_HOOKS] = 20 * HOUR,
	[WEATHER_CA_NONSENSE] = 120 * HOUR, [WEATHER_CA_WRONG] = 90 * HOUR,   [WEATHER_CA_SLOW] = 30 * HOUR,
	[WEATHER_TOKEN_FULL] = 12 * HOUR,   [WEATHER_TOKEN_PIN] = 12 * HOUR,  [WEATHER_CA_WINDOWS] = 60 * HOUR,
	[WEATHER_CA_SHORT] = 60 * HOUR,     [WEATHER_DISK_FULL] = 30 * HOUR,  [WEATHER_DISK_BAD] = 6 * HOUR,
	[WEATHER_HOOKS_SLOW] = 20 * HOUR,   [WEATHER_CLOCK] = 10 * HOUR,      [WEATHER_POWER] = 60 * HOUR,
	[WEATHER_NETWORK] = 30 * HOUR,      [WEATHER_ASLEEP] = 30 * HOUR,     [WEATHER_OFF] = 60 * HOUR,
	[WEATHER_CA_CLOCK] = 60 * HOUR
};

const char *weather_name(enum weather_kind kind)
{
	return NAMES[kind];
}

void weather_start(struct weather *weather, void (*configure)(FILE *file, void *ctx))
{
	*weather = (struct weather){ .configure = configure };
	/* Some worlds are worse than others, and in some there is nothing but storm. */
	weather->pause = chance_one_in(4) ? chance_between(5 * MINUTE, 40 * MINUTE) : chance_between(30 * MINUTE, 8 * HOUR);
	weather->next_at = virtual_clock_true() + weather->pause;
}

/* What a clock says that was set while one waits by it is nobody's fault, nor what could not be written down. */
static void early_forgive(void)
{
	for (unsigned i = 0; i < FAKE_CAS_MAX; i++)
		fake_ca_get(i)->quiet_until_ms = 0;
}

static int64_t later(int64_t one, int64_t other)
{
	return one > other ? one : other;
}

static void clock_set(struct weather *weather, struct machine *machine, int64_t seconds)
{
	fake_times_add(&weather->clock_sets, virtual_clock_true_ms());
	virtual_clock_set_wrong(seconds);
	early_forgive();
	machine_failures_forget(machine);
}

static struct fake_token *token_of(unsigned which)
{
	return fake_token_get(which % 2 ? "t1" : "t0");
}

void weather_reload(struct weather *weather, struct machine *machine, void (*configure)(FILE *file, void *ctx))
{
	/* What is configured otherwise ends orders that are open, as a clock does. */
	fake_times_add(&weather->clock_sets, virtual_clock_true_ms());
	machine_reload(machine, configure, weather);
	machine_failures_forget(machine);
	weather->machine_bad_until = virtual_clock_true();
}

/* The power is back at once. */
static void switch_on(struct machine *machine)
{
	machine_stop(machine);
	machine->is_cut_off = false;
	early_forgive();
	machine_start(machine);
	machine_failures_forget(machine);
}

/* Some are to be renewed now; nobody is asked to wait, and what failed just before is tried again. */
static void operate(struct weather *weather, struct machine *machine)
{
	fake_times_add(&weather->operated, virtual_clock_true_ms());
	weather->operated_until = virtual_clock_true() + OPERATED;
	machine_failures_forget(machine);
	for (int64_t i = chance_between(1, 5); i > 0; i--)
		loop_ask(machine->loop, &machine->config->certificates[chance_between(0, machine->config->certificate_count - 1)],
			 chance_one_in(2) ? RENEWAL_FORCED : RENEWAL_ASKED);
}

static void ca_begin(struct fake_ca *ca, enum weather_kind kind, int64_t ends_at)
{
	switch (kind) {
	case WEATHER_CA_DOWN: ca->is_down = true; break;
	case WEATHER_CA_BUSY: ca->busy_until_ms = ends_at * 1000; break;
	case WEATHER_CA_ODD:
		ca->mishaps = (struct fake_ca_mishaps){ .lost_before = 20,
							.lost_after = 20,
							.bad_nonce = 10,
							.internal = 25,
							.invalid = 8,
							.forgotten = 40,
							.limited = 10,
							.lapsed = 20 };
		break;
	case WEATHER_CA_NONSENSE:
		ca->nonsense_one_in = chance_one_in(2) ? 1 : (unsigned)chance_between(2, 6);
		ca->nonsense = chance_one_in(2) ? 0 : (unsigned)chance_between(1, FAKE_NONSENSE);
		break;
	case WEATHER_CA_WRONG: ca->wrong_one_in = (unsigned)chance_between(1, 3); break;
	case WEATHER_CA_SLOW:
		ca->approval = chance_between(1, 4 * HOUR);
		ca->order_life = chance_one_in(2) ? chance_between(MINUTE, 8 * HOUR) : 7 * FAKE_DAY;
		break;
	case WEATHER_CA_WINDOWS: ca->window = (enum fake_window)chance_between(1, FAKE_WINDOWS - 1); break;
	case WEATHER_CA_CLOCK: ca->ahead = chance_between(-CA_WRONG, CA_WRONG); break;
	case WEATHER_CA_SHORT: ca->short_life = chance_between(4 * HOUR, 4 * FAKE_DAY); break;
	default: break;
	}
}

static void ca_end(struct fake_ca *ca, enum weather_kind kind)
{
	switch (kind) {
	case WEATHER_CA_DOWN: ca->is_down = false; break;
	case WEATHER_CA_BUSY: ca->busy_until_ms = 0; break;
	case WEATHER_CA_ODD: ca->mishaps = (struct fake_ca_mishaps){ .bad_nonce = 200 }; break;
	case WEATHER_CA_NONSENSE: ca->nonsense_one_in = 0; break;
	case WEATHER_CA_WRONG: ca->wrong_one_in = 0; break;
	case WEATHER_CA_SLOW:
		ca->approval = 0;
		ca->order_life = 7 * FAKE_DAY;
		break;
	case WEATHER_CA_WINDOWS: ca->window = FAKE_WINDOW_USUAL; break;
	case WEATHER_CA_CLOCK: ca->ahead = 0; break;
	case WEATHER_CA_SHORT: ca->short_life = 6 * FAKE_DAY; break;
	default: break;
	}
}

/* The one that has no account's key: without that nothing is done before somebody registers another.  What was ordered for a key that is lost
 * is of no use. */
static void clear(struct weather *weather, struct machine *machine)
{
	fake_token_clear(token_of(1));
	fake_times_add(&weather->key_losses, virtual_clock_true_ms());
	machine_failures_forget(machine);
	weather->token_bad_until[1] = virtual_clock_true();
}

/* Nothing is done for so long: the daemon is not there, or does not know how the time passes. */
static void lose_time(struct weather *weather, struct machine *machine, bool is_off, int64_t seconds)
{
	if (is_off) {
		machine_stop(machine);
		virtual_clock_off(seconds * 1000);
		machine_start(machine);
	} else {
		virtual_clock_sleep(seconds * 1000);
	}
	machine_failures_forget(machine);
	weather->machine_bad_until = later(weather->machine_bad_until, virtual_clock_true());
}

/* What is over at once, or when it is looked at again: true. */
static bool happen(struct weather *weather, struct machine *machine, enum weather_kind kind, int64_t ends_at)
{
	switch (kind) {
	case WEATHER_RESTART:
		machine_stop(machine);
		machine_start(machine);
		machine_failures_forget(machine);
		return true;
	case WEATHER_RELOAD: weather_reload(weather, machine, weather->configure); return true;
	case WEATHER_TOKEN_CLEARED: clear(weather, machine); return true;
	case WEATHER_ASLEEP:
	case WEATHER_OFF: lose_time(weather, machine, kind == WEATHER_OFF, ends_at - virtual_clock_true()); return true;
	case WEATHER_CA_WIPED: fake_ca_wipe(weather->which[kind] % FAKE_CAS_MAX); return true;
	case WEATHER_OPERATOR: operate(weather, machine); return true;
	default: return false;
	}
}

static void begin(struct weather *weather, struct machine *machine, enum weather_kind kind, int64_t ends_at)
{
	unsigned which = (unsigned)chance_between(0, 5);

	weather->which[kind] = which;
	weather->count[kind]++;
	log_event(LOG_INFO, "weather: %s (%u) for %lld s", NAMES[kind], which, (long long)(ends_at - virtual_clock_true()));
	if (happen(weather, machine, kind, ends_at))
		return;
	weather->ends_at[kind] = ends_at;
	switch (kind) {
	case WEATHER_TOKEN_AWAY: token_of(which)->is_away = true; break;
	case WEATHER_TOKEN_BUSY: token_of(which)->busy_one_in = 15; break;
	case WEATHER_TOKEN_FULL: token_of(which)->is_full = true; break;
	case WEATHER_TOKEN_PIN: token_of(which)->is_refusing = true; break;
	case WEATHER_HOOKS: machine->hook_fails_one_in = (unsigned)chance_between(1, 3); break;
	case WEATHER_HOOKS_SLOW: machine->hook_ms = (unsigned)chance_between(1000, 60000); break;
	case WEATHER_DISK_FULL: machine->is_disk_full = true; break;
	case WEATHER_DISK_BAD: machine->is_disk_bad = true; break;
	case WEATHER_NETWORK: fake_ca_cut_off(true); break;
	case WEATHER_CLOCK:
		clock_set(weather, machine, chance_between(-CLOCK_WRONG, CLOCK_WRONG) * (chance_one_in(3) ? 1000 : 1));
		break;
	case WEATHER_POWER: machine->dies_after = (unsigned)chance_between(1, 8); break;
	default: ca_begin(fake_ca_get(which % FAKE_CAS_MAX), kind, ends_at); break;
	}
}

static void end(struct weather *weather, struct machine *machine, enum weather_kind kind)
{
	unsigned which = weather->which[kind], ca = which % FAKE_CAS_MAX;
	int64_t now = virtual_clock_true();

	weather->ends_at[kind] = 0;
	log_event(LOG_INFO, "weather: no more %s", NAMES[kind]);
	switch (kind) {
	case WEATHER_TOKEN_AWAY: token_of(which)->is_away = false; break;
	case WEATHER_TOKEN_BUSY: token_of(which)->busy_one_in = 0; break;
	case WEATHER_TOKEN_FULL: token_of(which)->is_full = false; break;
	case WEATHER_TOKEN_PIN: token_of(which)->is_refusing = false; break;
	case WEATHER_HOOKS: machine->hook_fails_one_in = 0; break;
	case WEATHER_HOOKS_SLOW: machine->hook_ms = 0; break;
	case WEATHER_DISK_FULL: machine->is_disk_full = false; break;
	case WEATHER_DISK_BAD: machine->is_disk_bad = false; break;
	case WEATHER_NETWORK: fake_ca_cut_off(false); break;
	case WEATHER_CLOCK: clock_set(weather, machine, 0); break;
	case WEATHER_POWER: machine->dies_after = 0; break;
	default: ca_end(fake_ca_get(ca), kind); break;
	}
	if (kind >= WEATHER_CA_DOWN && kind <= WEATHER_CA_SLOW)
		weather->ca_bad_until[ca] = now;
	if (kind == WEATHER_CA_WRONG || kind == WEATHER_CA_SLOW)
		weather->ca_refused_until[ca] = now;
	if (kind >= WEATHER_TOKEN_AWAY && kind <= WEATHER_TOKEN_PIN)
		weather->token_bad_until[which % 2] = now;
	if (kind >= WEATHER_HOOKS && kind <= WEATHER_POWER)
		/* A Retry-After that was noted by a wrong clock is obeyed for a day at the most. */
		weather->machine_bad_until = now + (kind == WEATHER_CLOCK ? CLOCK_RETRY_MAX : 0);
}

static void change(struct weather *weather, struct machine *machine)
{
	int64_t now = virtual_clock_true();
	enum weather_kind kind = (enum weather_kind)chance_between(0, WEATHER_KIND_COUNT - 1);

	weather->next_at = now + chance_between(0, 2 * weather->pause);
	if (weather->ends_at[kind])
		return;
	/* One in eight is a long one. */
	int64_t most = LASTS[kind] / (chance_one_in(8) ? 1 : 10);
	begin(weather, machine, kind, now + chance_between(MINUTE, most > MINUTE ? most : 2 * MINUTE));
}

void weather_pass(struct machine *machine, void *ctx)
{
	struct weather *weather = ctx;
	int64_t now = virtual_clock_true();

	if (machine->is_disk_full)
		early_forgive();
	if (machine->is_cut_off)
		switch_on(machine);
	for (int kind = 0; kind < WEATHER_KIND_COUNT; kind++)
		if (weather->ends_at[kind] && now >= weather->ends_at[kind])
			end(weather, machine, (enum weather_kind)kind);
	if (!weather->is_over && now >= weather->next_at)
		change(weather, machine);
	/* Who asked is told after a while that it takes longer, which is no failure. */
	if (now < weather->operated_until) {
		early_forgive();
		machine_failures_forget(machine);
	}
}

void weather_end(struct weather *weather, struct machine *machine)
{
	weather->is_over = true;
	for (int kind = 0; kind < WEATHER_KIND_COUNT; kind++)
		if (weather->ends_at[kind])
			end(weather, machine, (enum weather_kind)kind);
	for (unsigned i = 0; i < FAKE_CAS_MAX; i++)
		fake_ca_get(i)->mishaps = (struct fake_ca_mishaps){ 0 };
}
