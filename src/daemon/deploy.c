/* deploy.c -- runs the deploy hook of a certificate with what it needs to know. */
#include "deploy.h"

#include <stdio.h>

#define TEXT_MAX 4200

enum rc deploy_run(const struct config_certificate *certificate, const char *live_dir, struct err *err)
{
	char name[TEXT_MAX], live[TEXT_MAX];
	struct program program = { .argv = certificate->deploy_run,
				   .argc = certificate->deploy_run_count,
				   .environment = { name, live, NULL },
				   .timeout =
					   certificate->deploy_timeout ? certificate->deploy_timeout : DEPLOY_TIMEOUT_DEFAULT };

	snprintf(name, sizeof(name), "HWACME_NAME=%s", certificate->name);
	snprintf(live, sizeof(live), "HWACME_LIVE=%s", live_dir);
	return program_run(&program, NULL, err);
}
