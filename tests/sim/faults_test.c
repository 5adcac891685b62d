/*
 * faults_test.c -- weeks of a daemon with fifty certificates while everything goes wrong by chance: none is lost, none is forgotten.
 *
 * A fixed seed and one that is new each time.  SIM_SEEDS=FROM-TO: those instead.  A seed that fails is printed, and
 * fails again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "chance.h"
#include "clock.h"
#include "fake_ca.h"
#include "fake_token.h"
#include "machine.h"
#include "promises.h"
#include "virtual_clock.h"
#include "weather.h"

#define RENEWALS_MAX 20 /* of each in all this time; those that live for days need seven */
#define CERTIFICATES 50
#define PER_HOUR     20 /* orders that the first authority takes */
#define WEEKS        2
#define SETTLE       (5 * FAKE_DAY) /* fair weather afterwards */
#define GRACE        INT64_C(21600) /* with CA, token and machine in order for so long nothing expires: the longest back-off */
#define HOUR_MS      INT64_C(3600000)

/* What each of ten certificates is like; "short" ones live for six days. */
static const char *const KINDS[] = {
	"authority: ca0\n    fallback: [ca1, ca2]\n    policy: plain\n    key: { token: t0, type: ec-p256 }",
	"authority: ca0\n    policy: plain\n    key: { token: t1, type: ec-p256, rotate: never }",
	"authority: ca1\n    policy: ari\n    key: { token: t0, type: ec-p256 }\n    deploy: { run: [/hook] }\n    probe: { run: "
	"[/probe], every: 1d, grace: 1m }",
	"authority: ca2\n    fallback: [ca0]\n    policy: windows\n    key: { token: t1, type: ec-p256 }\n    deploy: { run: "
	"[/hook] }",
	"authority: ca1\n    fallback: [ca0]\n    policy: preauthorized\n    key: { token: t0, type: ec-p256, rotate: 3d }",
};

/* What an operator may have written otherwise meanwhile. */
enum variant {
	VARIANT_NAMES = 1,
	VARIANT_TOKEN = 2,
	VARIANT_AUTHORITY = 4,
	VARIANT_TYPE = 8,
	VARIANT_PROFILE = 16,
	VARIANTS = 32
};
#define LEFT_OUT_MOST 15 /* certificates, the last ones, that the configuration may be without for a while */

static struct machine machine;
static struct weather weather;
static unsigned variants[CERTIFICATES], configured = CERTIFICATES;

/* The next token, the next authority, another type of key, a profile. */
static void kind_print(unsigned index, char text[256])
{
	snprintf(text, 256, "%s", KINDS[index % 5]);
	char *token = strstr(text, "token: t") + strlen("token: t"), *authority = text + strlen("authority: ca");

	if (variants[index] & VARIANT_TOKEN)
		*token = *token == '0' ? '1' : '0';
	if (variants[index] & VARIANT_TYPE)
		memcpy(strstr(text, "ec-p256"), "ec-p384", strlen("ec-p384"));
	if (variants[index] & VARIANT_PROFILE)
		strcat(text, "\n    profile: nf-tls-a");
	if (variants[index] & VARIANT_AUTHORITY) {
		char *fallback = strstr(text, "fallback:");

		*authority = (char)('0' + (*authority - '0' + 1) % FAKE_CAS_MAX);
		if (fallback)
			*fallback = '#';
	}
}

static void configure(FILE *file, void *ctx)
{
	(void)ctx;
	fputs("policies:\n  - { name: plain, ari: false }\n  - { name: ari, revoke-superseded: true }\n"
	      "  - { name: windows, windows: [\"daily 01:00-05:00 Europe/Paris\"] }\n"
	      "  - { name: preauthorized, preauthorized: 72h, margin: 12h, ari: false, keep: 2, retire-after: 6h, "
	      "revoke-superseded: true }\ncertificates:\n",
	      file);
	for (unsigned i = 0; i < configured; i++) {
		char name[32], also[64] = "", kind[256];

		snprintf(name, sizeof(name), "%s%u", i % 10 < 7 ? "short" : "long", i);
		if (variants[i] & VARIANT_NAMES)
			snprintf(also, sizeof(also), ", \"dns:also.%s.example\"", name);
		kind_print(i, kind);
		fprintf(file,
			"  - name: %s\n    %s\n    names: [\"dns:%s.example\"%s]\n    challenge: { dns-01: { hook: [/hook] } }\n",
			name, kind, name, also);
	}
}

