/* main.c -- reads the command line and hands over to one command. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "log.h"
#include "output.h"
#include "progress.h"

#define CONFIG_DEFAULT "/etc/hwacme/hwacme.yaml"
#define HELP_COLUMN    26 /* where a command's sentence begins, behind two spaces */
#define HELP_INDENT    "                            "

struct command {
	const char *name, *arguments, *does;
	enum exit_status (*run)(const struct command_line *line);
	bool takes_words; /* else it is about all that is configured */
};

static const struct command COMMANDS[] = {
	{ "run", "", "the renewal daemon, in the foreground; SIGHUP reads the configuration again", command_run, false },
	{ "renew", "[NAME...] [--force]", "brings certificates up to date and ends; those never issued are enrolled",
	  command_renew, true },
	{ "status", "[NAME...] [--probe]", "what is held, where, until when; next renewal and why; last error; journal of NAME",
	  command_status, true },
	{ "plan", "[--days N]", "what will be renewed when and why, and how many each day", command_plan, false },
	{ "check", "[--config-only]", "tries configuration, token login, custody of keys, CA and disk; changes nothing",
	  command_check, false },
	{ "token", "list|keys|audit|gc",
	  "list: what tokens are and can do; keys: whose, how old, how kept;\n" HELP_INDENT
	  "audit: whether each key of ours is held; gc: erases those that nobody owns",
	  command_token, true },
	{ "account", "show|register|rollover|deactivate [AUTHORITY]",
	  "the account at an authority; rollover replaces its key, deactivate is for good", command_account, true },
	{ "authorize", "NAME", "has its names authorised ahead of an order, where the CA offers it (newAuthz)", command_authorize,
	  true },
	{ "revoke", "NAME [--reason R]", "revokes the live certificate; the next renewal makes another with a new key",
	  command_revoke, true },
	{ "version", "", "this program's version", command_version, false },
};
#define COMMAND_COUNT (sizeof(COMMANDS) / sizeof(COMMANDS[0]))

static void help(FILE *out)
{
	fputs("usage: hwacme [-c FILE] [--json] [-v] COMMAND\n\n"
	      "Renews X.509 certificates over ACME with keys that never leave an HSM or a TPM.\n\n",
	      out);
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		char usage[64];
		int len = snprintf(usage, sizeof(usage), "%s %s", COMMANDS[i].name, COMMANDS[i].arguments);

		fprintf(out, "  %-*s%s%s\n", HELP_COLUMN, usage, len < HELP_COLUMN ? "" : "\n" HELP_INDENT, COMMANDS[i].does);
	}
	fputs("\n"
	      "  -c, --config FILE         the configuration (default " CONFIG_DEFAULT ")\n"
	      "      --json                one JSON document on standard output; not with run\n"
	      "  -v, --verbose             also what modules print, on standard error\n"
	      "  -h, --help                this text\n"
	      "      --force               renew: now, although not due\n"
	      "      --config-only         check: whether the configuration is understood, and nothing else\n"
	      "      --probe               status: asks the services now which certificate they present\n"
	      "      --days N              plan: so many days ahead, 1 to 366 (30)\n"
	      "      --try                 token audit: tries to get each key out by wrapping it, which must be refused\n"
	      "      --new-key             account register: another account and key, where the key of the old one is lost\n"
	      "      --yes                 token gc: does not ask; account deactivate: has to be there\n"
	      "      --reason R            revoke: unspecified, keyCompromise, affiliationChanged, superseded,\n"
	      "                            cessationOfOperation or privilegeWithdrawn\n"
	      "      --with-certificate-key\n"
	      "                            revoke: signed with the certificate's key instead of the account's\n\n"
	      "exit status: 0 done; 1 something failed; 2 usage or configuration; 3 token unavailable or PIN\n"
	      "refused; 4 authority unreachable or refusing; 5 (status) a certificate needs attention\n\n"
	      "hwacme(1) tells more of each command, hwacme.yaml(5) of the configuration.\n",
	      out);
}

static const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (strcmp(COMMANDS[i].name, name) == 0)
			return &COMMANDS[i];
	return NULL;
}

/* False after saying what an option goes with that was written beside another command; of which verb, the command itself says. */
static bool options_fit(const struct command_line *line, const struct command *command)
{
	const struct {
		bool is_given;
		const char *option, *with;
		enum exit_status (*run)(const struct command_line *line), (*also)(const struct command_line *line);
	} places[] = {
		{ line->force, "--force", "renew", command_renew, NULL },
		{ line->probe, "--probe", "status", command_status, NULL },
		{ line->days, "--days", "plan", command_plan, NULL },
		{ line->config_only, "--config-only", "check", command_check, NULL },
		{ line->try_it, "--try", "token audit", command_token, NULL },
		{ line->new_key, "--new-key", "account register", command_account, NULL },
		{ line->yes, "--yes", "token gc and account deactivate", command_token, command_account },
		{ line->reason, "--reason", "revoke", command_revoke, NULL },
		{ line->with_certificate_key, "--with-certificate-key", "revoke", command_revoke, NULL },
	};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (!places[i].is_given || command->run == places[i].run || command->run == places[i].also)
			continue;
		command_refuse("%s goes with %s, not with %s", places[i].option, places[i].with, command->name);
		return false;
	}
	return true;
}

