/* SPDX-License-Identifier: BSD-3-Clause
 *
 * rdb_read - reads a whole file: the opcodes, and each value with the facts that stand before its
 * key.
 */
#include "persistence/rdb_types.h"
#include "storage/base/crc.h"
#include "storage/base/io.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"
#include "storage/note.h"

#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>

enum {
    SHORTEST_KEY = 3, /* bytes: type, length of the key, value */
    REPORT_KEYS = 1024,
    SUM_VERSION = 5, /* from which on there is a checksum */
    KEY_SHOWN = 128, /* bytes of a key in a message */
    SUM_CHUNK = 1 << 20,
};

struct read {
    struct rdb_in in;
    const struct rdb_read *o;
    const struct rdb_sink *sink;
    void *arg;
    struct rdb_report *report;
    struct err *e;
    struct rdb_key next; /* of the key to come */
    struct bytes key;
    struct bytes note;         /* of the key to come; empty: there is none */
    unsigned type;             /* of the value under way */
    uint64_t content_at;       /* where it begins, after the key */
    bool in_value;             /* an error is one of this key's */
    char mark[RDB_MARK_BYTES]; /* what follows the end of a stream */
    bool framed, valkey;
    bool done;
};

/* Notes the place before a function of the sink is called. */
static void note_place(struct read *r) {
    r->report->at = rdb_in_at(&r->in);
}

/* A function of the sink has ended the reading. */
static bool stopped(struct read *r) {
    r->in.failed = true;
    return false;
}

static void next_key(struct read *r) {
    r->next =
        (struct rdb_key){.db = r->next.db, .expire_ms = ENTRY_NO_EXPIRE, .idle_s = -1, .freq = -1};
}

/* ---------------------------------------------------------------- header */

/* A server that sends a snapshot without knowing its length announces the 40 bytes that will follow
 * it. `p`: the first RDB_HEADER_BYTES. */
static bool take_frame(struct read *r, const uint8_t *p) {
    const size_t have = RDB_HEADER_BYTES - RDB_FRAME_WORD;

    memcpy(r->mark, p + RDB_FRAME_WORD, have);
    p = rdb_in_take(&r->in, RDB_FRAME_BYTES - RDB_HEADER_BYTES);
    if (!p) return false;
    memcpy(r->mark + have, p, RDB_MARK_BYTES - have);
    rdb_in_sum_anew(&r->in);
    r->framed = true;
    return true;
}

/* "REDIS" and four digits, or Valkey's "VALKEY" and three; where the digits begin, 0: neither. */
static int magic_of(const uint8_t *p) {
    if (memcmp(p, "REDIS", 5) == 0) return 5;
    return memcmp(p, "VALKEY", 6) == 0 ? 6 : 0;
}

static bool is_read(const struct read *r, int version) {
    if (r->valkey) return version == RDB_VALKEY_VERSION;
    return version >= 1 && version <= RDB_VERSION_MAX;
}

static bool take_header(struct read *r) {
    const uint8_t *p = rdb_in_take(&r->in, RDB_HEADER_BYTES);
    int version = 0, from;

    if (p && memcmp(p, "$EOF:", RDB_FRAME_WORD) == 0)
        p = take_frame(r, p) ? rdb_in_take(&r->in, RDB_HEADER_BYTES) : NULL;
    if (!p) return false;
    from = magic_of(p);
    if (!from) return rdb_in_fault(&r->in, EPROTO, "no RDB file: it does not begin with 'REDIS'");
    r->valkey = from == 6;
    for (int i = from; i < RDB_HEADER_BYTES; i++) {
        if (p[i] < '0' || p[i] > '9')
            return rdb_in_fault(&r->in, EBADMSG, "a header without a version");
        version = version * 10 + (p[i] - '0');
    }
    r->report->version = version;
    if (is_read(r, version)) return true;
    return rdb_in_fault(
        &r->in, EPROTONOSUPPORT, "%s version %d, and this server reads 1 to %d, and %d of Valkey",
        r->valkey ? "Valkey's RDB" : "RDB", version, RDB_VERSION_MAX, RDB_VALKEY_VERSION);
}

/* ---------------------------------------------------------------- opcodes */

static void note_stream(struct rdb_stream *s, struct slice name, struct slice value) {
    int64_t v;

    if (slice_is(name, "repl-id") && value.n == sizeof s->id - 1) {
        memcpy(s->id, value.p, value.n);
    } else if (slice_is(name, "repl-offset") && num_parse_i64(value.p, value.n, &v) && v >= 0) {
        s->offset = (uint64_t)v;
    } else if (slice_is(name, "repl-stream-db") && num_parse_i64(value.p, value.n, &v)) {
        s->db = v >= 0 && v <= INT32_MAX ? (int)v : -1;
    }
}

