/* fake_ca_odd.c -- what is no word of an ACME server: the pages of proxies, cut off answers; and certificates that nobody asked for. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/x509v3.h>

#include "asn1_time.h"
#include "chance.h"
#include "clock.h"
#include "fake_ca_state.h"
#include "virtual_clock.h"

#define HTML      "text/html"
#define JSON      "application/json"
#define LONG_WAIT (INT64_C(400) * FAKE_DAY) /* a Retry-After that nobody can mean */

static const struct {
	long status;
	const char *type, *text;
	int64_t retry_after;
} NONSENSE[] = {
	{ 200, HTML, "<html><h1>Sign in to continue</h1></html>", 0 },
	{ 200, JSON, "{\"status\":\"val", 0 },
	{ 200, JSON, "{}", 0 },
	{ 200, JSON, "null", 0 },
	{ 200, JSON, "{\"status\":\"wonderful\",\"expires\":\"tomorrow\",\"identifiers\":{}}", 0 },
	{ 200, "", "", 0 },
	{ 403, HTML, "<html>blocked by policy</html>", 0 },
	{ 404, HTML, "<html>default backend</html>", 0 },
	{ 407, HTML, "<html>proxy</html>", 0 },
	{ 502, HTML, "<html>bad gateway</html>", 0 },
	{ 503, HTML, "<html>maintenance</html>", LONG_WAIT },
	{ 504, "", "", 0 },
};
#define NONSENSE_COUNT (sizeof(NONSENSE) / sizeof(NONSENSE[0]))

/* As http.c tells of what is no answer at all. */
static enum rc no_answer(unsigned which, struct err *err)
{
	switch (which) {
	case 0: return err_set_raw(err, RC_PROTOCOL, ERR_HTTP, 302, "a redirect, which is not followed");
	case 1: return err_set_raw(err, RC_DENIED, ERR_CURL, 60, "the server is not trusted: the simulation is in between");
	default: return err_set_raw(err, RC_PROTOCOL, ERR_CURL, 23, "more than is taken");
	}
}

enum rc fake_ca_nonsense(const struct fake_ca *ca, struct http_response *ret_response, struct err *err)
{
	static_assert(NONSENSE_COUNT + 3 == FAKE_NONSENSE, "fake_ca.h tells how many there are");
	unsigned which = ca->nonsense ? ca->nonsense - 1 : (unsigned)chance_between(0, FAKE_NONSENSE - 1);

	if (which >= NONSENSE_COUNT)
		return no_answer(which - (unsigned)NONSENSE_COUNT, err);
	struct http_response response = { .status = NONSENSE[which].status, .body = BUF_MAX(HTTP_BODY_MAX) };
	int64_t wait = NONSENSE[which].retry_after;
	snprintf(response.content_type, sizeof(response.content_type), "%s", NONSENSE[which].type);
	if (wait)
		response.retry_at = clock_now() + (wait < CLOCK_RETRY_MAX ? wait : CLOCK_RETRY_MAX);
	enum rc rc = buf_append(&response.body, span_text(NONSENSE[which].text), err);
	if (rc == RC_OK)
		*ret_response = response;
	return rc;
}

static void name_add(X509 *certificate, const char *name)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, name);

	X509_add_ext(certificate, extension, -1);
	X509_EXTENSION_free(extension);
}

static void names_drop(X509 *certificate)
{
	int at = X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1);

	if (at >= 0)
		X509_EXTENSION_free(X509_delete_ext(certificate, at));
}

bool fake_ca_spoils_for_all(enum fake_spoil spoil)
{
	return spoil != FAKE_SOUND && (spoil < FAKE_EXPIRED || spoil > FAKE_BRIEF);
}

/* Before it is signed. */
void fake_ca_spoil(X509 *certificate, enum fake_spoil spoil)
{
	int64_t from = virtual_clock_true();

	switch (spoil) {
	case FAKE_NAMELESS: names_drop(certificate); break;
	case FAKE_OTHER_NAME:
		names_drop(certificate);
		name_add(certificate, "DNS:somebody.else.example");
		break;
	case FAKE_OTHER_KEY: {
		EVP_PKEY *other = EVP_EC_gen("P-256");

		X509_set_pubkey(certificate, other);
		EVP_PKEY_free(other);
		break;
	}
	case FAKE_EXPIRED: asn1_time_put(X509_getm_notAfter(certificate), from - 60); break;
	case FAKE_LATER: asn1_time_put(X509_getm_notBefore(certificate), from + 30 * FAKE_DAY); break;
	case FAKE_BRIEF: asn1_time_put(X509_getm_notAfter(certificate), from + 3600); break;
	default: break;
	}
}

/* What is handed out for it. */
char *fake_ca_spoil_chain(const char *leaf, const char *root, const char *other_root, enum fake_spoil spoil)
{
	const char *parts[2] = { leaf, root };
	char *chain = NULL;

	if (spoil == FAKE_OTHER_ROOT)
		parts[1] = other_root;
	else if (spoil == FAKE_PRIVATE_KEY)
		parts[0] = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
	else if (spoil == FAKE_PAGE)
		parts[0] = "<html>your certificate is being prepared</html>";
	if (asprintf(&chain, "%s%s", parts[0], parts[1]) < 0)
		abort();
	return chain;
}
