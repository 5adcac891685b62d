/* sandbox_test.c -- what the engine and keyd can no longer do, tried in a child of the test for each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "foreign_files.h"
#include "sandbox.h"
#include "softhsm.h"
#include "store.h"

static struct softhsm box; /* a private directory with a PIN file in it */
static char state_dir[80], trust[96], client[96];
static struct config_token tokens[1];
static struct config_authority authorities[1];
static struct config config = { .tokens = tokens, .token_count = 1, .authorities = authorities, .authority_count = 1 };

static int start(void **state)
{
	char path[128];
	struct store *store = NULL;

	(void)state;
	if (softhsm_start(&box) != 0)
		return -1;
	snprintf(state_dir, sizeof(state_dir), "%s/state", box.dir);
	snprintf(trust, sizeof(trust), "%s/trust.pem", box.dir);
	config.state = state_dir;
	tokens[0] = softhsm_config(&box, (char[]){ "x" });
	authorities[0].trust = trust;
	snprintf(client, sizeof(client), "%s/client.pem", box.dir);
	authorities[0].client.file = client;
	if (softhsm_write(trust, "roots") != 0 || softhsm_write(client, "a chain") != 0 ||
	    store_open(state_dir, &store, NULL) != RC_OK)
		return -1;
	store_close(store);
	snprintf(path, sizeof(path), "%s/keys/hwacme-amf.pem", state_dir);
	return softhsm_write(path, "a wrapped key");
}

static int stop(void **state)
{
	(void)state;
	softhsm_stop(&box);
	return 0;
}

/* Each attempt answers 0 when it was allowed, or errno. */
static int try_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static int try_below(const char *name, int flags)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", state_dir, name);
	return try_open(path, flags);
}

static int try_socket(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static int try_exec(void)
{
	execl("/bin/true", "true", (char *)NULL);
	return errno;
}

static int try_executable_memory(void)
{
	void *at = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return at == MAP_FAILED ? errno : 0;
}

static int try_make_executable(void)
{
	void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mprotect(at, 4096, PROT_READ | PROT_EXEC) == 0 ? 0 : errno;
}

static int try_unlink(const char *name)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", state_dir, name);
	return unlink(path) == 0 ? 0 : errno;
}

static void *nothing(void *ctx)
{
	return ctx;
}

static int try_thread(void)
{
	pthread_t thread;
	int failed = pthread_create(&thread, NULL, nothing, NULL);

	if (!failed)
		pthread_join(thread, NULL);
	return failed;
}

static int failures;
static void expect(const char *what, int got, bool allowed)
{
	if ((got == 0) == allowed)
		return;
	fprintf(stderr, "%s: %s\n", what, got ? strerror(got) : "allowed");
	failures++;
}

static void expect_engine_paths(void)
{
	bool has_landlock = sandbox_has_landlock();

	expect("read trust", try_open(trust, O_RDONLY), true);
	expect("read the client's chain", try_open(client, O_RDONLY), true);
	expect("read resolv.conf", access("/etc/resolv.conf", F_OK) == 0 ? try_open("/etc/resolv.conf", O_RDONLY) : 0, true);
	expect("write the database", try_below("hwacme.db", O_RDWR), true);
	expect("write its log", try_below("hwacme.db-wal", O_RDWR), true);
	expect("write the lock", try_below("lock", O_RDWR | O_CREAT), !has_landlock || try_below("lock", O_RDWR) == 0);
	expect("make a file in live", try_below("live/x", O_RDWR | O_CREAT), true);
	expect("make a file in archive", try_below("archive/x", O_RDWR | O_CREAT), true);
	expect("unlink it", try_unlink("archive/x"), true);
	if (!has_landlock)
		return; /* the test of `check` shows that the operator is told */
	expect("read the PIN", try_open(box.pin_file, O_RDONLY), false);
	expect("write the PIN", try_open(box.pin_file, O_WRONLY), false);
	expect("truncate the PIN", try_open(box.pin_file, O_WRONLY | O_TRUNC), false);
	expect("write trust", try_open(trust, O_WRONLY), false);
	expect("write the client's chain", try_open(client, O_WRONLY), false);
	expect("read a wrapped key", try_below("keys/hwacme-amf.pem", O_RDONLY), false);
	expect("write a wrapped key", try_below("keys/hwacme-amf.pem", O_WRONLY), false);
	expect("erase a wrapped key", try_unlink("keys/hwacme-amf.pem"), false);
	expect("make a file beside the database", try_below("other", O_RDWR | O_CREAT), false);
	expect("erase the database", try_unlink("hwacme.db"), false);
	expect("read /etc/shadow", try_open("/etc/shadow", O_RDONLY), false);
	expect("read a module", try_open(SOFTHSM_MODULE, O_RDONLY), false);
	expect("open a TPM", access("/dev/tpmrm0", F_OK) == 0 ? try_open("/dev/tpmrm0", O_RDWR) : EACCES, false);
	expect("write a program", try_open("/usr/bin/hwacme-x", O_RDWR | O_CREAT), false);
}

