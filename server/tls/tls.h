/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tls - what a connection over TLS does with OpenSSL: the settings, and one connection's reading,
 * writing and handshake on a descriptor that does not block. It knows no session and no loop.
 *
 *   HANDSHAKE --> OPEN     keys are agreed on, and the client's certificate is as wanted
 *   OPEN --> ENDED         the peer said goodbye
 *   HANDSHAKE, OPEN --> BROKEN   the peer is gone, or a fatal error: nothing may be sent any more
 *
 * Reads and writes are as read(2) and writev(2) would be: -1 with EAGAIN when the descriptor has to
 * become ready first. OpenSSL may have to write in order to read, and the reverse: `read_waits` and
 * `write_waits` say for what. Bytes that were given to tls_writev() and not taken have to be
 * given again, as the first ones: they may be encrypted already.
 *
 * New settings are for new connections; the others go on with those they began with. A session is
 * resumed only under the settings, and the tls-auth-clients, under which it was made.
 *
 * Main thread only; but one connection at a time may be read, written and closed on another thread
 * once its handshake is over.
 */
#ifndef STET_TLS_TLS_H
#define STET_TLS_TLS_H

#include "conf/conf.h"
#include "storage/base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

enum tls_state { TLS_HANDSHAKE, TLS_OPEN, TLS_ENDED, TLS_BROKEN, TLS_STATES };

enum tls_wait { TLS_WAIT_READ, TLS_WAIT_WRITE };

enum {
    TLS_RECORD_MAX = 16 * 1024, /* bytes that one record carries at most */
    TLS_ERROR_CHARS = 160,
};

struct tls; /* the settings as OpenSSL has them, shared by the connections of one server */

struct tls_conn {
    struct tls *tls;
    struct ssl_st *ssl;
    size_t taken;      /* bytes of a record that is encrypted and could not be sent yet */
    uint64_t until_us; /* when the handshake has to be over; for the caller */
    uint8_t state;     /* enum tls_state */
    uint8_t read_waits, write_waits; /* enum tls_wait, after -1 with EAGAIN */
    bool more; /* read again without waiting: what there is, the descriptor does not tell of */
};

/* True if the settings ask for TLS, be it only towards others. */
bool tls_is_wanted(const struct conf_values *v);

struct tls *tls_new(void);
void tls_free(struct tls *t); /* its connections are closed before */

/* Takes what the tls- parameters say, reading their files. -1: it is logged why, and what was there
 * before stays. */
int tls_configure(struct tls *t, const struct conf_values *v);

/* What a program goes by that only connects. */
struct tls_client {
    const char *ca_file, *ca_dir;     /* both NULL: the system's authorities */
    const char *cert_file, *key_file; /* both NULL: none of its own */
    const char *server_name;          /* to ask for (SNI); NULL: none */
    bool insecure;                    /* any certificate is good */
};

/* For tls_connect() only. NULL: `e` says which file is wrong. */
struct tls *tls_new_client(const struct tls_client *o, struct err *e);

/* Whether one of the files has changed since tls_configure() read them. Asks the file system. */
bool tls_files_changed(const struct tls *t, const struct conf_values *v);

enum tls_cert { TLS_CERT_SERVER, TLS_CERT_CLIENT, TLS_CERT_AUTHORITY, TLS_CERTS };

struct tls_cert_facts {
    char serial[64];   /* hexadecimal; empty: there is no such certificate */
    int64_t expires_s; /* Unix time */
};

/* The lines of INFO tls; `t` may be NULL. */
void tls_describe(const struct tls *t, struct bytes *out);

bool tls_is_ready(const struct tls *t); /* settings are there */
void tls_forget_settings(struct tls *t);

/* The server's side on an accepted descriptor, which stays the caller's. NULL: no memory, or no
 * settings. */
struct tls_conn *tls_accept(struct tls *t, int fd, enum conf_tls_auth clients);

/* The client's side on a connected descriptor. The peer's certificate has to be of a trusted
 * authority; its name is not compared, as in Redis. NULL: as above. */
struct tls_conn *tls_connect(struct tls *t, int fd);

/* Goes on with the handshake as far as it gets; never waits. Returns the state. `why`: what OpenSSL
 * says of a handshake that failed. */
enum tls_state tls_handshake(struct tls_conn *c, char why[TLS_ERROR_CHARS]);

/* The names of users in the peer's certificate, each ended by a NUL, appended to `out`. Returns how
 * many: none without a certificate that was verified. A name with a NUL in it is passed over. */
size_t tls_peer_names(const struct tls_conn *c, enum conf_tls_user which, struct bytes *out);

ssize_t tls_read(struct tls_conn *c, void *p, size_t n);
ssize_t tls_writev(struct tls_conn *c, const struct iovec *iov, int n);

/* Says goodbye if it still may, and frees. */
void tls_close(struct tls_conn *c);

#endif
