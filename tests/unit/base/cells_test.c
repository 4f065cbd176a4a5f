/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/base/cells.h"
#include "storage/base/rng.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MANY = 20000, ROUNDS = 400000, SPAN = 64 * 1024 };

struct piece {
    unsigned char *p;
    size_t n;
    unsigned char fill;
};

static struct piece pieces[MANY];

static size_t held(void) {
    const struct cell_counts *own = cells_thread_begin();
    struct cell_counts others = cells_of_no_thread();

    return (size_t)(own->taken + others.taken - own->given - others.given);
}

static size_t spans(void) {
    struct cell_stats st;

    cells_stats(&st);
    return st.spans;
}

/* Mostly small ones, as in a server. */
static size_t some_size(void) {
    return 1 + rng_below(rng_below(4) ? 200 : CELL_MAX);
}

static void take(struct piece *x) {
    x->n = some_size();
    x->fill = (unsigned char)rng_below(256);
    x->p = cells_alloc(x->n);
    cr_assert_not_null(x->p);
    cr_assert(cells_own(x->p));
    cr_assert_eq(cells_size_of(x->p), cell_size(x->n));
    memset(x->p, x->fill, cell_size(x->n));
}

/* What another cell had written over would show. */
static void give(struct piece *x) {
    for (size_t i = 0; i < cell_size(x->n); i++) cr_assert_eq(x->p[i], x->fill);
    cells_free(x->p);
    x->p = NULL;
}

static void give_all(void) {
    for (size_t i = 0; i < MANY; i++)
        if (pieces[i].p) give(&pieces[i]);
}

static void take_and_give(size_t rounds) {
    for (size_t i = 0; i < rounds; i++) {
        struct piece *x = &pieces[rng_below(MANY)];

        if (x->p)
            give(x);
        else
            take(x);
    }
}

Test(cells, sizes_rise_in_small_steps) {
    size_t classes = 0, last = 0;

    for (size_t n = 1; n <= CELL_MAX; n++) {
        size_t size = cell_size(n);

        cr_assert(size >= n && size % 8 == 0 && size >= last);
        cr_assert(size - n < 8 || size - n <= n / 8, "%zu for %zu", size, n);
        cr_assert_eq(cell_size(size), size);
        if (size != last) classes++;
        last = size;
    }
    cr_expect_eq(classes, CELL_CLASSES);
    cr_expect_eq(cell_size(CELL_MAX), CELL_MAX);
}

Test(cells, no_two_share_a_byte_and_the_counts_are_right) {
    size_t sum = 0;

    cells_thread_begin();
    take_and_give(ROUNDS);
    for (size_t i = 0; i < MANY; i++)
        if (pieces[i].p) sum += cell_size(pieces[i].n);
    cr_expect_eq(held(), sum);
    give_all();
    cr_expect_eq(held(), 0);
}

Test(cells, addresses_are_aligned_as_their_size) {
    cells_thread_begin();
    for (size_t n = 8; n <= CELL_MAX; n = cell_size(n + 1)) {
        size_t align = n % 64 == 0 ? 64 : n % 16 == 0 ? 16 : 8;

        for (int i = 0; i < 100; i++) cr_assert_eq((uintptr_t)cells_alloc(n) % align, 0);
    }
}

/* What a size has used is there for every other one. */
Test(cells, an_empty_span_serves_other_sizes) {
    size_t full;

    cells_thread_begin();
    for (size_t i = 0; i < MANY; i++) pieces[i] = (struct piece){.p = cells_alloc(48), .n = 0};
    full = spans();
    cr_assert_geq(full, (size_t)MANY * 48);
    cr_assert_lt(full, (size_t)MANY * 48 * 21 / 20 + 2 * SPAN);
    for (size_t i = 0; i < MANY; i++) cells_free(pieces[i].p);
    cr_assert_lt(spans(), full / 4, "%zu of %zu", spans(), full);
    for (size_t i = 0; i < MANY / 2; i++) pieces[i].p = cells_alloc(96);
    cr_expect_lt(spans(), full + full / 4);
}

Test(cells, a_purge_keeps_what_is_in_use) {
    struct cell_stats st;

    cells_thread_begin();
    take_and_give(ROUNDS / 4);
    cells_purge();
    cells_stats(&st);
    cr_expect_eq(st.empty, 0);
    take_and_give(ROUNDS / 4);
    give_all();
}

/* Beyond the first 64 MiB, and back. */
Test(cells, large_data_on_huge_pages) {
    enum { PIECES = 120 * 1024, SIZE = 768 };
    static uint64_t *piece[PIECES];

    cells_thread_begin();
    cells_use_huge_pages();
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < PIECES; i++) {
            piece[i] = cells_alloc(SIZE);
            piece[i][0] = piece[i][SIZE / 8 - 1] = i;
        }
        for (size_t i = 0; i < PIECES; i++) {
            cr_assert(piece[i][0] == i && piece[i][SIZE / 8 - 1] == i);
            cells_free(piece[i]);
        }
        cells_purge();
    }
    cr_expect_eq(held(), 0);
}

/* ---------------------------------------------------------------- threads */

static void *frees_all(void *arg) {
    if (arg) cells_thread_begin();
    give_all();
    cells_thread_end();
    return NULL;
}

static void freed_by_another(void *begins) {
    pthread_t t;

    cells_thread_begin();
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < MANY; i++) take(&pieces[i]);
        cr_assert_eq(pthread_create(&t, NULL, frees_all, begins), 0);
        pthread_join(t, NULL);
        cr_expect_eq(held(), 0);
    }
}

Test(cells, another_thread_may_free) {
    freed_by_another("begins");
}

Test(cells, a_thread_that_has_not_begun_may_free) {
    freed_by_another(NULL);
}

static _Thread_local struct piece own[512];

static void *busy(void *arg) {
    uint64_t x = (uintptr_t)arg * 2654435761u + 1;

    cells_thread_begin();
    for (int i = 0; i < 200000; i++) {
        struct piece *p = &own[(x = x * 6364136223846793005u + 1442695040888963407u) >> 55];

        if (p->p) {
            cr_assert(p->p[0] == p->fill && p->p[p->n - 1] == p->fill);
            cells_free(p->p);
            p->p = NULL;
            continue;
        }
        *p = (struct piece){.n = 1 + (x >> 40) % 300, .fill = (unsigned char)(x >> 32)};
        p->p = cells_alloc(p->n);
        memset(p->p, p->fill, p->n);
    }
    for (size_t i = 0; i < 512; i++)
        if (own[i].p) cells_free(own[i].p);
    cells_thread_end();
    return NULL;
}

Test(cells, threads_at_once_get_different_cells) {
    pthread_t t[4];

    for (uintptr_t i = 0; i < 4; i++) pthread_create(&t[i], NULL, busy, (void *)i);
    for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
    cr_expect_eq(held(), 0);
}

/* fork() in the middle of what other threads do: the child must not find the lock taken. */
Test(cells, a_forked_child_goes_on) {
    pthread_t t[2];

    cells_thread_begin();
    for (size_t i = 0; i < MANY; i++) take(&pieces[i]);
    for (uintptr_t i = 0; i < 2; i++) pthread_create(&t[i], NULL, busy, (void *)i);
    for (int i = 0; i < 20; i++) {
        int status;
        pid_t pid = fork();

        if (pid == 0) {
            alarm(60);
            give_all();
            take_and_give(2000);
            _exit(0);
        }
        cr_assert_eq(waitpid(pid, &status, 0), pid);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    for (int i = 0; i < 2; i++) pthread_join(t[i], NULL);
    give_all();
}
