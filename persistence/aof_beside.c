/* SPDX-License-Identifier: BSD-3-Clause */
#include "persistence/aof_beside.h"

#include "storage/base/io.h"
#include "storage/base/log.h"

#include <stdio.h>
#include <string.h>

#define MANIFEST ".manifest"

struct look {
    int dirfd;
    const struct aof_names *n;
    bool off; /* the AOF is: our own log is not loaded either */
};

static uint64_t bytes_of(int dirfd, const struct aof_manifest *m) {
    uint64_t total = 0;
    struct io_stat st;

    for (size_t i = 0; i < m->n; i++)
        if (m->files[i].type != AOF_HISTORY && io_stat(dirfd, m->files[i].name, &st) == 0)
            total += st.size;
    return total;
}

static void warn(const struct look *l, const char *stem, uint64_t bytes) {
    bool own = strcmp(stem, l->n->filename) == 0;

    if (l->off)
        log_warning("'appendonly' is no: the append only file '%s/%s" MANIFEST
                    "' (%llu bytes in all) is not loaded. To load it, restart with: appendonly "
                    "yes%s%s",
                    l->n->dirname, stem, (unsigned long long)bytes, own ? "" : ", appendfilename ",
                    own ? "" : stem);
    else if (!own)
        log_warning("The log '%s' starts empty, and the append only file '%s/%s" MANIFEST
                    "' (%llu bytes in all) is not loaded. To load it, restart with: "
                    "appendfilename %s",
                    l->n->filename, l->n->dirname, stem, (unsigned long long)bytes, stem);
}

static bool see(void *arg, const char *name) {
    const struct look *l = arg;
    size_t n = strlen(name), tail = sizeof MANIFEST - 1;
    struct aof_manifest m = {0};
    char stem[AOF_NAME_MAX];

    if (n <= tail || n - tail >= sizeof stem || strcmp(name + n - tail, MANIFEST) != 0 ||
        strncmp(name, "temp-", 5) == 0)
        return true;
    snprintf(stem, sizeof stem, "%.*s", (int)(n - tail), name);
    if (aof_manifest_read(l->dirfd, name, &m, NULL) == 0 && m.n > 0)
        warn(l, stem, bytes_of(l->dirfd, &m));
    aof_manifest_release(&m);
    return true;
}

/* As servers before Redis 7 have it: one file in the working directory. */
static void warn_of_single_file(const struct aof_names *n) {
    int dirfd = io_open_dir(".", false, NULL);
    struct io_stat st;

    if (dirfd >= 0 && io_stat(dirfd, n->filename, &st) == 0 && !st.is_dir && st.size > 0)
        log_warning("'appendonly' is no: the append only file '%s' (%llu bytes) is not loaded. To "
                    "load it, restart with: appendonly yes",
                    n->filename, (unsigned long long)st.size);
    io_close(dirfd);
}

void aof_warn_while_off(const struct aof_names *n) {
    struct look l = {.dirfd = io_open_dir(n->dirname, false, NULL), .n = n, .off = true};

    if (l.dirfd >= 0) io_list(l.dirfd, see, &l, NULL);
    io_close(l.dirfd);
    warn_of_single_file(n);
}

void aof_warn_of_others(int dirfd, const struct aof_names *n) {
    struct look l = {.dirfd = dirfd, .n = n};

    io_list(dirfd, see, &l, NULL);
}
