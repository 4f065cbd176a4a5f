/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/commands/parts.h"

#include "conf/conf.h"
#include "storage/base/mem.h"

/* 2^46 - 1: what Redis has room for. */
#define TIME_MAX ((INT64_C(1) << 46) - 1)

/* ---------------------------------------------------------------- a value that is changed */

bool parts_open(struct call *x, const struct part_kind *kind, struct part_edit *h) {
    h->kind = kind;
    h->r = lookup_write(x, 1);
    if (!check_type(x, &h->r, kind->type)) return false;
    h->due_before = h->r.e ? kind->next_due(h->r.e) : ENTRY_NO_EXPIRE;
    return true;
}

void parts_close(struct call *x, struct part_edit *h, uint64_t n, const char *event) {
    if (h->r.e) db_parts_changed(h->r.db, h->r.e, h->due_before);
    if (n > 0) parts_changed(x, h, n, h->kind->len(h->r.e) == 0, event);
}

void parts_changed(struct call *x, struct part_edit *h, uint64_t n, bool emptied,
                   const char *event) {
    key_changed(x, &h->r, h->kind->events, event);
    x->e->dirty += n - 1;
    if (!emptied) return;
    key_delete(x, &h->r, x->e->v->lazyfree_lazy_server_del);
    key_event(x, &h->r, EVENT_GENERIC, "del");
}

/* ---------------------------------------------------------------- arguments */

bool parse_parts(struct call *x, const struct part_kind *kind, int i, bool of_expire,
                 struct part_args *f) {
    int64_t n;

    if (i + 1 >= x->argc || !arg_is(x, i, kind->word)) {
        reply_errf(x, "ERR Mandatory argument %s is missing or not at the right position",
                   kind->upper);
        return false;
    }
    if (!num_parse_i64(x->argv[i + 1].p, x->argv[i + 1].n, &n) || n < 1) {
        if (of_expire)
            reply_errf(x, "ERR Parameter `num%s` should be greater than 0", kind->title);
        else
            reply_errf(x, "ERR Number of %s must be a positive integer", kind->word);
        return false;
    }
    if (n != x->argc - i - 2) {
        reply_errf(x, "ERR The `num%s` parameter must match the number of arguments", kind->word);
        return false;
    }
    *f = (struct part_args){i + 2, (int)n};
    return true;
}

bool part_arg_time(struct call *x, int i, bool seconds, bool relative, int64_t *when_ms) {
    int64_t v, base = relative ? x->now_ms : 0;

    if (!arg_int(x, i, &v)) return false;
    if (v < 0) {
        reply_err(x, "ERR invalid expire time, must be >= 0");
        return false;
    }
    if (seconds && v <= TIME_MAX / 1000) {
        v *= 1000;
        seconds = false;
    }
    if (seconds || v > TIME_MAX - base) {
        reply_bad_expire(x);
        return false;
    }
    *when_ms = v + base > 0 ? v + base : 1; /* 0 would be no time; both are long over */
    return true;
}

int parse_time_option(struct call *x, int *i, const char *other, enum time_mode other_mode,
                      struct time_option *o) {
    bool ex = arg_is(x, *i, "ex"), exat = arg_is(x, *i, "exat");
    bool timed = ex || exat || arg_is(x, *i, "px") || arg_is(x, *i, "pxat");

    if (!timed && !arg_is(x, *i, other)) return 0;
    if (o->mode != TIME_NONE)
        return reply_errf(x, "ERR Only one of EX, PX, EXAT, PXAT or %s arguments can be specified",
                          other_mode == TIME_KEEP ? "KEEPTTL" : "PERSIST");
    o->mode = timed ? TIME_SET : other_mode;
    if (!timed) return 1;
    if (*i + 1 == x->argc) return reply_err(x, "ERR missing expire time");
    ++*i;
    return part_arg_time(x, *i, ex || exat, ex || arg_is(x, *i - 1, "px"), &o->when_ms) ? 1 : -1;
}

/* ---------------------------------------------------------------- HSETEX and SADDEX */

/* "FIELDS n field value ..." at argument *i; leaves the last of them there. */
static bool parse_set_parts(struct call *x, const struct part_kind *kind, int *i,
                            struct part_setex *o) {
    int64_t n;

    if (o->parts.n) {
        reply_errf(x, "ERR %s keyword specified multiple times", kind->upper);
        return false;
    }
    if (*i + 1 >= x->argc) {
        reply_errf(x, "ERR wrong number of arguments for '%s' command", x->cmd->name);
        return false;
    }
    if (!num_parse_i64(x->argv[*i + 1].p, x->argv[*i + 1].n, &n) || n < 1 || n > INT32_MAX) {
        reply_errf(x, "ERR invalid number of %s", kind->word);
        return false;
    }
    if (n > (x->argc - *i - 2) / kind->width) {
        reply_errf(x, "ERR wrong number of arguments for '%s' command", x->cmd->name);
        return false;
    }
    o->parts = (struct part_args){*i + 2, (int)n};
    *i += 1 + kind->width * (int)n;
    return true;
}

