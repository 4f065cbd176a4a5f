/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/base/mem.h"

#include "storage/base/check.h"

#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef STET_JEMALLOC
#include <jemalloc/jemalloc.h>
#endif

enum { MEM_THREADS_MAX = 64 }; /* at a time */

_Noreturn static void out_of_memory(size_t n) {
    fprintf(stderr, "Out of memory allocating %zu bytes\n", n);
    check_fail(__FILE__, __LINE__, "memory is available");
}

#ifdef STET_JEMALLOC
/* jemalloc keeps two counters per thread and tells where they are. Each thread has a slot for them
 * while it lives; when it ends, what it counted is added to `ended`. A counter that is a moment old
 * does no harm, but the counter of a thread that has ended must not be read: a reader counts itself
 * in `readers`, and an ending thread waits until `readers` is 0. */
struct thread_counters {
    uint64_t *allocated, *freed;
    const struct cell_counts *cells; /* NULL: the thread has none */
    atomic_bool used;
};

enum { PATIENCE = 10000 }; /* a forked child may find `ending` set by a thread that it has not */

static struct thread_counters threads[MEM_THREADS_MAX];
static struct { _Atomic uint64_t allocated, freed; } ended;
static atomic_int readers, ending, slots; /* `slots`: how many were ever in use at once */
static pthread_key_t at_exit;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void thread_ends(void *arg) {
    struct thread_counters *t = arg;

    atomic_fetch_add(&ending, 1);
    while (atomic_load(&readers) > 0) sched_yield();
    atomic_fetch_add(&ended.allocated, *t->allocated);
    atomic_fetch_add(&ended.freed, *t->freed);
    t->allocated = t->freed = NULL;
    t->cells = NULL;
    cells_thread_end();
    atomic_store(&t->used, false);
    atomic_fetch_sub(&ending, 1);
}

static void make_key(void) {
    CHECK(pthread_key_create(&at_exit, thread_ends) == 0);
}

void mem_thread_init(void) {
    size_t n = sizeof(uint64_t *);
    struct thread_counters *t = threads;

    pthread_once(&once, make_key);
    if (pthread_getspecific(at_exit)) return;
    while (atomic_exchange(&t->used, true)) CHECK(++t < threads + MEM_THREADS_MAX);
    for (int n_slots = atomic_load(&slots); n_slots <= t - threads;)
        if (atomic_compare_exchange_weak(&slots, &n_slots, (int)(t - threads) + 1)) break;
    mallctl("thread.allocatedp", &t->allocated, &n, NULL, 0);
    mallctl("thread.deallocatedp", &t->freed, &n, NULL, 0);
    t->cells = cells_thread_begin();
    pthread_setspecific(at_exit, t);
}

static void begin_reading(void) {
    for (int i = 0; i < PATIENCE; i++) {
        atomic_fetch_add(&readers, 1);
        if (atomic_load(&ending) == 0) return;
        atomic_fetch_sub(&readers, 1);
        sched_yield();
    }
    atomic_fetch_add(&readers, 1);
}

/* What all threads have taken and given back: of jemalloc's, and of cells. */
static void add_up(struct cell_counts *large, struct cell_counts *small) {
    int n = atomic_load(&slots);

    begin_reading();
    *small = cells_of_no_thread();
    large->taken = atomic_load(&ended.allocated);
    large->given = atomic_load(&ended.freed);
    for (int i = 0; i < n; i++) {
        const struct thread_counters *t = &threads[i];

        if (!t->allocated || !t->freed) continue;
        large->taken += __atomic_load_n(t->allocated, __ATOMIC_RELAXED);
        large->given += __atomic_load_n(t->freed, __ATOMIC_RELAXED);
        if (!t->cells) continue;
        small->taken += __atomic_load_n(&t->cells->taken, __ATOMIC_RELAXED);
        small->given += __atomic_load_n(&t->cells->given, __ATOMIC_RELAXED);
    }
    atomic_fetch_sub(&readers, 1);
}

size_t mem_used(void) {
    struct cell_counts large, small;
    uint64_t in, out;

    add_up(&large, &small);
    in = large.taken + small.taken;
    out = large.given + small.given;
    return in > out ? in - out : 0;
}

static size_t cells_used(void) {
    struct cell_counts large, small;

    add_up(&large, &small);
    return small.taken > small.given ? small.taken - small.given : 0;
}

void mem_same_arena_as(unsigned arena) {
    mallctl("thread.arena", NULL, NULL, &arena, sizeof arena);
}

unsigned mem_arena(void) {
    unsigned arena = 0;
    size_t n = sizeof arena;

    mallctl("thread.arena", &arena, &n, NULL, 0);
    return arena;
}

static size_t stat_of(const char *name) {
    size_t v = 0, n = sizeof v;

    return mallctl(name, &v, &n, NULL, 0) == 0 ? v : 0;
}

