/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/base/cells.h"

#include "storage/base/check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

enum {
    SPAN_SHIFT = 16,
    SPAN = 1 << SPAN_SHIFT,
    COMMIT = 128,     /* spans that are made accessible in one step: 8 MiB */
    HUGE_FROM = 1024, /* spans before it stay on small pages, so that a small server is small */
    HUGE_PAGE = 2 * 1024 * 1024,
    WORD_CELLS = 64,    /* spans of so few cells have their bits in `bits` */
    BITS_ALIGN = 64,    /* the first cell's alignment after the bits */
    HELD_MAX = 64,      /* free cells of one size that a thread keeps */
    HELD_BYTES = 16384, /* the same in bytes */
    KEPT_LEAST = 16,    /* empty spans that keep their pages */
    KEPT_SHARE = 64,    /* or one for so many spans that hold cells */
    NONE = 0,           /* the first span is never used, so 0 is no span */
};

static const size_t reserves[] = {(size_t)1 << 40, (size_t)1 << 36, (size_t)1 << 32};

/* `next` and `prev` link the spans of a class that have a free cell, or empty spans. */
struct span {
    uint32_t next, prev;
    uint16_t used, from; /* cells in use; the first word of bits that may have one set */
    uint8_t class;
    bool listed;
    uint64_t bits; /* of at most WORD_CELLS cells: 1 is free */
};

struct class {
    uint32_t size, cells, data; /* of a cell; cells in a span; where the first cell begins */
    uint32_t held;              /* free cells that a thread keeps at the most */
    uint32_t open;              /* the spans with a free cell */
};

struct cell_cache {
    struct cell_counts counts;
    uint16_t n[CELL_CLASSES];
    void *cell[CELL_CLASSES][HELD_MAX];
};

static struct {
    char *base, *end; /* the spans; NULL: there are none */
    struct span *span;
    uint8_t *class_of;   /* of every span: what a free has to know, close together */
    size_t fresh, total; /* spans: the next one never used; all */
    size_t accessible;   /* those to be used */
    bool huge;           /* huge pages are asked for */
    uint32_t kept, bare; /* empty spans with and without their pages */
    size_t nkept, nactive;
    _Atomic uint64_t taken, given; /* by no thread that is there */
    struct class of[CELL_CLASSES];
    pthread_mutex_t lock;
} c = {.lock = PTHREAD_MUTEX_INITIALIZER};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static _Thread_local struct cell_cache *mine;

static inline unsigned class_for(size_t n) {
    unsigned top;

    if (n <= 256) return (unsigned)((n - (n > 0)) / 8);
    top = 63 - (unsigned)__builtin_clzl(n - 1);
    return 32 + (top - 8) * 8 + (unsigned)((n - 1 - ((size_t)1 << top)) >> (top - 3));
}

static size_t size_of_class(unsigned i) {
    size_t top;

    if (i < 32) return (i + 1) * 8;
    top = 8 + (i - 32) / 8;
    return ((size_t)1 << top) + ((i - 32) % 8 + 1) * ((size_t)1 << (top - 3));
}

/* ---------------------------------------------------------------- the range of addresses */