/* Another configuration of the same certificates, without some of them now and then. */
static void reconfigure(FILE *file, void *ctx)
{
	configured = CERTIFICATES - (chance_one_in(3) ? (unsigned)chance_between(1, LEFT_OUT_MOST) : 0);
	for (unsigned i = 0; i < CERTIFICATES; i++)
		if (chance_one_in(6))
			variants[i] = (unsigned)chance_between(0, VARIANTS - 1);
	configure(file, ctx);
}

/* In the end all of them are there, as they were. */
static void configure_again(FILE *file, void *ctx)
{
	memset(variants, 0, sizeof(variants));
	configured = CERTIFICATES;
	configure(file, ctx);
}

static int64_t later(int64_t one, int64_t other)
{
	return one > other ? one : other;
}

/* Of an authority; INT64_MAX: it is not now.  Who was told to wait waits. */
static int64_t ca_fair_since(unsigned ca)
{
	for (int kind = WEATHER_CA_DOWN; kind <= WEATHER_CA_SLOW; kind++)
		if (weather.ends_at[kind] && weather.which[kind] % FAKE_CAS_MAX == ca)
			return INT64_MAX;
	return later(weather.ca_bad_until[ca], fake_ca_get(ca)->away_until_ms / 1000);
}

/* Since when it gives something of use to whom it answers. */
static int64_t ca_useful_since(unsigned ca)
{
	for (int kind = WEATHER_CA_WRONG; kind <= WEATHER_CA_SLOW; kind++)
		if (weather.ends_at[kind] && weather.which[kind] % FAKE_CAS_MAX == ca)
			return INT64_MAX;
	return weather.ca_refused_until[ca];
}

/* Since when everything that the certificate needs has been in order; INT64_MAX: it is not now. */
static int64_t fair_since(const struct config_certificate *certificate)
{
	int64_t since = INT64_MAX;
	unsigned token = certificate->key.token[1] == '1';

	for (unsigned i = 0; i <= certificate->fallback_count; i++) {
		unsigned ca = (unsigned)((i ? certificate->fallback[i - 1] : certificate->authority)[2] - '0');
		int64_t one = later(ca_fair_since(ca), ca_useful_since(ca));

		since = one < since ? one : since;
	}
	for (int kind = WEATHER_TOKEN_AWAY; kind <= WEATHER_TOKEN_PIN; kind++)
		/* t0 has the account keys of all. */
		if (weather.ends_at[kind] && (weather.which[kind] % 2 == 0 || token))
			return INT64_MAX;
	for (int kind = WEATHER_HOOKS; kind <= WEATHER_CLOCK; kind++)
		if (weather.ends_at[kind])
			return INT64_MAX;
	for (unsigned i = 0; i < 2; i++)
		if (i == 0 || token)
			since = later(since, weather.token_bad_until[i]);
	return later(since, weather.machine_bad_until);
}

static unsigned expiries(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < CERTIFICATES; i++)
		count += machine.views[i].expired;
	return count;
}

/* Each turn: what has expired, and was not to. */
static void pass(struct machine *passed, void *ctx)
{
	int64_t now = virtual_clock_true();

	for (unsigned i = 0; i < machine.config->certificate_count; i++) {
		const struct machine_view *view = &machine.views[i];
		int64_t since = fair_since(&machine.config->certificates[i]);

		if (view->generation && view->not_after <= now && since < INT64_MAX && now - since > GRACE && !view->is_expired)
			fail_msg("%s expired although all it needs was in order for %lld h", machine.config->certificates[i].name,
				 (long long)(now - since) / 3600);
	}
	weather_pass(passed, ctx);
}

static void print_weather(uint64_t seed)
{
	print_message("seed %llu: ", (unsigned long long)seed);
	for (int kind = 0; kind < WEATHER_KIND_COUNT; kind++)
		print_message("%s %u, ", weather_name((enum weather_kind)kind), weather.count[kind]);
}

/* Of all certificates and authorities together. */
struct sums {
	unsigned issued, wrong, revoked, renewals, failures, unsaved;
	size_t busiest;
};

