/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/slowlog.h"

#include "server/exec/call.h"
#include "storage/base/mem.h"

enum { ARGS_MAX = 32, ARG_BYTES_MAX = 128 };

void slowlog_init(struct slowlog *l) {
    *l = (struct slowlog){0};
    list_init(&l->entries);
}

static void slow_free(struct slow_entry *t) {
    list_remove(&t->link);
    mem_free(t->addr);
    mem_free(t->name);
    mem_free(t->argv);
    mem_free(t);
}

void slowlog_trim(struct slowlog *l, size_t max) {
    for (; l->n > max; l->n--) slow_free(list_entry(l->entries.next, struct slow_entry, link));
}

/* An argument, or its beginning and how much is missing; `text` is where that is written. */
static struct slice shorten(struct slice arg, struct bytes *text) {
    if (arg.n <= ARG_BYTES_MAX) return arg;
    bytes_clear(text);
    bytes_append(text, arg.p, ARG_BYTES_MAX);
    bytes_printf(text, "... (%zu more bytes)", arg.n - ARG_BYTES_MAX);
    return bytes_slice(text);
}

static void copy_args(struct slow_entry *t, const struct call *x) {
    struct bytes text[ARGS_MAX] = {{0}};
    struct slice argv[ARGS_MAX];

    t->argc = x->argc < ARGS_MAX ? x->argc : ARGS_MAX;
    for (int i = 0; i < t->argc; i++) argv[i] = shorten(arg_shown(x, i), &text[i]);
    if (x->argc > ARGS_MAX) {
        struct bytes *last = &text[ARGS_MAX - 1];

        bytes_clear(last);
        bytes_printf(last, "... (%d more arguments)", x->argc - ARGS_MAX + 1);
        argv[ARGS_MAX - 1] = bytes_slice(last);
    }
    t->argv = args_copy(t->argc, argv);
    for (int i = 0; i < t->argc; i++) bytes_release(&text[i]);
}

void slowlog_add(struct slowlog *l, const struct call *x, uint64_t cost, size_t max) {
    struct slow_entry *t;
    struct session_wire wire;

    if (max == 0) return;
    x->s->ops->describe(x->s, &wire);
    t = mem_alloc(sizeof *t);
    *t = (struct slow_entry){
        .id = l->next_id++,
        .cost = cost,
        .at_s = clock_wall_ms() / 1000,
        .addr = mem_strdup(x->from == FROM_SCRIPT ? "?:0" : wire.addr),
        .name = mem_strdup(x->s->name && x->from != FROM_SCRIPT ? x->s->name : "")};
    copy_args(t, x);
    list_append(&l->entries, &t->link);
    l->n++;
    slowlog_trim(l, max);
}
