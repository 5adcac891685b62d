/* asn1_time.h -- a time in a certificate: OpenSSL's own ASN1_TIME_set() takes a time_t, which has the size that OpenSSL was built with. */
#ifndef HWA_TEST_ASN1_TIME_H
#define HWA_TEST_ASN1_TIME_H

#include <openssl/asn1.h>
#include <stdint.h>
#include <time.h>

static inline void asn1_time_put(ASN1_TIME *time, int64_t at)
{
	time_t seconds = (time_t)at;
	struct tm fields;
	char text[32];

	if (gmtime_r(&seconds, &fields) && strftime(text, sizeof(text), "%Y%m%d%H%M%SZ", &fields))
		ASN1_TIME_set_string_X509(time, text);
}

#endif /* HWA_TEST_ASN1_TIME_H */