static bool take_aux(struct read *r) {
    struct slice name, value;
    int64_t v;

    if (!rdb_in_string(&r->in, &name)) return false;
    bytes_clear(&r->key);
    bytes_room(&r->key, name.n + 1);
    bytes_append(&r->key, name.p, name.n);
    name = bytes_slice(&r->key);
    if (!rdb_in_string(&r->in, &value)) return false;
    note_place(r);
    if (slice_is(name, NOTE_NAME)) {
        bytes_clear(&r->note);
        bytes_append(&r->note, value.p, value.n);
        return true;
    }
    note_stream(&r->report->stream, name, value);
    if (slice_is(name, "ctime") && num_parse_i64(value.p, value.n, &v)) r->report->created = v;
    if (r->sink->aux && r->sink->aux(r->arg, name, value, r->e) < 0) return stopped(r);
    return true;
}

static bool take_resize(struct read *r) {
    uint64_t keys, expires, most = rdb_in_left(&r->in) / SHORTEST_KEY;

    if (!rdb_in_len(&r->in, &keys) || !rdb_in_len(&r->in, &expires)) return false;
    if (keys > most) keys = most; /* it is a hint */
    if (expires > keys) expires = keys;
    if (r->sink->size && r->sink->size(r->arg, r->next.db, keys, expires, r->e) < 0)
        return stopped(r);
    return true;
}

static bool take_select(struct read *r) {
    uint64_t db;

    if (!rdb_in_len(&r->in, &db)) return false;
    if (db >= (uint64_t)r->o->ndbs)
        return rdb_in_fail(&r->in, "database %llu, and there are %d ('databases')",
                           (unsigned long long)db, r->o->ndbs);
    r->next.db = (int)db;
    note_place(r);
    if (r->sink->select) r->sink->select(r->arg, (int)db);
    return true;
}

static bool take_expire(struct read *r, bool seconds) {
    const uint8_t *p;
    uint64_t ms;
    int32_t s;

    if (seconds) {
        p = rdb_in_take(&r->in, sizeof s);
        if (!p) return false;
        memcpy(&s, p, sizeof s);
        r->next.expire_ms = (int64_t)s * 1000;
    } else {
        if (!rdb_in_u64(&r->in, &ms)) return false;
        r->next.expire_ms = (int64_t)ms;
    }
    if (r->next.expire_ms < 0) r->next.expire_ms = 0; /* over, but not "none" */
    return true;
}

static bool take_idle(struct read *r) {
    uint64_t idle;

    if (!rdb_in_len(&r->in, &idle)) return false;
    r->next.idle_s = idle < 0xffffff ? (int64_t)idle : 0xffffff;
    return true;
}

static bool take_freq(struct read *r) {
    uint8_t freq;

    if (!rdb_in_byte(&r->in, &freq)) return false;
    r->next.freq = freq;
    return true;
}

static bool take_function(struct read *r) {
    struct slice code;

    if (!rdb_in_string(&r->in, &code)) return false;
    if (!r->sink->function) {
        r->report->skipped_functions++;
        return true;
    }
    return r->sink->function(r->arg, code, r->e) == 0 || stopped(r);
}

static bool take_module_aux(struct read *r) {
    uint64_t id, when[2];

    r->report->skipped_modules++;
    /* The first part says when it was saved. */
    if (!rdb_in_len(&r->in, &id) || !rdb_in_len(&r->in, &when[0]) || !rdb_in_len(&r->in, &when[1]))
        return false;
    note_place(r);
    if (r->sink->module_aux) r->sink->module_aux(r->arg, id);
    return rdb_skip_module(&r->in);
}

static bool take_slot_info(struct read *r) {
    uint64_t ignored;

    for (int i = 0; i < 3; i++)
        if (!rdb_in_len(&r->in, &ignored)) return false;
    return true;
}

static bool take_sum(struct read *r) {
    uint64_t want, sum = rdb_in_sum(&r->in);

    if (r->report->version < SUM_VERSION) return true;
    if (!rdb_in_u64(&r->in, &want)) return false;
    r->report->sum = want == 0 ? RDB_SUM_OFF : want == sum ? RDB_SUM_GOOD : RDB_SUM_WRONG;
    if (!r->o->checksum || r->report->sum != RDB_SUM_WRONG) return true;
    return rdb_in_fault(&r->in, EBADMSG, "the checksum is %016llx, but the file says %016llx",
                        (unsigned long long)sum, (unsigned long long)want);
}

static bool take_end(struct read *r) {
    const uint8_t *p;

    r->done = true;
    if (!take_sum(r) || !r->framed) return !r->in.failed;
    p = rdb_in_take(&r->in, RDB_MARK_BYTES);
    return p &&
           (memcmp(p, r->mark, RDB_MARK_BYTES) == 0 ||
            rdb_in_fail(&r->in, "the mark after the end differs from the one before the header"));
}

