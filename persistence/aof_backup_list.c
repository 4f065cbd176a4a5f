/* SPDX-License-Identifier: BSD-3-Clause
 *
 * aof_backup_list - which backups a directory holds, and how one is removed.
 */
#include "persistence/aof_internal.h"
#include "storage/base/io.h"

#define PARTIAL ".partial"

static bool remove_one(void *arg, const char *name) {
    const int *dirfd = arg;

    io_unlink(*dirfd, name, NULL);
    return true;
}

int aof_backup_remove_dir(int dirfd, const char *name, struct err *e) {
    int fd = io_open_subdir(dirfd, name, false, e), rc;

    if (fd < 0) return -1;
    rc = io_list(fd, remove_one, &fd, e);
    io_close(fd);
    if (rc < 0 || io_remove_dir(dirfd, name, e) < 0) return -1;
    return io_sync_dir(dirfd, e);
}

struct measured {
    int fd;
    struct aof_backup_entry *b;
};

static bool count_file(void *arg, const char *name) {
    struct measured *m = arg;
    struct io_stat st;

    if (name[0] == '.' || io_stat(m->fd, name, &st) < 0) return true;
    m->b->files++;
    m->b->bytes += st.size;
    return true;
}

static void measure(int dirfd, const char *name, struct aof_backup_entry *b) {
    struct measured m = {.fd = io_open_subdir(dirfd, name, false, NULL), .b = b};
    struct io_stat st;

    if (m.fd < 0) return;
    if (io_fstat(m.fd, &st) == 0) b->when_ms = st.changed_ms;
    io_list(m.fd, count_file, &m, NULL);
    io_close(m.fd);
}

struct showing {
    int dirfd;
    void (*see)(void *arg, const struct aof_backup_entry *b);
    void *arg;
};

static bool show_backup(void *arg, const char *name) {
    const struct showing *s = arg;
    size_t n = strnlen(name, BACKUP_ID_MAX), tail = sizeof PARTIAL - 1;
    struct aof_backup_entry b = {.sealed = true};
    char id[BACKUP_ID_MAX];

    if (strncmp(name, "backup-", 7) != 0 || n >= sizeof id) return true;
    memcpy(id, name, n + 1);
    if (n > tail && strcmp(id + n - tail, PARTIAL) == 0) {
        id[n - tail] = '\0';
        b.sealed = false;
    }
    b.id = id;
    measure(s->dirfd, name, &b);
    s->see(s->arg, &b);
    return true;
}

void aof_backup_each(const char *dir, void (*see)(void *arg, const struct aof_backup_entry *b),
                     void *arg) {
    struct showing s = {.dirfd = io_open_dir(dir, false, NULL), .see = see, .arg = arg};

    if (s.dirfd < 0) return;
    io_list(s.dirfd, show_backup, &s, NULL);
    io_close(s.dirfd);
}
