/* SPDX-License-Identifier: BSD-3-Clause */
#include "persistence/aof_survey.h"

#include "persistence/aof_load.h"
#include "storage/base/io.h"

#include <stdio.h>
#include <string.h>

#define TAIL ".manifest"

struct survey {
    int dirfd;
    void (*see)(void *arg, const char *filename, uint64_t bytes);
    void *arg;
};

static uint64_t bytes_of(int dirfd, const struct aof_manifest *m) {
    uint64_t sum = 0;
    struct io_stat st;

    for (size_t i = 0; i < m->n; i++)
        if (m->files[i].type != AOF_HISTORY && io_stat(dirfd, m->files[i].name, &st) == 0)
            sum += st.size;
    return sum;
}

static bool look(void *arg, const char *name) {
    const struct survey *s = arg;
    size_t n = strlen(name), tail = sizeof TAIL - 1;
    char filename[AOF_NAME_MAX];
    struct aof_manifest m;

    if (n <= tail || n - tail >= sizeof filename || strcmp(name + n - tail, TAIL) != 0) return true;
    if (strncmp(name, "temp-", 5) == 0 || aof_manifest_read(s->dirfd, name, &m, NULL) != 0)
        return true;
    snprintf(filename, sizeof filename, "%.*s", (int)(n - tail), name);
    s->see(s->arg, filename, bytes_of(s->dirfd, &m));
    aof_manifest_release(&m);
    return true;
}

void aof_survey(const char *path, void (*see)(void *arg, const char *filename, uint64_t bytes),
                void *arg) {
    struct survey s = {.dirfd = io_open_dir(path, false, NULL), .see = see, .arg = arg};

    if (s.dirfd < 0) return;
    io_list(s.dirfd, look, &s, NULL);
    io_close(s.dirfd);
}
