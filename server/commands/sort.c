/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sort - SORT and SORT_RO: the elements of a list, set or sorted set in another order, or what
 * other keys hold for them.
 *
 * In steps: parse; collect the elements (their bytes are copied, since looking up other keys comes
 * in between); find what each is weighed by; sort; show or store the part that is wanted. Sorting
 * keeps the order of equals, so that what a set gives depends on the set alone.
 */
#include "conf/conf.h"
#include "server/commands/commands.h"
#include "server/commands/hash.h"
#include "server/commands/support.h"
#include "server/exec/acl.h"
#include "server/exec/breathe.h"
#include "storage/base/mem.h"
#include "storage/listval.h"
#include "storage/set.h"
#include "storage/zset.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

struct options {
    struct slice by, store; /* p is NULL: not given */
    int64_t offset, count;  /* count < 0: all */
    bool desc, alpha, unsorted;
    int *get; /* argv indexes of the patterns */
    int ngets;
};

struct item {
    size_t at, n;       /* the element, in sort.text */
    size_t by_at, by_n; /* what it is weighed by if that is a text */
    bool has_by;
    double score;
};

struct sort {
    struct call *x;
    struct options o;
    struct bytes text;
    struct item *items, **order;
    size_t n;
    /* A member or field was due: what is stored is propagated as it is, as nothing is due where the
     * command is read back. */
    bool told;
};

/* ---------------------------------------------------------------- arguments */

static bool parse_limit(struct call *x, int i, struct options *o) {
    return arg_int(x, i, &o->offset) && arg_int(x, i + 1, &o->count);
}

/* Keys that a pattern names are not among the arguments, so only a user that may read all keys may
 * use one, and in a cluster they may be on another node. */
static bool may_look_up(struct call *x, struct slice pattern, const char *option) {
    if (!memchr(pattern.p, '*', pattern.n)) return true;
    if (in_cluster(x)) {
        reply_errf(x, "ERR %s option of SORT denied in Cluster mode.", option);
        return false;
    }
    if (acl_reads_everything(x->s->user, acl_place_of(x), x->cmd, x->argc, x->argv)) return true;
    reply_errf(x, "ERR %s option of SORT denied due to insufficient ACL permissions.", option);
    return false;
}

/* The words from argv[2] on. False: an error was answered. */
static bool parse(struct call *x, bool may_store, struct options *o) {
    *o = (struct options){.count = -1};
    o->get = mem_alloc((size_t)x->argc * sizeof *o->get);
    for (int i = 2; i < x->argc; i++) {
        int left = x->argc - i - 1;

        if (arg_is(x, i, "asc")) {
            o->desc = false;
        } else if (arg_is(x, i, "desc")) {
            o->desc = true;
        } else if (arg_is(x, i, "alpha")) {
            o->alpha = true;
        } else if (arg_is(x, i, "limit") && left >= 2) {
            if (!parse_limit(x, i + 1, o)) return false;
            i += 2;
        } else if (may_store && arg_is(x, i, "store") && left >= 1) {
            o->store = x->argv[++i];
        } else if (arg_is(x, i, "by") && left >= 1) {
            o->by = x->argv[++i];
            if (!may_look_up(x, o->by, "BY")) return false;
        } else if (arg_is(x, i, "get") && left >= 1) {
            if (!may_look_up(x, SLICE("*"), "GET")) return false;
            o->get[o->ngets++] = ++i;
        } else {
            reply_err(x, ERR_SYNTAX);
            return false;
        }
    }
    o->unsorted = o->by.p && !memchr(o->by.p, '*', o->by.n);
    return true;
}

/* ---------------------------------------------------------------- elements */

/* With a NUL after it, for strcoll. */
static void keep_text(struct sort *s, struct slice text) {
    bytes_append(&s->text, text.p, text.n);
    bytes_append_char(&s->text, '\0');
}

static void add_item(struct sort *s, struct slice element) {
    s->items[s->n] = (struct item){.at = s->text.n, .n = element.n};
    s->order[s->n] = &s->items[s->n];
    s->n++;
    keep_text(s, element);
    call_breathe(s->x);
}

static void add_value(struct lp_value v, void *arg) {
    char text[NUM_I64_MAX];

    add_item(arg, lp_value_text(v, text));
}

/* Without sorting, DESC means backwards for what has an order of its own. */
static bool is_backward(const struct sort *s) {
    return s->o.unsorted && s->o.desc;
}

