/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/auth_delay.h"

#include "conf/conf.h"
#include "server/exec/session.h"
#include "storage/base/clock.h"
#include "storage/base/mem.h"

#include <arpa/inet.h>
#include <stdio.h>

enum address_kind { ADDRESS_OTHER, ADDRESS_IP4, ADDRESS_IP6 };

void auth_delay_release(struct auth_delay *d) {
    mem_free(d->v);
    *d = (struct auth_delay){0};
}

/* Of "1.2.3.4:5" or "[::1]:5"; anything else is a unix socket. */
static void key_of_peer(const char *peer, uint8_t key[9]) {
    uint8_t bytes[sizeof(struct in6_addr)];
    char copy[64], *text = copy, *colon;

    memset(key, 0, 9);
    snprintf(copy, sizeof copy, "%s", peer);
    colon = strrchr(text, ':');
    if (colon) *colon = '\0';
    if (*text == '[') {
        text++;
        text[strcspn(text, "]")] = '\0';
    }
    if (inet_pton(AF_INET, text, bytes) == 1) {
        key[0] = ADDRESS_IP4;
        memcpy(key + 1, bytes, sizeof(struct in_addr));
    } else if (inet_pton(AF_INET6, text, bytes) == 1) {
        key[0] = ADDRESS_IP6;
        memcpy(key + 1, bytes, 8);
    }
}

static void key_of(const struct session *s, uint8_t key[9]) {
    struct session_wire wire;

    memset(key, 0, 9);
    if (s->flags & SESSION_UNIX) return;
    s->ops->describe(s, &wire);
    key_of_peer(wire.addr, key);
}

static struct auth_address *find(const struct auth_delay *d, const uint8_t key[9]) {
    for (size_t i = 0; i < d->n; i++)
        if (memcmp(d->v[i].key, key, sizeof d->v->key) == 0) return &d->v[i];
    return NULL;
}

static struct auth_address *add(struct auth_delay *d, const uint8_t key[9]) {
    struct auth_address *a;

    if (!d->v) d->v = mem_alloc(AUTH_ADDRESSES_MAX * sizeof *d->v);
    a = &d->v[0];
    if (d->n < AUTH_ADDRESSES_MAX)
        a = &d->v[d->n++];
    else
        for (size_t i = 1; i < d->n; i++)
            if (d->v[i].failed_us < a->failed_us) a = &d->v[i];
    *a = (struct auth_address){0};
    memcpy(a->key, key, sizeof a->key);
    return a;
}

static bool is_old(const struct auth_address *a, uint64_t now_us) {
    return now_us - a->failed_us > AUTH_FORGET_US;
}

static void note_failure(struct auth_delay *d, const uint8_t key[9]) {
    struct auth_address *a = find(d, key);
    uint64_t now = clock_mono_us();

    if (!a) a = add(d, key);
    if (is_old(a, now)) a->failures = 0;
    if (a->failures < UINT16_MAX) a->failures++;
    a->failed_us = now;
}

void auth_delay_failed(struct auth_delay *d, const struct session *s) {
    uint8_t key[9];

    key_of(s, key);
    note_failure(d, key);
}

void auth_delay_failed_from(struct auth_delay *d, const char *peer) {
    uint8_t key[9];

    key_of_peer(peer, key);
    note_failure(d, key);
}

/* The distance of two turns. */
static uint64_t step_us(const struct auth_address *a, int64_t max_ms) {
    unsigned doubled = a->failures - AUTH_FREE;
    int64_t ms = doubled < 20 ? (int64_t)AUTH_DELAY_FIRST_MS << doubled : max_ms;

    return (uint64_t)(ms < max_ms ? ms : max_ms) * 1000;
}

static uint64_t turn(struct auth_delay *d, const uint8_t key[9], int64_t max_ms) {
    struct auth_address *a = find(d, key);
    uint64_t now = clock_mono_us(), at;

    if (!a || a->failures < AUTH_FREE || is_old(a, now)) return 0;
    at = a->failed_us + step_us(a, max_ms);
    if (at < a->turn_us) at = a->turn_us;
    if (at > now + AUTH_WAIT_MAX_US) at = now + AUTH_WAIT_MAX_US;
    a->turn_us = (at > now ? at : now) + step_us(a, max_ms);
    return at > now ? at : 0;
}

/* The address is only looked at where something has failed. */
uint64_t auth_delay_turn(struct auth_delay *d, const struct session *s, int64_t max_ms) {
    uint8_t key[9];

    if (max_ms == 0 || d->n == 0) return 0;
    key_of(s, key);
    return turn(d, key, max_ms);
}

uint64_t auth_delay_turn_from(struct auth_delay *d, const char *peer, int64_t max_ms) {
    uint8_t key[9];

    if (max_ms == 0 || d->n == 0) return 0;
    key_of_peer(peer, key);
    return turn(d, key, max_ms);
}
