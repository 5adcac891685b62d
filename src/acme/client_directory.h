/* client_directory.h -- one ACME server as the files of the client share it; nothing outside src/acme/client*.c includes it. */
#ifndef HWA_CLIENT_DIRECTORY_H
#define HWA_CLIENT_DIRECTORY_H

#include <pthread.h>

#include "client.h"
#include "message.h"

struct client {
	struct http *http;
	struct token_key *key;
	enum jws_algorithm algorithm;
	char directory_url[HTTP_URL_MAX];
	struct client_cache cache;
	/* What was loaded is out of date when one of its URLs is gone; it stays here, because others may be reading it still. */
	struct message_directory loaded, fetched;
	const struct message_directory *directory; /* one of the two; NULL: not known yet */
	bool anew;                                 /* the cache is not asked again */
	pthread_mutex_t fetching, lock;            /* of the directory while it is fetched; of what stands above and below */
	char account[HTTP_URL_MAX];
	char thumbprint[CLIENT_THUMBPRINT_MAX]; /* "": not asked for yet */
	char nonces[CLIENT_NONCES_MAX][HTTP_NONCE_MAX];
	unsigned nonce_count;
};

/* The directory is known afterwards.  One caller asks the server, or the cache; the others wait for what it is told. */
enum rc client_directory_fetch(struct client *client, struct err *err) HWA_CHECKED;
/* What was loaded from the cache turned out to be out of date: the next look fetches.  False: it had been fetched just now. */
bool client_directory_forget(struct client *client);
/* The URL is one of the directory's: when it is gone, the directory is out of date. */
bool client_directory_has(struct client *client, const char *url);

/* What an answer that is no success says (RFC 8555, 6.7). */
enum rc client_refusal(const struct http_response *response, struct err *err) HWA_CHECKED;

#endif /* HWA_CLIENT_DIRECTORY_H */
