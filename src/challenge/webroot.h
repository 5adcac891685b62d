/* webroot.h -- an http-01 answer as a file below the document root of a web server. */
#ifndef HWA_WEBROOT_H
#define HWA_WEBROOT_H

#include "err.h"

#define WEBROOT_FOLDER ".well-known/acme-challenge" /* RFC 8555, 8.3 */

/* Writes ROOT/.well-known/acme-challenge/TOKEN, mode 0644, making the two folders when missing; follows no link below ROOT. */
enum rc webroot_put(const char *root, const char *token, const char *text, struct err *err) HWA_CHECKED;
/* Whether the folders are there, or could be made, and a file in them; nothing is made. */
enum rc webroot_try(const char *root, struct err *err) HWA_CHECKED;
/* RC_ABSENT when it is not there. */
enum rc webroot_remove(const char *root, const char *token, struct err *err) HWA_CHECKED;

#endif /* HWA_WEBROOT_H */