static void collect_list(struct sort *s, const struct entry *e) {
    size_t from = is_backward(s) ? listval_len(e) - 1 : 0;
    struct listval_iter it;

    for (listval_begin(&it, e, from, is_backward(s)); listval_more(&it); listval_next(&it))
        add_value(listval_value(&it), s);
    listval_end(&it);
}

static void collect_set(struct sort *s, const struct entry *e) {
    set_each(e, parts_now(s->x), add_value, s);
}

static void collect_zset(struct sort *s, const struct entry *e) {
    struct zset_iter it;

    zset_iter_init(&it, e, is_backward(s) ? zset_count(e) - 1 : 0, is_backward(s));
    while (zset_iter_next(&it)) add_item(s, it.member);
}

static const struct {
    size_t (*len)(const struct entry *e);
    void (*collect)(struct sort *s, const struct entry *e);
} sources[TYPE_COUNT] = {
    [TYPE_LIST] = {listval_len, collect_list},
    [TYPE_SET] = {set_len, collect_set},
    [TYPE_ZSET] = {zset_count, collect_zset},
};

/* ---------------------------------------------------------------- other keys */

/* What a pattern gives for an element: a string's bytes, or a field of a hash. */
struct found {
    const struct entry *string; /* or NULL: `value`, if `is` */
    struct lp_value value;
    bool is;
};

/* The key that the pattern means for the element, and the field after "->" if there is one. */
static void name_of(struct slice pattern, const char *star, struct slice element,
                    struct bytes *name, struct slice *field) {
    struct slice rest = {star + 1, (size_t)(pattern.p + pattern.n - star) - 1};
    const char *arrow = memmem(rest.p, rest.n, "->", 2);

    *field = (struct slice){NULL, 0};
    if (arrow && arrow + 2 < rest.p + rest.n) {
        *field = (struct slice){arrow + 2, (size_t)(rest.p + rest.n - arrow) - 2};
        rest.n = (size_t)(arrow - rest.p);
    }
    bytes_clear(name);
    bytes_append(name, pattern.p, (size_t)(star - pattern.p));
    bytes_append(name, element.p, element.n);
    bytes_append(name, rest.p, rest.n);
}

/* Notes a field that is not seen because it is due. */
static bool field_of(struct sort *s, const struct entry *e, struct slice field,
                     struct hash_item *item) {
    if (hash_get(e, field, parts_now(s->x), item)) return true;
    s->told = s->told || hash_get(e, field, PARTS_ALL, item);
    return false;
}

static struct found look_at(struct sort *s, struct slice pattern, struct slice element) {
    struct call *x = s->x;
    const char *star = memchr(pattern.p, '*', pattern.n);
    struct found f = {0};
    struct bytes name = {0};
    struct hash_item item;
    struct slice field;
    struct ref r;

    if (slice_eq(pattern, SLICE("#")))
        return (struct found){.value = {element.p, element.n, 0}, .is = true};
    if (!star) return f;
    name_of(pattern, star, element, &name, &field);
    r = lookup(x, x->db, bytes_slice(&name), true);
    if (r.e && field.p && r.e->type == TYPE_HASH && field_of(s, r.e, field, &item)) {
        f.value = item.value;
        f.is = true;
    } else if (r.e && !field.p && r.e->type == TYPE_STRING) {
        f.string = r.e;
        f.is = true;
    }
    bytes_release(&name);
    return f;
}

static struct slice found_text(const struct found *f, char buf[NUM_I64_MAX]) {
    return f->string ? entry_string(f->string) : lp_value_text(f->value, buf);
}

/* ---------------------------------------------------------------- weights */

static struct slice element_of(const struct sort *s, const struct item *it) {
    return (struct slice){s->text.p + it->at, it->n};
}

/* What strtod makes of it, blanks in front and nothing at all included. */
static bool parse_weight(struct slice s, double *out) {
    struct bytes b = {0};
    const char *text;
    char *end;
    bool ok;

    bytes_append(&b, s.p, s.n);
    text = bytes_cstr(&b);
    errno = 0;
    *out = strtod(text, &end);
    ok = *end == '\0' && errno != ERANGE && !isnan(*out);
    bytes_release(&b);
    return ok;
}

