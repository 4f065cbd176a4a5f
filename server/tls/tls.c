/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tls - one connection; tls_settings.c passes the settings to OpenSSL.
 */
#include "conf/conf.h"
#include "server/tls/tls_private.h"

#include "storage/base/check.h"
#include "storage/base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { GATHER_MAX = 4 * 1024 /* a piece that is shorter shares a record with the next ones */ };

static const unsigned next_states[TLS_STATES] = {
    [TLS_HANDSHAKE] = 1u << TLS_OPEN | 1u << TLS_BROKEN,
    [TLS_OPEN] = 1u << TLS_ENDED | 1u << TLS_BROKEN,
};

static void enter(struct tls_conn *c, enum tls_state to) {
    CHECK(next_states[c->state] & (1u << to));
    c->state = (uint8_t)to;
}

/* ---------------------------------------------------------------- its life */

static int verify_mode(enum conf_tls_auth clients) {
    switch (clients) {
    case CONF_TLS_AUTH_NO: return SSL_VERIFY_NONE;
    case CONF_TLS_AUTH_OPTIONAL: return SSL_VERIFY_PEER;
    default: return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    }
}

static struct tls_conn *new_conn(struct tls *t, SSL *ssl) {
    struct tls_conn *c = mem_calloc(sizeof *c);

    c->tls = t;
    c->ssl = ssl;
    c->state = TLS_HANDSHAKE;
    return c;
}

static bool ask_for_name(SSL *ssl, const char *name) {
    return !name || openssl.SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                                     (void *)name) == 1;
}

struct tls_conn *tls_connect(struct tls *t, int fd) {
    SSL *ssl = t->client ? openssl.SSL_new(t->client) : NULL;

    if (!ssl || !openssl.SSL_set_fd(ssl, fd) || !ask_for_name(ssl, t->server_name)) {
        if (ssl) openssl.SSL_free(ssl);
        if (t->client) openssl.ERR_clear_error();
        return NULL;
    }
    openssl.SSL_set_verify(ssl, t->is_insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    openssl.SSL_set_connect_state(ssl);
    return new_conn(t, ssl);
}

struct tls_conn *tls_accept(struct tls *t, int fd, enum conf_tls_auth clients) {
    unsigned char made_under = (unsigned char)clients;
    SSL *ssl = t->ctx ? openssl.SSL_new(t->ctx) : NULL;

    if (!ssl || !openssl.SSL_set_fd(ssl, fd) ||
        !openssl.SSL_set_session_id_context(ssl, &made_under, 1)) {
        openssl.SSL_free(ssl);
        openssl.ERR_clear_error();
        return NULL;
    }
    openssl.SSL_set_verify(ssl, verify_mode(clients), NULL);
    openssl.SSL_set_accept_state(ssl);
    return new_conn(t, ssl);
}

void tls_close(struct tls_conn *c) {
    if (c->state == TLS_OPEN || c->state == TLS_ENDED) {
        openssl.SSL_shutdown(c->ssl); /* the answer is not waited for */
        openssl.ERR_clear_error();
    }
    openssl.SSL_free(c->ssl);
    mem_free(c);
}

static int broken(struct tls_conn *c, int code) {
    enter(c, TLS_BROKEN);
    errno = code;
    return -1;
}

/* The result of a call that did not succeed: -1 with errno set, or 0 when the peer has ended. */
static int outcome(struct tls_conn *c, int rc, uint8_t *waits) {
    int code = errno;

    switch (openssl.SSL_get_error(c->ssl, rc)) {
    case SSL_ERROR_WANT_READ: *waits = TLS_WAIT_READ; break;
    case SSL_ERROR_WANT_WRITE: *waits = TLS_WAIT_WRITE; break;
    case SSL_ERROR_ZERO_RETURN:
        if (c->state == TLS_OPEN) {
            enter(c, TLS_ENDED);
            return 0;
        }
        return broken(c, ECONNRESET);
    case SSL_ERROR_SYSCALL: return broken(c, code ? code : ECONNRESET);
    default: return broken(c, EPROTO);
    }
    errno = EAGAIN;
    return -1;
}

/* Adds what is wrong with the client's certificate, if that was the reason. */
static void add_verdict(const SSL *ssl, char why[TLS_ERROR_CHARS]) {
    long verdict = openssl.SSL_get_verify_result(ssl);
    size_t n = strlen(why);

    if (verdict == X509_V_OK || verdict == X509_V_ERR_UNSPECIFIED) return;
    snprintf(why + n, TLS_ERROR_CHARS - n, ": %s", openssl.X509_verify_cert_error_string(verdict));
}

enum tls_state tls_handshake(struct tls_conn *c, char why[TLS_ERROR_CHARS]) {
    int rc;

