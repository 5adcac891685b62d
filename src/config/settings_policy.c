/* settings_policy.c -- understands an entry of `policies:`; what it does not say has the defaults of lookup.c. */
#include <string.h>

#include "settings_read.h"
#include "values.h"

/* Within its bounds, or not given. */
static bool is_percent(const char *text, unsigned least, unsigned most, unsigned *ret)
{
	return !text || (value_percent(text, ret) && *ret >= least && *ret <= most);
}

static enum rc read_windows(const struct place *place, const struct schema_policy *texts, struct config_policy *ret)
{
	if (!texts->windows_count)
		return RC_OK;
	ret->windows = calloc(texts->windows_count, sizeof(*ret->windows));
	if (!ret->windows)
		return err_set(place->err, RC_RESOURCE, "out of memory");
	for (unsigned i = 0; i < texts->windows_count; i++) {
		const char *fault = window_parse(texts->windows[i], &ret->windows[i]);

		if (fault)
			return place_refuse(place, "windows", texts->windows[i], fault);
		ret->window_count++;
	}
	return RC_OK;
}

static enum rc check_durations(const struct place *place, const struct schema_policy *texts, const struct config_policy *policy)
{
	if (policy->wait > CONFIG_WAIT_MAX)
		return place_refuse(place, "wait", texts->wait, "write a duration from 0s to 24h");
	if (policy->preauthorized && policy->margin >= policy->preauthorized)
		return place_refuse(place, "preauthorized", texts->preauthorized,
				    "the interval is not longer than \"margin\" (24h when not given); write a shorter margin");
	return RC_OK;
}

enum rc read_policy(const struct place *place, struct schema_policy *texts, struct config_policy *ret)
{
	*ret = *config_policy_get(NULL, NULL);
	enum rc rc = read_name(place, &texts->name, &ret->name);

	ret->line = document_line(place->document, place->path);
	if (rc == RC_OK && !is_percent(texts->renew_after, 1, 99, &ret->renew_after_percent))
		rc = place_refuse(place, "renew-after", texts->renew_after, "write a part of the lifetime from 1% to 99%");
	if (rc == RC_OK && !is_percent(texts->jitter, 0, 50, &ret->jitter_percent))
		rc = place_refuse(place, "jitter", texts->jitter, "write a percentage from 0% to 50%");
	const struct {
		const char *option, *text;
		int64_t *ret;
	} durations[] = {
		{ "renew-before", texts->renew_before, &ret->renew_before },
		{ "preauthorized", texts->preauthorized, &ret->preauthorized },
		{ "margin", texts->margin, &ret->margin },
		{ "wait", texts->wait, &ret->wait },
		{ "retire-after", texts->retire_after, &ret->retire_after },
		{ "fallback-after", texts->fallback_after, &ret->fallback_after },
		{ "boot-spread", texts->boot_spread, &ret->boot_spread },
	};
	for (size_t i = 0; rc == RC_OK && i < sizeof(durations) / sizeof(durations[0]); i++)
		rc = read_duration(place, durations[i].option, durations[i].text, durations[i].ret);
	if (rc == RC_OK && texts->ari && !value_flag(texts->ari, &ret->ari))
		rc = place_refuse(place, "ari", texts->ari, "write true or false");
	if (rc == RC_OK)
		rc = read_retirement(place, texts, ret);
	if (rc == RC_OK)
		rc = read_windows(place, texts, ret);
	return rc == RC_OK ? check_durations(place, texts, ret) : rc;
}