static bool weigh(struct sort *s, struct item *it) {
    struct found f = {.is = true};
    char buf[NUM_I64_MAX];
    struct slice text = element_of(s, it);

    if (s->o.by.p) f = look_at(s, s->o.by, text);
    if (!f.is) return true; /* 0, or in front of every text */
    if (s->o.by.p) text = found_text(&f, buf);
    it->has_by = true;
    if (!s->o.alpha) return parse_weight(text, &it->score);
    it->by_at = it->at;
    it->by_n = it->n;
    if (!s->o.by.p) return true;
    it->by_at = s->text.n;
    it->by_n = text.n;
    keep_text(s, text);
    return true;
}

static bool weigh_all(struct sort *s) {
    for (size_t i = 0; i < s->n; i++) {
        call_breathe(s->x);
        if (weigh(s, &s->items[i])) continue;
        reply_err(s->x, "ERR One or more scores can't be converted into double");
        return false;
    }
    return true;
}

/* ---------------------------------------------------------------- order */

/* By the rules of the locale, which knows no NUL inside of a text; what is stored must not depend
 * on the locale. */
static int compare_texts(const struct sort *s, size_t a, size_t an, size_t b, size_t bn) {
    const char *text = s->text.p;

    if (s->o.store.p) return slice_cmp((struct slice){text + a, an}, (struct slice){text + b, bn});
    return strcoll(text + a, text + b);
}

static int compare_items(const void *pa, const void *pb, void *arg) {
    const struct item *a = *(struct item *const *)pa, *b = *(struct item *const *)pb;
    const struct sort *s = arg;
    int rc;

    if (!s->o.alpha) {
        rc = (a->score > b->score) - (a->score < b->score);
        if (rc == 0) rc = slice_cmp(element_of(s, a), element_of(s, b));
    } else if (!a->has_by || !b->has_by) {
        rc = a->has_by - b->has_by;
    } else {
        rc = compare_texts(s, a->by_at, a->by_n, b->by_at, b->by_n);
    }
    return s->o.desc ? -rc : rc;
}

/* The C library's qsort_r is a merge sort for all but huge arrays, but does not promise it. */
static void merge_sort(struct sort *s, struct item **v, size_t n, struct item **spare) {
    size_t half = n / 2, i = 0, k = half, out = 0;

    if (n < 2) return;
    merge_sort(s, v, half, spare);
    merge_sort(s, v + half, n - half, spare);
    while (i < half && k < n) {
        spare[out++] = compare_items(&v[k], &v[i], s) < 0 ? v[k++] : v[i++];
        call_breathe(s->x);
    }
    while (i < half) spare[out++] = v[i++];
    memcpy(v, spare, out * sizeof *v);
}

static void sort_items(struct sort *s) {
    struct item **spare = mem_alloc((s->n + 1) * sizeof(struct item *));

    merge_sort(s, s->order, s->n, spare);
    mem_free(spare);
}

/* ---------------------------------------------------------------- results */

struct part {
    size_t from, n;
};

static struct part wanted_part(const struct sort *s) {
    size_t from = s->o.offset < 0 ? 0 : (size_t)s->o.offset;
    size_t left;

    if (from >= s->n) return (struct part){0, 0};
    left = s->n - from;
    return (struct part){from,
                         s->o.count < 0 || (uint64_t)s->o.count > left ? left : (size_t)s->o.count};
}

static void show(struct sort *s, struct part p) {
    struct call *x = s->x;

    reply_array(&x->r, p.n * (size_t)(s->o.ngets ? s->o.ngets : 1));
    for (size_t i = p.from; i < p.from + p.n; i++) {
        struct slice element = element_of(s, s->order[i]);

        if (!s->o.ngets) reply_bulk(&x->r, element.p, element.n);
        for (int k = 0; k < s->o.ngets; k++) {
            struct found f = look_at(s, x->argv[s->o.get[k]], element);

            if (!f.is)
                reply_null(&x->r);
            else if (f.string)
                reply_string(x, f.string);
            else
                reply_value(&x->r, f.value);
            call_breathe(x);
        }
        call_breathe(x);
    }
}

