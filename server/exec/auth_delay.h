/* SPDX-License-Identifier: BSD-3-Clause
 *
 * auth_delay - passwords cannot be guessed at full speed: after AUTH_FREE failures of an address
 * within a minute, each further attempt from it waits for its turn before the password is looked
 * at. The distance between two turns doubles with each failure, up to auth-delay-max milliseconds.
 *
 * No attempt is refused, and none waits for more than AUTH_WAIT_MAX_US: an address may be that of
 * many clients. Only the client waits; the loop does not. An address is an IPv4 address, the first
 * 64 bits of an IPv6 address, or any unix socket. The table is bounded: the address that failed
 * longest ago is forgotten first.
 */
#ifndef STET_EXEC_AUTH_DELAY_H
#define STET_EXEC_AUTH_DELAY_H

#include <stddef.h>
#include <stdint.h>

struct session;

enum {
    AUTH_FREE = 10,
    AUTH_ADDRESSES_MAX = 256,
    AUTH_DELAY_FIRST_MS = 10,
    AUTH_WAIT_MAX_US = 5 * 1000 * 1000,
    AUTH_FORGET_US = 60 * 1000 * 1000,
};

struct auth_address {
    uint8_t key[9]; /* the kind and 8 bytes */
    unsigned failures;
    uint64_t failed_us, turn_us; /* monotonic: the last failure, the next free turn */
};

struct auth_delay {
    struct auth_address *v; /* NULL: nothing has failed yet */
    size_t n;
};

void auth_delay_release(struct auth_delay *d);

/* An attempt of the session failed; of the peer "ADDRESS:PORT". */
void auth_delay_failed(struct auth_delay *d, const struct session *s);
void auth_delay_failed_from(struct auth_delay *d, const char *peer);

/* When its attempt may be made (monotonic microseconds); 0: now. The turn is taken. */
uint64_t auth_delay_turn(struct auth_delay *d, const struct session *s, int64_t max_ms);
uint64_t auth_delay_turn_from(struct auth_delay *d, const char *peer, int64_t max_ms);

#endif
