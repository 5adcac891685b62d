/* free_port.h -- a TCP port of 127.0.0.1 that is free now; below those that the kernel hands out, and that labs of scripts take. */
#ifndef HWA_TEST_FREE_PORT_H
#define HWA_TEST_FREE_PORT_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

/* -1: none in a hundred tries. */
static inline int free_port(void)
{
	for (int tries = 0; tries < 100; tries++) {
		struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		uint16_t number;
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd < 0 || getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
			return -1;
		int port = 2000 + number % 10000;
		address.sin_port = htons((uint16_t)port);
		int bound = bind(fd, (struct sockaddr *)&address, sizeof(address));
		close(fd);
		if (bound == 0)
			return port;
	}
	return -1;
}

#endif /* HWA_TEST_FREE_PORT_H */
