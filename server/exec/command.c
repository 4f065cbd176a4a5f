/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/command.h"

#include "storage/base/check.h"
#include "storage/base/ends.h"
#include "storage/base/mem.h"

#include <ctype.h>
#include <stdio.h>

#define SMALL UINT64_C(0x2020202020202020) /* makes capital letters small ones */

/* Head, tail and length of a name. */
static inline struct command_place fold(struct slice name) {
    struct ends e = ends_of(name.p, name.n);

    return (struct command_place){e.head | SMALL, e.tail | SMALL,
                                  .len = (uint16_t)(name.n < UINT16_MAX ? name.n : UINT16_MAX)};
}

static inline unsigned hash_name(const struct command_place *k) {
    uint64_t h = (k->head ^ (k->tail + k->len) * UINT64_C(0x9e3779b97f4a7c15)) *
                 UINT64_C(0xd6e8feb86659fd93);

    return (unsigned)(h >> 40);
}

/* Only of letters does the bit of SMALL make no others. */
static bool is_all_letters(const char *name) {
    for (; *name; name++)
        if (!isalpha((unsigned char)*name)) return false;
    return true;
}

static size_t append_name(char *to, size_t at, const char *word, size_t most) {
    size_t n = strnlen(word, most);

    memcpy(to + at, word, n);
    to[at + n] = '\0';
    return at + n;
}

static void slot_init(struct command_slot *s, const struct command *row,
                      const struct command_slot *parent) {
    size_t at = 0;

    *s = (struct command_slot){.row = row, .parent = parent};
    if (parent) {
        at = append_name(s->name, at, parent->name, 20);
        s->name[at++] = '|';
    }
    append_name(s->name, at, row->name, parent ? 26 : 40);
}

static void add_subcommands(struct command_slot *s) {
    const struct command *sub = s->row->subcommands;

    s->nsub = 0;
    while (sub[s->nsub].name) s->nsub++;
    s->sub = mem_calloc(s->nsub * sizeof *s->sub);
    for (unsigned i = 0; i < s->nsub; i++) slot_init(&s->sub[i], &sub[i], s);
}

void command_registry_add(struct command_registry *r, const struct command *rows) {
    for (; rows->name; rows++) {
        if (r->n == r->cap) {
            r->cap = r->cap ? r->cap * 2 : 128;
            r->slots = mem_realloc(r->slots, r->cap * sizeof *r->slots);
        }
        slot_init(&r->slots[r->n++], rows, NULL);
    }
}

/* Given once, so that what was said of a command stays said of it. */
static void give_id(struct command_registry *r, struct command_slot *s) {
    if (s->id == 0) s->id = ++r->last_id;
    for (unsigned i = 0; i < s->nsub; i++) give_id(r, &s->sub[i]);
}

void command_registry_seal(struct command_registry *r) {
    unsigned size = 512;

    while (size < r->n * 4) size *= 2;
    mem_free(r->index);
    r->index = mem_calloc(size * sizeof *r->index);
    r->mask = size - 1;
    for (unsigned i = 0; i < r->n; i++) {
        struct command_slot *s = &r->slots[i];
        struct command_place k = fold(slice_str(s->name));
        unsigned at = hash_name(&k) & r->mask;

        if (s->row->subcommands && !s->sub) add_subcommands(s);
        give_id(r, s);
        if (!s->name[0]) continue; /* renamed away */
        k.slot = (uint16_t)(i + 1);
        k.is_proof = k.len <= 16 && is_all_letters(s->name);
        while (r->index[at].slot) at = (at + 1) & r->mask;
        r->index[at] = k;
    }
}

void command_registry_release(struct command_registry *r) {
    for (unsigned i = 0; i < r->n; i++) {
        for (unsigned k = 0; k < r->slots[i].nsub; k++) mem_free(r->slots[i].sub[k].latency);
        mem_free(r->slots[i].sub);
        mem_free(r->slots[i].latency);
    }
    mem_free(r->slots);
    mem_free(r->index);
    *r = (struct command_registry){0};
}

static inline bool is_same(const struct command_place *a, const struct command_place *b) {
    return a->head == b->head && a->tail == b->tail && a->len == b->len;
}

/* From the place `at` on. */
static __attribute__((noinline)) struct command_slot *
lookup_letter_by_letter(const struct command_registry *r, struct slice name, unsigned at) {
    for (; r->index[at].slot; at = (at + 1) & r->mask) {
        struct command_slot *s = &r->slots[r->index[at].slot - 1];

        if (slice_is(name, s->name)) return s;
    }
    return NULL;
}

struct command_slot *command_lookup(const struct command_registry *r, struct slice name) {
    struct command_place k = fold(name);
    unsigned at = hash_name(&k) & r->mask;

    for (; r->index[at].slot; at = (at + 1) & r->mask) {
        if (!is_same(&r->index[at], &k)) continue;
        if (!r->index[at].is_proof) return lookup_letter_by_letter(r, name, at);
        return &r->slots[r->index[at].slot - 1];
    }
    return NULL;
}

int command_registry_rename(struct command_registry *r, const char *from, const char *to) {
    struct command_slot *s;

    command_registry_seal(r);
    s = command_lookup(r, slice_str(from));
    if (!s || (*to && command_lookup(r, slice_str(to)))) return -1;
    if (strlen(to) >= sizeof s->name) return -1;
    snprintf(s->name, sizeof s->name, "%s", to);
    for (char *p = s->name; *p; p++) *p = (char)tolower((unsigned char)*p);
    return 0;
}

static struct command_slot *slot_of_row(const struct command_registry *r, struct slice name) {
    for (unsigned i = 0; i < r->n; i++)
        if (slice_is(name, r->slots[i].row->name)) return &r->slots[i];
    return NULL;
}

static __attribute__((noinline)) struct command_slot *
find_subcommand(struct command_slot *s, const struct slice *argv, bool *unknown_sub) {
    for (unsigned i = 0; i < s->nsub; i++)
        if (slice_is(argv[1], s->sub[i].row->name)) return &s->sub[i];
    *unknown_sub = true;
    return s;
}

/* `s` may be NULL. */
static inline struct command_slot *subcommand(struct command_slot *s, int argc,
                                              const struct slice *argv, bool *unknown_sub) {
    *unknown_sub = false;
    if (!s || !s->sub || argc < 2) return s;
    return find_subcommand(s, argv, unknown_sub);
}

struct command_slot *command_resolve(const struct command_registry *r, int argc,
                                     const struct slice *argv, bool *unknown_sub) {
    return subcommand(command_lookup(r, argv[0]), argc, argv, unknown_sub);
}

struct command_slot *command_resolve_logged(const struct command_registry *r, int argc,
                                            const struct slice *argv, bool *unknown_sub) {
    struct command_slot *s = command_lookup(r, argv[0]);

    return subcommand(s ? s : slot_of_row(r, argv[0]), argc, argv, unknown_sub);
}
