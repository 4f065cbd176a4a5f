/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The form is that of Redis 8.6. No other version has commands for what a stream remembers. So an
 * XADD with an origin is logged as the XADD without it and a note beside it (storage/note.h), and
 * XCFGSET as a note: other servers add the entry and pass over the note.
 */
#include "server/commands/stream_idempotent.h"

#include "conf/conf.h"
#include "server/commands/commands.h"
#include "storage/base/hash.h"
#include "storage/note.h"
#include "storage/stream_idmp.h"

/* ---------------------------------------------------------------- XADD */

bool arg_add_origin(struct call *x, int *i, struct add_origin *o, bool *is_one) {
    bool by_content = arg_is(x, *i, "idmpauto");
    int n = by_content ? 1 : 2;

    *is_one = by_content || arg_is(x, *i, "idmp");
    if (!*is_one) return true;
    if (o->producer.p || *i + n >= x->argc) {
        reply_err(x, ERR_SYNTAX);
        return false;
    }
    for (int k = *i + 1; k <= *i + n; k++) {
        if (x->argv[k].n > 0 && x->argv[k].n <= IDMP_NAME_MAX) continue;
        reply_errf(x, "ERR a producer or an idempotent id has 1 to %d bytes", IDMP_NAME_MAX);
        return false;
    }
    o->by_content = by_content;
    o->producer = x->argv[*i + 1];
    if (!by_content) o->iid = x->argv[*i + 2];
    *i += n;
    return true;
}

/* The length before each text, so that no two contents are the same bytes. */
void add_origin_settle(const struct call *x, int first, struct add_origin *o,
                       uint8_t digest[SHA1_BYTES]) {
    struct bytes all = {0};

    for (int i = first; i < x->argc; i++) {
        bytes_printf(&all, "%zu:", x->argv[i].n);
        bytes_append(&all, x->argv[i].p, x->argv[i].n);
    }
    sha1(bytes_cstr(&all), all.n, digest);
    o->iid = slice_of((const char *)digest, SHA1_BYTES);
    bytes_release(&all);
}

bool add_origin_is_known(const struct call *x, struct stream *s, const struct add_origin *o,
                         struct stream_id *id) {
    if (!s->idmp || !stream_idmp_find(s->idmp, o->producer, o->iid, x->now_ms, id)) return false;
    s->idmp->duplicates++;
    return true;
}

static struct stream_idmp *need(const struct call *x, struct stream *s) {
    return stream_idmp_need(s, x->e->v->stream_idmp_duration, x->e->v->stream_idmp_maxsize);
}

static void log_note(struct call *x, const struct slice *words, int n) {
    struct bytes note = {0};

    note_build(&note, words, n);
    EFFECT(x, SLICE("ECHO"), bytes_slice(&note));
    bytes_release(&note);
}

void add_origin_remember(struct call *x, const struct ref *r, struct stream *s,
                         const struct add_origin *o, struct stream_id id) {
    char at[STREAM_ID_TEXT], ms[NUM_I64_MAX];
    struct slice words[] = {r->key, SLICE("seen"),   o->producer,
                            o->iid, id_text(at, id), int_text(ms, x->now_ms)};

    stream_idmp_add(need(x, s), o->producer, o->iid, id, x->now_ms, x->now_ms);
    log_note(x, words, 6);
}

/* ---------------------------------------------------------------- XCFGSET */

static bool parse_settings(struct call *x, int64_t *duration_s, int64_t *maxsize) {
    for (int i = 2; i < x->argc; i += 2) {
        bool more = i + 1 < x->argc;

        if (more && arg_is(x, i, "idmp-duration")) {
            if (!arg_int_range(x, i + 1, 1, IDMP_DURATION_MAX_S, duration_s,
                               "ERR IDMP-DURATION must be between 1 and 300 seconds"))
                return false;
        } else if (more && arg_is(x, i, "idmp-maxsize")) {
            if (!arg_int_range(x, i + 1, 1, IDMP_MAXSIZE_MAX, maxsize,
                               "ERR IDMP-MAXSIZE must be between 1 and 1000000"))
                return false;
        } else {
            reply_err(x, ERR_SYNTAX);
            return false;
        }
    }
    return true;
}

