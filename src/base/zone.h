/* zone.h -- what the clock on a wall shows, in any zone and year; the system's time zone database, through GLib. */
#ifndef HWA_ZONE_H
#define HWA_ZONE_H

#include <stdint.h>

struct zone;
struct zone *zone_open(const char *name); /* "Europe/Paris"; NULL: there is no such zone here */
void zone_close(struct zone *zone);
int64_t zone_local(const struct zone *zone, int64_t at); /* seconds since 1970-01-01T00:00 on that wall */
/* When the wall shows so: the first time where it does twice, an hour later where it never does. */
int64_t zone_utc(const struct zone *zone, int64_t local);

#endif /* HWA_ZONE_H */
