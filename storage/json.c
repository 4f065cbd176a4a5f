/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/json.h"

#include "storage/base/check.h"
#include "storage/base/hash.h"
#include "storage/base/mem.h"

enum { EFFORT_ENOUGH = 1 << 17 }; /* more than any limit of lazy freeing */

/* ---------------------------------------------------------------- allocations */

static uint32_t array_cap(uint32_t n) {
    return n ? (uint32_t)(mem_good_size(n * sizeof(struct json)) / sizeof(struct json)) : 0;
}

static uint32_t object_cap(uint32_t n) {
    return n ? (uint32_t)(mem_good_size(n * sizeof(struct json_member)) /
                          sizeof(struct json_member))
             : 0;
}

/* Places of the index, a power of two; 0: there is none. */
static uint32_t index_size(uint32_t n) {
    uint32_t size = 4 * JSON_INDEX_MIN;

    if (n <= JSON_INDEX_MIN) return 0;
    while (size / 2 < object_cap(n)) size *= 2;
    return size;
}

static size_t object_bytes(uint32_t n) {
    return object_cap(n) * sizeof(struct json_member) + index_size(n) * sizeof(uint32_t);
}

static uint32_t *object_index(const struct json *o) {
    return (uint32_t *)(o->u.members + object_cap(o->n));
}

/* ---------------------------------------------------------------- values */

struct json json_from_text(struct slice s) {
    struct json v = {.kind = JSON_STRING};

    CHECK(s.n <= JSON_LEN_MAX);
    if (s.n <= JSON_SHORT_MAX) {
        v.short_n = (uint8_t)s.n;
        if (s.n) memcpy((char *)&v + offsetof(struct json, text), s.p, s.n);
        return v;
    }
    v.short_n = JSON_LONG;
    v.n = (uint32_t)s.n;
    v.u.text = mem_dup(s.p, s.n);
    return v;
}

static void clear_children(struct json *v) {
    for (uint32_t i = 0; i < v->n; i++) {
        if (v->kind == JSON_OBJECT) json_clear(&v->u.members[i].name);
        json_clear(json_child(v, i));
    }
    if (v->n) mem_free(v->u.items);
}

void json_clear(struct json *v) {
    v->kind &= (uint8_t)~JSON_MARK;
    if (json_is_container(v))
        clear_children(v);
    else if (v->kind == JSON_STRING && v->short_n == JSON_LONG)
        mem_free(v->u.text);
    *v = (struct json){0};
}

static void copy_children(struct json *to, const struct json *v, const struct pace *pace) {
    if (v->kind == JSON_ARRAY) {
        to->u.items = mem_calloc(array_cap(v->n) * sizeof *to->u.items);
        for (uint32_t i = 0; i < v->n; i++) to->u.items[i] = json_copy(&v->u.items[i], pace);
        return;
    }
    to->u.members = mem_calloc(object_bytes(v->n));
    for (uint32_t i = 0; i < v->n; i++) {
        to->u.members[i].name = json_copy(&v->u.members[i].name, pace);
        to->u.members[i].value = json_copy(&v->u.members[i].value, pace);
    }
    if (index_size(v->n))
        memcpy(object_index(to), object_index(v), index_size(v->n) * sizeof(uint32_t));
}

struct json json_copy(const struct json *v, const struct pace *pace) {
    struct json to = *v;

    pace_step(pace, 1);
    if (v->kind == JSON_STRING && v->short_n == JSON_LONG) to.u.text = mem_dup(v->u.text, v->n);
    if (json_count(v)) copy_children(&to, v, pace);
    return to;
}

int json_number_cmp(const struct json *a, const struct json *b) {
    long double x, y;

    if (a->kind == JSON_INTEGER && b->kind == JSON_INTEGER)
        return (a->u.integer > b->u.integer) - (a->u.integer < b->u.integer);
    x = a->kind == JSON_INTEGER ? (long double)a->u.integer : (long double)a->u.number;
    y = b->kind == JSON_INTEGER ? (long double)b->u.integer : (long double)b->u.number;
    return (x > y) - (x < y);
}

