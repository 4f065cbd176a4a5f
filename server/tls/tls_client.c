/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tls_client - settings for a program that only connects. Errors are returned and not logged.
 */
#include "server/tls/tls_private.h"
#include "storage/base/mem.h"

#include <errno.h>

static int fail(const char *what, const char *file, struct err *e) {
    char why[TLS_ERROR_CHARS];

    tls_take_error(why, sizeof why);
    return err_set(e, EINVAL, "cannot %s '%s': %s", what, file, why);
}

/* Without a file and a directory: those of the system. */
static int load_authorities(SSL_CTX *ctx, const struct tls_client *o, struct err *e) {
    if (o->insecure) return 0;
    if (!o->ca_file && !o->ca_dir) {
        if (openssl.SSL_CTX_set_default_verify_paths(ctx)) return 0;
        return fail("load", "the authorities of the system", e);
    }
    if (openssl.SSL_CTX_load_verify_locations(ctx, o->ca_file, o->ca_dir) > 0) return 0;
    return fail("load the authorities of", o->ca_file ? o->ca_file : o->ca_dir, e);
}

static int load_pair(SSL_CTX *ctx, const struct tls_client *o, struct err *e) {
    if (!o->cert_file) return 0;
    if (openssl.SSL_CTX_use_certificate_chain_file(ctx, o->cert_file) <= 0)
        return fail("load the certificate", o->cert_file, e);
    if (openssl.SSL_CTX_use_PrivateKey_file(ctx, o->key_file, SSL_FILETYPE_PEM) > 0) return 0;
    return fail("load the key", o->key_file, e);
}

struct tls *tls_new_client(const struct tls_client *o, struct err *e) {
    struct tls *t;

    if (openssl_load(e) < 0) return NULL;
    openssl.ERR_clear_error();
    t = tls_new();
    t->client = openssl.SSL_CTX_new(openssl.TLS_client_method());
    t->is_insecure = o->insecure;
    t->server_name = o->server_name ? mem_strdup(o->server_name) : NULL;
    if (!t->client)
        fail("create", "an SSL context", e);
    else if (load_authorities(t->client, o, e) == 0 && load_pair(t->client, o, e) == 0)
        return t;
    tls_free(t);
    return NULL;
}
