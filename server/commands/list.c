/* SPDX-License-Identifier: BSD-3-Clause
 *
 * list - pushing, reading and changing lists by index or value.
 */
#include "server/commands/list.h"

#include "conf/conf.h"
#include "server/commands/commands.h"
#include "server/exec/breathe.h"

/* ---------------------------------------------------------------- shared */

bool arg_list_end(struct call *x, int i, bool *front) {
    *front = arg_is(x, i, "left");
    if (*front || arg_is(x, i, "right")) return true;
    reply_err(x, ERR_SYNTAX);
    return false;
}

void list_push(struct call *x, struct ref *r, const struct slice *v, size_t n, bool front) {
    struct ql_limits lim = list_limits(x);
    bool is_new = !r->e;

    if (is_new) {
        r->e = entry_new_object(r->key, TYPE_LIST, listval_new(), ENTRY_NO_EXPIRE, 0);
        db_add(r->db, r->e, r->hash);
        key_added(x, r);
    }
    listval_push(r->e, &lim, v, n, front);
}

void list_removed(struct call *x, struct ref *r, const char *event) {
    bool empty = listval_len(r->e) == 0;

    if (empty) key_delete(x, r, false);
    key_changed(x, r, EVENT_LIST, event);
    if (empty) key_event(x, r, EVENT_GENERIC, "del");
}

void list_take(struct call *x, struct ref *r, size_t n, bool front) {
    struct ql_limits lim = list_limits(x);

    listval_delete(r->e, &lim, front ? 0 : listval_len(r->e) - n, n);
    x->e->dirty += n - 1;
    list_removed(x, r, front ? "lpop" : "rpop");
}

struct slice list_end_value(const struct entry *e, bool front, struct bytes *keep) {
    struct listval_iter it;
    char text[NUM_I64_MAX];
    struct slice s;

    listval_begin(&it, e, front ? 0 : listval_len(e) - 1, false);
    s = lp_value_text(listval_value(&it), text);
    bytes_clear(keep);
    bytes_room(keep, s.n + 1); /* not NULL for an empty one */
    bytes_append(keep, s.p, s.n);
    listval_end(&it);
    return bytes_slice(keep);
}

/* ---------------------------------------------------------------- pushing */

static int push(struct call *x, bool front, bool only_if_there) {
    struct ref r = lookup_write(x, 1);
    int n = x->argc - 2;

    if (!check_type(x, &r, TYPE_LIST)) return -1;
    for (int i = 2; i < x->argc; i++)
        if (!check_element(x, x->argv[i])) return -1;
    if (!r.e && only_if_there) {
        reply_int(&x->r, 0);
        return 0;
    }
    list_push(x, &r, x->argv + 2, (size_t)n, front);
    x->e->dirty += (uint64_t)n - 1;
    reply_int(&x->r, (int64_t)listval_len(r.e));
    key_changed(x, &r, EVENT_LIST, front ? "lpush" : "rpush");
    return 0;
}

static int cmd_lpush(struct call *x) {
    return push(x, true, false);
}

static int cmd_rpush(struct call *x) {
    return push(x, false, false);
}

static int cmd_lpushx(struct call *x) {
    return push(x, true, true);
}

static int cmd_rpushx(struct call *x) {
    return push(x, false, true);
}

/* ---------------------------------------------------------------- reading */

static int cmd_llen(struct call *x) {
    struct ref r = lookup_read(x, 1);

    if (!check_type(x, &r, TYPE_LIST)) return -1;
    reply_int(&x->r, r.e ? (int64_t)listval_len(r.e) : 0);
    return 0;
}

/* An index as it is given; false: beyond the list. */
static bool real_index(const struct entry *e, int64_t index, size_t *out) {
    int64_t len = (int64_t)listval_len(e);

    if (index < 0) index += len;
    *out = (size_t)index;
    return index >= 0 && index < len;
}

