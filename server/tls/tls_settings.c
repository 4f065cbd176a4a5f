/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tls_settings - from the tls- parameters to OpenSSL's context; errors are logged in Redis' words.
 */
#include "conf/conf.h"
#include "server/tls/tls_private.h"

#include "storage/base/log.h"
#include "storage/base/mem.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

void tls_take_error(char *text, size_t size) {
    openssl.ERR_error_string_n(openssl.ERR_get_error(), text, size);
    openssl.ERR_clear_error();
}

static int fail(const char *what, const char *file) {
    char why[TLS_ERROR_CHARS];

    tls_take_error(why, sizeof why);
    if (file)
        log_warning("%s: %s: %s", what, file, why);
    else
        log_warning("%s: %s", what, why);
    return -1;
}

static bool is_set(const char *s) {
    return s && s[0];
}

/* ---------------------------------------------------------------- what may be wrong without
 * OpenSSL */

static int check_presence(const struct conf_values *v) {
    if (!is_set(v->tls_cert_file)) {
        log_warning("No tls-cert-file configured!");
        return -1;
    }
    if (!is_set(v->tls_key_file)) {
        log_warning("No tls-key-file configured!");
        return -1;
    }
    if ((v->tls_auth_clients != CONF_TLS_AUTH_NO || v->tls_cluster || v->tls_replication) &&
        !is_set(v->tls_ca_cert_file) && !is_set(v->tls_ca_cert_dir)) {
        log_warning(
            "Either tls-ca-cert-file or tls-ca-cert-dir must be specified when tls-cluster, "
            "tls-replication or tls-auth-clients are enabled!");
        return -1;
    }
    return 0;
}

static const struct {
    const char *name;
    uint64_t without; /* OpenSSL's option that leaves it out */
    bool by_default;
} protocols[] = {
    {"TLSv1", SSL_OP_NO_TLSv1, false},
    {"TLSv1.1", SSL_OP_NO_TLSv1_1, false},
    {"TLSv1.2", SSL_OP_NO_TLSv1_2, true},
    {"TLSv1.3", SSL_OP_NO_TLSv1_3, true},
};

enum { PROTOCOLS = sizeof protocols / sizeof *protocols };

static bool read_protocols(const char *text, bool use[PROTOCOLS]) {
    while (*(text += strspn(text, " "))) {
        size_t n = strcspn(text, " "), i = 0;

        while (i < PROTOCOLS &&
               (strlen(protocols[i].name) != n || strncasecmp(protocols[i].name, text, n) != 0))
            i++;
        if (i == PROTOCOLS) return false;
        use[i] = true;
        text += n;
    }
    return true;
}

/* The options that leave out what is not in tls-protocols. */
static int protocol_options(const struct conf_values *v, uint64_t *options) {
    bool use[PROTOCOLS] = {false};
    bool given = is_set(v->tls_protocols);

    if (given && !read_protocols(v->tls_protocols, use)) {
        log_warning("Invalid tls-protocols specified. Use a combination of 'TLSv1', 'TLSv1.1', "
                    "'TLSv1.2' and 'TLSv1.3'.");
        return -1;
    }
    *options = SSL_OP_NO_SSLv3;
    for (size_t i = 0; i < PROTOCOLS; i++)
        if (given ? !use[i] : !protocols[i].by_default) *options |= protocols[i].without;
    return 0;
}

/* ---------------------------------------------------------------- parts of a context */

/* Never asks at the terminal, as OpenSSL would by itself. */
static int give_pass(char *to, int size, int writing, void *arg) {
    const char *pass = arg;
    size_t n = pass ? strlen(pass) : 0;

    (void)writing;
    if (!pass || n > (size_t)size) return -1;
    memcpy(to, pass, n);
    return (int)n;
}

static int load_pair(SSL_CTX *ctx, const char *cert, const char *key, const char *pass) {
    openssl.SSL_CTX_set_default_passwd_cb(ctx, give_pass);
    openssl.SSL_CTX_set_default_passwd_cb_userdata(ctx, (void *)pass);
    if (openssl.SSL_CTX_use_certificate_chain_file(ctx, cert) <= 0)
        return fail("Failed to load certificate", cert);
    if (openssl.SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) <= 0)
        return fail("Failed to load private key", key);
    openssl.SSL_CTX_set_default_passwd_cb_userdata(ctx, NULL); /* the text does not live on */
    return 0;
}

