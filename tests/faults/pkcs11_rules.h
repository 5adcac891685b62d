/* pkcs11_rules.h -- which outcome a PKCS#11 fault may have: the class of the backend's table, and the exceptions to it. */
#ifndef HWA_TEST_PKCS11_RULES_H
#define HWA_TEST_PKCS11_RULES_H

#include <p11-kit/pkcs11.h>
#include <stdbool.h>

#include "stage.h"

#define PKCS11_NO_CODE ((CK_RV)-2) /* success with a wrong length: it must be noticed, or do no harm */
struct pkcs11_fault {
	const char *function;
	unsigned nth;
	CK_RV code;
	enum fault_mode mode;
};

/* `why` says what would be right. */
bool pkcs11_rule_allows(const char *phase, const struct pkcs11_fault *fault, enum rc rc, char why[128]);
/* True when a call that succeeds and one that never came differ in the token. */
bool pkcs11_rule_has_effect(const char *function);

#endif /* HWA_TEST_PKCS11_RULES_H */
