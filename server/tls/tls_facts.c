/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tls_facts - what INFO tells of the certificates in use, and whether their files have changed.
 *
 * Serial numbers and end times are noted when the settings are read, so that INFO reads no file. Of
 * several authorities the one is told that ends first.
 */
#include "conf/conf.h"
#include "server/tls/tls_private.h"
#include "storage/base/bytes.h"
#include "storage/base/clock.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* ---------------------------------------------------------------- certificates */

static void note(struct tls_cert_facts *f, const X509 *cert) {
    const ASN1_TIME *end = openssl.X509_get0_notAfter(cert);
    BIGNUM *n = openssl.ASN1_INTEGER_to_BN(openssl.X509_get_serialNumber((X509 *)cert), NULL);
    char *hex = n ? openssl.BN_bn2hex(n) : NULL;
    int days = 0, seconds = 0;

    snprintf(f->serial, sizeof f->serial, "%s", hex ? hex : "");
    if (openssl.ASN1_TIME_diff(&days, &seconds, NULL, end))
        f->expires_s = clock_wall_ms() / 1000 + (int64_t)days * 86400 + seconds;
    openssl.CRYPTO_free(hex, __FILE__, __LINE__);
    openssl.BN_free(n);
}

static void note_context(struct tls_cert_facts *f, const SSL_CTX *ctx) {
    const X509 *cert = ctx ? openssl.SSL_CTX_get0_certificate(ctx) : NULL;

    if (cert) note(f, cert);
}

static void note_authorities(struct tls_cert_facts *f, const char *file) {
    BIO *in = file && file[0] ? openssl.BIO_new_file(file, "r") : NULL;
    X509 *cert;

    while (in && (cert = openssl.PEM_read_bio_X509(in, NULL, NULL, NULL))) {
        struct tls_cert_facts next = {.expires_s = 0};

        note(&next, cert);
        openssl.X509_free(cert);
        if (!f->serial[0] || next.expires_s < f->expires_s) *f = next;
    }
    if (in) openssl.BIO_free(in);
    openssl.ERR_clear_error();
}

void tls_note_facts(struct tls *t, const struct conf_values *v) {
    memset(t->facts, 0, sizeof t->facts);
    note_context(&t->facts[TLS_CERT_SERVER], t->ctx);
    if (v->tls_client_cert_file && v->tls_client_cert_file[0])
        note_context(&t->facts[TLS_CERT_CLIENT], t->client);
    note_authorities(&t->facts[TLS_CERT_AUTHORITY], v->tls_ca_cert_file);
}

void tls_describe(const struct tls *t, struct bytes *out) {
    static const char *const names[TLS_CERTS] = {"server", "client", "ca"};
    int64_t now_s = clock_wall_ms() / 1000;

    for (int i = 0; i < TLS_CERTS; i++) {
        bool there = t && t->ctx && t->facts[i].serial[0];

        bytes_printf(out, "tls_%s_cert_serial:%s\r\ntls_%s_cert_expires_in_seconds:%lld\r\n",
                     names[i], there ? t->facts[i].serial : "none", names[i],
                     there ? (long long)(t->facts[i].expires_s - now_s) : 0);
    }
}

/* ---------------------------------------------------------------- files */

static uint64_t mix(uint64_t h, uint64_t v) {
    h = (h ^ v) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 29;
}

static uint64_t add_file(uint64_t h, const char *file) {
    struct stat st;

    if (!file || !file[0] || stat(file, &st) < 0) return mix(h, 1);
    h = mix(h, (uint64_t)st.st_ino);
    h = mix(h, (uint64_t)st.st_size);
    h = mix(h, (uint64_t)st.st_mtim.tv_sec);
    return mix(h, (uint64_t)st.st_mtim.tv_nsec);
}

uint64_t tls_fingerprint(const struct conf_values *v) {
    const char *const files[] = {
        v->tls_cert_file,      v->tls_key_file,     v->tls_client_cert_file, v->tls_client_key_file,
        v->tls_dh_params_file, v->tls_ca_cert_file, v->tls_ca_cert_dir,      v->tls_crl_file,
    };
    uint64_t h = 0;

    for (size_t i = 0; i < sizeof files / sizeof *files; i++) h = add_file(h, files[i]);
    return h;
}

bool tls_files_changed(const struct tls *t, const struct conf_values *v) {
    return t->files != tls_fingerprint(v);
}
