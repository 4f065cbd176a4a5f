/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/cluster/migration.h"

#include "conf/conf.h"
#include "storage/base/clock.h"
#include "storage/base/mem.h"
#include "storage/base/rng.h"

#include <string.h>

static struct migration *oldest(struct cluster *c) {
    return list_entry(c->migrations.next, struct migration, link);
}

static void drop_oldest(struct cluster *c) {
    struct migration *m = oldest(c);

    list_remove(&m->link);
    c->nmigrations--;
    c->migrations_bytes -= sizeof *m + m->n;
    mem_free(m);
}

void migration_note(struct cluster *c, unsigned from, unsigned to, struct slice ranges) {
    struct migration *m = mem_calloc(sizeof *m + ranges.n);

    rng_hex(m->name, NODE_ID_CHARS);
    m->from = from;
    m->to = to;
    m->at_s = clock_cached_ms() / 1000;
    m->n = ranges.n;
    memcpy(m->ranges, ranges.p, ranges.n);
    list_append(&c->migrations, &m->link);
    c->nmigrations++;
    c->migrations_bytes += sizeof *m + m->n;
    while (c->nmigrations > (uint64_t)c->e->v->cluster_slot_migration_log_max_len ||
           c->migrations_bytes > MIGRATIONS_BYTES)
        drop_oldest(c);
}

void migrations_clear(struct cluster *c) {
    while (c->nmigrations) drop_oldest(c);
}
