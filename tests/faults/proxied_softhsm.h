/* proxied_softhsm.h -- a SoftHSM of the test's own behind the proxy, which counts its calls and lies on request; after cmocka. */
#ifndef HWA_PROXIED_SOFTHSM_H
#define HWA_PROXIED_SOFTHSM_H

#include "p11_proxy.h"
#include "softhsm.h"
#include "stage.h"
#include "sweep.h"

static struct softhsm softhsm;
static char module[] = P11_PROXY;
static struct world world;

/* `label` stays the caller's, and good until the end. */
static inline int proxied_start(char *label)
{
	struct err err = { 0 };

	p11_proxy_script("");
	if (softhsm_start_in(&softhsm, sweep_directory()) != 0 || softhsm_add(label) != 0)
		return -1;
	world = (struct world){ .config = softhsm_config(&softhsm, label), .keys_dir = softhsm.dir, .secret = SOFTHSM_PIN };
	world.config.module = module;
	return world_begin(&world, &err) == RC_OK ? 0 : -1;
}

static int proxied_stop(void **state)
{
	(void)state;
	p11_proxy_script("");
	softhsm_stop(&softhsm);
	return 0;
}

static inline void expect(enum rc rc, enum rc wanted, const struct err *err)
{
	if (rc != wanted)
		fail_msg("%s, not %s: %s", sweep_rc_name(rc), sweep_rc_name(wanted), rc == RC_OK ? "" : err->text);
}

static inline void the_kept_key_is_there(void)
{
	p11_proxy_script("");
	sweep_case("afterwards");
	world_check(&world);
	assert_int_equal(sweep_end("afterwards"), 0);
}

#endif /* HWA_PROXIED_SOFTHSM_H */
