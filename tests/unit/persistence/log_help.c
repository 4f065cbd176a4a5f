/* SPDX-License-Identifier: BSD-3-Clause */
#include "log_help.h"

#include "storage/base/clock.h"
#include "storage/base/crc.h"
#include "storage/base/io.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { WAIT_NS = 200 * 1000 };
#define WAIT_MAX_NS (UINT64_C(60) * 1000 * 1000 * 1000)

static char tmp_dir[64];
static struct bytes content;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at) {
    (void)st, (void)type, (void)at;
    return remove(path);
}

void help_begin(void) {
    mem_thread_init();
    log_set_level(LOG_AT_NOTHING);
    strcpy(tmp_dir, "/tmp/stet-log-XXXXXX");
    cr_assert(mkdtemp(tmp_dir));
    cr_assert_eq(chdir(tmp_dir), 0);
}

void help_end(void) {
    io_fault_reset();
    nftw(tmp_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    bytes_release(&content);
}

void help_write(const char *name, struct slice data) {
    FILE *f = fopen(name, "w");

    cr_assert(f, "'%s' can be written", name);
    cr_assert_eq(fwrite(data.p, 1, data.n, f), data.n);
    fclose(f);
}

struct slice help_read(const char *name) {
    FILE *f = fopen(name, "r");
    size_t got;

    bytes_clear(&content);
    cr_assert(f, "'%s' can be read", name);
    while ((got = fread(bytes_room(&content, 65536), 1, 65536, f)) > 0) content.n += got;
    fclose(f);
    return bytes_slice(&content);
}

bool help_exists(const char *name) {
    return access(name, F_OK) == 0;
}

bool help_wait(bool (*holds)(void *arg), void *arg) {
    uint64_t until = clock_real_ns() + WAIT_MAX_NS;
    struct timespec pause = {0, WAIT_NS};

    while (!holds(arg)) {
        if (clock_real_ns() > until) return false;
        nanosleep(&pause, NULL);
    }
    return true;
}

void put_command(struct bytes *b, const char *words) {
    char copy[1024], *save = NULL, *word[16];
    int n = 0;

    snprintf(copy, sizeof copy, "%s", words);
    for (char *p = strtok_r(copy, " ", &save); p; p = strtok_r(NULL, " ", &save)) word[n++] = p;
    bytes_printf(b, "*%d\r\n", n);
    for (int i = 0; i < n; i++) bytes_printf(b, "$%zu\r\n%s\r\n", strlen(word[i]), word[i]);
}

/* ---------------------------------------------------------------- files */

static void unit_ends(struct made *m) {
    m->unit[m->nunits++] = m->b.n;
}

static uint64_t position_of(const struct made *m) {
    return aof_position_at(&m->epoch, m->b.n);
}

void made_header(struct made *m, uint64_t id, uint64_t epoch) {
    uint64_t previous = m->epoch.id;

    m->epoch = (struct aof_epoch){.id = id,
                                  .position = m->base + m->b.n,
                                  .offset = m->b.n,
                                  .epoch = epoch,
                                  .version = m->version,
                                  .ms = INT64_C(1700000000000)};
    m->b.n += aof_mark_header(bytes_room(&m->b, AOF_MARK_MAX), &m->epoch, previous);
    unit_ends(m);
}

/* "#@" and "#@-" get what belongs to them, other lines are as they are. */
static void put_mark(struct made *m, const char *line) {
    char *out = bytes_room(&m->b, AOF_MARK_MAX);

    if (strcmp(line, "#@") == 0)
        m->b.n += aof_stream_put_at(out, &m->epoch, position_of(m), &m->stream);
    else if (strcmp(line, "#@-") == 0)
        m->b.n += aof_stream_put_end(out, &m->epoch, position_of(m));
    else
        bytes_printf(&m->b, "%s\r\n", line);
}

static void put_commands(struct made *m, const char *commands, bool apart) {
    char copy[2048], *save = NULL;

    snprintf(copy, sizeof copy, "%s", commands);
    for (char *p = strtok_r(copy, ";", &save); p; p = strtok_r(NULL, ";", &save)) {
        if (*p == '#')
            put_mark(m, p);
        else
            put_command(&m->b, p);
        if (apart) unit_ends(m);
    }
}

void made_batch(struct made *m, const char *commands, uint64_t unsynced) {
    uint64_t begin = position_of(m);
    struct aof_trailer t = {.ms = m->epoch.ms + 1000};
    size_t body;

    bytes_append(&m->b, AOF_BEGIN_MARK.p, AOF_BEGIN_MARK.n);
    body = m->b.n;
    put_commands(m, commands, false);
    t.length = m->b.n - body;
    t.crc = crc64(aof_batch_seed(&m->epoch, begin), m->b.p + body, t.length);
    t.unsynced = unsynced == UINT64_MAX ? position_of(m) - m->epoch.position : unsynced;
    m->b.n += aof_mark_trailer(bytes_room(&m->b, AOF_MARK_MAX), &m->epoch, position_of(m), &t);
    unit_ends(m);
}

void made_synced(struct made *m, uint64_t unsynced) {
    m->b.n += aof_mark_synced(bytes_room(&m->b, AOF_MARK_MAX), &m->epoch, position_of(m), unsynced,
                              m->epoch.ms + 2000);
    unit_ends(m);
}

void made_plain(struct made *m, const char *commands, bool together) {
    put_commands(m, commands, !together);
    if (together) unit_ends(m);
}

void made_release(struct made *m) {
    bytes_release(&m->b);
}

size_t made_good(const struct made *m, size_t at, unsigned *units) {
    size_t good = 0;

    *units = 0;
    while (*units < m->nunits && m->unit[*units] <= at) good = m->unit[(*units)++];
    return good;
}

/* ---------------------------------------------------------------- reading */

static int note_command(void *arg, size_t argc, const struct slice *argv, struct err *e) {
    struct bytes *b = arg;

    if (slice_is(argv[0], "refuse")) return err_set(e, 1, "not this one");
    for (size_t i = 0; i < argc; i++) {
        if (i) bytes_append_char(b, ' ');
        bytes_append(b, argv[i].p, argv[i].n);
    }
    bytes_append_char(b, ';');
    return 0;
}

const char *read_bytes(struct slice data, struct aof_report *r) {
    static const struct aof_reader_ops ops = {note_command, NULL, NULL};
    static struct bytes got;
    int fd = memfd_create("log", MFD_CLOEXEC);

    cr_assert(fd >= 0);
    cr_assert_eq(write(fd, data.p, data.n), (ssize_t)data.n);
    bytes_clear(&got);
    aof_read_file(fd, &ops, &got, r);
    close(fd);
    return bytes_cstr(&got);
}
