/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/base/sort.h"

enum {
    INSERTION_MAX = 6, /* up to here by insertion, */
    MIDDLE_MAX = 7,    /* up to here around the middle element, */
    MEDIAN_MAX = 40,   /* up to here around the median of 3, then around the median of 9 */
};

static void swap(void **a, void **b) {
    void *t = *a;

    *a = *b;
    *b = t;
}

static void swap_runs(void **a, void **b, size_t n) {
    for (; n > 0; n--) swap(a++, b++);
}

static void insertion_sort(void **v, size_t n, sort_cmp_fn cmp) {
    for (size_t i = 1; i < n; i++)
        for (size_t k = i; k > 0 && cmp(v[k - 1], v[k]) > 0; k--) swap(&v[k - 1], &v[k]);
}

static void **median(void **a, void **b, void **c, sort_cmp_fn cmp) {
    if (cmp(*a, *b) < 0) return cmp(*b, *c) < 0 ? b : cmp(*a, *c) < 0 ? c : a;
    return cmp(*b, *c) > 0 ? b : cmp(*a, *c) < 0 ? a : c;
}

static void **pivot(void **v, size_t n, sort_cmp_fn cmp) {
    void **low = v, **middle = v + n / 2, **high = v + n - 1;

    if (n <= MIDDLE_MAX) return middle;
    if (n > MEDIAN_MAX) {
        size_t d = n / 8;

        low = median(low, low + d, low + 2 * d, cmp);
        middle = median(middle - d, middle, middle + d, cmp);
        high = median(high - 2 * d, high - d, high, cmp);
    }
    return median(low, middle, high, cmp);
}

static size_t min(size_t a, size_t b) {
    return a < b ? a : b;
}

/* What is less than the pivot goes to the front, *less elements, what is greater to the end. What
 * is equal is gathered at both ends first, then brought to the middle. */
static void split(void **v, size_t n, sort_cmp_fn cmp, size_t *less, size_t *greater) {
    void **equal = v + 1, **i = v + 1, **k = v + n - 1, **equal_end = v + n - 1, **end = v + n;
    size_t m;
    int c;

    swap(v, pivot(v, n, cmp));
    for (;;) {
        for (; i <= k && (c = cmp(*i, *v)) <= 0; i++)
            if (c == 0) swap(equal++, i);
        for (; i <= k && (c = cmp(*k, *v)) >= 0; k--)
            if (c == 0) swap(k, equal_end--);
        if (i > k) break;
        swap(i++, k--);
    }
    m = min((size_t)(equal - v), (size_t)(i - equal));
    swap_runs(v, i - m, m);
    m = min((size_t)(equal_end - k), (size_t)(end - equal_end) - 1);
    swap_runs(i, end - m, m);
    *less = (size_t)(i - equal);
    *greater = (size_t)(equal_end - k);
}

void sort_part(void **v, size_t n, sort_cmp_fn cmp, size_t first, size_t last) {
    size_t at = 0, less, greater; /* v begins at this place of the whole */

    while (n > INSERTION_MAX) {
        split(v, n, cmp, &less, &greater);
        if (less > 1 && first < at + less && last >= at)
            sort_part(v, less, cmp, first > at ? first - at : 0, last - at);
        v += n - greater;
        at += n - greater;
        n = greater;
        if (n < 2 || last < at || first >= at + n) return;
    }
    insertion_sort(v, n, cmp);
}
