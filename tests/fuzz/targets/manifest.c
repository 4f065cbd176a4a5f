/* SPDX-License-Identifier: BSD-3-Clause
 *
 * manifest - the list of files of the log: what is accepted is the same once written and read.
 */
#include "tests/fuzz/kit/fuzz.h"

#include "persistence/aof_manifest.h"
#include "storage/base/mem.h"

static void check_names(const struct aof_manifest *m) {
    for (size_t i = 0; i < m->n; i++) {
        CHECK(strlen(m->files[i].name) < AOF_NAME_MAX);
        CHECK(!strchr(m->files[i].name, '/') && m->files[i].name[0]);
        CHECK(m->files[i].seq > 0);
    }
}

enum { LINE_BYTES = 1024 }; /* a longer line is refused */

static bool has_long_line(struct slice text) {
    while (text.n) {
        const char *nl = memchr(text.p, '\n', text.n);
        size_t n = (size_t)(nl - text.p) + 1;

        if (n > LINE_BYTES) return true;
        text.p += n;
        text.n -= n;
    }
    return false;
}

/* What others wrote may become a longer line: no name of the server's own does. */
static void check_round(const struct aof_manifest *m) {
    struct bytes text = {0}, again = {0};
    struct aof_manifest back = {0};
    struct err e;

    aof_manifest_format(m, &text);
    if (has_long_line(bytes_slice(&text))) {
        bytes_release(&text);
        return;
    }
    CHECK(aof_manifest_parse(&back, "again", bytes_slice(&text), &e) == 0);
    aof_manifest_format(&back, &again);
    CHECK(slice_eq(bytes_slice(&text), bytes_slice(&again)));
    aof_manifest_release(&back);
    bytes_release(&text);
    bytes_release(&again);
}

/* What happens to a manifest later. */
static void use(struct aof_manifest *m) {
    char stray[AOF_NAME_MAX];
    struct aof_manifest copy = {0};

    aof_manifest_base(m);
    aof_manifest_last_incr(m);
    aof_manifest_copy(&copy, m);
    aof_manifest_drop_stray(&copy, stray);
    if (copy.incr_seq < INT64_MAX) aof_manifest_add_incr(&copy, "stem");
    if (copy.base_seq < INT64_MAX) aof_manifest_set_base(&copy, "stem", "rdb");
    aof_manifest_retire_incrs(&copy, 1);
    aof_manifest_drop_history(&copy);
    aof_manifest_release(&copy);
}

FUZZ_TARGET(manifest) {
    struct aof_manifest m = {0};
    struct err e;

    fuzz_begin();
    if (aof_manifest_parse(&m, "manifest", slice_of(data, size), &e) == 0) {
        check_names(&m);
        check_round(&m);
        use(&m);
    }
    aof_manifest_release(&m);
    return 0;
}
