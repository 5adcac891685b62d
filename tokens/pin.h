/* pin.h -- reads a secret that the configuration points at, into locked memory, for the shortest time. */
#ifndef HWA_PIN_H
#define HWA_PIN_H

#include "config.h"
#include "err.h"
#include "scope.h"

#define PIN_MAX 255

struct pin;
/* `what` is "PIN", or what else it is to be called.  A trailing newline is not part of it.  RC_INPUT names the file, credential or variable, never the secret. */
enum rc pin_read(const struct config_secret *secret, const char *what, struct pin **ret_pin, struct err *err) HWA_CHECKED;
const unsigned char *pin_bytes(const struct pin *pin);
size_t pin_len(const struct pin *pin);
void pin_free(struct pin *pin); /* wipes */
/* "file /etc/hwacme/hsm.pin": where the operator must look. */
const char *pin_where(const struct config_secret *secret, char text[512]);
/* The same for who has to correct it: a credential is what systemd read when it started the service. */
const char *pin_where_corrected(const struct config_secret *secret, char text[512]);

AUTO_DEFINE(pin, struct pin *, pin_free);

#endif /* HWA_PIN_H */