/* ---------------------------------------------------------------- keys */

/* The value of a module that we do not know, where these are passed over. */
static bool skip_module_value(struct read *r) {
    r->report->skipped_modules++;
    r->report->keys++;
    bytes_clear(&r->note);
    if (!rdb_skip_module(&r->in)) return false;
    note_place(r);
    if (r->sink->passed) r->sink->passed(r->arg, &r->next, bytes_slice(&r->key));
    return true;
}

static bool take_note(struct read *r, struct entry *e) {
    bool ok = r->note.n == 0 || rdb_take_note(e, bytes_slice(&r->note));

    bytes_clear(&r->note);
    return ok || rdb_in_fail(&r->in, "what is noted of a value before its key does not hold");
}

static bool take_value(struct read *r) {
    struct slice key = bytes_slice(&r->key);
    struct entry *e;
    uint64_t id;

    if (r->type == RDB_MODULE_2) {
        if (!rdb_in_len(&r->in, &id)) return false;
        if (!rdb_knows_module(id) && r->o->skip_modules) return skip_module_value(r);
        e = rdb_take_module(&r->in, id, key, r->next.expire_ms, &r->o->rules);
    } else {
        e = rdb_take_value(&r->in, r->type, key, r->next.expire_ms, &r->o->rules);
    }
    if (!e && !r->in.empty) return false;
    if (!e) {
        r->in.empty = r->in.failed = false; /* Redis had a time in which it wrote such ones */
        r->report->empty_keys++;
        return true;
    }
    if (!take_note(r, e)) {
        entry_free(e);
        return false;
    }
    r->report->keys++;
    note_place(r);
    if (!r->sink->key) {
        entry_free(e);
    } else if (r->sink->key(r->arg, &r->next, e, r->e) < 0) {
        r->in_value = false;
        return stopped(r);
    }
    return true;
}

static bool take_key(struct read *r, unsigned code) {
    unsigned type = rdb_type_read(code, r->valkey);
    struct slice key;

    if (!rdb_reads_type(type))
        return rdb_in_fault(&r->in, ENOTSUP, "a value of the unknown type %u", code);
    r->report->doing = RDB_DOING_KEY;
    r->report->type = (int)code;
    if (!rdb_in_string(&r->in, &key)) return false;
    bytes_clear(&r->key);
    bytes_room(&r->key, key.n + 1); /* not NULL for an empty one */
    bytes_append(&r->key, key.p, key.n);
    r->report->doing = RDB_DOING_VALUE;
    r->type = type;
    r->in_value = true;
    r->content_at = rdb_in_at(&r->in);
    r->next.at = r->report->value_at;
    r->next.type = (uint8_t)code;
    if (!take_value(r)) return false;
    r->in_value = false;
    r->report->type = -1;
    next_key(r);
    if (r->sink->progress && (r->report->keys % REPORT_KEYS == 0 || key.n > 1 << 20))
        r->sink->progress(r->arg, rdb_in_at(&r->in), r->in.size);
    return true;
}

/* What an opcode begins. */
static const uint8_t doing[] = {
    [RDB_SLOT_INFO - RDB_SLOT_INFO] = RDB_DOING_LENGTH,
    [RDB_FUNCTION - RDB_SLOT_INFO] = RDB_DOING_FUNCTION,
    [RDB_FUNCTION_EARLY - RDB_SLOT_INFO] = RDB_DOING_FUNCTION,
    [RDB_MODULE_AUX - RDB_SLOT_INFO] = RDB_DOING_MODULE_AUX,
    [RDB_IDLE - RDB_SLOT_INFO] = RDB_DOING_TYPE,
    [RDB_FREQ - RDB_SLOT_INFO] = RDB_DOING_TYPE,
    [RDB_AUX - RDB_SLOT_INFO] = RDB_DOING_AUX,
    [RDB_RESIZE - RDB_SLOT_INFO] = RDB_DOING_LENGTH,
    [RDB_EXPIRE_MS - RDB_SLOT_INFO] = RDB_DOING_EXPIRE,
    [RDB_EXPIRE_S - RDB_SLOT_INFO] = RDB_DOING_EXPIRE,
    [RDB_SELECT - RDB_SLOT_INFO] = RDB_DOING_LENGTH,
    [RDB_EOF - RDB_SLOT_INFO] = RDB_DOING_SUM,
};