static struct sums sums_make(void)
{
	struct sums sums = { 0 };

	for (unsigned i = 0; i < FAKE_CAS_MAX; i++) {
		size_t most = fake_times_most(&fake_ca_get(i)->requests, HOUR_MS);

		sums.issued += fake_ca_get(i)->issued;
		sums.wrong += fake_ca_get(i)->wrong;
		sums.revoked += (unsigned)fake_ca_get(i)->revocations.count;
		sums.busiest = most > sums.busiest ? most : sums.busiest;
	}
	for (unsigned i = 0; i < CERTIFICATES; i++) {
		sums.renewals += machine.views[i].renewals;
		sums.failures += machine.views[i].failures;
		sums.unsaved += machine.views[i].unsaved;
	}
	return sums;
}

static void print_end(const struct sums *sums, const struct promises_orders *orders, const struct promises_hour *hour)
{
	print_message(
		"%u starts; %u issued, %u revoked, %u renewals, %u failures (at least %u s apart), %u expired with reason; "
		"orders "
		"abandoned: %u lost, %u unsaved, %u moved, %u mistold, %u by a set clock, %u without a key, %u for nothing; %zu "
		"requests in the "
		"busiest "
		"hour of an authority; the least useful hour had %zu for %zu pieces of work, of %zu allowed; %zu keys at the "
		"most\n",
		machine.starts, sums->issued, sums->revoked, sums->renewals, sums->failures,
		machine.soonest_failure_s == UINT_MAX ? 0 : machine.soonest_failure_s, expiries(), orders->lost, orders->unsaved,
		orders->moved, orders->mistold, orders->jumped, orders->keyless, orders->none, sums->busiest, hour->requests,
		hour->works, hour->allowed, machine.most_keys);
}

/* What is live is not revoked, and what it replaced was cleared away, or waits no longer than its policy says. */
static void check_clear(uint64_t seed, const char *name)
{
	const int64_t now = clock_now(), most = now + FAKE_DAY;
	struct store_certificate record;

	assert_int_equal(store_certificate_load(machine.store, name, &record, NULL), RC_OK);
	size_t serial = (size_t)(strtoull(record.serial, NULL, 16) & ~FAKE_CA_SERIALS);
	if (fake_ca_has_revoked((unsigned)(record.authority[2] - '0'), serial))
		fail_msg("seed %llu: %s is revoked, and live", (unsigned long long)seed, name);
	const int64_t times[] = { record.service.revoke_at, record.service.prune_at };
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		if (times[i] && (times[i] < now - 2 * LOOP_RETIRE || times[i] > most))
			fail_msg("seed %llu: what %s replaced is to be %s %lld s from now", (unsigned long long)seed, name,
				 i ? "removed" : "revoked", (long long)(times[i] - now));
}

static void made_note(void *ctx, const struct fake_order_view *view)
{
	fake_times_add(ctx, view->made_at_ms);
}

/* An operator does not wait; and what an hour is, nobody knows whose clock was set in it, or who was configured otherwise. */
static void check_limit(uint64_t seed)
{
	struct fake_times made = { 0 };

	fake_ca_orders_each(0, made_note, &made);
	for (size_t last = PER_HOUR; last < made.count; last++) {
		int64_t from = made.at[last - PER_HOUR], to = made.at[last];

		if (to - from < HOUR_MS && !fake_times_within(&weather.clock_sets, from - HOUR_MS, to) &&
		    !fake_times_within(&weather.operated, from - HOUR_MS, to))
			fail_msg("seed %llu: more than %d orders in the hour until %lld", (unsigned long long)seed, PER_HOUR,
				 (long long)to / 1000);
	}
	free(made.at);
}