static int cmd_lindex(struct call *x) {
    struct ref r = lookup_read(x, 1);
    struct listval_iter it;
    int64_t index;
    size_t at;

    if (!r.e) {
        reply_null(&x->r);
        return 0;
    }
    if (!check_type(x, &r, TYPE_LIST)) return -1;
    if (!arg_int(x, 2, &index)) return -1;
    if (!real_index(r.e, index, &at)) {
        reply_null(&x->r);
        return 0;
    }
    listval_begin(&it, r.e, at, false);
    reply_value(&x->r, listval_value(&it));
    listval_end(&it);
    return 0;
}

/* Two indexes as they are given become a range; empty if n is 0. */
struct range {
    size_t from, n;
};

static struct range real_range(int64_t start, int64_t stop, size_t len) {
    int64_t n = (int64_t)len;

    if (start < 0) start = start + n < 0 ? 0 : start + n;
    if (stop < 0) stop += n;
    if (stop >= n) stop = n - 1;
    if (start > stop || start >= n) return (struct range){0, 0};
    return (struct range){(size_t)start, (size_t)(stop - start + 1)};
}

static int cmd_lrange(struct call *x) {
    int64_t start, stop;
    struct listval_iter it;
    struct range range;
    struct ref r;

    if (!arg_int(x, 2, &start) || !arg_int(x, 3, &stop)) return -1;
    r = lookup_read(x, 1);
    if (!check_type(x, &r, TYPE_LIST)) return -1;
    range = r.e ? real_range(start, stop, listval_len(r.e)) : (struct range){0, 0};
    reply_array(&x->r, range.n);
    if (range.n == 0) return 0;
    listval_begin(&it, r.e, range.from, false);
    for (size_t i = 0; i < range.n; i++, listval_next(&it)) {
        reply_value(&x->r, listval_value(&it));
        call_breathe(x);
    }
    listval_end(&it);
    return 0;
}

/* ---------------------------------------------------------------- changing */

static int cmd_lset(struct call *x) {
    struct ref r = lookup_write(x, 1);
    struct ql_limits lim = list_limits(x);
    int64_t index;
    size_t at;

    if (!r.e) return reply_err(x, ERR_NO_KEY);
    if (!check_type(x, &r, TYPE_LIST)) return -1;
    if (!arg_int(x, 2, &index)) return -1;
    if (!check_element(x, x->argv[3])) return -1;
    if (!real_index(r.e, index, &at)) return reply_err(x, ERR_RANGE);
    listval_set(r.e, &lim, at, x->argv[3]);
    key_changed(x, &r, EVENT_LIST, "lset");
    reply_ok(&x->r);
    return 0;
}

/* The index of the first element that equals `s`; false: there is none. */
static bool index_of(const struct entry *e, struct slice s, size_t *out) {
    struct lp_key key = lp_key_of(s);
    struct listval_iter it;
    bool found = false;

    *out = 0;
    for (listval_begin(&it, e, 0, false); listval_more(&it); listval_next(&it), ++*out)
        if ((found = listval_equal(&it, &key))) break;
    listval_end(&it);
    return found;
}

static int cmd_linsert(struct call *x) {
    bool after = arg_is(x, 2, "after");
    struct ql_limits lim = list_limits(x);
    struct ref r;
    size_t at;

    if (!after && !arg_is(x, 2, "before")) return reply_err(x, ERR_SYNTAX);
    r = lookup_write(x, 1);
    if (!r.e) {
        reply_int(&x->r, 0);
        return 0;
    }
    if (!check_type(x, &r, TYPE_LIST)) return -1;
    if (!check_element(x, x->argv[4])) return -1;
    if (!index_of(r.e, x->argv[3], &at)) {
        reply_int(&x->r, -1);
        return 0;
    }
    listval_insert(r.e, &lim, at + after, x->argv[4]);
    key_changed(x, &r, EVENT_LIST, "linsert");
    reply_int(&x->r, (int64_t)listval_len(r.e));
    return 0;
}