static bool take_one(struct read *r) {
    uint8_t code;

    if (r->next.expire_ms == ENTRY_NO_EXPIRE && r->next.idle_s < 0 && r->next.freq < 0)
        r->report->value_at = rdb_in_at(&r->in);
    r->report->doing = RDB_DOING_TYPE;
    if (!rdb_in_byte(&r->in, &code)) return false;
    if (code >= RDB_SLOT_INFO) r->report->doing = doing[code - RDB_SLOT_INFO];
    switch (code) {
    case RDB_AUX: return take_aux(r);
    case RDB_RESIZE: return take_resize(r);
    case RDB_SELECT: return take_select(r);
    case RDB_EXPIRE_MS: return take_expire(r, false);
    case RDB_EXPIRE_S: return take_expire(r, true);
    case RDB_IDLE: return take_idle(r);
    case RDB_FREQ: return take_freq(r);
    case RDB_FUNCTION: return take_function(r);
    case RDB_FUNCTION_EARLY:
        return rdb_in_fail(&r->in, "functions of a preview of Redis 7.0, which are not read");
    case RDB_MODULE_AUX: return take_module_aux(r);
    case RDB_SLOT_INFO: return take_slot_info(r);
    case RDB_EOF: return take_end(r);
    default: return take_key(r, code);
    }
}

/* ---------------------------------------------------------------- the whole */

/* Adds the key to the text of the error. */
static void name_key(struct read *r) {
    struct slice shown = bytes_slice(&r->key);
    struct bytes text = {0};
    struct err told;

    if (!r->in_value || !r->e) return;
    if (shown.n > KEY_SHOWN) shown.n = KEY_SHOWN;
    bytes_append_quoted(&text, shown);
    told = *r->e;
    err_set(r->e, told.code, "key %s of database %d: %.300s", bytes_cstr(&text), r->next.db,
            told.text);
    bytes_release(&text);
}

/* Goes on after a damaged value, if the sink knows where the next record begins. */
static bool pass_over(struct read *r) {
    struct rdb_damage d = {&r->next, bytes_slice(&r->key), r->content_at, r->e};
    uint64_t next;

    if (!r->in_value || !r->sink->damaged) return false;
    note_place(r);
    name_key(r);
    r->in_value = false;
    if (!r->sink->damaged(r->arg, &d, &next) || !rdb_in_seek(&r->in, next)) return false;
    r->report->type = -1;
    next_key(r);
    return true;
}

int rdb_read(int fd, const struct rdb_read *o, const struct rdb_sink *sink, void *arg,
             struct rdb_report *out, struct err *e) {
    struct read r = {.o = o, .sink = sink, .arg = arg, .report = out, .e = e};
    bool ok;

    *out = (struct rdb_report){.at = o->start};
    if (rdb_in_file(&r.in, fd, o->start, e) < 0) return -1;
    next_key(&r);
    ok = take_header(&r);
    while (ok && !r.done) ok = take_one(&r) || pass_over(&r);
    out->at = rdb_in_at(&r.in);
    if (!ok) name_key(&r);
    if (sink->progress) sink->progress(arg, out->at, r.in.size);
    bytes_release(&r.key);
    bytes_release(&r.note);
    rdb_in_release(&r.in);
    return ok ? 0 : -1;
}

int rdb_check_slowly(int fd, bool modules,
                     void (*progress)(void *arg, uint64_t done, uint64_t total), void *arg,
                     struct rdb_report *out, struct err *e) {
    struct rdb_read o = {.rules = {.hash = {.now_ms = PARTS_ALL}, .list = {.fill = -2}},
                         .checksum = true,
                         .skip_modules = modules,
                         .ndbs = INT_MAX};

    return rdb_read(fd, &o, &(struct rdb_sink){.progress = progress}, arg, out, e);
}

int rdb_check(int fd, bool modules, struct rdb_report *out, struct err *e) {
    return rdb_check_slowly(fd, modules, NULL, NULL, out, e);
}

bool rdb_is_one(int fd, uint64_t start) {
    uint8_t head[6] = {0};

    return io_read_at(fd, head, sizeof head, (off_t)start, NULL) > 0 && magic_of(head);
}

enum rdb_sum rdb_check_sum(int fd, uint64_t size) {
    uint64_t at = 0, sum = 0, said = 0;
    uint8_t *buf = mem_alloc(SUM_CHUNK);
    ssize_t got = 1;

    while (at + RDB_SUM_BYTES < size && got > 0) {
        uint64_t left = size - RDB_SUM_BYTES - at;

        got = io_read_at(fd, buf, left < SUM_CHUNK ? (size_t)left : SUM_CHUNK, (off_t)at, NULL);
        if (got > 0) sum = crc64(sum, buf, (size_t)got);
        at += got > 0 ? (uint64_t)got : 0;
    }
    mem_free(buf);
    if (at + RDB_SUM_BYTES != size ||
        io_read_at(fd, &said, RDB_SUM_BYTES, (off_t)at, NULL) != RDB_SUM_BYTES)
        return RDB_SUM_NONE;
    if (said == 0) return RDB_SUM_OFF;
    return le64toh(said) == sum ? RDB_SUM_GOOD : RDB_SUM_WRONG;
}