static bool children_equal(const struct json *a, const struct json *b, const struct pace *pace) {
    if (a->n != b->n) return false;
    for (uint32_t i = 0; i < a->n; i++) {
        const struct json *other;

        other = a->kind == JSON_ARRAY ? &b->u.items[i]
                                      : json_object_find(b, json_text(&a->u.members[i].name));
        if (!other || !json_equal(json_child(a, i), other, pace)) return false;
    }
    return true;
}

bool json_equal(const struct json *a, const struct json *b, const struct pace *pace) {
    pace_step(pace, 1 + (a->kind == JSON_STRING ? json_text(a).n / PACE_BYTES : 0));
    if (json_is_number(a) && json_is_number(b)) return json_number_cmp(a, b) == 0;
    if (a->kind != b->kind) return false;
    if (json_is_container(a)) return children_equal(a, b, pace);
    if (a->kind == JSON_STRING) return slice_eq(json_text(a), json_text(b));
    return a->kind == JSON_NULL || a->u.integer == b->u.integer;
}

unsigned json_depth(const struct json *v, const struct pace *pace) {
    unsigned most = 0;

    pace_step(pace, 1);
    if (!json_is_container(v)) return 0;
    for (uint32_t i = 0; i < v->n; i++) {
        unsigned d = json_depth(json_child(v, i), pace);

        if (d > most) most = d;
    }
    return 1 + most;
}

size_t json_mem(const struct json *v, const struct pace *pace) {
    size_t sum = 0;

    pace_step(pace, 1);
    if (v->kind == JSON_STRING) return v->short_n == JSON_LONG ? mem_good_size(v->n) : 0;
    if (!json_count(v)) return 0;
    sum = mem_good_size(v->kind == JSON_ARRAY ? array_cap(v->n) * sizeof *v : object_bytes(v->n));
    for (uint32_t i = 0; i < v->n; i++) {
        if (v->kind == JSON_OBJECT) sum += json_mem(&v->u.members[i].name, PACE_NONE);
        sum += json_mem(json_child(v, i), pace);
    }
    return sum;
}

/* ---------------------------------------------------------------- arrays */

/* The allocation that `n` items need; the items stay where they are in it. */
static void array_resize(struct json *a, uint32_t n) {
    uint32_t cap = array_cap(n);

    if (cap == array_cap(a->n)) {
        a->n = n;
        return;
    }
    a->u.items = a->n == 0 ? NULL : a->u.items;
    if (n) {
        a->u.items = mem_realloc(a->u.items, cap * sizeof *a->u.items);
    } else {
        mem_free(a->u.items);
        a->u.items = NULL;
    }
    a->n = n;
}

struct json *json_array_open(struct json *a, uint32_t at, uint32_t n) {
    uint32_t before = a->n;

    CHECK(at <= before && n <= JSON_LEN_MAX - before);
    if (n == 0) return NULL;
    array_resize(a, before + n);
    memmove(a->u.items + at + n, a->u.items + at, (before - at) * sizeof *a->u.items);
    memset(a->u.items + at, 0, n * sizeof *a->u.items);
    return a->u.items + at;
}

struct json json_array_take(struct json *a, uint32_t at) {
    struct json v = a->u.items[at];

    memmove(a->u.items + at, a->u.items + at + 1, (a->n - at - 1) * sizeof v);
    array_resize(a, a->n - 1);
    return v;
}

void json_array_trim(struct json *a, uint32_t from, uint32_t n) {
    for (uint32_t i = 0; i < a->n; i++)
        if (i < from || i - from >= n) json_clear(&a->u.items[i]);
    if (n) memmove(a->u.items, a->u.items + from, n * sizeof *a->u.items);
    array_resize(a, n);
}

/* ---------------------------------------------------------------- objects */

