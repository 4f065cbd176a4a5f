/* SPDX-License-Identifier: BSD-3-Clause
 *
 * aof_backup_list - which backups a directory holds, and how one is removed.
 *
 * A directory may be large or slow, so a thread of its own reads it. Main thread only, but for
 * what runs on that thread.
 */
#include "persistence/aof_internal.h"
#include "storage/base/io.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"
#include "storage/base/thread.h"

#include <signal.h>
#include <stdio.h>

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

/* ---------------------------------------------------------------- on the thread */

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

struct finding {
    int dirfd;
    struct aof_backup_list *list;
};

static bool note_backup(void *arg, const char *name) {
    const struct finding *f = arg;
    struct aof_backup_list *l = f->list;
    size_t n = strnlen(name, BACKUP_ID_MAX), tail = sizeof PARTIAL - 1;
    struct aof_backup_entry b = {.sealed = true};

    if (strncmp(name, "backup-", 7) != 0 || n >= sizeof b.id) return true;
    memcpy(b.id, name, n + 1);
    if (n > tail && strcmp(b.id + n - tail, PARTIAL) == 0) {
        b.id[n - tail] = '\0';
        b.sealed = false;
    }
    measure(f->dirfd, name, &b);
    if (l->n % 16 == 0) l->entries = mem_realloc(l->entries, (l->n + 16) * sizeof *l->entries);
    l->entries[l->n++] = b;
    return true;
}

static void *read_directory(void *arg) {
    struct aof_listing *l = arg;
    struct finding f = {.list = &l->found};

    mem_thread_init();
    f.dirfd = l->dir[0] ? io_open_dir(l->dir, false, NULL) : -1;
    if (f.dirfd >= 0) io_list(f.dirfd, note_backup, &f, NULL);
    io_close(f.dirfd);
    atomic_store(&l->done, true);
    l->a->h.wake(l->a->h.arg);
    return NULL;
}

/* ---------------------------------------------------------------- on the main thread */

static void list_clear(struct aof_backup_list *l) {
    mem_free(l->entries);
    *l = (struct aof_backup_list){0};
}

static void ended(struct aof_listing *l) {
    list_clear(&l->shown);
    l->shown = l->found;
    l->found = (struct aof_backup_list){0};
    l->ended = l->begun;
}

static void begin(struct aof *a) {
    struct aof_listing *l = &a->listing;
    int rc;

    l->a = a;
    l->begun = l->asked;
    memcpy(l->dir, l->wanted_dir, sizeof l->dir);
    atomic_store(&l->done, false);
    rc = thread_start(&l->thread, "backup-list", read_directory, l);
    l->active = rc == 0;
    if (rc == 0) return;
    log_warning("Cannot start a thread for BACKUP LIST: %s", strerror(rc));
    l->found.failed = true;
    ended(l);
}

static bool collect(struct aof_listing *l) {
    if (!atomic_load(&l->done)) return false;
    pthread_join(l->thread, NULL);
    l->active = false;
    ended(l);
    return true;
}

void aof_listing_step(struct aof *a) {
    struct aof_listing *l = &a->listing;

    if (l->active && !collect(l)) return;
    if (l->asked > l->begun) begin(a);
}

bool aof_listing_stop(struct aof *a) {
    struct aof_listing *l = &a->listing;

    if (l->active && !collect(l)) return false;
    list_clear(&l->found);
    list_clear(&l->shown);
    return true;
}

uint64_t aof_backup_list(struct aof *a, const char *dir) {
    struct aof_listing *l = &a->listing;

    snprintf(l->wanted_dir, sizeof l->wanted_dir, "%s", dir ? dir : "");
    l->asked = l->begun + 1;
    aof_listing_step(a);
    return l->asked;
}

bool aof_backup_is_listed(const struct aof *a, uint64_t reading) {
    return a->listing.ended >= reading;
}

const struct aof_backup_list *aof_backup_listed(const struct aof *a) {
    return &a->listing.shown;
}