    if (c->state != TLS_HANDSHAKE) return c->state;
    openssl.ERR_clear_error();
    errno = 0;
    rc = openssl.SSL_do_handshake(c->ssl);
    if (rc == 1) {
        enter(c, TLS_OPEN);
        c->more = true; /* the first commands may have come with the last of the handshake */
        return c->state;
    }
    outcome(c, rc, &c->read_waits);
    if (c->state != TLS_BROKEN) return c->state;
    if (errno == EPROTO) {
        tls_take_error(why, TLS_ERROR_CHARS);
        add_verdict(c->ssl, why);
    } else {
        snprintf(why, TLS_ERROR_CHARS, "%s", strerror(errno));
    }
    return c->state;
}

/* ---------------------------------------------------------------- bytes */

ssize_t tls_read(struct tls_conn *c, void *p, size_t n) {
    size_t got = 0, part;
    int rc;

    c->more = false;
    if (c->state != TLS_OPEN) {
        errno = ECONNRESET;
        return c->state == TLS_ENDED ? 0 : -1;
    }
    do {
        openssl.ERR_clear_error();
        errno = 0;
        rc = openssl.SSL_read_ex(c->ssl, (char *)p + got, n - got, &part);
        if (rc != 1) {
            rc = outcome(c, rc, &c->read_waits);
            openssl.ERR_clear_error();
            if (got == 0) return rc;
            c->more = c->state != TLS_OPEN; /* the next call reports the end */
            return (ssize_t)got;
        }
        got += part;
        c->more = openssl.SSL_has_pending(c->ssl);
    } while (got < n && c->more);
    return (ssize_t)got;
}

/* The next piece for one record: a large one as it stands, small ones side by side. */
static size_t next_piece(const struct iovec *iov, int n, size_t skip, const char **p) {
    static _Thread_local char gather[TLS_RECORD_MAX];
    size_t len = iov[0].iov_len - skip;

    *p = (const char *)iov[0].iov_base + skip;
    if (n == 1 || len >= GATHER_MAX) return len;
    memcpy(gather, *p, len);
    for (int i = 1; i < n && len < sizeof gather; i++) {
        size_t room = sizeof gather - len;
        size_t part = iov[i].iov_len < room ? iov[i].iov_len : room;

        memcpy(gather + len, iov[i].iov_base, part);
        len += part;
    }
    *p = gather;
    return len;
}

ssize_t tls_writev(struct tls_conn *c, const struct iovec *iov, int n) {
    size_t sent = 0, skip = 0;

    if (c->state != TLS_OPEN) {
        errno = EPIPE;
        return -1;
    }
    while (n > 0) {
        const char *p;
        size_t part, len = next_piece(iov, n, skip, &p);
        int rc;

        CHECK(len >= c->taken);
        openssl.ERR_clear_error();
        errno = 0;
        rc = openssl.SSL_write_ex(c->ssl, p, len, &part);
        if (rc != 1) {
            rc = outcome(c, rc, &c->write_waits);
            openssl.ERR_clear_error();
            c->taken = len < TLS_RECORD_MAX ? len : TLS_RECORD_MAX;
            return sent ? (ssize_t)sent : -1;
        }
        c->taken = 0;
        sent += part;
        for (skip += part; n > 0 && skip >= iov->iov_len; n--) skip -= (iov++)->iov_len;
    }
    return (ssize_t)sent;
}
