/* tpm2_rules.h -- which outcome a TPM fault may have: the class of the backend's table, and the exceptions to it. */
#ifndef HWA_TEST_TPM2_RULES_H
#define HWA_TEST_TPM2_RULES_H

#include <stdbool.h>
#include <tss2/tss2_common.h>

#include "stage.h"

#define TPM2_NO_CODE 0xffffffffu /* an answer that is cut or garbled: it must be noticed, or do no harm */
struct tpm2_fault {
	const char *command;
	unsigned nth;
	TSS2_RC code;
	enum fault_mode mode;
};

/* `why` says what would be right. */
bool tpm2_rule_allows(const char *phase, const struct tpm2_fault *fault, enum rc rc, char why[128]);
/* True when something may stay in the TPM: it could not be flushed, or nobody was told its handle. */
bool tpm2_rule_may_leave(const struct tpm2_fault *fault);

#endif /* HWA_TEST_TPM2_RULES_H */
