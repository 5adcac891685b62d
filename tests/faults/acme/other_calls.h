/* other_calls.h -- the requests that are no part of an order, in the sweep. */
#ifndef HWA_TEST_OTHER_CALLS_H
#define HWA_TEST_OTHER_CALLS_H

#include "bench.h"

/* renewalInfo, revokeCert and keyChange, each with every type. */
void other_calls_run(struct bench *bench);

#endif /* HWA_TEST_OTHER_CALLS_H */
