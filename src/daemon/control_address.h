/* control_address.h -- where STATE/control is, however long the path of STATE; nothing outside src/daemon/control*.c includes it. */
#ifndef HWA_CONTROL_ADDRESS_H
#define HWA_CONTROL_ADDRESS_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "err.h"
#include "scope.h"

struct control_address {
	int directory; /* open while the address is used */
	struct sockaddr_un name;
};

/* A socket's address has room for 107 characters: the directory stands in it as a descriptor. */
static inline enum rc control_address_make(const char *state_dir, struct control_address *ret, struct err *err)
{
	ret->directory = open(state_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (ret->directory < 0)
		return err_set_raw(err, errno == ENOENT ? RC_ABSENT : RC_RESOURCE, ERR_ERRNO, errno, "cannot open %s: %s",
				   state_dir, strerror(errno));
	ret->name = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(ret->name.sun_path, sizeof(ret->name.sun_path), "/proc/self/fd/%d/control", ret->directory);
	return RC_OK;
}

static inline void control_address_clear(struct control_address *address)
{
	if (address->directory >= 0)
		close(address->directory);
}
AUTO_DEFINE_VALUE(control_address, struct control_address, control_address_clear);

#endif /* HWA_CONTROL_ADDRESS_H */
