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
#include "storage/base/num.h"
#include "storage/base/thread.h"

#include <errno.h>
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

/* "stet-backup 1 <position> <unix ms>\n" */
static bool parse_seal(const char *text, size_t n, struct aof_seal *seal) {
    static const char head[] = "stet-backup 1 ";
    const char *p = text + sizeof head - 1, *blank;
    uint64_t ms;

    if (n < sizeof head || text[n - 1] != '\n' || strncmp(text, head, sizeof head - 1) != 0)
        return false;
    blank = memchr(p, ' ', n - (size_t)(p - text));
    if (!blank || !num_parse_u64(p, (size_t)(blank - p), &seal->position)) return false;
    p = blank + 1;
    if (!num_parse_u64(p, n - 1 - (size_t)(p - text), &ms) || ms > INT64_MAX) return false;
    seal->ms = (int64_t)ms;
    return true;
}

int aof_seal_read(int dirfd, struct aof_seal *seal, struct err *e) {
    struct io_stat st;
    char text[128];
    ssize_t n;
    int fd;

    if (io_stat(dirfd, AOF_SEAL, &st) < 0)
        return err_set(e, ENOENT, "it was never sealed: there is no '" AOF_SEAL "' in it");
    if (!st.is_file) return err_set(e, EINVAL, "'" AOF_SEAL "' is no regular file");
    fd = io_open_read(dirfd, AOF_SEAL, e);
    if (fd < 0) return -1;
    n = io_read_at(fd, text, sizeof text, 0, e);
    io_close(fd);
    if (n < 0) return -1;
    if (parse_seal(text, (size_t)n, seal)) return 0;
    return err_set(e, EILSEQ, "'" AOF_SEAL "' is not the seal of a backup");
}

static void measure(int dirfd, const char *name, struct aof_backup_entry *b) {
    struct measured m = {.fd = io_open_subdir(dirfd, name, false, NULL), .b = b};
    struct io_stat st;
    struct aof_seal seal;

    if (m.fd < 0) return;
    if (io_fstat(m.fd, &st) == 0) b->when_ms = st.changed_ms;
    io_list(m.fd, count_file, &m, NULL);
    if (b->sealed && aof_seal_read(m.fd, &seal, NULL) == 0) {
        b->when_ms = seal.ms;
        b->position = seal.position;
    }
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

static void find_backups(const char *dir, struct aof_backup_list *list) {
    struct finding f = {.dirfd = dir[0] ? io_open_dir(dir, false, NULL) : -1, .list = list};

    if (f.dirfd >= 0) io_list(f.dirfd, note_backup, &f, NULL);
    io_close(f.dirfd);
}

static void *read_directory(void *arg) {
    struct aof_listing *l = arg;

    mem_thread_init();
    find_backups(l->dir, &l->found);
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

void aof_backup_survey(const char *dir, void (*see)(void *arg, const struct aof_backup_entry *b),
                       void *arg) {
    struct aof_backup_list l = {0};

    find_backups(dir, &l);
    for (size_t i = 0; i < l.n; i++) see(arg, &l.entries[i]);
    list_clear(&l);
}

void aof_backup_note_last(struct aof *a, const char *dir, const struct aof_backup_entry *b) {
    struct aof_backup *k = &a->backup;

    if (b->when_ms <= k->last_ms || strlen(dir) >= sizeof k->last_dir) return;
    snprintf(k->last_dir, sizeof k->last_dir, "%s", dir);
    snprintf(k->last_id, sizeof k->last_id, "%s", b->id);
    k->last_ms = b->when_ms;
    k->last_bytes = b->bytes;
    k->last_position = b->position;
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
