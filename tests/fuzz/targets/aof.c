/* SPDX-License-Identifier: BSD-3-Clause
 *
 * aof - a file of the log. The input is a program that builds it: headers, batches with right
 * checksums, plain commands, raw bytes, then damage; so the input gets past the reader's checksums.
 * What is delivered comes from the good part alone: that part, read as a file of its own, delivers
 * the same commands.
 */
#include "tests/fuzz/kit/fuzz.h"

#include "persistence/aof_mark.h"
#include "persistence/aof_reader.h"
#include "persistence/aof_room.h"
#include "persistence/rdb.h"
#include "protocol/encode.h"
#include "storage/base/crc.h"
#include "storage/base/io.h"
#include "storage/base/mem.h"

#include <stdio.h>

enum { FILE_MAX = 64 * 1024 };

struct made {
    struct bytes b;
    struct aof_epoch epoch;
};

static uint64_t here(const struct made *m) {
    return aof_position_at(&m->epoch, m->b.n);
}

static void put_header(struct made *m, struct choices *c) {
    uint64_t previous = m->epoch.id, at = m->epoch.id ? here(m) : choose(c);

    m->epoch = (struct aof_epoch){.id = choose(c) + 1u,
                                  .position = at + choose(c) / 128,
                                  .offset = m->b.n,
                                  .epoch = choose(c),
                                  .ms = INT64_C(1700000000000)};
    m->b.n += aof_mark_header(bytes_room(&m->b, AOF_MARK_MAX), &m->epoch, previous);
}

static void put_command(struct made *m, struct choices *c) {
    static const struct slice words[] = {SLICE("SET"), SLICE("MULTI"),  SLICE("EXEC"),
                                         SLICE("a"),   SLICE("*1\r\n"), SLICE("#{\r\n"),
                                         SLICE(""),    SLICE("SELECT")};
    size_t n = 1 + choose(c) % 4;
    struct slice argv[4];

    for (size_t i = 0; i < n; i++) {
        uint8_t w = choose(c);

        argv[i] = w < 128 ? words[w % 8] : choose_bytes(c, w % 32);
    }
    encode_command(&m->b, n, argv);
}

static void put_batch(struct made *m, struct choices *c) {
    uint64_t begin = here(m);
    struct aof_trailer t = {.ms = m->epoch.ms + choose(c)};
    unsigned n = choose(c) % 4;
    size_t body;

    bytes_append(&m->b, AOF_BEGIN_MARK.p, AOF_BEGIN_MARK.n);
    body = m->b.n;
    for (unsigned i = 0; i < n; i++) put_command(m, c);
    t.length = m->b.n - body;
    t.crc = crc64(aof_batch_seed(&m->epoch, begin), m->b.p + body, t.length);
    t.unsynced = choose(c) & 1 ? choose_16(c) : here(m) - m->epoch.position;
    m->b.n += aof_mark_trailer(bytes_room(&m->b, AOF_MARK_MAX), &m->epoch, here(m), &t);
}

static void put_room(struct made *m, unsigned lines) {
    char seam[AOF_ROOM_SEAM_MAX];
    size_t n = aof_room_seam(m->b.n, seam);

    bytes_append(&m->b, seam, n);
    while (lines > 0 && m->b.n % AOF_ROOM_LINE != 0) bytes_append_char(&m->b, '_');
    for (; lines > 0; lines--) {
        char *p = bytes_room(&m->b, AOF_ROOM_LINE);

        memset(p, '_', AOF_ROOM_LINE);
        p[0] = '#';
        memcpy(p + AOF_ROOM_LINE - 2, "\r\n", 2);
        m->b.n += AOF_ROOM_LINE;
    }
}

/* An RDB without keys, which a base of Redis may begin with. */
static void put_preamble(struct made *m) {
    static const char rdb[] = "REDIS0009\xff\0\0\0\0\0\0\0"; /* its checksum is off */

    if (m->b.n == 0) bytes_append(&m->b, rdb, sizeof rdb);
}

static void damage(struct made *m, struct choices *c) {
    size_t at = choose_16(c);
    uint8_t how = choose(c);

    if (m->b.n == 0) return;
    at %= m->b.n;
    if (how < 100)
        m->b.p[at] ^= (char)(1 << how % 8);
    else if (how < 150)
        m->b.p[at] = (char)choose(c);
    else if (how < 200)
        memset(m->b.p + at, 0, m->b.n - at < how ? m->b.n - at : how);
    else
        m->b.n = at;
}