/* Pushes what is wanted to a new list; what is not there is stored as an empty text. */
static void fill_list(struct sort *s, struct part p, struct entry *to) {
    struct ql_limits lim = {s->x->e->v->list_max_listpack_size, s->x->e->v->list_compress_depth};
    char buf[NUM_I64_MAX];

    for (size_t i = p.from; i < p.from + p.n; i++) {
        struct slice element = element_of(s, s->order[i]);

        if (!s->o.ngets) listval_push(to, &lim, &element, 1, false);
        for (int k = 0; k < s->o.ngets; k++) {
            struct found f = look_at(s, s->x->argv[s->o.get[k]], element);
            struct slice text = f.is ? found_text(&f, buf) : SLICE("");

            listval_push(to, &lim, &text, 1, false);
            call_breathe(s->x);
        }
        call_breathe(s->x);
    }
}

static void store(struct sort *s, struct part p) {
    struct call *x = s->x;
    struct entry *to = NULL;
    struct ref r;

    if (p.n) {
        to = entry_new_object(s->o.store, TYPE_LIST, listval_new(), ENTRY_NO_EXPIRE, 0);
        fill_list(s, p, to);
    }
    r = lookup(x, x->db, s->o.store, false);
    reply_int(&x->r, to ? (int64_t)listval_len(to) : 0);
    if (to) {
        x->e->dirty += listval_len(to) - 1;
        store_entry(x, &r, to);
        key_changed(x, &r, EVENT_LIST, "sortstore");
    } else if (r.e) {
        key_delete(x, &r, x->e->v->lazyfree_lazy_server_del);
        key_changed(x, &r, EVENT_GENERIC, "del");
    }
    if (s->told) log_stored(x, &r);
}

/* ---------------------------------------------------------------- the commands */

static int run(struct sort *s, const struct entry *e) {
    size_t n = e ? sources[e->type].len(e) : 0;

    s->items = mem_alloc((n + 1) * sizeof *s->items);
    s->order = mem_alloc((n + 1) * sizeof(struct item *));
    if (e && s->o.unsorted && e->type == TYPE_SET && s->o.store.p) {
        /* A set has no order; what is stored has to have one. */
        s->o.unsorted = false;
        s->o.alpha = true;
        s->o.by.p = NULL;
    }
    if (n) sources[e->type].collect(s, e);
    if (!s->o.unsorted) {
        if (!weigh_all(s)) return -1;
        sort_items(s);
    }
    s->told = s->told || (e && e->type == TYPE_SET && set_any_due(e, parts_now(s->x)));
    if (s->o.store.p)
        store(s, wanted_part(s));
    else
        show(s, wanted_part(s));
    return 0;
}

static int sort(struct call *x, bool may_store) {
    struct sort s = {.x = x};
    struct ref r;
    int rc = -1;

    if (parse(x, may_store, &s.o)) {
        r = lookup_read(x, 1);
        rc = r.e && !sources[r.e->type].len ? reply_err(x, ERR_WRONG_TYPE) : run(&s, r.e);
    }
    mem_free(s.o.get);
    mem_free(s.items);
    mem_free(s.order);
    bytes_release(&s.text);
    return rc;
}

static int cmd_sort(struct call *x) {
    return sort(x, true);
}

static int cmd_sort_ro(struct call *x) {
    return sort(x, false);
}

/* ---------------------------------------------------------------- rows */

/* clang-format off */
#define OPTIONS "key@0 [BY=by-pattern:pattern@1'pattern'] [LIMIT=limit{offset:int count:int}] " \
                "[GET=get-pattern:pattern@1++'pattern'] [order(ASC|DESC)] [sorting=ALPHA]"
#define BY_GET  "@1..0 RO access; ?? RO access (For the optional BY/GET keyword. It is marked " \
                "'unknown' because the key names derive from the content of the key we sort)"

const struct command sort_commands[] = {
    {"sort", -2, CMD_WRITE | CMD_DENYOOM | CMD_MOVABLE_KEYS | CMD_DANGEROUS, "generic", {1, 1, 1},
     cmd_sort, "1.0.0",
     "Gives or stores the elements of a list, set or sorted set in order.",
     .grammar = OPTIONS " [STORE=destination@2]",
     .key_specs = BY_GET "; ?STORE? OW update (For the optional STORE keyword. It is marked 'unknown' "
                  "because the keyword can appear anywhere in the argument array)"},
    {"sort_ro", -2, CMD_READONLY | CMD_MOVABLE_KEYS | CMD_DANGEROUS, "generic", {1, 1, 1},
     cmd_sort_ro, "7.0.0",
     "Gives the elements of a list, set or sorted set in order.",
     .grammar = OPTIONS,
     .key_specs = BY_GET},
    {0},
};
/* clang-format on */
