/* weather.h -- what goes wrong in the world of a simulation, and for how long: drawn from the seed. */
#ifndef HWA_SIM_WEATHER_H
#define HWA_SIM_WEATHER_H

#include "machine.h"

/* X(enumerator, name): of an authority that then has nothing to give, of a token, of the machine; and what is in nobody's way. */
#define WEATHER_KINDS(X)                  \
	X(CA_DOWN, "CA down")             \
	X(CA_BUSY, "503 from CA")         \
	X(CA_ODD, "CA mishaps")           \
	X(CA_NONSENSE, "CA garbled")      \
	X(CA_WRONG, "wrong certificates") \
	X(CA_SLOW, "slow CA")             \
	X(TOKEN_AWAY, "token away")       \
	X(TOKEN_BUSY, "token busy")       \
	X(TOKEN_FULL, "token full")       \
	X(TOKEN_PIN, "PIN refused")       \
	X(HOOKS, "hooks fail")            \
	X(DISK_FULL, "disk full")         \
	X(DISK_BAD, "disk bad")           \
	X(NETWORK, "network down")        \
	X(HOOKS_SLOW, "slow hooks")       \
	X(CLOCK, "clock set")             \
	X(RESTART, "restart")             \
	X(POWER, "power cut")             \
	X(RELOAD, "reload")               \
	X(ASLEEP, "machine asleep")       \
	X(OFF, "machine off")             \
	X(TOKEN_CLEARED, "token cleared") \
	X(CA_CLOCK, "CA's clock wrong")   \
	X(CA_WINDOWS, "odd windows")      \
	X(CA_SHORT, "short lives")        \
	X(CA_WIPED, "CA's data lost")     \
	X(OPERATOR, "renewals forced")

#define X(name, text) WEATHER_##name,
enum weather_kind { WEATHER_KINDS(X) WEATHER_KIND_COUNT };
#undef X

struct weather {
	int64_t ends_at[WEATHER_KIND_COUNT]; /* of the world; 0: not now */
	unsigned which[WEATHER_KIND_COUNT];  /* authority or token */
	unsigned count[WEATHER_KIND_COUNT];
	int64_t next_at, pause;                                         /* between two beginnings, on average */
	int64_t ca_bad_until[3], token_bad_until[2], machine_bad_until; /* when each could last not do its work */
	int64_t ca_refused_until[3]; /* when it could last be reached, and gave nothing of use */
	struct fake_times clock_sets;
	struct fake_times key_losses; /* each ends orders that are open, too */
	struct fake_times operated;
	int64_t operated_until; /* an operator does not wait for what a CA said to others */
	bool is_over;
	void (*configure)(FILE *file, void *ctx); /* writes another configuration */
};

void weather_start(struct weather *weather, void (*configure)(FILE *file, void *ctx));
/* machine->after_turn; ctx is the weather. */
void weather_pass(struct machine *machine, void *ctx);
/* The daemon is given another configuration. */
void weather_reload(struct weather *weather, struct machine *machine, void (*configure)(FILE *file, void *ctx));
/* It clears, and stays so. */
void weather_end(struct weather *weather, struct machine *machine);
const char *weather_name(enum weather_kind kind);

#endif /* HWA_SIM_WEATHER_H */
