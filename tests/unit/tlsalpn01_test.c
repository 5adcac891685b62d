/* tlsalpn01_test.c -- a handshake with acme-tls/1 and the right name shows the right certificate; no other connection gets anything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/time.h>

#include "challenge_fixture.h"
#include "clock.h"
#include "descriptors.h"
#include "free_port.h"
#include "tlsalpn01.h"

#define ONLY   \
	"\x0a" \
	"acme-tls/1"
#define MIXED        \
	"\x02h2\x0a" \
	"acme-tls/1"

#define SILENT 80 /* more than the server has places */

static int port;
static char address[32];
static struct config_challenge config = { .type = CHALLENGE_TLS_ALPN_01, .listen = address };

static int start(void **state)
{
	(void)state;
	port = free_port();
	snprintf(address, sizeof(address), "127.0.0.1:%d", port);
	return port > 0 ? 0 : -1;
}

static struct challenge_answer *begin(enum identifier_kind kind, const char *value)
{
	struct challenge_request request = fixture_request(&config, NULL, kind, value);
	struct challenge_answer *answer = NULL;
	struct err err = { 0 };

	if (challenge_get(CHALLENGE_TLS_ALPN_01)->begin(&request, &answer, &err) != RC_OK)
		fail_msg("%s", err.text);
	return answer;
}

static void end(struct challenge_answer *answer)
{
	challenge_get(CHALLENGE_TLS_ALPN_01)->end(answer, true);
}

static int connect_plain(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval patience = { .tv_sec = 20 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* The certificate shown; NULL: none was. */
static X509 *handshake(const char *name, const char *protocols, size_t len, int version)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);
	X509 *shown = NULL;
	const unsigned char *chosen;
	unsigned chosen_len = 0;
	int fd = connect_plain();

	SSL_set_max_proto_version(ssl, version);
	SSL_set_fd(ssl, fd);
	if (name)
		SSL_set_tlsext_host_name(ssl, name);
	if (protocols)
		SSL_set_alpn_protos(ssl, (const unsigned char *)protocols, (unsigned)len);
	if (SSL_connect(ssl) == 1) {
		shown = SSL_get1_peer_certificate(ssl);
		SSL_get0_alpn_selected(ssl, &chosen, &chosen_len);
		assert_int_equal(chosen_len, 10);
		assert_memory_equal(chosen, "acme-tls/1", 10);
		char byte;
		/* RFC 8737, 3: closed after the handshake; there is no application. */
		assert_true(SSL_read(ssl, &byte, 1) <= 0);
	}
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(fd);
	return shown;
}

static GENERAL_NAME *only_name(X509 *certificate, GENERAL_NAMES **ret_names)
{
	*ret_names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	assert_non_null(*ret_names);
	assert_int_equal(sk_GENERAL_NAME_num(*ret_names), 1);
	return sk_GENERAL_NAME_value(*ret_names, 0);
}

/* RFC 8737, 3 and 6.1: one SAN, and a critical acmeIdentifier with the hash of the key authorisation. */
static void the_certificate_has_one_name_and_the_proof(void **state)
{
	static const unsigned char proof[] =
		"\x04\x20\x65\x34\x71\xd4\x29\x25\xd7\xeb\x4c\xd3\x9a\x39\xcd\xa8\xb3\x4d\x30\x34\xc9\x4c"
		"\xb9\x00\x67\xab\x78\xc8\x12\x35\x60\xba\x2e\x5f";
	struct challenge_answer *answer = begin(IDENTIFIER_DNS, "amf.example");
	X509 *shown = handshake("AMF.example", ONLY, 11, TLS1_3_VERSION);
	GENERAL_NAMES *names;

	(void)state;
	assert_non_null(shown);
	const GENERAL_NAME *name = only_name(shown, &names);
	assert_int_equal(name->type, GEN_DNS);
	assert_int_equal(ASN1_STRING_length(name->d.dNSName), 11);
	assert_memory_equal(ASN1_STRING_get0_data(name->d.dNSName), "amf.example", 11);
	ASN1_OBJECT *id = OBJ_txt2obj("1.3.6.1.5.5.7.1.31", 1);
	X509_EXTENSION *extension = X509_get_ext(shown, X509_get_ext_by_OBJ(shown, id, -1));
	assert_non_null(extension);
	assert_int_equal(X509_EXTENSION_get_critical(extension), 1);
	assert_int_equal(ASN1_STRING_length(X509_EXTENSION_get_data(extension)), sizeof(proof) - 1);
	assert_memory_equal(ASN1_STRING_get0_data(X509_EXTENSION_get_data(extension)), proof, sizeof(proof) - 1);
	/* Self-signed, and valid now. */
	assert_int_equal(X509_verify(shown, X509_get0_pubkey(shown)), 1);
	assert_true(X509_cmp_current_time(X509_get0_notBefore(shown)) < 0 &&
		    X509_cmp_current_time(X509_get0_notAfter(shown)) > 0);
	ASN1_OBJECT_free(id);
	GENERAL_NAMES_free(names);
	X509_free(shown);
	shown = handshake("amf.example", ONLY, 11, TLS1_2_VERSION);
	assert_non_null(shown);
	X509_free(shown);
	end(answer);
	assert_int_equal(connect_plain(), -1);
}

