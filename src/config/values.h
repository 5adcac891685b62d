/* values.h -- the texts of an option, understood: durations, percentages, names, addresses. */
#ifndef HWA_VALUES_H
#define HWA_VALUES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "config.h"

#define VALUE_DURATION_MAX (INT64_C(3650) * 86400) /* seconds */

/* "90s", "10m", "336h", "14d"; false for anything else, weeks included. */
bool value_duration(const char *text, int64_t *ret_seconds);
/* "66%". */
bool value_percent(const char *text, unsigned *ret_percent);
/* A whole number from `least` to `most`, in digits only. */
bool value_count(const char *text, unsigned least, unsigned most, unsigned *ret_count);
/* "true" or "false"; YAML 1.1's yes and on are refused, they mean different things to different parsers. */
bool value_flag(const char *text, bool *ret_flag);
/* "0x81000001": where a TPM keeps keys for good. */
bool value_persistent_handle(const char *text, uint32_t *ret_handle);
/* "0640": three octal digits after the 0; read by its owner, written and executed by nobody else. */
bool value_mode(const char *text, mode_t *ret_mode);
/* "sha256:0,7". */
bool value_pcrs(const char *text, struct config_pcrs *ret_pcrs);
/* Safe as a file name: [A-Za-z0-9][A-Za-z0-9._-]{0,62}. */
bool value_name(const char *text);
/* "ADDRESS:PORT", "[IPv6]:PORT". */
bool value_listen(const char *text);
/* "HOST:PORT", "ADDRESS:PORT", "[IPv6]:PORT": something to connect to. */
bool value_endpoint(const char *text);
/* A host name, as DNS and TLS (RFC 6066, 3) write it. */
bool value_host(const char *text);
/* "https://HOST/...", "http://HOST:PORT": visible ASCII, of a length that is used (HTTP_URL_MAX), with no user or password. */
bool value_url(const char *text);
/* "systemd", "systemd:NAME": a socket that a service manager hands over (sd_listen_fds(3)). */
bool value_systemd_socket(const char *text);
/* One NFType (RFC 9310, 3): 1 to 32 characters, each visible ASCII. */
bool value_nf_type(const char *text);

#endif /* HWA_VALUES_H */
