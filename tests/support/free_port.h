/* free_port.h -- a TCP port of 127.0.0.1 that was free a moment ago, and is not handed out again at once. */
#ifndef HWA_TEST_FREE_PORT_H
#define HWA_TEST_FREE_PORT_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static inline int free_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &len) != 0)
		return -1;
	close(fd);
	return ntohs(address.sin_port);
}

#endif /* HWA_TEST_FREE_PORT_H */