/* FNX or FXX once, and beside it NX or XX. 1: it was one; 0: something else; -1: an error. */
static int parse_condition(struct call *x, const struct part_kind *kind, int i,
                           struct part_setex *o) {
    bool none = arg_is(x, i, kind->if_none);

    if (none || arg_is(x, i, kind->if_all)) {
        if (o->if_none || o->if_all)
            return reply_errf(x, "ERR Only one of %cXX or %cNX arguments can be specified",
                              kind->upper[0], kind->upper[0]);
        o->if_none = none;
        o->if_all = !none;
        return 1;
    }
    none = arg_is(x, i, "nx");
    if (!kind->about_key || !(none || arg_is(x, i, "xx"))) return 0;
    if (none ? o->if_has_key : o->if_no_key) return reply_err(x, ERR_SYNTAX);
    o->if_no_key = none;
    o->if_has_key = !none;
    return 1;
}

static bool parse_setex(struct call *x, const struct part_kind *kind, struct part_setex *o) {
    *o = (struct part_setex){0};
    for (int i = 2; i < x->argc; i++) {
        int is_option = parse_time_option(x, &i, "keepttl", TIME_KEEP, &o->time);

        if (is_option == 0) is_option = parse_condition(x, kind, i, o);
        if (is_option < 0) return false;
        if (is_option) continue;
        if (arg_is(x, i, kind->word)) {
            if (!parse_set_parts(x, kind, &i, o)) return false;
        } else {
            reply_errf(x, "ERR unknown argument: %.*s",
                       (int)(x->argv[i].n < 128 ? x->argv[i].n : 128), x->argv[i].p);
            return false;
        }
    }
    if (o->parts.n) return true;
    reply_errf(x, "ERR missing %s argument", kind->upper);
    return false;
}

/* Whether the conditions of the command hold. */
static bool setex_may_set(struct call *x, const struct part_edit *h, const struct part_setex *o) {
    int64_t ignored;

    if (h->r.e ? o->if_no_key : o->if_has_key) return false;
    if (!o->if_none && !o->if_all) return true;
    for (int i = 0; i < o->parts.n; i++) {
        bool found =
            h->r.e && h->kind->find(h->r.e, setex_part(x, h, o, i), parts_now(x), &ignored);

        if (found != o->if_all) return false;
    }
    return true;
}

/* The time is over: what would be set is deleted instead. */
static void setex_delete(struct call *x, struct part_edit *h, const struct part_setex *o) {
    struct part_list deleted = {0};

    for (int i = 0; h->r.e && i < o->parts.n; i++) {
        struct slice part = setex_part(x, h, o, i);

        if (h->kind->remove(h->r.e, part, parts_now(x))) part_list_add(&deleted, part);
    }
    parts_log_delete(x, h, &deleted);
    parts_close(x, h, deleted.n, h->kind->del_event);
    part_list_release(&deleted);
}

int parts_setex(struct call *x, const struct part_kind *kind,
                void (*set)(struct call *x, struct part_edit *h, const struct part_setex *o)) {
    struct part_setex o;
    struct part_edit h;

    if (!parse_setex(x, kind, &o) || !parts_open(x, kind, &h)) return -1;
    if (!setex_may_set(x, &h, &o)) {
        reply_int(&x->r, 0);
        return 0;
    }
    if (o.time.mode == TIME_SET && part_is_over(x, o.time.when_ms))
        setex_delete(x, &h, &o);
    else
        set(x, &h, &o);
    reply_int(&x->r, 1);
    return 0;
}

/* ---------------------------------------------------------------- what is logged */

void part_list_add(struct part_list *l, struct slice part) {
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 8;
        l->v = mem_realloc(l->v, l->cap * sizeof *l->v);
    }
    l->v[l->n++] = part;
}

void part_list_release(struct part_list *l) {
    mem_free(l->v);
}

void parts_log(struct call *x, const struct slice *head, int nhead, const struct part_list *l) {
    struct slice *argv;

    if (l->n == 0) return;
    argv = mem_alloc((PART_HEAD_MAX + l->n) * sizeof *argv);
    memcpy(argv, head, (size_t)nhead * sizeof *head);
    memcpy(argv + nhead, l->v, l->n * sizeof *argv);
    effect(x, nhead + (int)l->n, argv);
    mem_free(argv);
}

void parts_log_delete(struct call *x, const struct part_edit *h, const struct part_list *l) {
    parts_log(x, (struct slice[]){h->kind->del, h->r.key}, 2, l);
}

void parts_log_persist(struct call *x, const struct part_edit *h, const struct part_list *l) {
    struct slice word = slice_str(h->kind->upper);
    char count[NUM_I64_MAX];
    struct slice n = slice_of(count, (size_t)num_format_u64(count, l->n));

    parts_log(x, (struct slice[]){h->kind->persist, h->r.key, word, n}, 4, l);
}

void parts_log_time(struct call *x, const struct part_edit *h, const struct part_list *l,
                    int64_t when_ms) {
    struct slice word = slice_str(h->kind->upper);
    char count[NUM_I64_MAX], text[NUM_I64_MAX];
    struct slice n = slice_of(count, (size_t)num_format_u64(count, l->n));
    struct slice when = slice_of(text, (size_t)num_format_i64(text, when_ms));

    if (part_is_over(x, when_ms))
        parts_log_delete(x, h, l);
    else
        parts_log(x, (struct slice[]){h->kind->expireat, h->r.key, when, word, n}, 5, l);
}