/* In a child: the sandbox cannot be left. */
static void in_child(void (*body)(void))
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		body();
		_exit(failures ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void engine_body(void)
{
	struct err err = { 0 };

	if (sandbox_engine(&config, &err) != RC_OK) {
		fprintf(stderr, "%s\n", err.text);
		_exit(2);
	}
	expect_engine_paths();
	expect("run a program", try_exec(), false);
	expect("executable memory", try_executable_memory(), !sandbox_sees_mappings());
	expect("memory made executable", try_make_executable(), false);
	expect("map a module", dlopen(SOFTHSM_MODULE, RTLD_NOW | RTLD_LOCAL) ? 0 : EPERM,
	       !sandbox_sees_mappings() && !sandbox_has_landlock());
	expect("a Unix socket", try_socket(AF_UNIX), !sandbox_sees_sockets());
	expect("a packet socket", try_socket(AF_PACKET), false);
	expect("an Internet socket", try_socket(AF_INET), true);
	expect("an IPv6 socket", try_socket(AF_INET6) == EAFNOSUPPORT ? 0 : try_socket(AF_INET6), true);
	expect("a thread", try_thread(), true);
#ifndef __SANITIZE_ADDRESS__
	expect("trace another process", ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) == 0 ? 0 : errno, false);
	expect("kill another process", kill(getppid(), 0) == 0 ? 0 : errno, false);
	expect("another process", fork() < 0 ? errno : 0, false);
#endif
}

static void keyd_body(void)
{
	struct err err = { 0 };

	if (sandbox_keyd(&config, &err) != RC_OK) {
		fprintf(stderr, "%s\n", err.text);
		_exit(2);
	}
	expect("read the PIN", try_open(box.pin_file, O_RDONLY), true);
	expect("write a wrapped key", try_below("keys/hwacme-amf.pem", O_WRONLY), true);
	expect("map a module", dlopen(SOFTHSM_MODULE, RTLD_NOW | RTLD_LOCAL) ? 0 : EPERM, true);
	expect("a Unix socket", try_socket(AF_UNIX), true);
	expect("a thread", try_thread(), true);
	expect("run a program", try_exec(), false);
	expect("an Internet socket", try_socket(AF_INET), config.tokens[0].network || !sandbox_sees_sockets());
#ifndef __SANITIZE_ADDRESS__
	expect("another process", fork() < 0 ? errno : 0, false);
#endif
}

static void the_engine_reads_no_pin_runs_nothing_and_maps_no_module(void **state)
{
	(void)state;
	in_child(engine_body);
}

static void keyd_loads_modules_and_opens_no_network_socket(void **state)
{
	(void)state;
	in_child(keyd_body);
}

static void a_network_hsm_is_named_by_the_configuration(void **state)
{
	(void)state;
	tokens[0].network = true;
	in_child(keyd_body);
	tokens[0].network = false;
}

