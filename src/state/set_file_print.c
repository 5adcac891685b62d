/* set_file_print.c -- lines that servers include, and certificates with the reference of their key. */
#include "set_file_print.h"

#include <string.h>

/* Where is the key: behind a PKCS#11 module, or in a TPM? */
static bool is_pkcs11(const struct archive_set *set)
{
	return set->key_uri.len > 7 && memcmp(set->key_uri.at, "pkcs11:", 7) == 0;
}

static enum rc print_nginx(const char *folder, const struct archive_set *set, struct buf *text, struct err *err)
{
	enum rc rc = buf_print(text, err, "ssl_certificate \"%s/fullchain.pem\";\n", folder);

	if (rc != RC_OK)
		return rc;
	if (is_pkcs11(set))
		return buf_print(text, err,
				 "# through the pkcs11 engine; with pkcs11-provider: ssl_certificate_key \"%s/key.pem\";\n"
				 "ssl_certificate_key \"engine:pkcs11:%.*s\";\n",
				 folder, (int)set->key_uri.len, (const char *)set->key_uri.at);
	return buf_print(text, err,
			 "# through the tpm2 provider: OPENSSL_CONF and TPM2OPENSSL_TCTI in nginx's environment\n"
			 "ssl_certificate_key \"%s/key.pem\";\n",
			 folder);
}

static enum rc print_apache(const char *folder, const struct archive_set *set, struct buf *text, struct err *err)
{
	enum rc rc = buf_print(text, err, "SSLCertificateFile \"%s/fullchain.pem\"\n", folder);

	if (rc != RC_OK)
		return rc;
	if (is_pkcs11(set))
		return buf_print(text, err,
				 "# through the pkcs11 engine; with pkcs11-provider: SSLCertificateKeyFile \"%s/key.pem\"\n"
				 "SSLCertificateKeyFile \"%.*s\"\n",
				 folder, (int)set->key_uri.len, (const char *)set->key_uri.at);
	return buf_print(text, err,
			 "# through the tpm2 provider: OPENSSL_CONF and TPM2OPENSSL_TCTI in httpd's environment\n"
			 "SSLCertificateKeyFile \"%s/key.pem\"\n",
			 folder);
}

static enum rc print_envoy(const char *name, const char *folder, struct buf *text, struct err *err)
{
	return buf_print(text, err,
			 "# for an Envoy whose TLS library is OpenSSL: BoringSSL loads no reference to a key\n"
			 "resources:\n"
			 "- \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret\n"
			 "  name: \"%s\"\n"
			 "  tls_certificate:\n"
			 "    certificate_chain: { filename: \"%s/fullchain.pem\" }\n"
			 "    private_key: { filename: \"%s/key.pem\" }\n",
			 name, folder, folder);
}

/* config(5ssl): "$" begins a variable, "#" a comment, and a backslash takes any meaning away. */
static enum rc print_conf_value(const char *value, struct buf *text, struct err *err)
{
	enum rc rc = RC_OK;

	for (const char *at = value; *at && rc == RC_OK; at++)
		rc = buf_print(text, err, strchr("$#\\\"'` ", *at) ? "\\%c" : "%c", *at);
	return rc;
}

static enum rc print_openssl_tpm2(const struct archive_set *set, struct buf *text, struct err *err)
{
	return buf_print(
		text, err,
		"# OPENSSL_CONF is to name this file; and in the environment too, because tpm2-openssl 1.1 heeds no tcti here:\n"
		"# TPM2OPENSSL_TCTI=%s\n"
		"openssl_conf = hwacme\n"
		"[hwacme]\n"
		"providers = providers\n"
		"alg_section = algorithms\n"
		"# default first: what is not about the key is not for the TPM to do\n"
		"[providers]\n"
		"default = on\n"
		"tpm2 = on\n"
		"[on]\n"
		"activate = 1\n"
		"[algorithms]\n"
		"default_properties = ?tpm2.signature=yes\n",
		set->token && set->token->tcti ? set->token->tcti : "");
}

static enum rc print_openssl_pkcs11(const struct archive_set *set, struct buf *text, struct err *err)
{
	const char *module = set->token && set->token->module ? set->token->module : NULL;
	enum rc rc = buf_print(text, err,
			       "# OPENSSL_CONF is to name this file; key.uri names the key\n"
			       "openssl_conf = hwacme\n"
			       "[hwacme]\n"
			       "engines = engines\n"
			       "[engines]\n"
			       "pkcs11 = pkcs11\n"
			       "[pkcs11]\n"
			       "engine_id = pkcs11\n");

	if (rc == RC_OK && module) {
		rc = buf_print(text, err, "MODULE_PATH = ");
		if (rc == RC_OK)
			rc = print_conf_value(module, text, err);
		if (rc == RC_OK)
			rc = buf_print(text, err, "\n");
	} else if (rc == RC_OK) {
		rc = buf_print(text, err, "# MODULE_PATH = the module-path of the token's uri\n");
	}
	return rc == RC_OK ? buf_print(text, err, "init = 0\n") : rc;
}

enum rc set_file_print(enum set_file file, const char *name, const char *folder, const struct archive_set *set,
		       struct buf *ret_text, struct err *err)
{
	enum rc rc;

	switch (file) {
	case SET_FILE_FULLCHAIN: return buf_append(ret_text, set->fullchain, err);
	case SET_FILE_CHAIN: return buf_append(ret_text, set->chain, err);
	case SET_FILE_CERT: return buf_append(ret_text, set->leaf, err);
	case SET_FILE_KEY_PEM: return buf_append(ret_text, set->key_pem, err);
	case SET_FILE_KEY_URI: return buf_append(ret_text, set->key_uri, err);
	case SET_FILE_NGINX: return print_nginx(folder, set, ret_text, err);
	case SET_FILE_HAPROXY:
		rc = buf_append(ret_text, set->fullchain, err);
		return rc == RC_OK ? buf_append(ret_text, set->key_pem, err) : rc;
	case SET_FILE_APACHE: return print_apache(folder, set, ret_text, err);
	case SET_FILE_ENVOY: return print_envoy(name, folder, ret_text, err);
	case SET_FILE_OPENSSL:
		return is_pkcs11(set) ? print_openssl_pkcs11(set, ret_text, err) : print_openssl_tpm2(set, ret_text, err);
	case SET_FILE_COUNT: break;
	}
	return err_set(err, RC_BUG, "there is no file %d", (int)file);
}