static int load_authorities(SSL_CTX *ctx, const struct conf_values *v) {
    const char *file = is_set(v->tls_ca_cert_file) ? v->tls_ca_cert_file : NULL;
    const char *dir = is_set(v->tls_ca_cert_dir) ? v->tls_ca_cert_dir : NULL;

    if (!file && !dir) return 0;
    if (openssl.SSL_CTX_load_verify_locations(ctx, file, dir) > 0) return 0;
    return fail("Failed to configure CA certificate(s) file/directory", NULL);
}

/* With a list, a client certificate is good only if the list of its authority does not name it; an
 * authority without a list, or with one that is out of date, has no good certificates. */
static int load_revoked(SSL_CTX *ctx, const char *file) {
    X509_STORE *store = openssl.SSL_CTX_get_cert_store(ctx);
    X509_LOOKUP *lookup;

    if (!is_set(file)) return 0;
    lookup = openssl.X509_STORE_add_lookup(store, openssl.X509_LOOKUP_file());
    if (!lookup || openssl.X509_load_crl_file(lookup, file, X509_FILETYPE_PEM) <= 0 ||
        !openssl.X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK))
        return fail("Failed to load the list of revoked certificates", file);
    openssl.ERR_clear_error();
    return 0;
}

static int set_ciphers(SSL_CTX *ctx, const struct conf_values *v) {
    const char *wrong = NULL;

    if (is_set(v->tls_ciphers) && !openssl.SSL_CTX_set_cipher_list(ctx, v->tls_ciphers)) {
        log_warning("Failed to configure ciphers: %s", wrong = v->tls_ciphers);
    } else if (is_set(v->tls_ciphersuites) &&
               !openssl.SSL_CTX_set_ciphersuites(ctx, v->tls_ciphersuites)) {
        log_warning("Failed to configure ciphersuites: %s", wrong = v->tls_ciphersuites);
    }
    openssl.ERR_clear_error();
    return wrong ? -1 : 0;
}

static int load_dh(SSL_CTX *ctx, const char *file) {
    EVP_PKEY *params;
    BIO *in;

    if (!is_set(file)) {
        openssl.SSL_CTX_ctrl(ctx, SSL_CTRL_SET_DH_AUTO, 1, NULL);
        return 0;
    }
    in = openssl.BIO_new_file(file, "r");
    if (!in) {
        log_warning("Failed to load %s: %s", file, strerror(errno));
        openssl.ERR_clear_error();
        return -1;
    }
    params = openssl.PEM_read_bio_Parameters(in, NULL);
    openssl.BIO_free(in);
    openssl.ERR_clear_error();
    if (!params) {
        log_warning("%s: failed to read DH params.", file);
        return -1;
    }
    if (openssl.SSL_CTX_set0_tmp_dh_pkey(ctx, params) > 0) return 0; /* it has them now */
    openssl.EVP_PKEY_free(params);
    return fail("Failed to load DH params file", file);
}

/* Sessions are resumed by ticket or from the cache; without caching by neither. */
static void set_sessions(SSL_CTX *ctx, const struct conf_values *v) {
    if (!v->tls_session_caching) {
        openssl.SSL_CTX_ctrl(ctx, SSL_CTRL_SET_SESS_CACHE_MODE, SSL_SESS_CACHE_OFF, NULL);
        openssl.SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
        openssl.SSL_CTX_set_num_tickets(ctx, 0);
        return;
    }
    openssl.SSL_CTX_ctrl(ctx, SSL_CTRL_SET_SESS_CACHE_MODE, SSL_SESS_CACHE_SERVER, NULL);
    openssl.SSL_CTX_ctrl(ctx, SSL_CTRL_SET_SESS_CACHE_SIZE, (long)v->tls_session_cache_size, NULL);
    openssl.SSL_CTX_set_timeout(ctx, (long)v->tls_session_cache_timeout);
    openssl.SSL_CTX_set_num_tickets(ctx, 1); /* enough to come back once */
}