/* An administrator replaces the roots by renaming a new file over them: it is read, unless a secret lies beside it. */
static void replaced_body(void)
{
	char fresh[128];

	if (sandbox_engine(&config, NULL) != RC_OK)
		_exit(2);
	snprintf(fresh, sizeof(fresh), "%s/go", box.dir);
	for (int i = 0; i < 1000 && try_open(trust, O_RDONLY) != ENOENT; i++)
		usleep(1000);
	for (int i = 0; i < 1000 && try_open(trust, O_RDONLY) == ENOENT; i++)
		usleep(1000);
	expect("read the replaced roots", try_open(trust, O_RDONLY), true);
}

static void roots_that_were_replaced_are_read(void **state)
{
	char folder[96], path[128], *before = authorities[0].trust;
	int status = -1;

	(void)state;
	snprintf(folder, sizeof(folder), "%s/roots", box.dir);
	snprintf(trust, sizeof(trust), "%s/roots/trust.pem", box.dir);
	snprintf(path, sizeof(path), "%s/roots/new", box.dir);
	assert_int_equal(mkdir(folder, 0755), 0);
	assert_int_equal(softhsm_write(trust, "old"), 0);
	pid_t pid = fork();
	if (pid == 0) {
		replaced_body();
		_exit(failures ? 1 : 0);
	}
	usleep(200000); /* the child reads in a loop until it sees the change: nothing depends on this */
	assert_int_equal(unlink(trust), 0);
	usleep(20000);
	assert_int_equal(softhsm_write(path, "new"), 0);
	assert_int_equal(rename(path, trust), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 0);
	authorities[0].trust = before;
}

static void rewrite_in_place(void)
{
	assert_int_equal(softhsm_write(trust, "new"), 0);
}

static void replace(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/new", box.dir);
	assert_int_equal(softhsm_write(path, "new"), 0);
	assert_int_equal(rename(path, trust), 0);
}

static void remove_it(void)
{
	assert_int_equal(unlink(trust), 0);
}

/* As a volume of Kubernetes is changed: all of a folder at once. */
static void point_elsewhere(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/new", box.dir);
	assert_int_equal(symlink("elsewhere/trust.pem", path), 0);
	assert_int_equal(rename(path, trust), 0);
}

static void leave_it(void)
{
}

/* An engine that notes its files and enters the sandbox; what it says of them once `change` was made. */
static void expect_lost(const char *when, void (*change)(void), bool is_lost)
{
	int ready[2], go[2], status = -1;
	char word = 0;

	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(go), 0);
	pid_t pid = fork();
	if (pid == 0) {
		AUTO(foreign_files) struct foreign_files *files = NULL;

		if (foreign_files_note(&config, &files, NULL) != RC_OK || sandbox_engine(&config, NULL) != RC_OK)
			_exit(2);
		expect("a file before anything changed", foreign_files_lost(files) ? EACCES : 0, true);
		if (write(ready[1], "r", 1) != 1 || read(go[0], &word, 1) != 1)
			_exit(2);
		const char *lost = foreign_files_lost(files);
		expect(when, lost ? EACCES : 0, !is_lost);
		int got = lost ? 0 : try_open(trust, O_RDONLY);
		expect("read a file that is not lost", got == ENOENT ? 0 : got, true);
		expect("the file that is lost", lost && strcmp(lost, trust) != 0 ? EINVAL : 0, true);
		foreign_files_free(TAKE(files));
		_exit(failures ? 1 : 0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &word, 1), 1);
	change();
	assert_int_equal(write(go[1], "g", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	close(ready[0]);
	close(go[0]);
	close(go[1]);
}

/* Not their folder, where the PIN is, is what the engine may read, but each file: a new one needs a fresh engine, which reads it. */
static void a_file_beside_a_secret_that_was_replaced_is_lost_to_this_engine_alone(void **state)
{
	char path[128];

	(void)state;
	if (!sandbox_has_landlock())
		skip();
	snprintf(trust, sizeof(trust), "%s/trust.pem", box.dir);
	expect_lost("rewritten in place", rewrite_in_place, false);
	expect_lost("replaced", replace, true);
	expect_lost("after it was replaced", leave_it, false);
	expect_lost("removed", remove_it, false);
	expect_lost("still not there", leave_it, false);
	expect_lost("there at last", replace, true);
	snprintf(path, sizeof(path), "%s/elsewhere", box.dir);
	assert_int_equal(mkdir(path, 0755), 0);
	expect_lost("a dangling link", point_elsewhere, false);
	snprintf(path, sizeof(path), "%s/elsewhere/trust.pem", box.dir);
	expect_lost("still dangling", leave_it, false);
	assert_int_equal(softhsm_write(path, "new"), 0);
	replace();
	expect_lost("a link to another folder", point_elsewhere, true);
	expect_lost("after that", leave_it, false);
	remove_it();
	replace();
}

static char webroot[96], folder[128];
static struct config_challenge challenges[1] = { { .type = CHALLENGE_HTTP_01, .webroot = webroot } };
static struct config_certificate certificates[1] = { { .challenges = challenges, .challenge_count = 1 } };

static int try_in_folder(const char *name)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return try_open(path, O_WRONLY | O_CREAT | O_EXCL) == 0 && unlink(path) == 0 ? 0 : errno;
}

