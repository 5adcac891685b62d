/* csr_request.h -- what a certificate is asked to say: put into the CSR, and looked for in what comes. */
#ifndef HWA_CSR_REQUEST_H
#define HWA_CSR_REQUEST_H

#include "config.h"

/* What a certificate is asked to say, and is held against when it comes; all borrowed. */
struct csr_request {
	char *const *names; /* as configured: "dns:...", "uri:..."; the certificate may have these and no others */
	unsigned name_count;
	unsigned parts; /* set of CONFIG_ASK_BIT(): what is asked for beside the key and the dns: names */
	bool is_nf;     /* a 5G network function's: its subjectAltName is critical (TS 33.310, 6.1.3c) */
	/* each with its bit in `parts` */
	const char *country, *organization; /* NULL: not in the subject */
	bool server, client;                /* extended key usages */
	char *const *nf_types;
	unsigned nf_type_count;
};

static inline bool csr_request_asks(const struct csr_request *request, enum config_ask ask)
{
	return (request->parts & CONFIG_ASK_BIT(ask)) != 0;
}

#endif /* HWA_CSR_REQUEST_H */