static void check_end(uint64_t seed)
{
	struct promises_orders orders = promises_orders(&machine, &weather.clock_sets, &weather.key_losses);
	struct promises_hour hour = promises_hour(&machine, &weather.clock_sets);

	struct sums sums = sums_make();

	print_weather(seed);
	print_end(&sums, &orders, &hour);
	machine_check_all(&machine);
	machine_check_keys(&machine);
	for (unsigned i = 0; i < CERTIFICATES; i++)
		check_clear(seed, machine.config->certificates[i].name);
	for (unsigned i = 0; i < FAKE_CAS_MAX; i++)
		if (fake_ca_get(i)->too_early)
			fail_msg("seed %llu: ca%u was asked %u times before its Retry-After: %s", (unsigned long long)seed, i,
				 fake_ca_get(i)->too_early, fake_ca_get(i)->too_early_what);
	for (unsigned i = 0; i < FAKE_CAS_MAX; i++)
		if (fake_ca_get(i)->most_looks > PROMISES_LOOKS)
			fail_msg("seed %llu: ca%u was asked %u times in an hour about one order", (unsigned long long)seed, i,
				 fake_ca_get(i)->most_looks);
	for (unsigned i = 0; i < CERTIFICATES; i++)
		if (machine.views[i].not_after <= virtual_clock_true())
			fail_msg("seed %llu: %s is not valid after %lld days in order", (unsigned long long)seed,
				 machine.config->certificates[i].name, (long long)(SETTLE / FAKE_DAY));
	/* By no clock is one renewed over and over. */
	if (sums.renewals > CERTIFICATES * RENEWALS_MAX)
		fail_msg("seed %llu: %u renewals of %d certificates", (unsigned long long)seed, sums.renewals, CERTIFICATES);
	/* One in eight that a wrong clock makes useless is ordered anew; so is what could not be written down, or moved. */
	if (sums.issued >
	    sums.renewals + CERTIFICATES + sums.failures / 8 + sums.unsaved + orders.moved + orders.mistold + sums.wrong)
		fail_msg("seed %llu: %u certificates were issued for %u renewals", (unsigned long long)seed, sums.issued,
			 sums.renewals);
	check_limit(seed);
	if (orders.none)
		fail_msg("seed %llu: %u orders were abandoned for nothing; the first is %s", (unsigned long long)seed,
			 orders.none, orders.first);
	if (machine.soonest_failure_s < LOOP_REST - 1)
		fail_msg("seed %llu: after %u s one failed again: %s", (unsigned long long)seed, machine.soonest_failure_s,
			 machine.soonest_failure);
	if (hour.requests > hour.allowed)
		fail_msg("seed %llu: in the hour until %lld there were %zu requests for %zu pieces of work",
			 (unsigned long long)seed, (long long)hour.at, hour.requests, hour.works);
}

static void run_seed(uint64_t seed)
{
	chance_start(seed);
	virtual_clock_start(0);
	fake_tokens_start();
	fake_ca_start();
	fake_ca_get(1)->has_renewal_info = fake_ca_get(2)->has_renewal_info = true;
	fake_ca_get(1)->preauthorized = 3 * FAKE_DAY;
	machine_new(&machine, PER_HOUR, configure, NULL);
	machine_start(&machine);
	/* All are issued before it begins to rain. */
	machine_run(&machine, VIRTUAL_START + 7200);
	weather_start(&weather, reconfigure);
	machine.after_turn = pass;
	machine.ctx = &weather;
	machine_run(&machine, VIRTUAL_START + WEEKS * 7 * FAKE_DAY);
	weather_end(&weather, &machine);
	weather_reload(&weather, &machine, configure_again);
	machine_run(&machine, VIRTUAL_START + WEEKS * 7 * FAKE_DAY + SETTLE);
	check_end(seed);
	free(weather.clock_sets.at);
	free(weather.operated.at);
	free(weather.key_losses.at);
	machine_free(&machine);
	fake_ca_stop();
	fake_tokens_stop();
}

static void nothing_is_lost_in_any_weather(void **state)
{
	static const uint64_t fixed[] = { 3 };
	unsigned long long from = 0, to = 0;
	const char *seeds = getenv("SIM_SEEDS");

	(void)state;
	if (seeds && sscanf(seeds, "%llu-%llu", &from, &to) == 1)
		to = from;
	for (unsigned long long seed = from; seeds && seed <= to; seed++)
		run_seed(seed);
	for (size_t i = 0; !seeds && i < sizeof(fixed) / sizeof(fixed[0]); i++)
		run_seed(fixed[i]);
	if (!seeds) {
		uint64_t seed = (uint64_t)time(NULL) << 16 | (uint64_t)getpid() % 65536;

		print_message("a new seed: %llu\n", (unsigned long long)seed);
		run_seed(seed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_lost_in_any_weather),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