static int cmd_lrem(struct call *x) {
    struct ql_limits lim = list_limits(x);
    int64_t count;
    size_t n, most;
    struct ref r;

    if (!arg_int(x, 2, &count)) return -1;
    r = lookup_write(x, 1);
    if (!r.e) {
        reply_int(&x->r, 0);
        return 0;
    }
    if (!check_type(x, &r, TYPE_LIST)) return -1;
    most = count == 0 || count == INT64_MIN ? SIZE_MAX : (size_t)(count < 0 ? -count : count);
    n = listval_delete_equal(r.e, &lim, x->argv[3], most, count < 0);
    if (n) {
        x->e->dirty += n - 1;
        list_removed(x, &r, "lrem");
    }
    reply_int(&x->r, (int64_t)n);
    return 0;
}

static void trim(struct call *x, struct ref *r, struct range keep) {
    struct ql_limits lim = list_limits(x);
    size_t len = listval_len(r->e), behind = len - keep.from - keep.n;

    if (keep.n == len) { /* told as if it were a change, but there is nothing to log */
        key_touched(x->e, r->db, r->key, r->hash);
        key_event(x, r, EVENT_LIST, "ltrim");
        return;
    }
    if (keep.n == 0) {
        key_delete(x, r, x->e->v->lazyfree_lazy_server_del);
        key_changed(x, r, EVENT_LIST, "ltrim");
        key_event(x, r, EVENT_GENERIC, "del");
    } else {
        if (behind) listval_delete(r->e, &lim, keep.from + keep.n, behind);
        if (keep.from) listval_delete(r->e, &lim, 0, keep.from);
        key_changed(x, r, EVENT_LIST, "ltrim");
    }
    x->e->dirty += len - keep.n - 1;
}

static int cmd_ltrim(struct call *x) {
    int64_t start, stop;
    struct ref r;

    if (!arg_int(x, 2, &start) || !arg_int(x, 3, &stop)) return -1;
    r = lookup_write(x, 1);
    if (!check_type(x, &r, TYPE_LIST)) return -1;
    if (r.e) trim(x, &r, real_range(start, stop, listval_len(r.e)));
    reply_ok(&x->r);
    return 0;
}

/* ---------------------------------------------------------------- LPOS */

struct lpos {
    int64_t rank, count, most; /* count -1: one, no array; most 0: all are looked at */
};

static bool parse_lpos(struct call *x, struct lpos *o) {
    *o = (struct lpos){1, -1, 0};
    for (int i = 3; i < x->argc; i += 2) {
        bool more = i + 1 < x->argc;

        if (more && arg_is(x, i, "rank")) {
            if (!arg_int_between(x, i + 1, -INT64_MAX, INT64_MAX, &o->rank)) return false;
            if (o->rank == 0) {
                reply_err(x, "ERR RANK can't be zero: use 1 to start from the first match, 2 from "
                             "the second ... or use negative to start from the end of the list");
                return false;
            }
        } else if (more && arg_is(x, i, "count")) {
            if (!arg_int_range(x, i + 1, 0, INT64_MAX, &o->count, "ERR COUNT can't be negative"))
                return false;
        } else if (more && arg_is(x, i, "maxlen")) {
            if (!arg_int_range(x, i + 1, 0, INT64_MAX, &o->most, "ERR MAXLEN can't be negative"))
                return false;
        } else {
            reply_err(x, ERR_SYNTAX);
            return false;
        }
    }
    return true;
}

/* The indexes of what matches, appended to `found` as they are. */
static size_t find_matches(struct call *x, const struct entry *e, const struct lpos *o,
                           struct slice s, struct bytes *found) {
    struct lp_key key = lp_key_of(s);
    int64_t len = (int64_t)listval_len(e), skip = (o->rank < 0 ? -o->rank : o->rank) - 1, looked;
    bool back = o->rank < 0;
    struct listval_iter it;
    size_t n = 0;

    listval_begin(&it, e, back ? (size_t)len - 1 : 0, back);
    for (looked = 0; listval_more(&it) && (o->most == 0 || looked < o->most);
         looked++, listval_next(&it)) {
        int64_t index = back ? len - 1 - looked : looked;

        call_breathe(x);
        if (!listval_equal(&it, &key) || skip-- > 0) continue;
        bytes_append(found, &index, sizeof index);
        n++;
        if (o->count != 0 && (int64_t)n >= (o->count < 0 ? 1 : o->count)) break;
    }
    listval_end(&it);
    return n;
}

