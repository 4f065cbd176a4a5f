/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tls_private - shared by tls.c (connections) and tls_settings.c. No other file includes it.
 */
#ifndef STET_TLS_TLS_PRIVATE_H
#define STET_TLS_TLS_PRIVATE_H

#include "server/tls/openssl.h"
#include "server/tls/tls.h"

struct tls {
    SSL_CTX *ctx;      /* for new connections; NULL: no settings yet */
    SSL_CTX *client;   /* for those that this server begins; NULL: not asked for */
    bool is_insecure;  /* towards others: any certificate is good */
    char *server_name; /* that is asked for (SNI); NULL: none */
    struct tls_cert_facts facts[TLS_CERTS];
    uint64_t files; /* fingerprint of the files when they were read */
};

/* tls_facts.c: fills t->facts from what the contexts have, and from the file of authorities. */
void tls_note_facts(struct tls *t, const struct conf_values *v);

/* Of the files that the tls- parameters name: which they are, how large, when they were changed. */
uint64_t tls_fingerprint(const struct conf_values *v);

/* What OpenSSL first complained of since its list of errors was last empty; empties the list. */
void tls_take_error(char *text, size_t size);

#endif
