/* tcti_proxy.h -- what a test that links the TCTI proxy asks it; others load it through tctildr and read its log. */
#ifndef HWA_TEST_TCTI_PROXY_H
#define HWA_TEST_TCTI_PROXY_H

#include <stdint.h>

struct tcti_proxy_state {
	unsigned objects, sessions;           /* loaded now through this proxy and not flushed */
	unsigned objects_most, sessions_most; /* at once, since the script was set */
};

/* Sets the script of this process (README.md), NULL: the one in the file; counts begin anew. */
void tcti_proxy_script(const char *text);
/* Commands of this name ("TPM2_Sign") since the script was set; "*": any. */
uint64_t tcti_proxy_calls(const char *command);
struct tcti_proxy_state tcti_proxy_state(void);

#endif /* HWA_TEST_TCTI_PROXY_H */
