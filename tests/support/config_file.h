/* config_file.h -- a configuration of the test's own, in a file that is there for as long as the test runs. */
#ifndef HWA_CONFIG_FILE_H
#define HWA_CONFIG_FILE_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char path[] = "/tmp/hwa-config-XXXXXX";

static inline int config_file_start(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 || close(fd) != 0 ? -1 : 0;
}

static inline int config_file_stop(void **state)
{
	(void)state;
	return unlink(path);
}

#endif /* HWA_CONFIG_FILE_H */
