/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/category.h"

#define BIT(cat) (1u << CAT_##cat)

const char *const category_names[CATEGORIES] = {
    "keyspace", "read",   "write",       "set",       "sortedset",  "list",        "hash",
    "string",   "bitmap", "hyperloglog", "geo",       "stream",     "pubsub",      "admin",
    "fast",     "slow",   "blocking",    "dangerous", "connection", "transaction", "scripting",
    "bloom",    "cuckoo", "cms",         "topk",      "tdigest",    "json",
};

static uint32_t of_flags(uint32_t flags) {
    uint32_t cats = flags & CMD_FAST ? BIT(FAST) : BIT(SLOW);

    if (flags & CMD_WRITE) cats |= BIT(WRITE);
    if (flags & CMD_READONLY) cats |= BIT(READ);
    if (flags & CMD_ADMIN) cats |= BIT(ADMIN) | BIT(DANGEROUS);
    if (flags & CMD_DANGEROUS) cats |= BIT(DANGEROUS);
    if (flags & CMD_PUBSUB) cats |= BIT(PUBSUB);
    if (flags & CMD_BLOCKING) cats |= BIT(BLOCKING);
    if (flags & CMD_KEYSPACE_CAT) cats |= BIT(KEYSPACE);
    return cats;
}

static uint32_t of_group(const char *group) {
    static const struct {
        const char *group;
        uint32_t cats;
    } table[] = {
        {"generic", BIT(KEYSPACE)},
        {"string", BIT(STRING)},
        {"list", BIT(LIST)},
        {"set", BIT(SET)},
        {"sorted-set", BIT(SORTEDSET)},
        {"hash", BIT(HASH)},
        {"transactions", BIT(TRANSACTION)},
        {"connection", BIT(CONNECTION)},
        {"scripting", BIT(SCRIPTING)},
        {"hyperloglog", BIT(HYPERLOGLOG)},
        {"bitmap", BIT(BITMAP)},
        {"geo", BIT(GEO)},
        {"stream", BIT(STREAM)},
        {"bf", BIT(BLOOM)},
        {"cf", BIT(CUCKOO)},
        {"cms", BIT(CMS)},
        {"topk", BIT(TOPK)},
        {"tdigest", BIT(TDIGEST)},
        {"json", BIT(JSON)},
    };

    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(group, table[i].group) == 0) return table[i].cats;
    return 0;
}

/* Commands whose documentation stands in one group and whose rights in another. */
static bool is_exception(const char *name, uint32_t *cats) {
    static const struct {
        const char *name;
        uint32_t cats;
    } table[] = {
        {"command", BIT(CONNECTION)},
        {"lastsave", BIT(ADMIN) | BIT(DANGEROUS)},
        {"role", BIT(ADMIN) | BIT(DANGEROUS)},
        {"wait", BIT(CONNECTION)},
        {"waitaof", BIT(CONNECTION)},
        {"asking", BIT(CONNECTION)},
        {"readonly", BIT(CONNECTION)},
        {"readwrite", BIT(CONNECTION)},
        {"sort", BIT(LIST) | BIT(SET) | BIT(SORTEDSET)},
        {"sort_ro", BIT(LIST) | BIT(SET) | BIT(SORTEDSET)},
    };

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(name, table[i].name) != 0) continue;
        *cats = table[i].cats;
        return true;
    }
    return false;
}

uint32_t command_categories(const struct command_slot *s) {
    const struct command *top = s->parent ? s->parent->row : s->row;
    uint32_t cats = of_flags(s->row->flags), own;

    if (s->row->subcommands && s->row->arity == -2) return cats; /* only they can be called */
    if (is_exception(top->name, &own)) return cats | own;
    if (s->row->flags & CMD_RUNS_SCRIPT) cats &= ~BIT(READ); /* what it reads, its commands read */
    return cats | of_group(s->row->group);
}

enum category category_by_name(struct slice name) {
    int i = 0;

    while (i < CATEGORIES && !slice_is(name, category_names[i])) i++;
    return i;
}