/* One that whoever started us has closed would be that of the next file or socket, and a line that is printed would go into it.  What is
 * opened in its place can be read alone, so that no result passes for written. */
static void standard_descriptors_take(void)
{
	int fd;

	while ((fd = open("/dev/null", O_RDONLY)) >= 0 && fd <= STDERR_FILENO)
		;
	if (fd > STDERR_FILENO)
		close(fd);
}

/* No core file may hold a PIN; no file of ours is open to others unless it says so; a dead peer, or a file that may not be as long, is an
 * error code. */
static void harden_process(void)
{
	struct rlimit none = { 0, 0 };
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	setrlimit(RLIMIT_CORE, &none);
	umask(022);
	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGXFSZ, &ignore, NULL);
}

/* False: there is no such option. */
static bool option_take(int option, struct command_line *line)
{
	switch (option) {
	case 'c': line->config_path = optarg; break;
	case 'j': line->json = true; break;
	case 'f': line->force = true; break;
	case 't': line->try_it = true; break;
	case 'y': line->yes = true; break;
	case 'r': line->reason = optarg; break;
	case 'n': line->new_key = true; break;
	case 'k': line->with_certificate_key = true; break;
	case 'p': line->probe = true; break;
	case 'o': line->config_only = true; break;
	case 'd': line->days = optarg; break;
	case 'v': line->verbose = true; break;
	default: return false;
	}
	return true;
}

static enum exit_status perform(int argc, char **argv, struct command_line *line)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "json", no_argument, NULL, 'j' },
		{ "force", no_argument, NULL, 'f' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "try", no_argument, NULL, 't' },
		{ "yes", no_argument, NULL, 'y' },
		{ "reason", required_argument, NULL, 'r' },
		{ "new-key", no_argument, NULL, 'n' },
		{ "with-certificate-key", no_argument, NULL, 'k' },
		{ "probe", no_argument, NULL, 'p' },
		{ "days", required_argument, NULL, 'd' },
		{ "config-only", no_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "c:vh", options, NULL)) != -1) {
		if (option == 'h') {
			help(stdout);
			return EXIT_DONE;
		}
		if (!option_take(option, line)) {
			command_refuse("an option is not known, or lacks what belongs to it; hwacme --help shows them");
			return EXIT_USAGE;
		}
	}
	if (optind >= argc) {
		help(stderr);
		command_refuse("which command?");
		return EXIT_USAGE;
	}
	const struct command *command = command_find(argv[optind]);
	if (!command) {
		command_refuse("no command \"%s\"; hwacme --help lists them", argv[optind]);
		return EXIT_USAGE;
	}
	if (!options_fit(line, command))
		return EXIT_USAGE;
	line->words = argv + optind + 1;
	line->word_count = argc - optind - 1;
	if (line->word_count && !command->takes_words) {
		command_refuse("%s takes no names, and was given \"%s\"; it is about all of the configuration", command->name,
			       line->words[0]);
		return EXIT_USAGE;
	}
	log_open();
	log_set_level(line->verbose ? LOG_DEBUG : LOG_INFO);
	enum exit_status status = command->run(line);
	progress_end();
	return status;
}

/* False after saying why; to who has read enough (| head -1) nothing is said. */
static bool result_is_written(void)
{
	struct pollfd out = { .fd = STDOUT_FILENO };
	int number = fflush(stdout) == 0 ? 0 : errno;

	if (number == 0 && !ferror(stdout))
		return output_is_whole();
	if (poll(&out, 1, 0) != 1 || !(out.revents & (POLLERR | POLLHUP)))
		command_refuse("the result could not be written to standard output%s%s", number ? ": " : "",
			       number ? strerror(number) : "");
	return false;
}

int cli_main(int argc, char **argv)
{
	standard_descriptors_take();
	harden_process();
	struct command_line line = { .config_path = CONFIG_DEFAULT };
	enum exit_status status = perform(argc, argv, &line);
	if (line.json && status != EXIT_DONE)
		output_failure((int)status);
	/* A result that could not be written is not a success. */
	if (!result_is_written() && status == EXIT_DONE)
		status = EXIT_FAILED;
	return (int)status;
}
