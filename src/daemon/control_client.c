/* control_client.c -- the command's end of STATE/control. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control.h"
#include "control_address.h"

#define PAGE_PATIENCE 5 /* seconds */

enum rc control_connect(const char *state_dir, int *ret_fd, struct err *err)
{
	AUTO(control_address) struct control_address address = { .directory = -1 };
	enum rc rc = control_address_make(state_dir, &address, err);

	if (rc != RC_OK)
		return rc;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set_raw(err, RC_RESOURCE, ERR_ERRNO, errno, "socket: %s", strerror(errno));
	if (connect(fd, (const struct sockaddr *)&address.name, sizeof(address.name)) == 0) {
		*ret_fd = fd;
		return RC_OK;
	}
	int number = errno;
	close(fd);
	/* A socket that nobody listens at is what a daemon that was killed left behind. */
	if (number == ENOENT || number == ECONNREFUSED)
		return err_set_raw(err, RC_ABSENT, ERR_ERRNO, number, "no daemon runs on %s", state_dir);
	return err_set_raw(err, RC_RESOURCE, ERR_ERRNO, number, "cannot reach the daemon at %s/control: %s", state_dir,
			   strerror(number));
}

enum rc control_ask(int fd, const char *name, enum renewal_call call, struct err *err)
{
	struct control_message message = { .version = CONTROL_VERSION, .kind = CONTROL_ASK, .call = (uint32_t)call };

	snprintf(message.name, sizeof(message.name), "%s", name);
	if (send(fd, &message, sizeof(message), MSG_NOSIGNAL) != (ssize_t)sizeof(message))
		return err_set_raw(err, RC_RETRY, ERR_ERRNO, errno, "the daemon does not listen any more: %s", strerror(errno));
	return RC_OK;
}

static enum rc ask_page(int fd, struct control_message *ret, struct err *err)
{
	struct control_message message = { .version = CONTROL_VERSION, .kind = CONTROL_PAGE };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){ .tv_sec = PAGE_PATIENCE }, sizeof(struct timeval));
	if (send(fd, &message, sizeof(message), MSG_NOSIGNAL) != (ssize_t)sizeof(message))
		return err_set_raw(err, RC_RETRY, ERR_ERRNO, errno, "the daemon does not listen any more: %s", strerror(errno));
	return control_hear(fd, ret, err);
}

enum rc control_page(const char *state_dir, char *ret_address, size_t room, struct err *err)
{
	struct control_message answer = { .kind = CONTROL_PAGE };
	int fd = -1;
	enum rc rc = control_connect(state_dir, &fd, err);

	if (rc != RC_OK)
		return rc;
	rc = ask_page(fd, &answer, err);
	close(fd);
	if (rc == RC_OK)
		snprintf(ret_address, room, "%s", answer.text);
	return rc;
}

enum rc control_hear(int fd, struct control_message *ret, struct err *err)
{
	struct control_message message;
	ssize_t got;

	do {
		got = recv(fd, &message, sizeof(message), 0);
	} while (got < 0 && errno == EINTR);
	if (got == 0 || (got < 0 && errno == ECONNRESET))
		return err_set(err, RC_RETRY, "the daemon ended, or was reloaded; what was begun goes on");
	if (got < 0)
		return err_set_raw(err, RC_RESOURCE, ERR_ERRNO, errno, "recv: %s", strerror(errno));
	if (got != (ssize_t)sizeof(message) || message.version != CONTROL_VERSION)
		return err_set(err, RC_INPUT, "the daemon is of another version of hwacme; restart it");
	message.name[sizeof(message.name) - 1] = message.why[sizeof(message.why) - 1] = message.text[sizeof(message.text) - 1] =
		'\0';
	*ret = message;
	return RC_OK;
}
