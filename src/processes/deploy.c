/* deploy.c -- runs the programs of a certificate with what they need to know. */
#include "deploy.h"

#include <stdio.h>

#define TEXT_MAX 4200

static enum rc run(const struct config_certificate *certificate, const char *live_dir, struct program *program, char *ret_words,
		   struct err *err)
{
	char name[TEXT_MAX], live[TEXT_MAX];

	snprintf(name, sizeof(name), "HWACME_NAME=%s", certificate->name);
	snprintf(live, sizeof(live), "HWACME_LIVE=%s", live_dir);
	program->environment[1] = name;
	program->environment[2] = live;
	return program_run(program, NULL, ret_words, err);
}

enum rc deploy_run(const struct config_certificate *certificate, const char *live_dir, char ret_words[PROGRAM_OUTPUT_MAX + 1],
		   struct err *err)
{
	struct program program = { .argv = certificate->deploy_run,
				   .argc = certificate->deploy_run_count,
				   .environment = { "HWACME_HOOK=deploy" },
				   .user = certificate->deploy_user,
				   .timeout = certificate->deploy_timeout };

	return run(certificate, live_dir, &program, ret_words, err);
}

enum rc deploy_probe(const struct config_certificate *certificate, const char *live_dir, char ret_words[PROGRAM_OUTPUT_MAX + 1],
		     struct err *err)
{
	struct program program = { .argv = certificate->probe.run,
				   .argc = certificate->probe.run_count,
				   .environment = { "HWACME_HOOK=probe" },
				   .user = certificate->probe.user,
				   .timeout = certificate->probe.timeout };

	return run(certificate, live_dir, &program, ret_words, err);
}
