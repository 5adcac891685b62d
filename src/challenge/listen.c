/*
 * listen.c -- opens a listening socket, or takes one that systemd opened.
 *
 * The protocol of sd_listen_fds(3) is three variables and promised to stay; they are read here, because
 * libsystemd would bring its decompressors into the one process that talks to the network.
 */
#include "listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG      16
#define FIRST_FD     3  /* SD_LISTEN_FDS_START */
#define HANDED_MAX   64 /* sockets of one unit */
#define ADDRESS_TEXT 64

/* "0.0.0.0:80", "[::]:80" */
static enum rc address_parse(const char *type, const char *text, struct sockaddr_storage *ret_address, struct err *err)
{
	struct sockaddr_in *four = (struct sockaddr_in *)(void *)ret_address;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)(void *)ret_address;
	const char *colon = strrchr(text, ':');
	char host[ADDRESS_TEXT] = "", *end = NULL;
	unsigned long port = colon ? strtoul(colon + 1, &end, 10) : 0;

	memset(ret_address, 0, sizeof(*ret_address));
	if (!colon || !end || *end || port == 0 || port > 65535 || (size_t)(colon - text) >= sizeof(host))
		return err_set(err, RC_INPUT, "%s: listen: \"%s\" is not ADDRESS:PORT", type, text);
	bool bracketed = text[0] == '[' && colon[-1] == ']';
	snprintf(host, sizeof(host), "%.*s", (int)(colon - text) - (bracketed ? 2 : 0), text + (bracketed ? 1 : 0));
	if (bracketed && inet_pton(AF_INET6, host, &six->sin6_addr) == 1) {
		six->sin6_family = AF_INET6;
		six->sin6_port = htons((uint16_t)port);
		return RC_OK;
	}
	if (!bracketed && inet_pton(AF_INET, host, &four->sin_addr) == 1) {
		four->sin_family = AF_INET;
		four->sin_port = htons((uint16_t)port);
		return RC_OK;
	}
	return err_set(err, RC_INPUT, "%s: listen: \"%s\" has no IPv4 or [IPv6] address", type, host);
}

/* IPv4 as IPv6 has it: ::ffff:192.0.2.1 */
static struct in6_addr address_six(const struct sockaddr_storage *address)
{
	struct in6_addr six = { .s6_addr = { [10] = 0xff, [11] = 0xff } };

	if (address->ss_family == AF_INET6)
		return ((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
	memcpy(&six.s6_addr[12], &((const struct sockaddr_in *)(const void *)address)->sin_addr, sizeof(struct in_addr));
	return six;
}

/* [::] is opened for IPv4, too. */
static bool address_covers(const struct in6_addr *one, const struct in6_addr *other)
{
	static const struct in6_addr every_four = { .s6_addr = { [10] = 0xff, [11] = 0xff } };

	return IN6_IS_ADDR_UNSPECIFIED(one) || IN6_ARE_ADDR_EQUAL(one, other) ||
	       (IN6_ARE_ADDR_EQUAL(one, &every_four) && IN6_IS_ADDR_V4MAPPED(other));
}

bool listen_overlaps(const char *one, const char *other)
{
	struct sockaddr_storage addresses[2];

	if (address_parse("", one, &addresses[0], NULL) != RC_OK || address_parse("", other, &addresses[1], NULL) != RC_OK)
		return false;
	struct in6_addr six[2] = { address_six(&addresses[0]), address_six(&addresses[1]) };
	/* Where a port stands is the same for both. */
	return ((struct sockaddr_in *)(void *)&addresses[0])->sin_port ==
		       ((struct sockaddr_in *)(void *)&addresses[1])->sin_port &&
	       (address_covers(&six[0], &six[1]) || address_covers(&six[1], &six[0]));
}

/* What the operator can do.  To a challenge's port others connect, and it may be handed over; that of a page is ours to choose. */
static const char *remedy(const char *type, int number)
{
	bool is_page = strcmp(type, "metrics") == 0;

	if (number == EAFNOSUPPORT)
		return "there is no IPv6 here: write an IPv4 address (0.0.0.0:PORT)";
	if (number == EADDRNOTAVAIL)
		return "write an address of this machine";
	if (number == EACCES)
		return is_page ? "write a port above 1023"
			       : "have systemd open the port (hwacme.socket, listen: systemd:http-01), or forward it and write "
				 "another one";
	return is_page ? "free the port, or write another one" : "free the port, or forward it and write another one";
}

/* errno says why; the socket is closed. */
static enum rc cannot(const char *type, const char *text, int fd, struct err *err)
{
	int number = errno;

	if (fd >= 0)
		close(fd);
	return err_set_raw(err, RC_RETRY, ERR_ERRNO, number, "%s: cannot listen on %s: %s; %s in %s: { listen: }", type, text,
			   strerror(number), remedy(type, number), type);
}

/* Bound, and not yet listening. */
static enum rc address_bind(const char *type, const char *text, int *ret_fd, struct err *err)
{
	struct sockaddr_storage address;
	const int on = 1, off = 0;
	enum rc rc = address_parse(type, text, &address, err);

	if (rc != RC_OK)
		return rc;
	socklen_t len = address.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		if (address.ss_family == AF_INET6)
			setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
		if (bind(fd, (struct sockaddr *)&address, len) == 0) {
			*ret_fd = fd;
			return RC_OK;
		}
	}
	return cannot(type, text, fd, err);
}

static enum rc address_open(const char *type, const char *text, int *ret_fd, struct err *err)
{
	int fd;
	enum rc rc = address_bind(type, text, &fd, err);

