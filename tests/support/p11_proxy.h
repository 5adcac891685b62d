/* p11_proxy.h -- what a test that links the PKCS#11 proxy asks it; others load it as a module and read its log. */
#ifndef HWA_TEST_P11_PROXY_H
#define HWA_TEST_P11_PROXY_H

#include <stdint.h>

struct p11_proxy_state {
	unsigned sessions;               /* open now */
	unsigned sessions_most;          /* open at once, since the script was set */
	unsigned sessions_left;          /* open when C_CloseAllSessions or C_Finalize came, added up since the script was set */
	unsigned logins, logins_refused; /* real C_Login calls that reached the module, since the script was set */
};

/* Sets the script of this process (README.md), NULL: the one in the file; counts begin anew. */
void p11_proxy_script(const char *text);
/* Calls of a function since the script was set; "*": of any. */
uint64_t p11_proxy_calls(const char *function);
struct p11_proxy_state p11_proxy_state(void);

#endif /* HWA_TEST_P11_PROXY_H */
