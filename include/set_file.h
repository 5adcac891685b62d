/*
 * set_file.h -- the files that a certificate is published as, in one list.
 *
 * X(enumerator, word in the configuration and file, has the key's reference, is written without being asked for)
 */
#ifndef HWA_SET_FILE_H
#define HWA_SET_FILE_H

#include <stdbool.h>
#include <sys/types.h>

#define SET_FILES(X)                                                     \
	X(SET_FILE_FULLCHAIN, "fullchain", "fullchain.pem", false, true) \
	X(SET_FILE_CHAIN, "chain", "chain.pem", false, true)             \
	X(SET_FILE_CERT, "cert", "cert.pem", false, true)                \
	X(SET_FILE_KEY_PEM, "key.pem", "key.pem", true, true)            \
	X(SET_FILE_KEY_URI, "key.uri", "key.uri", true, true)            \
	X(SET_FILE_NGINX, "nginx.conf", "nginx.conf", false, true)       \
	X(SET_FILE_HAPROXY, "haproxy.pem", "haproxy.pem", true, true)    \
	X(SET_FILE_APACHE, "apache.conf", "apache.conf", false, false)   \
	X(SET_FILE_ENVOY, "envoy.yaml", "envoy.yaml", false, false)      \
	X(SET_FILE_OPENSSL, "openssl.cnf", "openssl.cnf", false, false)

#define X(name, word, file, has_key, by_default) name,
enum set_file { SET_FILES(X) SET_FILE_COUNT };
#undef X
#define SET_FILE_BIT(file) (1u << (file))

/* As written in the configuration, "fullchain"; and the file, "fullchain.pem". */
const char *set_file_word(enum set_file file);
const char *set_file_name(enum set_file file);
/* SET_FILE_COUNT: there is none of that word. */
enum set_file set_file_parse(const char *word);
/* Sets of SET_FILE_BIT(). */
unsigned set_file_defaults(void);
/* With what each of them cannot be without: the files that it names, and the certificate itself, which is always written. */
unsigned set_file_complete(unsigned formats);

/* How the files of a certificate are to be. */
struct set_files {
	unsigned formats; /* complete */
	mode_t mode;      /* of every file; 0: 0644, and 0640 of those with the key's reference */
	uid_t owner;      /* (uid_t)-1: who writes them */
	gid_t group;      /* (gid_t)-1: as it comes */
};
struct set_files set_files_default(void);
mode_t set_file_mode(const struct set_files *files, enum set_file file);

#endif /* HWA_SET_FILE_H */
