/* web_server.c -- libmicrohttpd with our bounds; its own idle timeout does not end who sends a byte before it is over. */
#include "web_server.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libmicrohttpd.h"

#define IDLE_SECONDS 10

struct place {
	int fd;           /* -1: free */
	uint64_t arrival; /* counts up; 0: told to go, and on its way */
};

/* Read and changed by the server's thread alone. */
struct web_server {
	struct MHD_Daemon *daemon;
	unsigned count, taken;
	uint64_t arrivals;
	struct place places[];
};

static struct place *place_free(struct web_server *server)
{
	for (unsigned i = 0; i < server->count; i++)
		if (server->places[i].fd < 0)
			return &server->places[i];
	return NULL;
}

/* The library sees the end of it, and closes it. */
static void oldest_end(struct web_server *server)
{
	struct place *oldest = NULL;

	for (unsigned i = 0; i < server->count; i++) {
		struct place *place = &server->places[i];

		if (place->fd >= 0 && place->arrival && (!oldest || place->arrival < oldest->arrival))
			oldest = place;
	}
	if (!oldest)
		return;
	shutdown(oldest->fd, SHUT_RDWR);
	oldest->arrival = 0;
}

static void on_connection(void *ctx, struct MHD_Connection *connection, void **place_of, enum MHD_ConnectionNotificationCode what)
{
	struct web_server *server = ctx;
	struct place *place = *place_of;

	if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (place)
			place->fd = -1;
		server->taken -= place != NULL;
		return;
	}
	const union MHD_ConnectionInfo *info = libmicrohttpd.get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	*place_of = place = place_free(server);
	if (!place || !info)
		return;
	*place = (struct place){ .fd = info->connect_fd, .arrival = ++server->arrivals };
	/* The library accepts nobody while all places are taken, so the last one is made free as soon as it is. */
	if (++server->taken == server->count)
		oldest_end(server);
}

enum rc web_server_start(int fd, unsigned places, MHD_AccessHandlerCallback on_request, void *ctx, struct web_server **ret_server,
			 struct err *err)
{
	struct web_server *server = calloc(1, sizeof(*server) + places * sizeof(server->places[0]));
	sigset_t all, before;
	enum rc rc = server ? libmicrohttpd_load(err) : err_set(err, RC_RESOURCE, "out of memory");

	if (rc != RC_OK) {
		close(fd);
		free(server);
		return rc;
	}
	server->count = places;
	for (unsigned i = 0; i < places; i++)
		server->places[i].fd = -1;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	/* MHD_USE_ITC: woken by a descriptor of its own, not by a shutdown() of the socket, which systemd may want back. */
	server->daemon = libmicrohttpd.start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ITC, 0, NULL, NULL, on_request, ctx,
						    MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, places,
						    MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS,
						    MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_END);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!server->daemon) {
		close(fd);
		free(server);
		return err_set(err, RC_RESOURCE, "the server cannot be started: out of memory or threads");
	}
	*ret_server = server;
	return RC_OK;
}

void web_server_stop(struct web_server *server)
{
	if (!server)
		return;
	libmicrohttpd.stop_daemon(server->daemon);
	free(server);
}
