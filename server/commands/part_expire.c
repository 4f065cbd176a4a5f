/* SPDX-License-Identifier: BSD-3-Clause
 *
 * part_expire - times to live of fields and members: setting, asking, removing.
 */
#include "server/commands/parts.h"

/* ---------------------------------------------------------------- setting */

enum { IF_ALWAYS, IF_NONE, IF_SOME, IF_LATER, IF_EARLIER };

/* The condition at argument 3, if there is one. */
static int parse_condition(const struct call *x) {
    static const char *const words[] = {NULL, "nx", "xx", "gt", "lt"};

    for (int i = IF_NONE; i <= IF_EARLIER; i++)
        if (arg_is(x, 3, words[i])) return i;
    return IF_ALWAYS;
}

/* `had` is the part's time so far, 0: none, which counts as later than any. */
static bool condition_holds(int condition, int64_t had, int64_t when_ms) {
    switch (condition) {
    case IF_NONE: return had == 0;
    case IF_SOME: return had != 0;
    case IF_LATER: return had != 0 && when_ms > had;
    case IF_EARLIER: return had == 0 || when_ms < had;
    default: return true;
    }
}

/* What is said of each part. */
enum { NO_PART = -2, NO_TIME = -1, NOT_MET = 0, TIME_CHANGED = 1, PART_DELETED = 2 };

static int expire_part(struct call *x, struct part_edit *h, struct slice part, int condition,
                       int64_t when_ms) {
    int64_t had;

    if (!h->r.e || !h->kind->find(h->r.e, part, parts_now(x), &had)) return NO_PART;
    if (!condition_holds(condition, had, when_ms)) return NOT_MET;
    if (part_is_over(x, when_ms)) {
        h->kind->remove(h->r.e, part, parts_now(x));
        return PART_DELETED;
    }
    h->kind->set_expire(h->r.e, part, when_ms);
    return TIME_CHANGED;
}

int parts_expire(struct call *x, const struct part_kind *kind, unsigned unit) {
    struct part_list changed = {0};
    struct part_args f;
    struct part_edit h;
    int64_t when_ms;
    int condition;

    if (!parts_open(x, kind, &h) ||
        !part_arg_time(x, 2, unit & PART_SECONDS, unit & PART_RELATIVE, &when_ms))
        return -1;
    condition = parse_condition(x);
    if (!parse_parts(x, kind, condition ? 4 : 3, true, &f)) return -1;
    if (h.r.e && kind->allow_times) kind->allow_times(h.r.e);
    reply_array(&x->r, (size_t)f.n);
    for (int i = f.first; i < f.first + f.n; i++) {
        int did = expire_part(x, &h, x->argv[i], condition, when_ms);

        if (did > NOT_MET) part_list_add(&changed, x->argv[i]);
        reply_int(&x->r, did);
    }
    parts_log_time(x, &h, &changed, when_ms);
    parts_close(x, &h, changed.n, part_is_over(x, when_ms) ? kind->del_event : kind->expire_event);
    part_list_release(&changed);
    return 0;
}

/* ---------------------------------------------------------------- removing */

static int persist_part(struct call *x, struct part_edit *h, struct slice part) {
    int64_t had;

    if (!h->r.e || !h->kind->find(h->r.e, part, parts_now(x), &had)) return NO_PART;
    if (had == 0) return NO_TIME;
    h->kind->set_expire(h->r.e, part, 0);
    return TIME_CHANGED;
}

int parts_persist(struct call *x, const struct part_kind *kind) {
    struct part_list changed = {0};
    struct part_args f;
    struct part_edit h;

    if (!parts_open(x, kind, &h) || !parse_parts(x, kind, 2, false, &f)) return -1;
    reply_array(&x->r, (size_t)f.n);
    for (int i = f.first; i < f.first + f.n; i++) {
        int did = persist_part(x, &h, x->argv[i]);

        if (did == TIME_CHANGED) part_list_add(&changed, x->argv[i]);
        reply_int(&x->r, did);
    }
    parts_log_persist(x, &h, &changed);
    parts_close(x, &h, changed.n, kind->persist_event);
    part_list_release(&changed);
    return 0;
}

/* ---------------------------------------------------------------- asking */

/* Absolute seconds are rounded up, as those left are. */
int parts_ttl(struct call *x, const struct part_kind *kind, unsigned unit) {
    struct part_args f;
    struct ref r = lookup_read(x, 1);

    if (!check_type(x, &r, kind->type) || !parse_parts(x, kind, 2, false, &f)) return -1;
    reply_array(&x->r, (size_t)f.n);
    for (int i = f.first; i < f.first + f.n; i++) {
        int64_t when_ms, ms;

        if (!r.e || !kind->find(r.e, x->argv[i], parts_now(x), &when_ms)) {
            reply_int(&x->r, NO_PART);
            continue;
        }
        ms = unit & PART_RELATIVE ? when_ms - x->now_ms : when_ms;
        reply_int(&x->r, when_ms == 0 ? NO_TIME : unit & PART_SECONDS ? (ms + 999) / 1000 : ms);
    }
    return 0;
}