static void webroot_body(void)
{
	char page[128];

	snprintf(page, sizeof(page), "%s/index.html", webroot);
	if (sandbox_engine(&config, NULL) != RC_OK)
		_exit(2);
	mkdir(folder, 0755);
	expect("an answer for the web server", try_in_folder("token"), true);
	if (!sandbox_has_landlock())
		return;
	expect("a page of the web server's", try_open(page, O_RDONLY), false);
	expect("a page of the web server's, written", try_open(page, O_WRONLY), false);
	expect("a new page", try_open(webroot, O_TMPFILE | O_WRONLY), false);
}

static void a_web_root_is_for_answers_alone(void **state)
{
	char page[128], well_known[112];

	(void)state;
	snprintf(webroot, sizeof(webroot), "%s/www", box.dir);
	snprintf(well_known, sizeof(well_known), "%s/.well-known", webroot);
	snprintf(folder, sizeof(folder), "%s/acme-challenge", well_known);
	snprintf(page, sizeof(page), "%s/index.html", webroot);
	assert_int_equal(mkdir(webroot, 0755), 0);
	assert_int_equal(softhsm_write(page, "a page"), 0);
	assert_int_equal(mkdir(well_known, 0755), 0);
	assert_int_equal(mkdir(folder, 0755), 0);
	config.certificates = certificates;
	config.certificate_count = 1;
	in_child(webroot_body);
	config.certificate_count = 0;
}

/* A root above the state directory, or above a PIN, is not opened for the sake of a missing folder. */
static void above_body(void)
{
	if (sandbox_engine(&config, NULL) != RC_OK)
		_exit(2);
	if (!sandbox_has_landlock())
		return;
	expect("a folder above the state directory", mkdir(folder, 0755) == 0 ? 0 : errno, false);
	expect("a wrapped key, written", try_below("keys/hwacme-amf.pem", O_WRONLY), false);
	expect("a wrapped key, removed", try_unlink("keys/hwacme-amf.pem"), false);
}

static void a_web_root_above_our_own_files_opens_none_of_them(void **state)
{
	(void)state;
	snprintf(webroot, sizeof(webroot), "%s", box.dir);
	snprintf(folder, sizeof(folder), "%s/.well-known", webroot);
	config.certificates = certificates;
	config.certificate_count = 1;
	in_child(above_body);
	config.certificate_count = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_engine_reads_no_pin_runs_nothing_and_maps_no_module),
		cmocka_unit_test(keyd_loads_modules_and_opens_no_network_socket),
		cmocka_unit_test(a_network_hsm_is_named_by_the_configuration),
		cmocka_unit_test(roots_that_were_replaced_are_read),
		cmocka_unit_test(a_file_beside_a_secret_that_was_replaced_is_lost_to_this_engine_alone),
		cmocka_unit_test(a_web_root_is_for_answers_alone),
		cmocka_unit_test(a_web_root_above_our_own_files_opens_none_of_them),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