static uint32_t hash_of(struct slice name) {
    return (uint32_t)hash_bytes(name.p, name.n);
}

/* A place of the index holds a position + 1, or 0. */
static void index_put(const struct json *o, uint32_t at) {
    uint32_t mask = index_size(o->n) - 1, *index = object_index(o);
    uint32_t i = hash_of(json_text(&o->u.members[at].name)) & mask;

    while (index[i]) i = (i + 1) & mask;
    index[i] = at + 1;
}

static void index_build(const struct json *o) {
    uint32_t size = index_size(o->n);

    if (size == 0) return;
    memset(object_index(o), 0, size * sizeof(uint32_t));
    for (uint32_t i = 0; i < o->n; i++) index_put(o, i);
}

/* The place of the index that holds position `at`. */
static uint32_t index_find(const struct json *o, uint32_t at) {
    uint32_t mask = index_size(o->n) - 1, *index = object_index(o);
    uint32_t i = hash_of(json_text(&o->u.members[at].name)) & mask;

    while (index[i] != at + 1) i = (i + 1) & mask;
    return i;
}

/* Frees a place; later ones that it kept from their own move up. */
static void index_drop(const struct json *o, uint32_t i) {
    uint32_t mask = index_size(o->n) - 1, *index = object_index(o);

    for (uint32_t k = (i + 1) & mask; index[k]; k = (k + 1) & mask) {
        uint32_t home = hash_of(json_text(&o->u.members[index[k] - 1].name)) & mask;

        if (((k - home) & mask) < ((k - i) & mask)) continue;
        index[i] = index[k];
        i = k;
    }
    index[i] = 0;
}

int64_t json_object_at(const struct json *o, struct slice name) {
    uint32_t size = index_size(o->n), *index, i;

    if (size == 0) {
        for (i = 0; i < o->n; i++)
            if (slice_eq(json_text(&o->u.members[i].name), name)) return i;
        return -1;
    }
    index = object_index(o);
    for (i = hash_of(name) & (size - 1); index[i]; i = (i + 1) & (size - 1))
        if (slice_eq(json_text(&o->u.members[index[i] - 1].name), name)) return index[i] - 1;
    return -1;
}

struct json *json_object_find(const struct json *o, struct slice name) {
    int64_t at = json_object_at(o, name);

    return at < 0 ? NULL : &o->u.members[at].value;
}

static void move_index(struct json *o, uint32_t from_cap, uint32_t to_cap, uint32_t size) {
    if (size) memmove(o->u.members + to_cap, o->u.members + from_cap, size * sizeof(uint32_t));
}

/* The allocation that `n` members need. True: its index is of another size, and to be built. */
static bool object_resize(struct json *o, uint32_t n) {
    uint32_t was_cap = object_cap(o->n), cap = object_cap(n);
    uint32_t was_size = index_size(o->n), size = index_size(n);

    if (n == 0) {
        if (o->n) mem_free(o->u.members);
        o->u.members = NULL;
    } else if (cap != was_cap || size != was_size) {
        if (size == was_size && cap < was_cap) move_index(o, was_cap, cap, size);
        o->u.members = mem_realloc(o->n ? o->u.members : NULL, object_bytes(n));
        if (size == was_size && cap > was_cap) move_index(o, was_cap, cap, size);
    }
    o->n = n;
    return size != was_size;
}

void json_object_set(struct json *o, struct slice name, struct json value) {
    struct json *old = json_object_find(o, name);
    bool build;

    if (old) {
        json_clear(old);
        *old = value;
        return;
    }
    CHECK(o->n < JSON_LEN_MAX);
    build = object_resize(o, o->n + 1);
    o->u.members[o->n - 1] = (struct json_member){json_from_text(name), value};
    if (build)
        index_build(o);
    else if (index_size(o->n))
        index_put(o, o->n - 1);
}