static void set_manners(SSL_CTX *ctx, const struct conf_values *v, uint64_t options) {
    options |= SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION;
    if (v->tls_prefer_server_ciphers) options |= SSL_OP_CIPHER_SERVER_PREFERENCE;
    openssl.SSL_CTX_set_options(ctx, options);
    /* An idle connection keeps no buffers; what could not be written may stand elsewhere then. */
    openssl.SSL_CTX_ctrl(ctx, SSL_CTRL_MODE,
                         SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                             SSL_MODE_RELEASE_BUFFERS,
                         NULL);
    /* Header and body of a record, and what follows, with one read. */
    openssl.SSL_CTX_ctrl(ctx, SSL_CTRL_SET_READ_AHEAD, 1, NULL);
}

/* ---------------------------------------------------------------- contexts */

static SSL_CTX *server_context(const struct conf_values *v, uint64_t options) {
    SSL_CTX *ctx = openssl.SSL_CTX_new(openssl.TLS_server_method());

    if (!ctx) {
        fail("Failed to create an SSL context", NULL);
        return NULL;
    }
    set_manners(ctx, v, options);
    set_sessions(ctx, v);
    if (load_pair(ctx, v->tls_cert_file, v->tls_key_file, v->tls_key_file_pass) == 0 &&
        load_authorities(ctx, v) == 0 && load_revoked(ctx, v->tls_crl_file) == 0 &&
        set_ciphers(ctx, v) == 0 && load_dh(ctx, v->tls_dh_params_file) == 0)
        return ctx;
    openssl.SSL_CTX_free(ctx);
    return NULL;
}

static bool has_client_pair(const struct conf_values *v) {
    return is_set(v->tls_client_cert_file) && is_set(v->tls_client_key_file);
}

/* For connections that this server begins, with the certificate for these or else its own. */
static int load_client_pair(SSL_CTX *ctx, const struct conf_values *v) {
    if (!has_client_pair(v))
        return load_pair(ctx, v->tls_cert_file, v->tls_key_file, v->tls_key_file_pass);
    return load_pair(ctx, v->tls_client_cert_file, v->tls_client_key_file,
                     v->tls_client_key_file_pass);
}

/* NULL and 0: not asked for. */
static int client_context(const struct conf_values *v, uint64_t options, SSL_CTX **out) {
    SSL_CTX *ctx;

    *out = NULL;
    if (!v->tls_replication && !has_client_pair(v)) return 0;
    ctx = openssl.SSL_CTX_new(openssl.TLS_client_method());
    if (!ctx) return fail("Failed to create an SSL context", NULL);
    set_manners(ctx, v, options);
    if (load_client_pair(ctx, v) == 0 && load_authorities(ctx, v) == 0 &&
        load_revoked(ctx, v->tls_crl_file) == 0 && set_ciphers(ctx, v) == 0) {
        *out = ctx;
        return 0;
    }
    openssl.SSL_CTX_free(ctx);
    return -1;
}

bool tls_is_wanted(const struct conf_values *v) {
    return v->tls_port != 0 || v->tls_replication || v->tls_cluster ||
           (v->http_tls && v->http_port != 0);
}

struct tls *tls_new(void) {
    return mem_calloc(sizeof(struct tls));
}

void tls_forget_settings(struct tls *t) {
    if (t->ctx) openssl.SSL_CTX_free(t->ctx); /* connections that use it hold a reference */
    if (t->client) openssl.SSL_CTX_free(t->client);
    t->ctx = t->client = NULL;
}

void tls_free(struct tls *t) {
    if (!t) return;
    tls_forget_settings(t);
    mem_free(t->server_name);
    mem_free(t);
}

bool tls_is_ready(const struct tls *t) {
    return t->ctx != NULL;
}

int tls_configure(struct tls *t, const struct conf_values *v) {
    uint64_t options;
    struct err e;
    SSL_CTX *ctx, *client;

    if (openssl_load(&e) < 0) {
        log_warning("%s", e.text);
        return -1;
    }
    openssl.ERR_clear_error();
    t->files = tls_fingerprint(v); /* before they are read: a later change is noticed */
    if (check_presence(v) < 0 || protocol_options(v, &options) < 0) return -1;
    ctx = server_context(v, options);
    if (!ctx) return -1;
    if (client_context(v, options, &client) < 0) {
        openssl.SSL_CTX_free(ctx);
        return -1;
    }
    tls_forget_settings(t);
    t->ctx = ctx;
    t->client = client;
    tls_note_facts(t, v);
    return 0;
}
