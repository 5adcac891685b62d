/* notify.h -- tells the service manager how we are, sd_notify(3); without one nothing is said. */
#ifndef HWA_NOTIFY_H
#define HWA_NOTIFY_H

#include <stdint.h>

/* "READY=1", "STOPPING=1", "WATCHDOG=1"; several lines with "\n".  Not being heard is no failure of ours. */
void notify_send(const char *state);
/* What systemctl status shows under "Status"; one line. */
void notify_status(const char *text);
/* "RELOADING=1" and the time, as Type=notify-reload wants it. */
void notify_reloading(void);
/* It wants to hear WATCHDOG=1 so often, sd_watchdog_enabled(3): half of the time after which it gives us up.  0: it does not wait for it. */
int64_t notify_watchdog_ms(void);

#endif /* HWA_NOTIFY_H */