void json_object_remove(struct json *o, uint32_t at) {
    uint32_t last = o->n - 1;
    struct json_member gone = o->u.members[at];

    if (index_size(o->n)) {
        index_drop(o, index_find(o, at));
        if (at != last) {
            object_index(o)[index_find(o, last)] = at + 1;
            o->u.members[at] = o->u.members[last];
        }
    } else {
        memmove(o->u.members + at, o->u.members + at + 1, (last - at) * sizeof gone);
    }
    if (object_resize(o, last)) index_build(o);
    json_clear(&gone.name);
    json_clear(&gone.value);
}

/* ---------------------------------------------------------------- many at once */

static uint32_t sweep_array(struct json *v) {
    uint32_t kept = 0, before = v->n;

    for (uint32_t i = 0; i < before; i++) {
        if (v->u.items[i].kind & JSON_MARK)
            json_clear(&v->u.items[i]);
        else
            v->u.items[kept++] = v->u.items[i];
    }
    array_resize(v, kept);
    return before - kept;
}

static uint32_t sweep_object(struct json *v) {
    uint32_t kept = 0, before = v->n;

    for (uint32_t i = 0; i < before; i++) {
        struct json_member *m = &v->u.members[i];

        if (m->value.kind & JSON_MARK) {
            json_clear(&m->name);
            json_clear(&m->value);
        } else {
            v->u.members[kept++] = *m;
        }
    }
    if (kept == before) return 0;
    object_resize(v, kept);
    index_build(v);
    return before - kept;
}

uint32_t json_sweep(struct json *v) {
    if (!json_count(v)) return 0;
    return v->kind == JSON_ARRAY ? sweep_array(v) : sweep_object(v);
}

static void unmark(struct json *v) {
    v->kind &= (uint8_t)~JSON_MARK;
    for (uint32_t i = 0; i < json_count(v); i++) unmark(json_child(v, i));
}

size_t json_each_marked(struct json *v, void (*fn)(struct json *v)) {
    size_t n = 0;

    if (v->kind & JSON_MARK) {
        unmark(v);
        fn(v);
        return 1;
    }
    for (uint32_t i = 0; i < json_count(v); i++) n += json_each_marked(json_child(v, i), fn);
    return n;
}

size_t json_prune(struct json *v) {
    size_t n = json_sweep(v);

    for (uint32_t i = 0; i < json_count(v); i++) n += json_prune(json_child(v, i));
    return n;
}

/* ---------------------------------------------------------------- the type */

struct entry *json_entry(struct slice key, struct json v, int64_t expire_ms) {
    return entry_new_object(key, TYPE_JSON, mem_dup(&v, sizeof v), expire_ms, 0);
}

static void type_release(struct entry *e) {
    json_clear(json_of(e));
    mem_free(json_of(e));
}

static void *type_copy(const struct entry *e, const struct pace *pace) {
    struct json v = json_copy(json_of(e), pace);

    return mem_dup(&v, sizeof v);
}

/* Redis says so of every module's value. */
static const char *type_encoding(const struct entry *e) {
    (void)e;
    return "raw";
}

/* Looks no further once it is clear that another thread will free the value. */
static size_t effort(const struct json *v, size_t left) {
    size_t n = json_count(v) > 0 || (v->kind == JSON_STRING && v->short_n == JSON_LONG);
    size_t looked = json_count(v);

    for (uint32_t i = 0; i < looked && n < left; i++) n += effort(json_child(v, i), left - n);
    return n + looked / 8;
}

static size_t type_effort(const struct entry *e) {
    return 1 + effort(json_of(e), EFFORT_ENOUGH);
}

static size_t type_mem(const struct entry *e, size_t samples, const struct pace *pace) {
    (void)samples;
    return mem_good_size(sizeof(struct json)) + json_mem(json_of(e), pace);
}

const struct type_ops json_type_ops = {
    .name = "ReJSON-RL",
    .release = type_release,
    .copy = type_copy,
    .encoding = type_encoding,
    .effort = type_effort,
    .mem = type_mem,
};