	if (rc != RC_OK)
		return rc;
	if (listen(fd, BACKLOG) != 0)
		return cannot(type, text, fd, err);
	*ret_fd = fd;
	return RC_OK;
}

unsigned listen_handed(void)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	char *end = NULL;

	if (!pid || !count || strtol(pid, &end, 10) != (long)getpid() || *end)
		return 0;
	unsigned long number = strtoul(count, &end, 10);
	return *end || number > HANDED_MAX ? 0 : (unsigned)number;
}

/* The place of `wanted` in "a:b:c"; -1: none. */
static int name_index(const char *names, const char *wanted)
{
	size_t len = strlen(wanted);

	for (int at = 0; names; at++) {
		size_t here = strcspn(names, ":");

		if (here == len && memcmp(names, wanted, len) == 0)
			return at;
		names = names[here] ? names + here + 1 : NULL;
	}
	return -1;
}

static bool is_listening_stream(int fd)
{
	int kind = 0, listening = 0;
	socklen_t len = sizeof(int);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &kind, &len) == 0 && kind == SOCK_STREAM &&
	       getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 && listening;
}

static enum rc handed_open(const char *type, const char *text, int *ret_fd, struct err *err)
{
	const char *name = text[7] == ':' ? text + 8 : NULL, *names = getenv("LISTEN_FDNAMES");
	unsigned count = listen_handed();
	int at = !name ? 0 : count ? name_index(names, name) : -1;

	if (!count)
		return err_set(
			err, RC_INPUT,
			"%s: listen: %s: no socket was handed over; start hwacme by a systemd socket unit (systemd.socket(5))",
			type, text);
	if (!name && count > 1)
		return err_set(
			err, RC_INPUT,
			"%s: listen: systemd: %u sockets were handed over; write systemd:NAME with the FileDescriptorName= of "
			"one (%s)",
			type, count, names ? names : "they have no names");
	if (at < 0 || (unsigned)at >= count)
		return err_set(err, RC_INPUT, "%s: listen: %s: no socket of that name was handed over (%s)", type, text,
			       names ? names : "they have no names");
	if (!is_listening_stream(FIRST_FD + at))
		return err_set(err, RC_INPUT, "%s: listen: %s is not a listening TCP socket; write ListenStream= in its unit",
			       type, text);
	/* The one handed over stays for the next answer. */
	*ret_fd = fcntl(FIRST_FD + at, F_DUPFD_CLOEXEC, FIRST_FD);
	if (*ret_fd < 0)
		return err_set_raw(err, RC_RESOURCE, ERR_ERRNO, errno, "%s: listen: %s: %s", type, text, strerror(errno));
	fcntl(*ret_fd, F_SETFL, fcntl(*ret_fd, F_GETFL) | O_NONBLOCK);
	return RC_OK;
}

enum rc listen_open(const char *type, const char *text, int *ret_fd, struct err *err)
{
	return strncmp(text, "systemd", 7) == 0 ? handed_open(type, text, ret_fd, err) : address_open(type, text, ret_fd, err);
}

enum rc listen_try(const char *type, const char *text, struct err *err)
{
	int fd;

	if (strncmp(text, "systemd", 7) == 0)
		return RC_OK;
	/* Two that are bound and do not listen are in nobody's way (SO_REUSEADDR). */
	enum rc rc = address_bind(type, text, &fd, err);
	if (rc == RC_OK)
		close(fd);
	return rc;
}

void listen_forget(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		close(FIRST_FD + (int)i);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
}
