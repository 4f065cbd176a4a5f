/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/stream_idmp.h"

#include "storage/base/hash.h"
#include "storage/base/list.h"
#include "storage/base/mem.h"

struct seen {
    struct list link; /* in the producer's list, the oldest first */
    struct stream_id id;
    int64_t added_ms;
    uint32_t len;
    char iid[];
};

struct producer {
    struct table seen;
    struct list order;
    uint32_t len;
    char name[];
};

static uint64_t hash_of(struct slice s) {
    return hash_bytes(s.p, s.n);
}

static struct slice seen_key(const void *p) {
    const struct seen *n = p;

    return slice_of(n->iid, n->len);
}

static bool seen_match(const void *p, struct slice iid) {
    return slice_eq(seen_key(p), iid);
}

static struct slice producer_key(const void *p) {
    const struct producer *r = p;

    return slice_of(r->name, r->len);
}

static bool producer_match(const void *p, struct slice name) {
    return slice_eq(producer_key(p), name);
}

static const struct table_ops seen_ops = {seen_key, seen_match};
static const struct table_ops producer_ops = {producer_key, producer_match};

/* ---------------------------------------------------------------- life */

static struct stream_idmp *idmp_new(int64_t duration_s, int64_t maxsize) {
    struct stream_idmp *m = mem_calloc(sizeof *m);

    m->duration_s = duration_s;
    m->maxsize = maxsize;
    table_init(&m->producers, &producer_ops);
    return m;
}

struct stream_idmp *stream_idmp_need(struct stream *s, int64_t duration_s, int64_t maxsize) {
    if (!s->idmp) s->idmp = idmp_new(duration_s, maxsize);
    return s->idmp;
}

static void free_seen(void *seen, void *arg) {
    (void)arg;
    mem_free(seen);
}

static void free_producer(void *producer, void *arg) {
    struct producer *p = producer;

    (void)arg;
    table_release(&p->seen, free_seen, NULL);
    mem_free(p);
}

void stream_idmp_free(struct stream_idmp *m) {
    if (!m) return;
    table_release(&m->producers, free_producer, NULL);
    mem_free(m);
}

/* ---------------------------------------------------------------- forgetting */

static struct seen *oldest(const struct producer *p) {
    return list_empty(&p->order) ? NULL : list_entry(p->order.next, struct seen, link);
}

static void forget(struct stream_idmp *m, struct producer *p, struct seen *n) {
    list_remove(&n->link);
    table_remove(&p->seen, n, hash_of(seen_key(n)));
    mem_free(n);
    m->iids--;
}

static bool is_over(const struct stream_idmp *m, const struct seen *n, int64_t now_ms) {
    return now_ms - n->added_ms >= m->duration_s * 1000;
}

/* What is too old, or too much, of one producer. */
static void forget_some(struct stream_idmp *m, struct producer *p, int64_t now_ms) {
    struct seen *n;

    while ((n = oldest(p)) && (is_over(m, n, now_ms) || p->seen.count > (uint64_t)m->maxsize))
        forget(m, p, n);
}

static void drop_if_empty(struct stream_idmp *m, struct producer *p) {
    if (p->seen.count > 0) return;
    table_remove(&m->producers, p, hash_of(producer_key(p)));
    free_producer(p, NULL);
}

enum { WALKED = 64, LOOKED_AT = 2 };

struct walk {
    struct producer *v[WALKED];
    unsigned n;
};

static void collect(void *producer, void *arg) {
    struct walk *w = arg;

    if (w->n < WALKED) w->v[w->n++] = producer;
}

/* `kept` stays even if it is empty. */
static void forget_of_others(struct stream_idmp *m, const struct producer *kept, int64_t now_ms) {
    struct walk w = {.n = 0};

    for (int i = 0; i < LOOKED_AT && w.n < LOOKED_AT; i++)
        m->cursor = table_scan(&m->producers, m->cursor, collect, &w);
    for (unsigned i = 0; i < w.n; i++) {
        struct producer *p = w.v[i];

        if (p == kept) continue;
        forget_some(m, p, now_ms);
        drop_if_empty(m, p);
    }
}

/* ---------------------------------------------------------------- remembering */

static struct producer *find_producer(const struct stream_idmp *m, struct slice name) {
    return table_find(&m->producers, name, hash_of(name));
}

static struct producer *need_producer(struct stream_idmp *m, struct slice name) {
    struct producer *p = find_producer(m, name);

    if (p) return p;
    p = mem_calloc(sizeof *p + name.n);
    table_init(&p->seen, &seen_ops);
    list_init(&p->order);
    p->len = (uint32_t)name.n;
    memcpy(p->name, name.p, name.n);
    table_insert(&m->producers, p, hash_of(name));
    return p;
}

bool stream_idmp_find(const struct stream_idmp *m, struct slice producer, struct slice iid,
                      int64_t now_ms, struct stream_id *id) {
    const struct producer *p = find_producer(m, producer);
    const struct seen *n = p ? table_find(&p->seen, iid, hash_of(iid)) : NULL;

    if (!n || is_over(m, n, now_ms)) return false;
    *id = n->id;
    return true;
}

static void put(struct stream_idmp *m, struct producer *p, struct slice iid, struct stream_id id,
                int64_t added_ms) {
    struct seen *n = table_find(&p->seen, iid, hash_of(iid));

    if (n) forget(m, p, n);
    n = mem_calloc(sizeof *n + iid.n);
    n->id = id;
    n->added_ms = added_ms;
    n->len = (uint32_t)iid.n;
    memcpy(n->iid, iid.p, iid.n);
    table_insert(&p->seen, n, hash_of(iid));
    list_append(&p->order, &n->link);
    m->iids++;
}