void mem_stats_read(struct mem_stats *out) {
    uint64_t epoch = 1;
    size_t n = sizeof epoch;
    char muzzy[64];
    struct cell_stats cells;

    mallctl("epoch", &epoch, &n, &epoch, n);
    snprintf(muzzy, sizeof muzzy, "stats.arenas.%u.pmuzzy", (unsigned)MALLCTL_ARENAS_ALL);
    out->allocated = stat_of("stats.allocated");
    out->active = stat_of("stats.active");
    out->resident = stat_of("stats.resident");
    out->muzzy = stat_of(muzzy) * (size_t)sysconf(_SC_PAGESIZE);
    cells_stats(&cells);
    out->allocated += cells_used();
    out->active += cells.spans;
    out->resident += cells.spans + cells.empty;
}

void mem_purge(void) {
    char name[32];

    snprintf(name, sizeof name, "arena.%u.purge", (unsigned)MALLCTL_ARENAS_ALL);
    mallctl(name, NULL, NULL, NULL, 0);
    cells_purge();
}

void mem_use_huge_pages(void) {
    cells_use_huge_pages();
}

const char *mem_allocator_name(void) {
    static char name[48];
    const char *v = NULL;
    size_t n = sizeof v;

    if (!name[0]) {
        if (mallctl("version", &v, &n, NULL, 0) != 0) v = "unknown";
        snprintf(name, sizeof name, "jemalloc-%.*s", (int)strcspn(v, "-"), v);
    }
    return name;
}

static inline void *small_alloc(size_t n) {
    return cells_alloc(n);
}

static inline bool is_small(const void *p) {
    return cells_own(p);
}

#define CELLS        true
#define COUNT_IN(p)  ((void)(p))
#define COUNT_OUT(p) ((void)(p))
#else
static atomic_size_t in_use;

void mem_thread_init(void) {}

void mem_same_arena_as(unsigned arena) {
    (void)arena;
}

unsigned mem_arena(void) {
    return 0;
}

size_t mem_used(void) {
    return atomic_load_explicit(&in_use, memory_order_relaxed);
}

void mem_stats_read(struct mem_stats *out) {
    memset(out, 0, sizeof *out);
    out->allocated = out->active = out->resident = mem_used();
}

void mem_purge(void) {}

void mem_use_huge_pages(void) {}

const char *mem_allocator_name(void) {
    return "libc";
}

static inline void *small_alloc(size_t n) {
    (void)n;
    return NULL;
}

static inline bool is_small(const void *p) {
    (void)p;
    return false;
}

#define CELLS        false
#define COUNT_IN(p)  atomic_fetch_add_explicit(&in_use, malloc_usable_size(p), memory_order_relaxed)
#define COUNT_OUT(p) atomic_fetch_sub_explicit(&in_use, malloc_usable_size(p), memory_order_relaxed)
#endif

static void *system_alloc(size_t n) {
    void *p = malloc(n);

    if (__builtin_expect(!p, 0)) out_of_memory(n);
    COUNT_IN(p);
    return p;
}

void *mem_alloc(size_t n) {
    void *p = n <= CELL_MAX ? small_alloc(n) : NULL;

    return p ? p : system_alloc(n);
}

void *mem_calloc(size_t n) {
    void *p = n <= CELL_MAX ? small_alloc(n) : NULL;

    if (p) return memset(p, 0, n);
    p = calloc(1, n);
    if (__builtin_expect(!p, 0)) out_of_memory(n);
    COUNT_IN(p);
    return p;
}

/* From, to, or within the small ones. */
static void *move(void *p, size_t had, size_t n) {
    void *to;

    if (n <= CELL_MAX && cell_size(n) == had) return p;
    to = mem_alloc(n);
    memcpy(to, p, n < had ? n : had);
    mem_free(p);
    return to;
}

void *mem_realloc(void *p, size_t n) {
    if (!p) return mem_alloc(n);
    if (is_small(p)) return move(p, cells_size_of(p), n);
    if (n <= CELL_MAX && CELLS) return move(p, malloc_usable_size(p), n);
    COUNT_OUT(p);
    p = realloc(p, n);
    if (__builtin_expect(!p, 0)) out_of_memory(n);
    COUNT_IN(p);
    return p;
}

void mem_free(void *p) {
    if (!p) return;
    if (is_small(p)) {
        cells_free(p);
        return;
    }
    COUNT_OUT(p);
    free(p);
}

char *mem_strdup(const char *s) {
    return mem_dup(s, strlen(s) + 1);
}

void *mem_dup(const void *p, size_t n) {
    void *copy = mem_alloc(n ? n : 1);

    memcpy(copy, p, n);
    return copy;
}

size_t mem_usable(const void *p) {
    if (!p) return 0;
    return is_small(p) ? cells_size_of(p) : malloc_usable_size((void *)p);
}

size_t mem_rss(void) {
    char text[128];
    long size, pages = 0;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

    if (fd >= 0) close(fd);
    if (n <= 0) return 0;
    text[n] = '\0';
    if (sscanf(text, "%ld %ld", &size, &pages) != 2) return 0;
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}