static void names_are_told_apart_by_sni(void **state)
{
	struct challenge_answer *one = begin(IDENTIFIER_DNS, "one.example"), *two = begin(IDENTIFIER_IP, "192.0.2.7");
	GENERAL_NAMES *names;

	(void)state;
	/* RFC 8738, 6: an address by its name in in-addr.arpa (RFC 1034, 5.2.1), and iPAddress in the certificate. */
	X509 *shown = handshake("7.2.0.192.in-addr.arpa", ONLY, 11, TLS1_3_VERSION);
	assert_non_null(shown);
	const GENERAL_NAME *name = only_name(shown, &names);
	assert_int_equal(name->type, GEN_IPADD);
	assert_int_equal(ASN1_STRING_length(name->d.iPAddress), 4);
	assert_memory_equal(ASN1_STRING_get0_data(name->d.iPAddress), "\xc0\x00\x02\x07", 4);
	GENERAL_NAMES_free(names);
	X509_free(shown);
	end(two);
	assert_null(handshake("7.2.0.192.in-addr.arpa", ONLY, 11, TLS1_3_VERSION));
	shown = handshake("one.example", ONLY, 11, TLS1_3_VERSION);
	assert_non_null(shown);
	X509_free(shown);
	end(one);
}

/* RFC 8737, 3 and 4: acme-tls/1 and nothing else, TLS 1.2 or later, a name that is being validated. */
static void other_connections_get_nothing(void **state)
{
	struct challenge_answer *answer = begin(IDENTIFIER_DNS, "amf.example");

	(void)state;
	assert_null(handshake("amf.example", NULL, 0, TLS1_3_VERSION));
	assert_null(handshake("amf.example", MIXED, 14, TLS1_3_VERSION));
	assert_null(handshake("amf.example", "\x02h2", 3, TLS1_3_VERSION));
	assert_null(handshake("other.example", ONLY, 11, TLS1_3_VERSION));
	assert_null(handshake(NULL, ONLY, 11, TLS1_3_VERSION));
	assert_null(handshake("amf.example", ONLY, 11, TLS1_1_VERSION));
	int fd = connect_plain();
	assert_int_equal(write(fd, "GET / HTTP/1.0\r\n\r\n", 18), 18);
	char answered[64];
	ssize_t got = recv(fd, answered, sizeof(answered), 0);
	/* An alert, or a closed door: nothing of HTTP. */
	assert_true(got <= 0 || answered[0] == 0x15);
	close(fd);
	X509 *shown = handshake("amf.example", ONLY, 11, TLS1_3_VERSION);
	assert_non_null(shown);
	X509_free(shown);
	end(answer);
}

/* Connections that say nothing keep nobody out: the first of them make room, and the end does not wait for the others. */
static void silent_connections_keep_nobody_out(void **state)
{
	struct challenge_answer *answer = begin(IDENTIFIER_DNS, "amf.example");
	int silent[SILENT];
	char byte;

	(void)state;
	for (int i = 0; i < SILENT; i++)
		silent[i] = connect_plain();
	X509 *shown = handshake("amf.example", ONLY, 11, TLS1_3_VERSION);
	assert_non_null(shown);
	X509_free(shown);
	assert_true(recv(silent[0], &byte, 1, 0) <= 0);
	assert_int_equal(recv(silent[SILENT - 1], &byte, 1, MSG_DONTWAIT), -1);
	int64_t before = clock_monotonic_ms();
	end(answer);
	assert_in_range(clock_monotonic_ms() - before, 0, 5000);
	for (int i = 0; i < SILENT; i++)
		close(silent[i]);
}

/* Who asks meanwhile waits, the server does not run in circles, and the operator is told. */
static void without_descriptors_it_rests(void **state)
{
	struct fixture_desk calls = { .notes = 0 };
	struct challenge_desk desk = fixture_desk_make(&calls);
	struct challenge_request request = fixture_request(&config, &desk, IDENTIFIER_DNS, "amf.example");
	struct challenge_answer *answer = NULL;
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct descriptors all;

	(void)state;
	assert_int_equal(challenge_get(CHALLENGE_TLS_ALPN_01)->begin(&request, &answer, NULL), RC_OK);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(descriptors_take(&all), 0);
	int connected = connect(fd, (struct sockaddr *)&to, sizeof(to));
	long cpu = cpu_of_half_a_second();
	descriptors_give_back(&all);
	assert_int_equal(connected, 0);
	assert_in_range(cpu, 0, 100);
	X509 *shown = handshake("amf.example", ONLY, 11, TLS1_3_VERSION);
	assert_non_null(shown);
	X509_free(shown);
	close(fd);
	end(answer);
	assert_int_equal(calls.notes, 1);
	assert_non_null(strstr(calls.note, "Too many open files"));
}

static void addresses_have_a_reverse_name(void **state)
{
	char name[TLSALPN01_NAME_MAX];

	(void)state;
	/* RFC 3596, 2.5, its own example. */
	tlsalpn01_sni(&(struct identifier){ IDENTIFIER_IP, "4321:0:1:2:3:4:567:89ab" }, name);
	assert_string_equal(name, "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_certificate_has_one_name_and_the_proof),
		cmocka_unit_test(names_are_told_apart_by_sni),
		cmocka_unit_test(other_connections_get_nothing),
		cmocka_unit_test(silent_connections_keep_nobody_out),
		cmocka_unit_test(without_descriptors_it_rests),
		cmocka_unit_test(addresses_have_a_reverse_name),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
