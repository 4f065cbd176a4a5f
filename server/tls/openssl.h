/* SPDX-License-Identifier: BSD-3-Clause
 *
 * openssl - the functions of libssl and libcrypto, found when TLS is first asked for.
 *
 * The libraries are not linked: mapping and relocating them costs each start 1 to 2 ms and 1.8 MB,
 * and most servers never use them. The headers are those of the build; the library is the one with
 * the same interface number. Header macros that are calls of SSL_CTX_ctrl() and the like are spelt
 * out by the user of this table.
 */
#ifndef STET_TLS_OPENSSL_H
#define STET_TLS_OPENSSL_H

#include "storage/base/err.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#define OPENSSL_FUNCTIONS(X)                                                                       \
    X(ASN1_INTEGER_to_BN)                                                                          \
    X(ASN1_STRING_to_UTF8)                                                                         \
    X(ASN1_TIME_diff)                                                                              \
    X(BIO_free)                                                                                    \
    X(BIO_new_file)                                                                                \
    X(BN_bn2hex)                                                                                   \
    X(BN_free)                                                                                     \
    X(CRYPTO_free)                                                                                 \
    X(ERR_clear_error)                                                                             \
    X(ERR_error_string_n)                                                                          \
    X(ERR_get_error)                                                                               \
    X(EVP_PKEY_free)                                                                               \
    X(GENERAL_NAMES_free)                                                                          \
    X(OPENSSL_sk_num)                                                                              \
    X(OPENSSL_sk_value)                                                                            \
    X(PEM_read_bio_Parameters)                                                                     \
    X(PEM_read_bio_X509)                                                                           \
    X(SSL_CTX_ctrl)                                                                                \
    X(SSL_CTX_free)                                                                                \
    X(SSL_CTX_get0_certificate)                                                                    \
    X(SSL_CTX_get_cert_store)                                                                      \
    X(SSL_CTX_load_verify_locations)                                                               \
    X(SSL_CTX_new)                                                                                 \
    X(SSL_CTX_set0_tmp_dh_pkey)                                                                    \
    X(SSL_CTX_set_cipher_list)                                                                     \
    X(SSL_CTX_set_ciphersuites)                                                                    \
    X(SSL_CTX_set_default_verify_paths)                                                            \
    X(SSL_CTX_set_default_passwd_cb)                                                               \
    X(SSL_CTX_set_default_passwd_cb_userdata)                                                      \
    X(SSL_CTX_set_num_tickets)                                                                     \
    X(SSL_CTX_set_options)                                                                         \
    X(SSL_CTX_set_timeout)                                                                         \
    X(SSL_CTX_use_PrivateKey_file)                                                                 \
    X(SSL_CTX_use_certificate_chain_file)                                                          \
    X(SSL_ctrl)                                                                                    \
    X(SSL_do_handshake)                                                                            \
    X(SSL_free)                                                                                    \
    X(SSL_get1_peer_certificate)                                                                   \
    X(SSL_get_error)                                                                               \
    X(SSL_get_verify_result)                                                                       \
    X(SSL_has_pending)                                                                             \
    X(SSL_new)                                                                                     \
    X(SSL_read_ex)                                                                                 \
    X(SSL_set_accept_state)                                                                        \
    X(SSL_set_connect_state)                                                                       \
    X(SSL_set_fd)                                                                                  \
    X(SSL_set_session_id_context)                                                                  \
    X(SSL_set_verify)                                                                              \
    X(SSL_shutdown)                                                                                \
    X(SSL_write_ex)                                                                                \
    X(TLS_client_method)                                                                           \
    X(TLS_server_method)                                                                           \
    X(X509_LOOKUP_file)                                                                            \
    X(X509_STORE_add_lookup)                                                                       \
    X(X509_STORE_set_flags)                                                                        \
    X(X509_NAME_ENTRY_get_data)                                                                    \
    X(X509_NAME_get_entry)                                                                         \
    X(X509_NAME_get_index_by_NID)                                                                  \
    X(X509_free)                                                                                   \
    X(X509_get0_notAfter)                                                                          \
    X(X509_get_ext_d2i)                                                                            \
    X(X509_get_serialNumber)                                                                       \
    X(X509_get_subject_name)                                                                       \
    X(X509_load_crl_file)                                                                          \
    X(X509_verify_cert_error_string)

struct openssl {
#define X(name) __typeof__(name) *name;
    OPENSSL_FUNCTIONS(X)
#undef X
};

/* All NULL until openssl_load(), constant after it. */
extern struct openssl openssl;

/* May be called again. */
int openssl_load(struct err *e);

#endif
