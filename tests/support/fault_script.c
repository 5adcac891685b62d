/* fault_script.c -- reads the script of a proxy, counts calls and decides which of them fail; see README.md. */
#include "fault_script.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define WORD_MAX     256
#define RULE_MAX     64
#define SETTING_MAX  32
#define COUNTER_MAX  160
#define SCRIPT_BYTES 16384

enum verb { RETURN, LOSE, DELAY, HANG, CRASH, ABORT, NOISE, LENGTH, CUT, GARBLE, VERB_COUNT };
static const struct {
	const char *word;
	bool has_number, is_code;
} VERBS[] = {
	[RETURN] = { "return", true, true },  [LOSE] = { "lose", true, true },      [DELAY] = { "delay", true, false },
	[HANG] = { "hang", false, false },    [CRASH] = { "crash", false, false },  [ABORT] = { "abort", false, false },
	[NOISE] = { "noise", false, false },  [LENGTH] = { "length", true, false }, [CUT] = { "cut", true, false },
	[GARBLE] = { "garble", true, false },
};

struct rule {
	char name[56]; /* "*": any call */
	uint64_t from; /* the first call is 1 */
	bool is_onwards;
	enum verb verb;
	uint64_t number;
};
struct setting {
	char key[WORD_MAX], value[WORD_MAX];
};
struct counter {
	char name[56];
	uint64_t calls;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static fault_code_fn *code_number;
static char script_path[4096];
static bool has_text;
static struct stat script_seen;
static struct rule rules[RULE_MAX];
static size_t rule_count;
static struct setting settings[SETTING_MAX];
static size_t setting_count;
static struct counter own_counters[COUNTER_MAX], *counters = own_counters;
static int counter_fd = -1;

__attribute__((noreturn)) static void mistake(const char *what, const char *line)
{
	fprintf(stderr, "proxy: %s: %s in \"%s\"\n", script_path, what, line);
	abort();
}

static uint64_t number_of(const char *word, bool is_code, const char *line)
{
	char *end = NULL;
	uint64_t number = 0;

	if (is_code && code_number && code_number(word, &number))
		return number;
	errno = 0;
	number = strtoull(word, &end, 0);
	if (errno || end == word || *end)
		mistake("no such number or code", line);
	return number;
}

/* "C_Sign 3+ return CKR_DEVICE_ERROR" */
static void rule_parse(const char *line, const char *name, const char *times, const char *verb, const char *argument)
{
	struct rule *rule = &rules[rule_count++];
	char *end = NULL;

	if (rule_count == RULE_MAX)
		mistake("too many rules", line);
	*rule = (struct rule){ .from = 1, .is_onwards = true, .verb = VERB_COUNT };
	snprintf(rule->name, sizeof(rule->name), "%s", name);
	if (strcmp(times, "*") != 0) {
		rule->from = strtoull(times, &end, 10);
		rule->is_onwards = strcmp(end, "+") == 0;
		if (end == times || rule->from == 0 || (*end && !rule->is_onwards))
			mistake("write N, N+ or * for the calls that are meant", line);
	}
	for (size_t i = 0; i < VERB_COUNT; i++)
		if (strcmp(VERBS[i].word, verb) == 0)
			rule->verb = (enum verb)i;
	if (rule->verb == VERB_COUNT || VERBS[rule->verb].has_number != !!argument[0])
		mistake("no such action, or its number is missing or too much", line);
	if (argument[0])
		rule->number = number_of(argument, VERBS[rule->verb].is_code, line);
}

static void line_parse(const char *line)
{
	char word[4][WORD_MAX] = { "", "", "", "" }, rest[WORD_MAX] = "";
	int used = 0;

	if (sscanf(line, " %255s", word[0]) != 1 || word[0][0] == '#')
		return;
	if (strcmp(word[0], "*") == 0 || strncmp(word[0], "C_", 2) == 0 || strncmp(word[0], "TPM2_", 5) == 0) {
		if (sscanf(line, " %255s %255s %255s %255s %255s", word[0], word[1], word[2], word[3], rest) < 3 || rest[0])
			mistake("write FUNCTION WHICH-CALL ACTION [NUMBER]", line);
		rule_parse(line, word[0], word[1], word[2], word[3]);
		return;
	}
	if (sscanf(line, " %*s %n%255[^\n]", &used, rest) != 1)
		mistake("a setting without a value", line);
	if (setting_count == SETTING_MAX)
		mistake("too many settings", line);
	snprintf(settings[setting_count].key, WORD_MAX, "%s", word[0]);
	snprintf(settings[setting_count++].value, WORD_MAX, "%s", rest);
}

static const char *setting_find(const char *key, size_t nth)
{
	for (size_t i = 0; i < setting_count; i++)
		if (strcmp(settings[i].key, key) == 0 && nth-- == 0)
			return settings[i].value;
	return NULL;
}

/* Counts in this process alone, or in a file that every process of a test counts in. */
static void counters_open(void)
{
	const char *path = setting_find("counts", 0);

	if (counters != own_counters)
		munmap(counters, sizeof(own_counters));
	if (counter_fd >= 0)
		close(counter_fd);
	counters = own_counters;
	counter_fd = -1;
	memset(own_counters, 0, sizeof(own_counters));
	if (!path)
		return;
	counter_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (counter_fd < 0 || ftruncate(counter_fd, sizeof(own_counters)) != 0)
		mistake("cannot open the file of counts", path);
	counters = mmap(NULL, sizeof(own_counters), PROT_READ | PROT_WRITE, MAP_SHARED, counter_fd, 0);
	if (counters == MAP_FAILED)
		mistake("cannot map the file of counts", path);
}

static void script_parse(char *text)
{
	char *place = NULL;

	rule_count = setting_count = 0;
	for (char *line = strtok_r(text, "\n", &place); line; line = strtok_r(NULL, "\n", &place))
		line_parse(line);
	counters_open();
}

static bool is_same_file(const struct stat *left, const struct stat *right)
{
	return left->st_ino == right->st_ino && left->st_size == right->st_size &&
	       left->st_mtim.tv_sec == right->st_mtim.tv_sec && left->st_mtim.tv_nsec == right->st_mtim.tv_nsec;
}

/* A script that was replaced is read again, also in the middle of a process. */
static void script_refresh(void)
{
	static char text[SCRIPT_BYTES];
	struct stat now;

	if (has_text || stat(script_path, &now) != 0 || is_same_file(&now, &script_seen))
		return;
	FILE *file = fopen(script_path, "re");
	if (!file)
		mistake("cannot be read", script_path);
	size_t len = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[len] = '\0';
	script_seen = now;
	script_parse(text);
}

void fault_script_start(const char *variable, fault_code_fn *code_of)
{
	const char *named = getenv(variable);
	Dl_info self;

	pthread_mutex_lock(&lock);
	code_number = code_of;
	if (named)
		snprintf(script_path, sizeof(script_path), "%s", named);
	else if (dladdr(&lock, &self) && self.dli_fname)
		snprintf(script_path, sizeof(script_path), "%s.script", self.dli_fname);
	if (!has_text)
		script_refresh();
	pthread_mutex_unlock(&lock);
}

void fault_script_text(const char *text)
{
	static char copy[SCRIPT_BYTES];

	pthread_mutex_lock(&lock);
	has_text = text != NULL;
	script_seen = (struct stat){ 0 };
	snprintf(copy, sizeof(copy), "%s", text ? text : "");
	script_parse(copy);
	pthread_mutex_unlock(&lock);
}

/* One process at a time: names are entered where the table ends. */
static struct counter *counter_of(const char *name)
{
	for (size_t i = 0; i < COUNTER_MAX; i++) {
		if (!counters[i].name[0])
			snprintf(counters[i].name, sizeof(counters[i].name), "%s", name);
		if (strcmp(counters[i].name, name) == 0)
			return &counters[i];
	}
	mistake("too many names to count", name);
}

static void counters_lock(short how)
{
	struct flock whole = { .l_type = how, .l_whence = SEEK_SET };

	if (counter_fd >= 0)
		(void)fcntl(counter_fd, F_SETLKW, &whole);
}

static bool rule_applies(const struct rule *rule, const char *name, uint64_t nth, uint64_t nth_of_all)
{
	bool is_any = strcmp(rule->name, "*") == 0;
	uint64_t number = is_any ? nth_of_all : nth;

	return (is_any || strcmp(rule->name, name) == 0) && (rule->is_onwards ? number >= rule->from : number == rule->from);
}

static void noise(const char *name)
{
	char line[WORD_MAX];
	int len = snprintf(line, sizeof(line), "\033[31mVENDOR DEBUG %s\r\n", name);

	for (int fd = 1; fd <= 2; fd++)
		(void)!write(fd, line, (size_t)len);
}

static void perform(const struct rule *rule, const char *name, struct fault *fault)
{
	switch (rule->verb) {
	case RETURN:
	case LOSE:
		fault->is_instead = rule->verb == RETURN;
		fault->is_lost = rule->verb == LOSE;
		fault->code = rule->number;
		break;
	case DELAY: poll(NULL, 0, (int)rule->number); break;
	case HANG:
		fault_log(name, "", "hangs");
		for (;;)
			pause();
	case CRASH:
		fault_log(name, "", "crashes");
		signal(SIGSEGV, SIG_DFL); /* a sanitizer's handler would make an exit status of it */
		raise(SIGSEGV);
		_exit(127);
	case ABORT:
		fault_log(name, "", "aborts");
		signal(SIGABRT, SIG_DFL);
		abort();
	case NOISE: noise(name); break;
	case LENGTH:
		fault->has_length = true;
		fault->length = rule->number;
		break;
	case CUT:
		fault->is_cut = true;
		fault->cut = (size_t)rule->number;
		break;
	case GARBLE:
		fault->is_garbled = true;
		fault->garbled = (size_t)rule->number;
		break;
	case VERB_COUNT: break;
	}
}

struct fault fault_next(const char *name)
{
	struct fault fault = { 0 };
	struct rule due[RULE_MAX];
	size_t due_count = 0;

