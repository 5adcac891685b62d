/* fake_processes.h -- hooks that do nothing, or fail by chance, in place of src/processes/processes.c; and a disk that is full. */
#ifndef HWA_SIM_FAKE_PROCESSES_H
#define HWA_SIM_FAKE_PROCESSES_H

#include "machine.h"

/* Whose hooks and disk they are. */
void fake_processes_serve(struct machine *machine);

#endif /* HWA_SIM_FAKE_PROCESSES_H */