void stream_idmp_add(struct stream_idmp *m, struct slice producer, struct slice iid,
                     struct stream_id id, int64_t added_ms, int64_t now_ms) {
    struct producer *p = need_producer(m, producer);

    put(m, p, iid, id, added_ms);
    m->added++;
    forget_some(m, p, now_ms);
    forget_of_others(m, p, now_ms);
    drop_if_empty(m, p); /* what is read back may be too old at once */
}

struct looking {
    const struct stream_idmp *m;
    int64_t now_ms;
    stream_idmp_fn visit;
    void *arg;
};

static void look_at(void *producer, void *arg) {
    const struct producer *p = producer;
    const struct looking *l = arg;

    for (const struct list *it = p->order.next; it != &p->order; it = it->next) {
        const struct seen *n = list_entry(it, struct seen, link);

        if (!is_over(l->m, n, l->now_ms))
            l->visit(l->arg, producer_key(p), seen_key(n), n->id, n->added_ms);
    }
}

void stream_idmp_each(const struct stream_idmp *m, int64_t now_ms, stream_idmp_fn visit,
                      void *arg) {
    struct looking l = {m, now_ms, visit, arg};

    table_each(&m->producers, look_at, &l);
}

/* ---------------------------------------------------------------- as bytes */

/* Four numbers, then of each producer its name, how many iids, and each of them with its entry and
 * time. Numbers have eight bytes, the lowest first. */
static void put_u64(struct bytes *out, uint64_t v) {
    uint8_t b[8];

    for (int i = 0; i < 8; i++) b[i] = (uint8_t)(v >> (8 * i));
    bytes_append(out, (const char *)b, sizeof b);
}

static void put_text(struct bytes *out, struct slice s) {
    put_u64(out, s.n);
    bytes_append(out, s.p, s.n);
}

static void encode_producer(void *producer, void *arg) {
    const struct producer *p = producer;
    struct bytes *out = arg;

    put_text(out, producer_key(p));
    put_u64(out, p->seen.count);
    for (const struct list *it = p->order.next; it != &p->order; it = it->next) {
        const struct seen *n = list_entry(it, struct seen, link);

        put_text(out, seen_key(n));
        put_u64(out, n->id.ms);
        put_u64(out, n->id.seq);
        put_u64(out, (uint64_t)n->added_ms);
    }
}

void stream_idmp_encode(const struct stream_idmp *m, struct bytes *out) {
    put_u64(out, (uint64_t)m->duration_s);
    put_u64(out, (uint64_t)m->maxsize);
    put_u64(out, m->added);
    put_u64(out, m->duplicates);
    table_each(&m->producers, encode_producer, out);
}

static bool take_u64(struct slice *in, uint64_t *v) {
    if (in->n < 8) return false;
    *v = 0;
    for (int i = 8; i-- > 0;) *v = *v << 8 | (uint8_t)in->p[i];
    *in = slice_of(in->p + 8, in->n - 8);
    return true;
}

static bool take_text(struct slice *in, struct slice *s) {
    uint64_t n;

    if (!take_u64(in, &n) || n > IDMP_NAME_MAX || n > in->n) return false;
    *s = slice_of(in->p, (size_t)n);
    *in = slice_of(in->p + n, in->n - (size_t)n);
    return true;
}

static bool take_seen(struct slice *in, struct stream_idmp *m, struct producer *p) {
    struct stream_id id;
    struct slice iid;
    uint64_t ms;

    if (!take_text(in, &iid) || !take_u64(in, &id.ms) || !take_u64(in, &id.seq)) return false;
    if (!take_u64(in, &ms) || ms > INT64_MAX) return false;
    put(m, p, iid, id, (int64_t)ms);
    return true;
}

static bool take_producer(struct slice *in, struct stream_idmp *m) {
    struct producer *p;
    struct slice name;
    uint64_t n;

    if (!take_text(in, &name) || find_producer(m, name) || !take_u64(in, &n)) return false;
    if (n > in->n) return false;
    p = need_producer(m, name);
    while (n-- > 0)
        if (!take_seen(in, m, p)) return false;
    drop_if_empty(m, p);
    return true;
}

struct stream_idmp *stream_idmp_decode(struct slice in) {
    uint64_t duration, maxsize, added, duplicates;
    struct stream_idmp *m;
    bool ok = true;

    if (!take_u64(&in, &duration) || duration < 1 || duration > IDMP_DURATION_MAX_S) return NULL;
    if (!take_u64(&in, &maxsize) || maxsize < 1 || maxsize > IDMP_MAXSIZE_MAX) return NULL;
    if (!take_u64(&in, &added) || !take_u64(&in, &duplicates)) return NULL;
    m = idmp_new((int64_t)duration, (int64_t)maxsize);
    m->added = added;
    m->duplicates = duplicates;
    while (ok && in.n > 0) ok = take_producer(&in, m);
    if (ok) return m;
    stream_idmp_free(m);
    return NULL;
}

/* ---------------------------------------------------------------- sizes */

static void add_mem(void *producer, void *arg) {
    const struct producer *p = producer;
    size_t *bytes = arg;

    *bytes += mem_good_size(sizeof *p + p->len) + p->seen.mem_bytes;
    for (const struct list *it = p->order.next; it != &p->order; it = it->next)
        *bytes += mem_good_size(sizeof(struct seen) + list_entry(it, struct seen, link)->len);
}

size_t stream_idmp_mem(const struct stream_idmp *m) {
    size_t bytes = 0;

    if (!m) return 0;
    bytes = mem_good_size(sizeof *m) + m->producers.mem_bytes;
    table_each(&m->producers, add_mem, &bytes);
    return bytes;
}
