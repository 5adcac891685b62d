/* settings_service.c -- understands `deploy` and `probe` of a certificate, and what a policy keeps of those before it. */
#include <stdio.h>
#include <string.h>

#include "settings_read.h"
#include "values.h"

#define DEPLOY_TIMEOUT_DEFAULT INT64_C(30)
#define DEPLOY_TIMEOUT_MAX     INT64_C(3600)
#define PROBE_TIMEOUT_DEFAULT  INT64_C(10)
#define PROBE_TIMEOUT_MAX      INT64_C(60)
#define PROBE_GRACE_DEFAULT    INT64_C(60)
#define PROBE_GRACE_MAX        INT64_C(600) /* `hwacme renew` waits for it */
#define PROBE_EVERY_DEFAULT    INT64_C(86400)
#define PROBE_EVERY_LEAST      INT64_C(60)
#define KEEP_MAX               100u

/* Whether there is such a user is known where the program is run. */
static enum rc read_user(const struct place *place, const char *option, char **text, char **ret)
{
	if (*text && !value_name(*text))
		return place_refuse(place, option, *text, "write the name of a user of this machine, such as www-data");
	*ret = TAKE(*text);
	return RC_OK;
}

enum rc read_deploy(const struct place *place, struct schema_deploy *texts, struct config_certificate *ret)
{
	ret->deploy_timeout = DEPLOY_TIMEOUT_DEFAULT;
	if (!texts)
		return RC_OK;
	enum rc rc = read_duration(place, "deploy.timeout", texts->timeout, &ret->deploy_timeout);
	if (rc == RC_OK && (ret->deploy_timeout < 1 || ret->deploy_timeout > DEPLOY_TIMEOUT_MAX))
		rc = place_refuse(place, "deploy.timeout", texts->timeout, "write a duration from 1s to 1h");
	if (rc == RC_OK)
		rc = read_user(place, "deploy.user", &texts->user, &ret->deploy_user);
	if (rc != RC_OK)
		return rc;
	ret->deploy_run = TAKE(texts->run);
	ret->deploy_run_count = texts->run_count;
	return RC_OK;
}

static enum rc read_probe_times(const struct place *place, const struct schema_probe *texts, struct config_probe *ret)
{
	*ret = (struct config_probe){ .timeout = PROBE_TIMEOUT_DEFAULT,
				      .grace = PROBE_GRACE_DEFAULT,
				      .every = PROBE_EVERY_DEFAULT };
	enum rc rc = read_duration(place, "probe.timeout", texts->timeout, &ret->timeout);

	if (rc == RC_OK && (ret->timeout < 1 || ret->timeout > PROBE_TIMEOUT_MAX))
		rc = place_refuse(place, "probe.timeout", texts->timeout, "write a duration from 1s to 60s");
	if (rc == RC_OK)
		rc = read_duration(place, "probe.grace", texts->grace, &ret->grace);
	if (rc == RC_OK && ret->grace > PROBE_GRACE_MAX)
		rc = place_refuse(place, "probe.grace", texts->grace, "write a duration from 0s to 10m");
	if (rc == RC_OK)
		rc = read_duration(place, "probe.every", texts->every, &ret->every);
	if (rc == RC_OK && ret->every && ret->every < PROBE_EVERY_LEAST)
		rc = place_refuse(place, "probe.every", texts->every, "write a duration from 60s on, or 0s for never");
	return rc;
}

enum rc read_probe(const struct place *place, struct schema_probe *texts, struct config_certificate *ret)
{
	struct config_probe *probe = &ret->probe;

	if (!texts)
		return RC_OK;
	if ((texts->connect != NULL) == (texts->run != NULL))
		return place_refuse(place, "probe", "probe", "write either connect: \"HOST:PORT\" or run: [PROGRAM, ...]");
	enum rc rc = read_probe_times(place, texts, probe);
	if (rc == RC_OK && texts->connect && !value_endpoint(texts->connect))
		rc = place_refuse(place, "probe.connect", texts->connect,
				  "write HOST:PORT, such as amf.example:443 or [::1]:443");
	if (rc == RC_OK && texts->server_name && (!texts->connect || !value_host(texts->server_name)))
		rc = place_refuse(place, "probe.server-name", texts->server_name,
				  "goes with \"connect\"; write a host name, such as amf.example");
	if (rc == RC_OK && texts->user && !texts->run)
		rc = place_refuse(place, "probe.user", texts->user, "goes with \"run\"; leave it out beside \"connect\"");
	if (rc == RC_OK)
		rc = read_user(place, "probe.user", &texts->user, &probe->user);
	if (rc != RC_OK)
		return rc;
	probe->connect = TAKE(texts->connect);
	probe->server_name = TAKE(texts->server_name);
	probe->run = TAKE(texts->run);
	probe->run_count = texts->run_count;
	return RC_OK;
}

enum rc read_retirement(const struct place *place, const struct schema_policy *texts, struct config_policy *ret)
{
	if (texts->revoke_superseded && !value_flag(texts->revoke_superseded, &ret->revoke_superseded))
		return place_refuse(place, "revoke-superseded", texts->revoke_superseded, "write true or false");
	if (texts->keep && !value_count(texts->keep, 1, KEEP_MAX, &ret->keep))
		return place_refuse(place, "keep", texts->keep, "write a number from 1, the live generation alone, to 100");
	return RC_OK;
}