static void log_limits(struct call *x, const struct ref *r, const struct stream_idmp *m) {
    char duration[NUM_I64_MAX], maxsize[NUM_I64_MAX];
    struct slice words[] = {r->key, SLICE("limits"), int_text(duration, m->duration_s),
                            int_text(maxsize, m->maxsize)};

    log_note(x, words, 4);
}

static int cmd_xcfgset(struct call *x) {
    int64_t duration_s = 0, maxsize = 0;
    struct stream_idmp *m;
    struct stream *s;
    struct ref r;

    if (!parse_settings(x, &duration_s, &maxsize)) return -1;
    if (!find_stream(x, 1, true, &r, &s)) return -1;
    if (!s) return reply_err(x, ERR_NO_KEY);
    m = need(x, s);
    if (duration_s) m->duration_s = duration_s;
    if (maxsize) m->maxsize = maxsize;
    key_changed_quietly(x, &r);
    log_limits(x, &r, m);
    reply_ok(&x->r);
    return 0;
}

/* ---------------------------------------------------------------- notes */

static bool number_of(struct slice word, int64_t min, int64_t max, int64_t *v) {
    return num_parse_i64(word.p, word.n, v) && *v >= min && *v <= max;
}

/* [key "seen" producer iid id ms] */
static void obey_seen(struct call *x, struct stream *s, const struct slice *words) {
    struct stream_id id;
    int64_t ms;

    if (words[2].n > IDMP_NAME_MAX || words[3].n > IDMP_NAME_MAX) return;
    if (!stream_id_parse(words[4], 0, &id) || !number_of(words[5], 0, INT64_MAX, &ms)) return;
    stream_idmp_add(need(x, s), words[2], words[3], id, ms, x->now_ms);
}

/* [key "limits" seconds number] */
static void obey_limits(struct call *x, struct stream *s, const struct slice *words) {
    int64_t duration_s, maxsize;

    if (!number_of(words[2], 1, IDMP_DURATION_MAX_S, &duration_s)) return;
    if (!number_of(words[3], 1, IDMP_MAXSIZE_MAX, &maxsize)) return;
    need(x, s)->duration_s = duration_s;
    s->idmp->maxsize = maxsize;
}

/* [key "state" all]: of a rewritten log */
static void obey_state(struct stream *s, const struct slice *words) {
    struct stream_idmp *m = stream_idmp_decode(words[2]);

    if (!m) return;
    stream_idmp_free(s->idmp);
    s->idmp = m;
}

void stream_obey_note(struct call *x, struct slice text) {
    struct slice words[NOTE_WORDS];
    int n = note_words(text, words);
    struct entry *e;

    if (n < 3) return;
    e = db_find(x->db, words[0], hash_bytes(words[0].p, words[0].n));
    if (!e || e->type != TYPE_STREAM) return;
    if (n == 6 && slice_is(words[1], "seen")) obey_seen(x, stream_of(e), words);
    if (n == 4 && slice_is(words[1], "limits")) obey_limits(x, stream_of(e), words);
    if (n == 3 && slice_is(words[1], "state")) obey_state(stream_of(e), words);
}

/* ---------------------------------------------------------------- rows */

/* clang-format off */
const struct command stream_idempotent_commands[] = {
    {"xcfgset", -4, CMD_WRITE | CMD_FAST, "stream", {1, 1, 1}, cmd_xcfgset, "8.6.0",
     "Sets for how long, and how many, idempotent ids of producers a stream remembers.",
     .grammar = "key@0 [IDMP-DURATION=duration:int] [IDMP-MAXSIZE=maxsize:int]",
     .key_specs = "RW update"},
    {0},
};
/* clang-format on */