	pthread_mutex_lock(&lock);
	script_refresh();
	counters_lock(F_WRLCK);
	uint64_t nth = ++counter_of(name)->calls, nth_of_all = ++counter_of("*")->calls;
	counters_lock(F_UNLCK);
	for (size_t i = 0; i < rule_count; i++)
		if (rule_applies(&rules[i], name, nth, nth_of_all))
			due[due_count++] = rules[i];
	pthread_mutex_unlock(&lock);
	/* Without the lock: what hangs here must not stop the other threads. */
	for (size_t i = 0; i < due_count; i++)
		perform(&due[i], name, &fault);
	return fault;
}

uint64_t fault_calls(const char *name)
{
	pthread_mutex_lock(&lock);
	uint64_t calls = counter_of(name)->calls;
	pthread_mutex_unlock(&lock);
	return calls;
}

bool fault_setting(const char *key, size_t nth, char *ret_value, size_t room)
{
	pthread_mutex_lock(&lock);
	const char *value = setting_find(key, nth);
	if (value)
		snprintf(ret_value, room, "%s", value);
	pthread_mutex_unlock(&lock);
	return value != NULL;
}

void fault_log(const char *name, const char *details, const char *result)
{
	char path[WORD_MAX], line[1024];

	if (!fault_setting("log", 0, path, sizeof(path)))
		return;
	int len = snprintf(line, sizeof(line), "%d %s%s -> %s\n", (int)getpid(), name, details, result);
	if (len >= (int)sizeof(line)) {
		len = (int)sizeof(line) - 1;
		line[len - 1] = '\n';
	}
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		mistake("cannot open the log", path);
	(void)!write(fd, line, (size_t)len); /* one write a line: processes do not mix theirs */
	close(fd);
}
