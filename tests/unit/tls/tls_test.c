/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The server's side of a connection over a socket pair, with an OpenSSL client at the other end.
 */
#include "conf/conf.h"
#include "server/tls/tls.h"

#include "storage/base/mem.h"
#include "storage/base/rng.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static struct tls *tls;
static struct tls_conn *server;
static SSL_CTX *client_ctx;
static SSL *client;
static int fds[2]; /* the server's, the client's */
static char cert_file[64], key_file[64];
static struct conf_values v = {.tls_port = 1,
                               .tls_cert_file = cert_file,
                               .tls_key_file = key_file,
                               .tls_session_caching = true,
                               .tls_auth_clients = CONF_TLS_AUTH_NO};

/* ---------------------------------------------------------------- scaffolding */

static FILE *new_file(char *name, const char *what) {
    snprintf(name, 64, "/tmp/stet-tls-%s-XXXXXX", what);
    return fdopen(mkstemp(name), "w");
}

static void make_certificate(void) {
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    FILE *f;

    X509_gmtime_adj(X509_getm_notBefore(cert), 0);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                               (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(cert));
    X509_sign(cert, key, EVP_sha256());
    f = new_file(cert_file, "cert");
    PEM_write_X509(f, cert);
    fclose(f);
    f = new_file(key_file, "key");
    PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
    fclose(f);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static void begin(void) {
    int small = 4096;

    mem_thread_init();
    rng_seed(7);
    make_certificate();
    tls = tls_new();
    cr_assert_eq(tls_configure(tls, &v), 0);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    for (int i = 0; i < 2; i++) setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    server = tls_accept(tls, fds[0], CONF_TLS_AUTH_NO);
    client_ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_mode(client_ctx,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    client = SSL_new(client_ctx);
    SSL_set_fd(client, fds[1]);
    SSL_set_connect_state(client);
}

static void end(void) {
    if (server) tls_close(server);
    server = NULL;
    SSL_free(client);
    SSL_CTX_free(client_ctx);
    tls_free(tls);
    for (int i = 0; i < 2; i++) close(fds[i]);
    unlink(cert_file);
    unlink(key_file);
}

TestSuite(tls, .init = begin, .fini = end);

static void shake_hands(void) {
    char why[TLS_ERROR_CHARS] = "";
    bool done = false;

    for (int i = 0; i < 100 && !(done && server->state == TLS_OPEN); i++) {
        done = SSL_do_handshake(client) == 1;
        cr_assert_neq(tls_handshake(server, why), TLS_BROKEN, "%s", why);
    }
    cr_assert(done);
    cr_assert_eq(server->state, TLS_OPEN);
}

static bool readable(int fd) {
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, 0) == 1;
}

/* The n-th byte of what each side sends. */
static char byte_at(size_t n, int side) {
    return (char)((n * 2654435761u >> 13) + (size_t)side);
}

static void fill(char *p, size_t from, size_t n, int side) {
    for (size_t i = 0; i < n; i++) p[i] = byte_at(from + i, side);
}

static void check(const char *p, size_t from, size_t n, int side) {
    for (size_t i = 0; i < n; i++) cr_assert_eq(p[i], byte_at(from + i, side));
}

/* ---------------------------------------------------------------- the handshake */

Test(tls, a_handshake_of_single_bytes_never_waits) {
    BIO *to = BIO_new(BIO_s_mem()), *from = BIO_new(BIO_s_mem());
    char why[TLS_ERROR_CHARS], buf[4096], b;

    SSL_set_bio(client, from, to);
    cr_assert_eq(tls_handshake(server, why), TLS_HANDSHAKE);
    cr_assert_eq(server->read_waits, TLS_WAIT_READ);
    while (server->state == TLS_HANDSHAKE) {
        ssize_t n = read(fds[1], buf, sizeof buf);

        if (n > 0) BIO_write(from, buf, (int)n);
        SSL_do_handshake(client);
        while (BIO_read(to, &b, 1) == 1) {
            cr_assert_eq(server->state, TLS_HANDSHAKE);
            cr_assert_eq(write(fds[1], &b, 1), 1);
            tls_handshake(server, why);
        }
    }
    cr_assert_eq(server->state, TLS_OPEN);
}

Test(tls, what_is_no_handshake_breaks_the_connection_and_says_why) {
    char why[TLS_ERROR_CHARS];
    struct iovec iov = {"x", 1};

    cr_assert_eq(write(fds[1], "PING\r\n", 6), 6);
    cr_assert_eq(tls_handshake(server, why), TLS_BROKEN);
    cr_assert_str_eq(why, "error:0A00010B:SSL routines::wrong version number");
    cr_assert_eq(tls_handshake(server, why), TLS_BROKEN);
    cr_assert_eq(tls_read(server, why, 1), -1);
    cr_assert_eq(tls_writev(server, &iov, 1), -1);
    cr_assert_eq(errno, EPIPE);
}

Test(tls, settings_that_cannot_be_loaded_leave_the_old_ones) {
    struct conf_values bad = v;

    bad.tls_key_file = "/none";
    cr_assert_eq(tls_configure(tls, &bad), -1);
    cr_assert(tls_is_ready(tls));
    tls_close(server);
    server = tls_accept(tls, fds[0], CONF_TLS_AUTH_NO);
    tls_forget_settings(tls); /* this one still has them */
    cr_assert_null(tls_accept(tls, fds[0], CONF_TLS_AUTH_NO));
    shake_hands();
}

/* ---------------------------------------------------------------- bytes */

Test(tls, a_burst_is_read_to_its_end_without_asking_the_descriptor) {
    enum { BYTES = 3000 };
    char buf[BYTES];
    size_t got = 0;

    shake_hands();
    fill(buf, 0, BYTES, 1);
    for (int i = 0; i < 3; i++) cr_assert_eq(SSL_write(client, buf + i * 1000, 1000), 1000);
    do {
        ssize_t n = tls_read(server, buf, 70);

        cr_assert_gt(n, 0);
        check(buf, got, (size_t)n, 1);
        got += (size_t)n;
    } while (server->more || readable(fds[0]));
    cr_assert_eq(got, BYTES);
    cr_assert_eq(tls_read(server, buf, 70), -1);
    cr_assert_eq(errno, EAGAIN);
    cr_assert_not(server->more);
}

Test(tls, a_goodbye_behind_data_is_told_of_after_it) {
    char buf[100];

    shake_hands();
    while (server->more) cr_assert_eq(tls_read(server, buf, sizeof buf), -1);
    SSL_write(client, "PING", 4);
    SSL_shutdown(client);
    cr_assert_eq(tls_read(server, buf, sizeof buf), 4);
    cr_assert(server->more);
    cr_assert_eq(tls_read(server, buf, sizeof buf), 0);
    cr_assert_eq(server->state, TLS_ENDED);
    cr_assert_eq(tls_read(server, buf, sizeof buf), 0);
}

Test(tls, closing_says_goodbye) {
    char buf[10];

    shake_hands();
    tls_close(server);
    server = NULL;
    cr_assert_eq(SSL_read(client, buf, sizeof buf), 0);
    cr_assert_eq(SSL_get_error(client, 0), SSL_ERROR_ZERO_RETURN);
}

Test(tls, damaged_records_break_it) {
    char buf[100];

    shake_hands();
    while (server->more) tls_read(server, buf, sizeof buf);
    cr_assert_eq(write(fds[1], "\x17\x03\x03\x00\x20 this is not what the keys say..", 37), 37);
    cr_assert_eq(tls_read(server, buf, sizeof buf), -1);
    cr_assert_eq(errno, EPROTO);
    cr_assert_eq(server->state, TLS_BROKEN);
}

/* One direction of the model: how far each end is. */
static size_t sent, received, asked, replied;

/* As conn_write.c does: pieces of any size, and after EAGAIN the same bytes first, perhaps more. */
static void server_writes(size_t total) {
    static char text[3][40000];
    struct iovec iov[3];
    size_t at = sent;
    int n = 0;

    for (; n < 3 && at < total; n++) {
        static const size_t sizes[] = {1, 20, 500, 4095, 4096, 17000, 40000};
        size_t len = sizes[(at * 7 + (size_t)n) % 7];

        if (len > total - at) len = total - at;
        fill(text[n], at, len, 0);
        iov[n] = (struct iovec){text[n], len};
        at += len;
    }
    if (n > 0) {
        ssize_t rc = tls_writev(server, iov, n);

        cr_assert(rc > 0 || errno == EAGAIN, "errno %d", errno);
        if (rc > 0) sent += (size_t)rc;
    }
}

static void server_reads(void) {
    char buf[9000];
    ssize_t n = tls_read(server, buf, 1 + rng_below(sizeof buf));

    cr_assert(n > 0 || errno == EAGAIN, "errno %d", errno);
    if (n <= 0) return;
    check(buf, replied, (size_t)n, 1);
    replied += (size_t)n;
}

static void client_writes(size_t total) {
    char buf[20000];
    size_t len = sizeof buf < total - asked ? sizeof buf : total - asked;
    int n;

    if (len == 0) return;
    fill(buf, asked, len, 1);
    n = SSL_write(client, buf, (int)len);
    if (n > 0) asked += (size_t)n;
}

static void client_reads(void) {
    char buf[30000];
    int n = SSL_read(client, buf, 1 + (int)rng_below(sizeof buf));

    if (n <= 0) return;
    check(buf, received, (size_t)n, 0);
    received += (size_t)n;
}

static void talk(int version) {
    enum { TOTAL = 2000000 };

    SSL_set_min_proto_version(client, version);
    SSL_set_max_proto_version(client, version);
    shake_hands();
    sent = received = asked = replied = 0;
    for (unsigned i = 0; (received < TOTAL || replied < TOTAL) && i < 1000000; i++) {
        switch (rng_below(4)) {
        case 0: server_writes(TOTAL); break;
        case 1: server_reads(); break;
        case 2: client_writes(TOTAL); break;
        default: client_reads();
        }
    }
    cr_assert_eq(received, TOTAL);
    cr_assert_eq(replied, TOTAL);
    cr_assert_eq(server->taken, 0);
}

Test(tls, both_sides_talk_at_once_over_full_buffers_1_2) {
    talk(TLS1_2_VERSION);
}

Test(tls, both_sides_talk_at_once_over_full_buffers_1_3) {
    talk(TLS1_3_VERSION);
}

/* Not while an answer waits to be read: OpenSSL 3.0 breaks such a connection. */
Test(tls, keys_are_renewed_as_the_client_likes) {
    shake_hands();
    sent = received = asked = replied = 0;
    for (unsigned i = 1; i <= 100; i++) {
        SSL_key_update(client, i % 2 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED);
        while (asked < i * 100) client_writes(i * 100);
        while (replied < i * 100) server_reads();
        while (sent < i * 1000) server_writes(i * 1000);
        while (received < i * 1000) client_reads();
    }
}
