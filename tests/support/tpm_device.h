/*
 * tpm_device.h -- a character device that speaks TPM: a pseudo terminal, relayed to a swtpm.
 *
 * Machines of a CI have no /dev/tpmrm0, and no /dev/vtpmx or /dev/cuse to make one; the device TCTI asks only for
 * something to open, write a command to and read an answer from.
 */
#ifndef HWA_TEST_TPM_DEVICE_H
#define HWA_TEST_TPM_DEVICE_H

#include <termios.h>

#include "swtpm.h"

#define TPM_DEVICE_MESSAGE_MAX 4096

struct tpm_device {
	char path[64]; /* /dev/pts/N */
	int slave;     /* held open: a terminal that nobody has open hangs up */
	pid_t relay;
};

/* One message: ten bytes of header, whose third to sixth are the length of the whole. */
static inline size_t tpm_device_message(int fd, unsigned char *message)
{
	size_t have = 0, want = 10;

	while (have < want) {
		ssize_t got = read(fd, message + have, want - have);

		if (got <= 0)
			return 0;
		have += (size_t)got;
		if (have == 10)
			want = (size_t)message[2] << 24 | (size_t)message[3] << 16 | (size_t)message[4] << 8 | message[5];
		if (want < 10 || want > TPM_DEVICE_MESSAGE_MAX)
			return 0;
	}
	return have;
}

/* A swtpm takes one connection a command, as its TCTI does. */
static inline void tpm_device_relay(int master, const char *socket_path)
{
	unsigned char message[TPM_DEVICE_MESSAGE_MAX];
	size_t len;

	while ((len = tpm_device_message(master, message)) > 0) {
		struct sockaddr_un address = { .sun_family = AF_UNIX };
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
		if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || write(fd, message, len) != (ssize_t)len)
			_exit(1);
		len = tpm_device_message(fd, message);
		close(fd);
		if (write(master, message, len) != (ssize_t)len)
			_exit(1);
	}
	_exit(0);
}

static inline int tpm_device_start(struct tpm_device *device, const struct swtpm *tpm)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	char socket_path[80];
	struct termios raw;

	if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0 ||
	    ptsname_r(master, device->path, sizeof(device->path)) != 0) {
		perror("no pseudo terminal to stand for a TPM's device (is devpts mounted at /dev/pts?)");
		return -1;
	}
	device->slave = open(device->path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (device->slave < 0 || tcgetattr(device->slave, &raw) != 0) {
		perror(device->path);
		return -1;
	}
	cfmakeraw(&raw);
	if (tcsetattr(device->slave, TCSANOW, &raw) != 0)
		return -1;
	snprintf(socket_path, sizeof(socket_path), "%s/sock", tpm->dir);
	device->relay = fork();
	if (device->relay == 0)
		tpm_device_relay(master, socket_path);
	close(master);
	return device->relay < 0 ? -1 : 0;
}

static inline void tpm_device_stop(struct tpm_device *device)
{
	if (device->relay > 0) {
		kill(device->relay, SIGTERM);
		waitpid(device->relay, NULL, 0);
	}
	close(device->slave);
}

#endif /* HWA_TEST_TPM_DEVICE_H */
