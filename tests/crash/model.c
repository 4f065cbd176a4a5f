/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/crash/model.h"

#include <stdio.h>
#include <string.h>

/* Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014. */
static uint64_t mix(uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static uint64_t dice(int conn, uint64_t n, uint64_t salt) {
    return mix(mix((uint64_t)conn << 48 ^ n) + salt);
}

uint64_t model_hash(uint64_t hash, const void *p, size_t n) {
    const unsigned char *b = p;

    for (size_t i = 0; i < n; i++) hash = (hash ^ b[i]) * 0x100000001b3u + 1;
    return hash;
}

void model_init(struct model *m, int conn) {
    memset(m, 0, sizeof *m);
    m->conn = conn;
}

int model_db(int conn) {
    return conn / 2 % DB_COUNT;
}

uint64_t model_expire(int conn, uint64_t n) {
    return 4102444800000u + dice(conn, n, 3) % 1000000000; /* the year 2100 */
}

struct step model_step(int conn, uint64_t n) {
    uint64_t r = dice(conn, n, 1);
    int plain = (int)((r >> 8) % PLAIN);

    switch (r % 32) {
    case 0:
    case 1:
    case 2: return (struct step){OP_DEL, plain};
    case 3:
    case 4: return (struct step){OP_SETPX, plain};
    case 5: return (struct step){OP_PERSIST, plain};
    case 6:
    case 7:
    case 8:
    case 9: return (struct step){OP_MSET, PLAIN + 2 * (int)((r >> 8) % PAIRS)};
    case 10:
    case 11:
    case 12:
    case 13: return (struct step){OP_INCR, COUNTER};
    case 14:
    case 15: return (struct step){OP_APPEND, JOURNAL};
    case 16: return (struct step){(r >> 8) % 64 ? OP_APPEND : OP_RESET, JOURNAL};
    case 17:
    case 18: return (struct step){OP_PEEK, COUNTER};
    case 19:
    case 20:
    case 21:
    case 22: return (struct step){OP_GET, plain};
    default: return (struct step){OP_SET, plain};
    }
}

size_t model_value(char *out, int conn, int slot, uint64_t n) {
    static const size_t sizes[] = {10, 30, 60, 100, 300, 1000};
    uint64_t r = dice(conn, n, 2);
    size_t want = r % 500 == 0 ? VALUE_MAX : sizes[r % 6] + (r >> 16) % 40;
    int head = snprintf(out, 64, "%d:%llu:", conn, (unsigned long long)n);

    if (slot >= PLAIN) want = (size_t)head; /* pairs and the journal: the number only */
    for (size_t i = (size_t)head; i < want; i++) out[i] = (char)(r >> i % 56) ^ (char)i;
    return want;
}

static void apply_append(struct model *m, uint64_t n) {
    struct slot *s = &m->slots[JOURNAL];
    char text[64];
    size_t len = model_value(text, m->conn, JOURNAL, n);

    s->hash = model_hash(s->n ? s->hash : 0, text, len);
    s->len = (s->n ? s->len : 0) + len;
    s->n = n;
}

void model_apply(struct model *m) {
    uint64_t n = ++m->k;
    struct step st = model_step(m->conn, n);
    struct slot *s = &m->slots[st.slot];

    switch (st.op) {
    case OP_SET: *s = (struct slot){.n = n}; break;
    case OP_SETPX: *s = (struct slot){.n = n, .expire = model_expire(m->conn, n)}; break;
    case OP_DEL: *s = (struct slot){0}; break;
    case OP_PERSIST: s->expire = 0; break;
    case OP_MSET: s[0] = s[1] = (struct slot){.n = n}; break;
    case OP_INCR: s->n++; break;
    case OP_APPEND: apply_append(m, n); break;
    case OP_RESET: *s = (struct slot){.n = n}; break;
    case OP_GET:
    case OP_PEEK: break;
    }
}

void model_key(char *out, int conn, int slot) {
    snprintf(out, 32, "c%d:%d", conn, slot);
}
