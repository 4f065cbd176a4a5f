/* SPDX-License-Identifier: BSD-3-Clause
 *
 * debug_memory - DEBUG MALLCTL, MALLCTL-STR, JEMALLOC: questions to the allocator. It only reads
 * and sets parameters; memory is had from storage/base/mem alone.
 */
#include "server/admin/debug.h"

#include "storage/base/bytes.h"

#include <errno.h>

#ifdef STET_JEMALLOC
#include <jemalloc/jemalloc.h>

static void copy_name(const struct call *x, char *out, size_t size) {
    size_t n = x->argv[2].n < size - 1 ? x->argv[2].n : size - 1;

    memcpy(out, x->argv[2].p, n);
    out[n] = '\0';
}

/* The width of a value is known to the allocator only: the widths there are are tried. */
int debug_mallctl(struct call *x) {
    char name[256];
    int64_t set = 0;
    bool sets = x->argc > 3;
    int rc = EINVAL;

    copy_name(x, name, sizeof name);
    if (sets && !arg_int(x, 3, &set)) return -1;
    for (size_t width = sizeof set; width > 0 && rc == EINVAL; width /= 2) {
        int64_t got = 0;
        size_t n = width;

        rc = mallctl(name, &got, &n, sets ? &set : NULL, sets ? width : 0);
        if (rc == EPERM && sets) /* it can only be set */
            rc = mallctl(name, NULL, NULL, &set, width);
        if (rc == 0) reply_int(&x->r, got);
    }
    return rc == 0 ? 0 : reply_errf(x, "ERR %s", strerror(rc));
}

int debug_mallctl_str(struct call *x) {
    char name[256];
    const char *got = NULL, *set = NULL;
    size_t n = sizeof got;
    int rc;

    copy_name(x, name, sizeof name);
    if (x->argc > 3) return reply_err(x, "ERR texts of the allocator can only be read");
    rc = mallctl(name, &got, &n, set ? &set : NULL, 0);
    if (rc != 0) return reply_errf(x, "ERR %s", strerror(rc));
    reply_bulk_str(&x->r, got ? got : "");
    return 0;
}

static void append_report(void *out, const char *text) {
    bytes_append_str(out, text);
}

int debug_jemalloc(struct call *x) {
    struct bytes report = {0};

    if (!arg_is(x, 2, "info")) return reply_subcommand_err(x);
    malloc_stats_print(append_report, &report, NULL);
    reply_verbatim(&x->r, "txt", report.p, report.n);
    bytes_release(&report);
    return 0;
}

#else

static int no_jemalloc(struct call *x) {
    return reply_err(x, "ERR this server was built without jemalloc");
}

int debug_mallctl(struct call *x) {
    return no_jemalloc(x);
}

int debug_mallctl_str(struct call *x) {
    return no_jemalloc(x);
}

int debug_jemalloc(struct call *x) {
    return no_jemalloc(x);
}
#endif
