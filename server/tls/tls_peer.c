/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tls_peer - which user the certificate of a client names: its common name, or its URIs.
 *
 * What a certificate says was checked by an authority that the operator trusts. Its text is copied
 * as UTF-8; a NUL within would end a name early, so such a name is none.
 * Not here: whether there is such a user.
 */
#include "conf/conf.h"
#include "server/tls/tls_private.h"
#include "storage/base/bytes.h"

#include <string.h>

static size_t take_name(const ASN1_STRING *name, struct bytes *out) {
    unsigned char *text = NULL;
    int n = openssl.ASN1_STRING_to_UTF8(&text, name);
    bool good = n > 0 && !memchr(text, '\0', (size_t)n);

    if (good) bytes_append(out, (const char *)text, (size_t)n);
    if (good) bytes_append_char(out, '\0');
    if (text) openssl.CRYPTO_free(text, __FILE__, __LINE__);
    return good;
}

static size_t take_common_name(const X509 *cert, struct bytes *out) {
    const X509_NAME *subject = openssl.X509_get_subject_name(cert);
    int at = openssl.X509_NAME_get_index_by_NID((X509_NAME *)subject, NID_commonName, -1);

    if (at < 0) return 0;
    return take_name(
        openssl.X509_NAME_ENTRY_get_data(openssl.X509_NAME_get_entry((X509_NAME *)subject, at)),
        out);
}

static size_t take_uris(const X509 *cert, struct bytes *out) {
    GENERAL_NAMES *all = openssl.X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    int count = all ? openssl.OPENSSL_sk_num((const OPENSSL_STACK *)all) : 0;
    size_t n = 0;

    for (int i = 0; i < count; i++) {
        const GENERAL_NAME *name = openssl.OPENSSL_sk_value((const OPENSSL_STACK *)all, i);

        if (name->type == GEN_URI) n += take_name(name->d.uniformResourceIdentifier, out);
    }
    if (all) openssl.GENERAL_NAMES_free(all);
    return n;
}

size_t tls_peer_names(const struct tls_conn *c, enum conf_tls_user which, struct bytes *out) {
    X509 *cert;
    size_t n;

    if (which == CONF_TLS_USER_OFF) return 0;
    if (openssl.SSL_get_verify_result(c->ssl) != X509_V_OK) return 0;
    cert = openssl.SSL_get1_peer_certificate(c->ssl);
    if (!cert) return 0;
    n = which == CONF_TLS_USER_CN ? take_common_name(cert, out) : take_uris(cert, out);
    openssl.X509_free(cert);
    openssl.ERR_clear_error();
    return n;
}