static void build(struct made *m, struct choices *c) {
    while (choices_left(c) && m->b.n < FILE_MAX) {
        uint8_t op = choose(c);
        struct slice raw;

        switch (op % 10) {
        case 0: put_header(m, c); break;
        case 1:
        case 2: put_batch(m, c); break;
        case 3:
            m->b.n += aof_mark_synced(bytes_room(&m->b, AOF_MARK_MAX), &m->epoch, here(m),
                                      choose(c), m->epoch.ms);
            break;
        case 4: put_command(m, c); break;
        case 5:
            bytes_append_str(&m->b, op & 16 ? "*1\r\n$5\r\nMULTI\r\n" : "*1\r\n$4\r\nEXEC\r\n");
            break;
        case 6: put_room(m, op / 64); break;
        case 7: damage(m, c); break;
        case 8:
            if (op & 64)
                put_preamble(m);
            else
                bytes_append_str(&m->b, op & 16 ? "#TS:1700000000\r\n" : "#any\r\n");
            break;
        case 9:
            raw = choose_bytes(c, op == 249 ? choices_left(c) : op / 10);
            bytes_append(&m->b, raw.p, raw.n);
            break;
        }
    }
}

/* ---------------------------------------------------------------- reading */

static int on_command(void *arg, size_t argc, const struct slice *argv, struct err *e) {
    (void)e;
    encode_command(arg, argc, argv);
    return 0;
}

static int on_preamble(void *arg, int fd, uint64_t *end, struct err *e) {
    static const struct rdb_read all = {.rules = {.hash = {.now_ms = PARTS_ALL}, .list = {-2, 0}},
                                        .skip_modules = true,
                                        .ndbs = 16};
    struct rdb_report r;
    int rc = rdb_read(fd, &all, &(struct rdb_sink){0}, NULL, &r, e);

    (void)arg;
    *end = r.at;
    return rc;
}

static void on_time(void *arg, uint64_t offset, int64_t ms) {
    (void)arg, (void)offset, (void)ms;
}

static const struct aof_reader_ops ops = {
    .command = on_command, .preamble = on_preamble, .time = on_time};

/* Says what was read before a check of the two fails. */
static void say(const char *name, struct slice file, const struct aof_report *r) {
    struct bytes text = {0};

    bytes_append_quoted(&text, file);
    fprintf(stderr, "%s: verdict %d, size %llu, good %llu, %llu commands, '%s': %s\n", name,
            r->verdict, (unsigned long long)r->size, (unsigned long long)r->good,
            (unsigned long long)r->commands, r->why, bytes_cstr(&text));
    bytes_release(&text);
}

/* Room at the end of the good part does not count as content of a file. */
static bool is_same(const struct aof_report *a, const struct aof_report *b) {
    return b->verdict == AOF_WHOLE && b->good + b->room == a->good && b->commands == a->commands;
}

static void check(struct slice file) {
    struct bytes got = {0}, again = {0};
    struct slice all = file;
    struct aof_report r, prefix;
    struct aof_epoch head;
    int fd;

    fd = fuzz_file("whole", file);
    aof_read_header(fd, &head);
    aof_read_file(fd, &ops, &got, &r);
    CHECK(r.raw_size == file.n && r.size <= r.raw_size);
    if (r.verdict != AOF_UNREADABLE) {
        CHECK(r.good <= r.size);
        if (r.verdict == AOF_WHOLE) CHECK(r.good == r.size);
        file.n = r.good;
        aof_read_file(fuzz_file("good", file), &ops, &again, &prefix);
        if (!is_same(&r, &prefix)) {
            say("whole", all, &r);
            say("good", file, &prefix);
        }
        CHECK(is_same(&r, &prefix));
        CHECK(slice_eq(bytes_slice(&got), bytes_slice(&again)));
    }
    bytes_release(&got);
    bytes_release(&again);
}

/* ---------------------------------------------------------------- room */

/* What is made is found. It begins where the content ends, or before if the content looks like
 * room; content that does not end a line, which no log has, takes some of it. */
static void check_room(struct slice content) {
    int fd = fuzz_file("room", content);
    uint64_t end, start, most = content.n;
    struct slice all;
    struct err e;

    if (content.n && content.p[content.n - 1] != '\n') most += AOF_ROOM_SEAM_MAX + AOF_ROOM_LINE;
    CHECK(aof_room_make(fd, content.n, content.n, &end, &e) == 0);
    CHECK(end % AOF_ROOM_LINE == 0 && aof_room_holds(end, content.n));
    CHECK(aof_room_find(fd, end, &start) == 0 && start <= most);
    all = fuzz_file_bytes(fd);
    CHECK(all.n == end);
    CHECK(aof_room_is_line(slice_of(all.p + end - AOF_ROOM_LINE, AOF_ROOM_LINE - 2)));
    aof_room_is_line(content);
}

FUZZ_TARGET(aof) {
    struct choices c = choices_of(data, size);
    struct made m = {0};

    fuzz_begin();
    build(&m, &c);
    check(bytes_slice(&m.b));
    if (size && data[size - 1] % 8 == 0) check_room(bytes_slice(&m.b));
    bytes_release(&m.b);
    return 0;
}