static int cmd_lpos(struct call *x) {
    struct bytes found = {0};
    const int64_t *index;
    struct lpos o;
    struct ref r;
    size_t n = 0;

    if (!parse_lpos(x, &o)) return -1;
    r = lookup_read(x, 1);
    if (!check_type(x, &r, TYPE_LIST)) return -1;
    if (r.e) n = find_matches(x, r.e, &o, x->argv[2], &found);
    index = (const int64_t *)found.p;
    if (o.count >= 0) {
        reply_array(&x->r, n);
        for (size_t i = 0; i < n; i++) reply_int(&x->r, index[i]);
    } else if (n) {
        reply_int(&x->r, *index);
    } else {
        reply_null(&x->r);
    }
    bytes_release(&found);
    return 0;
}

/* ---------------------------------------------------------------- rows */

#define W (CMD_WRITE | CMD_DENYOOM)
#define R CMD_READONLY
#define F CMD_FAST

/* clang-format off */
const struct command list_commands[] = {
    {"lpush", -3, W | F, "list", {1, 1, 1}, cmd_lpush, "1.0.0",
     "Puts elements at the front of a list, which is made if there is none.",
     .grammar = "key@0 element+",
     .key_specs = "RW insert"},
    {"lpushx", -3, W | F, "list", {1, 1, 1}, cmd_lpushx, "2.2.0",
     "Puts elements at the front of a list that exists.",
     .grammar = "key@0 element+",
     .key_specs = "RW insert"},
    {"rpush", -3, W | F, "list", {1, 1, 1}, cmd_rpush, "1.0.0",
     "Puts elements at the end of a list, which is made if there is none.",
     .grammar = "key@0 element+",
     .key_specs = "RW insert"},
    {"rpushx", -3, W | F, "list", {1, 1, 1}, cmd_rpushx, "2.2.0",
     "Puts elements at the end of a list that exists.",
     .grammar = "key@0 element+",
     .key_specs = "RW insert"},
    {"llen", 2, R | F, "list", {1, 1, 1}, cmd_llen, "1.0.0", "Counts the elements of a list.",
     .grammar = "key@0",
     .key_specs = "RO"},
    {"lindex", 3, R, "list", {1, 1, 1}, cmd_lindex, "1.0.0",
     "Gives the element at a position of a list.",
     .grammar = "key@0 index:int"},
    {"lrange", 4, R, "list", {1, 1, 1}, cmd_lrange, "1.0.0",
     "Gives the elements between two positions of a list.",
     .grammar = "key@0 start:int stop:int"},
    {"lset", 4, W, "list", {1, 1, 1}, cmd_lset, "1.0.0",
     "Replaces the element at a position of a list.",
     .grammar = "key@0 index:int element",
     .key_specs = "RW update"},
    {"linsert", 5, W, "list", {1, 1, 1}, cmd_linsert, "2.2.0",
     "Puts an element beside another one of a list.",
     .grammar = "key@0 where(BEFORE|AFTER) pivot element",
     .key_specs = "RW insert"},
    {"lrem", 4, CMD_WRITE, "list", {1, 1, 1}, cmd_lrem, "1.0.0",
     "Removes elements of one value from a list.",
     .grammar = "key@0 count:int element",
     .key_specs = "RW delete"},
    {"ltrim", 4, CMD_WRITE, "list", {1, 1, 1}, cmd_ltrim, "1.0.0",
     "Removes all elements of a list but those between two positions.",
     .grammar = "key@0 start:int stop:int",
     .key_specs = "RW delete"},
    {"lpos", -3, R, "list", {1, 1, 1}, cmd_lpos, "6.0.6",
     "Tells at which positions of a list a value stands.",
     .grammar = "key@0 element [RANK=rank:int] [COUNT=num-matches:int] [MAXLEN=len:int]"},
    {0},
};
/* clang-format on */
