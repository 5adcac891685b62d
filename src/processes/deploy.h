/* deploy.h -- the programs of a certificate: its deploy hook, and the one that looks whether it is in service. */
#ifndef HWA_DEPLOY_H
#define HWA_DEPLOY_H

#include "config.h"
#include "program.h"

/*
 * deploy.run, or probe.run, as program_run().  In their environment, beside PATH, HOME and LANG:
 *
 *	HWACME_HOOK	"deploy" or "probe"
 *	HWACME_NAME	the certificate's name in the configuration
 *	HWACME_LIVE	the directory live/NAME
 *
 * What a CA sent is in files below HWACME_LIVE, never on a command line.
 */
enum rc deploy_run(const struct config_certificate *certificate, const char *live_dir, char ret_words[PROGRAM_OUTPUT_MAX + 1],
		   struct err *err) HWA_CHECKED;
enum rc deploy_probe(const struct config_certificate *certificate, const char *live_dir, char ret_words[PROGRAM_OUTPUT_MAX + 1],
		     struct err *err) HWA_CHECKED;

#endif /* HWA_DEPLOY_H */
