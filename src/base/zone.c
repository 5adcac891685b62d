/* zone.c -- GLib's time zones: they read the database once and never again, and change nothing of the process's own. */
#include "zone.h"

#include <glib.h>
#include <string.h>

/* Nobody sees inside: a GTimeZone, which is shared and counted by GLib. */
static GTimeZone *inside(const struct zone *zone)
{
	return (GTimeZone *)(uintptr_t)zone;
}

struct zone *zone_open(const char *name)
{
	/* GLib also takes offsets and files; a name with a rule behind it is what a window needs. */
	if (strcmp(name, "UTC") != 0 && !strchr(name, '/'))
		return NULL;
	if (name[0] == '/' || strstr(name, ".."))
		return NULL;
	return (struct zone *)g_time_zone_new_identifier(name);
}

void zone_close(struct zone *zone)
{
	if (zone)
		g_time_zone_unref(inside(zone));
}

int64_t zone_local(const struct zone *zone, int64_t at)
{
	int interval = g_time_zone_find_interval(inside(zone), G_TIME_TYPE_UNIVERSAL, at);

	return at + g_time_zone_get_offset(inside(zone), interval);
}

int64_t zone_utc(const struct zone *zone, int64_t local)
{
	gint64 wall = local;
	/* Moves `wall` out of the hour that is left out in spring. */
	int interval = g_time_zone_adjust_time(inside(zone), G_TIME_TYPE_DAYLIGHT, &wall);

	return wall - g_time_zone_get_offset(inside(zone), interval);
}
