/* SPDX-License-Identifier: BSD-3-Clause */
#include "orders.h"

#include <ctype.h>
#include <stdio.h>

struct making {
    struct order o;
    int left[ACTORS], total;
    bool serial;
    order_fn visit;
    void *arg;
};

static bool go_on(struct making *m, unsigned used);

/* The next block is `count` commands of `actor`, in this turn or as the first of a new one. */
static bool with_block(struct making *m, int actor, int count, unsigned used) {
    struct block *b = &m->o.block[m->o.n++];
    bool more;

    *b = (struct block){(uint8_t)actor, (uint8_t)count, used == 0};
    m->left[actor] -= count;
    m->total -= count;
    more = go_on(m, m->serial ? 0 : used | 1u << actor);
    m->left[actor] += count;
    m->total += count;
    m->o.n--;
    return more;
}

static bool with_actors(struct making *m, unsigned used) {
    for (int a = 0; a < ACTORS; a++) {
        int most = m->serial || a == THE_CLOCK ? 1 : m->left[a];

        if (used >> a & 1 || (a == THE_CLOCK && used)) continue;
        for (int count = 1; count <= most && count <= m->left[a]; count++)
            if (!with_block(m, a, count, used)) return false;
    }
    return true;
}

/* used: the actors of the turn under way; 0: it has just begun. */
static bool go_on(struct making *m, unsigned used) {
    if (m->total == 0) return m->visit(&m->o, m->arg);
    if (!with_actors(m, used)) return false;
    return used == 0 || with_actors(m, 0);
}

bool orders_each(const struct program *p, bool serial, order_fn visit, void *arg) {
    struct making m = {.serial = serial, .visit = visit, .arg = arg};

    for (int a = 0; a < ACTORS; a++) m.total += m.left[a] = p->n[a];
    return go_on(&m, 0);
}

struct counting {
    uint64_t n, most;
};

static bool count(const struct order *o, void *arg) {
    struct counting *c = arg;

    (void)o;
    return ++c->n <= c->most;
}

uint64_t orders_count(const struct program *p, uint64_t most) {
    struct counting c = {0, most};

    orders_each(p, false, count, &c);
    return c.n;
}

/* ---------------------------------------------------------------- as text */

static char name_of(int actor) {
    return (char)(actor == THE_CLOCK ? 'T' : 'A' + actor);
}

void order_show(const struct order *o, char *text, size_t size) {
    size_t n = 0;

    text[0] = '\0';
    for (int i = 0; i < o->n && n < size; i++) {
        const struct block *b = &o->block[i];

        n += (size_t)snprintf(text + n, size - n, "%s%c%d",
                              i == 0           ? ""
                              : b->begins_turn ? " | "
                                               : " ",
                              name_of(b->actor), b->count);
    }
}

static int actor_of(char name) {
    return name == 'T' ? THE_CLOCK : name >= 'A' && name < 'A' + CLIENTS_MAX ? name - 'A' : -1;
}

bool order_read(const struct program *p, const char *text, struct order *o) {
    int left[ACTORS];
    bool begins = true;

    memcpy(left, p->n, sizeof left);
    o->n = 0;
    for (; *text; text++) {
        int actor = actor_of(*text);

        if (*text == ' ') continue;
        if (*text == '|') {
            begins = true;
            continue;
        }
        if (actor < 0 || !isdigit((unsigned char)text[1]) || o->n == BLOCKS_MAX) return false;
        o->block[o->n++] = (struct block){(uint8_t)actor, (uint8_t)(*++text - '0'), begins};
        left[actor] -= *text - '0';
        if (left[actor] < 0) return false;
        begins = false;
    }
    return true;
}