static void *reserve(size_t n) {
    void *p = mmap(NULL, n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

static void lock(void) {
    pthread_mutex_lock(&c.lock);
}

static void unlock(void) {
    pthread_mutex_unlock(&c.lock);
}

static size_t data_at(size_t cells) {
    if (cells <= WORD_CELLS) return 0;
    return ((cells + 63) / 64 * sizeof(uint64_t) + BITS_ALIGN - 1) & ~(size_t)(BITS_ALIGN - 1);
}

static void make_classes(void) {
    for (unsigned i = 0; i < CELL_CLASSES; i++) {
        struct class *k = &c.of[i];
        size_t n;

        k->size = (uint32_t)size_of_class(i);
        for (n = SPAN / k->size; data_at(n) + n * k->size > SPAN;) n--;
        k->cells = (uint32_t)n;
        k->data = (uint32_t)data_at(n);
        k->held = HELD_BYTES / k->size;
        if (k->held > HELD_MAX) k->held = HELD_MAX;
    }
}

/* Three ranges: spans, what is known of each, the class of each. */
static void open_once(void) {
    for (size_t i = 0; i < sizeof reserves / sizeof *reserves && !c.base; i++) {
        size_t n = reserves[i] >> SPAN_SHIFT;
        size_t about = n * (sizeof *c.span + sizeof *c.class_of);
        char *p = reserve(reserves[i] + HUGE_PAGE + about);

        if (!p) continue;
        c.base = (char *)(((uintptr_t)p + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1));
        c.end = c.base + reserves[i];
        c.span = (struct span *)(void *)c.end;
        c.class_of = (uint8_t *)(c.span + n);
        c.total = n;
        if (mprotect(c.span, about, PROT_READ | PROT_WRITE) != 0) c.base = c.end = NULL;
    }
    if (!c.base) return;
    make_classes();
    c.fresh = c.accessible = 1;
    CHECK(pthread_atfork(lock, unlock, unlock) == 0);
}

/* ---------------------------------------------------------------- spans; the lock is held */

static inline char *span_at(size_t i) {
    return c.base + (i << SPAN_SHIFT);
}

static inline size_t span_of(const void *p) {
    return (size_t)((const char *)p - c.base) >> SPAN_SHIFT;
}

static uint64_t *bits_of(size_t i, const struct class *k) {
    return k->cells <= WORD_CELLS ? &c.span[i].bits : (uint64_t *)(void *)span_at(i);
}

static void enlist(uint32_t *head, uint32_t i) {
    struct span *s = &c.span[i];

    s->prev = NONE;
    s->next = *head;
    if (*head) c.span[*head].prev = i;
    *head = i;
    s->listed = true;
}

static void delist(uint32_t *head, uint32_t i) {
    struct span *s = &c.span[i];

    if (s->next) c.span[s->next].prev = s->prev;
    if (s->prev)
        c.span[s->prev].next = s->next;
    else
        *head = s->next;
    s->listed = false;
}

static uint32_t pop(uint32_t *head) {
    uint32_t i = *head;

    if (i) delist(head, i);
    return i;
}

static uint32_t fresh_span(void) {
    if (c.fresh == c.total) return NONE;
    if (c.fresh == c.accessible) {
        size_t n = COMMIT - c.accessible % COMMIT; /* whole huge pages */

        if (mprotect(span_at(c.accessible), n << SPAN_SHIFT, PROT_READ | PROT_WRITE) != 0)
            return NONE;
        if (c.huge && c.accessible >= HUGE_FROM)
            madvise(span_at(c.accessible), n << SPAN_SHIFT, MADV_HUGEPAGE);
        c.accessible += n;
    }
    return (uint32_t)c.fresh++;
}

static uint32_t empty_span(void) {
    if (c.kept) {
        c.nkept--;
        return pop(&c.kept);
    }
    return c.bare ? pop(&c.bare) : fresh_span();
}

static bool open_span(unsigned class) {
    const struct class *k = &c.of[class];
    uint32_t i = empty_span();
    uint64_t *bits;
    size_t n = k->cells;

    if (!i) return false;
    c.span[i].class = c.class_of[i] = (uint8_t) class;
    c.span[i].used = c.span[i].from = 0;
    bits = bits_of(i, k);
    for (; n >= 64; n -= 64) *bits++ = UINT64_MAX;
    if (n) *bits = ((uint64_t)1 << n) - 1;
    enlist(&c.of[class].open, i);
    c.nactive++;
    return true;
}

/* Takes up to n cells of one span, the lowest ones, and puts them into `out` backwards: a stack
 * gives them in the order of their addresses. */
static size_t take_from(uint32_t i, const struct class *k, void **out, size_t n) {
    struct span *s = &c.span[i];
    char *data = span_at(i) + k->data;
    size_t left = k->cells - s->used, word = s->from;
    uint64_t *bits = bits_of(i, k);

    if (n > left) n = left;
    for (size_t got = 0; got < n;) {
        if (!bits[word]) {
            word++;
            continue;
        }
        out[n - ++got] = data + (word * 64 + (size_t)__builtin_ctzll(bits[word])) * k->size;
        bits[word] &= bits[word] - 1;
    }
    s->from = (uint16_t)word;
    s->used = (uint16_t)(s->used + n);
    return n;
}

/* How many of n > 0 it could take; 0: there is none. */
static size_t take(unsigned class, void **out, size_t n) {
    struct class *k = &c.of[class];
    size_t got;

    if (!k->open && !open_span(class)) return 0;
    got = take_from(k->open, k, out, n);
    if (c.span[k->open].used == k->cells) pop(&k->open);
    return got;
}

/* Returns the span if it is empty now and its pages are to go. */
static uint32_t give(void *p) {
    size_t i = span_of(p), word;
    struct span *s = &c.span[i];
    struct class *k = &c.of[s->class];
    uint64_t *bits = bits_of(i, k);
    uint32_t at = ((uint32_t)((char *)p - span_at(i)) - k->data) / k->size;

    word = at / 64;
    DCHECK(!(bits[word] >> at % 64 & 1));
    bits[word] |= (uint64_t)1 << at % 64;
    if (word < s->from) s->from = (uint16_t)word;
    if (!s->listed) enlist(&k->open, (uint32_t)i);
    if (--s->used > 0) return NONE;
    delist(&k->open, (uint32_t)i);
    c.nactive--;
    if (c.nkept >= KEPT_LEAST + c.nactive / KEPT_SHARE) return (uint32_t)i;
    enlist(&c.kept, (uint32_t)i);
    c.nkept++;
    return NONE;
}

/* The system call is made without the lock. */
static void strip(uint32_t first) {
    uint32_t next;

    for (uint32_t i = first; i; i = c.span[i].next) madvise(span_at(i), SPAN, MADV_DONTNEED);
    lock();
    for (uint32_t i = first; i; i = next) {
        next = c.span[i].next;
        enlist(&c.bare, i);
    }
    unlock();
}

static void give_all(void *const *cells, size_t n) {
    uint32_t leaving = NONE, i;

    lock();
    for (size_t at = 0; at < n; at++) {
        if (!(i = give(cells[at]))) continue;
        c.span[i].next = leaving;
        leaving = i;
    }
    unlock();
    if (leaving) strip(leaving);
}

/* ---------------------------------------------------------------- threads */

const struct cell_counts *cells_thread_begin(void) {
    pthread_once(&once, open_once);
    if (!c.base) return NULL;
    if (!mine) {
        void *p =
            mmap(NULL, sizeof *mine, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (p == MAP_FAILED) return NULL;
        mine = p;
    }
    return &mine->counts;
}

void cells_thread_end(void) {
    struct cell_cache *t = mine;

    if (!t) return;
    mine = NULL;
    for (unsigned i = 0; i < CELL_CLASSES; i++)
        if (t->n[i]) give_all(t->cell[i], t->n[i]);
    c.taken += t->counts.taken;
    c.given += t->counts.given;
    munmap(t, sizeof *t);
}

static void *take_one(unsigned class) {
    void *p = NULL;

    if (!c.base) return NULL;
    lock();
    if (take(class, &p, 1)) c.taken += c.of[class].size;
    unlock();
    return p;
}

static __attribute__((noinline)) void *refill(struct cell_cache *t, unsigned class) {
    size_t n;

    lock();
    n = take(class, t->cell[class], c.of[class].held / 2);
    unlock();
    if (!n) return NULL;
    t->n[class] = (uint16_t)(n - 1);
    t->counts.taken += c.of[class].size;
    return t->cell[class][n - 1];
}

void *cells_alloc(size_t n) {
    struct cell_cache *t = mine;
    unsigned class = class_for(n);
    unsigned held;

    if (__builtin_expect(!t, 0)) return take_one(class);
    held = t->n[class];
    if (__builtin_expect(held == 0, 0)) return refill(t, class);
    t->n[class] = (uint16_t)--held;
    t->counts.taken += cell_size(n);
    return t->cell[class][held];
}

/* The older half goes: what was freed last is in the processor's cache. */
static __attribute__((noinline)) void drain(struct cell_cache *t, unsigned class) {
    void **cells = t->cell[class];
    size_t n = t->n[class], go = n - n / 2;

    give_all(cells, go);
    memmove(cells, cells + go, (n - go) * sizeof *cells);
    t->n[class] = (uint16_t)(n - go);
}

void cells_free(void *p) {
    struct cell_cache *t = mine;
    unsigned class = c.class_of[span_of(p)];

    if (__builtin_expect(!t, 0)) {
        c.given += c.of[class].size;
        give_all(&p, 1);
        return;
    }
    if (__builtin_expect(t->n[class] == c.of[class].held, 0)) drain(t, class);
    t->cell[class][t->n[class]++] = p;
    t->counts.given += c.of[class].size;
}

bool cells_own(const void *p) {
    return (const char *)p >= c.base && (const char *)p < c.end;
}

size_t cells_size_of(const void *p) {
    return c.of[c.class_of[span_of(p)]].size;
}

/* ---------------------------------------------------------------- looking after it */

struct cell_counts cells_of_no_thread(void) {
    return (struct cell_counts){c.taken, c.given};
}

void cells_stats(struct cell_stats *out) {
    lock();
    *out = (struct cell_stats){c.nactive << SPAN_SHIFT, c.nkept << SPAN_SHIFT};
    unlock();
}

void cells_use_huge_pages(void) {
    lock();
    c.huge = true;
    unlock();
}

void cells_purge(void) {
    uint32_t leaving;

    lock();
    leaving = c.kept;
    c.kept = NONE;
    c.nkept = 0;
    unlock();
    if (leaving) strip(leaving);
}
