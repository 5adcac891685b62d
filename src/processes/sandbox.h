/*
 * sandbox.h -- what each process may still ask of the kernel, once it has opened what it needs.
 *
 * seccomp allows a list of system calls and answers EPERM to the rest, so that a newer
 * libc that tries something new goes on without it.  Landlock, where the kernel has it,
 * names the files.  Neither can be undone, and both are inherited by every child.
 */
#ifndef HWA_SANDBOX_H
#define HWA_SANDBOX_H

#include <stdbool.h>

#include "config.h"
#include "err.h"

/*
 * keyd: no program is run, nobody is traced, no socket is made but AF_UNIX -- and AF_INET only where a
 * TCTI names a host, or a PKCS#11 token says `network: true`.  What files a vendor's module
 * needs cannot be known, so files are left to the user it runs as.
 */
enum rc sandbox_keyd(const struct config *config, struct err *err) HWA_CHECKED;

/*
 * The engine: no program is run, no memory made executable (so no module can be mapped), no AF_UNIX socket.  Of files it
 * reads what resolving names and TLS need, and writes the database, archive/ and live/.  It cannot read a PIN, and
 * cannot touch STATE/keys.  The libraries that it may come to use are loaded here first.  To be entered when the store is
 * open and before the network is.
 */
enum rc sandbox_engine(const struct config *config, struct err *err) HWA_CHECKED;

/*
 * Some system calls have their arguments in memory, where no filter sees them: those of sockets on i386, s390x and PowerPC, so that
 * neither process is kept from the one family or the other there, and mmap() on s390x.
 */
bool sandbox_sees_sockets(void);
bool sandbox_sees_mappings(void);

/* Does this kernel have Landlock?  Without it the engine is confined by seccomp alone. */
bool sandbox_has_landlock(void);

#endif /* HWA_SANDBOX_H */
